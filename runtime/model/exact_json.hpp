// JSON from outside, parsed once into Boost.JSON values, more strictly than boost::json::parse
// does: numbers are read exactly (Boost 1.81 may be off in the last bits of a double), a number
// that no double holds and a key that comes twice in one object are errors, and size and depth are
// bounded before anything is built.
#pragma once

#include "messages/error.hpp"

#include <boost/json/value.hpp>
#include <cstddef>
#include <string_view>

namespace tayfa {

struct json_limits {
  std::size_t bytes = std::size_t{96} << 20;
  std::size_t depth = 64;
};

/// The value; errors have the code `broken` and name the fault and its byte offset, never the text.
result<boost::json::value> parse_json(std::string_view text, const json_limits&, errc broken);

} // namespace tayfa
