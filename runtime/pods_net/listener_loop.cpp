// The ROUTER's thread of the listener: it binds, reads, writes and delivers.
#include "runtime/host/socket_messages.hpp"
#include "runtime/net/tcp_progress.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/endpoint.hpp"
#include "runtime/pods_net/listener_running.hpp"
#include "runtime/pods_net/peer_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tayfa::pods {

namespace {

using namespace std::chrono_literals;

constexpr int messages_per_round = 256;
constexpr unsigned rounds_before_ends = 64;
constexpr auto blocked_retry = 5ms;
constexpr auto look_pause = 500ms;
constexpr auto arrival_pause = 100ms; ///< at 500 MB/s, what CURVE can do, 50 MB arrive meanwhile
/// Messages that libzmq had read before it closed the connection are read within this time.
constexpr auto late_messages = 5s;

} // namespace

void zmq_listener::running::run() {
  own_thread_ = std::this_thread::get_id();
  std::optional<std::string> failed;
  try {
    loop();
  } catch (const std::exception& e) {
    failed = e.what();
  }
  inbox_.stop(); // the commands that are left are refused, and none follows
  for (auto& left : inbox_.take().commands) {
    if (auto* add = std::get_if<adding>(&left)) {
      add->done.set_value(fail(errc::wrong_state, "the listener is closed"));
    } else if (auto* remove = std::get_if<removing>(&left)) {
      remove->done.set_value(fail(errc::wrong_state, "the listener is closed"));
    }
  }
  if (failed) {
    log_.error("pod_socket_failed", {{"why", *failed}});
    sink_(listener_failed{{errc::io_error, "the pod link's socket failed: " + *failed}});
  }
}

void zmq_listener::running::loop() {
  for (;;) {
    const short wanted = delivered_->full() ? 0 : ZMQ_POLLIN;
    zmq::pollitem_t items[] = {{router_.handle(), 0, wanted, 0},
                               {nullptr, inbox_.descriptor(), ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, timeout_ms()) < 0 && zmq_errno() != EINTR) {
      throw zmq::error_t{};
    }
    auto [commands, stopping] = inbox_.take();
    for (auto& c : commands) {
      std::visit([this](auto& body) { on(body); }, c);
    }
    if (stopping) {
      return;
    }
    const bool more = read_messages();
    for (const auto& c : std::exchange(blocked_, {})) {
      write_queue(*c);
      if (!c->writing.empty() && !c->closed) {
        blocked_.push_back(c);
      }
    }
    report_ends(!more);
    const auto now = time_.now();
    if (now - looked_at_ >= look_pause) {
      looked_at_ = now;
      look_around(now);
    }
    if (now - arrivals_at_ >= arrival_pause) {
      arrivals_at_ = now;
      cut_endless_messages();
    }
  }
}

/// A connection's end follows its last message, unless others send without a pause.
void zmq_listener::running::report_ends(bool all_read) {
  if (ending_.empty() || (!all_read && ++rounds_with_ends_ < rounds_before_ends)) {
    return;
  }
  rounds_with_ends_ = 0;
  for (const auto& c : std::exchange(ending_, {})) {
    end(c);
  }
}

int zmq_listener::running::timeout_ms() const {
  const std::chrono::milliseconds pause = blocked_.empty() ? arrival_pause : blocked_retry;
  return static_cast<int>(pause.count());
}

// ---- commands -----------------------------------------------------------------------------------

void zmq_listener::running::on(writing& c) {
  const bool was_blocked = !c.to->writing.empty();
  write_queue(*c.to);
  if (!was_blocked && !c.to->writing.empty() && !c.to->closed) {
    blocked_.push_back(std::move(c.to));
  }
}

void zmq_listener::running::on(dropping& c) {
  ++cut_;
  end(c.from);
}

void zmq_listener::running::on(ended& c) {
  const std::lock_guard guard{mutex_};
  if (const auto found = connections_.find(c.connection); found != connections_.end()) {
    ending_.push_back(found->second);
  }
}

void zmq_listener::running::on(reporting& c) {
  const std::lock_guard guard{delivering_};
  sink_(std::move(c.event));
}

void zmq_listener::running::on(adding& c) {
  c.done.set_value(bind(c.options));
}

void zmq_listener::running::on(removing& c) {
  if (zmq_unbind(router_.handle(), c.endpoint.c_str()) != 0) {
    c.done.set_value(fail(errc::not_found, "the link does not listen at " + c.endpoint + ": " +
                                               zmq_strerror(zmq_errno())));
  } else {
    looked_at_ = {}; // its connections end without a report
    c.done.set_value({});
  }
}

