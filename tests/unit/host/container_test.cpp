// Container limits: invented /proc and control groups of both versions, alone and nested.
#include "runtime/machine/container.hpp"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

namespace tayfa {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

struct container_test : testing::Test {
  fs::path root = fs::temp_directory_path() / ("tayfa-container-" + std::to_string(::getpid()));
  container_paths paths{root / "proc", root / "cgroup"};

  ~container_test() override { fs::remove_all(root); }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((root / name).parent_path());
    std::ofstream{root / name} << text << '\n';
  }
  std::optional<std::uint32_t> quota() const { return read_cpu_room(paths).quota_milli; }
  std::optional<std::uint64_t> left() const { return read_memory_room(paths).container_left; }
};

TEST_F(container_test, without_groups_nothing_is_limited) {
  EXPECT_FALSE(quota().has_value());
  EXPECT_FALSE(left().has_value());
  EXPECT_FALSE(read_memory_room(paths).container_limit.has_value());
  EXPECT_FALSE(process_limit(paths).has_value());
  EXPECT_GE(read_cpu_room(paths).usable, 1U);
}

TEST_F(container_test, affinity_counts) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  const auto all = static_cast<std::uint32_t>(CPU_COUNT(&before));
  EXPECT_EQ(read_cpu_room(paths).usable, all);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) {
      CPU_SET(cpu, &one);
    }
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(read_cpu_room(paths).usable, 1U);
  ::sched_setaffinity(0, sizeof before, &before);
}

