// The connector: each way in which a try ends, and what a pod can conclude from it.
#include "tests/unit/pods_net/fixture.hpp"

#include <thread>

namespace tayfa::pods::test {
namespace {

struct connector_test : pods_net_test {
  pod one;

  void start_admitting() {
    start();
    admit({one.keys.public_key});
  }
  connection_ended end_of(const std::string& address) {
    one.connect(address, head.public_key);
    return one.wait_for_end();
  }
};

/// A TCP port at which `serve` has each connection that is accepted.
class tcp_server {
 public:
  explicit tcp_server(std::function<void(int)> serve)
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)), serve_(std::move(serve)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(fd_.get(), 8), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread{[this] {
      for (;;) {
        const unique_fd peer{::accept(fd_.get(), nullptr, nullptr)};
        if (!peer) {
          return;
        }
        serve_(peer.get());
      }
    }};
  }
  ~tcp_server() {
    ::shutdown(fd_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::string endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

 private:
  unique_fd fd_;
  std::function<void(int)> serve_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST_F(connector_test, a_port_at_which_nothing_listens_is_unreachable) {
  start();
  listener->close();
  const auto end = end_of(endpoint);
  EXPECT_EQ(end.why, cut::unreachable);
  EXPECT_NE(end.text.find(endpoint), std::string::npos) << end.text;
}

TEST_F(connector_test, an_address_that_can_never_work_is_named_at_once) {
  for (const char* none : {"", "tcp://", "head", "tcp://head", "tcp://127.0.0.1:0", "tcp://h:99999",
                           "udp://h:1", "tcp://1.2.3:7000", "tcp://a b:7000", "tcp://::1:7000"}) {
    const auto end = end_of(none);
    EXPECT_EQ(end.why, cut::unreachable) << none;
    EXPECT_NE(end.text.find("HOST:PORT"), std::string::npos) << end.text;
  }
  const auto nowhere = end_of("tcp://nowhere.invalid:7000");
  EXPECT_EQ(nowhere.why, cut::unreachable);
  EXPECT_NE(nowhere.text.find("nowhere.invalid"), std::string::npos) << nowhere.text;
  one.connect("tcp://127.0.0.1:7000", "no key");
  EXPECT_EQ(one.wait_for_end().why, cut::wrong_head_key);
}

TEST_F(connector_test, a_name_is_resolved_and_its_addresses_are_tried_in_turn) {
  start_admitting();
  const auto port = std::to_string(parse_tcp(endpoint)->port);
  EXPECT_TRUE(one.is_let_in("tcp://localhost:" + port, head.public_key))
      << "also where the name has an IPv6 address at which nothing listens";
}

TEST_F(connector_test, a_refused_key_is_reported_as_such_and_may_be_let_in_later) {
  start();
  const auto end = end_of(endpoint);
  EXPECT_EQ(end.why, cut::refused) << end.text;
  EXPECT_EQ(end_of(endpoint).why, cut::refused);
  admit({one.keys.public_key});
  EXPECT_TRUE(one.is_let_in(endpoint, head.public_key));
}

TEST_F(connector_test, a_head_with_another_key_is_suspected_after_several_tries) {
  start_admitting();
  const auto other = new_keys().public_key;
  for (unsigned i = 1; i < connector_limits{}.unexplained_ends; ++i) {
    one.connect(endpoint, other);
    const auto end = one.wait_for_end();
    EXPECT_EQ(end.why, cut::unreachable) << i << ": " << end.text;
  }
  one.connect(endpoint, other);
  const auto end = one.wait_for_end();
  EXPECT_EQ(end.why, cut::wrong_head_key);
  EXPECT_NE(end.text.find("key"), std::string::npos);
  EXPECT_TRUE(one.is_let_in(endpoint, head.public_key)) << "with the right one it is let in";
  one.connector->disconnect();
  one.connect(endpoint, other);
  EXPECT_EQ(one.wait_for_end().why, cut::unreachable) << "and the count begins anew";
}

TEST_F(connector_test, something_else_at_the_address_is_no_head) {
  const tcp_server web{[](int fd) {
    const std::string answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    (void)!::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    char buffer[256];
    while (::recv(fd, buffer, sizeof buffer, 0) > 0) {
    }
  }};
  const auto end = end_of(web.endpoint());
  EXPECT_TRUE(end.why == cut::wrong_head_key || end.why == cut::unreachable) << end.text;
  zmq::context_t context;
  zmq::socket_t plain{context, zmq::socket_type::router};
  plain.bind("tcp://127.0.0.1:0");
  const auto no_curve = end_of(plain.get(zmq::sockopt::last_endpoint));
  EXPECT_NE(no_curve.why, cut::ended) << no_curve.text;
  EXPECT_EQ(one.box.count<connected>(), 0U);
}

TEST_F(connector_test, a_silent_peer_at_the_address_is_given_up) {
  connector_limits limits;
  limits.connect = 500ms;
  limits.sockets.handshake = 500ms;
  pod quick{new_keys(), limits};
  const tcp_server silent{[](int fd) {
    char buffer[256];
    while (::recv(fd, buffer, sizeof buffer, 0) > 0) {
    }
  }};
  quick.connect(silent.endpoint(), head.public_key);
  EXPECT_EQ(quick.wait_for_end().why, cut::unreachable);
}

TEST_F(connector_test, an_end_of_a_connection_comes_after_its_messages) {
  start_admitting();
  ASSERT_TRUE(one.is_let_in(endpoint, head.public_key));
  one.say("hello");
  const auto id = wait_for("hello").connection;
  listener->send(id, message("last"));
  EXPECT_EQ(one.box.wait<message_in>().bytes, "last");
  listener->drop(id);
  EXPECT_EQ(one.wait_for_end().why, cut::ended);
  EXPECT_EQ(one.say("late"), sent::gone);
  EXPECT_EQ(one.box.count<connection_ended>(), 0U) << "there is one end";
}

TEST_F(connector_test, nothing_is_delivered_after_disconnect) {
  start_admitting();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(one.is_let_in(endpoint, head.public_key));
    one.say("hello");
    const auto id = wait_for("hello").connection;
    for (int n = 0; n < 10; ++n) {
      listener->send(id, message("x"));
    }
    one.connector->disconnect();
    one.box.clear();
    EXPECT_EQ(one.say("late"), sent::gone);
    EXPECT_EQ(one.box.count<message_in>(), 0U);
    EXPECT_EQ(one.box.count<connection_ended>(), 0U);
    EXPECT_EQ(box.wait<gone>().connection, id);
    EXPECT_EQ(one.box.count<message_in>(), 0U);
  }
}

TEST_F(connector_test, a_new_try_ends_the_one_in_hand) {
  start_admitting();
  ASSERT_TRUE(one.is_let_in(endpoint, head.public_key));
  one.say("first");
  const auto first = wait_for("first").connection;
  ASSERT_TRUE(one.is_let_in(endpoint, head.public_key));
  EXPECT_EQ(box.wait<gone>().connection, first);
  EXPECT_EQ(one.say("second"), sent::yes);
  EXPECT_NE(wait_for("second").connection, first);
  EXPECT_EQ(one.box.count<connection_ended>(), 0U) << "whoever connects anew knows it";
}

TEST_F(connector_test, nothing_is_sent_before_the_head_has_let_the_pod_in) {
  start();
  EXPECT_EQ(one.say("too early"), sent::gone);
  one.connect(endpoint, head.public_key);
  EXPECT_EQ(one.wait_for_end().why, cut::refused);
  EXPECT_EQ(one.say("too late"), sent::gone);
}

TEST_F(connector_test, a_head_that_vanishes_without_a_word_is_noticed) {
  connector_limits limits;
  limits.sockets.heartbeat = 300ms;
  limits.sockets.heartbeat_timeout = 900ms;
  pod quick{new_keys(), limits};
  start();
  admit({quick.keys.public_key});
  // A proxy passes the bytes on, until it stops doing so and keeps both connections open.
  std::atomic<bool> passing{true};
  std::atomic<bool> done{false};
  const auto port = parse_tcp(endpoint)->port;
  {
    const tcp_server proxy{[&](int client) {
      const unique_fd server{::socket(AF_INET, SOCK_STREAM, 0)};
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(port);
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      ASSERT_EQ(::connect(server.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
      while (!done) {
        pollfd both[] = {{client, POLLIN, 0}, {server.get(), POLLIN, 0}};
        ::poll(both, passing ? 2 : 0, 50);
        for (int i = 0; i < 2 && passing; ++i) {
          char buffer[4'096];
          const auto got =
              (both[i].revents & POLLIN) != 0 ? ::recv(both[i].fd, buffer, sizeof buffer, 0) : 0;
          if (got > 0) {
            (void)!::send(both[1 - i].fd, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL);
          }
        }
      }
    }};
    EXPECT_TRUE(quick.is_let_in(proxy.endpoint(), head.public_key));
    quick.say("hello");
    wait_for("hello");
    passing = false;
    EXPECT_EQ(quick.wait_for_end().why, cut::ended);
    done = true;
  }
}

TEST(endpoint_texts, are_read_and_written) {
  EXPECT_EQ(*parse_tcp("tcp://head.example:7000"), (tcp_endpoint{"head.example", 7000}));
  EXPECT_EQ(*parse_tcp("head.example:7000"), (tcp_endpoint{"head.example", 7000}));
  EXPECT_EQ(*parse_tcp("[fd00::1]:65535"), (tcp_endpoint{"fd00::1", 65535}));
  EXPECT_EQ(to_string(*parse_tcp("[fd00::1]:65535")), "tcp://[fd00::1]:65535");
  EXPECT_EQ(to_string(*parse_tcp("10.0.0.1:1")), "tcp://10.0.0.1:1");
  for (const char* none : {"[10.0.0.1]:1", "fd00::1:1", "-x:1", "a:+1", "a:1 ", "a:", ":1", "[]:1",
                           "a:b:1", "tcp://tcp://a:1", "a\n:1", "999.0.0.1:1", "10.0.0:1"}) {
    EXPECT_FALSE(parse_tcp(none).has_value()) << none;
  }
  EXPECT_TRUE(is_local("ipc:///run/x"));
  EXPECT_TRUE(is_local("tcp://127.8.9.1:1"));
  EXPECT_TRUE(is_local("tcp://[::1]:1"));
  for (const char* wide : {"tcp://0.0.0.0:1", "tcp://localhost:1", "tcp://*:1", "tcp://[::]:1",
                           "tcp://128.0.0.1:1", "tcp://127.0.0.1.example:1"}) {
    EXPECT_FALSE(is_local(wide)) << wide;
  }
}

} // namespace
} // namespace tayfa::pods::test
