// Attempts on pods: credit, acceptance, results, forget, and pods that lie.
#include "tests/unit/pods/registry_script.hpp"

namespace tayfa::pods::testing {
namespace {

using namespace std::chrono_literals;

TEST(pod_work, an_attempt_goes_to_the_pod_and_its_result_to_the_queue) {
  registry_script s;
  s.linked('a');
  EXPECT_EQ(s.assign('a', 0, "j"), "");
  EXPECT_EQ(s.pod('a').for_worker.back(), (worker_ref{slot_id{0}, 1})) << "as the pod counts";
  EXPECT_EQ(s.take('a'), "assign j/1");
  EXPECT_EQ(s.say('a', pp::accepted{attempt("j")}), "");
  EXPECT_EQ(s.say('a', protocol::started{attempt("j")}), "w2.0#1 started j/1");
  EXPECT_EQ(s.say('a', protocol::stepped{attempt("j"), 3}), "w2.0#1 stepped j/1 3");
  EXPECT_EQ(s.say('a', pp::progress{attempt("j"), 1, {shared_text{"7"}, {}}}),
            "w2.0#1 progress j/1 7");
  EXPECT_EQ(s.say('a', pp::partial{attempt("j"), 1, {shared_text{"8"}, {}}}),
            "w2.0#1 partial j/1 8");
  EXPECT_EQ(s.say('a', registry_script::done("j")), "w2.0#1 completed j/1 42");
}

TEST(pod_work, the_pod_forgets_a_result_only_after_the_commit) {
  registry_script s;
  s.running('a', "j");
  s.say('a', registry_script::done("j"));
  EXPECT_EQ(s.take('a'), "") << "the queue has not said that it is durable";
  EXPECT_EQ(s.settled('a', 0, "j"), "");
  EXPECT_EQ(s.take('a'), "forget j/1");
}

TEST(pod_work, a_result_is_given_to_the_queue_once) {
  registry_script s;
  s.running('a', "j");
  s.say('a', registry_script::done("j"));
  EXPECT_EQ(s.say('a', registry_script::done("j")), "a bad frame");
}

TEST(pod_work, credit_is_absolute) {
  registry_script s;
  s.linked('a', 1, 1, 4);
  s.assign('a', 0, "one");
  s.assign('a', 0, "two");
  EXPECT_EQ(s.take('a'), "assign one/1");
  s.say('a', pp::credit{1});
  s.say('a', pp::credit{1});
  EXPECT_EQ(s.take('a'), "") << "repeated credit is no credit";
  s.say('a', pp::credit{0});
  s.say('a', pp::credit{2});
  EXPECT_EQ(s.take('a'), "assign two/1");
}

TEST(pod_work, what_is_not_accepted_in_three_beats_is_given_back_at_no_cost) {
  registry_script s;
  s.linked('a');
  s.assign('a', 0, "j");
  for (int i = 0; i < 3; ++i) {
    s.pass(2s);
    s.say('a', pp::beat{});
    s.take('a');
  }
  EXPECT_EQ(s.expire(), "w2.0#1 failed j/1 unavailable");
  EXPECT_EQ(s.take('a'), "cancel j/1") << "in case that it has it nevertheless";
  EXPECT_EQ(s.say('a', protocol::started{attempt("j")}), "") << "nobody counts on it any more";
  EXPECT_EQ(s.say('a', pp::returned{attempt("j"), "cancelled"}), "");
  EXPECT_EQ(s.registry.count().refused_frames, 0U);
}

TEST(pod_work, a_late_result_of_one_that_was_given_back_is_decided_by_another_hello) {
  registry_script s;
  s.linked('a');
  s.assign('a', 0, "j");
  for (int i = 0; i < 3; ++i) {
    s.pass(2s);
    s.say('a', pp::beat{});
  }
  s.expire();
  EXPECT_EQ(s.say('a', registry_script::done("j")), "a cut; drop 1") << "it is not forgotten";
  s.connect('a');
  EXPECT_EQ(s.hello('a', 1, {{attempt("j"), pp::stage::finished, 0, 1, 0}}),
            "reconcile w2.0#1x1 j/1:finished@w2.0#1; a linked");
}

TEST(pod_work, a_pod_that_accepts_nothing_is_unfit_for_a_while) {
  registry_script s;
  s.linked('a', 1, 100, 8);
  for (const char* job : {"one", "two", "three"}) {
    s.assign('a', 0, job);
  }
  for (int i = 0; i < 3; ++i) {
    s.pass(2s);
    s.say('a', pp::beat{});
  }
  const auto then = s.expire();
  EXPECT_NE(then.find("a unfit; ready w2.0#1x0"), std::string::npos) << then;
  for (int i = 0; i < 30; ++i) {
    s.pass(2s);
    s.say('a', pp::beat{});
  }
  EXPECT_EQ(s.expire(), "ready w2.0#1x8");
}

TEST(pod_work, what_the_pod_returns_costs_the_job_nothing) {
  registry_script s;
  s.linked('a');
  s.assign('a', 0, "j");
  EXPECT_EQ(s.say('a', pp::returned{attempt("j"), "full"}), "w2.0#1 failed j/1 unavailable");
}

TEST(pod_work, an_assign_that_crosses_with_the_end_of_its_worker_is_no_lie) {
  registry_script s;
  s.linked('a');
  s.pod('a').deaf = true;
  s.assign('a', 0, "j");
  EXPECT_EQ(s.slot_says('a', 0, pp::slot_gone{41, "x", false}), "gone w2.0#1 engine_crash");
  EXPECT_EQ(s.say('a', pp::returned{attempt("j"), "its worker has ended"}), "");
  EXPECT_EQ(s.registry.count().refused_frames, 0U);
}

TEST(pod_work, a_revoked_attempt_ends_where_it_is) {
  registry_script s;
  s.running('a', "j");
  EXPECT_EQ(s.revoke('a', 0, "j"), "");
  EXPECT_EQ(s.take('a'), "cancel j/1");
  auto last = registry_script::done("j");
  last.how = protocol::outcome::cancelled;
  EXPECT_EQ(s.say('a', last), "w2.0#1 cancelled j/1");
}

TEST(pod_work, one_that_was_not_sent_yet_never_is) {
  registry_script s;
  s.linked('a', 1, 0);
  s.assign('a', 0, "j");
  EXPECT_EQ(s.revoke('a', 0, "j"), "w2.0#1 cancelled j/1");
  s.say('a', pp::credit{9});
  EXPECT_EQ(s.take('a'), "");
}

TEST(pod_work, the_members_of_a_run_go_together) {
  registry_script s;
  s.linked('a', 1, 2, 4);
  std::vector<attempt_order> run(3);
  for (std::size_t i = 0; i < run.size(); ++i) {
    run[i].body.attempt = attempt("j" + std::to_string(i));
    run[i].body.batch = 5;
    run[i].body.batch_size = 3;
  }
  s.act([&] { return s.registry.assigned(s.now, s.ref('a', 0), run); });
  EXPECT_EQ(s.take('a'), "") << "two places are not enough";
  EXPECT_EQ(s.revoke('a', 0, "j1"), "w2.0#1 cancelled j1/1");
  EXPECT_EQ(std::get<pp::assign>(s.pod('a').inbox.front()).batch_size, 2U) << "who are left";
  EXPECT_EQ(s.take('a'), "assign j0/1; assign j2/1");
}

TEST(pod_work, the_end_of_a_worker_loses_what_it_had) {
  registry_script s;
  s.running('a', "j");
  EXPECT_EQ(s.slot_says('a', 0, pp::slot_gone{41, "x", false}), "gone w2.0#1 engine_crash");
  EXPECT_EQ(s.slot_says('a', 0, pp::slot_ready{}, 2), "ready w2.0#2x1");
  EXPECT_EQ(s.slot_says('a', 0, pp::slot_ready{}, 1), "a bad frame") << "the one before";
}

TEST(pod_work, a_model_is_loaded_by_the_worker_that_is_asked) {
  registry_script s;
  s.linked('a', 2);
  s.act([&] { return s.registry.change_model(s.now, s.ref('a', 1), "sd"); });
  EXPECT_EQ(std::get<pp::load>(s.pod('a').inbox.back()).model, "sd");
  EXPECT_EQ(s.pod('a').for_worker.back(), (worker_ref{slot_id{1}, 1}));
  s.act([&] { return s.registry.change_model(s.now, s.ref('a', 1), ""); });
  EXPECT_TRUE(std::holds_alternative<pp::unload>(s.pod('a').inbox.back()));
}

TEST(pod_work, a_worker_that_its_pod_drains_is_announced_with_no_place) {
  registry_script s;
  s.linked('a');
  pp::slot_ready drained;
  drained.capacity = 0;
  EXPECT_EQ(s.slot_says('a', 0, drained), "ready w2.0#1x0");
}

TEST(pod_work, models_that_a_pod_has_or_cannot_load_are_known) {
  registry_script s;
  s.linked('a');
  pp::models m;
  m.names = {"one", "two"};
  s.say('a', m);
  EXPECT_EQ(s.registry.lines(s.now).front().models.size(), 2U);
  EXPECT_EQ(s.slot_says('a', 0, pp::model_refused{"one", 62, "x"}), "w2.0#1 refuses one");
  EXPECT_EQ(s.slot_says('a', 5, pp::model_refused{"one", 62, "x"}), "a bad frame");
}

// ---- lies ---------------------------------------------------------------------------------------

TEST(pod_lies, a_pod_can_say_nothing_of_attempts_that_another_holds) {
  registry_script s;
  s.running('a', "j");
  s.linked('b');
  EXPECT_EQ(s.say('b', registry_script::done("j", "lie")), "b bad frame");
  EXPECT_EQ(s.say('b', pp::returned{attempt("j"), "lie"}), "");
  EXPECT_EQ(s.say('b', pp::accepted{attempt("j")}), "");
  EXPECT_EQ(s.say('b', pp::partial{attempt("j"), 1, {shared_text{"lie"}, {}}}), "");
  EXPECT_EQ(s.say('b', protocol::started{attempt("j", 2)}), "") << "nor of another number";
  EXPECT_EQ(s.registry.count().refused_frames, 5U);
  EXPECT_EQ(s.say('a', registry_script::done("j")), "w2.0#1 completed j/1 42");
}

TEST(pod_lies, a_claim_names_the_key_so_that_the_queue_can_tell) {
  registry_script s;
  s.answers = false;
  s.connect('b');
  s.hello('b', 1, {{attempt("j"), pp::stage::finished, 0, 1, 0}});
  EXPECT_EQ(s.asked.key, key_of('b'));
  s.answer({pp::verdict::drop});
  s.take('b');
  EXPECT_EQ(s.say('b', registry_script::done("j", "lie")), "b bad frame");
}

TEST(pod_lies, a_hundred_broken_messages_cut_the_pod_off_for_a_minute) {
  registry_script s;
  s.linked('a');
  std::string then;
  for (int i = 0; i < 100; ++i) {
    then = s.say('a', registry_script::done("nothing"));
  }
  EXPECT_EQ(then, "a misbehaved; drop 1");
  s.pod('a').connection = 0;
  s.pass(1s);
  EXPECT_EQ(s.connect('a'), "a refused");
  EXPECT_EQ(s.take('a'), "refused misbehaved");
  s.pass(60s);
  s.expire();
  s.restart('a');
  s.connect('a');
  s.hello('a', 0);
  EXPECT_EQ(s.take('a'), "welcome");
}

TEST(pod_lies, fewer_in_a_longer_time_do_not) {
  registry_script s;
  s.linked('a');
  for (int i = 0; i < 300; ++i) {
    s.pass(150ms);
    EXPECT_EQ(s.say('a', registry_script::done("nothing")).find("misbehaved"), std::string::npos);
  }
}

TEST(pod_lies, rows_of_a_pods_log_are_bounded) {
  registry_script s;
  s.linked('a');
  std::size_t rows = 0;
  for (int i = 0; i < 200; ++i) {
    rows += s.say('a', protocol::log{{}, 1, "row"}) == "a log row" ? 1 : 0;
  }
  EXPECT_EQ(rows, registry_limits{}.log_rows_per_second);
}

// ---- blobs --------------------------------------------------------------------------------------

struct large_result : registry_script {
  shared_text text{"\"" + std::string(700'000, 'x') + "\""};
  pp::finished last;

  large_result() {
    running('a', "j");
    last.attempt = attempt("j");
    last.output.blob = pod('a').link->sender().offer(text);
  }
  /// Serves the head's requests until there are none.
  std::string serve() {
    std::string out;
    for (bool more = true; more;) {
      more = false;
      for (const auto& m : std::exchange(pod('a').inbox, {})) {
        if (const auto* need = std::get_if<pp::blob_need>(&m)) {
          more = true;
          pod('a').link->serve(*need);
        }
      }
      const auto then = act([] { return effects{}; });
      out += (out.empty() || then.empty() ? "" : "; ") + then;
    }
    return out;
  }
};

TEST(pod_blobs, a_large_result_is_fetched_before_the_queue_hears_of_it) {
  large_result s;
  EXPECT_EQ(s.say('a', s.last), "");
  EXPECT_EQ(word_of(s.pod('a').inbox.back()), "blob_need");
  EXPECT_EQ(s.serve(), "w2.0#1 completed j/1 \"xxxxxxxxxxxxxxxxxxx");
  EXPECT_EQ(s.settled('a', 0, "j"), "");
}

TEST(pod_blobs, the_end_of_its_worker_does_not_overtake_a_result) {
  large_result s;
  s.say('a', s.last);
  EXPECT_EQ(s.slot_says('a', 0, pp::slot_gone{41, "x", false}), "ready w2.0#1x0");
  EXPECT_EQ(s.serve(), "w2.0#1 completed j/1 \"xxxxxxxxxxxxxxxxxxx; gone w2.0#1 engine_crash");
}

TEST(pod_blobs, the_next_worker_in_its_place_waits_as_well) {
  large_result s;
  s.say('a', s.last);
  s.slot_says('a', 0, pp::slot_gone{41, "x", false});
  EXPECT_EQ(s.slot_says('a', 0, pp::slot_ready{}, 2), "");
  EXPECT_EQ(s.slot_says('a', 0, pp::slot_gone{41, "x", false}, 2), "");
  EXPECT_EQ(s.slot_says('a', 0, pp::slot_ready{}, 3), "");
  EXPECT_EQ(s.serve(), "w2.0#1 completed j/1 \"xxxxxxxxxxxxxxxxxxx; gone w2.0#1 engine_crash; "
                       "ready w2.0#2x1");
}

TEST(pod_blobs, parts_of_a_stream_keep_their_order_behind_a_large_one) {
  large_result s;
  s.say('a', pp::partial{attempt("j"), 1, {{}, s.last.output.blob}});
  EXPECT_EQ(s.say('a', pp::partial{attempt("j"), 2, {shared_text{"2"}, {}}}), "");
  EXPECT_EQ(s.say('a', registry_script::done("j")), "");
  EXPECT_EQ(s.serve(), "w2.0#1 partial j/1 \"xxxxxxxxxxxxxxxxxxx; w2.0#1 partial j/1 2; "
                       "w2.0#1 completed j/1 42");
}

TEST(pod_blobs, what_waited_for_a_large_chunk_is_said_again_in_the_next_session) {
  large_result s;
  s.say('a', pp::partial{attempt("j"), 1, {{}, s.last.output.blob}});
  s.say('a', pp::partial{attempt("j"), 2, {shared_text{"2"}, {}}});
  s.cut('a');
  s.restart('a');
  s.connect('a');
  s.hello('a', 1, {{attempt("j"), pp::stage::running, 0, 1}});
  EXPECT_EQ(s.say('a', pp::partial{attempt("j"), 1, {shared_text{"1"}, {}}}),
            "w2.0#2 partial j/1 1");
  EXPECT_EQ(s.say('a', pp::partial{attempt("j"), 2, {shared_text{"2"}, {}}}),
            "w2.0#2 partial j/1 2");
}

TEST(pod_blobs, a_text_that_is_here_is_not_sent_again) {
  large_result s;
  s.say('a', s.last);
  s.serve();
  s.linked('b');
  s.assign('b', 0, "other");
  s.say('b', pp::accepted{attempt("other")});
  auto same = s.last;
  same.attempt = attempt("other");
  EXPECT_EQ(s.say('b', same), "w3.0#2 completed other/1 \"xxxxxxxxxxxxxxxxxxx");
}

TEST(pod_blobs, an_output_that_never_comes_is_a_failed_attempt) {
  large_result s;
  s.last.output.blob = ref_of(shared_text{std::string(90'000, 'y')});
  EXPECT_EQ(s.say('a', s.last), "");
  EXPECT_EQ(s.serve(), "w2.0#1 failed j/1 engine_protocol");
}

TEST(pod_blobs, a_large_input_is_offered_until_the_pod_has_it) {
  registry_script s;
  s.linked('a');
  s.assign('a', 0, "j", std::string(300'000, 'i'));
  const auto& m = std::get<pp::assign>(s.pod('a').inbox.back());
  ASSERT_FALSE(m.input.blob.empty());
  const auto blob = m.input.blob;
  s.say('a', pp::blob_need{blob, 0, blob.bytes});
  std::size_t bytes = 0;
  for (const auto& each : s.pod('a').inbox) {
    const auto* c = std::get_if<pp::chunk>(&each);
    bytes += c == nullptr ? 0 : c->bytes.size();
  }
  EXPECT_EQ(bytes, 300'000U);
  s.say('a', pp::blob_have{blob, true});
  s.take('a');
  s.say('a', pp::blob_need{blob, 0, blob.bytes});
  EXPECT_TRUE(std::get<pp::chunk>(s.pod('a').inbox.back()).bytes.empty()) << "it is let go";
}

} // namespace
} // namespace tayfa::pods::testing
