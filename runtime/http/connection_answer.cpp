// Sending an answer: whole, or as a stream.
#include "runtime/api/openai.hpp"
#include "runtime/http/connection.hpp"
#include "runtime/net/tcp_progress.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>
#include <poll.h>
#include <sstream>

namespace tayfa {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

/// Bytes pulled from a stream at a time; the next piece is pulled once the kernel has this one.
constexpr std::size_t piece_bytes = 16 * 1024;
/// Send buffer of a stream with a slow reader; by default the kernel buffers megabytes.
constexpr int stream_kernel_bytes = 64 * 1024;
/// Send buffer of a large answer, likewise.
constexpr int answer_kernel_bytes = 256 * 1024;
/// Looks during which a client that has acknowledged everything may still reset its connection.
constexpr unsigned looks_until_read = 3;

int what_poll_says(int socket) {
  pollfd look{socket, POLLRDHUP, 0};
  return ::poll(&look, 1, 0) > 0 ? look.revents : 0;
}

template <class Message>
void fill_head(Message& message, const api::response& response, bool keep_alive,
               const std::string& date) {
  message.set(http::field::date, date);
  for (const auto& [name, value] : response.headers) {
    message.set(name, value);
  }
  message.keep_alive(keep_alive);
  if (response.status != 204) {
    message.set(http::field::content_type, response.content_type);
    message.set(http::field::cache_control, "no-store");
    message.set("X-Content-Type-Options", "nosniff");
  }
}

/// The refusal names the job, so that a client that waited for it can ask for its result again.
api::response refuse_for_want_of_room(const api::response& answer) {
  const auto names_job = [](const auto& field) { return field.first == job_field; };
  const auto named = std::find_if(answer.headers.begin(), answer.headers.end(), names_job);
  if (named == answer.headers.end()) {
    return api::refuse({errc::busy, {}});
  }
  auto refused =
      api::refuse({errc::busy, "job " + named->second + " has ended; ask for it with /status"});
  refused.headers.push_back(*named);
  return refused;
}

} // namespace

reply_ptr http_connection::make_reply() {
  client_ = std::make_shared<presence>();
  return std::make_shared<tayfa::reply>(
      [core = core_.shared_from_this(), client = weak_from_this(),
       number = number_](api::response response, receipt left) {
        core->deliver(client, number, std::move(response), std::move(left));
      },
      client_);
}

void http_core::deliver(const std::weak_ptr<http_connection>& to, std::uint64_t number,
                        api::response response, receipt left) {
  try {
    auto place = place_for(budget_, response);
    if (!place) {
      left.say(false);
      response = refuse_for_want_of_room(response);
      place.emplace();
    }
    post([to, number, response = std::move(response), left = std::move(left),
          place = std::move(*place)]() mutable {
      if (const auto open = to.lock()) {
        open->answer(number, std::move(response), std::move(left), std::move(place));
      }
    });
  } catch (const std::exception&) { // no memory
    post([to, number] {
      if (const auto open = to.lock()) {
        open->abandon(number);
      }
    });
  }
}

void http_connection::answer(std::uint64_t number, api::response response, receipt left,
                             answer_place place) {
  guarded([&] {
    if (phase_ != phase::answering || number != number_) {
      return;
    }
    receipt_ = std::move(left);
    if (receipt_.wanted() && (only_head_wanted_ || client_has_left())) {
      receipt_.say(false);
    }
    place_ = only_head_wanted_ ? nullptr : std::move(place);
    respond(std::move(response), after::go_on);
  });
}

void http_connection::abandon(std::uint64_t number) {
  if (phase_ == phase::answering && number == number_) {
    on_no_memory();
  }
}

