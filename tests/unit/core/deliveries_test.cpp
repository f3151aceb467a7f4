// Deliveries by themselves: tries of webhooks, posts of results, and what is under way.
#include "runtime/core/delivery/deliveries.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;

struct script {
  ~script() { EXPECT_THAT(tried.audit(), ElementsAre()); }

  deliveries tried{{.tries = 2, .pause = seconds{10}, .calls = {}}};
  moment now{std::chrono::hours{1}};
  delivery_state d;

  /// The webhook of job 1 is called.
  std::uint64_t call() {
    tried.wait(1, d, "t", "https://h/", 10);
    const auto turn = tried.next(now);
    EXPECT_TRUE(turn && turn->order == 1);
    tried.begin(1, d, turn->call);
    return turn->call;
  }
};

TEST(deliveries, a_webhook_is_tried_until_it_is_delivered_or_out_of_tries) {
  script s;
  s.tried.open(s.d);
  const auto first = s.call();
  EXPECT_TRUE(s.d.out && s.tried.is_out(1));
  EXPECT_TRUE(s.tried.answered(s.now, first, hook_answer::failed, 1, &s.d));
  EXPECT_TRUE(s.d.open && !s.d.out);
  EXPECT_EQ(s.tried.next_call(s.now), s.now + seconds{10});
  const auto second = s.call();
  EXPECT_EQ(s.d.tries, 2);
  EXPECT_TRUE(s.tried.answered(s.now, second, hook_answer::failed, 1, &s.d));
  EXPECT_FALSE(s.d.open) << "as often as allowed";
}

TEST(deliveries, a_call_that_was_not_made_is_no_try) {
  script s;
  s.tried.open(s.d);
  EXPECT_TRUE(s.tried.answered(s.now, s.call(), hook_answer::not_made, 1, &s.d));
  EXPECT_EQ(s.d.tries, 0);
  EXPECT_TRUE(s.tried.answered(s.now, s.call(), hook_answer::delivered, 1, &s.d));
  EXPECT_FALSE(s.d.open);
}

TEST(deliveries, the_end_of_another_call_changes_nothing_of_this_one) {
  script s;
  s.tried.open(s.d);
  const auto call = s.call();
  EXPECT_FALSE(s.tried.answered(s.now, call + 1, hook_answer::delivered, 1, &s.d));
  EXPECT_FALSE(s.tried.answered(s.now, call, hook_answer::delivered, 1, nullptr))
      << "its job is forgotten";
  EXPECT_TRUE(s.d.open && s.d.out);
}

TEST(deliveries, one_that_is_closed_leaves_the_queue_of_calls) {
  script s;
  s.tried.open(s.d);
  s.tried.wait(1, s.d, "t", "https://h/", 10);
  EXPECT_TRUE(s.tried.has_place(1));
  s.tried.close(1, s.d);
  EXPECT_FALSE(s.tried.has_place(1) || s.d.waits || s.d.open);
  EXPECT_FALSE(s.tried.next(s.now));
}

TEST(deliveries, a_result_is_posted_again_after_a_pause_that_doubles) {
  script s;
  s.d.undelivered = true;
  s.tried.open(s.d);
  const auto until = s.now + minutes{10};
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 8; ++i) {
    s.tried.begin(1, s.d);
    const auto next = s.tried.next_post(s.now, 1, s.d, milliseconds{0}, until);
    ASSERT_TRUE(next);
    EXPECT_FALSE(s.d.out);
    pauses.push_back(std::chrono::duration_cast<milliseconds>(*next - s.now).count());
  }
  EXPECT_THAT(pauses, ElementsAre(500, 1'000, 2'000, 4'000, 8'000, 16'000, 30'000, 30'000));
}

TEST(deliveries, the_last_post_is_just_before_its_time_is_over) {
  script s;
  s.d.undelivered = true;
  s.tried.open(s.d);
  s.tried.begin(1, s.d);
  const auto until = s.now + seconds{60};
  EXPECT_EQ(s.tried.next_post(s.now, 1, s.d, std::chrono::hours{1}, until),
            until - milliseconds{500})
      << "however long the platform asks to wait";
  s.now = until - milliseconds{600};
  s.tried.begin(1, s.d);
  EXPECT_FALSE(s.tried.next_post(s.now, 1, s.d, milliseconds{0}, until));
}

TEST(deliveries, the_last_try_of_a_process_that_ended_may_be_made_once_more) {
  script s;
  EXPECT_EQ(s.tried.tries_known(false, 1), 1);
  EXPECT_EQ(s.tried.tries_known(false, 2), 1) << "of two";
  EXPECT_EQ(s.tried.tries_known(true, 200), 1) << "a platform has the first pause again";
}

TEST(deliveries, what_is_under_way_is_listed_in_order) {
  script s;
  delivery_state e;
  s.tried.open(s.d);
  s.tried.open(e);
  s.tried.begin(7, e);
  s.tried.begin(3, s.d);
  EXPECT_THAT(s.tried.out(), ElementsAre(3, 7));
  s.tried.give_up_try(3, s.d);
  s.tried.erase(7);
  EXPECT_THAT(s.tried.out(), ElementsAre());
}

} // namespace
} // namespace tayfa::testing
