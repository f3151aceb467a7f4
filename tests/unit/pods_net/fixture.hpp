// A head's listener on loopback, and peers: connectors, bare sockets of ZeroMQ and of TCP. All
// waits are for events; the patience is far above anything expected.
#pragma once

#include "runtime/base/secrets.hpp"
#include "runtime/base/unique_fd.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/endpoint.hpp"
#include "runtime/pods_net/zmq_connector.hpp"
#include "runtime/pods_net/zmq_listener.hpp"
#include "runtime/telemetry/memory_log.hpp"

#include <arpa/inet.h>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <variant>
#include <vector>

namespace tayfa::pods::test {

using namespace std::chrono_literals;

inline constexpr auto patience = 60s;

inline key_pair new_keys() {
  static system_secrets secrets;
  auto made = make_key_pair(secrets);
  EXPECT_TRUE(made.has_value());
  return made ? *made : key_pair{};
}

inline link_message message(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

/// Events in the order in which they came, to be waited for.
template <class Event>
class event_box {
 public:
  std::function<void(Event)> sink() {
    return [this](Event e) {
      const std::lock_guard guard{mutex_};
      events_.push_back(std::move(e));
      changed_.notify_all();
    };
  }
  /// The first event of this kind for which `fits` holds, which is taken out; nothing when the
  /// patience ends.
  template <class Kind>
  std::optional<Kind> take(std::chrono::nanoseconds most,
                           const std::function<bool(const Kind&)>& fits = {}) {
    std::unique_lock guard{mutex_};
    std::optional<Kind> out;
    changed_.wait_for(guard, most, [&] {
      for (auto it = events_.begin(); it != events_.end(); ++it) {
        if (const auto* one = std::get_if<Kind>(&*it); one != nullptr && (!fits || fits(*one))) {
          out = *one;
          events_.erase(it);
          return true;
        }
      }
      return false;
    });
    return out;
  }
  template <class Kind>
  Kind wait(const std::function<bool(const Kind&)>& fits = {}) {
    const auto found = take<Kind>(patience, fits);
    EXPECT_TRUE(found.has_value()) << "no such event";
    return found.value_or(Kind{});
  }
  template <class Kind>
  std::size_t count(const std::function<bool(const Kind&)>& fits = {}) {
    const std::lock_guard guard{mutex_};
    std::size_t n = 0;
    for (const auto& e : events_) {
      const auto* one = std::get_if<Kind>(&e);
      n += one != nullptr && (!fits || fits(*one)) ? 1 : 0;
    }
    return n;
  }
  void clear() {
    const std::lock_guard guard{mutex_};
    events_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;
};

using listener_box = event_box<listener_event>;
using connector_box = event_box<connector_event>;

/// True when it becomes so within the patience.
inline bool comes_true(const std::function<bool()>& it) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!it() && std::chrono::steady_clock::now() < until) {
    ::poll(nullptr, 0, 1);
  }
  return it();
}

/// Small limits, so that a test reaches them, and needs few descriptors.
inline listener_limits small_limits() {
  listener_limits out;
  out.sockets.handshake = 2'000ms;
  out.accepted = {.connections = 256, .unfinished = 200, .unfinished_per_address = 200};
  return out;
}

/// A plain TCP connection, without any protocol.
class raw_peer {
 public:
  explicit raw_peer(const std::string& endpoint) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const auto parsed = parse_tcp(endpoint);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(parsed->port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  bool is_connected() const { return connected_; }
  /// False when the other end has closed the connection.
  bool send(const std::string& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const auto sent = ::send(fd_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (sent < 0) {
        return false;
      }
      done += static_cast<std::size_t>(sent);
    }
    return true;
  }
  /// False when fewer bytes come.
  bool read(std::size_t bytes) {
    for (char c = 0; bytes > 0; --bytes) {
      if (::recv(fd_.get(), &c, 1, 0) != 1) {
        return false;
      }
    }
    return true;
  }
  /// True when the other end closes the connection within the time; what it says is read.
  bool is_closed_within(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      pollfd p{fd_.get(), POLLIN, 0};
      if (left.count() <= 0 || ::poll(&p, 1, static_cast<int>(left.count())) <= 0) {
        return false;
      }
      char buffer[4'096];
      if (::recv(fd_.get(), buffer, sizeof buffer, 0) <= 0) {
        return true;
      }
    }
  }

 private:
  unique_fd fd_;
  bool connected_ = false;
};

struct pods_net_test : testing::Test {
  system_time time;
  memory_log log{time};
  key_pair head = new_keys();
  listener_box box; ///< outlives the listener
  std::unique_ptr<zmq_listener> listener;
  std::string endpoint;

  void start(const listener_limits& limits = small_limits(),
             std::function<void(const zap_request&)> deciding = {}) {
    listener = std::make_unique<zmq_listener>(time, log, limits, std::move(deciding));
    auto bound = listener->open({"tcp://127.0.0.1:0", head}, box.sink());
    ASSERT_TRUE(bound.has_value()) << bound.error().str();
    endpoint = *bound;
  }
  void admit(const std::vector<std::string>& trusted,
             const std::vector<std::pair<std::string, std::string>>& tokens = {}) {
    auto list = std::make_shared<admitted>();
    for (const auto& key : trusted) {
      list->keys.emplace(key, "");
    }
    for (const auto& [key, id] : tokens) {
      list->keys.emplace(key, id);
    }
    listener->admit(std::move(list));
  }
  received wait_for(const std::string& bytes) {
    return box.wait<received>([&](const received& r) { return r.bytes == bytes; });
  }
  void TearDown() override { listener.reset(); }
};

/// A pod's connector with its events.
struct pod {
  explicit pod(key_pair own = new_keys(), connector_limits limits = {})
      : keys(std::move(own)), connector(std::make_unique<zmq_connector>(time, limits)) {}
  ~pod() { connector.reset(); }
  void connect(const std::string& endpoint, const std::string& head_key) {
    connector->connect({endpoint, head_key, keys}, box.sink());
  }
  bool is_let_in(const std::string& endpoint, const std::string& head_key) {
    connect(endpoint, head_key);
    return box.take<connected>(patience).has_value();
  }
  connection_ended wait_for_end() { return box.wait<connection_ended>(); }
  sent say(const std::string& text) { return connector->send(message(text)); }

  system_time time;
  key_pair keys;
  connector_box box;
  std::unique_ptr<zmq_connector> connector;
};

/// A socket of ZeroMQ that does as it likes.
inline zmq::socket_t bare_dealer(zmq::context_t& context, const std::string& endpoint,
                                 const std::string& head_key, const key_pair& keys,
                                 const std::string& routing_id = {}) {
  zmq::socket_t s{context, zmq::socket_type::dealer};
  s.set(zmq::sockopt::linger, 0);
  s.set(zmq::sockopt::rcvtimeo, 60'000);
  if (!routing_id.empty()) {
    s.set(zmq::sockopt::routing_id, routing_id);
  }
  if (!head_key.empty()) {
    s.set(zmq::sockopt::curve_serverkey, head_key);
    s.set(zmq::sockopt::curve_publickey, keys.public_key);
    s.set(zmq::sockopt::curve_secretkey, std::string{keys.secret_key.reveal()});
  }
  s.connect(endpoint);
  return s;
}

} // namespace tayfa::pods::test
