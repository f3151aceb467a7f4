// The runtime's end of an engine's link, with sockets of the test in place of the engine's: what
// strangers and liars say, and connections that are lost.
#include "tests/unit/host/fixture.hpp"

#include <csignal>
#include <deque>
#include <optional>

namespace tayfa::test {
namespace {

struct impostor_test : testing::Test {
  folder home;
  folder tools;
  remembering_log log;
  event_box box; ///< sinks outlive the host
  std::unique_ptr<process_engine_host> host;
  zmq::context_t context{1};

  void SetUp() override {
    auto made = process_engine_host::make(
        {.program = tools.script("silent", "exec sleep 1000"), .run_folder = home.path() + "/run"},
        log);
    ASSERT_TRUE(made.has_value()) << made.error().str();
    host = std::move(*made);
    host->start({worker(), "scripted", {}}, box.sink());
    box.wait<engine_spawned>();
  }
  static worker_ref worker(std::uint32_t slot = 0, std::uint64_t incarnation = 1) {
    return {slot_id{slot}, incarnation};
  }
  zmq::socket_t connect(const std::string& id) {
    zmq::socket_t s{context, zmq::socket_type::dealer};
    if (!id.empty()) {
      s.set(zmq::sockopt::routing_id, id);
    }
    s.set(zmq::sockopt::linger, 0);
    s.connect("ipc://" + host->socket_path());
    return s;
  }
  static void say(zmq::socket_t& s, const std::string& bytes) { s.send(zmq::buffer(bytes)); }
  std::string beat(const worker_ref& w, std::uint64_t sequence = 1) {
    return protocol::encode(w, protocol::upstream{protocol::heartbeat{sequence, 0, 0, 0}},
                            data_header_bytes);
  }
};

/// An engine's end of the link, on a socket of the test.
struct linked_peer {
  linked_peer(zmq::socket_t one, const worker_ref& who)
      : socket(std::move(one)), link({.self = who.incarnation, .peer = runtime_incarnation}) {
    socket.set(zmq::sockopt::rcvtimeo, 60'000);
    link.connected(time.now());
    flush();
    while (!link.is_open() && read()) {
    }
  }
  void say(std::string frame_with_room) {
    EXPECT_TRUE(link.send(std::move(frame_with_room)));
    flush();
  }
  void flush() {
    link.flush(time.now(), [&](const link_message& m) {
      return socket.send(zmq::buffer(*m), zmq::send_flags::dontwait).has_value();
    });
  }
  /// The next frame from the runtime; nothing when none comes.
  std::optional<protocol::downstream> hear() {
    while (heard.empty() && read()) {
    }
    if (heard.empty()) {
      return std::nullopt;
    }
    auto first = std::move(heard.front());
    heard.pop_front();
    return first;
  }
  /// False when no message comes.
  bool read() {
    zmq::message_t m;
    if (!socket.recv(m)) {
      return false;
    }
    const auto arrived = link.receive({static_cast<const char*>(m.data()), m.size()}, time.now());
    EXPECT_TRUE(arrived.has_value());
    flush();
    if (arrived && !arrived->frame.empty()) {
      heard.push_back(protocol::decode_downstream(arrived->frame).value().body);
    }
    return true;
  }
  /// Ends its connection and makes another; what the socket held is lost. The router refuses the
  /// new one while it has not yet noticed that the old one has ended.
  template <class Connect>
  void connect_again(Connect connect) {
    const auto deadline = time.now() + patience;
    do {
      socket.close();
      socket = connect();
      socket.set(zmq::sockopt::rcvtimeo, 200);
      link.connected(time.now());
      flush();
      read();
    } while (!link.is_open() && time.now() < deadline);
    socket.set(zmq::sockopt::rcvtimeo, 60'000);
  }

  system_time time;
  zmq::socket_t socket;
  link_state link;
  std::deque<protocol::downstream> heard;
};

TEST_F(impostor_test, a_worker_speaks_only_for_itself) {
  linked_peer s{connect("0#1"), worker()};
  s.say(beat(worker(0, 2)));
  EXPECT_EQ(box.wait<protocol_violation>(1).why.code, errc::engine_protocol);
  say(s.socket, "\xff\xff");
  EXPECT_EQ(box.wait<protocol_violation>(2).why.code, errc::bad_frame);
  s.socket.send(zmq::str_buffer("two"), zmq::send_flags::sndmore);
  s.socket.send(zmq::str_buffer("parts"));
  EXPECT_EQ(box.wait<protocol_violation>(3).why.code, errc::bad_frame);
  say(s.socket, "");
  EXPECT_EQ(box.wait<protocol_violation>(4).why.code, errc::bad_frame);
  s.say(protocol::encode(worker(), protocol::downstream{protocol::shutdown{}}, data_header_bytes));
  EXPECT_EQ(box.wait<protocol_violation>(5).why.code, errc::bad_frame)
      << "the other direction's words";
  say(s.socket, control_message({link_kind::open, 2, 0, 0, 0, {}}));
  EXPECT_EQ(box.wait<protocol_violation>(6).why.text, "the message names another incarnation");
  say(s.socket, control_message({link_kind::ack, 1, runtime_incarnation, 0, 99, {}}));
  EXPECT_EQ(box.wait<protocol_violation>(7).why.text,
            "it acknowledges frames that were never sent");
  s.say(beat(worker()));
  EXPECT_EQ(box.wait_frame<protocol::heartbeat>().sequence, 1U);
}

TEST_F(impostor_test, an_engine_of_another_protocol_version_is_named) {
  auto s = connect("0#1");
  auto hello = protocol::encode(worker(), protocol::upstream{protocol::hello{}});
  hello[1] = 1; // version 1 had no link
  say(s, hello);
  EXPECT_EQ(box.wait<protocol_violation>(1).why.text, "another protocol version");
}

TEST_F(impostor_test, a_connection_that_is_lost_costs_no_frame) {
  linked_peer s{connect("0#1"), worker()};
  s.say(beat(worker(), 1));
  box.wait_frame<protocol::heartbeat>(1);
  for (std::uint32_t i = 1; i <= 3; ++i) {
    host->send(worker(), protocol::assign{{job_id{"j"}, i}, "m", shared_text{"1"}});
  }
  ASSERT_TRUE(s.hear().has_value()); // the other two may wait in the socket, and are lost with it
  s.connect_again([&] { return connect("0#1"); });
  s.say(beat(worker(), 2));
  for (std::uint32_t i = 2; i <= 3; ++i) {
    const auto frame = s.hear();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(std::get<protocol::assign>(*frame).attempt.number, i);
  }
  EXPECT_EQ(box.wait_frame<protocol::heartbeat>(2).sequence, 2U);
  for (const auto& e : box.events()) {
    EXPECT_FALSE(std::holds_alternative<protocol_violation>(e));
  }
}

TEST_F(impostor_test, a_frame_for_a_worker_that_is_not_connected_yet_waits_for_it) {
  host->send(worker(), protocol::shutdown{});
  linked_peer s{connect("0#1"), worker()};
  const auto frame = s.hear();
  ASSERT_TRUE(frame.has_value());
  EXPECT_TRUE(std::holds_alternative<protocol::shutdown>(*frame));
}

TEST_F(impostor_test, an_unknown_peer_is_ignored) {
  auto stranger = connect("0#2");
  auto nameless = connect("");
  linked_peer known{connect("0#1"), worker()};
  say(stranger, beat(worker(0, 2)));
  say(nameless, beat(worker()));
  const auto deadline = system_time{}.now() + patience;
  std::size_t beats = 0;
  while (host->router().dropped_frames() < 2 && system_time{}.now() < deadline) {
    known.say(beat(worker()));
    box.wait_frame<protocol::heartbeat>(++beats);
  }
  EXPECT_EQ(host->router().dropped_frames(), 2U);
  for (const auto& e : box.events()) {
    EXPECT_FALSE(std::holds_alternative<protocol_violation>(e));
  }
}

TEST_F(impostor_test, nonsense_without_end_is_not_reported_without_end) {
  linked_peer s{connect("0#1"), worker()};
  for (int i = 0; i < 500; ++i) {
    say(s.socket, "\xff");
  }
  s.say(beat(worker()));
  box.wait_frame<protocol::heartbeat>();
  std::size_t reported = 0;
  for (const auto& e : box.events()) {
    reported += std::holds_alternative<protocol_violation>(e) ? 1 : 0;
  }
  EXPECT_EQ(reported, 16U);
}

TEST_F(impostor_test, a_worker_that_does_not_read_gets_a_bounded_backlog_in_order) {
  linked_peer s{connect("0#1"), worker()};
  s.say(beat(worker()));
  box.wait_frame<protocol::heartbeat>();
  constexpr int sent = 8'000; // more than all the queues on the way hold
  for (int i = 0; i < sent; ++i) {
    host->send(worker(), protocol::assign{{job_id{"j"}, static_cast<std::uint32_t>(i)},
                                          "m",
                                          shared_text{std::string(4'000, 'x')}});
  }
  std::uint32_t next = 0;
  do {
    const auto frame = s.hear();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(std::get<protocol::assign>(*frame).attempt.number, next++);
  } while (next < 2'000);
}

} // namespace
} // namespace tayfa::test
