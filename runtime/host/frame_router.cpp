#include "runtime/host/frame_router.hpp"

#include "runtime/host/socket_messages.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

namespace tayfa {

namespace {

using std::chrono::milliseconds;

constexpr int high_water_mark = 1'000;
constexpr int messages_per_round = 256;
constexpr std::size_t early_max = 64;
constexpr std::size_t backlog_frames_max = 1'024;
constexpr std::size_t backlog_bytes_max = std::size_t{256} << 20;
// A peer that violates the protocol is killed after its first bad frame; more would only fill
// mailboxes meanwhile.
constexpr std::uint32_t violations_max = 16;
constexpr milliseconds blocked_retry{10};
constexpr milliseconds bind_patience{5'000};

} // namespace

frame_router::frame_router(const std::string& endpoint, milliseconds settle, event_log& log)
    : log_(log), settle_(settle), socket_(context_, zmq::socket_type::router) {
  socket_.set(zmq::sockopt::linger, 0);
  socket_.set(zmq::sockopt::router_mandatory, true);
  socket_.set(zmq::sockopt::sndhwm, high_water_mark);
  socket_.set(zmq::sockopt::rcvhwm, high_water_mark);
  socket_.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(link_message_bytes_max));
  socket_.bind(endpoint);
  thread_ = std::thread([this] { loop(); });
}

frame_router::~frame_router() {
  stop();
}

// ---- any thread -----------------------------------------------------------------------------

void frame_router::add(const worker_ref& worker, engine_sink sink) {
  inbox_.post(adding{worker, std::move(sink)});
}
void frame_router::send(const worker_ref& worker, const protocol::downstream& message) {
  inbox_.post(sending{worker, protocol::encode(worker, message, data_header_bytes)});
}
void frame_router::spawned(const engine_spawned& event) {
  inbox_.post(event);
}
void frame_router::exited(const engine_exited& event) {
  inbox_.post(event);
}

result<void> frame_router::bind_again(const std::string& endpoint) {
  binding asked{endpoint, {}};
  auto done = asked.done.get_future();
  if (!inbox_.post(std::move(asked))) {
    return fail(errc::io_error, "the router has been stopped");
  }
  if (done.wait_for(bind_patience) != std::future_status::ready) {
    return fail(errc::io_error, "the router does not answer");
  }
  return done.get();
}

void frame_router::stop() {
  if (!thread_.joinable()) {
    return;
  }
  inbox_.stop();
  thread_.join();
  socket_.close();
  context_.close();
}

// ---- the router's thread --------------------------------------------------------------------

void frame_router::loop() {
  for (;;) {
    zmq::pollitem_t items[] = {{socket_.handle(), 0, ZMQ_POLLIN, 0},
                               {nullptr, inbox_.descriptor(), ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, timeout_ms()) < 0 && zmq_errno() != EINTR) {
      log_.error("engine_socket_failed", {{"why", zmq_strerror(zmq_errno())}});
      return;
    }
    auto [commands, stopping] = inbox_.take();
    for (auto& c : commands) {
      carry_out(c);
    }
    const bool more = read_frames();
    retry_blocked();
    if (stopping) {
      while (read_frames()) {
      }
      report_exits(true);
      return;
    }
    if (!more) {
      report_exits(false);
    }
  }
}

int frame_router::timeout_ms() const {
  if (waiting_ == 0) {
    return -1;
  }
  auto until = moment::max();
  const auto now = time_.now();
  for (const auto& [id, p] : peers_) {
    if (p.exit) {
      until = std::min(until, p.exit_due);
    } else if (p.blocked) {
      until = std::min<moment>(until, now + blocked_retry);
    }
  }
  const auto left = std::chrono::ceil<milliseconds>(until - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000));
}

void frame_router::carry_out(command& c) {
  std::visit([this](auto& body) { on(body); }, c);
}

void frame_router::on(binding& c) {
  try {
    socket_.bind(c.endpoint);
    c.done.set_value({});
  } catch (const zmq::error_t& e) {
    c.done.set_value(fail(errc::io_error, e.what()));
  }
}

void frame_router::on(adding& c) {
  const auto id = to_string(c.worker);
  if (const auto old = peers_.find(id); old != peers_.end() && old->second.exit) {
    old->second.exit_due = moment::min(); // restarted under the same id: deliver the old end first
    report_exits(false);
  }
  peers_.insert_or_assign(id, peer{c.worker, std::move(c.sink)});
}

