#include "runtime/api/call.hpp"

#include <gtest/gtest.h>

namespace tayfa::api {
namespace {

job_view view_of(std::string id, job_state state) {
  job_view view;
  view.id = job_id{std::move(id)};
  view.state = state;
  return view;
}

TEST(render, a_lost_result_is_an_error_of_the_server) {
  job_view view = view_of("a-1", job_state::FAILED);
  view.failure = error{errc::store_corrupt, {}};
  EXPECT_EQ(job(view).status, 500U);
  EXPECT_NE(job(view).whole_body().find(R"("status":"FAILED")"), std::string::npos);
  view.failure = error{errc::job_failed, "its own"};
  EXPECT_EQ(job(view).status, 200U) << "the end of a job is no failure of the pod";
}

TEST(render, run) {
  EXPECT_EQ(accepted(job_id{"a-1"}).body, R"({"id":"a-1","status":"IN_QUEUE"})");
  EXPECT_EQ(accepted(job_id{"a-1"}).status, 200U);
  EXPECT_EQ(accepted(job_id{"a-1"}).content_type, "application/json");
}

TEST(render, job_has_only_what_is_known) {
  job_view view = view_of("a-1", job_state::IN_QUEUE);
  EXPECT_EQ(job(view).body, R"({"id":"a-1","status":"IN_QUEUE"})");
  view.state = job_state::IN_PROGRESS;
  view.delay = milliseconds{12};
  view.worker = "slot-0";
  EXPECT_EQ(job(view).body,
            R"({"delayTime":12,"id":"a-1","status":"IN_PROGRESS","workerId":"slot-0"})");
  view.state = job_state::COMPLETED;
  view.execution = milliseconds{345};
  view.output = shared_text{R"({"x": [1, 2.50]})"};
  EXPECT_EQ(
      job(view).body,
      R"({"delayTime":12,"executionTime":345,"id":"a-1","output":{"x": [1, 2.50]},"status":"COMPLETED","workerId":"slot-0"})");
  EXPECT_EQ(job(view).status, 200U);
}

TEST(render, failures_carry_text) {
  job_view view = view_of("a", job_state::FAILED);
  view.failure = error{errc::job_failed, "no \"such\" prompt"};
  EXPECT_EQ(job(view).body, R"({"error":"no \"such\" prompt","id":"a","status":"FAILED"})");
  view.state = job_state::TIMED_OUT;
  view.failure = error{errc::execution_timeout, {}};
  EXPECT_EQ(
      job(view).body,
      R"({"error":"execution_timeout: the job ran longer than its execution timeout","id":"a","status":"TIMED_OUT"})");
}

TEST(render, a_cancelled_job_shows_nothing) {
  job_view view = view_of("a", job_state::CANCELLED);
  view.output = shared_text{"\"late\""};
  view.failure = error{errc::cancelled, {}};
  EXPECT_EQ(job(view).body, R"({"id":"a","status":"CANCELLED"})");
  EXPECT_EQ(state_of(view).body, R"({"id":"a","status":"CANCELLED"})");
}

TEST(render, stream) {
  job_view view = view_of("a", job_state::COMPLETED);
  EXPECT_EQ(chunks(view, {}).body, R"({"status":"COMPLETED","stream":[]})");
  view.state = job_state::IN_PROGRESS;
  EXPECT_EQ(chunks(view, {chunk{std::string{"1"}}, chunk{std::string{R"("b")"}}}).body,
            R"({"status":"IN_PROGRESS","stream":[{"output":1},{"output":"b"}]})");
}

TEST(render, health) {
  job_counts jobs;
  jobs.completed = 1;
  jobs.failed = 2;
  jobs.in_progress = 3;
  jobs.in_queue = 4;
  jobs.retried = 5;
  EXPECT_EQ(
      counts(jobs, {.idle = 1, .initializing = 2, .ready = 3, .running = 4, .unhealthy = 6}).body,
      R"({"jobs":{"completed":1,"failed":2,"inProgress":3,"inQueue":4,"retried":5},"workers":{"idle":1,"initializing":2,"ready":3,"running":4,"throttled":0,"unhealthy":6}})");
}

TEST(render, ping_and_metrics) {
  EXPECT_EQ(pinged(true).status, 200U);
  EXPECT_EQ(pinged(false).status, 204U);
  EXPECT_EQ(pinged(false).body, "");
  EXPECT_EQ(metrics_text("a 1\n").body, "a 1\n");
  EXPECT_EQ(metrics_text("").content_type, "text/plain; version=0.0.4; charset=utf-8");
}

TEST(render, refusals) {
  const auto full = refuse({errc::queue_full, "1000 jobs wait"});
  EXPECT_EQ(full.status, 429U);
  EXPECT_EQ(full.body,
            R"({"error":{"code":"queue_full","message":"the queue is full: 1000 jobs wait"}})");
  ASSERT_EQ(full.headers.size(), 1U);
  EXPECT_EQ(full.headers[0].first, "Retry-After");
  EXPECT_EQ(refuse({errc::unavailable, {}}).headers.size(), 1U);
  EXPECT_TRUE(refuse({errc::job_not_found, {}}).headers.empty());
  EXPECT_EQ(refuse({errc::job_not_found, {}}).status, 404U);
}

} // namespace
} // namespace tayfa::api
