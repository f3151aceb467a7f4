// Methods of HTTP, as this API takes them. Pure.
//
// A row of the table of routes names GET and POST only. HEAD is taken wherever GET is, and OPTIONS
// everywhere: this is the one place that says so.
#pragma once

#include <string>
#include <string_view>

namespace tayfa::api {

/// True for methods of RFC 9110, PATCH and QUERY: accepted, or refused by route with 405. Any other
/// is 501.
bool is_known_method(std::string_view);
/// `methods` is a row's list, "GET, POST".
bool takes(std::string_view methods, std::string_view method);
/// The header Allow of a row's list: "GET, HEAD, POST, OPTIONS".
std::string allowed(std::string_view methods);

} // namespace tayfa::api
