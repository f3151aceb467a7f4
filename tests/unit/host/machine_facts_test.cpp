// Real facts: invented /proc and control groups, real sockets.
#include "runtime/machine/machine_facts.hpp"

#include "runtime/base/wakeup.hpp"
#include "runtime/host/engine_host.hpp"
#include "runtime/host/spawn.hpp"
#include "runtime/machine/container.hpp"

#include <arpa/inet.h>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tayfa {
namespace {

using std::chrono::milliseconds;
namespace fs = std::filesystem;

struct machine_facts_test : testing::Test {
  fs::path root = fs::temp_directory_path() / ("tayfa-facts-" + std::to_string(::getpid()));
  machine_facts facts{container_paths{root / "proc", root / "cgroup"}};

  machine_facts_test() {
    write("proc/meminfo",
          "MemTotal:       8388608 kB\nMemFree: 1 kB\nMemAvailable:   4194304 kB\n");
  }
  ~machine_facts_test() override { fs::remove_all(root); }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((root / name).parent_path());
    std::ofstream{root / name} << text;
  }
};

TEST_F(machine_facts_test, memory_of_the_machine) {
  const auto memory = facts.memory();
  ASSERT_TRUE(memory.has_value());
  EXPECT_EQ(memory->total, std::uint64_t{8} << 30);
  EXPECT_EQ(memory->available, std::uint64_t{4} << 30);
  EXPECT_FALSE(memory->container.has_value());
  write("proc/meminfo", "nonsense\n");
  EXPECT_FALSE(facts.memory().has_value());
}

