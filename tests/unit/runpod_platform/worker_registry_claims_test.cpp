// The pod, its queue or the registry's owner is started anew while the workers go on: what they
// hold stays theirs, and what cannot be theirs is neither claimed nor reported.
#include "tests/unit/runpod_platform/registry_script.hpp"

namespace tayfa::remote::testing {
namespace {

using std::chrono::seconds;
using what = registry_script::what;

// ---- a new queue, or a new owner ----------------------------------------------------------------

TEST(registry_claims, a_new_queue_gets_the_workers_with_what_they_hold) {
  registry_script s;
  s.running("a", "j");
  s.chunk("a", "j", "x");
  s.take(2, "a");
  EXPECT_EQ(s.words(s.registry.queue_restarted(s.now)), "pause w0.2 with j/1 #1; offer w0.2 x2");
  EXPECT_EQ(s.assign(s.ref(0, 1), "k"), "") << "of the old queue";
  EXPECT_EQ(s.post("a", "j"), "offer w0.2 x1; w0.2 completed j/1 1");
}

TEST(registry_claims, a_new_queue_counts_hand_overs_anew) {
  registry_script s;
  s.running("a", "j");
  const auto all = s.registry.queue_restarted(s.now);
  EXPECT_EQ(std::get<worker_ready>(all.front()).facts.hand_overs, 0U);
  EXPECT_EQ(std::get<worker_ready>(all.front()).facts.lasting_name, "tayfa/a/");
}

TEST(registry_claims, what_a_new_queue_does_not_await_is_stopped) {
  registry_script s;
  s.running("a", "j");
  s.revoke(s.ref(0, 1), "j");
  s.stops(3, "a");
  s.left(3, false); // the stop did not reach it
  EXPECT_EQ(s.words(s.registry.queue_restarted(s.now)), "pause w0.2 with nothing");
  EXPECT_EQ(s.stops(4, "a"), "poll 4 stop j");
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
}

TEST(registry_claims, a_worker_that_the_queue_does_not_know_is_not_announced) {
  registry_script s;
  s.ping("a");
  EXPECT_EQ(s.words(s.registry.queue_restarted(s.now)), "");
}

TEST(registry_claims, a_new_owner_knows_no_polls_and_keeps_what_runs) {
  registry_script s;
  s.running("a", "j");
  s.take(2, "a");
  EXPECT_EQ(s.words(s.registry.owner_restarted(s.now)), "pause w0.2 with j/1");
  EXPECT_EQ(s.gone(2), "");
  s.registry.serve(s.now);
  EXPECT_EQ(s.take(3, "a"), "offer w0.2 x2");
  EXPECT_EQ(s.post("a", "j"), "offer w0.2 x1; w0.2 completed j/1 1");
}

TEST(registry_claims, a_job_that_was_leaving_with_the_old_owner_is_kept_if_its_worker_names_it) {
  registry_script s;
  s.take(1, "a", 2);
  s.assign_all(s.ref(0, 1), {"j", "k"}); // their answer is on its way
  EXPECT_EQ(s.words(s.registry.owner_restarted(s.now)), "pause w0.2 with j/1 k/1");
  EXPECT_EQ(s.left(1), "");
  EXPECT_EQ(s.ping("a", {"k"}), "w0.2 started k/1; w0.2 stepped k/1 #1");
  s.pass(seconds{10});
  EXPECT_EQ(s.ping("a", {"k"}), "w0.2 failed j/1 unavailable; w0.2 stepped k/1 #2");
}

TEST(registry_claims, a_result_that_a_queue_took_and_lost_may_be_sent_again) {
  registry_script s;
  s.running("a", "j");
  s.post("a", "j");
  EXPECT_EQ(s.words(s.registry.queue_restarted(s.now)), "pause w0.2 with j/1");
  EXPECT_EQ(s.post("a", "j"), "w0.2 started j/1; w0.2 completed j/1 1");
  s.registry.settled(s.place("a"), "j");
  EXPECT_EQ(s.words(s.registry.queue_restarted(s.now)), "pause w0.3 with nothing");
  EXPECT_EQ(s.post("a", "j"), "job_not_found");
}

TEST(registry_claims, a_result_that_a_queue_lost_with_its_unfit_worker_may_be_sent_again) {
  registry_script s;
  s.running("a", "j");
  s.post("a", "j");
  s.ping("a", {}, "gpu: dead");
  EXPECT_EQ(s.words(s.registry.queue_restarted(s.now)), "");
  s.unclaimed("a", {s.attempt("j")});
  EXPECT_EQ(s.post("a", "j"), "pause w0.2; w0.2 claims j/1; w0.2 completed j/1 1");
}

// ---- a new process ------------------------------------------------------------------------------

TEST(registry_claims, a_ping_claims_what_it_names) {
  registry_script s;
  s.unclaimed("a", {s.attempt("j"), s.attempt("k", 3), s.attempt("l")});
  EXPECT_EQ(s.ping("a", {"j", "k-r3"}), "a came; pause w0.1; w0.1 claims j/1; w0.1 claims k/3; "
                                        "w0.1 stepped j/1 #1; w0.1 stepped k/3 #1");
  EXPECT_EQ(s.take(1, "a"), "offer w0.1 x3");
  EXPECT_EQ(s.post("a", "k-r3"), "offer w0.1 x2; w0.1 completed k/3 1");
}

TEST(registry_claims, a_result_claims_its_job) {
  registry_script s;
  s.unclaimed("a", {s.attempt("j", 2)});
  EXPECT_EQ(s.post("a", "j-r2"), "a came; pause w0.1; w0.1 claims j/2; w0.1 completed j/2 1");
  EXPECT_EQ(s.post("a", "j-r2"), "job_not_found") << "only one result";
}

TEST(registry_claims, a_chunk_and_progress_claim_their_job) {
  registry_script s;
  s.unclaimed("a", {s.attempt("j"), s.attempt("k")});
  EXPECT_EQ(s.chunk("a", "j", "x"), "a came; pause w0.1; w0.1 claims j/1; w0.1 partial j/1 #1 x");
  EXPECT_EQ(s.post("a", "k", what::progress, "half"), "w0.1 claims k/1; w0.1 progress k/1 #1 half");
}

TEST(registry_claims, work_is_claimed_before_the_pod_is_ready) {
  registry_script s{{}, false};
  s.unclaimed("a", {s.attempt("j")});
  s.take(1, "a");
  EXPECT_EQ(s.ping("a", {"j"}), "pause w0.1; w0.1 claims j/1; w0.1 stepped j/1 #1");
  EXPECT_EQ(s.words(s.registry.serve(s.now)), "offer w0.1 x2");
}

TEST(registry_claims, only_the_worker_that_had_it_claims_it) {
  registry_script s;
  s.unclaimed("a", {s.attempt("j", 2)});
  EXPECT_EQ(s.post("b", "j-r2"), "job_not_found");
  EXPECT_EQ(s.ping("b", {"j-r2"}), "b came");
  EXPECT_EQ(s.post("a", "j"), "job_not_found") << "an earlier attempt";
  EXPECT_EQ(s.post("a", "j-r3"), "job_not_found");
  s.key = "other";
  EXPECT_EQ(s.post("a", "j-r2"), "job_not_found") << "a name belongs to a key over restarts";
  EXPECT_EQ(s.ping("a", {"j-r2"}), "a came");
}

TEST(registry_claims, an_id_of_two_jobs_is_of_neither) {
  registry_script s;
  s.ping("a");
  s.unclaimed("a", {s.attempt("j", 2), s.attempt("j-r2")});
  EXPECT_EQ(s.post("a", "j-r2"), "job_not_found");
  s.take(1, "a");
  EXPECT_EQ(s.assign(s.ref(0, 1), "j", 2), "poll 1 j-r2-r={}; pause w0.1")
      << "nor is it given out once more";
}

TEST(registry_claims, a_job_that_its_worker_does_not_name_any_more_runs_again_soon) {
  registry_script s;
  s.unclaimed("a", {s.attempt("j"), s.attempt("k")});
  EXPECT_EQ(s.ping("a", {"k"}), "a came; pause w0.1; w0.1 claims k/1; w0.1 stepped k/1 #1")
      << "the result of j may be on its way";
  s.pass(seconds{9});
  EXPECT_EQ(s.ping("a", {"k"}), "w0.1 stepped k/1 #2");
  s.pass(seconds{1});
  EXPECT_EQ(s.ping("a", {"k"}),
            "w0.1 claims j/1; w0.1 failed j/1 unavailable; w0.1 stepped k/1 #3");
}

TEST(registry_claims, a_worker_of_many_jobs_claims_no_more_than_it_may_hold) {
  registry_script s;
  std::vector<attempt_ref> all;
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < worker_registry::jobs_max + 5; ++i) {
    ids.push_back("j" + std::to_string(i));
    all.push_back(s.attempt(ids.back()));
  }
  s.unclaimed("a", all);
  s.ping("a", ids);
  EXPECT_EQ(s.registry.summaries(s.now).front().jobs.size(), worker_registry::jobs_max);
}

// ---- when a worker may forget -------------------------------------------------------------------

TEST(registry_claims, a_result_and_the_first_chunk_are_acknowledged_when_they_are_durable) {
  registry_script s;
  s.running("a", "j");
  const auto chunk = [&] {
    return s.registry.streamed(s.now, {s.place("a"), "j", shared_text{"1"}}).when_durable;
  };
  EXPECT_TRUE(chunk()) << "chunks end with the process: the job must not be claimed then";
  EXPECT_FALSE(chunk());
  api::worker_result m;
  m.from = s.place("a");
  m.job = "j";
  m.kind = what::progress;
  EXPECT_FALSE(s.registry.posted(s.now, m).when_durable);
  m.kind = what::completed;
  EXPECT_TRUE(s.registry.posted(s.now, m).when_durable);
}

} // namespace
} // namespace tayfa::remote::testing
