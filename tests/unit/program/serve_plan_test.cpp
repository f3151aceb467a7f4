// Decisions of serve before it starts anything.
#include "cluster/program/serve_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using flag_list = std::vector<std::pair<std::string, std::string>>;
using entries = std::vector<std::string>;

serve_surroundings surroundings(std::optional<std::string> test_file = std::nullopt) {
  return {"/opt/tayfa", "made-up",
          [test_file] { return result<std::optional<std::string>>{test_file}; }};
}

serve_request asking(flag_list flags = {}, entries environment = {}) {
  serve_request r;
  r.sources.flags = std::move(flags);
  r.sources.environment = std::move(environment);
  return r;
}

serve_plan planned(const serve_request& r, const serve_surroundings& here = surroundings()) {
  auto plan = plan_serve(r, here);
  EXPECT_TRUE(plan) << plan.error().why.str();
  return plan ? std::move(*plan) : serve_plan{};
}

serve_refusal refused(const serve_request& r, const serve_surroundings& here = surroundings()) {
  auto plan = plan_serve(r, here);
  EXPECT_FALSE(plan);
  return plan ? serve_refusal{} : std::move(plan.error());
}

entries worker_environment() {
  return {"RUNPOD_WEBHOOK_GET_JOB=https://h.example/v2/ep/job-take/$ID?gpu=x",
          "RUNPOD_WEBHOOK_POST_OUTPUT=https://h.example/v2/ep/job-done/$RUNPOD_POD_ID/$ID?gpu=x",
          "RUNPOD_ENDPOINT_ID=ep"};
}

TEST(serve_plan, auto_is_scripted_without_a_model_and_torch_with_one) {
  EXPECT_EQ(planned(asking()).engines.usual, "scripted");
  EXPECT_EQ(planned(asking({{"engine.models", "a.pt"}})).engines.usual, "torch");
}

TEST(serve_plan, torch_needs_a_model_unless_no_engine_runs) {
  const auto refusal = refused(asking({{"engine.kind", "torch"}}));
  EXPECT_EQ(refusal.why.code, errc::bad_config);
  EXPECT_THAT(refusal.why.text, HasSubstr("engine.models"));
  EXPECT_EQ(planned(asking({{"engine.kind", "torch"}, {"engine.slots", "0"}})).engines.usual,
            "torch");
}

TEST(serve_plan, the_scripted_engine_runs_no_model) {
  EXPECT_EQ(refused(asking({{"engine.kind", "scripted"}, {"engine.models", "a.pt"}})).why.code,
            errc::bad_config);
}

TEST(serve_plan, several_models_are_for_the_queue_to_place) {
  EXPECT_EQ(planned(asking({{"engine.models", "a.pt,b.pt"}})).engines.usual, "torch");
}

TEST(serve_plan, shares_of_tenants_reach_the_queue) {
  const flag_list flags{{"queue.tenants", "alice=3,bob=0.5:2"}, {"queue.tenant_running_max", "7"}};
  const auto plan = planned(asking(flags));
  EXPECT_EQ(plan.limits.tenants.at("alice").weight, 3);
  EXPECT_EQ(plan.limits.tenants.at("alice").running_max, 7U);
  EXPECT_EQ(plan.limits.tenants.at("bob").weight, 0.5);
  EXPECT_EQ(plan.limits.tenants.at("bob").running_max, 2U);
  EXPECT_TRUE(plan.limits.durable);
  EXPECT_FALSE(planned(asking({{"store.kind", "memory"}})).limits.durable);
}

TEST(serve_plan, the_engine_is_beside_the_program_unless_said_otherwise) {
  EXPECT_EQ(planned(asking()).program, "/opt/tayfa/tayfa-engine");
  EXPECT_EQ(planned(asking({{"engine.program", "/elsewhere/engine"}})).program,
            "/elsewhere/engine");
}

