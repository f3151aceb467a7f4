// Checks the head of a request (request line and fields) before any parser reads it: is it complete
// and unambiguous?
//
// Request smuggling relies on bytes that two programs read differently. So less is allowed here
// than parsers tolerate: every line ends in CR LF, lines are not folded, no name is followed by a
// blank, control characters are refused, and there is one Content-Length of digits or one
// `Transfer-Encoding: chunked`. Pure functions.
#pragma once

#include "messages/error.hpp"

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa {

/// Large: a worker that holds hundreds of jobs names them all in the request line of each ping.
inline constexpr std::size_t request_line_bytes_max = 28 * 1024;
inline constexpr std::size_t head_bytes_max = 32 * 1024;
inline constexpr std::size_t head_fields_max = 100;

enum class head_state { partial, complete, malformed, line_too_long, too_large };

/// Scans the bytes of one request as they arrive. Each byte is scanned once, however they are
/// split.
class head_scanner {
 public:
  /// `received` is everything received of this request so far: it only grows between calls.
  head_state scan(std::string_view received);
  /// Begin of the request line: after an empty line, which old clients send after a body (RFC 9112,
  /// 2.2).
  std::size_t begin() const { return begin_; }
  /// End of the head, after its empty line. Known when complete.
  std::size_t end() const { return position_; }

 private:
  head_state take_line(std::string_view line);

  std::size_t begin_ = 0;
  std::size_t line_ = 0; ///< start of the line being read
  std::size_t position_ = 0;
  std::size_t fields_ = 0;
  bool request_line_seen_ = false;
};

/// Settles the request line's version before any parser reads it: a later minor version of HTTP/1
/// is read as 1.1 and rewritten as such (RFC 9110, 2.5); another major version gives
/// errc::version_not_supported. Malformed versions are left to the parser.
result<void> settle_version(std::string& received, std::size_t begin);

/// The error when the head is ambiguous or uses something unsupported; empty when it is fine.
std::optional<error> refuse_fields(const boost::beast::http::request_header<>&);

} // namespace tayfa
