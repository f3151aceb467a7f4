// The listener among peers that are no pods, or no honest ones. In each test an honest pod is
// served before and after.
#include "tests/unit/pods_net/fixture.hpp"

#include "runtime/net/tcp_progress.hpp"

#include <atomic>
#include <future>
#include <thread>
#include <utility>

namespace tayfa::pods::test {
namespace {

struct hostile_test : pods_net_test {
  pod honest;
  connection_id of_honest = 0;

  void start_with_honest(const listener_limits& limits = small_limits()) {
    start(limits);
    admit({honest.keys.public_key});
    ASSERT_TRUE(honest.is_let_in(endpoint, head.public_key));
    honest.say("before");
    of_honest = wait_for("before").connection;
  }
  /// The honest pod's connection is the same as before, in both directions.
  void expect_honest_is_served() {
    EXPECT_EQ(honest.say("still here"), sent::yes);
    EXPECT_EQ(wait_for("still here").connection, of_honest);
    EXPECT_EQ(listener->send(of_honest, message("so am I")), sent::yes);
    EXPECT_EQ(honest.box.wait<message_in>().bytes, "so am I");
    EXPECT_EQ(honest.box.count<connection_ended>(), 0U);
  }
};

TEST_F(hostile_test, an_unknown_key_is_refused_and_reported) {
  start_with_honest();
  pod stranger;
  stranger.connect(endpoint, head.public_key);
  const auto end = stranger.wait_for_end();
  EXPECT_EQ(end.why, cut::refused) << end.text;
  const auto report = box.wait<refused_peer>();
  EXPECT_EQ(report.address, "127.0.0.1");
  EXPECT_NE(report.why.find(stranger.keys.public_key), std::string::npos) << report.why;
  EXPECT_EQ(stranger.box.count<connected>(), 0U);
  expect_honest_is_served();
}

TEST_F(hostile_test, a_peer_without_keys_never_reaches_the_application) {
  start_with_honest();
  zmq::context_t context;
  auto plain = bare_dealer(context, endpoint, {}, {});
  plain.send(zmq::str_buffer("plain"));
  const auto report = box.wait<refused_peer>();
  // libzmq may close its socket before the listener looks at it.
  if (report.address.empty()) {
    EXPECT_NE(report.why.find("gone before"), std::string::npos) << report.why;
  } else {
    EXPECT_EQ(report.address, "127.0.0.1");
  }
  expect_honest_is_served();
  EXPECT_EQ(box.count<received>(), 0U);
}

TEST_F(hostile_test, bytes_of_other_protocols_are_closed_and_delivered_to_nobody) {
  start_with_honest();
  const std::vector<std::string> openings{
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      std::string(4'096, '\0'),
      std::string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11} + std::string(500, 'r'),
      std::string{"\x01\x00\x05hello", 8}, // ZMTP 1
      std::string{"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x00NULL", 16} + std::string(48, '\0') +
          std::string{"\x00\x05hello", 7}, // ZMTP 3 with NULL, and a frame before the handshake
      std::string(100'000, '\xff'),
  };
  for (const auto& opening : openings) {
    raw_peer peer{endpoint};
    ASSERT_TRUE(peer.is_connected());
    peer.send(opening);
    EXPECT_TRUE(peer.is_closed_within(patience)) << opening.substr(0, 8);
  }
  expect_honest_is_served();
  EXPECT_EQ(box.count<received>(), 0U);
  EXPECT_TRUE(comes_true([&] { return listener->counters().refused >= openings.size(); }));
}

TEST_F(hostile_test, silent_connections_are_closed_and_a_pod_joins_beside_them) {
  start_with_honest();
  std::vector<std::unique_ptr<raw_peer>> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(std::make_unique<raw_peer>(endpoint));
    ASSERT_TRUE(silent.back()->is_connected());
    if (i % 2 == 0) {
      silent.back()->send(std::string{"\xff\0\0\0\0\0\0\0\x01", 9}); // half a greeting
    }
  }
  pod late;
  admit({honest.keys.public_key, late.keys.public_key});
  EXPECT_TRUE(late.is_let_in(endpoint, head.public_key));
  expect_honest_is_served();
  for (auto& one : silent) {
    EXPECT_TRUE(one->is_closed_within(patience));
  }
  late.say("late");
  wait_for("late");
}

TEST_F(hostile_test,
       unfinished_handshakes_are_bounded_for_each_address_and_do_not_hold_descriptors) {
  auto limits = small_limits();
  limits.sockets.handshake = 60'000ms; // the limit closes them, not the time
  limits.accepted.silent = 60s;
  limits.accepted.unfinished_per_address = 10;
  start_with_honest(limits);
  std::vector<std::unique_ptr<raw_peer>> silent;
  for (int i = 0; i < 60; ++i) {
    silent.push_back(std::make_unique<raw_peer>(endpoint));
    ASSERT_TRUE(silent.back()->is_connected());
  }
  int kept = 0;
  for (auto& one : silent) {
    // The first ones stay; for the others the end is waited for.
    kept += one->is_closed_within(&one - silent.data() < 10 ? 200ms : patience) ? 0 : 1;
  }
  EXPECT_EQ(kept, 10);
  EXPECT_TRUE(comes_true([&] { return listener->counters().unfinished == 10; }));
  EXPECT_LE(listener->counters().connections, 11U);
  EXPECT_GE(listener->counters().refused, 50U);
  expect_honest_is_served();
  silent.clear();
  pod late;
  admit({honest.keys.public_key, late.keys.public_key});
  EXPECT_TRUE(comes_true([&] { return listener->counters().unfinished == 0; }));
  EXPECT_TRUE(late.is_let_in(endpoint, head.public_key)) << "their places are free again";
}

TEST_F(hostile_test, all_connections_are_bounded_before_the_descriptors_end) {
  auto limits = small_limits();
  limits.accepted.connections = 3;
  start_with_honest(limits);
  pod second;
  pod third;
  pod fourth;
  admit({honest.keys.public_key, second.keys.public_key, third.keys.public_key,
         fourth.keys.public_key});
  for (auto* one : {&second, &third}) {
    ASSERT_TRUE(one->is_let_in(endpoint, head.public_key));
    one->say("here");
    wait_for("here");
  }
  fourth.connect(endpoint, head.public_key);
  EXPECT_EQ(fourth.wait_for_end().why, cut::unreachable);
  EXPECT_NE(box.wait<refused_peer>().why.find("3 connections"), std::string::npos);
  expect_honest_is_served();
  second.connector->disconnect();
  box.wait<gone>();
  EXPECT_TRUE(fourth.is_let_in(endpoint, head.public_key));
}

TEST_F(hostile_test, a_peer_that_is_let_in_and_silent_is_closed) {
  auto limits = small_limits();
  limits.accepted.silent = 1s;
  start_with_honest(limits);
  pod silent;
  admit({honest.keys.public_key, silent.keys.public_key});
  ASSERT_TRUE(silent.is_let_in(endpoint, head.public_key));
  EXPECT_EQ(silent.wait_for_end().why, cut::ended);
  EXPECT_NE(box.wait<refused_peer>().why.find("silent"), std::string::npos);
  expect_honest_is_served();
}

TEST_F(hostile_test, a_message_that_is_too_large_ends_its_connection_and_no_other) {
  start_with_honest();
  zmq::context_t context;
  const auto keys = new_keys();
  admit({honest.keys.public_key, keys.public_key});
  auto large = bare_dealer(context, endpoint, head.public_key, keys);
  large.send(zmq::str_buffer("small"));
  const auto id = wait_for("small").connection;
  large.send(zmq::message_t{listener_limits{}.sockets.message_bytes + 1}, zmq::send_flags::none);
  EXPECT_EQ(box.wait<gone>().connection, id);
  EXPECT_EQ(box.count<received>(), 0U);
  expect_honest_is_served();
}

TEST_F(hostile_test, a_message_of_several_parts_ends_its_connection) {
  start_with_honest();
  zmq::context_t context;
  const auto keys = new_keys();
  admit({honest.keys.public_key, keys.public_key});
  auto parts = bare_dealer(context, endpoint, head.public_key, keys);
  parts.send(zmq::str_buffer("one"));
  const auto id = wait_for("one").connection;
  parts.send(zmq::str_buffer("two"), zmq::send_flags::sndmore);
  parts.send(zmq::str_buffer("parts"));
  EXPECT_EQ(box.wait<gone>().connection, id);
  EXPECT_EQ(box.count<received>(), 0U);
  expect_honest_is_served();
}

/// The beginning of a peer without keys that speaks ZMTP 3 by itself, as ZeroMQ's own sockets send
/// no message before it is whole.
std::string zmtp_opening() {
  std::string greeting{"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x00NULL", 16};
  greeting.resize(64, '\0');
  const std::string ready = std::string{"\x05READY", 6} + std::string{"\x0bSocket-Type\0\0\0\x06"
                                                                      "DEALER",
                                                                      22};
  return greeting + std::string{"\x04", 1} + static_cast<char>(ready.size()) + ready;
}
/// A frame; `more` follow in the same message.
std::string zmtp_frame(const std::string& body, bool more) {
  std::string out(1, more ? '\x03' : '\x02');
  for (int shift = 56; shift >= 0; shift -= 8) {
    out += static_cast<char>(body.size() >> static_cast<unsigned>(shift) & 255U);
  }
  return out + body;
}

TEST_F(hostile_test, a_message_without_an_end_is_cut_before_it_fills_the_memory) {
  auto limits = small_limits();
  limits.unfinished_message_bytes = 4 << 20;
  start_with_honest(limits);
  const auto local = listener->add_endpoint({"tcp://127.0.0.1:0", {}});
  ASSERT_TRUE(local.has_value());
  const auto part = zmtp_frame(std::string(64 << 10, 'p'), true);
  for (const bool says_something_first : {true, false}) {
    raw_peer endless{*local};
    ASSERT_TRUE(endless.send(zmtp_opening()));
    ASSERT_TRUE(endless.read(zmtp_opening().size())) << "the handshake is not complete";
    if (says_something_first) {
      ASSERT_TRUE(endless.send(zmtp_frame("first", false)));
      wait_for("first");
    }
    std::size_t bytes = 0;
    while (bytes < std::size_t{2} << 30 && endless.send(part)) {
      bytes += part.size();
      std::this_thread::yield();
    }
    std::printf("it was cut after %zu MiB\n", bytes >> 20);
    EXPECT_GT(bytes, limits.unfinished_message_bytes);
    EXPECT_LT(bytes, std::size_t{2} << 30);
    if (says_something_first) {
      box.wait<gone>();
    }
  }
  EXPECT_EQ(box.count<received>(), 0U);
  expect_honest_is_served();
}

TEST_F(hostile_test, large_messages_that_end_are_not_taken_for_endless_ones) {
  auto limits = small_limits();
  limits.unfinished_message_bytes = 1 << 20;
  start_with_honest(limits);
  std::size_t full = 0;
  for (int i = 0; i < 200;) {
    const auto how = honest.connector->send(message(std::string(200'000, 'b')));
    ASSERT_NE(how, sent::gone);
    if (how == sent::yes) {
      ++i;
    } else {
      ++full;
      honest.box.wait<connection_writable>();
    }
  }
  for (int i = 0; i < 200; ++i) {
    box.wait<received>();
  }
  expect_honest_is_served();
}

TEST_F(hostile_test, a_routing_id_of_another_pod_gives_nothing) {
  start_with_honest();
  zmq::context_t context;
  const auto first_keys = new_keys();
  const auto other_keys = new_keys();
  admit({honest.keys.public_key, first_keys.public_key, other_keys.public_key});
  auto first = bare_dealer(context, endpoint, head.public_key, first_keys, "same");
  first.send(zmq::str_buffer("mine"));
  const auto of_first = wait_for("mine");
  auto other = bare_dealer(context, endpoint, head.public_key, other_keys, "same");
  other.send(zmq::str_buffer("now mine"));
  listener->send(of_first.connection, message("for the first"));
  zmq::message_t heard;
  ASSERT_TRUE(first.recv(heard));
  EXPECT_EQ(heard.to_string(), "for the first");
  first.close();
  EXPECT_EQ(box.wait<gone>().connection, of_first.connection);
  EXPECT_EQ(box.count<received>(), 0U) << "nothing of the other one arrived";
  EXPECT_EQ(listener->send(of_first.connection, message("for the first")), sent::gone);
  // An id is a new connection for each peer that has chosen it.
  for (int i = 0; i < 3; ++i) {
    const auto id = "chosen " + std::to_string(i);
    auto again = bare_dealer(context, endpoint, head.public_key, other_keys, id);
    again.send(zmq::str_buffer("again"));
    const auto said = wait_for("again");
    EXPECT_EQ(said.key, other_keys.public_key);
    EXPECT_NE(said.connection, of_first.connection);
    again.close();
    EXPECT_EQ(box.wait<gone>().connection, said.connection);
  }
  expect_honest_is_served();
}

// ---- revocation ---------------------------------------------------------------------------------

/// Sends as fast as it can until its connection ends.
struct flooding_pod {
  explicit flooding_pod(hostile_test& test) : at(test) {}
  ~flooding_pod() {
    stop = true;
    if (sender.joinable()) {
      sender.join();
    }
  }
  void flood() {
    sender = std::thread{[this] {
      const auto large = message(std::string(64 << 10, 'f'));
      for (auto how = sent::yes; !stop && how != sent::gone;) {
        how = peer.connector->send(large);
        if (how == sent::full && !std::exchange(was_clogged, true)) {
          clogged.set_value();
        }
        std::this_thread::yield();
      }
    }};
  }
  hostile_test& at;
  pod peer;
  std::atomic<bool> stop{false};
  std::promise<void> clogged; ///< every queue between it and the sink is full
  bool was_clogged = false;   ///< the sender's
  std::thread sender;
};

TEST_F(hostile_test, nothing_of_a_revoked_pod_is_delivered_once_it_has_been_dropped) {
  start_with_honest();
  flooding_pod liar{*this};
  admit({honest.keys.public_key, liar.peer.keys.public_key});
  ASSERT_TRUE(liar.peer.is_let_in(endpoint, head.public_key));
  liar.flood();
  const auto id = box.wait<received>().connection;
  for (int i = 0; i < 100; ++i) {
    box.wait<received>();
  }
  admit({honest.keys.public_key});
  const auto began = std::chrono::steady_clock::now();
  listener->drop(id);
  box.clear(); // whatever came before drop() returned
  EXPECT_EQ(listener->send(id, message("x")), sent::gone);
  const auto end = liar.peer.wait_for_end();
  const auto took = std::chrono::steady_clock::now() - began;
  std::printf(
      "the revoked pod's connection had ended %lld us after drop() began\n",
      static_cast<long long>(std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  EXPECT_EQ(end.why, cut::ended);
  liar.peer.connect(endpoint, head.public_key);
  EXPECT_EQ(liar.peer.wait_for_end().why, cut::refused);
  expect_honest_is_served();
  EXPECT_EQ(box.count<received>(), 0U) << "nothing of it came after drop()";
  EXPECT_LE(box.count<gone>([&](const gone& g) { return g.connection == id; }), 1U);
  // Trusted again, it is let in by the next try.
  admit({honest.keys.public_key, liar.peer.keys.public_key});
  ASSERT_TRUE(liar.peer.is_let_in(endpoint, head.public_key));
  liar.peer.say("trusted again");
  EXPECT_NE(wait_for("trusted again").connection, id);
}

TEST_F(hostile_test, a_pod_that_is_revoked_between_its_handshake_and_its_first_message_is_cut_off) {
  start_with_honest();
  pod late;
  admit({honest.keys.public_key, late.keys.public_key});
  ASSERT_TRUE(late.is_let_in(endpoint, head.public_key));
  admit({honest.keys.public_key});
  late.say("too late");
  EXPECT_EQ(late.wait_for_end().why, cut::ended);
  // The monitor may report before that how the connection ended.
  box.wait<refused_peer>(
      [](const refused_peer& r) { return r.why.find("was revoked before") != std::string::npos; });
  expect_honest_is_served();
  EXPECT_EQ(box.count<received>(), 0U);
}

TEST_F(hostile_test, a_connection_that_is_dropped_by_the_sink_is_silent_at_once) {
  std::atomic<int> after{0};
  std::atomic<connection_id> dropped{0};
  start();
  listener->close();
  flooding_pod liar{*this};
  auto clogged = liar.clogged.get_future();
  const auto bound = listener->open({"tcp://127.0.0.1:0", head}, [&](listener_event e) {
    if (const auto* one = std::get_if<received>(&e)) {
      after += one->connection == dropped.load() ? 1 : 0;
      if (dropped == 0) {
        EXPECT_EQ(clogged.wait_for(patience), std::future_status::ready);
        listener->drop(one->connection);
        dropped = one->connection;
      }
    }
    box.sink()(std::move(e));
  });
  ASSERT_TRUE(bound.has_value());
  admit({liar.peer.keys.public_key});
  ASSERT_TRUE(liar.peer.is_let_in(*bound, head.public_key));
  liar.flood();
  EXPECT_EQ(liar.peer.wait_for_end().why, cut::ended);
  const auto last = box.wait<gone>().connection; // the sink has returned from its drop()
  EXPECT_EQ(last, dropped.load());
  EXPECT_EQ(after, 0);
  listener->close(); // before what its sink uses
}

// ---- join tokens --------------------------------------------------------------------------------

TEST_F(hostile_test, a_token_lets_a_peer_in_under_its_own_name_until_it_is_used) {
  start_with_honest();
  const auto token = new_keys();
  admit({honest.keys.public_key}, {{token.public_key, "00112233445566ff"}});
  pod newcomer{token};
  ASSERT_TRUE(newcomer.is_let_in(endpoint, head.public_key));
  newcomer.say("my key is …");
  EXPECT_EQ(wait_for("my key is …").key, "join:00112233445566ff");
  // Two at once with one token: the application decides by the list; the listener keeps them apart.
  pod second{token};
  ASSERT_TRUE(second.is_let_in(endpoint, head.public_key));
  second.say("mine too");
  EXPECT_EQ(wait_for("mine too").key, "join:00112233445566ff");
  // The token is used: its key is let in no more, and the pod's own key is.
  pod joined;
  admit({honest.keys.public_key, joined.keys.public_key});
  EXPECT_TRUE(joined.is_let_in(endpoint, head.public_key));
  pod replay{token};
  replay.connect(endpoint, head.public_key);
  EXPECT_EQ(replay.wait_for_end().why, cut::refused);
  expect_honest_is_served();
}

} // namespace
} // namespace tayfa::pods::test
