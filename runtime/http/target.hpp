// The request target (RFC 9112, 3.2) in any of its four forms. Pure.
//
// Routes know two of them, "/path?query" and "*". An absolute form is converted to one of these
// plus its authority; nothing is decoded. CONNECT's form matches no route.
#pragma once

#include "messages/error.hpp"

#include <string>
#include <string_view>

namespace tayfa {

struct request_target {
  std::string path;      ///< "/run?x=1", as sent; "*"
  std::string authority; ///< of an absolute form, where it stands in for Host; else empty
};

/// errc::bad_request for a form that this method may not have (a scheme other than http and https,
/// a user part, no host, a fragment); errc::method_not_allowed for CONNECT.
result<request_target> read_request_target(std::string_view method, std::string_view target);

} // namespace tayfa
