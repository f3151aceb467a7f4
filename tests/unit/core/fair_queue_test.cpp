// Answers of fair_queue, by hand and compared with fair_queue_model.
#include "runtime/core/fairness/fair_queue.hpp"

#include "tests/support/property.hpp"
#include "tests/unit/core/fair_queue_model.hpp"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tayfa {
namespace {

using place = fair_queue::place;
using testing::fair_queue_model;

constexpr milliseconds second{1'000};

place job(std::string tenant, std::string model, std::uint64_t order, int urgency_s = 0,
          std::string shape = "", bool alone = false) {
  return {std::move(tenant),
          {std::move(model), std::move(shape), alone},
          moment{std::chrono::seconds{urgency_s}},
          order};
}

std::uint64_t first_order(const fair_queue& lines) {
  const auto found = lines.first({});
  return found ? found->order : 0;
}

TEST(fair_queue, empty) {
  const fair_queue lines({}, {});
  EXPECT_FALSE(lines.first({}));
  EXPECT_FALSE(lines.first_of(0));
  EXPECT_EQ(lines.size(), 0U);
  EXPECT_FALSE(lines.wants("sd15"));
  EXPECT_EQ(lines.waiting_in({"sd15", "", false}), 0U);
}

TEST(fair_queue, within_a_tenant_the_most_urgent_then_the_earliest) {
  fair_queue lines({}, {});
  const place late = job("a", "m", 1, 50);
  const place soon = job("a", "m", 2, 10);
  const place soon_too = job("a", "n", 3, 10);
  for (const auto& p : {late, soon_too, soon}) {
    lines.add(p);
  }
  EXPECT_EQ(first_order(lines), 2U);
  lines.remove(soon);
  EXPECT_EQ(first_order(lines), 3U);
  EXPECT_EQ(lines.first({})->key->model, "n");
  lines.remove(soon_too);
  EXPECT_EQ(first_order(lines), 1U);
  lines.remove(late);
  EXPECT_EQ(lines.size(), 0U);
  EXPECT_EQ(lines.tenants(), 1U); // forgotten when something else happens
}

TEST(fair_queue, tenants_take_turns) {
  fair_queue lines({}, {});
  for (std::uint64_t i = 1; i <= 3; ++i) {
    lines.add(job("a", "m", i));
    lines.add(job("b", "m", 10 + i));
  }
  std::string order;
  for (int i = 0; i < 6; ++i) {
    const auto next = lines.first({});
    ASSERT_TRUE(next);
    const std::string name = *next->tenant;
    order += name;
    lines.remove(job(name, "m", next->order));
    lines.started(name, second);
  }
  EXPECT_EQ(order, "ababab");
}

TEST(fair_queue, a_passed_group_is_left_out_and_its_tenant_is_not) {
  fair_queue lines({}, {});
  lines.add(job("a", "m", 1, 1));
  lines.add(job("a", "n", 2, 2));
  lines.add(job("b", "m", 3, 1));
  const auto m = lines.first({});
  ASSERT_TRUE(m);
  EXPECT_EQ(m->order, 1U);
  const auto n = lines.first({m->group});
  ASSERT_TRUE(n);
  EXPECT_EQ(n->order, 2U);
  EXPECT_FALSE(lines.first({m->group, n->group}));
}

TEST(fair_queue, groups_that_differ_in_shape_only_are_passed_over_together) {
  fair_queue lines({}, {});
  for (std::uint64_t i = 1; i <= 40; ++i) {
    lines.add(
        job("a", i % 2 == 0 ? "m" : "n", i, static_cast<int>(i), "shape" + std::to_string(i)));
  }
  lines.add(job("a", "m", 50, 50, "shape2", true));
  fair_queue::passed_over passed;
  EXPECT_EQ(lines.first(passed)->order, 1U);
  lines.pass(passed, lines.first(passed)->group, true);
  EXPECT_EQ(lines.first(passed)->order, 2U) << "of the other model";
  lines.pass(passed, lines.first(passed)->group, true);
  EXPECT_EQ(lines.first(passed)->order, 50U) << "one that must not share an engine is another kind";
  lines.pass(passed, lines.first(passed)->group, false);
  EXPECT_FALSE(lines.first(passed));
  lines.remove(job("a", "m", 2, 2, "shape2"));
  lines.add(job("b", "o", 60)); // whatever number its group and kind have
  EXPECT_EQ(lines.first({})->order, 1U);
}

TEST(fair_queue, what_a_run_costs_besides_counts_and_can_be_corrected) {
  fair_queue lines({}, {});
  for (std::uint64_t i = 1; i <= 9; ++i) {
    lines.add(job("a", "m", i));
    lines.add(job("b", "m", 10 + i));
  }
  const auto turns = [&](int n) {
    std::string order;
    for (int i = 0; i < n; ++i) {
      const auto next = lines.first({});
      const std::string name = *next->tenant;
      order += name;
      lines.remove(job(name, "m", next->order));
      lines.started(name, second);
      lines.ended(name, second, second);
    }
    return order;
  };
  EXPECT_EQ(turns(2), "ab");
  lines.expect_also("a", 3'000);
  EXPECT_EQ(turns(2), "bb");
  lines.settle_also("a", 3'000, 5'000);
  EXPECT_EQ(turns(3), "bbb");
  lines.expect_also("a", 3'000);
  lines.settle_also("a", 3'000, 0);
  EXPECT_EQ(turns(2), "ab");
  lines.expect_also("nobody", 1'000);
  lines.settle_also("nobody", 1'000, 2'000);
  EXPECT_EQ(lines.tenants(), 2U);
}

/// Bob's jobs run on all machines, and what they cost is only guessed; Alice comes; the guesses
/// were much too high. She is next all the same.
TEST(fair_queue, a_tenant_that_joins_does_not_stay_behind_a_charge_that_was_only_expected) {
  for (const bool also : {false, true}) {
    fair_queue lines({}, {});
    const auto guess = 10 * second;
    const auto expected = also ? milliseconds{1} : guess;
    for (std::uint64_t i = 1; i <= 4; ++i) {
      lines.add(job("bob", "m", i));
    }
    for (std::uint64_t i = 1; i <= 2; ++i) {
      lines.remove(job("bob", "m", i));
      lines.started("bob", expected);
      if (also) {
        lines.expect_also("bob", static_cast<double>(milliseconds{guess}.count()));
      }
    }
    lines.add(job("alice", "m", 5));
    for (std::uint64_t i = 1; i <= 2; ++i) {
      lines.ended("bob", expected, milliseconds{500});
      if (also) {
        lines.settle_also("bob", static_cast<double>(milliseconds{guess}.count()), 500);
      }
    }
    EXPECT_EQ(*lines.first({})->tenant, "alice");
  }
}

TEST(fair_queue, a_group_is_model_shape_and_alone) {
  fair_queue lines({}, {});
  lines.add(job("a", "m", 1, 0, "s"));
  lines.add(job("a", "m", 2, 0, "t"));
  lines.add(job("a", "m", 3, 0, "s", true));
  lines.add(job("b", "m", 4, 0, "s"));
  EXPECT_EQ(lines.waiting_in({"m", "s", false}), 2U);
  EXPECT_EQ(lines.waiting_in({"m", "t", false}), 1U);
  EXPECT_EQ(lines.waiting_in({"m", "s", true}), 1U);
  const auto group = lines.first({})->group;
  lines.remove(job("a", "m", 1, 0, "s"));
  EXPECT_EQ(lines.first_of(group)->order, 4U);
  lines.remove(job("b", "m", 4, 0, "s"));
  EXPECT_FALSE(lines.first_of(group));
  EXPECT_TRUE(lines.wants("m"));
  EXPECT_FALSE(lines.wants(""));
  EXPECT_FALSE(lines.wants("m2"));
}

TEST(fair_queue, a_tenant_at_its_quota_is_left_out_until_one_ends) {
  fair_queue lines({{"a", {1, 2}}}, {});
  for (std::uint64_t i = 1; i <= 4; ++i) {
    lines.add(job("a", "m", i));
  }
  const auto group = lines.first({})->group;
  for (std::uint64_t i = 1; i <= 2; ++i) {
    EXPECT_EQ(first_order(lines), i);
    lines.remove(job("a", "m", i));
    lines.started("a", second);
  }
  EXPECT_TRUE(lines.at_quota("a"));
  EXPECT_FALSE(lines.first({}));
  EXPECT_FALSE(lines.first_of(group));
  EXPECT_TRUE(lines.wants("m"));
  EXPECT_EQ(lines.running("a"), 2U);
  EXPECT_EQ(lines.waiting("a"), 2U);
  lines.ended("a", second, second);
  EXPECT_FALSE(lines.at_quota("a"));
  EXPECT_EQ(first_order(lines), 3U);
  EXPECT_EQ(lines.first_of(group)->order, 3U);
}

TEST(fair_queue, what_is_not_there_is_not_removed_and_what_is_there_not_added_twice) {
  fair_queue lines({}, {});
  lines.remove(job("a", "m", 1));
  lines.add(job("a", "m", 1));
  lines.add(job("a", "m", 1));
  lines.add(job("a", "m", 2));
  lines.add(job("a", "m", 2));
  EXPECT_EQ(lines.size(), 2U);
  lines.remove(job("a", "m", 3));
  lines.remove(job("b", "m", 1));
  lines.remove(job("a", "n", 1));
  EXPECT_EQ(lines.size(), 2U);
  lines.ended("a", second, second); // it ran nothing
  lines.ended("b", second, second);
  EXPECT_EQ(lines.running("a"), 0U);
}

TEST(fair_queue, a_hundred_thousand_invented_tenants_leave_little_behind) {
  fair_queue lines({}, {});
  lines.add(job("honest", "m", 1, 1'000'000));
  for (std::uint64_t i = 2; i < 100'000; ++i) {
    const place p = job("tenant " + std::to_string(i), "m", i);
    lines.add(p);
    lines.remove(p);
    lines.started(p.tenant, second);
    lines.ended(p.tenant, second, second);
    ASSERT_LE(lines.tenants(), fair_queue::idle_max + 3);
  }
  EXPECT_EQ(first_order(lines), 1U);
}

TEST(fair_queue, an_idle_tenant_is_forgotten_once_the_others_were_given_as_much) {
  fair_queue lines({}, {});
  for (std::uint64_t i = 1; i <= 9; ++i) {
    lines.add(job("a", "m", i));
  }
  lines.add(job("b", "m", 100));
  lines.remove(job("b", "m", 100));
  lines.started("b", 3 * second);
  lines.ended("b", 3 * second, 3 * second);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    EXPECT_EQ(lines.tenants(), i <= 4 ? 2U : 1U) << i;
    lines.remove(job("a", "m", i));
    lines.started("a", second);
    lines.ended("a", second, second);
  }
}

// ---- against the model --------------------------------------------------------------------------

const std::map<std::string, tenant_terms> terms{{"gold", {4, 0}}, {"bronze", {0.5, 2}}};
const std::string tenants[] = {"gold", "bronze", "x", "y", "z"};

class side_by_side {
 public:
  side_by_side() : lines_(terms, {1, 3}), model_(terms, {1, 3}) {}

  void step(std::uint32_t word) {
    const std::uint32_t what = word % 8;
    word /= 8;
    if (what < 3 || model_.jobs().empty()) {
      add(word);
    } else if (what == 3) {
      const place p = model_.jobs()[word % model_.jobs().size()];
      lines_.remove(p);
      model_.remove(p);
    } else if (what < 6) {
      give(word);
    } else if (!running_.empty()) {
      end(word);
    }
    check();
  }

 private:
  void add(std::uint32_t word) {
    const auto& tenant = tenants[word % 5];
    const std::string model = (word / 5) % 3 == 0 ? "a" : "b";
    const std::string shape = (word / 15) % 2 == 0 ? "s" : "t";
    const auto urgency = static_cast<int>((word / 30) % 50);
    ++orders_;
    const place p =
        job(tenant, model, orders_, urgency, shape, (word / 1'500) % 10 == 0 ? orders_ : 0);
    lines_.add(p);
    model_.add(p);
  }
  void give(std::uint32_t word) {
    std::vector<fair_queue::group_id> passed;
    if (const auto first = lines_.first({}); first && word % 3 == 0) {
      passed.push_back(first->group); // as when its worker has no room
    }
    const auto next = lines_.first(passed);
    if (!next) {
      return;
    }
    const place p{*next->tenant, *next->key, next->urgency, next->order};
    const auto ms = static_cast<int>(word % 5'000);
    lines_.remove(p);
    model_.remove(p);
    lines_.started(p.tenant, milliseconds{ms});
    model_.started(p.tenant, std::max(ms, 1));
    running_.emplace_back(p.tenant, ms);
  }
  void end(std::uint32_t word) {
    const auto it = running_.begin() + word % static_cast<std::uint32_t>(running_.size());
    const auto took = static_cast<int>((word / 16) % 9'000);
    lines_.ended(it->first, milliseconds{it->second}, milliseconds{took});
    model_.ended(it->first, std::max(it->second, 1), std::max(took, 1));
    running_.erase(it);
  }

  void same(const std::optional<fair_queue::candidate>& got, const place* want) const {
    RC_ASSERT(got.has_value() == (want != nullptr));
    if (got) {
      RC_ASSERT(got->order == want->order);
      RC_ASSERT(*got->tenant == want->tenant);
      RC_ASSERT(*got->key == want->group);
      RC_ASSERT(got->urgency == want->urgency);
    }
  }
  void check() const {
    RC_ASSERT(lines_.size() == model_.jobs().size());
    std::vector<fair_queue::group_id> passed;
    std::vector<group_key> passed_keys;
    while (true) { // every group once, in the order in which they would be passed over
      const auto next = lines_.first(passed);
      same(next, model_.first(passed_keys));
      if (!next) {
        break;
      }
      same(lines_.first_of(next->group), model_.first_of(*next->key));
      passed.push_back(next->group);
      passed_keys.push_back(*next->key);
    }
    for (const auto& name : tenants) {
      RC_ASSERT(lines_.waiting(name) == model_.waiting(name));
      RC_ASSERT(lines_.running(name) == model_.running(name));
    }
    for (const auto& p : model_.jobs()) {
      const auto count = std::count_if(model_.jobs().begin(), model_.jobs().end(),
                                       [&](const place& q) { return q.group == p.group; });
      RC_ASSERT(lines_.waiting_in(p.group) == static_cast<std::size_t>(count));
      RC_ASSERT(lines_.wants(p.group.model));
    }
  }

  fair_queue lines_;
  fair_queue_model model_;
  std::uint64_t orders_ = 0;
  std::vector<std::pair<std::string, int>> running_;
};

TEST(fair_queue, answers_what_a_sorted_list_would) {
  EXPECT_TRUE(tayfa::testing::property(300, [] {
    const auto length = *rc::gen::inRange<std::size_t>(1, 200);
    const auto words =
        *rc::gen::container<std::vector<std::uint32_t>>(length, rc::gen::inRange(0U, 1U << 31));
    side_by_side both;
    for (const auto word : words) {
      both.step(word);
    }
  }));
}

/// With many groups, the next job must be the same as long as no tenant with a history joins.
TEST(fair_queue, answers_the_same_for_tenants_with_many_groups) {
  EXPECT_TRUE(tayfa::testing::property(60, [] {
    fair_queue lines({}, {});
    fair_queue_model model({}, {});
    std::uint64_t orders = 0;
    const auto add = [&](std::uint32_t word) {
      const place p = job(tenants[word % 5], "m", ++orders, static_cast<int>(word / 5 % 97),
                          std::to_string(word / 512 % (4U << (word % 5)))); // 4 to 64 groups
      lines.add(p);
      model.add(p);
    };
    const auto words =
        *rc::gen::container<std::vector<std::uint32_t>>(300, rc::gen::inRange(0U, 1U << 31));
    for (const auto& name : tenants) { // no tenant becomes idle
      lines.add(job(name, "last", ++orders, 1'000));
      model.add(job(name, "last", orders, 1'000));
    }
    for (const auto word : words) {
      add(word);
    }
    for (const auto word : words) {
      std::vector<fair_queue::group_id> passed;
      std::vector<group_key> passed_keys;
      for (std::uint32_t i = 0; i < word % 24; ++i) {
        if (const auto next = lines.first(passed)) {
          passed.push_back(next->group);
          passed_keys.push_back(*next->key);
        }
      }
      const auto next = lines.first(passed);
      const place* want = model.first(passed_keys);
      RC_ASSERT(next.has_value() == (want != nullptr));
      if (!next) {
        continue;
      }
      RC_ASSERT(next->order == want->order);
      RC_ASSERT(lines.first_of(next->group)->order == model.first_of(*next->key)->order);
      if (next->key->model != "last") {
        const place p = *want;
        lines.remove(p);
        model.remove(p);
        lines.started(p.tenant, milliseconds{word % 1'000 + 1});
        model.started(p.tenant, word % 1'000 + 1);
        if (word % 3 == 0) {
          add(word / 7);
        }
      }
    }
  }));
}

} // namespace
} // namespace tayfa
