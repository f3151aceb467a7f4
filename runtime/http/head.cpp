#include "runtime/http/head.hpp"

#include "runtime/net/host_names.hpp"

#include <algorithm>
#include <boost/beast/core/string.hpp>

namespace tayfa {

namespace http = boost::beast::http;
using boost::beast::iequals;

namespace {

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

bool is_field_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) {
    return false;
  }
  const std::string_view name = line.substr(0, colon);
  return std::all_of(name.begin(), name.end(), is_token_char);
}

bool has_control(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

/// True for "gzip, chunked": the end of the body is unambiguous, though its content cannot be
/// decoded here. "chunked" twice is not allowed.
bool is_chunked_after_others(std::string_view codings) {
  constexpr std::string_view chunked = "chunked";
  const std::size_t mark = codings.rfind(',');
  if (mark == std::string_view::npos) {
    return false;
  }
  auto last = codings.substr(mark + 1);
  last.remove_prefix(std::min(last.find_first_not_of(" \t"), last.size()));
  for (std::size_t at = 0; at + chunked.size() <= mark; ++at) {
    if (iequals(codings.substr(at, chunked.size()), chunked)) {
      return false;
    }
  }
  return iequals(last, chunked);
}

std::optional<error> refuse_length(const http::request_header<>& head) {
  const auto lengths = head.count(http::field::content_length);
  if (lengths > 1) {
    return error{errc::bad_request, "more than one Content-Length"};
  }
  const auto length = head[http::field::content_length];
  const bool digits =
      std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (lengths == 1 && (length.empty() || !digits)) {
    return error{errc::bad_request, "Content-Length is not a number"};
  }
  const auto encodings = head.count(http::field::transfer_encoding);
  if (encodings == 0) {
    return std::nullopt;
  }
  if (lengths > 0) {
    return error{errc::bad_request, "both Content-Length and Transfer-Encoding"};
  }
  const auto encoding = head[http::field::transfer_encoding];
  if (encodings == 1 && head.version() >= 11 && iequals(encoding, "chunked")) {
    return std::nullopt;
  }
  const std::string text{"only Transfer-Encoding: chunked is taken, with HTTP/1.1"};
  return error{is_chunked_after_others(encoding) && encodings == 1 && head.version() >= 11
                   ? errc::not_implemented
                   : errc::bad_request,
               text};
}

/// Without a preflight a web page may post to any address a body without a type or with a form's
/// type, or no body at all (which is enough to purge a queue). It cannot declare JSON without a
/// preflight.
std::optional<error> refuse_page(const http::request_header<>& head) {
  const bool page = head.count(http::field::origin) > 0 || head.count("Sec-Fetch-Mode") > 0;
  if (!page || head.method() != http::verb::post) {
    return std::nullopt;
  }
  const auto type = head[http::field::content_type];
  constexpr std::string_view json = "application/json";
  if (!iequals(type.substr(0, json.size()), json)) {
    return error{errc::unsupported_media, "send the header Content-Type: application/json"};
  }
  return std::nullopt;
}

} // namespace

head_state head_scanner::scan(std::string_view received) {
  while (position_ < received.size()) {
    const std::size_t found = received.find('\n', position_);
    const bool whole = found != std::string_view::npos;
    const std::size_t stop = whole ? found + 1 : received.size();
    if (!request_line_seen_ && stop - line_ > request_line_bytes_max) {
      return head_state::line_too_long;
    }
    if (stop - begin_ > head_bytes_max) {
      return head_state::too_large;
    }
    position_ = stop;
    if (!whole) {
      break;
    }
    if (found == line_ || received[found - 1] != '\r') {
      return head_state::malformed; // bare LF
    }
    const head_state state = take_line(received.substr(line_, found - 1 - line_));
    if (state != head_state::partial) {
      return state;
    }
    line_ = position_;
  }
  return head_state::partial;
}

head_state head_scanner::take_line(std::string_view line) {
  if (has_control(line)) {
    return head_state::malformed; // NUL, bare CR, …
  }
  if (!request_line_seen_) {
    if (line.empty()) {
      const bool first = std::exchange(begin_, position_) == 0;
      return first ? head_state::partial : head_state::malformed;
    }
    request_line_seen_ = true;
    return line.find('\t') == std::string_view::npos ? head_state::partial : head_state::malformed;
  }
  if (line.empty()) {
    return head_state::complete;
  }
  if (++fields_ > head_fields_max) {
    return head_state::too_large;
  }
  return is_field_line(line) ? head_state::partial : head_state::malformed;
}

result<void> settle_version(std::string& received, std::size_t begin) {
  const std::size_t end = received.find("\r\n", begin);
  constexpr std::string_view name = " HTTP/";
  constexpr std::size_t digits = 3; // "1.1"
  if (end == std::string::npos || end - begin < name.size() + digits) {
    return {};
  }
  const std::size_t at = end - digits;
  const std::string_view version = std::string_view{received}.substr(at, digits);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (std::string_view{received}.substr(at - name.size(), name.size()) != name ||
      !is_digit(version[0]) || version[1] != '.' || !is_digit(version[2])) {
    return {};
  }
  if (version[0] != '1') {
    return fail(errc::version_not_supported);
  }
  if (version[2] > '1') {
    received[end - 1] = '1';
  }
  return {};
}

std::optional<error> refuse_fields(const http::request_header<>& head) {
  if (auto refused = refuse_length(head)) {
    return refused;
  }
  const auto hosts = head.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && head.version() >= 11)) {
    return error{errc::bad_request, "HTTP/1.1 needs exactly one Host"};
  }
  if (const auto host = head[http::field::host]; !is_host_field({host.data(), host.size()})) {
    return error{errc::bad_request, "Host is not a name or an address, with or without a port"};
  }
  if (head.count(http::field::expect) > 0 && !iequals(head[http::field::expect], "100-continue")) {
    return error{errc::bad_request, "only Expect: 100-continue is supported"};
  }
  const auto coding = head[http::field::content_encoding];
  if (!coding.empty() && !iequals(coding, "identity")) {
    return error{errc::unsupported_media, "Content-Encoding is not supported"};
  }
  if (auto refused = refuse_page(head)) {
    return refused;
  }
  for (const char* const once : {"Authorization", "Idempotency-Key", "Last-Event-ID"}) {
    if (head.count(once) > 1) {
      return error{errc::bad_request, "more than one " + std::string{once}};
    }
  }
  if (head.count("Idempotency-Key") > 0 && head["Idempotency-Key"].empty()) {
    return error{errc::bad_request, "Idempotency-Key is empty"};
  }
  return std::nullopt;
}

} // namespace tayfa
