#include "runtime/telemetry/feed.hpp"

#include <atomic>
#include <future>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <thread>

namespace tayfa {
namespace {

std::vector<std::uint64_t> numbers(const event_feed::page& page) {
  std::vector<std::uint64_t> all;
  for (const auto& event : page.events) {
    all.push_back(event.number);
  }
  return all;
}
using list = std::vector<std::uint64_t>;

void publish(event_feed& feed, int times, std::string_view subject = "a") {
  for (int i = 0; i < times; ++i) {
    feed.publish("job", subject, "{}");
  }
}

TEST(feed, tells_what_came_after_a_number) {
  event_feed feed;
  EXPECT_EQ(feed.last(), 0U);
  feed.publish("job", "a", R"({"status":"IN_QUEUE"})");
  feed.publish("pod", "", R"({"to":"READY"})");
  const auto page = feed.after(0, {}, 10);
  ASSERT_EQ(page.events.size(), 2U);
  EXPECT_EQ(page.events[0].kind, "job");
  EXPECT_EQ(page.events[0].subject, "a");
  EXPECT_EQ(page.events[0].data, R"({"status":"IN_QUEUE"})");
  EXPECT_EQ(page.events[1].number, 2U);
  EXPECT_EQ(page.last, 2U);
  EXPECT_EQ(page.missed, 0U);
  EXPECT_EQ(numbers(feed.after(1, {}, 10)), list{2});
  EXPECT_TRUE(feed.after(2, {}, 10).events.empty());
  EXPECT_EQ(feed.after(2, {}, 10).last, 2U);
}

TEST(feed, in_pages_and_by_subject) {
  event_feed feed;
  for (int i = 0; i < 5; ++i) {
    publish(feed, 1, "a");
    publish(feed, 1, "b");
  }
  auto page = feed.after(0, {"b"}, 2);
  EXPECT_EQ(numbers(page), (list{2, 4}));
  EXPECT_EQ(page.last, 4U);
  page = feed.after(page.last, {"b"}, 10);
  EXPECT_EQ(numbers(page), (list{6, 8, 10}));
  page = feed.after(1, {"nobody"}, 10);
  EXPECT_TRUE(page.events.empty());
  EXPECT_EQ(page.last, 10U) << "what was looked at need not be looked at again";
}

TEST(feed, tells_how_many_are_gone) {
  event_feed feed{4};
  publish(feed, 10);
  EXPECT_EQ(feed.after(2, {}, 10).missed, 4U);
  EXPECT_EQ(numbers(feed.after(2, {}, 10)), (list{7, 8, 9, 10}));
  EXPECT_EQ(feed.after(6, {}, 10).missed, 0U);
  EXPECT_EQ(feed.after(0, {}, 10).missed, 6U);
}

TEST(feed, tells_a_watcher_of_an_earlier_runtime) {
  event_feed feed{4, 1'000};
  EXPECT_EQ(feed.last(), 1'000U);
  publish(feed, 2);
  EXPECT_TRUE(feed.after(900, {}, 10).restarted);
  EXPECT_EQ(numbers(feed.after(900, {}, 10)), (list{1'001, 1'002}));
  EXPECT_TRUE(feed.after(5'000, {}, 10).restarted);
  EXPECT_EQ(feed.after(5'000, {}, 10).last, 1'002U);
  EXPECT_FALSE(feed.after(1'000, {}, 10).restarted);
  EXPECT_EQ(feed.base(), 1'000U);
}

TEST(feed, is_bounded_in_bytes) {
  event_feed feed{100'000};
  for (int i = 0; i < 2'000; ++i) {
    feed.publish("job", "a", std::string(event_feed::data_bytes_max, 'x'));
  }
  const auto page = feed.after(0, {}, 100'000);
  EXPECT_LE(page.events.size() * event_feed::data_bytes_max, event_feed::bytes_max);
  EXPECT_GT(page.events.size(), 400U);
  EXPECT_EQ(page.events.back().number, 2'000U);
  feed.publish("job", "a", std::string(event_feed::data_bytes_max + 1, 'x'));
  EXPECT_EQ(feed.after(2'000, {}, 1).events[0].data, R"({"omittedBytes":16385})");
}

TEST(feed, wakes_watchers_until_they_go) {
  event_feed feed;
  EXPECT_TRUE(feed.idle());
  int a = 0;
  int b = 0;
  const auto first = feed.watch([&a] { ++a; });
  const auto second = feed.watch([&b] { ++b; });
  EXPECT_NE(first, second);
  EXPECT_FALSE(feed.idle());
  publish(feed, 2);
  feed.unwatch(first);
  feed.unwatch(first);
  publish(feed, 1);
  feed.unwatch(second);
  publish(feed, 1);
  EXPECT_EQ(a, 2);
  EXPECT_EQ(b, 3);
  EXPECT_FALSE(feed.idle()) << "they may come back and ask what they missed";
}

TEST(feed, stays_awake_for_a_watcher_to_come) {
  event_feed feed;
  EXPECT_TRUE(feed.idle());
  feed.stay_awake();
  EXPECT_FALSE(feed.idle());
}

TEST(feed, a_watcher_may_read_and_leave_while_it_is_woken) {
  event_feed feed;
  std::uint64_t ticket = 0;
  std::size_t seen = 0;
  ticket = feed.watch([&] {
    seen += feed.after(0, {}, 10).events.size();
    feed.unwatch(ticket);
    seen += 10; // its own captures are still there
  });
  publish(feed, 3);
  EXPECT_EQ(seen, 11U);
}

TEST(feed, unwatch_waits_for_the_call_that_is_under_way) {
  event_feed feed;
  std::promise<void> entered;
  std::promise<void> go_on;
  std::atomic<bool> left{false};
  const auto ticket = feed.watch([&] {
    entered.set_value();
    go_on.get_future().wait();
    left = true;
  });
  std::thread publisher{[&feed] { publish(feed, 1); }};
  entered.get_future().wait();
  std::thread leaver{[&] {
    feed.unwatch(ticket);
    EXPECT_TRUE(left);
  }};
  go_on.set_value();
  leaver.join();
  publisher.join();
}

TEST(feed, many_threads) {
  event_feed feed{64};
  std::atomic<bool> stop{false};
  std::thread reader{[&] {
    std::uint64_t at = 0;
    std::uint64_t seen_or_missed = 0; // seen or missed
    while (!stop || at < feed.last()) {
      const auto page = feed.after(at, {}, 16);
      seen_or_missed += page.missed + page.events.size();
      EXPECT_EQ(at + page.missed + page.events.size(), page.last);
      at = page.last;
    }
    EXPECT_EQ(at, 4'000U);
    EXPECT_EQ(seen_or_missed, 4'000U);
  }};
  std::thread watcher{[&] {
    while (!stop) {
      auto live = std::make_unique<std::atomic<int>>(0);
      const auto ticket = feed.watch([p = live.get()] { ++*p; });
      feed.unwatch(ticket);
      live.reset(); // a late call would touch freed memory
    }
  }};
  std::vector<std::thread> publishers;
  for (int i = 0; i < 4; ++i) {
    publishers.emplace_back([&feed] { publish(feed, 1'000); });
  }
  for (auto& p : publishers) {
    p.join();
  }
  stop = true;
  reader.join();
  watcher.join();
}

RC_GTEST_PROP(feed, behaves_like_a_list_with_a_short_memory, ()) {
  const auto capacity = *rc::gen::inRange<std::size_t>(1, 8);
  event_feed feed{capacity};
  std::vector<std::string> all; // all[i] is the subject of event i + 1
  const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 3));
  for (const int subject : steps) {
    all.emplace_back(1, static_cast<char>('a' + subject));
    feed.publish("job", all.back(), "{}");
  }
  const auto asked = *rc::gen::inRange<std::size_t>(0, all.size() + 2);
  const std::string subject = *rc::gen::element<std::string>("", "a", "b");
  const auto most = *rc::gen::inRange<std::size_t>(1, 10);
  const auto page = feed.after(asked, {subject}, most);
  RC_ASSERT(page.restarted == (asked > all.size()));
  const std::size_t kept = std::min(capacity, all.size());
  const std::size_t from = page.restarted ? all.size() - kept : std::max(asked, all.size() - kept);
  RC_ASSERT(page.missed == (page.restarted ? 0 : from - asked));
  list expected;
  for (std::size_t i = from; i < all.size() && expected.size() < most; ++i) {
    if (subject.empty() || all[i] == subject) {
      expected.push_back(i + 1);
    }
  }
  RC_ASSERT(numbers(page) == expected);
  RC_ASSERT(page.last == (expected.size() == most ? expected.back() : all.size()));
}

} // namespace
} // namespace tayfa
