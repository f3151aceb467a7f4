// Sessions of pods: hello, versions, connections, clones, admission.
#include "tests/unit/pods/registry_script.hpp"

namespace tayfa::pods::testing {
namespace {

using namespace std::chrono_literals;

pp::inventory_entry has(const std::string& job, pp::stage at, std::uint32_t slot = 0,
                        std::uint64_t worker = 1) {
  return {attempt(job), at, slot, worker, 0};
}

TEST(pod_hello, a_pod_is_reconciled_as_a_whole_and_then_welcome) {
  registry_script s;
  s.answers = false;
  EXPECT_EQ(s.connect('a'), "");
  EXPECT_EQ(s.hello('a', 2, {has("j", pp::stage::running, 1)}),
            "reconcile w2.0#1x1 w2.1#2x1 j/1:running@w2.1#2");
  EXPECT_EQ(s.take('a'), "") << "it waits for the queue";
  EXPECT_EQ(s.answer({pp::verdict::keep}), "a linked");
  EXPECT_EQ(s.take('a'), "verdicts; welcome");
  EXPECT_EQ(s.asked.key, key_of('a'));
}

TEST(pod_hello, nothing_but_hello_begins_a_session) {
  registry_script s;
  s.connect('a');
  EXPECT_EQ(s.say('a', pp::credit{5}), "a bad frame");
  EXPECT_EQ(s.registry.count().refused_frames, 1U);
  EXPECT_EQ(s.hello('a', 1), "reconcile w2.0#1x1; a linked");
  EXPECT_EQ(s.say('a', pp::hello{}), "");
  EXPECT_EQ(s.registry.count().refused_frames, 2U);
}

TEST(pod_hello, a_version_that_the_head_does_not_speak_is_refused_with_both_versions) {
  registry_script s{{}, {"head-1", 1, 2, 3}};
  s.connect('a');
  pp::hello m;
  m.name = "a";
  EXPECT_EQ(s.say('a', m), "a refused");
  const auto& refused = std::get<pp::refused>(s.pod('a').inbox.back());
  EXPECT_EQ(refused.why, pp::refusal::version);
  EXPECT_EQ(refused.text, "the pod speaks version 1 of the pod protocol, the head 2 to 3: "
                          "upgrade the pod");
  EXPECT_EQ(std::get<noted>(s.last.front()).text, refused.text) << "both log the same";
  s.pass(5s);
  EXPECT_EQ(s.expire(), "drop 1") << "a pod that stays is closed";
}

TEST(pod_hello, more_than_a_pod_may_have_is_refused) {
  registry_script s;
  s.connect('a');
  pp::hello m;
  m.slots = pp::slots_max + 1;
  EXPECT_EQ(s.say('a', m).substr(9), "refused");
  EXPECT_EQ(s.take('a'), "refused bad_hello");
  s.connect('b');
  m.slots = 0;
  m.attempts = pp::inventory_max + 1;
  s.say('b', m);
  EXPECT_EQ(s.take('b'), "refused bad_hello");
}

TEST(pod_hello, an_attempt_that_is_named_twice_is_refused) {
  registry_script s;
  s.connect('a');
  EXPECT_EQ(s.hello('a', 1, {has("j", pp::stage::running), has("j", pp::stage::finished)}),
            "a bad frame; a refused");
  EXPECT_EQ(s.take('a'), "refused bad_hello");
}

TEST(pod_hello, a_slot_that_is_named_twice_is_refused) {
  registry_script s;
  s.connect('a');
  pp::hello m;
  m.name = "a";
  m.slots = 2;
  s.say('a', m);
  s.slot_says('a', 4, pp::slot_ready{});
  EXPECT_EQ(s.slot_says('a', 4, pp::slot_ready{}), "a bad frame; a refused");
}

TEST(pod_hello, a_short_cut_resumes_the_session) {
  registry_script s;
  s.linked('a');
  EXPECT_EQ(s.cut('a'), "a cut");
  EXPECT_EQ(s.assign('a', 0, "j"), "") << "it waits for the connection";
  s.pass(3s);
  EXPECT_EQ(s.connect('a'), "");
  EXPECT_EQ(s.take('a'), "assign j/1");
  EXPECT_EQ(s.registry.count().sessions, 1U);
}

TEST(pod_hello, the_newest_connection_of_a_key_wins_at_once) {
  registry_script s;
  s.linked('a');
  const auto before = s.pod('a').connection;
  EXPECT_EQ(s.connect('a'), "drop 1") << "the head had not noticed the end of the first";
  const auto late = s.act([&] {
    return s.registry.on(s.now, received{before, key_of('a'), "late"});
  });
  EXPECT_EQ(late, "");
  EXPECT_EQ(s.registry.count().refused_frames, 0U) << "nothing of it is heard";
  EXPECT_EQ(s.registry.count().dropped_messages, 1U);
  s.act([&] { return s.registry.on(s.now, gone{before}); });
  EXPECT_TRUE(s.registry.lines(s.now).front().linked) << "its end is not the pod's";
}

TEST(pod_hello, a_connection_proves_one_key) {
  registry_script s;
  s.linked('a');
  EXPECT_EQ(s.act([&] {
    return s.registry.on(s.now, received{s.pod('a').connection, key_of('b'), "x"});
  }),
            "drop 1");
}

TEST(pod_hello, another_life_of_a_pod_frees_what_it_does_not_have_any_more) {
  registry_script s;
  s.running('a', "j");
  s.cut('a');
  s.restart('a');
  s.connect('a');
  EXPECT_EQ(s.hello('a', 1), "reconcile w2.0#2x1 gone:w2.0#1 absent:j/1:held_earlier; a linked");
}

TEST(pod_hello, a_result_of_an_earlier_life_is_claimed_without_its_worker) {
  registry_script s;
  s.running('a', "j");
  s.cut('a');
  s.restart('a');
  s.connect('a');
  EXPECT_EQ(s.hello('a', 0, {has("j", pp::stage::finished, 0, 0)}),
            "reconcile gone:w2.0#1 j/1:finished@w2.kept#2; a linked");
  EXPECT_EQ(s.say('a', registry_script::done("j")), "w2.kept#2 completed j/1 42");
}

TEST(pod_hello, what_was_assigned_and_never_arrived_is_named_as_not_begun) {
  registry_script s;
  s.linked('a');
  s.pod('a').deaf = true;
  s.assign('a', 0, "j");
  s.cut('a');
  s.pod('a').deaf = false;
  s.restart('a');
  s.connect('a');
  EXPECT_EQ(s.hello('a', 1), "reconcile w2.0#2x1 gone:w2.0#1 absent:j/1:held_sent; a linked");
}

TEST(pod_hello, a_new_session_of_the_same_life_keeps_the_names_of_its_workers) {
  registry_script s;
  s.running('a', "j");
  s.cut('a');
  s.pass(61s);
  EXPECT_EQ(s.expire(), "a lost; gone w2.0#1 lease_expired");
  EXPECT_EQ(s.connect('a'), "");
  EXPECT_EQ(s.hello('a', 1, {has("j", pp::stage::running)}),
            "reconcile w2.0#2x1 j/1:running@w2.0#2; a linked");
}

TEST(pod_hello, a_cancel_that_comes_before_the_welcome_is_said_after_it) {
  registry_script s;
  s.answers = false;
  s.connect('a');
  s.hello('a', 1, {has("j", pp::stage::running)});
  EXPECT_EQ(s.revoke('a', 0, "j"), "");
  EXPECT_EQ(s.take('a'), "");
  s.answer({pp::verdict::keep});
  EXPECT_EQ(s.take('a'), "verdicts; welcome; cancel j/1");
}

TEST(pod_hello, a_claim_whose_answer_came_too_late_is_named_again) {
  registry_script s;
  s.answers = false;
  s.connect('a');
  s.hello('a', 0, {has("j", pp::stage::finished, 0, 0)});
  s.restart('a');
  s.connect('a');
  EXPECT_EQ(s.hello('a', 0), "reconcile absent:j/1:held_earlier");
}

TEST(pod_hello, an_answer_for_an_earlier_session_is_ignored) {
  registry_script s;
  s.answers = false;
  s.connect('a');
  s.hello('a', 1);
  const auto old = s.asked;
  s.restart('a');
  s.connect('a');
  s.hello('a', 1);
  const auto then = s.act([&] { return s.registry.reconciled(s.now, old.node, old.session, {}); });
  EXPECT_EQ(then, "");
  EXPECT_EQ(s.answer({}), "a linked");
}

TEST(pod_hello, the_attempts_of_another_head_are_refused_and_kept) {
  registry_script s;
  s.answers = false;
  s.connect('a');
  pp::hello m;
  m.name = "a";
  m.head = "head-2";
  m.attempts = 1;
  s.say('a', m);
  s.say('a', pp::inventory{{has("j", pp::stage::finished, 0, 0)}});
  EXPECT_EQ(s.answer({pp::verdict::drop}, true), "a refused");
  EXPECT_EQ(s.take('a'), "refused wrong_head") << "no verdict: the pod keeps its results";
}

TEST(pod_hello, two_processes_with_one_key_are_both_refused) {
  registry_script s;
  auto one = [&](std::uint64_t incarnation) {
    auto& p = s.pod('a');
    p.incarnation = incarnation;
    p.link = std::make_unique<pod_end>(incarnation, 0, p.budget);
    s.pass(1s);
    const auto then = s.connect('a');
    return then + "|" + s.hello('a', 0);
  };
  one(6);
  one(7);
  one(6);
  EXPECT_EQ(one(7), "drop 3; a cloned; a refused|");
  EXPECT_EQ(one(6), "drop 4; a refused|") << "also the other one";
  s.pass(301s);
  EXPECT_NE(one(8).find("a linked"), std::string::npos) << "after a while it may try again";
}

TEST(pod_hello, a_pod_that_is_started_often_is_no_clone) {
  registry_script s;
  s.connect('a');
  s.hello('a', 0);
  for (int i = 0; i < 6; ++i) {
    s.restart('a');
    s.pass(1s);
    EXPECT_EQ(s.connect('a').find("cloned"), std::string::npos);
    EXPECT_EQ(s.hello('a', 0), "reconcile; a linked");
  }
}

TEST(pod_hello, a_fleet_that_comes_at_once_is_admitted_over_some_seconds) {
  registry_limits limits;
  limits.hellos_per_second = 2;
  registry_script s{limits};
  for (const char c : {'a', 'b', 'c', 'd'}) {
    s.connect(c);
    s.hello(c, 0);
  }
  EXPECT_EQ(s.take('a'), "welcome");
  EXPECT_EQ(s.take('b'), "welcome");
  EXPECT_GE(std::get<pp::refused>(s.pod('c').inbox.back()).retry_after_ms, 1000U);
  EXPECT_EQ(s.take('d'), "refused busy");
  s.pass(1s);
  s.restart('c');
  s.connect('c');
  s.hello('c', 0);
  EXPECT_EQ(s.take('c'), "refused busy; welcome");
}

TEST(pod_hello, a_pod_that_is_refused_and_asks_again_is_no_clone) {
  registry_limits limits;
  limits.hellos_per_second = 1;
  registry_script s{limits};
  s.linked('b');
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(s.connect('a').find("cloned"), std::string::npos) << "the end of " << i;
    EXPECT_EQ(s.hello('a', 0), "a refused");
    s.pass(50ms); // its next connection comes before the end of this one is known
  }
}

TEST(pod_hello, no_more_pods_than_the_head_takes) {
  registry_limits limits;
  limits.pods_max = 1;
  registry_script s{limits};
  s.linked('a');
  EXPECT_EQ(s.connect('b'), "b refused; drop 2");
}

TEST(pod_hello, a_pod_may_ask_to_be_trusted_and_nothing_else) {
  registry_script s;
  auto& p = s.pod('j');
  p.key = "join:token-1";
  s.connect('j');
  EXPECT_EQ(s.say('j', pp::join{key_of('n'), "new", "1.0"}), "join token-1 new");
  const auto& asked = std::get<join_asked>(s.last.front());
  EXPECT_EQ(asked.key, key_of('n'));
  s.act([&] { return s.registry.joined(s.now, asked.connection, {}); });
  EXPECT_EQ(s.take('j'), "joined");
  EXPECT_EQ(s.say('j', pp::hello{}), "drop 1");
}

} // namespace
} // namespace tayfa::pods::testing
