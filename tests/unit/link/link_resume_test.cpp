// Lost connections, seen and unseen, and new incarnations.
#include "runtime/link/link_state.hpp"

#include "tests/unit/link/link_ends.hpp"

#include <memory>

namespace tayfa::testing {
namespace {

using texts = std::vector<std::string>;
using namespace std::chrono_literals;

struct link_resume : ::testing::Test {
  link_end a{{.self = 7}};
  link_end b{{.self = 9}};

  void SetUp() override {
    a.connected();
    settle(a, b);
  }
  void lose_all() {
    a.wire.clear();
    b.wire.clear();
    pass(a, b, std::chrono::milliseconds{200}); // a connection is not lost and back in no time
  }
};

TEST_F(link_resume, what_was_under_way_is_sent_again) {
  a.send("1");
  settle(a, b);
  a.send("2");
  a.send("3");
  b.send("x");
  lose_all();
  a.connected();
  settle(a, b);
  EXPECT_EQ(b.delivered, (texts{"1", "2", "3"}));
  EXPECT_EQ(a.delivered, texts{"x"});
  EXPECT_EQ(a.state.counters().repeated, 2U);
  EXPECT_EQ(b.state.counters().repeated, 1U);
  EXPECT_EQ(a.new_peers + b.new_peers, 0);
}

TEST(link_resume_later, what_the_peer_has_is_not_sent_again) {
  link_end a{{.self = 7}};
  link_end b{{.self = 9, .acknowledge_at_once = false}};
  a.connected();
  a.send("1");
  a.send("2");
  settle(a, b);
  a.connected();
  settle(a, b);
  EXPECT_EQ(a.state.kept(), 2U) << "b has not dealt with them";
  EXPECT_EQ(a.state.counters().repeated, 0U);
  EXPECT_EQ(b.delivered.size(), 2U);
}

TEST_F(link_resume, a_resumed_link_has_acknowledged) {
  a.send("1");
  settle(a, b); // b has said nothing since
  EXPECT_EQ(a.state.kept(), 1U);
  a.connected();
  settle(a, b);
  EXPECT_EQ(a.state.kept(), 0U);
}

TEST_F(link_resume, what_arrives_twice_is_delivered_once) {
  a.send("1");
  const auto again = a.wire.front();
  settle(a, b);
  EXPECT_TRUE(b.take(*again)->frame.empty());
  EXPECT_EQ(b.state.counters().duplicates, 1U);
  EXPECT_EQ(b.delivered, texts{"1"});
  settle(a, b);
  EXPECT_EQ(a.state.kept(), 0U) << "the sender learns that it need not";
}

TEST_F(link_resume, a_missing_number_shows_an_unreported_loss) {
  a.send("1");
  a.send("2");
  lose_all();
  a.send("3");
  a.send("4");
  settle(a, b);
  EXPECT_EQ(b.delivered, (texts{"1", "2", "3", "4"}));
  EXPECT_EQ(b.state.counters().duplicates, 0U);
}

TEST_F(link_resume, many_questions_at_once_are_answered_by_one_repetition) {
  settle(a, b);
  for (int i = 0; i < 100; ++i) {
    a.send(std::to_string(i));
  }
  lose_all();
  a.take(control_message({link_kind::open, 9, 7, 0, 0, {}}));
  for (int i = 0; i < 50; ++i) { // b asked while this end did not run
    a.take(control_message({link_kind::open, 9, 7, 0, 0, {}}));
  }
  settle(a, b);
  EXPECT_EQ(b.delivered.size(), 100U);
  EXPECT_EQ(a.state.counters().repeated, 100U);
}

TEST_F(link_resume, a_loss_is_asked_about_once_and_again_when_that_is_lost) {
  a.send("1");
  lose_all();
  for (int i = 0; i < 50; ++i) {
    a.send("x");
  }
  while (!a.wire.empty()) {
    b.take(*a.wire.front());
    a.wire.pop_front();
  }
  EXPECT_EQ(b.wire.size(), 1U) << "one question for fifty frames";
  lose_all();
  a.send("y");
  settle(a, b);
  EXPECT_TRUE(b.delivered.empty()) << "it has just asked";
  pass(a, b, 1s);
  a.send("z");
  settle(a, b);
  EXPECT_EQ(b.delivered.size(), 53U);
}

TEST_F(link_resume, a_lost_last_frame_is_noticed_when_the_peer_is_heard) {
  a.send("assign");
  lose_all();
  b.send("beat");
  settle(a, b);
  EXPECT_TRUE(b.delivered.empty()) << "it may still be under way";
  pass(a, b, 1s);
  b.send("beat");
  settle(a, b);
  EXPECT_EQ(b.delivered, texts{"assign"});
}

TEST_F(link_resume, an_end_whose_question_was_lost_asks_again) {
  a.connected();
  lose_all();
  a.send("1");
  settle(a, b);
  EXPECT_TRUE(b.delivered.empty());
  EXPECT_EQ(a.state.asks_again(), a.now + 800ms);
  pass(a, b, 1s);
  a.flush();
  settle(a, b);
  EXPECT_EQ(b.delivered, texts{"1"});
}

TEST_F(link_resume, a_lost_last_frame_is_noticed_even_if_the_peer_has_nothing_to_say) {
  a.send("hello");
  lose_all();
  EXPECT_EQ(a.state.asks_again(), a.now + 4'800ms);
  pass(a, b, 5s);
  a.flush();
  settle(a, b);
  EXPECT_EQ(b.delivered, texts{"hello"});
  pass(a, b, 5s);
  a.flush();
  settle(a, b);
  EXPECT_EQ(a.state.kept(), 0U) << "the answer to the next question acknowledges it";
  EXPECT_FALSE(a.state.asks_again().has_value());
}

TEST_F(link_resume, an_end_that_saw_the_loss_alone_asks_when_it_hears_the_peer) {
  b.state.disconnected();
  b.send("waits");
  EXPECT_TRUE(b.wire.empty());
  a.send("goes on");
  settle(a, b);
  EXPECT_EQ(b.delivered, texts{"goes on"});
  EXPECT_EQ(a.delivered, texts{"waits"});
}

TEST_F(link_resume, an_acknowledged_frame_that_was_to_be_repeated_is_not) {
  a.send("1");
  settle(a, b);
  b.send("answer"); // acknowledges it
  const auto answer = b.wire.front();
  b.wire.clear();
  pass(a, b, std::chrono::milliseconds{200});
  // An old question of b, from before it had the frame, makes a go back.
  a.blocked = true;
  a.take(control_message({link_kind::open, 9, 7, 0, 0, {}}));
  EXPECT_EQ(a.state.unsent(), 1U);
  a.take(*answer);
  EXPECT_EQ(a.state.unsent(), 0U);
  EXPECT_EQ(a.state.unsent_bytes(), 0U);
  EXPECT_EQ(a.state.kept_bytes(), 0U);
}

// ---- new incarnations ---------------------------------------------------------------------------

TEST_F(link_resume, a_new_incarnation_begins_anew_and_what_the_old_one_has_not_is_lost) {
  a.send("dealt with");
  settle(a, b);
  b.send("answer");
  settle(a, b);
  a.send("under way");
  a.send("as well");
  lose_all();
  link_end next{{.self = 10}};
  next.connected();
  settle(a, next);
  EXPECT_EQ(a.new_peers, 1);
  EXPECT_EQ(a.lost, (texts{"under way", "as well"}));
  EXPECT_TRUE(next.delivered.empty());
  a.send("new");
  next.send("hello");
  settle(a, next);
  EXPECT_EQ(next.delivered, texts{"new"});
  EXPECT_EQ(a.delivered, (texts{"answer", "hello"}));
  EXPECT_EQ(next.new_peers, 0) << "it never knew another";
}

TEST_F(link_resume, an_end_that_speaks_to_the_old_incarnation_learns_of_the_new_one) {
  a.send("for the old one");
  lose_all();
  link_end next{{.self = 10}}; // it listens, and does not connect
  a.send("likewise");
  settle(a, next);
  EXPECT_EQ(a.lost, (texts{"for the old one", "likewise"}));
  EXPECT_TRUE(next.delivered.empty());
  a.send("new");
  settle(a, next);
  EXPECT_EQ(next.delivered, texts{"new"});
}

TEST_F(link_resume, both_ends_may_be_new) {
  link_end next_a{{.self = 8}};
  link_end next_b{{.self = 10}};
  next_a.send("1");
  next_a.connected();
  settle(next_a, next_b);
  EXPECT_EQ(next_b.delivered, texts{"1"});
}

TEST_F(link_resume, what_an_old_incarnation_said_late_is_ignored) {
  b.send("late");
  const auto late = b.wire.front();
  b.connected();
  const auto question = b.wire.back();
  b.wire.clear();
  link_end next{{.self = 10}};
  next.connected();
  settle(a, next);
  EXPECT_TRUE(a.take(*late)->frame.empty());
  EXPECT_FALSE(a.take(*question)->new_peer);
  EXPECT_EQ(a.state.counters().stale, 2U);
  EXPECT_EQ(a.state.peer(), 10U);
  EXPECT_TRUE(a.wire.empty()) << "it gets no answer";
  next.send("1");
  settle(a, next);
  EXPECT_EQ(a.delivered, texts{"1"});
}

TEST_F(link_resume, frames_for_an_old_incarnation_do_not_reach_the_new_one) {
  a.send("1");
  const auto old = a.wire.front();
  lose_all();
  link_end next{{.self = 10}};
  next.connected();
  settle(a, next);
  EXPECT_TRUE(next.take(*old)->frame.empty()) << "it has the number that the new one expects";
  settle(a, next);
  a.send("new");
  settle(a, next);
  EXPECT_EQ(next.delivered, texts{"new"});
  EXPECT_EQ(a.new_peers, 1);
}

} // namespace
} // namespace tayfa::testing
