// Calls of OpenAI's API, from the submission of their job to the last part of the answer.
#include "tests/unit/actors/ingress_script.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;
using texts = std::vector<std::string>;

struct openai_script : ingress_script {
  openai_script() { start(); }

  /// A call whose job is accepted.
  client_ptr begins(bool streams) {
    const auto client = asks(streams);
    job = queue.submitted.str();
    queue_says(job_answer{view(job, job_state::IN_QUEUE)});
    return client;
  }
  client_ptr asks(bool streams) {
    api::openai call;
    call.who.endpoints = {"tayfa"};
    call.job.endpoint = "tayfa";
    call.streams = streams;
    return calls(std::move(call));
  }
  /// The job of the latest call has these chunks, of its first attempt.
  void streams(const texts& chunks, std::uint64_t last, job_state as = job_state::IN_PROGRESS,
               std::uint32_t attempt = 1) {
    auto all = unread(job, as, chunks, last);
    all.value->view.attempts = attempt;
    queue_says(all);
  }
  void job_ends(job_state as, const std::string& output = "1") {
    auto v = view(job, as);
    v.output = shared_text{output};
    tell(tested, job_ended{v});
  }
  /// The next bytes for the reader of a stream; it asks for more when it has everything.
  std::string reads(const client_ptr& client) {
    const auto piece = client->answer->stream->next(1'000'000);
    settle();
    return piece.text + (piece.ended ? "|" : "");
  }

  std::string job;
};

bool says(const client_ptr& client, const std::string& part) {
  return client->text().find(part) != std::string::npos;
}

TEST(openai_calls, a_whole_answer_is_the_output_of_the_job) {
  openai_script s;
  const auto client = s.begins(false);
  EXPECT_EQ(s.messages(), texts{"submit watched"});
  EXPECT_EQ(client->text(), "");
  s.job_ends(job_state::COMPLETED, R"({"id":"x"})");
  EXPECT_EQ(client->text(), R"(200 {"id":"x"})");
}

TEST(openai_calls, a_job_that_failed_is_an_error_of_openais_form) {
  openai_script s;
  const auto client = s.begins(false);
  s.job_ends(job_state::TIMED_OUT);
  EXPECT_NE(client->answer->status, 200U);
  EXPECT_TRUE(says(client, R"({"error":{"message":)")) << client->text();
}

TEST(openai_calls, a_refused_job_is_refused_at_once) {
  openai_script s;
  const auto client = s.asks(false);
  s.queue_says(job_answer{fail(errc::queue_full, "full")});
  EXPECT_TRUE(says(client, "queue_full"));
  EXPECT_EQ(s.meters.value(meter::jobs_refused), 1);
}

TEST(openai_calls, the_job_of_a_client_that_leaves_is_cancelled) {
  openai_script s;
  const auto client = s.begins(false);
  s.messages();
  s.leaves(client);
  EXPECT_EQ(s.messages(), texts{"cancel " + s.job});
  EXPECT_EQ(s.queue.who.endpoints, texts{"tayfa"});
  s.job_ends(job_state::CANCELLED);
  EXPECT_EQ(client->answer->status, 503U) << "the reply was dropped: no client reads it";
}

TEST(openai_calls, a_stream_shows_each_chunk_once_and_ends_with_done) {
  openai_script s;
  const auto client = s.begins(true);
  s.messages();
  s.streams({R"({"n":1})"}, 1);
  EXPECT_EQ(client->answer->content_type, "text/event-stream");
  EXPECT_EQ(s.messages(), texts{"received " + s.job + " 1"});
  EXPECT_EQ(s.reads(client), "data: {\"n\":1}\n\n");
  EXPECT_EQ(s.reads(client), "");
  EXPECT_EQ(s.messages(), texts{"read " + s.job + " watched"}) << "its reader wants more";
  s.streams({R"({"n":2})"}, 2, job_state::COMPLETED);
  EXPECT_EQ(s.reads(client), "data: {\"n\":2}\n\ndata: [DONE]\n\n|");
}

