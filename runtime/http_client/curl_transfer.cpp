#include "runtime/http_client/curl_transfer.hpp"

#include "runtime/base/words.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace tayfa {

namespace {

constexpr std::size_t answer_head_max = 32 * 1024;
constexpr std::size_t answer_fields_max = 100;
constexpr std::size_t field_bytes_max = 8 * 1024;
constexpr std::int64_t timeout_max_ms = 86'400'000;
/// TCP keepalive: detects a dead peer (with the kernel's default of 9 probes: within 3 minutes) and
/// keeps NAT mappings alive during long polls.
constexpr long keepalive_idle_s = 30;
constexpr long keepalive_interval_s = 15;

constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";
constexpr std::string_view methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
/// Header fields of the connection and its framing, which the caller may not set.
constexpr std::string_view own_fields[] = {
    "host", "content-length", "transfer-encoding", "connection",          "expect",
    "te",   "upgrade",        "trailer",           "proxy-authorization", "proxy-connection"};

template <class List>
bool among(const List& list, std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           token_marks.find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != '\x7f');
  });
}

} // namespace

bool append(curl_list& list, const std::string& line) {
  curl_slist* const grown = curl_slist_append(list.get(), line.c_str());
  if (grown == nullptr) {
    return false;
  }
  (void)list.release(); // now owned by `grown`
  list.reset(grown);
  return true;
}

curl_transfer::curl_transfer(call_ticket ticket, outgoing_call call, done_function done,
                             std::size_t bytes)
    : ticket_(ticket), call_(std::move(call)), done_(std::move(done)), bytes_(bytes) {}

result<void> curl_transfer::check(const poster_options& options) {
  if (!among(methods, call_.method)) {
    return fail(errc::bad_request, "the method is none of GET HEAD POST PUT PATCH DELETE");
  }
  for (const auto& [name, value] : call_.headers) {
    if (!is_token(name) || !is_field_value(value) || name.size() + value.size() > field_bytes_max ||
        among(own_fields, text::lower(name))) {
      return fail(errc::bad_request, "a header field is malformed, or not the caller's to set");
    }
  }
  if (!is_field_value(call_.user_agent) || call_.user_agent.size() > field_bytes_max) {
    return fail(errc::bad_request, "the user agent is malformed");
  }
  auto url = call_.guarded ? guarded_url(call_.url, options.guard)
                           : parse_url(call_.url, own_url_bytes_max);
  if (!url) {
    return fail(call_.guarded ? errc::webhook_refused : errc::bad_request, url.error().text);
  }
  url_ = std::move(*url);
  target_ = url_.host + ":" + std::to_string(url_.port);
  guard_ = call_.guarded ? &options.guard : nullptr;
  return {};
}

bool curl_transfer::sends_body() const {
  return body_size(call_) > 0 || call_.method == "POST" || call_.method == "PUT" ||
         call_.method == "PATCH";
}

bool curl_transfer::make_fields() {
  bool made = true;
  const auto add = [this, &made](const std::string& line) { made = append(fields_, line) && made; };
  bool typed = false;
  for (const auto& [name, value] : call_.headers) {
    const auto bare = text::trimmed(value);
    // libcurl reads "Name:" as "remove this field"; "Name;" sends it empty.
    add(bare.empty() ? name + ";" : name + ": " + std::string{bare});
    typed = typed || text::iequals(name, "content-type");
  }
  if (sends_body() && !typed) {
    add("Content-Type: application/json");
  }
  // libcurl would otherwise wait a second for "100 Continue" before a large body; few receivers
  // send it.
  add("Expect:");
  return made;
}

bool curl_transfer::offer_body() {
  bool all_set = true;
  const auto set = [this, &all_set](CURLoption option, auto value) {
    all_set = (curl_easy_setopt)(handle_.get(), option, value) == CURLE_OK && all_set;
  };
  set(CURLOPT_POST, 1L);
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_size(call_)));
  if (call_.more.empty()) {
    set(CURLOPT_POSTFIELDS, call_.body.data());
  } else {
    set(CURLOPT_READFUNCTION, &give_body);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_SEEKFUNCTION, &rewind_body); // for a retry after a reused connection had died
    set(CURLOPT_SEEKDATA, this);
  }
  return all_set;
}

