#include "runtime/http/connection.hpp"

#include "runtime/api/openai.hpp"
#include "runtime/api/route.hpp"
#include "runtime/http/target.hpp"
#include "runtime/net/tcp_progress.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/http/error.hpp>
#include <fcntl.h>

namespace tayfa {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t small_read = 4 * 1024;
constexpr std::size_t large_read = 64 * 1024;
constexpr std::size_t pending_max = 64 * 1024;
constexpr std::size_t large_body = std::size_t{1} << 20;
/// Beast's parser asserts that the end of a chunked body comes in pieces of five bytes or more
/// ("0\r\n\r\n").
constexpr std::size_t chunk_tail_bytes = 5;
/// Rows of api's route table that the health address serves.
constexpr std::array<std::string_view, 2> health_routes{"ping", "ready"};
constexpr std::size_t discard_max = std::size_t{64} << 20;

std::string text_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

} // namespace

http_connection::http_connection(http_core& core, socket s, bool only_health)
    : core_(core), only_health_(only_health), socket_(std::move(s)), timer_(core.io) {
  error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay{true}, ignored);
  socket_.non_blocking(true, ignored);
  // An engine process started meanwhile must not inherit the socket and keep it open.
  ::fcntl(socket_.native_handle(), F_SETFD, FD_CLOEXEC);
  notice_vanished_peer(socket_.native_handle());
}

void http_connection::serve() {
  admitted_ = true;
  begin_idle();
  pump();
}

void http_connection::turn_away() {
  refuse({errc::too_many_connections, {}});
}

void http_connection::finish() {
  switch (phase_) {
  case phase::idle:
  case phase::head:
  case phase::body:
  case phase::lingering: close(); break;
  case phase::answering:
  case phase::writing: keep_alive_ = false; break;
  case phase::streaming: send_next(); break;
  case phase::closed: break;
  }
}

void http_connection::close() {
  if (phase_ == phase::closed) {
    return;
  }
  core_.idle_ends(*this);
  phase_ = phase::closed;
  const auto client = std::move(client_);
  const auto unsaid = std::move(receipt_); // destroyed at return: reports the answer as not sent
  settle_awaited(false);
  const auto unacknowledged = std::move(awaited_); // destroyed at return, as `unsaid`
  release_body();
  release_stream();
  pass_.reset();
  disarm();
  error_code ignored;
  socket_.close(ignored);
  core_.forget(*this);
  if (client) {
    client->left();
  }
}

// ---- reading -----------------------------------------------------------------------------------

void http_connection::pump() {
  if (reading_ || peer_done_ || phase_ == phase::closed || pending_.size() >= pending_max) {
    return;
  }
  const bool bulk = phase_ == phase::body || phase_ == phase::lingering;
  chunk_.resize(bulk ? large_read : small_read);
  if (!bulk) {
    chunk_.shrink_to_fit();
  }
  reading_ = true;
  socket_.async_read_some(asio::buffer(chunk_),
                          [self = shared_from_this()](error_code ec, std::size_t size) {
                            self->guarded([&] { self->on_read(ec, size); });
                          });
}

void http_connection::on_read(error_code ec, std::size_t size) {
  reading_ = false;
  if (phase_ == phase::closed) {
    return;
  }
  if (ec == asio::error::eof) {
    settle_awaited(true);
    peer_done_ = true;
    on_end_of_stream();
    return;
  }
  if (ec) {
    close();
    return;
  }
  if (phase_ == phase::lingering) {
    discarded_ += size;
    if (discarded_ > discard_max) {
      close();
    } else {
      linger_on();
      pump();
    }
    return;
  }
  settle_awaited(true); // a further request proves that the client read the last answer
  pending_.append(chunk_.data(), size);
  advance();
}

void http_connection::on_end_of_stream() {
  switch (phase_) {
  case phase::idle:
  case phase::head:
  case phase::body:
  case phase::lingering: close(); break;
  case phase::streaming:
    if (stream_) {
      close(); // a watching client keeps its sending side open
    }          // else the last piece is being sent, and may have been read already
    break;
  case phase::answering:
    // A FIN does not show whether the client has left or only finished sending. One that only shut
    // its sending side still gets an answer that comes within `linger`.
    arm(core_.options.linger);
    client_->left();
    break;
  case phase::writing: keep_alive_ = false; break;
  case phase::closed: break;
  }
}

