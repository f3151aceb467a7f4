// The pod's side of a session: when it connects, what it says, what a silent head means.
#include "tests/unit/pods/session_script.hpp"

namespace tayfa::pods::testing {
namespace {

using namespace std::chrono_literals;

/// The pause before the next try.
std::chrono::nanoseconds pause(const session_script& s) {
  return s.session.next_deadline().value() - s.now;
}

TEST(session_connects, the_first_try_waits_for_a_random_time) {
  session_script s;
  EXPECT_EQ(pause(s), 1s) << "half of two seconds, by this source of random numbers";
  EXPECT_EQ(s.expire(), "");
  s.pass(1s);
  EXPECT_EQ(s.expire(), "connect tcp://head:1");
  EXPECT_EQ(s.session.next_deadline(), std::nullopt) << "one try at a time";
}

TEST(session_connects, later_pauses_grow_up_to_a_bound) {
  session_script s;
  std::vector<std::chrono::nanoseconds> pauses;
  for (int i = 0; i < 8; ++i) {
    s.now = s.session.next_deadline().value();
    s.expire();
    EXPECT_EQ(s.cut(cut::unreachable), "unreachable");
    pauses.push_back(pause(s));
  }
  const std::vector<std::chrono::nanoseconds> wanted{250ms, 500ms,  1s,     2s,
                                                     4s,    7500ms, 7500ms, 7500ms};
  EXPECT_EQ(pauses, wanted);
}

TEST(session_connects, a_pause_is_random_down_to_nothing) {
  session_script s;
  s.random.fraction = 0;
  s.expire();
  s.cut(cut::unreachable);
  EXPECT_EQ(pause(s), 0s);
}

TEST(session_connects, pauses_begin_anew_only_after_a_welcome_has_held_for_a_minute) {
  session_script s;
  for (int i = 0; i < 5; ++i) {
    s.now = s.session.next_deadline().value();
    s.expire();
    s.cut(cut::unreachable);
  }
  EXPECT_EQ(pause(s), 4s);
  s.now = s.session.next_deadline().value();
  s.expire();
  s.connect();
  s.welcome();
  s.pass(5s);
  s.cut();
  EXPECT_EQ(pause(s), 7500ms) << "a welcome alone is no reason";
  s.now = s.session.next_deadline().value();
  s.expire();
  s.connect(false);
  s.pass(61s);
  s.cut();
  EXPECT_EQ(pause(s), 1s) << "like the first one: the head may have cut off everybody";
  s.now = s.session.next_deadline().value();
  s.expire();
  s.cut(cut::unreachable);
  EXPECT_EQ(pause(s), 500ms);
}

TEST(session_connects, the_heads_pause_wins) {
  session_script s;
  s.connect();
  EXPECT_EQ(s.say(pp::refused{pp::refusal::busy, "later", 30'000}), "refused; disconnect");
  EXPECT_GE(pause(s), 30s);
  EXPECT_LE(pause(s), 60s);
}

TEST(session_connects, after_some_wrong_keys_it_says_what_is_wrong) {
  session_script s;
  for (int i = 0; i < 5; ++i) {
    s.cut(cut::wrong_head_key);
  }
  EXPECT_EQ(std::get<pod_event>(s.last.front()).text,
            "the head's key is not the one that this pod was given: join it again");
}

TEST(session_hello, says_all_that_the_pod_has) {
  session_script s{{}, {{session_script::attempt("old"), 10}}};
  s.ready(0, 1);
  s.ready(1, 2, 4);
  s.connect();
  EXPECT_EQ(s.take(), "hello 5; slot_ready; slot_ready; inventory");
  EXPECT_EQ(s.welcome({pp::verdict::forget}), "remember head-1; linked; delete old/1");
  EXPECT_TRUE(s.session.idle());
}

TEST(session_hello, credit_and_beats_follow_the_welcome) {
  session_script s;
  s.ready(0, 1);
  s.connect();
  s.take();
  s.welcome();
  EXPECT_EQ(s.expire(), "");
  EXPECT_EQ(s.take(), "beat 1");
  s.pass(2s);
  s.expire();
  EXPECT_EQ(s.take(), "beat 1");
}

TEST(session_hello, a_short_cut_needs_no_other_hello) {
  session_script s;
  s.linked();
  s.cut();
  s.connect(false);
  EXPECT_EQ(s.take(), "");
  EXPECT_TRUE(s.session.status(s.now).linked);
}

TEST(session_hello, a_head_that_has_lost_its_count_of_sessions_is_greeted_as_well) {
  session_script s;
  s.linked();
  s.cut();
  s.head_session = 5; // its store was removed
  s.connect();
  EXPECT_EQ(s.take(), "hello 1; slot_ready");
  EXPECT_EQ(s.welcome(), "linked");
}

TEST(session_hello, workers_that_come_and_go_meanwhile_are_said_after_the_welcome) {
  session_script s;
  s.ready(0, 1);
  s.connect();
  s.take();
  s.gone(0, 1);
  s.ready(0, 2);
  s.ready(1, 3);
  EXPECT_EQ(s.take(), "");
  s.welcome();
  EXPECT_EQ(s.take(), "credit 2; slot_gone; slot_ready; slot_ready");
}

TEST(session_hello, verdicts_that_do_not_fit_the_inventory_are_refused) {
  session_script s;
  s.connect();
  EXPECT_EQ(s.welcome({pp::verdict::keep}), "remember head-1; linked") << "without the list";
  EXPECT_EQ(s.session.count().refused_frames, 1U);
}

TEST(session_silence, three_beats_without_a_word_end_the_connection) {
  session_script s;
  s.linked();
  s.lost = true;
  s.pass(5999ms);
  EXPECT_EQ(s.expire(), "");
  s.pass(1ms);
  EXPECT_EQ(s.expire(), "silent; disconnect");
  EXPECT_FALSE(s.session.status(s.now).linked);
}

TEST(session_silence, a_silent_head_ends_no_work) {
  session_script s;
  s.linked();
  s.assign("j");
  s.lost = true;
  for (int i = 0; i < 100; ++i) {
    s.pass(6s);
    EXPECT_EQ(s.expire().find("revoke"), std::string::npos);
  }
  EXPECT_EQ(s.finish(s.worker(0, 1), "j"), "keep j/1");
  s.kept("j");
  EXPECT_EQ(s.session.status(s.now).kept, 1U);
}

TEST(session_silence, a_timeout_of_the_job_holds_without_the_head) {
  session_script s;
  s.linked();
  auto m = s.order("j");
  m.timeout_ms = 10'000;
  s.say(m, s.worker(0, 1));
  s.cut();
  s.pass(10s);
  EXPECT_EQ(s.expire(), "connect tcp://head:1; revoke j/1");
}

TEST(session_rotation, keys_of_both_ends_can_change) {
  session_script s;
  s.linked();
  EXPECT_EQ(s.say(pp::rotate{}), "make key");
  s.act(s.session.key_made(s.now, std::string(pp::key_length, 'n')));
  EXPECT_EQ(s.take(), "key_made");
  EXPECT_EQ(s.say(pp::rotate{std::string(pp::key_length, 'g'), "tcp://other:2"}),
            "head gggg tcp://other:2");
  s.cut();
  s.now = s.session.next_deadline().value();
  EXPECT_EQ(s.expire(), "connect tcp://other:2");
}

// Its owner would call expire() without a pause.
TEST(session_connection, no_beat_is_due_before_the_welcome) {
  session_script s;
  s.linked();
  s.say(pp::revoked{"stolen"});
  s.pass(milliseconds{60'000});
  s.expire();
  s.connect();
  s.act(s.session.drain(s.now, pp::drain_mode::graceful, milliseconds{0}));
  s.expire();
  ASSERT_TRUE(s.session.next_deadline());
  EXPECT_GT(*s.session.next_deadline(), s.now);
}

TEST(session_rotation, a_revoked_pod_comes_back_late) {
  session_script s;
  s.linked();
  EXPECT_EQ(s.say(pp::revoked{"stolen"}), "revoked; disconnect");
  EXPECT_GE(pause(s), 15s);
}

} // namespace
} // namespace tayfa::pods::testing
