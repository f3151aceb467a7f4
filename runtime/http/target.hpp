// The request target (RFC 9112, 3.2): what a request line asks for, in whichever of its four forms.
// Pure.
//
// Routes know two of them, "/path?query" and "*". An absolute form is brought to one of these, with
// the authority that it names; nothing of it is decoded. CONNECT's form names no route.
#pragma once

#include "messages/error.hpp"

#include <string>
#include <string_view>

namespace tayfa {

struct request_target {
  std::string path;      ///< "/run?x=1", as it was sent; "*"
  std::string authority; ///< of an absolute form: stands in for Host; else empty
};

/// errc::bad_request for what is none of the forms that this method may have: a scheme other than
/// http and https, a user part, no host, a fragment; errc::method_not_allowed for CONNECT.
result<request_target> read_request_target(std::string_view method, std::string_view target);

} // namespace tayfa
