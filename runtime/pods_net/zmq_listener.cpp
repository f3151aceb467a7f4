#include "runtime/pods_net/zmq_listener.hpp"

#include "runtime/pods_net/listener_running.hpp"

#include <utility>

namespace tayfa::pods {

zmq_listener::zmq_listener(const time_source& time, event_log& log, listener_limits limits,
                           std::function<void(const zap_request&)> deciding)
    : time_(time), log_(log), limits_(limits), deciding_(std::move(deciding)) {}

zmq_listener::~zmq_listener() {
  close();
}

std::shared_ptr<zmq_listener::running> zmq_listener::get() const {
  const std::lock_guard guard{mutex_};
  return running_;
}

result<std::string> zmq_listener::open(const listen_options& options,
                                       std::function<void(listener_event)> on_event) {
  const std::lock_guard guard{mutex_};
  if (running_) {
    return fail(errc::wrong_state, "the listener is open already");
  }
  auto made = std::make_shared<running>(time_, log_, limits_, std::move(on_event));
  auto bound = made->open(options, list_, deciding_);
  if (bound) {
    running_ = std::move(made);
  }
  return bound;
}

sent zmq_listener::send(connection_id to, const link_message& message) {
  const auto now = get();
  return now ? now->send(to, message) : sent::gone;
}

void zmq_listener::drop(connection_id which) {
  if (const auto now = get()) {
    now->drop(which);
  }
}

void zmq_listener::admit(std::shared_ptr<const admitted> list) {
  const std::lock_guard guard{mutex_};
  list_ = std::move(list);
  if (running_) {
    running_->admit(list_);
  }
}

result<std::string> zmq_listener::add_endpoint(const listen_options& options) {
  const auto now = get();
  return now ? now->add_endpoint(options) : fail(errc::wrong_state, "the listener is not open");
}

result<void> zmq_listener::remove_endpoint(const std::string& endpoint) {
  const auto now = get();
  return now ? now->remove_endpoint(endpoint) : fail(errc::wrong_state, "the listener is not open");
}

void zmq_listener::close() {
  std::shared_ptr<running> last;
  {
    const std::lock_guard guard{mutex_};
    last = std::move(running_);
    running_.reset();
  }
  if (last) {
    last->close();
  }
}

listener_counters zmq_listener::counters() const {
  const auto now = get();
  return now ? now->counters() : listener_counters{};
}

} // namespace tayfa::pods