void http_connection::advance() {
  switch (phase_) {
  case phase::idle:
    if (pending_.empty()) {
      pump();
      return;
    }
    core_.idle_ends(*this);
    phase_ = phase::head;
    since_ = core_.time.now();
    arm(core_.options.header_timeout);
    scan_head();
    break;
  case phase::head: scan_head(); break;
  case phase::body: feed_body(); break;
  case phase::answering:
  case phase::writing:
  case phase::streaming: pump(); break;
  case phase::lingering:
  case phase::closed: break;
  }
}

void http_connection::next_request() {
  pass_.reset();
  scanner_ = {};
  only_head_wanted_ = false;
  openai_ = false;
  version_ = 11;
  if (pending_.empty() && pending_.capacity() > small_read) {
    pending_.shrink_to_fit(); // keep idle connections small
  }
  begin_idle();
  advance();
}

void http_connection::begin_idle() {
  phase_ = phase::idle;
  since_ = core_.time.now();
  core_.idle_begins(*this);
  arm(core_.options.idle_timeout);
}

void http_connection::scan_head() {
  switch (scanner_.scan(pending_)) {
  case head_state::partial: pump(); break;
  case head_state::malformed: refuse_head({errc::bad_request, {}}); break;
  case head_state::line_too_long: refuse_head({errc::uri_too_long, {}}); break;
  case head_state::too_large: refuse_head({errc::header_too_large, {}}); break;
  case head_state::complete: read_head(); break;
  }
}

/// The head is not parsed yet, but an answer to HEAD must have no body even for a malformed
/// request.
void http_connection::refuse_head(const error& why) {
  constexpr std::string_view method = "HEAD ";
  const std::size_t begin = std::min(scanner_.begin(), pending_.size());
  only_head_wanted_ = std::string_view{pending_}.substr(begin).starts_with(method);
  refuse(why);
}

void http_connection::read_head() {
  const std::size_t begin = scanner_.begin();
  if (const auto spoken = settle_version(pending_, begin); !spoken) {
    refuse_head(spoken.error());
    return;
  }
  parser_.emplace();
  parser_->header_limit(head_bytes_max + 1);
  parser_->body_limit(boost::none); // set by route, once the route is known
  error_code ec;
  const std::size_t used =
      parser_->put(asio::buffer(pending_.data() + begin, scanner_.end() - begin), ec);
  if (ec || !parser_->is_header_done() || begin + used != scanner_.end()) {
    refuse_head({errc::bad_request, ec ? ec.message() : std::string{}});
    return;
  }
  pending_.erase(0, scanner_.end());
  admit();
}

void http_connection::admit() {
  const auto& head = parser_->get();
  version_ = head.version();
  keep_alive_ = head.keep_alive() && !core_.closing;
  only_head_wanted_ = head.method() == http::verb::head;
  const std::string method = text_of(head.method_string());
  const auto target = read_request_target(method, text_of(head.target()));
  openai_ = target && api::is_openai(target->path);
  if (const auto refused = refuse_fields(head)) {
    refuse(*refused);
    return;
  }
  if (const auto refused = refuse_stranger(target ? target->authority : std::string{})) {
    respond(api::refuse(*refused), no_body() ? after::go_on : after::close);
    return;
  }
  if (!target) {
    refuse_target(target.error());
    return;
  }
  parser_->get().target(target->path); // from here on an absolute form is treated like any other
  const auto asked = read_target(method, target->path);
  if (!asked) {
    respond(asked.error(), no_body() ? after::go_on : after::close);
    return;
  }
  route_ = asked->at;
  if (auto refused = ask_gate(*asked)) {
    respond(std::move(*refused), no_body() ? after::go_on : after::close);
    return;
  }
  if (no_body()) {
    hand_over();
    return;
  }
  begin_body(asked->body_bytes);
}

/// After a refused CONNECT the client may send bytes that are not HTTP: close.
void http_connection::refuse_target(const error& why) {
  api::response refused = api::refuse(why);
  if (why.code == errc::method_not_allowed) {
    refused.headers.emplace_back("Allow", "GET, HEAD, POST, OPTIONS");
  }
  respond(std::move(refused), after::close);
}

tl::expected<api::route_match, api::response>
http_connection::read_target(std::string_view method, std::string_view target) const {
  auto found = api::read_head(method, target, core_.options.api);
  if (found && only_health_ &&
      std::find(health_routes.begin(), health_routes.end(), found->route) == health_routes.end()) {
    return tl::unexpected(
        api::refuse({errc::not_found, "this address answers health checks only"}));
  }
  return found;
}

