// Any bytes as the head of a request: however they arrive, they are read the same way; and what is
// left of a target is one that the routes know, with an authority that is one.
#include "runtime/http/head.hpp"
#include "runtime/http/target.hpp"
#include "runtime/net/host_names.hpp"

#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

using namespace tayfa;
namespace http = boost::beast::http;

namespace {

void check_target(std::string_view method, std::string_view target) {
  const auto read = read_request_target(method, target);
  if (!read) {
    fuzz::require(!read.error().text.empty(), "a refusal of a target says why");
    return;
  }
  fuzz::require(read->path.starts_with('/') || (read->path == "*" && method == "OPTIONS"),
                "a target is a path, or * for OPTIONS");
  fuzz::require(read->path.find('#') == std::string::npos, "a target has no fragment");
  const auto& authority = read->authority;
  fuzz::require(authority.empty() || (is_host_field(authority) &&
                                      authority.find_first_of("@/?#") == std::string::npos),
                "an authority is a host and a port");
  const auto again = read_request_target(method, read->path);
  fuzz::require(again && again->path == read->path && again->authority.empty(),
                "a target that was read is read as itself");
  fuzz::require(!host_names{}.serve(authority) || is_host_field(authority),
                "a host that is served is one");
}

void check_parsed(std::string text, std::size_t begin, std::size_t end) {
  if (!settle_version(text, begin)) {
    return;
  }
  http::request_parser<http::empty_body> parser;
  boost::system::error_code ec;
  parser.header_limit(static_cast<std::uint32_t>(head_bytes_max) + 1);
  parser.put(boost::asio::buffer(text.data() + begin, end - begin), ec);
  if (ec || !parser.is_header_done()) {
    return;
  }
  const auto& head = parser.get();
  fuzz::require(head.version() == 10 || head.version() == 11, "HTTP/1.0 or HTTP/1.1");
  (void)refuse_fields(head);
  const auto method = head.method_string();
  const auto target = head.target();
  check_target({method.data(), method.size()}, {target.data(), target.size()});
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text{reinterpret_cast<const char*>(bytes), size};
  head_scanner whole;
  const auto state = whole.scan(text);
  head_scanner pieces;
  auto seen = head_state::partial;
  for (std::size_t at = 0; at <= size && seen == head_state::partial; at += 1 + at / 3) {
    seen = pieces.scan(std::string_view{text}.substr(0, at));
  }
  seen = seen == head_state::partial ? pieces.scan(text) : seen;
  fuzz::require(seen == state, "the pieces in which a head comes make no difference");
  if (state == head_state::complete) {
    fuzz::require(whole.begin() < whole.end() && whole.end() <= size, "a head lies in what came");
    check_parsed(text, whole.begin(), whole.end());
  }
  const auto line = std::string_view{text}.substr(0, text.find('\n'));
  const auto blank = std::min(line.find(' '), line.size());
  check_target(line.substr(0, blank), line.substr(std::min(blank + 1, line.size())));
  return 0;
}
