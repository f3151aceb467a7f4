// A runtime killed with -9 leaves no living process behind, and its files are cleaned up.
#include "runtime/host/leftovers.hpp"
#include "runtime/host/process_facts.hpp"
#include "tests/support/places.hpp"
#include "tests/unit/host/fixture.hpp"

#include <csignal>
#include <sstream>

namespace tayfa::test {
namespace {

std::string first_line(int fd) {
  std::string line;
  pollfd p{fd, POLLIN, 0};
  char c = 0;
  while (::poll(&p, 1, 60'000) > 0 && ::read(fd, &c, 1) == 1 && c != '\n') {
    line += c;
  }
  return line;
}

TEST(host_death, engines_die_with_a_runtime_that_is_killed) {
  folder home;
  remembering_log log;
  auto helper = spawn({.arguments = {in_build("/tests/host_helper"), engine_program, home.path()}});
  ASSERT_TRUE(helper.has_value()) << helper.error().str();
  std::istringstream words{first_line(helper->output.get())};
  pid_t engine_pid = 0;
  std::string socket;
  ASSERT_TRUE(words >> engine_pid >> socket);
  const watched_process engine{engine_pid};
  ASSERT_TRUE(engine.opened());
  ASSERT_EQ(::access(socket.c_str(), F_OK), 0);

  ::kill(helper->pid, SIGKILL); // the helper alone: its engine is in a group of its own
  EXPECT_TRUE(engine.ends());
  EXPECT_EQ(reap(*helper).signal, SIGKILL);

  EXPECT_EQ(::access(socket.c_str(), F_OK), 0) << "no process could remove it";
  const auto host =
      process_engine_host::make({.program = engine_program, .run_folder = home.path()}, log);
  ASSERT_TRUE(host.has_value());
  EXPECT_NE(::access(socket.c_str(), F_OK), 0);
  EXPECT_EQ(log.lines("leftovers_removed").size(), 1U);
}

struct leftovers_test : testing::Test {
  folder home;
  folder tools;
  remembering_log log;
  // A pid that no process can have on Linux (pid_max is at most 2^22).
  const std::string dead = "engines-99999999";

  result<child_process> sleeper(const std::string& argument) {
    return spawn(
        {.arguments = {tools.script("sleeper", "while :; do sleep 1000; done"), argument}});
  }
  void write_pids(const std::string& stem, const std::string& text) {
    std::ofstream{home.path() + "/" + stem + ".pids"} << text;
  }
  static std::string line(const char* what, pid_t pid, std::uint64_t start) {
    return std::string{what} + " " + std::to_string(pid) + " " + std::to_string(start) + "\n";
  }
};

TEST_F(leftovers_test, an_engine_that_outlived_its_runtime_is_killed) {
  auto engine = sleeper("ipc://x/" + dead + ".sock");
  ASSERT_TRUE(engine.has_value());
  write_pids(dead, line("runtime", 99999999, 1) +
                       line("engine", engine->pid, start_time_of(engine->pid).value()));
  remove_leftovers(home.path(), log);
  EXPECT_EQ(reap(*engine).signal, SIGKILL);
  EXPECT_TRUE(home.names().empty());
}

TEST_F(leftovers_test, a_namesake_is_left_alone) {
  auto later = sleeper("ipc://x/" + dead + ".sock"); // right words, another start time
  auto other = sleeper("something else");            // right start time, other words
  ASSERT_TRUE(later.has_value() && other.has_value());
  write_pids(dead, line("runtime", 99999999, 1) +
                       line("engine", later->pid, start_time_of(later->pid).value() + 1) +
                       line("engine", other->pid, start_time_of(other->pid).value()) +
                       "engine -1 0\nengine 1 1\nnonsense\n");
  remove_leftovers(home.path(), log);
  EXPECT_TRUE(start_time_of(later->pid).has_value());
  EXPECT_TRUE(start_time_of(other->pid).has_value());
  EXPECT_TRUE(home.names().empty());
  for (const auto* process : {&*later, &*other}) {
    signal_group(*process, SIGKILL);
    reap(*process);
  }
}

TEST_F(leftovers_test, files_of_a_living_runtime_stay) {
  const auto stem = "engines-" + std::to_string(::getppid());
  auto engine = sleeper("ipc://x/" + stem + ".sock");
  ASSERT_TRUE(engine.has_value());
  write_pids(stem, line("runtime", ::getpid(), start_time_of(::getpid()).value()) +
                       line("engine", engine->pid, start_time_of(engine->pid).value()));
  std::ofstream{home.path() + "/" + stem + ".sock"} << "";
  std::ofstream{home.path() + "/store.db"} << "";
  std::ofstream{home.path() + "/" + dead + ".sock"} << "";
  std::ofstream{home.path() + "/engines-12x.sock"} << "";
  remove_leftovers(home.path(), log);
  EXPECT_TRUE(start_time_of(engine->pid).has_value());
  EXPECT_EQ(home.names().size(), 4U) << "only the dead runtime's socket went";
  signal_group(*engine, SIGKILL);
  reap(*engine);
}

TEST_F(leftovers_test, a_reused_pid_of_the_runtime_does_not_protect) {
  write_pids("engines-" + std::to_string(::getpid()),
             line("runtime", ::getpid(), start_time_of(::getpid()).value() + 1));
  remove_leftovers(home.path(), log);
  EXPECT_TRUE(home.names().empty());
}

} // namespace
} // namespace tayfa::test
