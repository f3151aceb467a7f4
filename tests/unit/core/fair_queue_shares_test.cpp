// Fairness over time: shares, waiting, hoarding. Machines are simulated; each runs the jobs that
// fair_queue picks.
#include "runtime/core/fairness/fair_queue.hpp"

#include "runtime/base/random.hpp"
#include "tests/support/property.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tayfa {
namespace {

/// Machines of some kinds, each serving one model ("" = any), with a record of the served tenants.
class farm {
 public:
  struct given {
    std::string tenant;
    std::uint64_t order = 0;
    double at_ms = 0;
  };

  farm(fair_queue& lines, std::vector<std::string> machines)
      : lines_(lines), machines_(std::move(machines)) {
    for (std::size_t i = 0; i < machines_.size(); ++i) {
      free_.push_back(i);
    }
  }

  std::uint64_t submit(const std::string& tenant, const std::string& model, double ms,
                       double expected_ms, milliseconds urgency = milliseconds{0}) {
    const fair_queue::place p{tenant, {model, "", 0}, moment{urgency}, ++orders_};
    lines_.add(p);
    jobs_[p.order] = {p, ms, expected_ms};
    return p.order;
  }

  /// Lets machines work until then; `refill` is called after each start.
  void run_until(double ms, const std::function<void(const given&)>& refill) {
    while (true) {
      start(refill);
      if (ends_.empty() || ends_.top().first > ms) {
        break;
      }
      now_ = ends_.top().first;
      const auto [order, machine] = ends_.top().second;
      ends_.pop();
      const job& done = jobs_.at(order);
      lines_.ended(done.where.tenant, as_ms(done.expected_ms), as_ms(done.ms));
      served_[done.where.tenant] += done.ms;
      jobs_.erase(order);
      free_.push_back(machine);
    }
    now_ = ms;
  }

  double served(const std::string& tenant) const {
    return served_.contains(tenant) ? served_.at(tenant) : 0;
  }
  double now() const { return now_; }

 private:
  struct job {
    fair_queue::place where;
    double ms = 0;
    double expected_ms = 0;
  };
  static milliseconds as_ms(double ms) { return milliseconds{static_cast<std::int64_t>(ms)}; }

  void start(const std::function<void(const given&)>& refill) {
    std::vector<fair_queue::group_id> passed;
    while (const auto next = lines_.first(passed)) {
      const auto machine = std::find_if(free_.begin(), free_.end(), [&](std::size_t i) {
        return machines_[i].empty() || machines_[i] == next->key->model;
      });
      if (machine == free_.end()) {
        passed.push_back(next->group);
        continue;
      }
      const given g{*next->tenant, next->order, now_};
      const job& j = jobs_.at(g.order);
      lines_.remove(j.where);
      lines_.started(g.tenant, as_ms(j.expected_ms));
      ends_.push({now_ + j.ms, {g.order, *machine}});
      free_.erase(machine);
      refill(g);
      passed.clear();
    }
  }