TEST(serve_plan, logs_are_runpods_where_its_variables_are_set) {
  EXPECT_EQ(planned(asking()).log.format, log_format::text);
  EXPECT_EQ(planned(asking({}, {"RUNPOD_ENDPOINT_ID=ep"})).log.format, log_format::runpod);
  const auto json =
      planned(asking({{"log.format", "json"}, {"log.level", "warn"}}, {"RUNPOD_ENDPOINT_ID=ep"}));
  EXPECT_EQ(json.log.format, log_format::json);
  EXPECT_EQ(json.log.level, log_level::warn);
}

TEST(serve_plan, the_sdks_log_level_stands_beside_our_own) {
  auto request = asking();
  request.sdk.log_level = "ERROR";
  EXPECT_EQ(planned(request).log.level, log_level::error);
  request.sources.flags = {{"log.level", "info"}};
  EXPECT_THAT(refused(request).why.text, HasSubstr("log.level: given more than once"));
  request = asking({}, {"RUNPOD_LOG_LEVEL=ERROR"});
  EXPECT_EQ(planned(request).log.level, log_level::error);
  request.sources.environment.emplace_back("TAYFA_LOG_LEVEL=debug");
  EXPECT_EQ(planned(request).log.level, log_level::debug);
}

// ---- modes --------------------------------------------------------------------------------------

TEST(serve_plan, a_worker_has_the_platforms_settings_and_says_the_sdks_start_line) {
  const auto plan = planned(asking({}, worker_environment()));
  EXPECT_EQ(plan.mode, serve_mode::worker);
  ASSERT_TRUE(plan.runpod);
  EXPECT_EQ(plan.runpod->endpoint_id, "ep");
  EXPECT_EQ(plan.runpod->worker_id, "made-up");
  EXPECT_EQ(plan.start_line, "--- Starting Serverless Worker |  Version 1.12.0 ---");
  EXPECT_TRUE(plan.on_endpoint);
  EXPECT_EQ(plan.knobs.http_listen, "127.0.0.1:8000");
}

TEST(serve_plan, a_workers_checks_are_the_environments) {
  auto environment = worker_environment();
  environment.emplace_back("RUNPOD_MIN_MEMORY_GB=16");
  const auto plan = planned(asking({}, environment));
  ASSERT_TRUE(plan.fitness);
  EXPECT_EQ(plan.fitness->memory_gb, 16.0);
  EXPECT_TRUE(plan.fitness->system);
  EXPECT_FALSE(planned(asking({}, {"RUNPOD_MIN_MEMORY_GB=16"})).fitness) << "no worker";
  environment.back() = "RUNPOD_MIN_MEMORY_GB=lots";
  EXPECT_THAT(refused(asking({}, environment)).why.text, HasSubstr("RUNPOD_MIN_MEMORY_GB"));
}

TEST(serve_plan, a_worker_with_half_of_its_variables_is_refused) {
  const auto refusal =
      refused(asking({}, {"RUNPOD_WEBHOOK_GET_JOB=https://h.example/job-take/$ID?"}));
  EXPECT_EQ(refusal.why.code, errc::bad_config);
  EXPECT_FALSE(refusal.exit_code);
  EXPECT_THAT(refusal.why.text, HasSubstr("RUNPOD_WEBHOOK_POST_OUTPUT"));
}

TEST(serve_plan, the_api_is_no_worker_even_where_the_platforms_variables_are) {
  auto request = asking({}, worker_environment());
  request.sdk.serve_api = true;
  request.sdk.api_port = "9009";
  request.sdk.api_concurrency = "4";
  const auto plan = planned(request);
  EXPECT_EQ(plan.mode, serve_mode::api);
  EXPECT_FALSE(plan.runpod);
  EXPECT_EQ(plan.start_line, "");
  EXPECT_EQ(plan.knobs.http_listen, "localhost:9009");
  EXPECT_EQ(plan.knobs.engine_slots, 4U);
  request.sources.flags = {{"engine.slots", "2"}};
  EXPECT_EQ(planned(request).knobs.engine_slots, 2U) << "--slots is the more exact word";
  request.sdk.api_concurrency = "0x";
  EXPECT_THAT(refused(request).why.text, HasSubstr("from flag --rp_api_concurrency"));
  request.sdk.api_concurrency.reset();
  request.sdk.api_host = "0.0.0.0";
  EXPECT_FALSE(planned(request).knobs.http_allow_public) << "a flag's address opens no door";
}

