// Attempts on the pod: assign, runs, results, verdicts, drains.
#include "tests/unit/pods/session_script.hpp"

namespace tayfa::pods::testing {
namespace {

using namespace std::chrono_literals;

worker_ref first() {
  return session_script::worker(0, 1);
}

TEST(session_work, an_attempt_is_accepted_run_kept_and_reported) {
  session_script s;
  s.linked();
  EXPECT_EQ(s.assign("j"), "run w0.0#1 j/1");
  EXPECT_EQ(s.take(), "accepted j/1");
  s.report(first(), protocol::started{s.attempt("j")});
  EXPECT_EQ(s.take(), "started j/1");
  EXPECT_EQ(s.finish(first(), "j"), "keep j/1");
  EXPECT_EQ(s.take(), "credit 2") << "no result before it is durable";
  EXPECT_EQ(s.kept("j"), "");
  EXPECT_EQ(s.take(), "finished j/1");
  EXPECT_EQ(s.say(pp::forget{s.attempt("j")}), "delete j/1");
  EXPECT_TRUE(s.session.idle());
}

TEST(session_work, what_its_worker_has_no_place_for_is_returned) {
  session_script s;
  s.linked();
  s.assign("one");
  EXPECT_EQ(s.assign("two"), "");
  EXPECT_EQ(s.take(), "accepted one/1; returned two/1");
  EXPECT_EQ(s.say(s.order("three"), s.worker(0, 9)), "") << "nor for another worker";
  EXPECT_EQ(s.take(), "returned three/1");
}

TEST(session_work, a_disk_that_takes_no_results_closes_the_pod_but_loses_none) {
  session_script s;
  s.linked();
  s.assign("j");
  s.finish(first(), "j");
  s.take();
  EXPECT_EQ(s.kept("j", fail(errc::storage_full, "full")), "results fail");
  EXPECT_EQ(s.take(), "finished j/1") << "the head may still have it";
  EXPECT_EQ(s.session.status(s.now).closed, "its disk does not take results");
  s.assign("k");
  EXPECT_EQ(s.take(), "returned k/1");
  s.say(pp::forget{s.attempt("j")});
  EXPECT_EQ(s.session.status(s.now).closed, "") << "the next result tells";
}

TEST(session_work, too_many_kept_results_close_the_pod) {
  session_limits limits;
  limits.kept_max = 1;
  session_script s{limits, {{session_script::attempt("old"), 10}}};
  s.ready(0, 1);
  s.connect();
  s.welcome({pp::verdict::report});
  s.take();
  s.assign("j");
  EXPECT_EQ(s.take(), "returned j/1");
}

TEST(session_work, a_run_is_given_as_a_whole_under_a_number_of_this_pod) {
  session_script s;
  s.linked(1, 4);
  EXPECT_EQ(s.say(s.order("a", 77, 2), first()), "");
  EXPECT_EQ(s.say(s.order("b", 77, 2), first()), "run w0.0#1 a/1 batch 1 of 2 b/1 batch 1 of 2");
}

TEST(session_work, a_member_that_is_cancelled_is_not_waited_for) {
  session_script s;
  s.linked(1, 4);
  s.say(s.order("a", 77, 3), first());
  s.say(s.order("b", 77, 3), first());
  EXPECT_EQ(s.say(protocol::cancel{s.attempt("a")}), "");
  s.take();
  EXPECT_EQ(s.say(s.order("c", 77, 3), first()), "run w0.0#1 b/1 batch 1 of 2 c/1 batch 1 of 2");
}

TEST(session_work, members_that_were_lost_with_their_session_are_not_waited_for) {
  session_script s;
  s.linked(1, 4);
  s.say(s.order("a", 77, 2), first());
  s.cut();
  s.connect();
  EXPECT_EQ(s.welcome({pp::verdict::keep}), "linked");
  EXPECT_EQ(s.session.status(s.now).waiting, 1U);
  s.report(first(), protocol::started{s.attempt("a")});
  EXPECT_EQ(s.session.status(s.now).running, 1U) << "it was given to its worker";
}

TEST(session_work, the_end_of_a_worker_does_not_overtake_its_results) {
  session_script s;
  s.linked(1, 2);
  s.assign("j");
  s.assign("k");
  s.finish(first(), "j");
  s.take();
  s.gone(0, 1);
  EXPECT_EQ(s.take(), "") << "j is being written";
  s.kept("j");
  EXPECT_EQ(s.take(), "finished j/1; slot_gone");
  EXPECT_EQ(s.session.status(s.now).running, 0U) << "k is lost, which the end of its worker says";
}

TEST(session_work, a_cancel_ends_what_runs_and_returns_what_waits) {
  session_script s;
  s.linked(1, 2);
  s.assign("j");
  EXPECT_EQ(s.say(protocol::cancel{s.attempt("j")}), "revoke j/1");
  s.say(s.order("k", 5, 2), first());
  s.take();
  s.say(protocol::cancel{s.attempt("k")});
  EXPECT_EQ(s.take(), "returned k/1; credit 3");
}

TEST(session_work, a_large_output_goes_as_a_blob_and_is_let_go_when_the_head_has_it) {
  session_script s;
  s.linked();
  s.assign("j");
  s.finish(first(), "j", std::string(200'000, 'x'));
  s.kept("j");
  const auto& m = std::get<pp::finished>(s.inbox.back());
  ASSERT_FALSE(m.output.blob.empty());
  const auto blob = m.output.blob;
  s.take();
  s.say(pp::blob_need{blob, 0, blob.bytes});
  EXPECT_EQ(std::get<pp::chunk>(s.inbox.back()).bytes.size(), 200'000U);
  s.say(pp::blob_have{blob, true});
  s.say(pp::blob_need{blob, 0, blob.bytes});
  EXPECT_TRUE(std::get<pp::chunk>(s.inbox.back()).bytes.empty());
}

TEST(session_work, a_large_input_is_fetched_once) {
  session_script s;
  s.linked(1, 2);
  const shared_text input{std::string(300'000, 'i')};
  auto m = s.order("j");
  m.input = {{}, s.head->sender().offer(input)};
  EXPECT_EQ(s.say(m, first()), "");
  EXPECT_EQ(s.take(), "accepted j/1; blob_need");
  s.head->serve({m.input.blob, 0, m.input.blob.bytes});
  EXPECT_EQ(s.act({}), "run w0.0#1 j/1");
  EXPECT_EQ(s.take(), "blob_have");
  m.attempt = s.attempt("k");
  EXPECT_EQ(s.say(m, first()), "run w0.0#1 k/1") << "the pod has it";
  EXPECT_EQ(s.take(), "accepted k/1; blob_have");
}

TEST(session_work, an_input_that_does_not_come_is_returned) {
  session_script s;
  s.linked();
  auto m = s.order("j");
  m.input = {{}, ref_of(shared_text{std::string(90'000, 'i')})};
  s.say(m, first());
  s.take();
  s.head->serve({m.input.blob, 0, m.input.blob.bytes});
  s.act({});
  EXPECT_EQ(s.take(), "blob_have; returned j/1; credit 2");
}

// ---- another session ----------------------------------------------------------------------------

TEST(session_verdicts, what_goes_on_is_left_alone_and_a_result_is_said_again) {
  session_script s;
  s.linked(1, 2);
  s.assign("j");
  s.assign("k");
  s.finish(first(), "j");
  s.kept("j");
  s.cut();
  s.connect();
  s.take();
  EXPECT_EQ(s.welcome({pp::verdict::report, pp::verdict::keep}), "linked; read j/1");
  protocol::finished again;
  again.attempt = s.attempt("j");
  s.act(s.session.result_read(s.now, s.attempt("j"), again));
  EXPECT_EQ(s.take(), "finished j/1");
  EXPECT_EQ(s.session.status(s.now).waiting, 1U);
}

TEST(session_verdicts, a_result_that_the_disk_has_lost_is_an_attempt_that_was_lost) {
  session_script s{{}, {{session_script::attempt("old"), 10}}};
  s.connect();
  s.welcome({pp::verdict::report});
  s.take();
  EXPECT_EQ(s.act(s.session.result_read(s.now, s.attempt("old"), fail(errc::store_corrupt, "x"))),
            "results fail");
  const auto& m = std::get<pp::finished>(s.inbox.back());
  EXPECT_EQ(m.how, protocol::outcome::failed);
  EXPECT_EQ(m.code, static_cast<std::uint16_t>(errc::unavailable));
}

TEST(session_verdicts, what_is_dropped_ends_without_a_word) {
  session_script s;
  s.linked(1, 2);
  s.assign("j");
  s.assign("k");
  s.finish(first(), "k");
  s.kept("k");
  s.cut();
  s.connect();
  s.take();
  EXPECT_EQ(s.welcome({pp::verdict::drop, pp::verdict::drop}), "linked; revoke j/1; delete k/1");
  s.take();
  EXPECT_EQ(s.finish(first(), "j"), "") << "its result is of no use";
  EXPECT_EQ(s.take(), "credit 2");
  EXPECT_TRUE(s.session.idle());
}

TEST(session_verdicts, what_is_to_be_cancelled_says_so_in_the_new_session) {
  session_script s;
  s.linked(1, 4);
  s.assign("j");
  s.say(s.order("k", 5, 2), first());
  s.cut();
  s.connect();
  s.take();
  EXPECT_EQ(s.welcome({pp::verdict::cancel, pp::verdict::cancel}),
            "linked; revoke j/1; revoke k/1");
}

// ---- drains -------------------------------------------------------------------------------------

struct draining : session_script {
  draining() {
    linked(1, 4);
    assign("runs");
    say(order("waits", 5, 2), first());
    take();
  }
};

TEST(session_drain, graceful_lets_everything_end) {
  draining s;
  EXPECT_EQ(s.say(pp::drain{pp::drain_mode::graceful, 0}), "");
  EXPECT_EQ(s.assign("more"), "");
  EXPECT_EQ(s.take(), "returned more/1");
  s.say(s.order("other", 5, 2), first());
  EXPECT_EQ(s.take(), "returned other/1");
  s.say(protocol::cancel{s.attempt("waits")});
  s.take();
  EXPECT_EQ(s.finish(first(), "runs"), "keep runs/1");
  EXPECT_EQ(s.kept("runs"), "drained");
  EXPECT_EQ(s.take(), "finished runs/1; drained");
}

TEST(session_drain, quick_returns_what_waits_and_after_a_grace_what_runs) {
  draining s;
  EXPECT_EQ(s.say(pp::drain{pp::drain_mode::quick, 5'000}), "");
  EXPECT_EQ(s.take(), "returned waits/1");
  s.pass(4999ms);
  EXPECT_EQ(s.expire().find("revoke"), std::string::npos);
  s.pass(1ms);
  EXPECT_EQ(s.expire(), "revoke runs/1; drained");
  EXPECT_NE(s.take().find("returned runs/1; drained"), std::string::npos);
  EXPECT_EQ(s.finish(first(), "runs"), "") << "it runs elsewhere now";
}

TEST(session_drain, fast_returns_everything_at_once) {
  draining s;
  EXPECT_EQ(s.say(pp::drain{pp::drain_mode::fast, 0}), "revoke runs/1; drained");
  EXPECT_EQ(s.take(), "returned runs/1; returned waits/1; drained");
}

TEST(session_drain, undrain_takes_again_and_a_new_session_says_anew) {
  draining s;
  s.say(pp::drain{pp::drain_mode::graceful, 0});
  EXPECT_EQ(s.session.status(s.now).closed, "draining");
  s.say(pp::undrain{});
  EXPECT_EQ(s.session.status(s.now).closed, "");
  s.say(pp::drain{pp::drain_mode::graceful, 0});
  s.cut();
  s.connect();
  s.welcome({pp::verdict::keep, pp::verdict::keep});
  EXPECT_EQ(s.session.status(s.now).closed, "") << "a head that wants it says so again";
}

TEST(session_drain, the_pods_own_drain_holds_over_sessions_and_beats_go_on) {
  session_script s;
  s.linked();
  s.assign("j");
  s.act(s.session.drain(s.now, pp::drain_mode::graceful, 0s));
  s.cut();
  s.connect();
  s.welcome({pp::verdict::keep});
  s.take();
  EXPECT_EQ(s.session.status(s.now).closed, "draining");
  s.pass(2s);
  s.expire();
  EXPECT_EQ(std::get<pp::beat>(s.inbox.back()).closed, "draining");
  s.finish(first(), "j");
  s.kept("j");
  EXPECT_FALSE(s.session.idle()) << "the head does not have the result yet";
  s.say(pp::forget{s.attempt("j")});
  EXPECT_TRUE(s.session.idle());
}

TEST(session_work, a_drained_worker_takes_nothing_more_and_what_it_has_goes_on) {
  session_script s;
  s.linked(1, 2);
  s.assign("j");
  s.take();
  s.act(s.session.on(s.now, drain_worker{first()}));
  EXPECT_EQ(std::get<pp::slot_ready>(s.inbox.back()).capacity, 0U);
  EXPECT_EQ(s.assign("k"), "");
  s.take();
  EXPECT_EQ(s.finish(first(), "j"), "keep j/1");
  EXPECT_EQ(s.take(), "") << "a place that is free is no credit";
  s.ready(0, 1, 2);
  EXPECT_EQ(s.take(), "credit 4; slot_ready");
}

TEST(session_work, models_are_said_when_they_change_or_are_refused) {
  session_script s;
  s.linked();
  s.act(s.session.models(s.now, {"one"}));
  EXPECT_EQ(s.take(), "models");
  s.act(s.session.on(s.now, model_refused{first(), "one", {errc::model_invalid, "x"}}));
  EXPECT_EQ(s.take(), "model_refused");
}

TEST(session_work, a_model_is_changed_by_the_worker_that_is_meant) {
  session_script s;
  s.linked();
  EXPECT_EQ(s.say(pp::load{"sd"}, first()), "model w0.0#1 sd");
  EXPECT_EQ(s.say(pp::load{"sd"}, s.worker(0, 7)), "");
  EXPECT_EQ(s.say(pp::unload{}, first()), "model w0.0#1 ");
}

} // namespace
} // namespace tayfa::pods::testing
