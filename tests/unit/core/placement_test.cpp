#include "runtime/core/workers/placement.hpp"

#include "tests/support/property.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tayfa::placement {
namespace {

using options = std::vector<option>;

option idle(double run_ms) {
  option o;
  o.run_ms = run_ms;
  return o;
}

option busy(double free_in_ms, double run_ms) {
  option o = idle(run_ms);
  o.has_room = false;
  o.free_in_ms = free_in_ms;
  o.held = 1;
  return o;
}

option other_model(double load_ms, double evicted_ms, double run_ms) {
  option o = idle(run_ms);
  o.loaded = false;
  o.load_ms = load_ms;
  o.evicted_ms = evicted_ms;
  return o;
}

struct row {
  std::string what;
  options given;
  std::size_t waiting;
  std::size_t index;
  bool loads;
};

std::vector<row> table() {
  option held_more = idle(100);
  held_more.held = 2;
  option idle_longer = idle(100);
  idle_longer.idle_since = 3;
  option idle_less = idle(100);
  idle_less.idle_since = 8;
  option small = idle(1);
  small.fits = false;
  return {
      {"the only one", {idle(100)}, 1, 0, false},
      {"the faster one", {idle(300), idle(100)}, 1, 1, false},
      {"one without the memory is none", {small, idle(100)}, 1, 1, false},
      {"ties go to the one that holds fewer", {held_more, idle(100)}, 1, 1, false},
      {"ties of ties to the one idle longest", {idle_less, idle_longer}, 1, 1, false},
      {"all equal: the first", {idle(100), idle(100)}, 1, 0, false},
      {"a slow one now before a fast one later", {busy(250, 100), idle(300)}, 1, 1, false},
      {"a fast one soon before a slow one now", {busy(150, 100), idle(300)}, 1, 0, false},
      {"the model's place before a load",
       {busy(900, 100), other_model(1'000, 0, 100)},
       1,
       0,
       false},
      {"a load before a long queue", {busy(5'000, 100), other_model(1'000, 0, 100)}, 1, 1, true},
      {"a load that throws out what others want costs double",
       {busy(1'500, 100), other_model(1'000, 1'000, 100)},
       1,
       0,
       false},
      {"two wait: the fast one finishes both before the slow one would one",
       {busy(50, 100), idle(300)},
       2,
       0,
       false},
      {"three wait: the slow one is of use", {busy(50, 100), idle(300)}, 3, 1, false},
      {"four fast ones serve a queue of eight",
       {busy(50, 100), busy(60, 100), busy(70, 100), busy(80, 100), idle(300)},
       8,
       0,
       false},
      {"and no more",
       {busy(50, 100), busy(60, 100), busy(70, 100), busy(80, 100), idle(300)},
       9,
       4,
       false},
      {"a load pays for many", {busy(0, 100), other_model(2'000, 0, 100)}, 22, 1, true},
      {"and not for few", {busy(0, 100), other_model(2'000, 0, 100)}, 21, 0, false},
      {"nobody has room: the first that will", {busy(200, 100), busy(100, 100)}, 99, 1, false},
  };
}

TEST(placement, table) {
  for (const row& r : table()) {
    const auto chosen = choose(r.given, {r.waiting, 0});
    ASSERT_TRUE(chosen) << r.what;
    EXPECT_EQ(chosen->index, r.index) << r.what;
    EXPECT_EQ(chosen->loads, r.loads) << r.what;
  }
}

TEST(placement, nothing_fits) {
  option small = idle(1);
  small.fits = false;
  EXPECT_FALSE(choose(options{}));
  EXPECT_FALSE(choose(options{small, small}));
}

TEST(placement, what_is_no_time_is_the_worst_or_nothing) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, infinite}) {
    const auto chosen = choose(options{idle(bad), busy(bad, 1), idle(1e6)});
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->index, 2U);
    EXPECT_TRUE(choose(options{busy(bad, bad)}, {3, bad}));
    const auto contested = compare(options{busy(0, 1), idle(bad)}, {3, bad});
    ASSERT_TRUE(contested.with_room);
    EXPECT_TRUE(std::isfinite(contested.until_ms));
    EXPECT_TRUE(std::isfinite(contested.wanted));
  }
  EXPECT_EQ(choose(options{idle(0), idle(-5)})->index, 0U) << "no better than no time";
}

TEST(placement, arrivals_to_come_use_a_slow_worker_earlier) {
  const options both{busy(50, 100), idle(300)}; // the fast one finishes two in the slow one's time
  EXPECT_EQ(choose(both, {1, 0})->index, 0U);
  EXPECT_EQ(choose(both, {1, 0.003})->index, 0U); // 0.9 come meanwhile
  EXPECT_EQ(choose(both, {1, 0.004})->index, 1U); // 1.2 do
  // No model is changed for jobs that have not arrived.
  const options other{busy(50, 100), other_model(200, 0, 100)};
  EXPECT_EQ(choose(other, {1, 10})->index, 0U);
  EXPECT_EQ(choose(other, {3, 0})->index, 1U);
}

TEST(placement, what_an_eviction_costs) {
  struct eviction {
    std::string what;
    demand of;
    double kept_per_ms;
    double cost_ms;
  };
  // A run takes 100 ms; the worker would be away for 600 ms and then take 400 ms to come back.
  const eviction rows[] = {
      {"nobody wants it", {0, 0}, 0, 0},
      {"one waits and nobody else has the model: a load, and its run", {1, 0}, 0, 500},
      {"a queue: a load, and all of it waits", {30, 0}, 0, 3'400},
      {"another worker does it all", {10, 0}, 0.01, 0},
      {"another does ten of them", {30, 0}, 0.01, 400 + 20 * 100},
      {"four others do more, and share the rest", {50, 0}, 0.04, 400 + 10 * 25},
      {"none waits, half a run is expected to come: half a load", {0, 0.0005}, 0, 200 + 50},
  };
  for (const eviction& row : rows) {
    EXPECT_NEAR(eviction_ms(row.of, 100, row.kept_per_ms, 400, 600), row.cost_ms, 1e-6) << row.what;
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isfinite(eviction_ms({1, nan}, nan, nan, nan, nan)));
}

TEST(placement, long_queues_of_two_models_do_not_make_workers_change_to_and_fro) {
  // A worker of model Y has room; X waits for the other worker. Both queues take 100 ms a job.
  const auto changes = [](std::size_t x_waits, std::size_t y_waits) {
    option y = other_model(1'000, 0, 100);
    y.evicted_ms = eviction_ms({y_waits, 0}, 100, 0, 1'000, 1'100);
    return choose(options{busy(50, 100), y}, {x_waits, 0})->index == 1;
  };
  EXPECT_FALSE(changes(100, 100));
  EXPECT_FALSE(changes(110, 100));
  EXPECT_TRUE(changes(130, 100)); // longer by both loads and more
  EXPECT_TRUE(changes(20, 0));
}

TEST(placement, a_model_that_no_worker_has_is_loaded_however_long_the_queue_of_another) {
  options all;
  for (int i = 0; i < 8; ++i) {
    option o = other_model(5'000, 0, 100);
    o.has_room = i == 3;
    o.free_in_ms = o.has_room ? 0 : 50;
    o.evicted_ms = eviction_ms({100'000, 0.1}, 100, 0.07, 1'000, 5'100);
    all.push_back(o);
  }
  EXPECT_EQ(choose(all, {1, 0})->index, 3U);
  EXPECT_EQ(choose(all, {1, 0.001})->index, 3U);
}

// ---- properties ---------------------------------------------------------------------------------

options any_options() {
  options all;
  const auto count = *rc::gen::inRange(0, 12);
  for (int i = 0; i < count; ++i) {
    const auto ms = [] { return static_cast<double>(*rc::gen::inRange(0, 50)) * 10; };
    option o;
    o.fits = *rc::gen::inRange(0, 4) != 0;
    o.has_room = *rc::gen::arbitrary<bool>();
    o.free_in_ms = o.has_room ? 0 : ms();
    o.loaded = *rc::gen::arbitrary<bool>();
    o.load_ms = ms();
    o.evicted_ms = ms();
    o.run_ms = ms();
    o.held = *rc::gen::inRange<std::size_t>(0, 3);
    o.idle_since = *rc::gen::inRange<std::uint64_t>(0, 3);
    all.push_back(o);
  }
  return all;
}

double own_estimate(const option& o) {
  return o.free_in_ms + (o.loaded ? 0 : o.load_ms + o.evicted_ms) + o.run_ms;
}

TEST(placement, of_one_job_nothing_is_better_than_what_it_chose) {
  EXPECT_TRUE(tayfa::testing::property(500, [] {
    const options all = any_options();
    const auto chosen = choose(all);
    bool any_fits = false;
    for (const option& o : all) {
      any_fits = any_fits || o.fits;
      if (o.fits) {
        RC_ASSERT(chosen.has_value());
        RC_ASSERT(own_estimate(all[chosen->index]) <= own_estimate(o));
      }
    }
    RC_ASSERT(chosen.has_value() == any_fits);
    if (chosen) {
      RC_ASSERT(all[chosen->index].fits);
      RC_ASSERT(chosen->loads == !all[chosen->index].loaded);
    }
  }));
}

/// The same by laying the jobs one by one where each finishes first.
bool last_of_them_takes_room(const options& all, std::size_t waiting) {
  std::vector<double> free_at;
  double with_room = std::numeric_limits<double>::infinity();
  for (const option& o : all) {
    free_at.push_back(o.free_in_ms + (o.loaded ? 0 : o.load_ms + o.evicted_ms));
    if (o.fits && o.has_room) {
      with_room = std::min(with_room, own_estimate(o));
    }
  }
  for (std::size_t job = 0; job < waiting; ++job) {
    std::size_t best = all.size();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].fits && !all[i].has_room &&
          (best == all.size() || free_at[i] + all[i].run_ms < free_at[best] + all[best].run_ms)) {
        best = i;
      }
    }
    if (best == all.size() || free_at[best] + all[best].run_ms > with_room) {
      return true;
    }
    free_at[best] += all[best].run_ms;
  }
  return false;
}

TEST(placement, a_queue_takes_a_worker_with_room_when_the_others_cannot_finish_it_sooner) {
  EXPECT_TRUE(tayfa::testing::property(500, [] {
    const options all = any_options();
    const auto waiting = *rc::gen::inRange<std::size_t>(1, 40);
    const auto chosen = choose(all, {waiting, 0});
    if (!chosen) {
      RC_ASSERT(std::none_of(all.begin(), all.end(), [](const option& o) { return o.fits; }));
      return;
    }
    RC_ASSERT(choose(all, {waiting, 0})->index == chosen->index);
    RC_ASSERT(all[chosen->index].fits);
    bool any_room = false;
    double best_room = std::numeric_limits<double>::infinity();
    double best = std::numeric_limits<double>::infinity();
    for (const option& o : all) {
      any_room = any_room || (o.fits && o.has_room);
      best = o.fits ? std::min(best, own_estimate(o)) : best;
      best_room = o.fits && o.has_room ? std::min(best_room, own_estimate(o)) : best_room;
    }
    // A worker that ends at the same moment as one with room is as good: it must not be waited for.
    const bool takes_room =
        any_room && (best_room <= best || last_of_them_takes_room(all, waiting));
    RC_ASSERT(all[chosen->index].has_room == takes_room);
    RC_ASSERT(own_estimate(all[chosen->index]) <= (takes_room ? best_room : best));
  }));
}

} // namespace
} // namespace tayfa::placement
