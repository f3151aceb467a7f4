// The open listener on other threads than the ROUTER's: start, end, sending, the monitor's reports.
#include "runtime/pods_net/listener_running.hpp"

#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/endpoint.hpp"
#include "runtime/pods_net/peer_socket.hpp"

#include <sys/resource.h>

namespace tayfa::pods {

namespace {

using namespace std::chrono_literals;

/// Accept only what a ZAP handler has let in, also while there is none. The stock library knows the
/// option by its number alone.
constexpr int zap_enforce_domain = 93;
constexpr std::size_t other_descriptors = 128;
constexpr unsigned refusals_a_second = 5;
constexpr int reported_events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |
                                ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
constexpr int backlog = 1'024;

result<void> enough_descriptors(std::size_t connections) {
  rlimit now{};
  const auto needed = connections + other_descriptors;
  if (::getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < needed) {
    return fail(errc::unfit, "the pod link needs " + std::to_string(needed) +
                                 " open files, and the limit is " + std::to_string(now.rlim_cur) +
                                 ": raise it (ulimit -n, LimitNOFILE)");
  }
  return {};
}

void set_options(zmq::socket_t& socket, const socket_limits& limits) {
  apply(limits, socket);
  socket.set(zmq::sockopt::router_mandatory, true);
  socket.set(zmq::sockopt::router_handover, false); // it would leave the old connection open
  socket.set(zmq::sockopt::backlog, backlog);
  const int enforced = 1;
  if (zmq_setsockopt(socket.handle(), zap_enforce_domain, &enforced, sizeof enforced) != 0) {
    throw zmq::error_t{};
  }
}

} // namespace

connection_id new_connection_id() {
  static std::atomic<connection_id> last{0};
  return ++last;
}

zmq_listener::running::running(const time_source& time, event_log& log,
                               const listener_limits& limits, sink on_event)
    : time_(time), log_(log), limits_(limits), sink_(std::move(on_event)),
      delivered_(std::make_shared<delivery_budget>(limits.delivered,
                                                   [this] { inbox_.post(reading_on{}); })),
      accepted_(limits.accepted) {}

zmq_listener::running::~running() {
  close();
}

result<std::string>
zmq_listener::running::open(const listen_options& options, std::shared_ptr<const admitted> list,
                            const std::function<void(const zap_request&)>& deciding) {
  if (auto usable = check_curve(); !usable) {
    return fail(usable.error());
  }
  if (auto usable = enough_descriptors(limits_.accepted.connections); !usable) {
    return fail(usable.error());
  }
  try {
    context_ = std::make_shared<zmq::context_t>(1);
    zap_ = std::make_unique<zap_handler>(
        context_, time_,
        zap_handler::events{
            [this](const zap_request& request, const zap_verdict& verdict) {
              {
                const std::lock_guard guard{refusing_};
                ++refused_keys_;
              }
              refuse(request.address, verdict.why + (verdict.shown_key.empty()
                                                         ? std::string{}
                                                         : " (key " + verdict.shown_key + ")"));
            },
            [this](const std::string& why, bool gave_up) {
              ++zap_failures_;
              log_.error("pod_admission_failed", {{"why", why}, {"gave_up", gave_up}});
              if (gave_up) {
                fail_with({errc::unavailable, "no pod can join, connected ones go on: the ZAP "
                                              "handler failed too often: " +
                                                  why});
              }
            },
            deciding});
    zap_->admit(std::move(list));
    router_ = zmq::socket_t{*context_, zmq::socket_type::router};
    set_options(router_, limits_.sockets);
    monitor_ = std::make_unique<socket_monitor>(
        *context_, router_, reported_events,
        [this](const socket_event& event) { on_socket_event(event); },
        [this](const std::string& why) {
          fail_with({errc::unavailable, "the link's monitor has ended: " + why});
        });
  } catch (const zmq::error_t& e) {
    return fail(errc::io_error, std::string{"the pod link cannot be opened: "} + e.what());
  }
  auto bound = bind(options);
  if (bound) {
    looked_at_ = time_.now();
    thread_ = std::thread([this] { run(); });
  }
  return bound;
}

void zmq_listener::running::close() {
  delivered_->close();
  if (!context_) {
    return;
  }
  inbox_.stop();
  if (thread_.joinable()) {
    thread_.join();
  }
  monitor_.reset();
  router_.close();
  const bool handler_ended = !zap_ || zap_->stop();
  zap_.reset();
  if (!handler_ended) {
    log_.error("pod_admission_hangs", {{"why", "its thread is left behind"}});
    context_->shutdown(); // and terminated with the thread's last use of it
  }
  context_.reset();
}

// ---- any thread ---------------------------------------------------------------------------------

sent zmq_listener::running::send(connection_id to, const link_message& message) {
  connection_ptr found;
  {
    const std::lock_guard guard{mutex_};
    const auto at = connections_.find(to);
    if (at == connections_.end()) {
      return sent::gone;
    }
    auto& c = *at->second;
    if (!c.queue.push(message, limits_.sends)) {
      return sent::full;
    }
    if (std::exchange(c.posted, true)) {
      return sent::yes;
    }
    found = at->second;
  }
  return inbox_.post(writing{std::move(found)}) ? sent::yes : sent::gone;
}

void zmq_listener::running::drop(connection_id which) {
  connection_ptr found;
  {
    const std::lock_guard guard{mutex_};
    const auto at = connections_.find(which);
    if (at == connections_.end()) {
      return;
    }
    found = std::move(at->second);
    connections_.erase(at);
  }
  found->closed = true;
  if (std::this_thread::get_id() != own_thread_) {
    const std::lock_guard guard{delivering_}; // the event that is being delivered was before
  }
  std::optional<std::string> peer;
  {
    const std::lock_guard guard{accepted_mutex_};
    peer = accepted_.peer_of(found->fd, which);
  }
  if (peer) {
    shut_down(found->fd, *peer);
  }
  inbox_.post(dropping{std::move(found)});
}

void zmq_listener::running::admit(std::shared_ptr<const admitted> list) {
  zap_->admit(std::move(list));
}

template <class Wanted, class Command>
Wanted zmq_listener::running::ask(Command asked) {
  auto done = asked.done.get_future();
  if (!inbox_.post(std::move(asked))) {
    return fail(errc::wrong_state, "the listener is closed");
  }
  return done.get(); // the thread answers, or is ended by close() and refuses
}

result<std::string> zmq_listener::running::add_endpoint(const listen_options& options) {
  return ask<result<std::string>>(adding{options, {}});
}

result<void> zmq_listener::running::remove_endpoint(const std::string& endpoint) {
  return ask<result<void>>(removing{endpoint, {}});
}

listener_counters zmq_listener::running::counters() const {
  listener_counters out;
  {
    const std::lock_guard guard{accepted_mutex_};
    out.connections = accepted_.connections();
    out.unfinished = accepted_.unfinished();
  }
  out.refused = refused_;
  out.cut = cut_;
  out.late = late_;
  out.zap_failures = zap_failures_;
  return out;
}

// ---- the monitor's thread, and the ZAP handler's ------------------------------------------------

void zmq_listener::running::on_socket_event(const socket_event& event) {
  if (event.kind == ZMQ_EVENT_ACCEPTED) {
    on_accepted(static_cast<int>(event.value), event.endpoint);
  } else if (event.kind == ZMQ_EVENT_DISCONNECTED) {
    on_disconnected(static_cast<int>(event.value));
  } else if (event.kind == ZMQ_EVENT_ACCEPT_FAILED) {
    refuse("", "a connection could not be accepted: " +
                   std::string{zmq_strerror(static_cast<int>(event.value))});
  }
}

void zmq_listener::running::on_accepted(int fd, const std::string& endpoint) {
  const auto peer = peer_of(fd);
  if (!peer) {
    return refuse("", "it was gone before it was looked at"); // the report of its end has no entry
  }
  accepted_sockets::acceptance how;
  {
    const std::lock_guard guard{accepted_mutex_};
    how = accepted_.accepted(fd, *peer, time_.now());
  }
  if (how.replaced != 0) {
    inbox_.post(ended{how.replaced});
  }
  if (!how.refused.empty()) {
    // The number may be another file by now; then its own end is none of our endpoints.
    if (peer->whole == peer->address || own_endpoint(fd) == endpoint) {
      shut_down(fd, peer->whole);
    }
    refuse(peer->address, how.refused);
  }
}

void zmq_listener::running::on_disconnected(int fd) {
  std::optional<accepted_sockets::ending> ending;
  {
    const std::lock_guard guard{accepted_mutex_};
    ending = accepted_.disconnected(fd);
  }
  if (!ending) {
    return;
  }
  if (ending->connection != 0) {
    inbox_.post(ended{ending->connection});
    return;
  }
  if (ending->refused) {
    return;
  }
  {
    const std::lock_guard guard{refusing_};
    if (refused_keys_ > 0) {
      --refused_keys_;
      return;
    }
  }
  refuse(ending->address, "it ended before its handshake was complete, or is no pod of Tayfa");
}

/// Counts a refused peer, and reports some of them.
void zmq_listener::running::refuse(const std::string& address, std::string why) {
  ++refused_;
  {
    const std::lock_guard guard{refusing_};
    const auto now = time_.now();
    if (now - refused_from_ >= 1s) {
      refused_from_ = now;
      refused_now_ = 0;
    }
    if (++refused_now_ > refusals_a_second) {
      ++refused_more_;
      return;
    }
    if (const auto more = std::exchange(refused_more_, 0); more > 0) {
      why += " (and " + std::to_string(more) + " more peers were refused before)";
    }
  }
  inbox_.post(reporting{refused_peer{address, std::move(why)}});
}

void zmq_listener::running::fail_with(error why) {
  inbox_.post(reporting{listener_failed{std::move(why)}});
}

} // namespace tayfa::pods
