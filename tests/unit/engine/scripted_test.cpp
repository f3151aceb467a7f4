#include "runtime/engine/scripted.hpp"

#include "runtime/engine/session.hpp"
#include "tests/unit/engine/scripted_fixture.hpp"

#include <gmock/gmock.h>

namespace tayfa::engine::test {
namespace {

using action = scripted_step::action;

// ---- the plan, as text: one word per step, so that a table can hold it ----------------------

std::string spell(const scripted_step& step) {
  constexpr std::array names{"log",  "progress", "partial", "complete",
                             "fail", "crash",    "garbage", "hang"};
  std::string out;
  if (step.after.count() != 0) {
    out += "+" + std::to_string(step.after / 1ms) + "ms ";
  }
  out += names[static_cast<std::size_t>(step.what)];
  if (step.what == action::log) {
    out += "/" + std::to_string(step.level);
  }
  if (step.what == action::fail) {
    out += "/" + std::string{to_string(step.code)};
  }
  if (!step.text.empty() && step.what != action::garbage) {
    out += " " + step.text;
  }
  return out;
}

std::vector<std::string> spelled(const scripted_plan& plan) {
  std::vector<std::string> out;
  for (const auto& step : plan.steps) {
    out.push_back(spell(step));
  }
  return out;
}

struct plan_case {
  std::string input;
  std::vector<std::string> steps;
};
class plan_table : public testing::TestWithParam<plan_case> {};

TEST_P(plan_table, steps_follow_from_the_input) {
  const auto plan = plan_script(GetParam().input);
  ASSERT_TRUE(plan.has_value()) << plan.error().str();
  EXPECT_EQ(spelled(*plan), GetParam().steps) << GetParam().input;
}

INSTANTIATE_TEST_SUITE_P(
    fields, plan_table,
    testing::Values(
        plan_case{R"({"prompt": "a  cat"})", {R"(complete {"prompt": "a  cat"})"}},
        plan_case{"[1, 2]", {"complete [1, 2]"}}, plan_case{"7", {"complete 7"}},
        plan_case{"null", {"complete null"}},
        plan_case{R"({"mock_return":"this worked!"})", {R"(complete "this worked!")"}},
        plan_case{R"({"mock_return":null})", {"complete null"}},
        plan_case{R"({"openai_route":"/v1/x","openai_input":{"mock_return":1,"stream":true}})",
                  {"complete 1"}},
        plan_case{R"({"openai_route":"/v1/x","openai_input":{"a": 1}})",
                  {R"(complete {"openai_route":"/v1/x","openai_input":{"a": 1}})"}},
        plan_case{R"({"openai_input":7,"mock_return":1})", {"complete 1"}},
        plan_case{R"({"mock_return":{"a":[1,true]}})", {R"(complete {"a":[1,true]})"}},
        plan_case{R"({"mock_return":1,"mock_delay":0.25})", {"+250ms complete 1"}},
        plan_case{R"({"mock_delay":86400,"mock_return":1})", {"+86400000ms complete 1"}},
        plan_case{R"({"mock_delay":2})", {R"(+2000ms complete {"mock_delay":2})"}},
        plan_case{R"({"mock_error":"no luck","mock_return":1})", {"fail/job_failed no luck"}},
        plan_case{R"({"mock_oom":true,"mock_delay":1})", {"+1000ms fail/gpu_oom mock_oom"}},
        plan_case{R"({"mock_oom":false,"mock_return":1})", {"complete 1"}},
        plan_case{R"({"mock_crash":true,"mock_delay":1})", {"+1000ms crash"}},
        plan_case{R"({"mock_hang":true})", {"hang"}},
        plan_case{R"({"mock_garbage":true,"mock_delay":0.5})", {"+500ms garbage"}},
        plan_case{R"({"mock_crash":true,"mock_hang":true,"mock_error":"x"})", {"crash"}},
        plan_case{R"({"mock_progress":{"updates":2,"wait_time":0.1},"mock_return":1})",
                  {R"(progress {"update":1,"updates":2})",
                   R"(+100ms progress {"update":2,"updates":2})", "+100ms complete 1"}},
        plan_case{R"({"mock_progress":{"updates":0},"mock_return":1})", {"complete 1"}},
        plan_case{R"({"mock_stream":["a",{"b":1}],"mock_delay":1})",
                  {R"(partial "a")", R"(+1000ms partial {"b":1})", "complete []"}},
        plan_case{R"({"mock_stream":["a","b"],"mock_aggregate":true})",
                  {R"(partial "a")", R"(partial "b")", R"(complete ["a","b"])"}},
        plan_case{R"({"mock_stream":["a"],"mock_return":5})", {R"(partial "a")", "complete 5"}},
        plan_case{R"({"mock_stream":[]})", {"complete []"}},
        plan_case{
            R"({"mock_logs":[{"level":"ERROR","message":"m"},{"message":"n"}],"mock_return":1})",
            {"log/3 m", "log/1 n", "complete 1"}}));

struct faulty_case {
  std::string input;
  std::string names; ///< how the error's text begins
};
class faulty_table : public testing::TestWithParam<faulty_case> {};

TEST_P(faulty_table, is_bad_input_that_names_the_field) {
  const auto plan = plan_script(GetParam().input);
  ASSERT_FALSE(plan.has_value()) << GetParam().input;
  EXPECT_EQ(plan.error().code, errc::bad_input);
  EXPECT_THAT(plan.error().text, testing::StartsWith(GetParam().names + ": "));
}

INSTANTIATE_TEST_SUITE_P(
    fields, faulty_table,
    testing::Values(
        faulty_case{"{", "input"}, faulty_case{"", "input"}, faulty_case{"{} {}", "input"},
        faulty_case{R"({"mock_delay":"1"})", "mock_delay"},
        faulty_case{R"({"mock_delay":-1})", "mock_delay"},
        faulty_case{R"({"mock_delay":86401})", "mock_delay"},
        faulty_case{R"({"mock_delay":1e999})", "mock_delay"},
        faulty_case{R"({"mock_delay":null})", "mock_delay"},
        faulty_case{R"({"mock_error":true})", "mock_error"},
        faulty_case{R"({"mock_crash":1})", "mock_crash"},
        faulty_case{R"({"mock_hang":"yes"})", "mock_hang"},
        faulty_case{R"({"mock_oom":null})", "mock_oom"},
        faulty_case{R"({"mock_garbage":[]})", "mock_garbage"},
        faulty_case{R"({"mock_refresh":"x"})", "mock_refresh"},
        faulty_case{R"({"mock_aggregate":1})", "mock_aggregate"},
        faulty_case{R"({"mock_crash":true,"mock_error":3})", "mock_error"},
        faulty_case{R"({"mock_progress":3})", "mock_progress"},
        faulty_case{R"({"mock_progress":{}})", "mock_progress.updates"},
        faulty_case{R"({"mock_progress":{"updates":-1}})", "mock_progress.updates"},
        faulty_case{R"({"mock_progress":{"updates":1.5}})", "mock_progress.updates"},
        faulty_case{R"({"mock_progress":{"updates":10001}})", "mock_progress.updates"},
        faulty_case{R"({"mock_progress":{"updates":18446744073709551615}})",
                    "mock_progress.updates"},
        faulty_case{R"({"mock_progress":{"updates":1,"wait_time":"x"}})",
                    "mock_progress.wait_time"},
        faulty_case{R"({"mock_progress":{"updates":1,"wait":1}})", "mock_progress.wait"},
        faulty_case{R"({"mock_stream":"ab"})", "mock_stream"},
        faulty_case{R"({"mock_logs":{}})", "mock_logs"},
        faulty_case{R"({"mock_logs":[1]})", "mock_logs[0]"},
        faulty_case{R"({"mock_logs":[{"level":"loud","message":"m"}]})", "mock_logs[0].level"},
        faulty_case{R"({"mock_logs":[{"level":"info"}]})", "mock_logs[0].message"},
        faulty_case{R"({"mock_dealy":1})", "mock_dealy"}));

TEST(scripted_plan_bounds, lists_and_texts_are_bounded) {
  std::string chunks = "1";
  for (std::size_t i = 0; i < script_chunks_max; ++i) {
    chunks += ",1";
  }
  EXPECT_FALSE(plan_script("{\"mock_stream\":[" + chunks + "]}").has_value());
  const std::string text(protocol::text_bytes_max + 1, 'x');
  EXPECT_FALSE(plan_script("{\"mock_error\":\"" + text + "\"}").has_value());
  const std::string deep = std::string(65, '[') + std::string(65, ']');
  EXPECT_FALSE(plan_script(deep).has_value());
  const std::string fits = std::string(60, '[') + std::string(60, ']');
  EXPECT_TRUE(plan_script(fits).has_value());
}

TEST(scripted_plan_flags, refresh_and_hang) {
  EXPECT_TRUE(plan_script(R"({"mock_refresh":true})")->refresh_worker);
  EXPECT_FALSE(plan_script(R"({"mock_refresh":false})")->refresh_worker);
  EXPECT_FALSE(plan_script(R"({"mock_hang":true,"mock_delay":5})")->obeys_cancel);
  EXPECT_TRUE(plan_script(R"({"mock_delay":5})")->obeys_cancel);
}

// ---- behaviour ------------------------------------------------------------------------------

TEST(scripted_behavior_text, every_field_is_read) {
  const auto b = parse_behavior(
      R"({"init_delay":0.5,"init_crash":true,"load_delay":1,"load_crash":true,"load_error":"bad",
          "load_hang":true,"no_heartbeat_after":2,"incarnations":[1,3]})");
  ASSERT_TRUE(b.has_value()) << b.error().str();
  EXPECT_EQ(b->init_delay, 500ms);
  EXPECT_TRUE(b->init_crash && b->load_crash && b->load_hang);
  EXPECT_EQ(b->load_delay, 1s);
  EXPECT_EQ(b->load_error, "bad");
  EXPECT_EQ(b->no_heartbeat_after, std::chrono::nanoseconds{2s});
  EXPECT_TRUE(b->for_incarnation(1).init_crash);
  EXPECT_FALSE(b->for_incarnation(2).init_crash);
  EXPECT_EQ(b->for_incarnation(2).load_delay, 0s);
  EXPECT_TRUE(parse_behavior(R"({"init_crash":true})")->for_incarnation(9).init_crash);
  EXPECT_FALSE(parse_behavior("")->init_crash);
}

TEST(scripted_behavior_text, a_faulty_field_is_named) {
  const std::vector<std::pair<std::string, std::string>> table{
      {R"({"init_delay":"x"})", "init_delay"},    {R"({"load_error":1})", "load_error"},
      {R"({"incarnations":[]})", "incarnations"}, {R"({"incarnations":[-1]})", "incarnations"},
      {R"({"time_factor":0})", "time_factor"},    {R"({"capacity":0})", "capacity"},
      {R"({"member_cost":"x"})", "member_cost"},  {R"({"slots":[1]})", "slots[0]"},
      {R"({"load_hang":1})", "load_hang"},        {R"({"lod_hang":true})", "lod_hang"},
      {"[]", "the scripted behaviour"},           {"{", "the scripted behaviour"}};
  for (const auto& [text, names] : table) {
    const auto b = parse_behavior(text);
    ASSERT_FALSE(b.has_value()) << text;
    EXPECT_EQ(b.error().code, errc::bad_config);
    EXPECT_THAT(b.error().text, testing::StartsWith(names)) << text;
  }
}

TEST(scripted_behavior_text, the_device_is_the_same_in_every_life) {
  const auto b = parse_behavior(
      R"({"capacity":3,"batch_max":4,"continuous":true,"steps":false,"device":"cuda:0 Toy",
          "memory_bytes":8000000000,"time_factor":2.5,"member_cost":0.25,"oom_above":6,
          "init_crash":true,"incarnations":[1]})");
  ASSERT_TRUE(b.has_value()) << b.error().str();
  const auto later = b->for_incarnation(2);
  EXPECT_FALSE(later.init_crash);
  EXPECT_EQ(later.device.capacity, 3U);
  EXPECT_EQ(later.device.batch_max, 4U);
  EXPECT_TRUE(later.device.continuous);
  EXPECT_FALSE(later.device.steps);
  EXPECT_EQ(later.device.name, "cuda:0 Toy");
  EXPECT_EQ(later.device.memory_bytes, 8'000'000'000U);
  EXPECT_EQ(later.device.time_factor, 2.5);
  EXPECT_EQ(later.device.member_cost, 0.25);
  EXPECT_EQ(later.device.oom_above, 6U);
  EXPECT_EQ(later.device.room(), 3U);
  EXPECT_EQ(parse_behavior(R"({"batch_max":4})")->device.room(), 4U);
}

TEST(scripted_behavior_text, slots_may_differ_from_what_is_common) {
  const auto b = parse_behavior(
      R"({"load_delay":1,"time_factor":2,"slots":[{},{"time_factor":4},{"load_delay":0}]})");
  ASSERT_TRUE(b.has_value()) << b.error().str();
  EXPECT_EQ(b->for_slot(slot_id{0}).device.time_factor, 2);
  EXPECT_EQ(b->for_slot(slot_id{1}).device.time_factor, 4);
  EXPECT_EQ(b->for_slot(slot_id{1}).load_delay, 1s);
  EXPECT_EQ(b->for_slot(slot_id{2}).load_delay, 0s);
  EXPECT_EQ(b->for_slot(slot_id{4}).device.time_factor, 4) << "there are three entries";
  const auto bad = parse_behavior(R"({"slots":[{},{"batch_max":0}]})");
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().text, "slots[1].batch_max: 1 to 4096 are allowed");
}

