#include "runtime/pods_net/socket_monitor.hpp"

#include <cstring>
#include <utility>

namespace tayfa::pods {

std::optional<socket_event> read_event(zmq::socket_t& monitor, zmq::recv_flags flags) {
  zmq::message_t head;
  zmq::message_t endpoint;
  try {
    if (!monitor.recv(head, flags) || !head.more() || !monitor.recv(endpoint)) {
      return std::nullopt;
    }
  } catch (const zmq::error_t& e) {
    if (e.num() == ETERM) {
      return std::nullopt;
    }
    throw;
  }
  socket_event event;
  if (head.size() != sizeof event.kind + sizeof event.value) {
    throw zmq::error_t{};
  }
  const auto* bytes = static_cast<const char*>(head.data());
  std::memcpy(&event.kind, bytes, sizeof event.kind); // in the machine's own byte order
  std::memcpy(&event.value, bytes + sizeof event.kind, sizeof event.value);
  event.endpoint = endpoint.to_string();
  return event;
}

zmq::socket_t watch(zmq::context_t& context, zmq::socket_t& watched, int kinds) {
  static std::atomic<std::uint64_t> number{0};
  const auto name = "inproc://tayfa-monitor-" + std::to_string(++number);
  if (zmq_socket_monitor(watched.handle(), name.c_str(), kinds) != 0) {
    throw zmq::error_t{};
  }
  zmq::socket_t reader{context, zmq::socket_type::pair};
  reader.set(zmq::sockopt::linger, 0);
  reader.connect(name);
  return reader;
}

socket_monitor::socket_monitor(zmq::context_t& context, zmq::socket_t& watched, int kinds,
                               std::function<void(const socket_event&)> on_event,
                               std::function<void(const std::string&)> on_failed)
    : watched_(watched), on_event_(std::move(on_event)), on_failed_(std::move(on_failed)),
      reader_(watch(context, watched, kinds | ZMQ_EVENT_MONITOR_STOPPED)) {
  thread_ = std::thread([this] { run(); });
}

socket_monitor::~socket_monitor() {
  stop();
}

void socket_monitor::stop() {
  if (thread_.joinable()) {
    stopping_ = true;
    zmq_socket_monitor(watched_.handle(), nullptr, 0);
    thread_.join();
  }
}

void socket_monitor::run() {
  std::string why = "the monitor has ended";
  try {
    for (auto event = read_event(reader_); event && event->kind != ZMQ_EVENT_MONITOR_STOPPED;
         event = read_event(reader_)) {
      on_event_(*event);
    }
  } catch (const std::exception& e) {
    why = e.what();
  }
  reader_.close(); // nothing more is queued for it
  if (!stopping_) {
    on_failed_(why);
  }
}

} // namespace tayfa::pods
