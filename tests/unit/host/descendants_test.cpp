// Processes started by engines end with them, wherever they have moved; strangers are only reaped.
#include "runtime/host/descendants.hpp"
#include "runtime/host/leftovers.hpp"
#include "runtime/host/process_facts.hpp"
#include "tests/unit/host/fixture.hpp"

#include <csignal>
#include <gmock/gmock.h>
#include <sys/wait.h>

namespace tayfa::test {
namespace {

/// Reads the output of a child, line by line.
std::string line_of(const child_process& child) {
  std::string line;
  char c = 0;
  pollfd p{child.output.get(), POLLIN, 0};
  while (::poll(&p, 1, 60'000) > 0 && ::read(child.output.get(), &c, 1) == 1 && c != '\n') {
    line += c;
  }
  return line;
}

bool ends(const child_process& child) {
  pollfd p{child.pidfd.get(), POLLIN, 0};
  return ::poll(&p, 1, 60'000) == 1;
}

bool lives(pid_t pid) {
  return start_time_of(pid).has_value();
}

// Each prints the pid of what it starts, and waits. As data loaders, compilers and daemons do it.
constexpr const char* in_its_group = "sleep 1000 & echo $!; exec sleep 1000";
constexpr const char* in_a_group_of_its_own = "timeout 1000 sleep 1000 & echo $!; exec sleep 1000";
constexpr const char* in_a_session_of_its_own =
    "(setsid sh -c 'echo $$; exec sleep 1000' &); exec sleep 1000";
constexpr const char* without_its_environment =
    "(env -i setsid sh -c 'echo $$; exec sleep 1000' &); exec sleep 1000";
constexpr const char* behind_another =
    "(setsid sh -c 'env -i setsid sh -c \"echo \\$\\$; exec sleep 1000\" & sleep 1000' &); exec "
    "sleep 1000";

struct descendants_test : testing::TestWithParam<const char*> {
  folder tools;
};

TEST_P(descendants_test, what_a_child_has_started_ends_with_it) {
  auto child = spawn({.arguments = {tools.script("parent", GetParam())}});
  ASSERT_TRUE(child.has_value()) << child.error().str();
  const auto below = static_cast<pid_t>(std::stol(line_of(*child)));
  ASSERT_TRUE(lives(below));
  const watched_process watched{below};
  ::kill(child->pid, SIGKILL);
  ASSERT_TRUE(ends(*child));
  end_descendants(*child);
  EXPECT_FALSE(lives(below)) << "it is gone when the call returns";
  EXPECT_TRUE(watched.ends());
  reap(*child);
  EXPECT_FALSE(facts_of(below).has_value()) << "not even a zombie of it is left";
}

INSTANTIATE_TEST_SUITE_P(each_way_out, descendants_test,
                         testing::Values(in_its_group, in_a_group_of_its_own,
                                         in_a_session_of_its_own, without_its_environment,
                                         behind_another));

TEST_F(descendants_test, what_another_child_has_started_stays) {
  auto first = spawn({.arguments = {tools.script("first", in_a_session_of_its_own)}});
  auto second = spawn({.arguments = {tools.script("second", in_a_session_of_its_own)}});
  auto third = spawn({.arguments = {tools.script("third", without_its_environment)}});
  ASSERT_TRUE(first && second && third);
  const auto of_first = static_cast<pid_t>(std::stol(line_of(*first)));
  const auto of_second = static_cast<pid_t>(std::stol(line_of(*second)));
  const auto of_third = static_cast<pid_t>(std::stol(line_of(*third)));
  const auto end = [](const child_process& child) {
    ::kill(child.pid, SIGKILL);
    ASSERT_TRUE(ends(child));
    end_descendants(child);
    reap(child);
  };
  end(*second);
  EXPECT_FALSE(lives(of_second));
  EXPECT_TRUE(lives(of_first));
  EXPECT_TRUE(lives(of_third)) << "whose it is cannot be seen, so it may be the third's";
  end(*third);
  EXPECT_TRUE(lives(of_first));
  end(*first);
  EXPECT_FALSE(lives(of_first));
  EXPECT_FALSE(lives(of_third)) << "with the last that can have started it at the latest";
}

TEST_F(descendants_test, a_stranger_that_has_ended_is_reaped_and_our_own_is_not) {
  adopt_orphans();
  const pid_t stranger = ::fork();
  if (stranger == 0) {
    ::_exit(3);
  }
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(stranger), &info, WEXITED | WNOWAIT), 0);
  auto own = spawn({.arguments = {tools.script("own", "exit 7")}});
  ASSERT_TRUE(own.has_value());
  ASSERT_TRUE(ends(*own));
  reap_strangers();
  reap_strangers();
  EXPECT_EQ(reap(*own).code, 7) << "its end is for its starter";
  EXPECT_FALSE(facts_of(stranger).has_value());
}

// ---- marks --------------------------------------------------------------------------------------

TEST(child_mark_test, says_whose_child_it_is) {
  const folder home;
  mark_home(home.path());
  const auto mark = read_mark(own_mark() + "17");
  EXPECT_EQ(mark.owner, ::getpid());
  EXPECT_EQ(mark.owner_start, start_time_of(::getpid()));
  EXPECT_EQ(mark.home, home_of(home.path()));
  for (const char* none : {"", "1", "1.2", "1.2.3", "x.2.3.4/5", "1.x.3.4/5", "-1.2.3.4/5", "/"}) {
    EXPECT_EQ(read_mark(none).owner, 0) << none;
  }
}

/// A process with this mark, as one of another runtime's engine has it.
struct marked_process {
  explicit marked_process(const std::string& mark) {
    pid = ::fork();
    if (pid == 0) {
      ::setsid();
      ::execl("/usr/bin/env", "env", "-i", (std::string{child_mark_variable} + "=" + mark).c_str(),
              "sleep", "1000", nullptr);
      ::_exit(127);
    }
    while (environment_of(pid, child_mark_variable) != mark) { // it has begun
      ::poll(nullptr, 0, 1);
    }
  }
  ~marked_process() {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  pid_t pid = 0;
};

TEST(leftovers_by_mark, those_of_a_dead_runtime_of_this_folder_go_and_others_stay) {
  const folder home;
  const folder other;
  remembering_log log;
  const auto self = std::to_string(::getpid());
  const auto start = std::to_string(start_time_of(::getpid()).value());
  const auto here = "." + home_of(home.path()) + "/1";
  marked_process left{"99999999.1" + here};
  marked_process reused{self + ".1" + here}; // its runtime's pid was reused
  marked_process living{self + "." + start + here};
  marked_process elsewhere{"99999999.1." + home_of(other.path()) + "/1"};

  remove_leftovers(home.path(), log);
  EXPECT_TRUE(lives(left.pid))
      << "nothing tells of a runtime that was killed: nothing is looked for";

  std::ofstream{home.path() + "/engines-99999999.pids"} << "runtime 99999999 1\n";
  remove_leftovers(home.path(), log);
  EXPECT_FALSE(lives(left.pid));
  EXPECT_FALSE(lives(reused.pid));
  EXPECT_TRUE(lives(living.pid));
  EXPECT_TRUE(lives(elsewhere.pid));
  EXPECT_EQ(log.lines("engine_leftover_killed").size(), 1U);
}

} // namespace
} // namespace tayfa::test