// ---- the engine -----------------------------------------------------------------------------

TEST_F(scripted, echoes_at_once) {
  auto e = make();
  e.start(assign("a", R"({"x": 1})"));
  ASSERT_EQ(out.said.size(), 2U);
  EXPECT_EQ(std::get<protocol::started>(out.said[0]).attempt, attempt("a"));
  const auto& last = std::get<protocol::finished>(out.said[1]);
  EXPECT_EQ(last.how, protocol::outcome::completed);
  EXPECT_EQ(last.output.view(), R"({"x": 1})");
  EXPECT_EQ(e.running(), 0U);
  EXPECT_FALSE(e.next_wakeup().has_value());
}

TEST_F(scripted, a_delay_ends_at_its_time_not_before) {
  auto e = make();
  e.start(assign("a", R"({"mock_delay":1.5,"mock_return":2})"));
  EXPECT_EQ(e.next_wakeup(), time.now() + 1500ms);
  time.advance(1499ms);
  e.wake(time.now());
  EXPECT_TRUE(all<protocol::finished>(out.said).empty());
  time.advance(1ms);
  e.wake(time.now());
  const auto done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].output.view(), "2");
  EXPECT_EQ(done[0].run_ms, 1500U);
}

TEST_F(scripted, a_cancel_is_obeyed_at_once_and_only_for_its_attempt) {
  auto e = make(device(R"({"capacity":2})"));
  e.start(assign("a", R"({"mock_delay":100})"));
  e.start(assign("b", R"({"mock_delay":100})"));
  e.cancel(attempt("a", 2));
  e.cancel(attempt("nobody"));
  EXPECT_EQ(e.running(), 2U);
  e.cancel(attempt("a"));
  const auto done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].attempt, attempt("a"));
  EXPECT_EQ(done[0].how, protocol::outcome::cancelled);
  EXPECT_EQ(e.running(), 1U);
}

