// The guard: what is left of a runtime that is killed with -9 is gone a moment later.
#include "runtime/host/process_facts.hpp"
#include "tests/support/places.hpp"
#include "tests/unit/host/fixture.hpp"

#include <csignal>
#include <sstream>

namespace tayfa::test {
namespace {

std::string next_line(int fd) {
  std::string line;
  pollfd p{fd, POLLIN, 0};
  char c = 0;
  while (::poll(&p, 1, 60'000) > 0 && ::read(fd, &c, 1) == 1 && c != '\n') {
    line += c;
  }
  return line;
}

/// A runtime with a guard, and an engine that starts three processes: in its group, in a session of
/// its own, and one that has cleared its environment but not left the session.
struct guard_test : testing::Test {
  folder home;
  folder tools;
  result<child_process> runtime;
  std::vector<pid_t> below;

  void start(const char* how) {
    const auto program = tools.script(
        "engine",
        "sleep 1000 & echo $!; (setsid sh -c 'echo $$; exec sleep 1000' &); (env -i sh -c "
        "'echo $$; exec sleep 1000' &); exec " +
            engine_program + " \"$@\"");
    runtime =
        spawn({.arguments = {in_build("/tests/host_helper"), program, home.path() + "/run", how}});
    ASSERT_TRUE(runtime.has_value()) << runtime.error().str();
    std::istringstream words{next_line(runtime->output.get())};
    for (pid_t pid = 0; words >> pid;) {
      below.push_back(pid);
    }
    ASSERT_EQ(below.size(), 4U);
  }
};

TEST_F(guard_test, nothing_outlives_a_runtime_that_is_killed) {
  start("guarded");
  std::vector<watched_process> watched;
  for (const auto pid : below) {
    watched.emplace_back(pid);
    ASSERT_TRUE(watched.back().opened());
  }
  ::kill(runtime->pid, SIGKILL); // the runtime alone
  for (const auto& process : watched) {
    EXPECT_TRUE(process.ends());
  }
  pollfd p{runtime->pidfd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&p, 1, 60'000), 1);
  reap(*runtime);
}

} // namespace
} // namespace tayfa::test
