// The head of a request (request line and fields) before any parser sees it: is it all here, and is
// it beyond doubt?
//
// Request smuggling lives on bytes that two programs read differently. What is allowed here is
// therefore narrower than what parsers forgive: every line ends in CR LF, no line is folded, no
// name is followed by a blank, no control character is anywhere, one Content-Length of digits or
// one `Transfer-Encoding: chunked`. Pure functions.
#pragma once

#include "messages/error.hpp"

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa {

/// A worker that holds hundreds of jobs names them all in the request line of each ping.
inline constexpr std::size_t request_line_bytes_max = 28 * 1024;
inline constexpr std::size_t head_bytes_max = 32 * 1024;
inline constexpr std::size_t head_fields_max = 100;

enum class head_state { partial, complete, malformed, line_too_long, too_large };

/// Looks at the bytes of one request as they arrive. Each byte is looked at once, however they are
/// split.
class head_scanner {
 public:
  /// `received` is everything that has arrived of this request so far: it only grows between calls.
  head_state scan(std::string_view received);
  /// Where the request line begins: behind an empty line, which old clients send after a body (RFC
  /// 9112, 2.2).
  std::size_t begin() const { return begin_; }
  /// One past the empty line that ends the head. Known when complete.
  std::size_t end() const { return position_; }

 private:
  head_state take_line(std::string_view line);

  std::size_t begin_ = 0;
  std::size_t line_ = 0; ///< where the line that is being read begins
  std::size_t position_ = 0;
  std::size_t fields_ = 0;
  bool request_line_seen_ = false;
};

/// The request line's version, before any parser sees it: a later minor version of HTTP/1 is read
/// as 1.1 and written so (RFC 9110, 2.5); of another major version errc::version_not_supported.
/// What is no version at all is left to the parser.
result<void> settle_version(std::string& received, std::size_t begin);

/// What makes the head's meaning doubtful or is not spoken here; nothing when all is well.
std::optional<error> refuse_fields(const boost::beast::http::request_header<>&);

} // namespace tayfa
