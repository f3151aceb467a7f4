#include "runtime/http/target.hpp"

#include "runtime/net/host_names.hpp"

#include <algorithm>
#include <boost/beast/core/string.hpp>

namespace tayfa {

namespace {

tl::unexpected<error> no_target(std::string why) {
  return fail(errc::bad_request, "the request target " + std::move(why));
}

bool is_scheme(std::string_view scheme) {
  return boost::beast::iequals(scheme, "http") || boost::beast::iequals(scheme, "https");
}

result<request_target> read_absolute(std::string_view method, std::string_view target) {
  constexpr std::string_view mark = "://";
  const std::size_t scheme = target.find(mark);
  if (scheme == std::string_view::npos || !is_scheme(target.substr(0, scheme))) {
    return no_target("must be a path, or an address of http or https");
  }
  const auto rest = target.substr(scheme + mark.size());
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  const auto authority = rest.substr(0, end);
  if (authority.find('@') != std::string_view::npos) {
    return no_target("must not name a user");
  }
  if (!is_host_field(authority) || authority.empty() || authority.front() == ':') {
    return no_target("names no host");
  }
  request_target out{std::string{rest.substr(end)}, std::string{authority}};
  if (out.path.empty() && method == "OPTIONS") {
    out.path = "*"; // RFC 9112, 3.2.4
  } else if (!out.path.starts_with('/')) {
    out.path.insert(0, 1, '/'); // "http://host?x=1"
  }
  return out;
}

} // namespace

result<request_target> read_request_target(std::string_view method, std::string_view target) {
  if (method == "CONNECT") {
    return fail(errc::method_not_allowed, "this server is no proxy");
  }
  if (target.find('#') != std::string_view::npos) {
    return no_target("must have no fragment");
  }
  if (target.starts_with('/') || (target == "*" && method == "OPTIONS")) {
    return request_target{std::string{target}, {}};
  }
  return read_absolute(method, target);
}

} // namespace tayfa
