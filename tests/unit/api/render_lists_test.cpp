// Lists, details and refusals that say when to come again.
#include "runtime/api/call.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace tayfa::api {
namespace {

job_summary summary_of(std::string id, job_state state) {
  job_summary one;
  one.id = job_id{std::move(id)};
  one.state = state;
  return one;
}

TEST(render_lists, jobs) {
  EXPECT_EQ(jobs({}).body, R"({"jobs":[],"next":null})");
  job_summary waits = summary_of("a", job_state::IN_QUEUE);
  waits.why = wait_reason::no_worker;
  waits.age = milliseconds{1'500};
  job_summary failed = summary_of("b", job_state::FAILED);
  failed.model = "sd-15";
  failed.tenant = "alice";
  failed.worker = "slot-1";
  failed.attempts = 3;
  failed.priority = 9;
  failed.failure = error{errc::max_attempts, "engine_crash"};
  EXPECT_EQ(
      jobs({{waits, failed}, 77}).body,
      R"({"jobs":[{"id":"a","status":"IN_QUEUE","waitReason":"no_worker","priority":5,"attempts":0,"age":1500},)"
      R"({"id":"b","status":"FAILED","model":"sd-15","tenant":"alice","priority":9,"attempts":3,"age":0,"workerId":"slot-1",)"
      R"("error":"max_attempts: every allowed attempt was lost: engine_crash","errorCode":"max_attempts"}],"next":77})");
}

TEST(render_lists, detail) {
  job_detail job;
  job.view.id = job_id{"a"};
  job.view.state = job_state::FAILED;
  job.view.failure = error{errc::gpu_oom, ""};
  job.view.attempts = 2;
  job.view.delay = milliseconds{5};
  job.view.output = shared_text{"\"large\""};
  job.endpoint = "tayfa";
  job.shape = "width=512";
  job.input_bytes = 12;
  job.age = milliseconds{90};
  job.dead = true;
  job.history = {{1, "slot-0", milliseconds{1}, milliseconds{2}, milliseconds{3},
                  error{errc::engine_crash, ""}},
                 {2, "slot-1", milliseconds{4}, {}, milliseconds{8}, {}}};
  EXPECT_EQ(
      detail(job).body,
      R"({"id":"a","status":"FAILED","dead":true,"endpoint":"tayfa","shape":"width=512","priority":5,"inputBytes":12,"age":90,)"
      R"("delayTime":5,"attempts":2,"lives":1,"error":"gpu_oom: the device ran out of memory","errorCode":"gpu_oom",)"
      R"("history":[{"attempt":1,"workerId":"slot-0","given":1,"began":2,"ended":3,"error":"engine_crash: the engine process died","errorCode":"engine_crash"},)"
      R"({"attempt":2,"workerId":"slot-1","given":4,"ended":8}]})");
  job_detail waits;
  waits.view.id = job_id{"w"};
  waits.view.why = wait_reason::quota;
  EXPECT_NE(detail(waits).body.find(
                R"("waitReason":"quota","waitText":"its tenant runs as many jobs as it may")"),
            std::string::npos);
}

TEST(render_lists, slots) {
  EXPECT_EQ(slots({}).body, R"({"slots":[]})");
  slot_summary one;
  one.slot = slot_id{3};
  one.incarnation = 2;
  one.state = engine_state::READY;
  one.engine = "torch";
  one.device = "cuda:3";
  one.running = 1;
  one.completed = 40;
  one.lost = 1;
  one.draining = true;
  one.pinned = "0-3";
  EXPECT_EQ(
      slots({one}).body,
      R"({"slots":[{"slot":3,"incarnation":2,"state":"READY","engine":"torch","device":"cuda:3","running":1,"completed":40,"lost":1,)"
      R"("draining":true,"quarantined":false,"givenUp":false,"pinned":"0-3"}]})");
}

TEST(render_lists, purged) {
  EXPECT_EQ(purged(2).body, R"({"removed":2,"status":"completed"})");
}

TEST(render_lists, why_a_job_waits_is_said_only_while_it_does) {
  job_view view;
  view.id = job_id{"a"};
  EXPECT_EQ(job(view).body, R"({"id":"a","status":"IN_QUEUE"})");
  view.why = wait_reason::batch_filling;
  EXPECT_EQ(job(view).body, R"({"id":"a","status":"IN_QUEUE","waitReason":"batch_filling"})");
  view.state = job_state::IN_PROGRESS;
  EXPECT_EQ(job(view).body, R"({"id":"a","status":"IN_PROGRESS"})");
}

TEST(render_lists, events) {
  EXPECT_EQ(
      lifecycle_event("engine", "1#2", "READY", "LOADING_MODEL", cause::warmed_up, milliseconds{7}),
      R"({"machine":"engine","worker":"1#2","status":"READY","from":"LOADING_MODEL","cause":"warmed_up","ms":7})");
  EXPECT_EQ(
      lifecycle_event("pod", "", "READY", "LAUNCHING", cause::engines_ready, milliseconds{0}),
      R"({"machine":"pod","status":"READY","from":"LAUNCHING","cause":"engines_ready","ms":0})");
  job_view view;
  view.id = job_id{"a"};
  view.state = job_state::FAILED;
  view.attempts = 2;
  view.worker = "slot-1";
  view.failure = error{errc::gpu_oom, "a long text"};
  EXPECT_EQ(
      job_event(view, job_state::IN_PROGRESS, cause::attempts_exhausted),
      R"({"id":"a","status":"FAILED","from":"IN_PROGRESS","cause":"attempts_exhausted","attempt":2,"workerId":"slot-1","error":"gpu_oom"})");
}

TEST(render_lists, are_bounded) {
  job_list list;
  for (std::size_t i = 0; i < job_filter::limit_max; ++i) {
    auto one = summary_of(std::string(job_id::max_length, 'i'), job_state::FAILED);
    one.failure = error{errc::job_failed, std::string(100'000, i % 2 == 0 ? '\x01' : 'x')};
    list.jobs.push_back(std::move(one));
  }
  const auto body = jobs(list).body;
  EXPECT_LT(body.size(), std::size_t{4} << 20);
  boost::json::error_code ec;
  boost::json::parse(body, ec);
  EXPECT_FALSE(ec);

  job_detail job;
  for (std::uint32_t i = 1; i <= 10'000; ++i) {
    job.history.push_back(
        {i, "slot-0", {}, {}, {}, error{errc::job_failed, std::string(9'999, 'x')}});
  }
  const auto text = detail(job).body;
  EXPECT_LT(text.size(), std::size_t{1} << 20);
  EXPECT_NE(text.find(R"("attempt":10000,)"), std::string::npos); // the newest are there
  EXPECT_EQ(text.find(R"("attempt":9800,)"), std::string::npos);
}

TEST(render_lists, a_long_text_is_cut_between_characters) {
  auto one = summary_of("a", job_state::FAILED);
  std::string euros;
  for (int i = 0; i < 1'000; ++i) {
    euros += "\xE2\x82\xAC";
  }
  one.failure = error{errc::job_failed, euros};
  const auto body = jobs({{one}, 0}).body;
  EXPECT_EQ(body.find("\xEF\xBF\xBD"), std::string::npos) << "half a character";
  EXPECT_NE(body.find("\xE2\x82\xAC …"), std::string::npos);
}

TEST(render_lists, refusals_say_when_to_come_again) {
  const auto after = [](errc code) {
    const auto r = refuse({code, {}});
    return r.headers.empty() ? std::string{} : r.headers.front().second;
  };
  EXPECT_EQ(after(errc::queue_full), "1");
  EXPECT_EQ(after(errc::quota_exceeded), "1");
  EXPECT_EQ(after(errc::storage_full), "5");
  EXPECT_EQ(after(errc::unavailable), "1");
  EXPECT_EQ(after(errc::wrong_state), "");
  EXPECT_EQ(after(errc::idempotency_mismatch), "");
}

} // namespace
} // namespace tayfa::api