TEST_F(scripted, a_hang_ignores_its_cancel) {
  auto e = make();
  e.start(assign("a", R"({"mock_hang":true})"));
  e.cancel(attempt("a"));
  e.wake(time.now() + 24h);
  EXPECT_EQ(e.running(), 1U);
  EXPECT_FALSE(e.next_wakeup().has_value());
  EXPECT_TRUE(all<protocol::finished>(out.said).empty());
}

TEST_F(scripted, attempts_that_overlap_keep_the_order_of_their_times) {
  auto e = make(device(R"({"capacity":2})"));
  e.start(assign("slow", R"({"mock_delay":2})"));
  e.start(assign("fast", R"({"mock_delay":1})"));
  time.advance(10s);
  e.wake(time.now());
  const auto done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(done[0].attempt.job.str(), "fast");
  EXPECT_EQ(done[1].attempt.job.str(), "slow");
}

TEST_F(scripted, a_crash_is_the_last_thing_it_does) {
  auto e = make(device(R"({"capacity":2})"));
  e.start(assign("b", R"({"mock_delay":1})"));
  e.start(assign("a", R"({"mock_crash":true})"));
  EXPECT_EQ(out.crashes, 1);
  time.advance(10s);
  e.wake(time.now());
  EXPECT_TRUE(all<protocol::finished>(out.said).empty());
}

