// JSON as text: validate it, find the members of an object in it, read and write small values.
//
// Bodies carry megabytes of base64 that this process never reads, so a body is validated once and
// its members are then handled as byte ranges of the original text. Nothing is parsed into a tree
// and printed again.
#pragma once

#include "messages/error.hpp"
#include "runtime/base/json_string.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::api {

/// Deepest nesting of arrays and objects that is taken from anyone.
inline constexpr std::size_t json_depth_max = 64;
/// Most members of an object that we read ourselves.
inline constexpr std::size_t json_members_max = 64;

/// Checks that `text` is one JSON value and nothing else: RFC 8259, valid UTF-8, finite numbers,
/// depth <= 64. errc::bad_json names the place of the fault.
result<void> check_json(std::string_view text);

/// A member of an object: the key without its escapes, the value as written.
struct json_member {
  std::string key;
  std::string_view value;
};

/// The members of the object that `text` is, in order. Precondition: check_json(text) passed.
/// errc::bad_json when it is no object, has a key twice, or has more than json_members_max members.
result<std::vector<json_member>> json_members(std::string_view text);

/// The value of a string or a number of valid JSON; empty when the value is of another kind, or is
/// a string of more than `longest` bytes. A long text is judged by its length, never read.
std::optional<std::string> json_string(std::string_view value, std::size_t longest);
std::optional<double> json_number(std::string_view value);

/// `part`, which lies within `body`, in the body's own storage: ten megabytes of base64 are moved,
/// not copied.
std::string cut_out(std::string&& body, std::string_view part);

using text::append_json_string; ///< answers escape what must be, and nothing else

} // namespace tayfa::api