TEST(openai_calls, a_slow_reader_is_not_read_ahead_for) {
  openai_script s;
  const auto client = s.begins(true);
  s.streams({R"({"n":1})"}, 1);
  s.messages();
  s.tell(s.tested, job_streamed{ingress_script::id(s.job)});
  EXPECT_EQ(s.messages(), texts{}) << "it has not taken the first page";
  s.reads(client);
  s.reads(client);
  EXPECT_EQ(s.messages(), texts{"read " + s.job + " watched"});
}

TEST(openai_calls, the_head_of_a_silent_stream_leaves_after_ten_seconds) {
  openai_script s;
  const auto client = s.begins(true);
  s.streams({}, 0);
  s.pass(9'900ms);
  EXPECT_FALSE(client->answer.has_value());
  s.pass(200ms);
  ASSERT_TRUE(client->answer.has_value()) << "proxies cut quiet requests off";
  EXPECT_EQ(client->answer->status, 200U);
}

TEST(openai_calls, before_its_head_has_left_a_stream_fails_with_a_status) {
  openai_script s;
  const auto client = s.begins(true);
  s.streams({}, 0, job_state::FAILED);
  EXPECT_GE(client->answer->status, 400U);
  EXPECT_TRUE(says(client, R"({"error":)"));
}

TEST(openai_calls, a_stream_that_lost_its_worker_ends_with_an_error) {
  openai_script s;
  const auto client = s.begins(true);
  s.streams({R"({"n":1})"}, 1);
  s.reads(client);
  s.reads(client);
  s.messages();
  s.streams({R"({"n":1})"}, 1, job_state::IN_PROGRESS, 2);
  const auto text = s.reads(client);
  EXPECT_NE(text.find("the worker was lost after a part of its answer"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("|"));
  EXPECT_EQ(s.messages(), texts{"cancel " + s.job});
}

TEST(openai_calls, a_stream_with_a_gap_ends_with_an_error) {
  openai_script s;
  const auto client = s.begins(true);
  s.streams({R"({"n":1})"}, 1);
  s.reads(client);
  s.reads(client);
  s.streams({R"({"n":3})"}, 3);
  EXPECT_NE(s.reads(client).find("parts of the stream are lost"), std::string::npos);
}

TEST(openai_calls, a_new_queue_ends_the_calls_of_the_old_one_and_cancels_their_jobs) {
  openai_script s;
  const auto whole = s.begins(false);
  const auto first = s.job;
  const auto stream = s.begins(true);
  s.streams({R"({"n":1})"}, 1);
  s.messages();
  s.new_queue();
  s.tell(s.tested, s.directory);
  EXPECT_TRUE(says(whole, "the queue is restarting"));
  EXPECT_NE(s.reads(stream).find("the queue is restarting"), std::string::npos);
  auto cancelled = s.messages();
  std::sort(cancelled.begin(), cancelled.end());
  auto both = texts{"cancel " + first, "cancel " + s.job};
  std::sort(both.begin(), both.end());
  EXPECT_EQ(cancelled, both) << "no other client can read what they make";
}

TEST(openai_calls, calls_end_with_the_pod_and_cancel_their_jobs) {
  openai_script s;
  const auto client = s.begins(false);
  s.messages();
  s.ends(caf::exit_reason::user_shutdown);
  EXPECT_EQ(client->answer->status, 503U);
  EXPECT_EQ(s.messages(), texts{"cancel " + s.job});
}

TEST(openai_calls, a_stream_that_the_server_cuts_off_says_so_and_cancels_its_job) {
  openai_script s;
  const auto client = s.begins(true);
  s.streams({R"({"n":1})"}, 1);
  s.messages();
  // As the server does it when the key of an open stream is revoked.
  EXPECT_NE(client->answer->stream->cut_short().find("the stream was cut off"), std::string::npos);
  client->answer->stream.reset();
  s.settle();
  EXPECT_EQ(s.messages(), texts{"cancel " + s.job});
}

TEST(openai_calls, a_pod_that_stops_takes_none) {
  openai_script s;
  s.tell(s.tested, pod_moved{pod_state::STOPPING, false});
  EXPECT_TRUE(says(s.asks(true), R"("code":"stopping")"));
  EXPECT_EQ(s.messages(), texts{});
}

} // namespace
} // namespace tayfa::testing