TEST_F(scripted, garbage_is_raw_bytes_and_then_silence) {
  auto e = make();
  e.start(assign("a", R"({"mock_garbage":true})"));
  ASSERT_EQ(out.raw.size(), 1U);
  EXPECT_FALSE(protocol::decode_upstream(out.raw[0]).has_value());
  EXPECT_EQ(e.running(), 1U);
  e.cancel(attempt("a"));
  EXPECT_EQ(e.running(), 0U);
}

TEST_F(scripted, a_faulty_script_fails_the_job_and_not_the_engine) {
  auto e = make();
  e.start(assign("a", R"({"mock_delay":"soon"})"));
  const auto done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].how, protocol::outcome::failed);
  EXPECT_EQ(done[0].code, static_cast<std::uint16_t>(errc::bad_input));
  EXPECT_THAT(done[0].text, testing::HasSubstr("mock_delay"));
}

TEST_F(scripted, progress_and_stream_arrive_in_time) {
  auto e = make();
  e.start(assign("a", R"({"mock_progress":{"updates":2,"wait_time":1},"mock_stream":["x","y"],
                          "mock_delay":1,"mock_refresh":true})"));
  EXPECT_EQ(all<protocol::progress>(out.said).size(), 1U);
  run_to_next(e);
  EXPECT_EQ(all<protocol::progress>(out.said).size(), 2U);
  run_to_next(e);
  EXPECT_EQ(all<protocol::partial>(out.said).size(), 1U);
  run_to_next(e);
  EXPECT_EQ(all<protocol::partial>(out.said).size(), 2U);
  const auto done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_TRUE(done[0].refresh_worker);
  EXPECT_EQ(done[0].run_ms, 3000U);
}

