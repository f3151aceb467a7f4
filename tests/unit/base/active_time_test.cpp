// The time in which a process runs: what counts, what does not, and when it stands still.
#include "runtime/base/active_time.hpp"
#include "runtime/base/watched_time.hpp"

#include <csignal>
#include <future>
#include <gtest/gtest.h>
#include <random>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tayfa {
namespace {

using namespace std::chrono_literals;

/// Ticks every 25 ms of a monotonic clock that it moves itself.
struct ticking {
  moment real{1'000s};
  active_time time{real};

  std::chrono::nanoseconds runs(std::chrono::milliseconds for_so_long) {
    std::chrono::nanoseconds paused{0};
    for (const auto end = real + for_so_long; real < end;) {
      real += 25ms;
      paused += time.tick(real);
    }
    return paused;
  }
  void stopped(std::chrono::milliseconds for_so_long) { real += for_so_long; }
  moment now() const { return time.at(real); }
};

TEST(active_time, is_the_monotonic_clock_while_the_process_runs) {
  ticking t;
  EXPECT_EQ(t.runs(10s), 0ns);
  EXPECT_EQ(t.now(), t.real);
  EXPECT_EQ(t.time.at(t.real + 7ms), t.real + 7ms) << "between two ticks as well";
  EXPECT_EQ(t.time.away(), 0ns);
}

TEST(active_time, of_a_pause_only_a_step_counts_also_before_the_next_tick) {
  ticking t;
  t.runs(1s);
  const auto before = t.now();
  t.stopped(1h);
  EXPECT_EQ(t.now() - before, 100ms) << "whichever thread reads first";
  EXPECT_EQ(t.time.tick(t.real), 1h - 100ms);
  EXPECT_EQ(t.now() - before, 100ms);
  EXPECT_EQ(t.time.away(), 1h - 100ms);
}

TEST(active_time, stands_still_after_a_pause_until_what_has_come_is_served) {
  ticking t;
  t.runs(1s);
  const auto before = t.now();
  t.stopped(8s);
  EXPECT_EQ(t.time.until(before, t.real), 250ms) << "although it has come";
  EXPECT_EQ(t.time.until(before + 1s, t.real), 900ms + 250ms);
  t.time.tick(t.real);
  const auto woke = t.now();
  t.runs(200ms);
  EXPECT_EQ(t.now(), woke);
  EXPECT_EQ(t.time.until(before, t.real), 50ms);
  t.runs(50ms);
  EXPECT_EQ(t.time.until(before, t.real), 0ns);
  t.runs(1s);
  EXPECT_EQ(t.now() - woke, 1s) << "and goes on as ever";
}

TEST(active_time, a_gap_that_is_no_long_pause_counts_a_step_and_holds_nothing_up) {
  ticking t;
  t.runs(1s);
  const auto before = t.now();
  t.stopped(400ms);
  EXPECT_EQ(t.time.tick(t.real), 0ns);
  EXPECT_EQ(t.now() - before, 100ms);
  EXPECT_EQ(t.time.until(before + 100ms, t.real), 0ns);
}

TEST(active_time, goes_on_however_late_every_single_tick_is) {
  // A container that gets 10 ms of two seconds: every deadline still comes.
  ticking t;
  const auto before = t.now();
  for (int i = 0; i < 100; ++i) {
    t.stopped(2s);
    t.time.tick(t.real);
  }
  EXPECT_EQ(t.now() - before, 10s);
}

TEST(active_time, what_is_known_to_have_run_counts_whole) {
  ticking t;
  t.real += 1h;
  t.time.ran(t.real);
  EXPECT_EQ(t.now(), t.real);
  t.time.ran(t.real - 1s);
  EXPECT_EQ(t.now(), t.real) << "never back";
}

TEST(active_time, never_falls_and_never_overtakes_over_random_ticks_and_readings) {
  std::mt19937_64 random{7};
  moment real{5s};
  active_time time{real};
  auto last = time.at(real);
  auto last_real = real;
  for (int i = 0; i < 200'000; ++i) {
    const auto kind = random() % 100;
    real += std::chrono::microseconds{random() % (kind < 2    ? 5'000'000
                                                  : kind < 10 ? 700'000
                                                              : 50'000)};
    if (random() % 3 != 0) {
      time.tick(real);
    }
    const auto now = time.at(real);
    ASSERT_GE(now, last);
    ASSERT_LE(now - last, real - last_real + 100ms);
    ASSERT_LE(now, real);
    last = now;
    last_real = real;
  }
}

TEST(watched_time, a_process_that_was_stopped_has_not_lost_that_time) {
  int from_child[2];
  ASSERT_EQ(::pipe(from_child), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::promise<std::chrono::milliseconds> paused;
    auto heard = paused.get_future();
    watched_time time{[&paused](std::chrono::milliseconds ms) { paused.set_value(ms); }};
    const auto before = time.now();
    const auto real = std::chrono::steady_clock::now();
    std::int64_t said[3] = {1, 0, 0};
    (void)!::write(from_child[1], said, sizeof said);
    const auto ms = heard.get(); // the parent stops us meanwhile
    said[0] = ms.count();
    said[1] = std::chrono::duration_cast<std::chrono::milliseconds>(time.now() - before).count();
    said[2] = std::chrono::duration_cast<std::chrono::milliseconds>(
                  std::chrono::steady_clock::now() - real)
                  .count();
    (void)!::write(from_child[1], said, sizeof said);
    ::_exit(0);
  }
  std::int64_t said[3] = {};
  ASSERT_EQ(::read(from_child[0], said, sizeof said), static_cast<ssize_t>(sizeof said));
  ::kill(child, SIGSTOP);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  const int pause_over = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  itimerspec once{};
  once.it_value = {1, 500'000'000}; // the pause itself is what is tested
  ASSERT_EQ(::timerfd_settime(pause_over, 0, &once, nullptr), 0);
  std::uint64_t times = 0;
  ASSERT_EQ(::read(pause_over, &times, sizeof times), static_cast<ssize_t>(sizeof times));
  ::close(pause_over);
  ::kill(child, SIGCONT);
  ASSERT_EQ(::read(from_child[0], said, sizeof said), static_cast<ssize_t>(sizeof said));
  ::waitpid(child, &status, 0);
  EXPECT_GE(said[0], 1'300);
  EXPECT_LE(said[1], said[2] - said[0] + 1) << "the pause does not count";
  ::close(from_child[0]);
  ::close(from_child[1]);
}

} // namespace
} // namespace tayfa
