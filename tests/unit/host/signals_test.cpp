#include "runtime/host/signals.hpp"

#include "tests/unit/host/fixture.hpp"

#include <atomic>
#include <csignal>
#include <future>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>

namespace tayfa::test {
namespace {

TEST(signal_watch_test, each_signal_is_a_call) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> seen;
  const signal_watch watch{[&](int signal) {
    const std::lock_guard guard{mutex};
    seen.push_back(signal);
    changed.notify_all();
  }};
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGTERM}) {
    const auto before = [&] {
      const std::lock_guard guard{mutex};
      return seen.size();
    }();
    ::kill(::getpid(), signal);
    std::unique_lock lock{mutex};
    ASSERT_TRUE(changed.wait_for(lock, patience, [&] { return seen.size() > before; }));
    EXPECT_EQ(seen.back(), signal);
  }
}

TEST(signal_watch_test, what_was_ignored_stays_ignored) {
  // In a process of its own: the block of an earlier watch would hide the difference.
  const pid_t child = ::fork();
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGHUP, SIG_IGN);
    ::signal(SIGINT, SIG_IGN);
    std::atomic<int> seen{0};
    std::promise<void> stopped;
    const signal_watch watch{[&](int signal) {
      seen += signal;
      if (signal == SIGTERM) {
        stopped.set_value();
      }
    }};
    for (const int signal :
         {SIGHUP, SIGINT, SIGTERM}) { // to the process: raise() is for the thread
      ::kill(::getpid(), signal);
    }
    stopped.get_future().wait();
    ::_exit(seen == SIGTERM ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(signal_watch_test, children_do_not_inherit_the_block) {
  const signal_watch watch{[](int) {}};
  const folder tools;
  auto child = spawn({.arguments = {tools.script("sleeper", "echo up; exec sleep 1000")}});
  ASSERT_TRUE(child.has_value());
  pollfd up{child->output.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&up, 1, 60'000), 1);
  signal_group(*child, SIGTERM);
  pollfd ended{child->pidfd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ended, 1, 60'000), 1);
  EXPECT_EQ(reap(*child).signal, SIGTERM);
}

TEST(spawn_test, a_child_has_nothing_open_but_its_three) {
  const folder tools;
  const unique_fd leaking{
      ::open("/dev/null", O_RDONLY)}; // not close-on-exec, as careless libraries do
  auto child = spawn({.arguments = {tools.script("fds", "ls /proc/self/fd | tr '\\n' ' '")}});
  ASSERT_TRUE(child.has_value());
  pollfd ended{child->pidfd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ended, 1, 60'000), 1);
  char text[256] = {};
  const auto got = ::read(child->output.get(), text, sizeof text - 1);
  EXPECT_EQ(reap(*child).code, 0);
  EXPECT_EQ((std::string{text, static_cast<std::size_t>(got)}), "0 1 2 3 ") << "3 is ls's own";
}

TEST(data_folder_lock_test, one_holder_at_a_time_and_the_other_learns_who) {
  const folder home;
  const auto data = home.path() + "/a/b";
  {
    const auto first = data_folder_lock::acquire(data);
    ASSERT_TRUE(first.has_value()) << first.error().str();
    const auto second = data_folder_lock::acquire(data);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, errc::store_locked);
    EXPECT_THAT(second.error().text,
                testing::HasSubstr("process " + std::to_string(::getpid()) + " "));
  }
  EXPECT_TRUE(data_folder_lock::acquire(data).has_value()) << "a file left behind locks nothing";
}

TEST(data_folder_lock_test, what_cannot_be_a_folder_is_an_error) {
  const auto none = data_folder_lock::acquire("/proc/nothing");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, errc::io_error);
  const folder home;
  ASSERT_EQ(::symlink("/etc/hostname", (home.path() + "/lock").c_str()), 0);
  EXPECT_FALSE(data_folder_lock::acquire(home.path()).has_value()) << "a link is not followed";
}

TEST(limits_test, the_soft_limit_of_open_files_becomes_the_hard_one) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto hard = limit.rlim_max;
  limit.rlim_cur = 256;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  const auto raised = raise_limits();
  ASSERT_TRUE(raised.has_value());
  EXPECT_EQ(raised->before, 256U);
  EXPECT_EQ(raised->now, hard);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(limit.rlim_cur, hard);
}

TEST(allocator_test, this_test_runs_on_the_systems_own) {
  EXPECT_EQ(allocator_name(), "system");
}

} // namespace
} // namespace tayfa::test