TEST(serve_plan, a_load_balancing_endpoint_listens_where_the_platform_asks) {
  const auto plan = planned(asking({}, {"RUNPOD_ENDPOINT_ID=ep", "PORT=8080", "PORT_HEALTH=8081",
                                        "HEALTH_CHECK_PATH=/healthz"}));
  EXPECT_EQ(plan.mode, serve_mode::pod);
  EXPECT_EQ(plan.knobs.http_listen, "0.0.0.0:8080");
  EXPECT_EQ(plan.knobs.http_health_listen, "0.0.0.0:8081");
  EXPECT_EQ(plan.knobs.http_health_path, "/healthz");
  EXPECT_THAT(plan.remarks, ElementsAre(HasSubstr("RunPod decides")));
  EXPECT_THAT(
      refused(asking({}, {"RUNPOD_ENDPOINT_ID=ep", "PORT=8080", "HEALTH_CHECK_PATH=no"})).why.text,
      HasSubstr("(from env HEALTH_CHECK_PATH)"));
  EXPECT_TRUE(plan.knobs.http_allow_public);
  const auto plain = planned(asking({}, {"RUNPOD_POD_ID=p", "PORT=8080"}));
  EXPECT_EQ(plain.knobs.http_listen, "0.0.0.0:8080");
  EXPECT_FALSE(plain.knobs.http_allow_public) << "it needs keys, or its owner's word";
}

// ---- local tests --------------------------------------------------------------------------------

TEST(serve_plan, a_test_leaves_nothing_behind) {
  auto request = asking();
  request.sdk.test_input = R"({"input": {"mock_return": 1}, "id": "mine"})";
  const auto plan = planned(request);
  ASSERT_TRUE(plan.test);
  EXPECT_EQ(plan.test->id, "mine");
  EXPECT_EQ(plan.knobs.store_kind, "memory");
  EXPECT_FALSE(plan.limits.durable);
  EXPECT_THAT(
      plan.test_lines,
      ElementsAre(sdk_line{log_level::info, "test_input set, using test_input as job input."}));
  EXPECT_EQ(plan.start_line, "");
  request.as_worker = true;
  EXPECT_EQ(planned(request).start_line, "--- Starting Serverless Worker |  Version 1.12.0 ---");
}

TEST(serve_plan, worker_without_a_platform_runs_the_test_file) {
  auto request = asking();
  request.as_worker = true;
  const auto plan = planned(request, surroundings(R"({"input": "x"})"));
  ASSERT_TRUE(plan.test);
  EXPECT_EQ(plan.test->body, R"({"input":"x"})");
  const auto missing = refused(request);
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.lines,
              ElementsAre(sdk_line{log_level::warn, "test_input.json not found, exiting."}));
  EXPECT_EQ(missing.start_line, "--- Starting Serverless Worker |  Version 1.12.0 ---");
}