void frame_router::on(engine_spawned& event) {
  const auto found = peers_.find(to_string(event.worker));
  if (found == peers_.end()) {
    return;
  }
  auto& p = found->second;
  p.spawned = true;
  p.sink(event);
  for (auto& early : std::exchange(p.early, {})) {
    p.sink(std::move(early));
  }
}

void frame_router::on(engine_exited& event) {
  const auto found = peers_.find(to_string(event.worker));
  if (found == peers_.end()) {
    return;
  }
  auto& p = found->second;
  waiting_ += !p.blocked && !p.exit ? 1 : 0;
  p.blocked = false;
  p.exit_due = time_.now() + (event.started ? settle_ : milliseconds{0});
  p.exit = std::move(event);
}

void frame_router::report_exits(bool all) {
  if (waiting_ == 0) {
    return;
  }
  const auto now = time_.now();
  for (auto it = peers_.begin(); it != peers_.end();) {
    auto& p = it->second;
    if (!p.exit || (!all && now < p.exit_due)) {
      ++it;
      continue;
    }
    const auto sink = std::move(p.sink);
    const auto event = std::move(*p.exit);
    it = peers_.erase(it);
    --waiting_;
    sink(event);
  }
}

// ---- out ------------------------------------------------------------------------------------

void frame_router::on(sending& c) {
  const auto id = to_string(c.worker);
  const auto found = peers_.find(id);
  if (found == peers_.end() || found->second.exit) {
    ++dropped_out_;
    return;
  }
  auto& p = found->second;
  if (p.link.unsent() >= backlog_frames_max ||
      p.link.unsent_bytes() + c.frame.size() > backlog_bytes_max) {
    ++dropped_out_;
    log_.warn("engine_backlog_full", {{"worker", c.worker}, {"frames", p.link.unsent()}});
    return;
  }
  if (!p.link.send(std::move(c.frame))) {
    ++dropped_out_; // engines name no window
    return;
  }
  flush(id, p);
}

/// Writes the link's messages. When the socket takes no more, retry_blocked() goes on.
void frame_router::flush(const std::string& id, peer& p) {
  const bool was_blocked = std::exchange(p.blocked, false);
  p.link.flush(time_.now(), [&](const link_message& message) {
    const auto how = send_addressed(socket_, id, message);
    p.blocked = how == written::later;
    if (how == written::unreachable) {
      p.link.disconnected();
    }
    return how == written::yes;
  });
  waiting_ += (p.blocked ? 1 : 0);
  waiting_ -= (was_blocked ? 1 : 0);
}

void frame_router::retry_blocked() {
  if (waiting_ == 0) {
    return;
  }
  for (auto& [id, p] : peers_) {
    if (p.blocked) {
      flush(id, p);
    }
  }
}

// ---- in -------------------------------------------------------------------------------------

/// True when there may be more to read.
bool frame_router::read_frames() {
  for (int i = 0; i < messages_per_round; ++i) {
    zmq::message_t id;
    zmq::message_t body;
    if (!receive_addressed(socket_, id, body)) {
      return false;
    }
    on_message(id.to_string(), body);
  }
  return true;
}

void frame_router::on_message(const std::string& id, zmq::message_t& body) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) {
    ++dropped_in_;
    return;
  }
  auto& p = found->second;
  const auto arrived =
      p.link.receive({static_cast<const char*>(body.data()), body.size()}, time_.now());
  if (!arrived) {
    on_violation(p, arrived.error());
    return;
  }
  if (!arrived->frame.empty()) {
    on_frame(p, arrived->frame);
  }
  if (!p.exit && !p.blocked && p.link.wants_to_write()) {
    flush(id, p);
  }
}

void frame_router::on_frame(peer& p, std::span<const char> bytes) {
  auto frame = protocol::decode_upstream(bytes);
  if (!frame) {
    on_violation(p, frame.error());
  } else if (frame->worker != p.worker) {
    on_violation(p, error{errc::engine_protocol, "it speaks for " + to_string(frame->worker)});
  } else {
    deliver(p, engine_frame{p.worker, std::move(frame->body)});
  }
}

void frame_router::on_violation(peer& p, error why) {
  if (++p.violations <= violations_max) {
    deliver(p, protocol_violation{p.worker, std::move(why)});
  }
}

void frame_router::deliver(peer& p, engine_event event) {
  if (p.spawned) {
    p.sink(std::move(event));
  } else if (p.early.size() < early_max) {
    p.early.push_back(std::move(event));
  }
}

} // namespace tayfa