void http_connection::respond(api::response response, after then) {
  if (pass_) {
    pass_->answered();
  }
  keep_alive_ = keep_alive_ && then == after::go_on && !peer_done_ && !core_.closing;
  client_.reset();
  if (auto refused = response.stream ? refuse_stream() : std::nullopt) {
    response = std::move(*refused);
    receipt_.say(false);
  }
  if (openai_) {
    response = api::openai_refusal(std::move(response));
  }
  if (response.stream) {
    if (!only_head_wanted_) {
      start_stream(std::move(response));
      return;
    }
  }
  keep_alive_ = keep_alive_ && !response.stream; // HEAD: the same fields as a GET
  phase_ = phase::writing;
  release_body();
  auto& message = message_.emplace(static_cast<http::status>(response.status), version_);
  fill_head(message, response, keep_alive_, core_.dates.now());
  if (response.status != 204 && !response.stream) {
    message.content_length(response.body_size());
    if (!only_head_wanted_) {
      message.body() = {std::move(response.body), std::move(response.more)};
    }
  }
  if (place_) {
    watch_answer();
  }
  if (core_.options.answered) {
    core_.options.answered(response.status);
  }
  begin_taking();
  http::async_write(socket_, message, [self = shared_from_this()](error_code ec, std::size_t) {
    self->guarded([&] { self->on_written(ec); });
  });
  pump();
}

void http_connection::on_written(error_code ec) {
  message_.reset();
  place_.reset();
  if (phase_ == phase::closed) {
    return;
  }
  if (ec) {
    close();
    return;
  }
  give_receipt();
  if (keep_alive_) {
    next_request();
  } else {
    linger();
  }
}

/// Called when an answer begins to be sent. The socket is polled too: a FIN may be queued behind
/// bytes that were not read yet.
bool http_connection::client_has_left() {
  return peer_done_ || what_poll_says(socket_.native_handle()) != 0;
}

/// Called when the kernel has the whole answer. A client that reads the answer and closes at once
/// has received it; one that left before acknowledging it, or with a reset, most likely has not.
bool http_connection::answer_was_taken() {
  const int events = what_poll_says(socket_.native_handle());
  if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
    return false;
  }
  return (events == 0 && !peer_done_) || unacknowledged_bytes(socket_.native_handle()) == 0;
}

void http_connection::give_receipt() {
  if (!receipt_.wanted()) {
    return;
  }
  if (receipt_.wanted_proof() == proof::sent) {
    receipt_.say(answer_was_taken());
    return;
  }
  awaited_ = std::move(receipt_); // an earlier receipt that was not acknowledged reports false
  looks_awaited_ = 0;
  settle_awaited(peer_done_);
  if (awaited_.wanted()) {
    core_.watch.add(shared_from_this());
  }
}

/// Reports true when the client's kernel has acknowledged everything and the client has most likely
/// read it: it closes its side or sends another request (`certain`), or has not reset the
/// connection for a moment (closing a socket with unread bytes resets it).
void http_connection::settle_awaited(bool certain) {
  if (!awaited_.wanted() || !socket_.is_open() ||
      !(certain || looks_awaited_ >= looks_until_read)) {
    return;
  }
  const auto missing = unacknowledged_bytes(socket_.native_handle());
  const bool failed = (what_poll_says(socket_.native_handle()) & (POLLERR | POLLNVAL)) != 0;
  if (missing && *missing <= (said_all_ ? 1U : 0U) && !failed) {
    awaited_.say(true);
  }
}

// ---- while it leaves ---------------------------------------------------------------------------

void http_connection::begin_taking() {
  begin_transfer(acknowledged_bytes(socket_.native_handle()).value_or(0));
}

void http_connection::watch_answer() {
  error_code ignored;
  socket_.set_option(asio::socket_base::send_buffer_size{answer_kernel_bytes}, ignored);
  core_.watch.add(shared_from_this());
}

bool http_connection::look() {
  ++looks_awaited_;
  settle_awaited(false);
  const bool leaving = phase_ == phase::writing && place_ != nullptr;
  if (leaving && note_taken() && stands_still(core_.options.answer_stall)) {
    give_up();
    return false;
  }
  return leaving || awaited_.wanted();
}

void http_connection::linger() {
  error_code ignored;
  socket_.shutdown(socket::shutdown_send, ignored);
  said_all_ = true;
  if (peer_done_) {
    close();
    return;
  }
  phase_ = phase::lingering;
  since_ = core_.time.now();
  pending_.clear();
  arm(core_.options.linger);
  pump();
}

/// More bytes have arrived. A connection over the limit holds no place to linger in for long.
void http_connection::linger_on() {
  const auto longest = admitted_ ? core_.options.linger_longest : core_.options.linger;
  due_ = std::min(core_.time.now() + core_.options.linger, since_ + longest);
}