/// The options hold for endpoints that are bound later, so each has keys of its own.
result<std::string> zmq_listener::running::bind(const listen_options& options) {
  if (auto valid = may_bind(options.endpoint); !valid) {
    return fail(valid.error());
  }
  const bool curve = !options.keys.secret_key.empty();
  if (!curve && !is_local(options.endpoint)) {
    return fail(errc::bad_config, "the link listens at " + options.endpoint +
                                      ", which other machines reach, only with the head's key");
  }
  if (curve) {
    const auto pair = pair_of(options.keys.secret_key);
    if (!pair) {
      return fail(pair.error());
    }
    if (pair->public_key != options.keys.public_key) {
      return fail(errc::bad_config, "the head's public key is not that of its secret key");
    }
  }
  try {
    // With it 127.0.0.1 would become an IPv6 address that reads differently.
    router_.set(zmq::sockopt::ipv6, options.endpoint.find_first_of("[*") != std::string::npos);
    router_.set(zmq::sockopt::zap_domain, curve ? curve_domain : local_domain);
    router_.set(zmq::sockopt::curve_server, curve);
    if (curve) {
      std::string secret{options.keys.secret_key.reveal()};
      router_.set(zmq::sockopt::curve_secretkey, secret);
      ::explicit_bzero(secret.data(), secret.size());
    }
    router_.bind(options.endpoint);
    return router_.get(zmq::sockopt::last_endpoint);
  } catch (const zmq::error_t& e) {
    return fail(e.num() == EADDRINUSE ? errc::port_in_use : errc::io_error,
                "the link cannot listen at " + options.endpoint + ": " + e.what());
  }
}

// ---- out ----------------------------------------------------------------------------------------

/// Writes what waits for the connection, until the socket takes no more; then `writing` has the
/// rest.
void zmq_listener::running::write_queue(connection& c) {
  for (;;) {
    if (c.closed) {
      return;
    }
    if (c.writing.empty()) {
      const std::lock_guard guard{mutex_};
      c.posted = false;
      c.writing = c.queue.take();
      if (c.writing.empty()) {
        return;
      }
    }
    const auto how = send_addressed(router_, c.route, c.writing.front());
    if (how == written::later) {
      return;
    }
    if (how == written::unreachable) {
      end(c.id);
      return;
    }
    bool room = false;
    {
      const std::lock_guard guard{mutex_};
      c.queue.written(c.writing.front());
      room = c.queue.has_room_again(limits_.sends);
    }
    c.writing.pop_front();
    if (room) {
      deliver(c, pods::writable{c.id});
    }
  }
}

// ---- in -----------------------------------------------------------------------------------------

/// True when there may be more to read.
bool zmq_listener::running::read_messages() {
  zmq::message_t address;
  zmq::message_t body;
  for (int i = 0; i < messages_per_round && !delivered_->full(); ++i) {
    if (!receive_addressed(router_, address, body)) {
      return false;
    }
    on_message({static_cast<const char*>(address.data()), address.size()}, body);
  }
  return true;
}

void zmq_listener::running::on_message(std::string_view route, zmq::message_t& body) {
  const char* key = zmq_msg_gets(body.handle(), "User-Id");
  const int fd = zmq_msg_get(body.handle(), ZMQ_SRCFD);
  auto found = by_route_.find(route);
  if (key == nullptr) {
    // No message of one part, so it proves nothing; one that the link itself would refuse.
    if (found != by_route_.end()) {
      drop(found->second->id);
    }
    ++late_;
    return;
  }
  if (found != by_route_.end() && !found->second->closed &&
      (found->second->key != key || found->second->fd != fd)) {
    end(found->second); // another connection has chosen the same routing id since
    by_route_.erase(found);
    found = by_route_.end();
  }
  if (found != by_route_.end() && found->second->closed) {
    ++late_;
    return;
  }
  const auto from = found != by_route_.end() ? found->second : begin(route, key, fd);
  if (!from) {
    ++late_;
    return;
  }
  ++from->messages;
  deliver(*from, received{from->id, from->key, body.to_string(), delivered_->take(body.size())});
}