result<void> curl_transfer::open(const poster_options& options, curl_slist* pinned,
                                 open_sockets& sockets) {
  open_ = &sockets;
  handle_.reset(curl_easy_init());
  if (!handle_ || !make_fields()) {
    return fail(errc::unavailable, "libcurl is out of memory");
  }
  bool all_set = true;
  const auto set = [this, &all_set](CURLoption option, auto value) {
    all_set = (curl_easy_setopt)(handle_.get(), option, value) == CURLE_OK && all_set;
  };
  call_.timeout = std::clamp(call_.timeout, std::chrono::milliseconds{1},
                             std::chrono::milliseconds{timeout_max_ms});
  const std::int64_t connect =
      std::clamp<std::int64_t>(options.connect_timeout.count(), 1, timeout_max_ms);
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_CURLU, url_.parts.get());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_NOSIGNAL, 1L);
  // Otherwise a silent name server would block this thread after the call has timed out.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect)); // the poster times the whole call
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.ca_file.c_str());
  }
  set(CURLOPT_RESOLVE, pinned);
  set(CURLOPT_USERAGENT, call_.user_agent.c_str());
  if (call_.compressed) {
    set(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  }
  set(CURLOPT_HTTPHEADER, fields_.get());
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  all_set = (!sends_body() || offer_body()) && all_set;
  if (call_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else {
    set(CURLOPT_CUSTOMREQUEST, call_.method.c_str());
  }
  set(CURLOPT_WRITEFUNCTION, &take_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HEADERFUNCTION, &take_head);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_CLOSESOCKETFUNCTION, &close_socket);
  set(CURLOPT_CLOSESOCKETDATA, &sockets);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_TCP_KEEPIDLE, keepalive_idle_s);
  set(CURLOPT_TCP_KEEPINTVL, keepalive_interval_s);
  set(CURLOPT_PREREQFUNCTION, &before_request);
  set(CURLOPT_PREREQDATA, this);
  // The environment's proxies are for remote hosts, not for this machine.
  const bool loopback = url_.host == "localhost" || url_.host == "::1" ||
                        (url_.address && url_.host.starts_with("127."));
  if (guard_ != nullptr || loopback) {
    set(CURLOPT_PROXY, "");
  }
  if (!all_set) {
    return fail(errc::unavailable, "this libcurl cannot do what a call needs");
  }
  return {};
}

// ---- libcurl callbacks: they must not throw ----------------------------------------------------

curl_socket_t curl_transfer::open_socket(void* self, curlsocktype purpose,
                                         curl_sockaddr* to) noexcept {
  auto& me = *static_cast<curl_transfer*>(self);
  me.asked_on_.reset(); // was set for a connection that has died
  if (me.dropped_) {
    return CURL_SOCKET_BAD;
  }
  if (me.guard_ != nullptr) {
    const auto address = address_of(to->addr);
    if (purpose != CURLSOCKTYPE_IPCXN || !address || !me.guard_->allows(*address)) {
      me.refused_ = true;
      return CURL_SOCKET_BAD;
    }
  }
  const int fd = ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
  if (fd < 0) {
    return CURL_SOCKET_BAD;
  }
  try {
    me.open_->note(fd);
  } catch (const std::exception&) {
    ::close(fd);
    return CURL_SOCKET_BAD;
  }
  ++me.sockets_;
  return fd;
}

int curl_transfer::close_socket(void* sockets, curl_socket_t fd) noexcept {
  return static_cast<open_sockets*>(sockets)->forget(fd);
}

int curl_transfer::before_request(void* self, char* remote, char* local, int remote_port,
                                  int local_port) noexcept {
  auto& me = *static_cast<curl_transfer*>(self);
  try {
    return me.may_ask(remote, local, remote_port, local_port) ? CURL_PREREQFUNC_OK
                                                              : CURL_PREREQFUNC_ABORT;
  } catch (const std::exception&) {
    return CURL_PREREQFUNC_ABORT;
  }
}

bool curl_transfer::may_ask(const char* remote, const char* local, int remote_port,
                            int local_port) {
  connected_ = true;
  if (dropped_) {
    return false; // libcurl retries when a reused connection has died
  }
  const auto there = parse_address(remote);
  if (guard_ != nullptr && (!there || !guard_->allows(*there))) {
    refused_ = true;
    sockets_ = 0;
    return false;
  }
  asked_on_.reset();
  if (const auto here = parse_address(local); here && there) {
    asked_on_ = {*here, *there, local_port, remote_port};
  }
  return true;
}

