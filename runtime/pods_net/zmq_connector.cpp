#include "runtime/pods_net/zmq_connector.hpp"

#include "runtime/host/socket_messages.hpp"
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/socket_monitor.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tayfa::pods {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr int messages_per_round = 256;
constexpr auto refused_by_zap = 400U;
constexpr auto margin = 500ms;
constexpr int watched_events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_DISCONNECTED |
                               ZMQ_EVENT_CLOSED;

} // namespace

zmq_connector::zmq_connector(const time_source& time, connector_limits limits)
    : time_(time), limits_(limits), thread_([this] { run(); }) {}

zmq_connector::~zmq_connector() {
  disconnect();
  inbox_->stop();
  thread_.join();
}

// ---- any thread ---------------------------------------------------------------------------------

void zmq_connector::connect(const connect_options& options,
                            std::function<void(connector_event)> on_event) {
  disconnect();
  std::uint64_t number = 0;
  {
    const std::lock_guard guard{mutex_};
    number = current_ = ++last_;
  }
  inbox_->post(connecting{number, options, std::move(on_event)});
}

sent zmq_connector::send(const link_message& message) {
  {
    const std::lock_guard guard{mutex_};
    if (!open_) {
      return sent::gone;
    }
    if (!queue_.push(message, limits_.sends)) {
      return sent::full;
    }
    if (std::exchange(posted_, true)) {
      return sent::yes;
    }
  }
  return inbox_->post(writing{}) ? sent::yes : sent::gone;
}

void zmq_connector::disconnect() {
  {
    const std::lock_guard guard{mutex_};
    current_ = 0;
    open_ = false;
  }
  if (std::this_thread::get_id() != own_thread_.load()) {
    const std::lock_guard guard{delivering_}; // the event that is being delivered was before
  }
  inbox_->post(disconnecting{});
}

// ---- the connector's thread ---------------------------------------------------------------------

void zmq_connector::run() {
  own_thread_ = std::this_thread::get_id();
  for (bool again = true; again;) {
    again = false;
    try {
      loop();
    } catch (const std::exception& e) {
      again = attempt_.has_value(); // this try has failed; the next one may do better
      end({cut::ended, std::string{"the connection failed: "} + e.what()});
    }
  }
  close();
}

void zmq_connector::loop() {
  for (;;) {
    const bool has_socket = attempt_ && attempt_->socket;
    zmq::pollitem_t items[] = {
        {nullptr, inbox_->descriptor(), ZMQ_POLLIN, 0}, {nullptr, -1, 0, 0}, {nullptr, -1, 0, 0}};
    if (has_socket) {
      const short out = writing_.empty() ? 0 : ZMQ_POLLOUT;
      items[1] = {attempt_->socket->handle(), 0, static_cast<short>(ZMQ_POLLIN | out), 0};
      items[2] = {attempt_->monitor->handle(), 0, ZMQ_POLLIN, 0};
    }
    if (zmq_poll(items, has_socket ? 3 : 1, timeout_ms()) < 0 && zmq_errno() != EINTR) {
      throw zmq::error_t{};
    }
    auto [commands, stopping] = inbox_->take();
    for (auto& c : commands) {
      std::visit([this](auto& body) { on(body); }, c);
    }
    if (stopping) {
      return;
    }
    if (!attempt_ || !attempt_->socket) {
      continue;
    }
    read_events();
    const bool more = read_messages();
    write_queue();
    if (!attempt_->end && !attempt_->connected && time_.now() >= attempt_->due) {
      fail_address(cut::unreachable,
                   "nothing at " + attempt_->address + " completes a handshake in time");
    }
    if (attempt_->end && !more) {
      if (attempt_->end->why == cut::unreachable && !attempt_->addresses.empty()) {
        try_next();
      } else {
        end(*attempt_->end);
      }
    }
  }
}

int zmq_connector::timeout_ms() const {
  if (!attempt_ || !attempt_->socket || attempt_->connected) {
    return -1;
  }
  const auto left = std::chrono::ceil<milliseconds>(time_.until(attempt_->due)).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000));
}

void zmq_connector::on(connecting& c) {
  close();
  attempt_.emplace(attempt{std::move(c)});
  const auto& options = attempt_->asked.options;
  if (options.head_key != unexplained_key_) {
    unexplained_ = 0;
    unexplained_key_ = options.head_key;
  }
  const auto address = parse_tcp(options.address);
  if (!address) {
    return end({cut::unreachable, address.error().text});
  }
  if (!key_bytes(options.head_key)) {
    return end({cut::wrong_head_key, "the head's key is not 40 characters of Z85"});
  }
  // The resolver may take half a minute and cannot be interrupted: its thread is left to itself.
  std::thread{[asked = *address, number = attempt_->asked.attempt, answers = inbox_] {
    answers->post(resolved{number, resolve(asked)});
  }}.detach();
}

void zmq_connector::on(resolved& r) {
  if (!attempt_ || attempt_->asked.attempt != r.attempt) {
    return;
  }
  if (!r.addresses) {
    return end({cut::unreachable, r.addresses.error().text});
  }
  attempt_->addresses.assign(r.addresses->begin(), r.addresses->end());
  try_next();
}

void zmq_connector::on(disconnecting&) {
  const std::lock_guard guard{mutex_};
  if (attempt_ && attempt_->asked.attempt != current_) {
    close();
    attempt_.reset();
  }
}

void zmq_connector::try_next() {
  close();
  attempt_->end.reset();
  const auto next = attempt_->addresses.front();
  attempt_->addresses.pop_front();
  try {
    open(next);
  } catch (const zmq::error_t& e) {
    end({cut::unreachable, to_string(next) + " cannot be connected to: " + e.what()});
  }
}