TEST_F(scripted, loads_as_its_behaviour_says) {
  auto fine = make();
  fine.load({"m", "", ""});
  ASSERT_EQ(all<protocol::load_finished>(out.said).size(), 1U);
  EXPECT_TRUE(all<protocol::load_finished>(out.said)[0].ok);

  scripted_options late;
  late.behavior.load_delay = 3s;
  late.behavior.load_error = "half a file";
  auto bad = make(late);
  bad.load({"m", "", ""});
  EXPECT_EQ(all<protocol::load_finished>(out.said).size(), 1U);
  run_to_next(bad);
  ASSERT_EQ(all<protocol::load_finished>(out.said).size(), 2U);
  const auto answer = all<protocol::load_finished>(out.said)[1];
  EXPECT_FALSE(answer.ok);
  EXPECT_EQ(answer.code, static_cast<std::uint16_t>(errc::model_invalid));
  EXPECT_EQ(answer.text, "half a file");
  EXPECT_EQ(answer.load_ms, 3000U);

  scripted_options silent;
  silent.behavior.load_hang = true;
  auto hung = make(silent);
  hung.load({"m", "", ""});
  EXPECT_FALSE(hung.next_wakeup().has_value());
  EXPECT_EQ(all<protocol::load_finished>(out.said).size(), 2U);

  scripted_options broken;
  broken.behavior.load_crash = true;
  auto crashed = make(broken);
  crashed.load({"m", "", ""});
  EXPECT_EQ(out.crashes, 1);
}

} // namespace
} // namespace tayfa::engine::test
