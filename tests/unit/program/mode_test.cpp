// The program's mode, and the settings implied by its environment.
#include "cluster/program/runpod/mode.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using entries = std::vector<std::string>;

mode_choice chosen(const sdk_flags& flags, const entries& environment, bool as_worker = false) {
  auto choice = choose_mode(flags, as_worker, environment);
  EXPECT_TRUE(choice) << choice.error().str();
  return choice.value_or(mode_choice{});
}

std::string refusal(const sdk_flags& flags, const entries& environment, errc code) {
  const auto choice = choose_mode(flags, false, environment);
  if (choice) {
    return "taken";
  }
  EXPECT_EQ(choice.error().code, code);
  return choice.error().text;
}

/// "key=text (from)" of each.
entries entries_of(const std::vector<foreign_value>& values) {
  entries out;
  std::transform(values.begin(), values.end(), std::back_inserter(out),
                 [](const auto& v) { return v.key + "=" + v.text + " (" + v.from + ")"; });
  return out;
}

const std::string worker_url = "RUNPOD_WEBHOOK_GET_JOB=https://h.example/v2/ep/job-take/$ID?gpu=x";

TEST(serve_mode, is_a_worker_where_the_platform_says_so) {
  EXPECT_EQ(chosen({}, {}).mode, serve_mode::pod);
  EXPECT_EQ(chosen({}, {worker_url}).mode, serve_mode::worker);
  EXPECT_EQ(chosen({}, {worker_url}, true).mode, serve_mode::worker);
  EXPECT_EQ(chosen({}, {}, true).mode, serve_mode::test_file);
  EXPECT_EQ(chosen({}, {"RUNPOD_WEBHOOK_GET_JOB="}).mode, serve_mode::pod) << "empty is not set";
  EXPECT_EQ(chosen({}, {"RUNPOD_WEBHOOK_GET_JOB= \n"}).mode, serve_mode::pod);
}

TEST(serve_mode, has_the_sdks_order) {
  sdk_flags flags;
  entries environment{worker_url};
  flags.test_input = R"({"input":{}})";
  EXPECT_EQ(chosen(flags, environment).mode, serve_mode::test_input);
  environment.emplace_back("RUNPOD_REALTIME_PORT=8123");
  auto realtime = chosen(flags, environment);
  EXPECT_EQ(realtime.mode, serve_mode::api);
  EXPECT_THAT(entries_of(realtime.assumed),
              ElementsAre("http.listen=0.0.0.0:8123 (env RUNPOD_REALTIME_PORT)"));
  flags.serve_api = true;
  const auto api = chosen(flags, environment);
  EXPECT_EQ(api.mode, serve_mode::api);
  EXPECT_THAT(entries_of(api.assumed),
              ElementsAre("http.listen=localhost:8000 (flag --rp_serve_api)"));
  EXPECT_THAT(api.remarks, ElementsAre(HasSubstr("--test_input has no effect")));
}

TEST(serve_mode, the_api_flags_say_where_and_how_many) {
  sdk_flags flags;
  flags.serve_api = true;
  flags.api_port = "9001";
  flags.api_concurrency = "3";
  const auto choice = chosen(flags, {});
  EXPECT_THAT(entries_of(choice.firm),
              ElementsAre("http.listen=localhost:9001 (flag --rp_api_port)"));
  EXPECT_THAT(entries_of(choice.assumed),
              ElementsAre("engine.slots=3 (flag --rp_api_concurrency)"));
  flags.api_host = "::1";
  EXPECT_THAT(entries_of(chosen(flags, {}).firm),
              ElementsAre("http.listen=[::1]:9001 (flag --rp_api_host)"));
  for (const char* bad : {"", "x", "70000", "-1", "80 ", "8e1"}) {
    flags.api_port = bad;
    EXPECT_THAT(refusal(flags, {}, errc::bad_usage), HasSubstr("--rp_api_port")) << bad;
  }
}

TEST(serve_mode, api_flags_alone_do_nothing_and_say_so) {
  sdk_flags flags;
  flags.api_port = "9001";
  flags.debugger = true;
  const auto choice = chosen(flags, {});
  EXPECT_EQ(choice.mode, serve_mode::pod);
  EXPECT_THAT(choice.firm, IsEmpty());
  EXPECT_THAT(choice.remarks, ElementsAre(HasSubstr("--rp_debugger does nothing"),
                                          HasSubstr("no effect without --rp_serve_api")));
}

TEST(serve_mode, the_realtime_port_opens_to_all_only_where_runpod_decides) {
  const auto choice = chosen(
      {}, {"RUNPOD_REALTIME_PORT=8123", "RUNPOD_REALTIME_CONCURRENCY=2", "RUNPOD_ENDPOINT_ID=ep"});
  EXPECT_THAT(entries_of(choice.assumed),
              ElementsAre("http.listen=0.0.0.0:8123 (env RUNPOD_REALTIME_PORT)",
                          "http.allow_public=true (env RUNPOD_REALTIME_PORT)",
                          "engine.slots=2 (env RUNPOD_REALTIME_CONCURRENCY)"));
  EXPECT_THAT(choice.remarks, ElementsAre(HasSubstr("RunPod decides who reaches it")));
  EXPECT_EQ(chosen({}, {"RUNPOD_REALTIME_PORT=0"}).mode, serve_mode::pod);
  EXPECT_THAT(refusal({}, {"RUNPOD_REALTIME_PORT=http"}, errc::bad_config),
              HasSubstr("RUNPOD_REALTIME_PORT: http is not a port"));
}