/// With RECONNECT_IVL -1 a socket makes one attempt, and says how that ended.
void zmq_connector::open(const tcp_endpoint& where) {
  attempt_->address = to_string(where);
  auto& socket = attempt_->socket.emplace(context_, zmq::socket_type::dealer);
  apply(limits_.sockets, socket);
  socket.set(zmq::sockopt::ipv6, where.host.find(':') != std::string::npos);
  socket.set(zmq::sockopt::reconnect_ivl, -1);
  socket.set(zmq::sockopt::connect_timeout, static_cast<int>(limits_.connect.count()));
  const auto& options = attempt_->asked.options;
  if (!options.keys.secret_key.empty()) {
    std::string secret{options.keys.secret_key.reveal()};
    socket.set(zmq::sockopt::curve_serverkey, options.head_key);
    socket.set(zmq::sockopt::curve_publickey, options.keys.public_key);
    socket.set(zmq::sockopt::curve_secretkey, secret);
    ::explicit_bzero(secret.data(), secret.size());
  }
  attempt_->monitor.emplace(watch(context_, socket, watched_events));
  attempt_->due = time_.now() + limits_.connect + limits_.sockets.handshake + margin;
  socket.connect(attempt_->address);
}

void zmq_connector::close() {
  writing_.clear();
  if (attempt_ && attempt_->socket) {
    zmq_socket_monitor(attempt_->socket->handle(), nullptr, 0);
    attempt_->monitor.reset();
    attempt_->socket.reset();
  }
}

// ---- events of the socket -----------------------------------------------------------------------

void zmq_connector::read_events() {
  while (const auto event = read_event(*attempt_->monitor, zmq::recv_flags::dontwait)) {
    on_socket_event(event->kind, event->value);
  }
}

void zmq_connector::on_socket_event(std::uint16_t kind, std::uint32_t value) {
  if (attempt_->end) {
    return;
  }
  const auto& where = attempt_->address;
  switch (kind) {
  case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: set_connected(); break;
  case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
    if (value == refused_by_zap) {
      fail_address(cut::refused, "the head at " + where + " does not let this key in");
    } else {
      fail_address(cut::unreachable, "the head at " + where + " can admit nobody now");
    }
    break;
  case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    fail_address(cut::wrong_head_key, "what listens at " + where + " is no head of the pod link");
    break;
  case ZMQ_EVENT_DISCONNECTED:
    if (attempt_->connected) {
      fail_address(cut::ended, "the connection to " + where + " ended");
    } else {
      ++unexplained_;
      attempt_->end = unexplained();
    }
    break;
  case ZMQ_EVENT_CLOSED:
    if (!attempt_->connected) {
      fail_address(cut::unreachable,
                   "nothing listens at " + where + ", or the way there is blocked");
    }
    break;
  default: break;
  }
}

connection_ended zmq_connector::unexplained() const {
  if (unexplained_ < limits_.unexplained_ends) {
    return {cut::unreachable,
            "the head at " + attempt_->address + " ended the connection during the handshake"};
  }
  return {cut::wrong_head_key,
          "the head at " + attempt_->address + " ended " + std::to_string(unexplained_) +
              " handshakes in a row without a reason: its key is not the one that this pod has; "
              "make a new join string there (tayfa link token)"};
}

void zmq_connector::set_connected() {
  unexplained_ = 0;
  attempt_->connected = true;
  {
    const std::lock_guard guard{mutex_};
    if (current_ != attempt_->asked.attempt) {
      return; // disconnect() has come first
    }
    open_ = true;
    posted_ = false;
    queue_ = {};
  }
  deliver(connected{});
}

void zmq_connector::fail_address(cut why, std::string text) {
  if (!attempt_->end) {
    attempt_->end = connection_ended{why, std::move(text)};
  }
}

/// True when there may be more to read.
bool zmq_connector::read_messages() {
  zmq::message_t body;
  for (int i = 0; i < messages_per_round; ++i) {
    if (!receive_one_part(*attempt_->socket, body)) {
      return false;
    }
    deliver(message_in{body.to_string()});
  }
  return true;
}

void zmq_connector::write_queue() {
  while (attempt_->connected && !attempt_->end) {
    if (writing_.empty()) {
      const std::lock_guard guard{mutex_};
      posted_ = false;
      writing_ = queue_.take();
      if (writing_.empty()) {
        return;
      }
    }
    auto body = body_of(writing_.front());
    if (!attempt_->socket->send(body, zmq::send_flags::dontwait)) {
      return; // the poll says when it takes more
    }
    bool room = false;
    {
      const std::lock_guard guard{mutex_};
      queue_.written(writing_.front());
      room = queue_.has_room_again(limits_.sends);
    }
    writing_.pop_front();
    if (room) {
      deliver(connection_writable{});
    }
  }
}

/// The last event of the try in hand.
void zmq_connector::end(connection_ended how) {
  if (!attempt_) {
    return;
  }
  close();
  {
    const std::lock_guard guard{mutex_};
    if (current_ == attempt_->asked.attempt) {
      open_ = false;
    }
  }
  deliver(std::move(how));
  attempt_.reset();
}

void zmq_connector::deliver(connector_event event) {
  const std::lock_guard guard{delivering_};
  {
    const std::lock_guard current{mutex_};
    if (current_ != attempt_->asked.attempt) {
      return;
    }
  }
  attempt_->asked.on_event(std::move(event));
}

} // namespace tayfa::pods