TEST(serve_plan, a_test_input_that_cannot_be_used_ends_with_1) {
  for (const auto& [text, word] :
       {std::pair{R"({"id": "x"})", "Job has no input parameter. Unable to run."},
        {R"({"input": null})", "Job has no input parameter. Unable to run."},
        {"{", "not valid JSON"},
        {"[1]", "is not a job"},
        {"", "not valid JSON"},
        {R"({"input": 1, "input": 2})", "is not a job"}}) {
    auto request = asking();
    request.sdk.test_input = text;
    const auto refusal = refused(request);
    EXPECT_EQ(refusal.exit_code, 1) << text;
    ASSERT_EQ(refusal.lines.size(), 2U) << text;
    EXPECT_EQ(refusal.lines.back().level, log_level::error);
    EXPECT_THAT(refusal.lines.back().text, HasSubstr(word));
  }
  auto request = asking({{"http.runsync_body_max", "1024"}});
  request.sdk.test_input = R"({"input": ")" + std::string(2000, 'x') + R"("})";
  EXPECT_THAT(refused(request).lines.back().text, HasSubstr("larger than"));
  request = asking({{"log.level", "error"}});
  request.sdk.test_input = "{";
  EXPECT_EQ(refused(request).lines.size(), 1U) << "lines below the log's level are not said";
  request = asking({{"engine.slots", "0"}});
  request.sdk.test_input = R"({"input": 1})";
  EXPECT_EQ(refused(request).why.code, errc::bad_config);
}

TEST(serve_plan, a_pod_with_a_head_takes_its_join_string_from_the_flag_or_the_environment) {
  auto request = asking({}, {"TAYFA_JOIN=tayfa1:from-the-environment"});
  request.as_pod = true;
  auto here = surroundings();
  here.host_name = "gpu box.example";
  const auto plan = planned(request, here);
  EXPECT_TRUE(plan.as_pod);
  EXPECT_EQ(plan.join.reveal(), "tayfa1:from-the-environment");
  EXPECT_EQ(plan.pod_name, "gpu-box.example");
  request.join = "tayfa1:from-the-flag";
  request.pod_name = "alpha";
  const auto flagged = planned(request, here);
  EXPECT_EQ(flagged.join.reveal(), "tayfa1:from-the-flag");
  EXPECT_EQ(flagged.pod_name, "alpha");
  EXPECT_FALSE(planned(asking({}, {"TAYFA_JOIN=tayfa1:x"})).as_pod) << "serve has no head";
}

TEST(serve_plan, what_a_pod_with_a_head_cannot_be_is_refused) {
  const auto refusal = [](flag_list flags, entries environment, const char* name = "") {
    auto request = asking(std::move(flags), std::move(environment));
    request.as_pod = true;
    request.pod_name = name;
    return refused(request).why;
  };
  EXPECT_THAT(refusal({{"link.listen", "127.0.0.1:7500"}}, {}).text, HasSubstr("no head itself"));
  EXPECT_THAT(refusal({{"engine.slots", "0"}}, {}).text, HasSubstr("at least one slot"));
  EXPECT_THAT(refusal({}, worker_environment()).text, HasSubstr("RunPod"));
  EXPECT_THAT(refusal({}, {}, "a b").text, HasSubstr("--name"));
}

TEST(serve_plan, exit_codes_are_the_platforms_for_a_worker_and_the_tests_for_a_test) {
  const auto worker = planned(asking({}, worker_environment()));
  EXPECT_EQ(exit_code_of(worker, 69, {}), 1);
  EXPECT_EQ(exit_code_of(worker, 0, {}), 0);
  EXPECT_EQ(exit_code_of(worker, 70, {}), 70);
  const auto pod = planned(asking());
  EXPECT_EQ(exit_code_of(pod, 69, {}), 69);
  EXPECT_EQ(exit_code_of(pod, 0, {}), 0);
  auto request = asking();
  request.sdk.test_input = R"({"input": 1})";
  const auto test = planned(request);
  EXPECT_EQ(exit_code_of(test, 0, 0), 0);
  EXPECT_EQ(exit_code_of(test, 0, 1), 1);
  EXPECT_EQ(exit_code_of(test, 0, {}), 1) << "it ended without a result";
  EXPECT_EQ(exit_code_of(test, 69, 0), 69) << "the pod's own failure comes first";
}

} // namespace
} // namespace tayfa
