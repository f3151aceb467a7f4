// Faults below the store at every call of the disk: acknowledged changes are kept, refused ones
// leave nothing.
// and nothing of what was refused.
//
// TAYFA_STORE_CRASH_SEEDS=N plays N workloads instead of a few.
#include "tests/unit/store/crash_run.hpp"

#include <cerrno>
#include <cstdlib>

#include <gtest/gtest.h>

namespace tayfa::store::testing {
namespace {

constexpr int batches = 16;

std::uint64_t seeds() {
  const char* const wanted = std::getenv("TAYFA_STORE_CRASH_SEEDS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 4;
}

std::string where(std::uint64_t seed, std::uint64_t call) {
  return "seed " + std::to_string(seed) + ", call " + std::to_string(call) + "\n";
}

/// The power goes at every changing call of every workload. The first thing that is wrong; empty =
/// nothing. `losses` counts how often it went.
std::string lose_power_everywhere(crash_run::options options, std::uint64_t last_seed,
                                  std::uint64_t& losses) {
  for (options.seed = 1; options.seed <= last_seed; ++options.seed) {
    options.sector = options.seed % 2 == 0 ? 512 : 4096;
    for (std::uint64_t call = 1;; ++call) {
      crash_run run{options};
      run.disk().lose_power_at(call);
      run.play(batches);
      if (run.disk().has_power()) {
        break; // the workload needs fewer calls
      }
      ++losses;
      run.kill();
      run.disk().power_on();
      if (auto wrong = run.recover(); !wrong.empty()) {
        return where(options.seed, call) + wrong;
      }
      run.go_on(2);
      if (auto wrong = run.recover(); !wrong.empty()) {
        return where(options.seed, call) + "later: " + wrong;
      }
    }
  }
  return {};
}

TEST(store_crash, power_loss_at_every_call_of_the_disk) {
  std::uint64_t losses = 0;
  EXPECT_EQ(lose_power_everywhere({}, seeds(), losses), "");
  EXPECT_GT(losses, 100 * seeds());
}

TEST(store_crash, the_test_sees_a_database_that_is_not_flushed) {
  std::uint64_t losses = 0;
  EXPECT_NE(lose_power_everywhere({.flush = false}, 8, losses), "");
}

TEST(store_crash, the_test_sees_folders_of_large_texts_that_are_not_flushed) {
  std::uint64_t losses = 0;
  EXPECT_NE(lose_power_everywhere({.flush_names = false}, 8, losses), "");
}

TEST(store_crash, a_kill_loses_nothing) {
  for (std::uint64_t seed = 1; seed <= 8 * seeds(); ++seed) {
    crash_run run{{.seed = seed}};
    run.play(batches);
    EXPECT_FALSE(run.refused());
    EXPECT_EQ(run.recover(), "") << where(seed, 0);
  }
}

/// Fails one call of a kind at each of its places in the workload; with or without power loss
/// afterwards.
template <class Play>
void fail_everywhere(disk_call kind, int number, bool from_then_on, Play play) {
  for (std::uint64_t seed = 1; seed <= (seeds() + 1) / 2; ++seed) {
    for (std::uint64_t nth = 1;; ++nth) {
      crash_run run{{.seed = seed}};
      const auto before = run.disk().calls(kind);
      run.disk().plan_fault(kind, nth, number, from_then_on);
      play(run);
      const bool reached = run.disk().calls(kind) >= before + nth;
      run.disk().heal();
      if (nth % 2 == 0) {
        run.disk().power_loss();
        run.kill();
        run.disk().power_on();
      }
      ASSERT_EQ(run.recover(), "") << where(seed, nth);
      run.go_on(2);
      ASSERT_FALSE(run.refused());
      ASSERT_EQ(run.recover(), "") << where(seed, nth);
      if (!reached) {
        break;
      }
    }
  }
}

TEST(store_crash, a_failed_flush_ends_the_store_and_nothing_acknowledged_is_lost) {
  std::size_t refused = 0;
  fail_everywhere(disk_call::sync, EIO, false, [&](crash_run& run) {
    run.go_on(batches);
    refused += run.refused() ? 1 : 0;
  });
  EXPECT_GT(refused, 10U);
  fail_everywhere(disk_call::sync_folder, EIO, false, [](crash_run& run) { run.go_on(batches); });
}

/// After a failed flush the kernel takes some pages for clean that never reached the disk, so what
/// the next process reads may be gone once the power failed: it must not build upon it. The first
/// thing that is wrong; empty = nothing.
std::string lose_power_after_failed_flushes(crash_run::options options, std::uint64_t last_seed) {
  for (options.seed = 1; options.seed <= last_seed; ++options.seed) {
    for (std::uint64_t nth = 1;; ++nth) {
      crash_run run{options};
      run.disk().plan_fault(disk_call::sync, nth, EIO);
      run.go_on(batches);
      if (run.disk().calls(disk_call::sync) < nth) {
        break;
      }
      run.disk().heal();
      run.kill();
      // While it opens again, or later.
      run.disk().lose_power_at(1 + nth * 5 % 60);
      auto wrong = run.recover();
      if (run.disk().has_power()) {
        if (!wrong.empty()) {
          return where(options.seed, nth) + wrong;
        }
        run.go_on(6);
      }
      run.disk().power_loss();
      run.kill();
      run.disk().power_on();
      wrong = run.recover();
      if (!wrong.empty()) {
        return where(options.seed, nth) + "later: " + wrong;
      }
    }
  }
  return {};
}

TEST(store_crash, power_loss_some_time_after_a_failed_flush) {
  EXPECT_EQ(lose_power_after_failed_flushes({}, 2 * seeds()), "");
}

TEST(store_crash, the_test_sees_a_log_that_is_not_written_again) {
  EXPECT_NE(lose_power_after_failed_flushes({.write_again = false}, 8), "");
}

TEST(store_crash, any_other_failed_call_ends_the_store_or_is_of_no_account) {
  for (const auto kind : {disk_call::write, disk_call::open, disk_call::rename,
                          disk_call::make_folder, disk_call::remove, disk_call::truncate}) {
    fail_everywhere(kind, EIO, false, [](crash_run& run) { run.go_on(batches); });
  }
}

TEST(store_crash, a_full_disk_refuses_batches_and_the_store_goes_on) {
  std::size_t full = 0;
  for (const auto kind : {disk_call::write, disk_call::open, disk_call::make_folder}) {
    for (const bool from_then_on : {false, true}) {
      fail_everywhere(kind, ENOSPC, from_then_on, [&](crash_run& run) {
        run.go_on(batches);
        EXPECT_FALSE(run.refused());
        full += run.times_full();
        run.disk().heal();
        // Space is back: the same store takes everything again.
        const auto before = run.times_full();
        run.go_on(3);
        EXPECT_FALSE(run.refused());
        EXPECT_EQ(run.times_full(), before);
      });
    }
  }
  EXPECT_GT(full, 100U);
}

TEST(store_crash, a_disk_that_fills_up_by_itself) {
  for (std::uint64_t seed = 1; seed <= 4 * seeds(); ++seed) {
    crash_run run{{.seed = seed}};
    run.go_on(2);
    run.disk().set_limit(run.disk().bytes_used() + 30'000);
    run.go_on(40);
    EXPECT_FALSE(run.refused());
    EXPECT_GT(run.times_full(), 0U);
    run.disk().set_limit({});
    const auto before = run.times_full();
    run.go_on(4);
    EXPECT_EQ(run.times_full(), before);
    EXPECT_EQ(run.recover(), "") << where(seed, 0);
  }
}

} // namespace
} // namespace tayfa::store::testing