std::size_t curl_transfer::give_body(char* to, std::size_t size, std::size_t count,
                                     void* self) noexcept {
  auto& me = *static_cast<curl_transfer*>(self);
  const std::size_t room = size * count;
  std::size_t given = 0;
  std::uint64_t begin = 0; // offset of the piece in the body
  const auto give = [&](std::string_view piece) {
    const std::uint64_t end = begin + piece.size();
    if (me.body_given_ < end && given < room) {
      const auto part = piece.substr(me.body_given_ - begin, room - given);
      std::memcpy(to + given, part.data(), part.size());
      given += part.size();
      me.body_given_ += part.size();
    }
    begin = end;
  };
  give(me.call_.body);
  for (const auto& piece : me.call_.more) {
    give(piece.view());
  }
  return given;
}

int curl_transfer::rewind_body(void* self, curl_off_t offset, int origin) noexcept {
  auto& me = *static_cast<curl_transfer*>(self);
  if (origin != SEEK_SET || offset < 0) {
    return CURL_SEEKFUNC_FAIL;
  }
  me.body_given_ = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

std::size_t curl_transfer::take_body(char* bytes, std::size_t size, std::size_t count,
                                     void* self) noexcept {
  auto& me = *static_cast<curl_transfer*>(self);
  const std::size_t length = size * count;
  if (length > me.call_.answer_bytes_max - me.answer_.body.size()) {
    me.too_large_ = true;
    return 0;
  }
  try {
    me.answer_.body.append(bytes, length);
  } catch (const std::exception&) {
    return 0;
  }
  return length;
}

std::size_t curl_transfer::take_head(char* bytes, std::size_t size, std::size_t count,
                                     void* self) noexcept {
  auto& me = *static_cast<curl_transfer*>(self);
  const std::size_t length = size * count;
  me.head_bytes_ += length;
  if (me.head_bytes_ > answer_head_max || me.answer_.headers.size() >= answer_fields_max) {
    me.too_large_ = true;
    return 0;
  }
  try {
    me.take_field({bytes, length});
  } catch (const std::exception&) {
    return 0;
  }
  return length;
}

void curl_transfer::take_field(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    answer_.headers.clear(); // those of a 100 Continue, or of a try on a connection that had died
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos && colon > 0) {
    answer_.headers.emplace_back(text::lower(text::trimmed(line.substr(0, colon))),
                                 std::string{text::trimmed(line.substr(colon + 1))});
  }
}

// ---- dropped calls -----------------------------------------------------------------------------

bool curl_transfer::say_goodbye(std::chrono::milliseconds linger) {
  if (!dropped_) {
    const auto connection = asked_on_ ? open_->find(*asked_on_) : std::nullopt;
    goodbye_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    if (!connection || !goodbye_) {
      return false;
    }
    dropped_ = true;
    curl_easy_setopt(handle_.get(), CURLOPT_FORBID_REUSE, 1L);
    ::shutdown(*connection, SHUT_WR);
  }
  const std::int64_t ms = std::clamp<std::int64_t>(linger.count(), 0, timeout_max_ms);
  itimerspec once{};
  once.it_value = {ms / 1000, ms % 1000 * 1'000'000 + 1}; // all zero would disarm the timer
  return ::timerfd_settime(goodbye_.get(), 0, &once, nullptr) == 0;
}

bool curl_transfer::goodbye_is_over() const {
  std::uint64_t times = 0;
  return ::read(goodbye_.get(), &times, sizeof times) > 0;
}

// ---- the end -----------------------------------------------------------------------------------

bool curl_transfer::may_begin_anew(CURLcode code, moment now,
                                   std::chrono::milliseconds connect_timeout) const {
  return code == CURLE_OPERATION_TIMEDOUT && !connected_ && !dropped_ &&
         now - began_ < connect_timeout && now < pace_.due();
}

error curl_transfer::failure(CURLcode code) const {
  if (dropped_) {
    return {errc::cancelled, {}};
  }
  if (refused_ && sockets_ == 0) {
    return {errc::webhook_refused, "the name has no public address"};
  }
  if (too_large_) {
    return {errc::payload_too_large, "the answer is larger than was allowed"};
  }
  const std::string text = curl_easy_strerror(code);
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return {errc::request_timeout, "no connection in time"};
  }
  if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
      code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_OUT_OF_MEMORY) {
    return {errc::unavailable, text};
  }
  return {errc::io_error, text};
}

void curl_transfer::finish(CURLcode code) {
  if (code != CURLE_OK) {
    end(failure(code));
    return;
  }
  long status = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
  answer_.status = static_cast<unsigned>(status);
  if (const auto done = std::exchange(done_, nullptr)) {
    done(std::move(answer_));
  }
}

void curl_transfer::end(error why) {
  if (const auto done = std::exchange(done_, nullptr)) {
    done(fail(std::move(why)));
  }
}

} // namespace tayfa