// ---- streams -----------------------------------------------------------------------------------

std::optional<api::response> http_connection::refuse_stream() const {
  if (core_.closing) {
    return api::refuse({errc::stopping, {}});
  }
  if (core_.streams >= core_.options.streams_max) {
    return api::refuse({errc::too_many_connections, "too many streams are open"});
  }
  return std::nullopt;
}

void http_connection::start_stream(api::response response) {
  if (peer_done_) {
    close(); // a watching client keeps its sending side open
    return;
  }
  keep_alive_ = false;
  phase_ = phase::streaming;
  release_body();
  stream_ = std::move(response.stream);
  ++core_.streams;
  http::response<http::empty_body> head{static_cast<http::status>(response.status), version_};
  fill_head(head, response, false, core_.dates.now());
  chunked_ = version_ >= 11; // HTTP/1.0: the body ends with the connection
  if (chunked_) {
    head.chunked(true);
  }
  std::ostringstream text;
  text << head.base();
  outgoing_ = std::move(text).str();
  error_code ignored;
  socket_.set_option(asio::socket_base::send_buffer_size{stream_kernel_bytes}, ignored);
  if (core_.options.answered) {
    core_.options.answered(response.status);
  }
  // Coalesces wake-ups: many events in a row post once. The flag is cleared before the source is
  // read.
  stream_->on_more([core = core_.shared_from_this(), client = weak_from_this(),
                    noted = std::make_shared<std::atomic<bool>>(false)] {
    if (noted->exchange(true)) {
      return;
    }
    core->post([client, noted] {
      noted->store(false);
      if (const auto open = client.lock()) {
        open->guarded([&] { open->send_next(); });
      }
    });
  });
  send_next();
  pump();
}

void http_connection::send_next() {
  if (phase_ != phase::streaming || sending_ || !stream_) {
    return;
  }
  const auto piece = stream_->next(piece_bytes);
  append_piece(piece.text);
  if (!piece.ended && core_.closing) {
    receipt_.say(false);
  }
  if (piece.ended || core_.closing) {
    end_stream(!piece.ended);
    return;
  }
  send_outgoing();
}

/// Sends the gathered pieces and the end of the body. No write may be outstanding.
void http_connection::end_stream(bool early) {
  if (early) {
    append_piece(stream_->cut_short());
  }
  outgoing_ += chunked_ ? "0\r\n\r\n" : "";
  release_stream();
  send_outgoing();
}

void http_connection::send_heartbeat() {
  waits_for_heartbeat_ = false;
  append_piece(stream_->heartbeat());
  send_outgoing();
}

/// Empty pieces are skipped: an empty chunk would end the body.
void http_connection::append_piece(std::string_view text) {
  if (text.empty() || !chunked_) {
    outgoing_ += text;
    return;
  }
  std::array<char, 16> digits{};
  const auto [end, ec] =
      std::to_chars(digits.data(), digits.data() + digits.size(), text.size(), 16);
  outgoing_.append(digits.data(), end).append("\r\n").append(text).append("\r\n");
}

void http_connection::send_outgoing() {
  if (outgoing_.empty() && stream_) {
    // Only the first empty look sets the timer; later ones must not postpone the heartbeat.
    if (!std::exchange(waits_for_heartbeat_, true)) {
      arm(core_.options.stream_heartbeat);
    }
    return;
  }
  waits_for_heartbeat_ = false;
  sending_ = true;
  begin_taking();
  asio::async_write(socket_, asio::buffer(outgoing_),
                    [self = shared_from_this()](error_code ec, std::size_t) {
                      self->guarded([&] { self->on_piece_sent(ec); });
                    });
}

void http_connection::on_piece_sent(error_code ec) {
  sending_ = false;
  outgoing_.clear();
  if (phase_ == phase::closed) {
    return;
  }
  if (ec) {
    close();
  } else if (stream_) {
    send_next();
  } else {
    give_receipt();
    linger();
  }
}

void http_connection::release_stream() {
  if (stream_) {
    stream_.reset();
    --core_.streams;
  }
}

} // namespace tayfa