  using end = std::pair<double, std::pair<std::uint64_t, std::size_t>>;
  fair_queue& lines_;
  std::vector<std::string> machines_;
  std::vector<std::size_t> free_;
  std::priority_queue<end, std::vector<end>, std::greater<>> ends_;
  std::map<std::uint64_t, job> jobs_;
  std::map<std::string, double> served_;
  std::uint64_t orders_ = 0;
  double now_ = 0;
};

const std::vector<std::string> one{""};
const std::vector<std::string> eight(8);

const std::map<std::string, tenant_terms> one_two_four{
    {"one", {1, 0}}, {"two", {2, 0}}, {"four", {4, 0}}};

/// Every tenant always has ten jobs waiting, of run times of its own.
void expect_shares(const std::vector<std::string>& machines, double bias, std::uint64_t seed) {
  seeded_random random(seed);
  fair_queue lines(one_two_four, {});
  farm machine_room(lines, machines);
  const std::map<std::string, double> mean_ms{{"one", 4'000}, {"two", 300}, {"four", 1'500}};
  const auto submit = [&](const std::string& tenant) {
    const double expected = mean_ms.at(tenant);
    machine_room.submit(tenant, "m", expected * (0.2 + 1.6 * random.unit()), expected * bias);
  };
  for (const auto& [tenant, ms] : mean_ms) {
    for (int i = 0; i < 10; ++i) {
      submit(tenant);
    }
  }
  machine_room.run_until(4'000'000 / static_cast<double>(machines.size()),
                         [&](const farm::given& g) { submit(g.tenant); });
  const double unit =
      (machine_room.served("one") + machine_room.served("two") + machine_room.served("four")) / 7;
  EXPECT_NEAR(machine_room.served("one") / unit, 1, 0.03) << bias << ' ' << machines.size();
  EXPECT_NEAR(machine_room.served("two") / unit, 2, 0.06) << bias << ' ' << machines.size();
  EXPECT_NEAR(machine_room.served("four") / unit, 4, 0.12) << bias << ' ' << machines.size();
}

TEST(fair_shares, are_as_the_weights_in_milliseconds_not_in_jobs) {
  expect_shares(one, 1, 1);
  expect_shares(eight, 1, 2);
}

TEST(fair_shares, do_not_depend_on_the_estimates_being_right) {
  expect_shares(one, 0, 3);
  expect_shares(one, 10, 4);
  expect_shares(eight, 0, 5);
  expect_shares(eight, 10, 6);
}

/// However the tenants come and go, while two of them wait neither gets ahead of the other by more
/// than what is given in a turn (start-time fair queueing's bound, for one machine).
TEST(fair_shares, of_two_that_wait_neither_is_ahead_by_more_than_a_turn_each) {
  EXPECT_TRUE(tayfa::testing::property(60, [] {
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    const auto tenants_seen = *rc::gen::inRange(2, 8);
    seeded_random random(seed);
    fair_queue lines({}, {});
    farm machine_room(lines, one);
    constexpr double most_ms = 5'000;
    const auto name = [](int i) { return "t" + std::to_string(i); };
    const auto submit = [&](const std::string& tenant) {
      const double ms = 1 + (most_ms - 1) * random.unit();
      machine_room.submit(tenant, "m", std::floor(ms), std::floor(ms));
    };
    submit(name(0));
    submit(name(1));
    for (int i = 0; i < 300; ++i) {
      if (random.next() % 2 == 0) { // the others come and go
        submit(name(static_cast<int>(random.next() % static_cast<unsigned>(tenants_seen))));
      }
      machine_room.run_until(machine_room.now() + 1'000, [&](const farm::given& g) {
        if (g.tenant == name(0) || g.tenant == name(1)) {
          submit(g.tenant);
        }
      });
      const double ahead = machine_room.served(name(0)) - machine_room.served(name(1));
      RC_ASSERT(std::abs(ahead) <= 2 * most_ms + 1);
    }
  }));
}

TEST(fair_shares, an_idle_tenant_cannot_have_saved_up) {
  fair_queue lines({}, {});
  farm machine_room(lines, one);
  machine_room.submit("returns", "m", 1'000, 1'000);
  machine_room.submit("stays", "m", 1'000, 1'000);
  const auto both = [&](const farm::given& g) { machine_room.submit(g.tenant, "m", 1'000, 1'000); };
  machine_room.run_until(3'600'000, [&](const farm::given& g) {
    if (g.tenant == "stays") {
      both(g);
    }
  });
  const double before = machine_room.served("stays");
  const double of_returned = machine_room.served("returns");
  machine_room.submit("returns", "m", 1'000, 1'000);
  machine_room.run_until(3'700'000, both);
  EXPECT_NEAR(machine_room.served("stays") - before, 50'000, 2'000);
  EXPECT_NEAR(machine_room.served("returns") - of_returned, 50'000, 2'000);
}