TEST(serve_mode, log_levels_in_the_sdks_words) {
  sdk_flags flags;
  for (const auto& [theirs, ours] : {std::pair{"ERROR", "error"},
                                     {"WARN", "warn"},
                                     {"INFO", "info"},
                                     {"DEBUG", "debug"},
                                     {"TRACE", "debug"},
                                     {"NOTSET", "error"},
                                     {"warn", "warn"}}) {
    flags.log_level = theirs;
    EXPECT_THAT(entries_of(chosen(flags, {}).firm),
                ElementsAre(std::string{"log.level="} + ours + " (flag --rp_log_level)"));
    EXPECT_THAT(entries_of(chosen({}, {std::string{"RUNPOD_LOG_LEVEL="} + theirs,
                                       "RUNPOD_DEBUG_LEVEL=nonsense is not read"})
                               .assumed),
                ElementsAre(std::string{"log.level="} + ours + " (env RUNPOD_LOG_LEVEL)"));
  }
  flags.log_level = "LOUD";
  EXPECT_THAT(refusal(flags, {}, errc::bad_usage), HasSubstr("--rp_log_level: LOUD"));
  EXPECT_THAT(refusal({}, {"RUNPOD_DEBUG_LEVEL=10"}, errc::bad_config),
              HasSubstr("RUNPOD_DEBUG_LEVEL: 10"));
}

// ---- load balancing
// ------------------------------------------------------------------------------

struct balanced {
  entries assumed, remarks;
  std::string refusal;
};
balanced balance(const entries& environment, config_sources sources = {}) {
  auto choice = chosen({}, environment);
  choice.assumed.clear();
  sources.environment = environment;
  const auto first = load_config(sources);
  EXPECT_TRUE(first) << first.error().str();
  const auto done = assume_load_balancer(environment, *first, choice);
  return {entries_of(choice.assumed), choice.remarks, done ? "" : done.error().text};
}

TEST(load_balancer, serves_the_platforms_port_on_an_endpoint) {
  const auto b = balance({"RUNPOD_ENDPOINT_ID=ep", "RUNPOD_POD_ID=p", "PORT=80", "PORT_HEALTH=81",
                          "HEALTH_CHECK_PATH=/health"});
  EXPECT_THAT(b.assumed,
              ElementsAre("http.listen=0.0.0.0:80 (env PORT)", "http.allow_public=true (env PORT)",
                          "http.health_listen=0.0.0.0:81 (env PORT_HEALTH)",
                          "http.health_path=/health (env HEALTH_CHECK_PATH)"));
  EXPECT_THAT(b.remarks, ElementsAre(HasSubstr("listens on every address at port 80")));
}

TEST(load_balancer, has_one_listener_when_both_ports_are_the_same) {
  EXPECT_THAT(
      balance({"RUNPOD_ENDPOINT_ID=ep", "PORT=80", "PORT_HEALTH=080"}).assumed,
      ElementsAre("http.listen=0.0.0.0:80 (env PORT)", "http.allow_public=true (env PORT)"));
}

TEST(load_balancer, does_not_open_a_plain_pod_by_itself) {
  EXPECT_THAT(balance({"RUNPOD_POD_ID=p", "PORT=80"}).assumed,
              ElementsAre("http.listen=0.0.0.0:80 (env PORT)"))
      << "no gateway protects a plain pod's port: only its owner may set http.allow_public";
  EXPECT_THAT(balance({"PORT=80"}).assumed, IsEmpty()) << "not on RunPod";
  EXPECT_THAT(balance({"PORT=80", "TAYFA_HTTP_ALLOW_PUBLIC=true"}).assumed,
              ElementsAre("http.listen=0.0.0.0:80 (env PORT)"))
      << "allowed by its owner: PORT is where";
}

TEST(load_balancer, is_not_for_workers_nor_where_an_address_was_given) {
  EXPECT_THAT(balance({"RUNPOD_ENDPOINT_ID=ep", "PORT=80", worker_url}).assumed, IsEmpty());
  EXPECT_THAT(
      balance({"RUNPOD_ENDPOINT_ID=ep", "PORT=80", "TAYFA_HTTP_LISTEN=127.0.0.1:9"}).assumed,
      IsEmpty());
  config_sources flag;
  flag.flags = {{"http.listen", "127.0.0.1:9"}};
  EXPECT_THAT(balance({"RUNPOD_ENDPOINT_ID=ep", "PORT=80"}, flag).assumed, IsEmpty());
  EXPECT_THAT(balance({"RUNPOD_ENDPOINT_ID=ep", "PORT_HEALTH=81"}).assumed, IsEmpty())
      << "without PORT this is no load-balancing endpoint";
}

TEST(load_balancer, refuses_what_is_no_port) {
  for (const char* bad : {"0", "65536", "http", "-1", "80x"}) {
    EXPECT_THAT(balance({"RUNPOD_ENDPOINT_ID=ep", std::string{"PORT="} + bad}).refusal,
                HasSubstr("PORT: " + std::string{bad} + " is not a port, 1 to 65535"));
    EXPECT_THAT(
        balance({"RUNPOD_ENDPOINT_ID=ep", "PORT=80", std::string{"PORT_HEALTH="} + bad}).refusal,
        HasSubstr("PORT_HEALTH: "));
  }
}

} // namespace
} // namespace tayfa
