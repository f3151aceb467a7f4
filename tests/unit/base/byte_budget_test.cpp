#include "runtime/base/byte_budget.hpp"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace tayfa {
namespace {

TEST(byte_budget, gives_places_until_its_bytes_are_used_up_and_takes_them_back) {
  byte_budget budget{10};
  auto six = budget.take(6);
  ASSERT_NE(six, nullptr);
  EXPECT_EQ(budget.take(5), nullptr);
  auto four = budget.take(4);
  ASSERT_NE(four, nullptr);
  EXPECT_EQ(budget.used(), 10U);
  six.reset();
  EXPECT_EQ(budget.used(), 4U);
  EXPECT_NE(budget.take(6), nullptr);
}

TEST(byte_budget, more_than_there_ever_is_and_the_largest_number_are_refused) {
  byte_budget budget{10};
  EXPECT_EQ(budget.take(11), nullptr);
  const auto one = budget.take(1);
  EXPECT_EQ(budget.take(static_cast<std::size_t>(-1)), nullptr) << "no overflow";
}

TEST(byte_budget, what_is_to_stay_free_for_others_stays_free) {
  byte_budget budget{10};
  EXPECT_EQ(budget.take(6, 5), nullptr);
  const auto five = budget.take(5, 5);
  EXPECT_NE(five, nullptr);
  EXPECT_EQ(budget.take(1, 5), nullptr);
  EXPECT_NE(budget.take(5), nullptr);
  EXPECT_EQ(budget.take(1, 11), nullptr) << "more to stay free than there is";
}

TEST(byte_budget, a_text_counts_once_however_many_share_it) {
  byte_budget budget{10};
  const shared_text text{"12345678"};
  auto one = budget.share(text);
  auto two = budget.share(shared_text{text});
  ASSERT_NE(one, nullptr);
  ASSERT_NE(two, nullptr);
  EXPECT_EQ(budget.used(), 8U);
  one.reset();
  EXPECT_EQ(budget.used(), 8U);
  two.reset();
  EXPECT_EQ(budget.used(), 0U);
  const auto again = budget.share(text);
  EXPECT_EQ(budget.used(), 8U);
  EXPECT_EQ(budget.share(shared_text{"123"}), nullptr) << "another text";
}

TEST(byte_budget, equal_texts_that_are_not_one_count_each) {
  byte_budget budget{10};
  const auto one = budget.share(shared_text{"12345"});
  const auto two = budget.share(shared_text{"12345"});
  EXPECT_EQ(budget.used(), 10U);
}

TEST(byte_budget, a_text_that_holds_its_place_is_not_counted_again) {
  byte_budget budget{10};
  weak_text seen;
  {
    const auto text = shared_text{"12345678"}.holding(budget.take(8));
    EXPECT_TRUE(text.counted());
    EXPECT_FALSE(shared_text{"x"}.counted());
    EXPECT_EQ(text.view(), "12345678");
    const auto place = budget.share(text);
    ASSERT_NE(place, nullptr);
    EXPECT_EQ(budget.used(), 8U);
    seen = weak_text{text};
    EXPECT_EQ(seen.lock().view(), "12345678");
    EXPECT_TRUE(seen.lock().counted());
  }
  EXPECT_EQ(budget.used(), 0U) << "although it is remembered";
  EXPECT_TRUE(seen.expired());
  EXPECT_TRUE(seen.lock().empty());
}

TEST(byte_budget, a_refusal_is_reported_and_a_place_outlives_the_budget) {
  int pressed = 0;
  byte_budget::place place;
  {
    byte_budget budget{10};
    budget.on_refusal([&pressed] { ++pressed; });
    place = budget.take(10);
    EXPECT_EQ(pressed, 0);
    EXPECT_EQ(budget.take(1), nullptr);
    EXPECT_EQ(budget.share(shared_text{"x"}), nullptr);
    EXPECT_EQ(pressed, 2);
    EXPECT_NE(budget.force(5), nullptr) << "what cannot be refused";
  }
  place.reset();
}

TEST(byte_budget, many_threads_leave_nothing_behind) {
  byte_budget budget{1'000};
  const shared_text text{std::string(100, 'x')};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&budget, text] {
      for (int i = 0; i < 20'000; ++i) {
        const auto one = budget.share(text);
        const auto two = budget.take(300);
        ASSERT_NE(one, nullptr);
        ASSERT_LE(budget.used(), 1'000U);
      }
    });
  }
  for (auto& t : threads) {
    t.join();
  }
  EXPECT_EQ(budget.used(), 0U);
}

} // namespace
} // namespace tayfa