TEST(fair_shares, going_away_does_not_wipe_out_what_was_given) {
  fair_queue lines({}, {});
  farm machine_room(lines, one);
  machine_room.submit("greedy", "m", 60'000, 60'000);
  machine_room.run_until(1, [](const farm::given&) {});
  machine_room.submit("other", "m", 1'000, 1'000);
  const auto refill = [&](const farm::given& g) {
    if (g.tenant == "other") {
      machine_room.submit("other", "m", 1'000, 1'000);
    }
  };
  machine_room.run_until(61'000, refill);
  machine_room.submit("greedy", "m", 60'000, 60'000); // it was away, and comes with as much again
  machine_room.run_until(110'000, refill);
  EXPECT_GT(machine_room.served("other"), 45'000);
}

/// A tenant that had the machines of another model to itself was given much; still it must not be
/// locked out for as long once it competes with others.
TEST(fair_shares, capacity_that_no_other_tenant_could_use_is_forgotten_in_time) {
  fair_queue lines({}, {});
  farm machine_room(lines, {"common", "rare"});
  machine_room.submit("rich", "rare", 1'000, 1'000);
  machine_room.submit("poor", "common", 1'000, 1'000);
  machine_room.submit("poorer", "common", 1'000, 1'000);
  const double hours_10 = 36'000'000;
  machine_room.run_until(hours_10, [&](const farm::given& g) {
    machine_room.submit(g.tenant, g.tenant == "rich" ? "rare" : "common", 1'000, 1'000);
  });
  // The rich tenant was served twice as much as each of the others: five hours more.
  EXPECT_NEAR(machine_room.served("rich") / machine_room.served("poor"), 2, 0.02);
  const auto order = machine_room.submit("rich", "common", 1'000, 1'000);
  double waited = -1;
  machine_room.run_until(hours_10 + 7'200'000, [&](const farm::given& g) {
    if (g.order == order) {
      waited = g.at_ms - hours_10;
    } else if (g.tenant != "rich") {
      machine_room.submit(g.tenant, "common", 1'000, 1'000);
    }
  });
  ASSERT_GE(waited, 0);
  EXPECT_LT(waited, 15 * 60'000);
}

/// Jobs of a model that no worker can run wait for hours; their tenant neither changes the shares
/// of the others nor lets newcomers pass them.
TEST(fair_shares, a_tenant_that_cannot_be_served_does_not_change_the_others_shares) {
  fair_queue lines(one_two_four, {});
  farm machine_room(lines, {"m"});
  machine_room.submit("stuck", "too large", 1'000, 1'000);
  const auto refill = [&](const farm::given& g) {
    if (!g.tenant.starts_with("guest")) {
      machine_room.submit(g.tenant, "m", 1'000, 1'000);
    }
  };
  for (const auto& [tenant, t] : one_two_four) {
    machine_room.submit(tenant, "m", 1'000, 1'000);
  }
  machine_room.run_until(7'000'000, refill);
  EXPECT_NEAR(machine_room.served("one"), 1'000'000, 10'000);
  EXPECT_NEAR(machine_room.served("two"), 2'000'000, 10'000);
  EXPECT_NEAR(machine_room.served("four"), 4'000'000, 10'000);
  for (int i = 0; i < 50; ++i) {
    machine_room.submit("guest", "m", 1'000, 1'000);
  }
  machine_room.run_until(7'080'000, refill); // eight parts of weight now, one of them the guest's
  EXPECT_NEAR(machine_room.served("guest"), 10'000, 2'000);
}

// ---- no tenant starves (I18) --------------------------------------------------------------------

TEST(fair_waits, an_urgent_flood_of_the_same_tenant_delays_a_later_job_only_until_its_moment) {
  fair_queue lines({}, {});
  farm machine_room(lines, one);
  // Low priority is an urgency ten minutes later than the time of submission; the flood's is now.
  const auto slow = machine_room.submit("t", "m", 1'000, 1'000, milliseconds{600'000});
  for (int i = 0; i < 3; ++i) {
    machine_room.submit("t", "m", 1'000, 1'000);
  }
  double started = -1;
  machine_room.run_until(1'300'000, [&](const farm::given& g) {
    if (g.order == slow) {
      started = g.at_ms;
    }
    machine_room.submit("t", "m", 1'000, 1'000, // twice the load that can be served
                        milliseconds{static_cast<std::int64_t>(g.at_ms)});
    if (lines.size() < 500) {
      machine_room.submit("t", "m", 1'000, 1'000, milliseconds{static_cast<std::int64_t>(g.at_ms)});
    }
  });
  ASSERT_GE(started, 0);
  // Those submitted before its moment may go first: at most those 500.
  EXPECT_LE(started, 600'000 + 500'000);
}

/// A job of a tenant that waits alone is served within one turn of every other's, whatever their
/// weights and however many jobs they have.
TEST(fair_waits, a_small_tenants_job_waits_for_at_most_a_turn_of_each_of_the_others) {
  EXPECT_TRUE(tayfa::testing::property(60, [] {
    seeded_random random(*rc::gen::arbitrary<std::uint64_t>());
    const auto others = *rc::gen::inRange(1, 20);
    const auto weight = *rc::gen::inRange(1, 50);
    fair_queue lines({{"small", {1, 0}}}, {static_cast<double>(weight), 0});
    farm machine_room(lines, one);
    constexpr double most_ms = 2'000;
    const auto submit = [&](const std::string& tenant) {
      const double ms = std::floor(1 + (most_ms - 1) * random.unit());
      return machine_room.submit(tenant, "m", ms, ms);
    };
    for (int i = 0; i < others; ++i) {
      for (int k = 0; k < 20; ++k) {
        submit("big " + std::to_string(i));
      }
    }
    const auto refill = [&](const farm::given& g) { submit(g.tenant); };
    machine_room.run_until(500'000 * random.unit(), refill);
    const double asked = machine_room.now();
    const auto mine = submit("small");
    double started = -1;
    machine_room.run_until(asked + 10'000'000, [&](const farm::given& g) {
      if (g.order == mine) {
        started = g.at_ms;
      }
      if (started < 0) {
        refill(g);
      }
    });
    // The tenant starts at the lowest level of the others. Each of them may get one job while the
    // tenant is not above it, and one job is running.
    RC_ASSERT(started >= 0);
    RC_ASSERT(started - asked <= (others + 1) * most_ms);
  }));
}

TEST(fair_waits, a_tenant_of_little_weight_is_served_at_its_rate) {
  fair_queue lines({{"small", {0.1, 0}}}, {10, 0});
  farm machine_room(lines, one);
  machine_room.submit("small", "m", 1'000, 1'000);
  machine_room.submit("big", "m", 1'000, 1'000);
  double last = 0;
  double longest = 0;
  machine_room.run_until(4'000'000, [&](const farm::given& g) {
    machine_room.submit(g.tenant, "m", 1'000, 1'000);
    if (g.tenant == "small") {
      longest = std::max(longest, g.at_ms - last);
      last = g.at_ms;
    }
  });
  EXPECT_LE(longest, 102'000); // one part in 101
  EXPECT_GE(machine_room.served("small"), 38'000);
}

TEST(fair_waits, jobs_expected_to_take_no_time_cannot_shut_out_the_others) {
  fair_queue lines({}, {});
  farm machine_room(lines, one);
  machine_room.submit("liar", "m", 0, 0);
  const auto honest = machine_room.submit("honest", "m", 5, 5);
  machine_room.submit("honest", "m", 5, 5);
  int liars = 0;
  int given = 0;
  machine_room.run_until(20, [&](const farm::given& g) {
    given += g.tenant == "honest" ? 1 : 0;
    if (g.tenant == "liar" && ++liars < 1'000) {
      machine_room.submit("liar", "m", 0, 0);
    }
  });
  EXPECT_EQ(given, 2) << honest;
}

TEST(fair_waits, virtual_time_does_not_end) {
  fair_queue lines({}, {});
  farm machine_room(lines, one);
  const double week = 7.0 * 24 * 3'600'000;
  machine_room.submit("a", "m", week, week);
  machine_room.submit("b", "m", week, week);
  machine_room.run_until(
      week * 30'000, [&](const farm::given& g) { machine_room.submit(g.tenant, "m", week, week); });
  EXPECT_NEAR(machine_room.served("a"), machine_room.served("b"), week);
}

} // namespace
} // namespace tayfa