TEST_F(container_test, quota_of_version_2) {
  write("proc/self/cgroup", "0::/");
  write("cgroup/cpu.max", "max 100000");
  EXPECT_FALSE(quota().has_value());
  write("cgroup/cpu.max", "150000 100000");
  EXPECT_EQ(quota(), 1'500U);
  write("cgroup/cpu.max", "765000"); // the period is the usual one
  EXPECT_EQ(quota(), 7'650U);
  for (const char* nonsense : {"", "x", "100000 0", "-1 100000", "0 100000", "1e5 100000"}) {
    write("cgroup/cpu.max", nonsense);
    EXPECT_FALSE(quota().has_value()) << nonsense;
  }
}

TEST_F(container_test, quota_of_version_1) {
  write("proc/self/cgroup", "4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n0::/");
  write("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
  write("cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  EXPECT_FALSE(quota().has_value());
  write("cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "25000");
  write("cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "50000");
  EXPECT_EQ(quota(), 500U);
}

TEST_F(container_test, the_least_of_nested_groups_counts) {
  write("proc/self/cgroup", "0::/kubepods/pod1/box");
  write("cgroup/kubepods/cpu.max", "800000 100000");
  write("cgroup/kubepods/pod1/cpu.max", "200000 100000");
  write("cgroup/kubepods/pod1/box/cpu.max", "max 100000");
  EXPECT_EQ(quota(), 2'000U);
  write("cgroup/kubepods/pod1/box/cpu.max", "400000 100000");
  EXPECT_EQ(quota(), 2'000U) << "the group above is tighter";
  write("cgroup/kubepods/pod1/box/cpu.max", "50000 100000");
  EXPECT_EQ(quota(), 500U);
}

TEST_F(container_test, both_versions_at_once) {
  write("proc/self/cgroup", "2:cpu:/a\n0::/b");
  write("cgroup/cpu/a/cpu.cfs_quota_us", "300000");
  write("cgroup/cpu/a/cpu.cfs_period_us", "100000");
  write("cgroup/unified/b/cpu.max", "900000 100000");
  EXPECT_EQ(quota(), 3'000U);
}

TEST_F(container_test, a_group_is_found_below_the_root_of_its_mount) {
  // A container that sees its own group as the mount's root, and made groups below it.
  write("proc/self/cgroup", "5:cpu:/docker/abc/inner\n6:memory:/docker/abc/inner");
  write(
      "proc/self/mountinfo",
      "31 23 0:28 /docker/abc /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
      "32 23 0:29 /docker/abc /sys/fs/cgroup/my\\040memory rw shared:9 - cgroup cgroup rw,memory\n"
      "33 23 nonsense - cgroup");
  write("cgroup/cpu/inner/cpu.cfs_quota_us", "120000");
  write("cgroup/cpu/inner/cpu.cfs_period_us", "100000");
  EXPECT_EQ(quota(), 1'200U);
  write("cgroup/my memory/inner/memory.limit_in_bytes", "1000");
  write("cgroup/my memory/inner/memory.usage_in_bytes", "400");
  EXPECT_EQ(left(), 600U);
}

TEST_F(container_test, threads_are_whole_cpus_divided_among_slots) {
  const cpu_room eight{8, std::nullopt};
  EXPECT_EQ(compute_threads(eight, 1), 8U);
  EXPECT_EQ(compute_threads(eight, 3), 2U);
  EXPECT_EQ(compute_threads(eight, 9), 1U) << "never none";
  EXPECT_EQ(compute_threads(eight, 0), 8U);
  EXPECT_EQ(compute_threads(eight, 1, 3), 3U) << "no more than the CPUs it is bound to";
  EXPECT_EQ(compute_threads(eight, 4, 7), 2U);
  const cpu_room runpod{96, 7'650};
  EXPECT_EQ(compute_threads(runpod, 1), 7U);
  EXPECT_EQ(compute_threads(runpod, 2), 3U);
  EXPECT_EQ(compute_threads({96, 100}, 1), 1U);
  EXPECT_EQ(compute_threads({2, 16'000}, 1), 2U) << "a quota above the CPUs means nothing";
}

TEST_F(container_test, pages_that_can_be_had_back_are_left) {
  write("proc/self/cgroup", "0::/");
  write("cgroup/memory.max", std::to_string(1'000 * mib));
  write("cgroup/memory.current", std::to_string(960 * mib));
  EXPECT_EQ(left(), 40 * mib);
  const auto stat = [this](std::uint64_t dirty, std::uint64_t writeback) {
    write("cgroup/memory.stat",
          "anon " + std::to_string(60 * mib) + "\nfile " + std::to_string(900 * mib) +
              "\nfile_dirty " + std::to_string(dirty) + "\nfile_writeback " +
              std::to_string(writeback) + "\ninactive_file " + std::to_string(700 * mib) +
              "\nactive_file " + std::to_string(100 * mib) + "\nslab_reclaimable " +
              std::to_string(10 * mib));
  };
  stat(0, 0);
  EXPECT_EQ(left(), (40 + 700 + 100 + 10) * mib) << "used lately or not";
  stat(200 * mib, 50 * mib);
  EXPECT_EQ(left(), (40 + 700 + 100 + 10 - 250) * mib) << "what must be written first is not";
  stat(2'000 * mib, 0);
  EXPECT_EQ(left(), (40 + 10) * mib);
}

TEST_F(container_test, version_1_counts_its_children_and_knows_of_limits_above) {
  write("proc/self/cgroup", "9:memory:/x");
  write("cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712"); // none of its own
  write("cgroup/memory/x/memory.usage_in_bytes", "900");
  write("cgroup/memory/x/memory.stat", "cache 1\ninactive_file 1\nactive_file 1\n"
                                       "hierarchical_memory_limit 1000\ntotal_inactive_file 300\n"
                                       "total_active_file 200\ntotal_dirty 50");
  EXPECT_EQ(read_memory_room(paths).container_limit, 1'000U);
  EXPECT_EQ(left(), 1'000U - (900U - 450U));
}

TEST_F(container_test, a_nested_limit_bounds_although_the_own_group_has_none) {
  write("proc/self/cgroup", "0::/pod/box");
  write("cgroup/pod/box/memory.max", "max");
  write("cgroup/pod/memory.max", "2000");
  EXPECT_EQ(read_memory_room(paths).container_limit, 2'000U);
  EXPECT_FALSE(left().has_value()) << "its use is not known";
}

TEST_F(container_test, the_least_number_of_processes) {
  write("proc/self/cgroup", "3:pids:/a\n0::/b/c");
  write("cgroup/b/pids.max", "70");
  write("cgroup/b/c/pids.max", "max");
  EXPECT_EQ(process_limit(paths), 70U);
  write("cgroup/pids/a/pids.max", "20");
  EXPECT_EQ(process_limit(paths), 20U);
}

} // namespace
} // namespace tayfa