TEST_F(machine_facts_test, what_a_container_leaves) {
  write("proc/self/cgroup", "0::/pod/job\n");
  write("cgroup/memory.max", "max\n");
  write("cgroup/pod/memory.max", "1000000\n");
  write("cgroup/pod/memory.current", "900000\n");
  write("cgroup/pod/memory.stat", "anon 5\ninactive_file 300000\nactive_file 7\n");
  EXPECT_EQ(facts.memory()->container, 400'007U); // pages of files are free
  write("cgroup/pod/job/memory.max", "500000\n");
  write("cgroup/pod/job/memory.current", "200000\n");
  EXPECT_EQ(facts.memory()->container, 300'000U); // the tighter group counts
  write("cgroup/pod/job/memory.current", "600000\n");
  EXPECT_EQ(facts.memory()->container, 0U);
}

TEST_F(machine_facts_test, a_container_that_sees_its_own_group_as_the_root) {
  write("proc/self/cgroup", "0::/\n");
  write("cgroup/memory.max", "1000\n");
  write("cgroup/memory.current", "400\n");
  EXPECT_EQ(facts.memory()->container, 600U);
}

TEST_F(machine_facts_test, control_groups_of_version_1) {
  write("proc/self/cgroup", "12:cpu,cpuacct:/x\n9:memory:/docker/abc\n0::/\n");
  write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"); // none
  write("cgroup/memory/memory.usage_in_bytes", "77\n");
  EXPECT_FALSE(facts.memory()->container.has_value());
  write("cgroup/memory/docker/abc/memory.limit_in_bytes", "1000\n");
  write("cgroup/memory/docker/abc/memory.usage_in_bytes", "900\n");
  write("cgroup/memory/docker/abc/memory.stat", "total_inactive_file 100\n");
  EXPECT_EQ(facts.memory()->container, 200U);
}

TEST_F(machine_facts_test, how_often_the_kernel_has_killed_for_want_of_memory) {
  const auto kills = [this] { return oom_kills({root / "proc", root / "cgroup"}); };
  EXPECT_FALSE(kills().has_value());
  write("proc/vmstat", "nr_free_pages 7\noom_kill 41\n");
  EXPECT_EQ(kills(), 41U) << "of the whole machine";
  write("proc/self/cgroup", "0::/pod/job\n");
  write("cgroup/memory.events", "low 0\noom 9\noom_kill 9\n");
  EXPECT_EQ(kills(), 9U);
  write("cgroup/pod/job/memory.events", "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\n");
  EXPECT_EQ(kills(), 1U) << "of the own group";
  write("proc/self/cgroup", "9:memory:/docker/abc\n0::/\n");
  write("cgroup/memory/docker/abc/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n");
  EXPECT_EQ(kills(), 5U) << "of version 1";
}

TEST(engine_exited, tells_a_kill_from_outside_from_an_end_of_its_own) {
  const auto signalled = [](int signal) { return engine_exited{{}, true, 0, signal, {}}; };
  const auto left = [](int code) { return engine_exited{{}, true, code, 0, {}}; };
  for (const int signal : {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    EXPECT_TRUE(killed_from_outside(signalled(signal))) << signal;
  }
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) {
    EXPECT_FALSE(killed_from_outside(signalled(signal))) << signal;
  }
  for (const int code : {0, 128 + SIGTERM, 128 + SIGINT}) {
    EXPECT_TRUE(killed_from_outside(left(code))) << "it was asked, and ended " << code;
  }
  for (const int code : {1, 70, 128, 128 + SIGSEGV}) {
    EXPECT_FALSE(killed_from_outside(left(code))) << code;
  }
  auto short_of_memory = signalled(SIGKILL);
  short_of_memory.out_of_memory = true;
  EXPECT_FALSE(killed_from_outside(short_of_memory)) << "its own memory is why";
  EXPECT_FALSE(killed_from_outside({{}, false, 0, SIGKILL, {}})) << "it never ran";
}

TEST_F(machine_facts_test, this_machine_says_something) {
  machine_facts here;
  const auto memory = here.memory();
  ASSERT_TRUE(memory.has_value());
  EXPECT_GT(memory->available, 0U);
  EXPECT_GE(memory->total, memory->available);
  const auto disk = here.disk("/");
  ASSERT_TRUE(disk.has_value());
  EXPECT_GT(disk->total, 0U);
  EXPECT_GE(disk->total, disk->free);
  EXPECT_FALSE(here.disk("/no/such/folder").has_value());
}

/// A listening socket on the loopback that accepts no connection.
struct door {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t port = 0;
  explicit door(bool listening) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port = ntohs(address.sin_port);
    if (listening) {
      EXPECT_EQ(::listen(fd, 4), 0);
    }
  }
  ~door() { ::close(fd); }
};

TEST_F(machine_facts_test, connections) {
  const door open{true};
  EXPECT_TRUE(facts.connect({"127.0.0.1", open.port}, milliseconds{5'000}, -1).has_value());
  const door closed{false};
  const auto refused = facts.connect({"127.0.0.1", closed.port}, milliseconds{5'000}, -1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::unavailable);
  const auto nameless = facts.connect({"no-such-name.invalid", 80}, milliseconds{20'000}, -1);
  ASSERT_FALSE(nameless.has_value());
}

TEST_F(machine_facts_test, a_stop_ends_the_wait_for_a_connection) {
  const door open{true};
  const unique_fd stop = make_wakeup();
  wake_up(stop);
  const auto ended = facts.connect({"127.0.0.1", open.port}, milliseconds{600'000}, stop.get());
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().code, errc::stopping);
}

TEST(system_checks, judge_this_machine) {
  system_limits limits;
  limits.memory_gb = 0;
  limits.disk_percent = 0;
  limits.data_folder = "/";
  fitness_report report;
  const system_time time;
  system_checks(limits, time)(report, -1);
  ASSERT_EQ(report.rows.size(), 2U);
  EXPECT_EQ(report.rows[0].name, "runpod:_memory_check");
  EXPECT_EQ(report.rows[1].name, "runpod:_disk_check");
  EXPECT_EQ(report.verdict, fitness::fit) << report.rows[0].value << report.rows[1].value;
}

} // namespace
} // namespace tayfa
