// Time limits of a client: in each phase of a request, and when other clients need its place.
#include "runtime/http/connection.hpp"
#include "runtime/net/tcp_progress.hpp"

#include <algorithm>
#include <iterator>

namespace tayfa {

namespace {

using namespace std::chrono_literals;

/// An answer is given up when others need room and it has made no progress for so long …
constexpr std::chrono::nanoseconds pressed_still = 1s;
/// … and any transfer that is slower than this (512 kbit/s) once it has run for pressed_settled.
constexpr std::uint64_t pressed_rate = 64 * 1024;
constexpr std::chrono::nanoseconds pressed_settled = 5s;
/// Tried per place that is needed: a connection with an unread request is skipped.
constexpr std::size_t idle_asked_at_once = 8;
/// Polls of the kernel, per stall limit, for how much of an answer was acknowledged.
constexpr int looks_at_answer = 4;

} // namespace

void http_connection::arm(milliseconds time) {
  arm_until(core_.time.now() + time);
}

void http_connection::arm_until(moment due) {
  due_ = due;
  wait_at_most(due - core_.time.now());
}

void http_connection::wait_at_most(std::chrono::nanoseconds time) {
  timer_.expires_after(time);
  timer_.async_wait([self = shared_from_this(), number = ++timer_number_](error_code ec) {
    if (!ec && number == self->timer_number_) {
      self->guarded([&] { self->on_deadline(); });
    }
  });
}

void http_connection::disarm() {
  ++timer_number_;
  timer_.cancel();
}

/// The client does not read. A reset frees the kernel's send buffer.
void http_connection::give_up() {
  error_code ignored;
  socket_.set_option(boost::asio::socket_base::linger{true, 0}, ignored);
  close();
}

void http_connection::on_deadline() {
  // While the pod itself did not run, it could neither read from nor write to any client.
  if (const auto rest = core_.time.until(due_); rest.count() > 0 && !waits_for_heartbeat_) {
    wait_at_most(rest);
    return;
  }
  switch (phase_) {
  case phase::head: refuse_head({errc::request_timeout, {}}); break;
  case phase::body:
    if (goes_on()) {
      break;
    }
    refuse({errc::request_timeout, {}});
    break;
  case phase::writing:
    if (!goes_on()) {
      give_up();
    }
    break;
  case phase::streaming:
    if (!sending_) {
      send_heartbeat();
    } else if (!goes_on()) {
      give_up();
    }
    break;
  case phase::idle:
  case phase::answering: // the client has closed its side, and the answer did not come within
                         // `linger`
  case phase::lingering: close(); break;
  case phase::closed: break;
  }
}

// ---- transfers ---------------------------------------------------------------------------------

/// Starts timing a body to be received or an answer to be sent, which note_moved() counts from
/// `moved`.
void http_connection::begin_transfer(std::uint64_t moved) {
  moved_ = moved;
  pace_.begin({core_.options.body_timeout, core_.options.least_rate}, core_.time.now());
  arm_transfer();
}

void http_connection::note_moved(std::uint64_t all) {
  const auto before = std::exchange(moved_, all);
  pace_.moved(all - std::min(before, all), core_.time.now());
}

/// False where the kernel does not report acknowledgements. There an answer makes no visible
/// progress, so the stall limit is the limit for the whole answer.
bool http_connection::note_taken() {
  const auto taken = acknowledged_bytes(socket_.native_handle());
  if (taken) {
    note_moved(*taken);
  }
  return taken.has_value();
}

/// Received bytes are noted when they arrive; bytes taken of an answer have to be polled.
void http_connection::arm_transfer() {
  const auto looks = phase_ == phase::body ? 1 : looks_at_answer;
  arm_until(std::min(pace_.due(), core_.time.now() + core_.options.body_timeout / looks));
}

bool http_connection::goes_on() {
  if (phase_ != phase::body) {
    note_taken();
  }
  if (!pace_.keeps_up(core_.time.now())) {
    return false;
  }
  arm_transfer();
  return true;
}

// ---- when others want its place ----------------------------------------------------------------

bool http_connection::stands_still(std::chrono::nanoseconds time) const {
  return core_.time.now() - pace_.latest() >= time;
}

bool http_connection::is_slow() const {
  return pace_.slower_than(pressed_rate, core_.time.now(), pressed_settled);
}

void http_connection::give_way(scarce what) {
  switch (what) {
  case scarce::answers:
    if (phase_ == phase::writing && place_ != nullptr && note_taken() &&
        (stands_still(pressed_still) || is_slow())) {
      give_up();
    }
    break;
  case scarce::bodies:
    if (phase_ == phase::body && is_slow()) {
      refuse({errc::request_timeout, "the body arrives slowly, and other requests need its room"});
    }
    break;
  case scarce::connections: give_place_away(); break;
  }
}

void http_connection::give_place_away() {
  const bool stays = core_.time.now() - since_ >= core_.options.undisturbed;
  switch (phase_) {
  case phase::head:
  case phase::lingering:
    if (stays) {
      close();
    }
    break;
  case phase::body:
    if (is_slow()) {
      give_up();
    }
    break;
  case phase::writing:
    if (note_taken() && is_slow()) {
      give_up();
    }
    break;
  case phase::idle: // asked separately, longest idle first
  case phase::answering:
  case phase::streaming:
  case phase::closed: break;
  }
}

bool http_connection::leave_if_idle() {
  error_code ec;
  const bool has_asked = socket_.available(ec) > 0; // its request is not read yet
  const bool leaves =
      core_.time.now() - since_ >= core_.options.undisturbed && phase_ == phase::idle && !has_asked;
  if (leaves) {
    close();
  }
  return leaves;
}

// ---- the server's side of it -------------------------------------------------------------------

void http_core::idle_begins(http_connection& client) {
  auto& all = idle_.at(client.only_health() ? 1 : 0);
  client.idle_at = all.insert(all.end(), &client);
}

void http_core::idle_ends(http_connection& client) {
  if (client.idle_at) {
    idle_.at(client.only_health() ? 1 : 0).erase(*client.idle_at);
    client.idle_at.reset();
  }
}

/// Closes the connection that has been idle longest; without an idle one, a slow one.
void http_core::make_place(bool only_health) {
  const auto& all = idle_.at(only_health ? 1 : 0);
  const std::vector<http_connection*> longest{
      all.begin(), std::next(all.begin(), static_cast<std::ptrdiff_t>(
                                              std::min(all.size(), idle_asked_at_once)))};
  for (auto* const client : longest) {
    if (client->shared_from_this()->leave_if_idle()) {
      return;
    }
  }
  ask_for(scarce::connections);
}

/// Asking all connections is expensive: it is done at most ten times a second.
void http_core::ask_for(scarce what) {
  auto& next = next_ask_.at(static_cast<std::size_t>(what));
  if (time.now() < next) {
    return;
  }
  next = time.now() + answer_watch::period;
  const std::vector<std::shared_ptr<http_connection>> all{connections_.begin(), connections_.end()};
  for (const auto& client : all) {
    client->guarded([&] { client->give_way(what); });
  }
}

} // namespace tayfa
