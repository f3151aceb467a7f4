// Order, acknowledgement and credit on a connection that holds; what is refused.
#include "runtime/link/link_state.hpp"

#include "tests/unit/link/link_ends.hpp"

namespace tayfa::testing {
namespace {

using texts = std::vector<std::string>;
using namespace std::chrono_literals;

struct link_pair {
  explicit link_pair(link_options a_options = {}, link_options b_options = {})
      : a(with_self(a_options, 7)), b(with_self(b_options, 9)) {}
  static link_options with_self(link_options o, std::uint64_t self) {
    o.self = self;
    return o;
  }
  void open() {
    a.connected();
    settle(a, b);
  }
  link_end a;
  link_end b;
};

TEST(link_state, frames_arrive_in_order_in_both_directions) {
  link_pair l;
  l.open();
  for (const auto* text : {"1", "2", "3"}) {
    EXPECT_TRUE(l.a.send(text));
    EXPECT_TRUE(l.b.send(std::string{"b"} + text));
  }
  settle(l.a, l.b);
  EXPECT_EQ(l.b.delivered, (texts{"1", "2", "3"}));
  EXPECT_EQ(l.a.delivered, (texts{"b1", "b2", "b3"}));
}

TEST(link_state, frames_wait_until_the_peer_has_been_heard) {
  link_pair l;
  l.a.connected();
  EXPECT_TRUE(l.a.send("early"));
  ASSERT_EQ(l.a.wire.size(), 1U);
  EXPECT_EQ(header_of(l.a.wire[0]).kind, link_kind::open);
  EXPECT_EQ(header_of(l.a.wire[0]).to, 0U) << "it does not know the peer";
  settle(l.a, l.b);
  EXPECT_EQ(l.b.delivered, texts{"early"});
  EXPECT_TRUE(l.a.state.is_open());
  EXPECT_TRUE(l.b.state.is_open());
  EXPECT_EQ(l.a.state.peer(), 9U);
  EXPECT_EQ(l.b.state.peer(), 7U);
}

TEST(link_state, an_answer_carries_the_acknowledgement) {
  link_pair l;
  l.open();
  l.a.send("question");
  settle(l.a, l.b);
  EXPECT_EQ(l.a.state.kept(), 1U);
  EXPECT_EQ(l.a.state.kept_bytes(), 8U);
  l.b.send("answer");
  ASSERT_EQ(l.b.wire.size(), 1U);
  EXPECT_EQ(header_of(l.b.wire[0]).acknowledged, 1U);
  settle(l.a, l.b);
  EXPECT_EQ(l.a.state.kept(), 0U);
  EXPECT_EQ(l.a.state.kept_bytes(), 0U);
}

TEST(link_state, without_an_answer_many_frames_or_bytes_are_acknowledged_alone) {
  link_pair l{{}, {.ack_frames = 4, .ack_bytes = 1'000}};
  l.open();
  for (int i = 0; i < 3; ++i) {
    l.a.send("x");
  }
  settle(l.a, l.b);
  EXPECT_EQ(l.a.state.kept(), 3U);
  l.a.send("x");
  settle(l.a, l.b);
  EXPECT_EQ(l.a.state.kept(), 0U) << "four frames";
  l.a.send(std::string(1'000, 'x'));
  settle(l.a, l.b);
  EXPECT_EQ(l.a.state.kept(), 0U) << "a thousand bytes";
}

TEST(link_state, an_old_acknowledgement_goes_out_with_the_next_arrival) {
  link_pair l{{}, {.ack_after = 500ms}};
  l.open();
  l.a.send("x");
  settle(l.a, l.b);
  EXPECT_EQ(l.a.state.kept(), 1U);
  pass(l.a, l.b, 500ms);
  l.a.send("x");
  settle(l.a, l.b);
  EXPECT_EQ(l.a.state.kept(), 0U);
}

TEST(link_state, a_frame_that_is_not_dealt_with_is_kept_by_its_sender) {
  link_pair l{{}, {.acknowledge_at_once = false, .ack_frames = 1}};
  l.open();
  l.a.send("1");
  l.a.send("2");
  settle(l.a, l.b);
  EXPECT_EQ(l.b.delivered.size(), 2U);
  EXPECT_EQ(l.a.state.kept(), 2U);
  l.b.state.acknowledge(1, l.b.now);
  l.b.flush();
  settle(l.a, l.b);
  EXPECT_EQ(l.a.state.kept(), 1U);
  l.b.state.acknowledge(99, l.b.now);
  l.b.flush();
  settle(l.a, l.b);
  EXPECT_EQ(l.a.state.kept(), 0U) << "no more than what was delivered is acknowledged";
}

TEST(link_state, the_sender_stops_at_the_frames_that_the_peer_accepts) {
  link_pair l{{}, {.receives = {3, 0}, .acknowledge_at_once = false}};
  l.open();
  EXPECT_TRUE(l.a.send("1"));
  EXPECT_TRUE(l.a.send("2"));
  EXPECT_TRUE(l.a.send("3"));
  EXPECT_FALSE(l.a.state.has_credit());
  EXPECT_FALSE(l.a.send("4"));
  settle(l.a, l.b);
  EXPECT_FALSE(l.a.send("4")) << "delivered is not dealt with";
  l.b.state.acknowledge(1, l.b.now);
  l.b.flush();
  settle(l.a, l.b);
  EXPECT_TRUE(l.a.send("4"));
  EXPECT_FALSE(l.a.send("5"));
}

TEST(link_state, the_sender_stops_at_the_bytes_that_the_peer_accepts) {
  link_pair l{{}, {.receives = {0, 100}, .acknowledge_at_once = false}};
  l.open();
  EXPECT_TRUE(l.a.send(std::string(99, 'x')));
  EXPECT_TRUE(l.a.send(std::string(500, 'x'))) << "the last one may exceed them";
  EXPECT_FALSE(l.a.send("x"));
  settle(l.a, l.b);
  EXPECT_EQ(l.b.delivered.size(), 2U);
}

TEST(link_state, a_window_of_any_size_is_never_stuck) {
  for (const std::uint64_t frames : {1, 2, 3, 64}) {
    for (const std::uint64_t bytes : {1, 7, 1'000}) {
      link_pair l{{}, {.receives = {frames, bytes}}};
      l.open();
      for (int i = 0; i < 100; ++i) {
        settle(l.a, l.b);
        ASSERT_TRUE(l.a.send(std::string(static_cast<std::size_t>(1 + i % 9), 'x')))
            << frames << " frames, " << bytes << " bytes, frame " << i;
      }
    }
  }
}

TEST(link_state, before_the_peer_has_named_its_window_the_given_one_holds) {
  link_pair l{{.sends = {2, 0}}, {.receives = {5, 0}}};
  EXPECT_TRUE(l.a.send("1"));
  EXPECT_TRUE(l.a.send("2"));
  EXPECT_FALSE(l.a.send("3"));
  l.open();
  EXPECT_TRUE(l.a.send("3"));
}

TEST(link_state, a_line_that_takes_no_more_gets_the_rest_later_in_order) {
  link_pair l;
  l.open();
  l.a.send("1");
  l.a.blocked = true;
  l.a.send("2");
  l.a.send("3");
  EXPECT_EQ(l.a.state.unsent(), 2U);
  EXPECT_EQ(l.a.state.unsent_bytes(), 2U);
  EXPECT_TRUE(l.a.state.wants_to_write());
  l.b.send("from b");
  settle(l.a, l.b);
  l.a.blocked = false;
  l.a.flush();
  EXPECT_FALSE(l.a.state.wants_to_write());
  EXPECT_EQ(header_of(l.a.wire[0]).acknowledged, 1U) << "its header is not older than its sending";
  settle(l.a, l.b);
  EXPECT_EQ(l.b.delivered, (texts{"1", "2", "3"}));
}

// ---- what is refused ----------------------------------------------------------------------------

/// The answer of `b` to a message from `a`'s incarnation that `a` did not send.
struct link_refusal : link_pair {
  link_refusal() : link_pair{{}, {.receives = {4, 10}, .acknowledge_at_once = false}} {
    open();
    a.send("1");
    b.send("2");
    settle(a, b);
  }
  std::string data(std::uint64_t sequence, std::uint64_t acknowledged,
                   const std::string& frame = "f") {
    auto bytes = with_room(frame);
    write_data_header({link_kind::data, 7, 9, sequence, acknowledged, {}}, bytes);
    return refusal(bytes);
  }
  std::string other(const envelope& e) { return refusal(control_message(e)); }
  std::string refusal(const std::string& bytes) {
    const auto kept = b.state.kept();
    const auto delivered = b.delivered.size();
    const auto taken = b.take(bytes);
    if (taken) {
      return "accepted";
    }
    EXPECT_EQ(taken.error().code, errc::bad_frame);
    EXPECT_EQ(b.state.kept(), kept) << "it changes nothing";
    EXPECT_EQ(b.delivered.size(), delivered);
    a.send("next");
    settle(a, b);
    EXPECT_EQ(b.delivered.back(), "next") << "the link goes on";
    return taken.error().text;
  }
};

TEST(link_state, an_acknowledgement_of_what_was_never_sent_is_refused) {
  EXPECT_EQ(link_refusal{}.data(2, 2), "it acknowledges frames that were never sent");
  EXPECT_EQ(link_refusal{}.other({link_kind::ack, 7, 9, 0, 2, {}}),
            "it acknowledges frames that were never sent");
  EXPECT_EQ(link_refusal{}.other({link_kind::ack, 7, 9, 0, ~std::uint64_t{0}, {}}),
            "it acknowledges frames that were never sent");
  EXPECT_EQ(link_refusal{}.other({link_kind::open, 7, 9, 2, 0, {}}),
            "it claims frames that were never sent");
  EXPECT_EQ(link_refusal{}.other({link_kind::open, 8, 9, 1, 0, {}}),
            "it claims frames that were never sent")
      << "nothing was ever sent to the next incarnation";
  EXPECT_EQ(link_refusal{}.other({link_kind::opened, 7, 9, 0, 1, {}}),
            "it acknowledges frames that it does not have");
  EXPECT_EQ(link_refusal{}.other({link_kind::open, 7, 0, 1, 1, {}}),
            "it acknowledges frames that it does not have")
      << "a peer that does not know us has nothing from us";
}

TEST(link_state, what_was_accepted_and_not_sent_cannot_be_acknowledged) {
  link_refusal r;
  r.b.blocked = true;
  r.b.send("waits");
  EXPECT_EQ(r.other({link_kind::ack, 7, 9, 0, 2, {}}),
            "it acknowledges frames that were never sent");
}

TEST(link_state, more_than_the_credit_is_refused) {
  EXPECT_EQ(link_refusal{}.data(5, 0), "it sends more than its credit")
      << "frame 1 is not dealt with";
  EXPECT_EQ(link_refusal{}.data(~std::uint64_t{0}, 0), "it sends more than its credit");
  link_refusal r;
  EXPECT_EQ(r.data(2, 0, std::string(9, 'x')), "accepted") << "ten bytes are the credit";
  auto bytes = with_room("y");
  write_data_header({link_kind::data, 7, 9, 3, 0, {}}, bytes);
  EXPECT_EQ(r.b.take(bytes).error().text, "it sends more than its credit");
}

TEST(link_state, an_end_that_expects_one_incarnation_refuses_another) {
  link_end end{{.self = 1, .peer = 7}};
  EXPECT_EQ(end.take(control_message({link_kind::open, 8, 0, 0, 0, {}})).error().text,
            "the message names another incarnation");
  EXPECT_TRUE(end.take(control_message({link_kind::open, 7, 0, 0, 0, {}})).has_value());
}

} // namespace
} // namespace tayfa::testing
