// A session's end of the link: what waits for the socket, and what a lost connection costs.
#include "runtime/engine/scripted.hpp"
#include "runtime/engine/session.hpp"
#include "tests/unit/engine/fixture.hpp"

#include <memory>

namespace tayfa::engine::test {
namespace {

constexpr worker_ref me{slot_id{3}, 7};

struct session_link : testing::Test {
  manual_time time;
  fake_dispatcher wire;
  session it{me, [this](sink& out) { return std::make_unique<scripted_engine>(out, time); }, wire,
             time};

  void SetUp() override {
    it.open();
    wire.answer(it);
    wire.give(it, protocol::load_model{"m", "", ""}, me);
    wire.said.clear();
  }
};

TEST_F(session_link, nothing_is_said_before_the_runtime_has_been_heard) {
  fake_dispatcher other;
  session fresh{me, [this](sink& out) { return std::make_unique<scripted_engine>(out, time); },
                other, time};
  fresh.open();
  EXPECT_TRUE(other.said.empty());
  EXPECT_EQ(fresh.next_wakeup(), time.now() + 1s) << "it asks again";
  other.answer(fresh);
  EXPECT_EQ(all<protocol::hello>(other.said).size(), 1U);
  EXPECT_EQ(fresh.next_wakeup(), time.now() + 5s) << "unless hello is acknowledged before";
}

TEST_F(session_link, a_question_that_was_lost_is_asked_again) {
  fake_dispatcher other;
  other.lost = true;
  session fresh{me, [this](sink& out) { return std::make_unique<scripted_engine>(out, time); },
                other, time};
  fresh.open();
  other.lost = false;
  time.advance(1s);
  fresh.wake(time.now());
  other.answer(fresh);
  EXPECT_EQ(all<protocol::hello>(other.said).size(), 1U);
}

TEST_F(session_link, what_the_socket_does_not_take_waits) {
  wire.blocked = true;
  wire.give(it, assign("a", R"({"mock_return":1})"), me);
  EXPECT_TRUE(wire.said.empty());
  EXPECT_TRUE(it.link().wants_to_write());
  EXPECT_EQ(it.link().unsent(), 2U);
  wire.blocked = false;
  it.flush();
  EXPECT_EQ(all<protocol::started>(wire.said).size(), 1U);
  EXPECT_EQ(all<protocol::finished>(wire.said).size(), 1U);
  EXPECT_FALSE(it.link().wants_to_write());
}

TEST_F(session_link, a_result_that_was_lost_with_its_connection_is_said_again_once) {
  wire.give(it, assign("a", R"({"mock_delay":1})"), me);
  wire.lost = true;
  time.advance(1s);
  it.wake(time.now());
  EXPECT_TRUE(all<protocol::finished>(wire.said).empty());
  wire.lost = false;
  it.connected();
  wire.answer(it);
  EXPECT_EQ(all<protocol::started>(wire.said).size(), 1U);
  EXPECT_EQ(all<protocol::finished>(wire.said).size(), 1U);
}

TEST_F(session_link, an_attempt_that_was_lost_with_its_connection_runs_once) {
  wire.lost = true;
  wire.give(it, assign("a", R"({"mock_return":1})"), me);
  wire.lost = false;
  wire.give(it, assign("b", R"({"mock_return":1})"), me);
  EXPECT_TRUE(wire.said.empty()) << "b has not the number that is next";
  wire.answer(it);
  const auto ended = all<protocol::finished>(wire.said);
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_EQ(ended[0].attempt, attempt("a"));
  EXPECT_EQ(ended[1].attempt, attempt("b"));
  EXPECT_EQ(it.counters().out_of_place, 0U);
}

TEST_F(session_link, the_runtime_need_not_keep_what_the_session_has_read) {
  wire.give(it, assign("a", R"({"mock_return":1})"), me);
  EXPECT_EQ(wire.link.kept(), 0U) << "the reports carry the acknowledgement";
}

TEST_F(session_link, messages_of_another_runtime_or_version_are_counted) {
  it.on_message(control_message({link_kind::open, 2, 7, 0, 0, {}}));
  auto old = protocol::encode(me, protocol::downstream{protocol::shutdown{}});
  old[1] = 1;
  it.on_message(old);
  EXPECT_EQ(it.counters().bad_frames, 2U);
  EXPECT_FALSE(it.done());
}

} // namespace
} // namespace tayfa::engine::test
