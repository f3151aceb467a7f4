// The order of webhook calls: by hand, and random loads checked against the rules.
#include "runtime/core/delivery/webhook_queue.hpp"

#include "runtime/base/random.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <vector>

namespace tayfa {
namespace {

/// Orders that could begin, and their calls.
struct caller {
  explicit caller(webhook_queue::bounds b = {}) : turns(b) {}
  webhook_queue turns;
  std::map<std::uint64_t, std::uint64_t> calls; ///< order: call
  moment now{std::chrono::hours{1}};

  std::vector<std::uint64_t> begin() {
    std::vector<std::uint64_t> out;
    while (const auto t = turns.next(now)) {
      out.push_back(t->order);
      calls[t->order] = t->call;
      clean();
    }
    return out;
  }
  std::vector<std::uint64_t> wait(std::uint64_t order, const char* tenant, const char* target) {
    turns.wait(order, tenant, target);
    return begin();
  }
  std::vector<std::uint64_t> end(std::uint64_t order) {
    turns.ended(calls.at(order), now);
    calls.erase(order);
    clean();
    return begin();
  }
  void clean() const {
    for (const auto& words : turns.audit()) {
      ADD_FAILURE() << words;
    }
  }
};

using orders = std::vector<std::uint64_t>;

TEST(webhook_queue, one_tenant_fills_half_of_the_places_and_another_comes_in_at_once) {
  caller c;
  for (std::uint64_t i = 1; i <= 10'000; ++i) {
    c.wait(i, "bob", ("t" + std::to_string(i)).c_str());
  }
  EXPECT_EQ(c.turns.running(), 32U);
  EXPECT_EQ(c.wait(20'001, "alice", "her"), orders{20'001});
  EXPECT_EQ(c.end(20'001), orders{}) << "her place is not his";
}

TEST(webhook_queue, many_tenants_that_hang_leave_a_place_to_the_next) {
  caller c;
  std::uint64_t order = 0;
  for (const auto* tenant : {"b", "c", "d", "e", "f"}) {
    for (int i = 0; i < 100; ++i) {
      ++order;
      c.wait(order, tenant, ("t" + std::to_string(order)).c_str());
    }
  }
  EXPECT_EQ(c.turns.running(), 62U);
  ++order;
  EXPECT_EQ(c.wait(order, "alice", "her"), orders{order});
}

TEST(webhook_queue, when_all_places_are_taken_the_tenant_with_fewest_is_next) {
  caller c{{4, 4, 1}};
  for (std::uint64_t i = 1; i <= 5; ++i) {
    c.wait(i, "bob", ("t" + std::to_string(i)).c_str());
  }
  EXPECT_EQ(c.turns.running(), 2U);
  EXPECT_EQ(c.wait(10, "carol", "c"), orders{10});
  EXPECT_EQ(c.wait(11, "dora", "d"), orders{11});
  EXPECT_EQ(c.wait(12, "alice", "a"), orders{}) << "four places, four calls";
  EXPECT_EQ(c.end(1), orders{12});
}

TEST(webhook_queue, more_tenants_that_hang_than_there_are_places_do_not_make_another_wait_for_all) {
  caller c{{4, 4, 1}};
  std::uint64_t order = 0;
  for (int tenant = 0; tenant < 50; ++tenant) {
    for (int i = 0; i < 3; ++i, ++order) {
      c.wait(order, ("b" + std::to_string(tenant)).c_str(), ("t" + std::to_string(order)).c_str());
    }
  }
  constexpr std::uint64_t hers = 1'000'000;
  const auto ends_before_hers = [&] {
    std::size_t ends = 0;
    c.turns.wait(hers, "alice", "her");
    for (c.begin(); !c.calls.contains(hers); ++ends) {
      c.now += std::chrono::seconds{10};
      c.end(c.calls.begin()->first);
    }
    c.now += std::chrono::milliseconds{20};
    c.end(hers);
    return ends;
  };
  EXPECT_LE(ends_before_hers(), 50U) << "those that came before her, once each";
  for (int call = 0; call < 20; ++call) {
    EXPECT_LE(ends_before_hers(), 1U) << "theirs took seconds: the next place is hers";
  }
}

TEST(webhook_queue, a_target_that_hangs_for_one_tenant_can_be_called_by_another) {
  caller c;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    c.wait(i, "bob", "shared");
  }
  EXPECT_EQ(c.turns.running(), 8U) << "half of what one target gets";
  EXPECT_EQ(c.wait(101, "bob", "other"), orders{101}) << "his others do not wait for it";
  EXPECT_EQ(c.wait(102, "alice", "shared"), orders{102});
}

TEST(webhook_queue, large_bodies_of_one_tenant_leave_memory_to_another) {
  caller c{{64, 16, 100}};
  const auto wait = [&](std::uint64_t order, const char* tenant, std::size_t bytes) {
    c.turns.wait(order, tenant, "t" + std::to_string(order), bytes);
    return c.begin();
  };
  EXPECT_EQ(wait(1, "bob", 30), orders{1});
  EXPECT_EQ(wait(2, "bob", 45), orders{}) << "no more than would be left then";
  EXPECT_EQ(wait(3, "bob", 10), orders{3}) << "another target's smaller one fits";
  EXPECT_EQ(wait(4, "alice", 60), orders{4});
  EXPECT_EQ(wait(5, "carol", 1), orders{});
  EXPECT_EQ(c.end(3), (orders{5}));
  caller alone{{64, 16, 100}};
  alone.turns.wait(1, "bob", "t", 1'000);
  EXPECT_EQ(alone.begin(), orders{1}) << "one alone may be as large as it is";
}

TEST(webhook_queue, within_a_tenant_targets_take_turns_and_the_oldest_goes_first) {
  caller c{{1, 1, 1}};
  c.wait(1, "bob", "x");
  for (const std::uint64_t i : {2, 3, 4}) {
    c.wait(i, "bob", "x");
  }
  c.wait(5, "bob", "y");
  EXPECT_EQ(c.end(1), orders{2});
  EXPECT_EQ(c.end(2), orders{5});
  EXPECT_EQ(c.end(5), orders{3});
  EXPECT_EQ(c.end(3), orders{4});
  EXPECT_EQ(c.end(4), orders{});
}

TEST(webhook_queue, one_that_leaves_has_no_turn_and_calls_of_a_dead_queue_hold_no_place) {
  caller c{{2, 1, 1}};
  c.wait(1, "bob", "x");
  c.wait(2, "bob", "x");
  c.wait(3, "bob", "x");
  c.turns.leave(2);
  c.turns.leave(2);
  EXPECT_FALSE(c.turns.waits(2));
  EXPECT_TRUE(c.turns.waits(3));
  const auto lost = c.calls.at(1);
  c.turns.forget_calls();
  EXPECT_EQ(c.begin(), orders{3});
  c.turns.ended(lost, c.now);
  EXPECT_EQ(c.turns.running(), 1U) << "a word about a forgotten call frees nothing";
}

TEST(webhook_queue, targets_are_hosts_and_ports) {
  for (const auto* same :
       {"https://h.example/a", "HTTPS://H.Example:443/b?c", "https://u:p@h.example.",
        "https://h.example#x", "https://h.example:/"}) {
    EXPECT_EQ(hook_target(same), "h.example:443") << same;
  }
  EXPECT_EQ(hook_target("http://h.example"), "h.example:80");
  EXPECT_EQ(hook_target("http://[::1]:8080/x"), "[::1]:8080");
  EXPECT_EQ(hook_target("http://[::1]/x"), "[::1]:80");
  EXPECT_EQ(hook_target("nonsense"), "nonsense");
}

/// Every call that can begin begins, no tenant is passed over for ever, and no call is lost.
TEST(webhook_queue, random_targets) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    seeded_random random{seed};
    const auto below = [&](std::uint64_t n) { return random.next() % n; };
    caller c{{1 + below(12), 1 + below(6), 1 + below(30)}};
    std::map<std::uint64_t, std::string> waits; ///< order: tenant
    std::map<std::uint64_t, std::string> runs;
    std::uint64_t last = 0;
    std::size_t done = 0;
    const auto began = [&](const orders& some) {
      for (const auto order : some) {
        ASSERT_EQ(waits.count(order), 1U) << "seed " << seed;
        runs[order] = waits.at(order);
        waits.erase(order);
      }
    };
    for (int step = 0; step < 600; ++step) {
      const auto what = below(10);
      if (what < 5) {
        const auto tenant = std::string(1, static_cast<char>('a' + below(5)));
        waits[++last] = tenant;
        c.turns.wait(last, tenant, "t" + std::to_string(below(4)), below(9));
        began(c.begin());
      } else if (what < 9 && !runs.empty()) {
        const auto one = std::next(runs.begin(), static_cast<std::ptrdiff_t>(below(runs.size())));
        const auto order = one->first;
        runs.erase(one);
        ++done;
        began(c.end(order));
      } else if (!waits.empty() && below(3) == 0) {
        c.turns.leave(waits.begin()->first);
        waits.erase(waits.begin());
        ++done;
      }
      c.clean();
      ASSERT_EQ(c.turns.waiting(), waits.size()) << "seed " << seed;
      ASSERT_EQ(c.turns.running(), runs.size()) << "seed " << seed;
    }
    while (!runs.empty()) {
      const auto order = runs.begin()->first;
      runs.erase(order);
      ++done;
      began(c.end(order));
    }
    EXPECT_EQ(done, last) << "seed " << seed << ": some wait for ever";
  }
}

} // namespace
} // namespace tayfa
