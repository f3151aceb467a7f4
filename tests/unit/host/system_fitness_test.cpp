// The SDK's fitness checks against invented machines: every limit, every switch, every text.
#include "runtime/machine/fitness.hpp"
#include "runtime/machine/system_fitness.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <span>

namespace tayfa {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t gib = std::uint64_t{1} << 30;

struct invented_machine final : system_facts {
  std::optional<memory_facts> has_memory = memory_facts{64 * gib, 128 * gib, std::nullopt};
  std::optional<disk_facts> root = disk_facts{50 * gib, 100 * gib};
  std::optional<disk_facts> data = disk_facts{50 * gib, 100 * gib};
  result<milliseconds> answer = milliseconds{12};
  std::vector<std::string> dialled;

  std::optional<memory_facts> memory() override { return has_memory; }
  std::optional<disk_facts> disk(const std::string& folder) override {
    return folder == "/" ? root : folder == "/data" ? data : std::nullopt;
  }
  result<milliseconds> connect(const net_target& to, milliseconds timeout, int) override {
    dialled.push_back(to.host + " " + std::to_string(to.port) + " " +
                      std::to_string(timeout.count()));
    return answer;
  }
};

std::vector<std::string> worker_with(std::vector<std::string> more) {
  more.insert(more.begin(), "RUNPOD_WEBHOOK_GET_JOB=https://api.runpod.ai/v2/e/job-take/$ID?");
  return more;
}
system_limits limits_of(std::vector<std::string> more, bool network = false) {
  return system_limits_from(worker_with(std::move(more)), {"/data", network, false})
      .value()
      .value();
}

fitness_report cpu_report() {
  fitness_report report;
  add_row(report, {"process", fitness::fit, "Linux", "", 0});
  add_row(report, {"cuda", fitness::reduced, "cpu build; 0 GPU(s) seen by the driver", "", 0});
  return report;
}
fitness_report gpu_report(const std::string& cuda = "12.8", std::uint32_t attention_ms = 40) {
  fitness_report report;
  add_row(report, {"process", fitness::fit, "Linux", "", 0});
  add_row(report, {"cuda", fitness::fit,
                   "built for CUDA 12.6; the driver runs CUDA up to " + cuda +
                       "; 1 GPU(s) seen by the driver",
                   "", 3});
  add_row(report, {"device 0", fitness::fit, "NVIDIA H200", "", 0});
  add_row(report, {"tensor operation on cpu", fitness::fit, "as expected", "", 90'000});
  add_row(report, {"tensor operation on cuda:0", fitness::fit, "as expected", "", 2'500});
  add_row(report, {"attention on cuda:0", fitness::fit, "as expected", "", attention_ms});
  return report;
}

/// The rows that were appended: "_memory_check fit".
std::vector<std::string> verdicts(const fitness_report& report) {
  std::vector<std::string> out;
  for (const check_row& row : report.rows) {
    if (row.name.starts_with(runpod_mark)) {
      out.push_back(row.name.substr(runpod_mark.size()) + " " +
                    std::string{to_string(row.verdict)});
    }
  }
  return out;
}

fitness_report judged(fitness_report report, const system_limits& limits, system_facts& machine) {
  add_system_rows(report, limits, machine);
  return report;
}

// ---- limits ------------------------------------------------------------------------------------

TEST(system_limits, only_for_a_worker_of_the_platform) {
  EXPECT_FALSE(system_limits_from({}, {}).value().has_value());
  EXPECT_FALSE(system_limits_from(std::vector<std::string>{"RUNPOD_MIN_MEMORY_GB=x"}, {})
                   .value()
                   .has_value());
}

TEST(system_limits, the_sdks_defaults) {
  const system_limits l = limits_of({});
  EXPECT_TRUE(l.system);
  EXPECT_TRUE(l.gpu);
  EXPECT_EQ(l.memory_gb, 4.0);
  EXPECT_FALSE(l.memory_asked);
  EXPECT_EQ(l.disk_percent, 10.0);
  EXPECT_EQ(l.cuda, (cuda_version{11, 8}));
  EXPECT_EQ(l.network_timeout, milliseconds{5'000});
  EXPECT_EQ(l.benchmark, milliseconds{2'000});
  EXPECT_EQ(l.gpu_test, milliseconds{30'000});
  EXPECT_EQ(l.network, net_target{});
  EXPECT_EQ(l.data_folder, "/data");
}

TEST(system_limits, every_variable) {
  const system_limits l =
      limits_of({"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS=TRUE", "RUNPOD_SKIP_GPU_CHECK=true",
                 "RUNPOD_MIN_MEMORY_GB= 0.5 ", "RUNPOD_MIN_DISK_PERCENT=1e1",
                 "RUNPOD_MIN_CUDA_VERSION=CUDA Version 12.4", "RUNPOD_NETWORK_CHECK_TIMEOUT=7",
                 "RUNPOD_GPU_BENCHMARK_TIMEOUT=3", "RUNPOD_GPU_TEST_TIMEOUT=60",
                 "RUNPOD_NETWORK_CHECK_HOST=8.8.8.8:53"});
  EXPECT_FALSE(l.system);
  EXPECT_FALSE(l.gpu);
  EXPECT_EQ(l.memory_gb, 0.5);
  EXPECT_TRUE(l.memory_asked);
  EXPECT_EQ(l.disk_percent, 10.0);
  EXPECT_EQ(l.cuda, (cuda_version{12, 4}));
  EXPECT_EQ(l.network_timeout, milliseconds{7'000});
  EXPECT_EQ(l.benchmark, milliseconds{3'000});
  EXPECT_EQ(l.gpu_test, milliseconds{60'000});
  EXPECT_EQ(l.network, (net_target{"8.8.8.8", 53}));
  for (const char* no : {"1", "yes", "false", ""}) {
    EXPECT_TRUE(limits_of({std::string{"RUNPOD_SKIP_GPU_CHECK="} + no}).gpu) << no;
  }
}

TEST(system_limits, going_on_when_unfit_leaves_the_engines_rows_alone) {
  EXPECT_FALSE(system_limits_from(worker_with({}), {"/data", false, true}).value()->gpu);
}

TEST(system_limits, where_the_network_check_goes) {
  EXPECT_EQ(limits_of({}, true).network, (net_target{"api.runpod.ai", 443}));
  EXPECT_EQ(limits_of({"RUNPOD_NETWORK_CHECK_HOST=[2001:db8::1]:53"}).network,
            (net_target{"2001:db8::1", 53}));
  EXPECT_EQ(limits_of({"RUNPOD_NETWORK_CHECK_HOST=2001:db8::1"}).network,
            (net_target{"2001:db8::1", 443}));
  EXPECT_EQ(limits_of({"RUNPOD_NETWORK_CHECK_HOST=example.org"}, true).network,
            (net_target{"example.org", 443}));
  for (const auto& [url, target] : {std::pair{"http://h/x", net_target{"h", 80}},
                                    std::pair{"http://h:8080?x", net_target{"h", 8080}},
                                    std::pair{"https://[::1]/x:7", net_target{"::1", 443}}}) {
    const std::vector<std::string> entries{std::string{"RUNPOD_WEBHOOK_GET_JOB="} + url};
    EXPECT_EQ(system_limits_from(entries, {"", true, false}).value()->network, target) << url;
  }
}

TEST(system_limits, what_is_no_limit_is_refused_by_its_name) {
  for (const std::string row :
       {"RUNPOD_MIN_MEMORY_GB=x", "RUNPOD_MIN_MEMORY_GB=-1", "RUNPOD_MIN_MEMORY_GB=nan",
        "RUNPOD_MIN_MEMORY_GB=inf", "RUNPOD_MIN_MEMORY_GB=4GB", "RUNPOD_MIN_DISK_PERCENT=101",
        "RUNPOD_MIN_CUDA_VERSION=new", "RUNPOD_NETWORK_CHECK_TIMEOUT=0",
        "RUNPOD_NETWORK_CHECK_TIMEOUT=1.5", "RUNPOD_GPU_BENCHMARK_TIMEOUT=601",
        "RUNPOD_GPU_TEST_TIMEOUT=-1", "RUNPOD_NETWORK_CHECK_HOST=:53",
        "RUNPOD_NETWORK_CHECK_HOST=a b", "RUNPOD_NETWORK_CHECK_HOST=h:99999",
        "RUNPOD_NETWORK_CHECK_HOST=[::1", "RUNPOD_NETWORK_CHECK_HOST=http://h"}) {
    const auto got = system_limits_from(worker_with({row}), {});
    ASSERT_FALSE(got.has_value()) << row;
    EXPECT_EQ(got.error().code, errc::bad_config);
    EXPECT_THAT(got.error().text, HasSubstr(row.substr(0, row.find('=')))) << row;
  }
}

// ---- rows --------------------------------------------------------------------------------------

TEST(system_rows, a_good_machine_in_the_sdks_order) {
  invented_machine machine;
  EXPECT_THAT(verdicts(judged(cpu_report(), limits_of({}), machine)),
              ElementsAre("_memory_check fit", "_disk_check fit"));
  EXPECT_THAT(machine.dialled, IsEmpty());
  const fitness_report report = judged(gpu_report(), limits_of({}, true), machine);
  EXPECT_THAT(verdicts(report),
              ElementsAre("_gpu_health_check fit", "_memory_check fit", "_disk_check fit",
                          "_network_check fit", "_cuda_version_check fit", "_cuda_init_check fit",
                          "_benchmark_check fit"));
  EXPECT_THAT(machine.dialled, ElementsAre("api.runpod.ai 443 5000"));
  EXPECT_EQ(report.verdict, fitness::fit);
  EXPECT_FALSE(unhealthy_of(report).has_value());
}

TEST(system_rows, switches) {
  invented_machine machine;
  EXPECT_THAT(
      verdicts(judged(gpu_report(), limits_of({"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS=true"}), machine)),
      ElementsAre("_gpu_health_check fit"));
  EXPECT_THAT(verdicts(judged(
                  gpu_report(),
                  limits_of({"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS=true", "RUNPOD_SKIP_GPU_CHECK=true"}),
                  machine)),
              IsEmpty());
}

struct reason_row {
  const char* name;
  std::vector<std::string> environment;
  void (*spoil)(invented_machine&, fitness_report&);
  const char* check;
  const char* reason;
};
void expect_reported(std::span<const reason_row> rows) {
  for (const reason_row& row : rows) {
    invented_machine machine;
    fitness_report report = cpu_report();
    row.spoil(machine, report);
    const fitness_report after = judged(report, limits_of(row.environment), machine);
    EXPECT_EQ(after.verdict, fitness::unfit) << row.name;
    const auto unhealthy = unhealthy_of(after);
    ASSERT_TRUE(unhealthy.has_value()) << row.name;
    EXPECT_EQ(unhealthy->check, row.check) << row.name;
    EXPECT_EQ(unhealthy->reason, row.reason) << row.name;
  }
}

TEST(system_rows, the_platform_gets_the_sdks_words_for_the_machine) {
  const reason_row rows[] = {
      {"memory",
       {},
       [](auto& m, auto&) {
         m.has_memory = memory_facts{gib + gib / 2, 8 * gib, {}};
       },
       "_memory_check",
       "RuntimeError: Insufficient memory: 1.50GB available, 4.0GB required"},
      {"container",
       {"RUNPOD_MIN_MEMORY_GB=16"},
       [](auto& m, auto&) { m.has_memory->container = 2 * gib; },
       "_memory_check",
       "RuntimeError: Insufficient memory: 2.00GB available, 16.0GB required"},
      {"no memory info",
       {},
       [](auto& m, auto&) { m.has_memory.reset(); },
       "_memory_check",
       "RuntimeError: Failed to read memory info"},
      {"disk",
       {},
       [](auto& m, auto&) {
         m.root = disk_facts{gib, 20 * gib};
       },
       "_disk_check",
       "RuntimeError: Insufficient disk space: 1.00GB free (5.0%), 10.0% required"},
      {"no disk",
       {},
       [](auto& m, auto&) { m.root.reset(); },
       "_disk_check",
       "RuntimeError: Could not check disk space: / filesystem not found"},
      {"network",
       {"RUNPOD_NETWORK_CHECK_HOST=8.8.8.8:53"},
       [](auto& m, auto&) { m.answer = fail(errc::request_timeout, "late"); },
       "_network_check",
       "RuntimeError: Network connectivity failed: Timeout connecting to 8.8.8.8:53 (5s)"},
      {"refused",
       {"RUNPOD_NETWORK_CHECK_HOST=h"},
       [](auto& m, auto&) { m.answer = fail(errc::unavailable, "Connection refused"); },
       "_network_check",
       "RuntimeError: Network connectivity check failed: h:443: Connection refused"},
  };
  expect_reported(rows);
}

TEST(system_rows, the_platform_gets_the_sdks_words_for_the_gpu) {
  const reason_row rows[] = {
      {"old CUDA",
       {},
       [](auto&, auto& r) { r = gpu_report("11.4"); },
       "_cuda_version_check",
       "RuntimeError: CUDA version too old: 11.4 found, 11.8 required"},
      {"no CUDA",
       {},
       [](auto&, auto& r) {
         r = gpu_report();
         r.rows[2].verdict = fitness::unfit;
         r.rows[2].value = "no code for it";
       },
       "_cuda_init_check",
       "RuntimeError: CUDA initialization failed: device 0: no code for it"},
      {"slow",
       {},
       [](auto&, auto& r) { r = gpu_report("12.8", 2'001); },
       "_benchmark_check",
       "RuntimeError: GPU compute too slow: attention took 2001ms (max: 2000ms)"},
      {"wrong",
       {},
       [](auto&, auto& r) {
         r = gpu_report();
         r.rows[4].verdict = fitness::unfit;
         r.rows[4].value = "is wrong by 3";
       },
       "_gpu_health_check",
       "RuntimeError: GPU health check failed. tensor operation on cuda:0: is wrong by 3"},
      {"hanging",
       {"RUNPOD_GPU_TEST_TIMEOUT=2"},
       [](auto&, auto& r) { r = gpu_report(); },
       "_gpu_health_check",
       "RuntimeError: GPU health check failed. It took 2540ms (max: 2000ms)"},
      {"crashed",
       {},
       [](auto&, auto& r) {
         r.rows = {{"check", fitness::unfit, "signal 11", "", 0}};
       },
       "_gpu_health_check",
       "RuntimeError: GPU health check failed. check: signal 11"},
  };
  expect_reported(rows);
}

TEST(system_rows, the_first_in_the_sdks_order_is_reported) {
  invented_machine machine;
  machine.has_memory.reset();
  machine.root.reset();
  fitness_report report = gpu_report("1.0");
  report.rows[5].verdict = fitness::unfit;
  EXPECT_EQ(unhealthy_of(judged(report, limits_of({}), machine))->check, "_gpu_health_check");
  EXPECT_EQ(unhealthy_of(judged(report, limits_of({"RUNPOD_SKIP_GPU_CHECK=true"}), machine))->check,
            "_memory_check");
}

TEST(system_rows, limits_are_inclusive) {
  invented_machine machine;
  machine.has_memory = memory_facts{4 * gib, 8 * gib, 4 * gib};
  machine.root = disk_facts{10, 100};
  const auto report =
      judged(gpu_report("11.8", 2'000), limits_of({"RUNPOD_MIN_MEMORY_GB=4"}), machine);
  EXPECT_FALSE(unhealthy_of(report).has_value());
  EXPECT_EQ(report.verdict, fitness::fit);
}

TEST(system_rows, a_small_container_and_a_full_volume_are_reported_and_no_more) {
  invented_machine machine;
  machine.has_memory->container = 2 * gib;
  machine.data = disk_facts{gib, 1'000 * gib};
  const fitness_report report = judged(cpu_report(), limits_of({}), machine);
  EXPECT_THAT(verdicts(report), ElementsAre("_memory_check reduced", "_disk_check reduced"));
  EXPECT_EQ(report.verdict, fitness::reduced);
  EXPECT_FALSE(unhealthy_of(report).has_value());
}

TEST(system_rows, an_unfit_row_of_the_engine_alone_is_not_the_platforms) {
  fitness_report report;
  add_row(report, {"memory", fitness::unfit, "1 MiB available", "", 0});
  EXPECT_FALSE(unhealthy_of(report).has_value());
}

TEST(system_rows, rows_survive_the_way_through_json) {
  invented_machine machine;
  machine.root.reset();
  const auto report = parse_fitness(fitness_json(judged(gpu_report(), limits_of({}), machine)));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(unhealthy_of(*report)->check, "_disk_check");
}

} // namespace
} // namespace tayfa