void http_connection::begin_body(std::size_t limit) {
  const auto length = parser_->content_length();
  if (limit == 0 || length.value_or(0) > limit) {
    refuse_large(std::to_string(limit) + " bytes at most");
    return;
  }
  const std::size_t expected = length ? static_cast<std::size_t>(*length) : limit;
  if (!core_.reserve(expected)) {
    refuse({errc::busy, {}});
    return;
  }
  reserved_ = expected;
  parser_->body_limit(limit);
  parser_->eager(true);
  const bool waits = parser_->get().count(http::field::expect) > 0 && version_ >= 11;
  phase_ = phase::body;
  begin_transfer(0);
  if (waits && pending_.empty() && !send_continue()) {
    close();
    return;
  }
  feed_body();
}

/// The send buffer is empty here, so these 25 bytes are written at once or the connection is
/// broken.
bool http_connection::send_continue() {
  static constexpr std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
  error_code ec;
  return socket_.write_some(asio::buffer(text), ec) == text.size() && !ec;
}

void http_connection::feed_body() {
  const std::size_t least = parser_->chunked() ? chunk_tail_bytes : 1;
  while (!parser_->is_done() && pending_.size() >= least) {
    error_code ec;
    const std::size_t used = parser_->put(asio::buffer(pending_), ec);
    pending_.erase(0, used);
    if (ec == http::error::need_more) {
      if (pending_.size() >= pending_max) {
        refuse({errc::bad_request, "a chunk's header or trailer is too long"});
        return;
      }
      break;
    }
    if (ec == http::error::body_limit) {
      refuse_large({});
      return;
    }
    if (ec == http::error::buffer_overflow) { // Beast reports std::bad_alloc this way
      throw std::bad_alloc{};
    }
    if (ec) {
      refuse({errc::bad_request, ec.message()});
      return;
    }
  }
  if (parser_->is_done()) {
    hand_over();
    return;
  }
  note_moved(parser_->get().body().size()); // chunk framing does not count as progress
  pump();
}

/// RunPod's SDK posts a result only once, so a refused result must end its job.
void http_connection::refuse_large(std::string text) {
  auto lost = api::result_lost(std::move(*route_), pass_ ? pass_->who() : api::principal{},
                               core_.options.api);
  refuse({errc::payload_too_large, std::move(text)});
  if (lost) {
    pass_on(std::move(*lost), std::make_shared<tayfa::reply>([](api::response) {}));
  }
}

void http_connection::release_body() {
  if (reserved_ >= large_body) {
    core_.watch.something_went();
  }
  core_.release(std::exchange(reserved_, 0));
  parser_.reset();
}

// ---- answering ---------------------------------------------------------------------------------

void http_connection::hand_over() {
  auto& head = parser_->get();
  api::request asked{.method = text_of(head.method_string()),
                     .target = text_of(head.target()),
                     .content_type = text_of(head[http::field::content_type]),
                     .body = std::move(head.body()),
                     .idempotency_key = text_of(head["Idempotency-Key"]),
                     .last_event_id = text_of(head["Last-Event-ID"]),
                     .who = pass_ ? pass_->who() : api::principal{}};
  release_body();
  phase_ = phase::answering;
  disarm();
  ++number_;
  const auto at = std::exchange(route_, nullptr);
  auto parsed = api::parse(std::move(asked), std::move(*at), core_.options.api);
  if (!parsed) {
    respond(std::move(parsed.error()), after::go_on);
    return;
  }
  pass_on(std::move(*parsed), make_reply());
  pump();
}

/// Releases what this request holds first, so that there may be memory for the refusal.
void http_connection::on_no_memory() {
  try {
    core_.report(errc::unavailable, "no memory for a request");
    if (phase_ == phase::head || phase_ == phase::body || phase_ == phase::answering) {
      pending_ = {};
      release_body();
      keep_alive_ = false;
      refuse({errc::busy, {}});
      return;
    }
  } catch (const std::exception&) {
    // Too little memory even to refuse: close.
  }
  close();
}

/// Exactly one answer comes back, however the sink treats the reply (also when it throws or drops
/// it).
void http_connection::pass_on(api::call call, reply_ptr reply) {
  if (core_.sink) {
    try {
      core_.sink(std::move(call), std::move(reply));
    } catch (...) {
      core_.report(errc::internal, "a call could not be handed over");
    }
  }
}

} // namespace tayfa