/// A connection's first message. Empty when the connection has ended already, or its key has been
/// revoked meanwhile.
zmq_listener::running::connection_ptr zmq_listener::running::begin(std::string_view route,
                                                                   const char* key, int fd) {
  const auto peer = peer_of(fd);
  if (!peer) {
    return nullptr;
  }
  if (!is_admitted(key)) {
    shut_down(fd, peer->whole);
    refuse(peer->address, "its key was revoked before its first message");
    return nullptr;
  }
  auto made = std::make_shared<connection>(new_connection_id(), route, key, fd);
  connection_id replaced = 0;
  {
    const std::lock_guard guard{accepted_mutex_};
    replaced = accepted_.heard(fd, *peer, made->id, time_.now());
  }
  if (replaced != 0) {
    end(replaced);
  }
  {
    const std::lock_guard guard{mutex_};
    connections_.emplace(made->id, made);
  }
  by_route_.insert_or_assign(made->route, made);
  return made;
}

bool zmq_listener::running::is_admitted(const std::string& user) const {
  const auto list = zap_->list();
  if (user.empty()) {
    return true; // a local endpoint
  }
  if (list == nullptr) {
    return false;
  }
  if (const auto found = list->keys.find(user); found != list->keys.end()) {
    return found->second.empty();
  }
  return std::any_of(list->keys.begin(), list->keys.end(), [&](const auto& one) {
    return !one.second.empty() && user == "join:" + one.second;
  });
}

void zmq_listener::running::deliver(connection& c, listener_event event) {
  const std::lock_guard guard{delivering_};
  if (!c.closed) {
    sink_(std::move(event));
  }
}

// ---- ends ---------------------------------------------------------------------------------------

void zmq_listener::running::end(connection_id which) {
  connection_ptr found;
  {
    const std::lock_guard guard{mutex_};
    const auto at = connections_.find(which);
    found = at != connections_.end() ? at->second : nullptr;
  }
  if (found) {
    end(found);
  }
}

/// The connection's last event. Its routing id is remembered for a while, so that messages that
/// libzmq still holds are recognised as late.
void zmq_listener::running::end(const connection_ptr& c) {
  {
    const std::lock_guard guard{mutex_};
    connections_.erase(c->id);
    c->queue = {};
  }
  c->closed = true;
  c->writing.clear();
  if (std::exchange(c->reported_gone, true)) {
    return;
  }
  c->forgotten_at = time_.now() + late_messages;
  const std::lock_guard guard{delivering_};
  sink_(pods::gone{c->id});
}

void zmq_listener::running::look_around(moment now) {
  accepted_sockets::overdue_sockets overdue;
  {
    const std::lock_guard guard{accepted_mutex_};
    overdue = accepted_.overdue(now);
    const auto swept = accepted_.sweep(
        [](int fd, const peer_name& listed) { return pods::peer_of(fd) == listed; });
    overdue.ended.insert(overdue.ended.end(), swept.begin(), swept.end());
  }
  for (const auto& [fd, peer] : overdue.silent) {
    if (shut_down(fd, peer.whole)) {
      ++cut_;
      refuse(peer.address, "it was connected and silent for too long");
    }
  }
  for (const auto id : overdue.ended) {
    end(id);
  }
  std::erase_if(by_route_, [&](const auto& one) {
    return one.second->reported_gone && now >= one.second->forgotten_at;
  });
  const bool hangs = zap_->busy_for() >= limits_.handler_patience;
  if (hangs && !handler_hangs_) {
    log_.error("pod_admission_hangs", {{"why", "the ZAP handler is at one request"}});
    fail_with({errc::unavailable,
               "no pod can join, connected ones go on: the ZAP handler hangs at one request"});
  }
  handler_hangs_ = hangs;
}

/// A message of many parts is whole for the ROUTER only with its last one, and libzmq keeps any
/// number of them. A connection on which bytes arrive and no message becomes whole is cut.
void zmq_listener::running::cut_endless_messages() {
  std::vector<connection_id> endless;
  for (const auto& [route, c] : by_route_) {
    const auto arrived = c->closed ? std::nullopt : arrived_bytes(c->fd);
    if (!arrived) {
      continue;
    }
    if (c->messages != c->messages_seen) {
      c->messages_seen = c->messages;
      c->arrived = *arrived;
    } else if (*arrived > c->arrived + limits_.unfinished_message_bytes) {
      endless.push_back(c->id);
    }
  }
  std::vector<std::pair<int, peer_name>> unfinished;
  {
    const std::lock_guard guard{accepted_mutex_};
    unfinished = accepted_.unfinished_sockets();
  }
  for (const auto& [fd, peer] : unfinished) {
    if (arrived_bytes(fd).value_or(0) > limits_.unfinished_message_bytes &&
        shut_down(fd, peer.whole)) {
      ++cut_;
      refuse(peer.address, "its first message has no end");
    }
  }
  for (const auto id : endless) {
    log_.warn("pod_cut", {{"connection", id}, {"why", "a message without an end"}});
    drop(id);
  }
}

} // namespace tayfa::pods
