// Typed access to members of a pod's answer. The server may be a different one than expected: a
// missing member, or one of another type, reads as empty. Pure.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa {

std::string text_of(const boost::json::object&, std::string_view name); ///< as received, not
                                                                        ///< sanitized
std::optional<std::uint64_t> number_of(const boost::json::object&, std::string_view name);
std::optional<std::chrono::milliseconds> time_of(const boost::json::object&, std::string_view name);
bool flag_of(const boost::json::object&, std::string_view name);
/// The list of that name, or an empty one.
const boost::json::array& list_of(const boost::json::object&, std::string_view name);

bool has_ended(std::string_view state); ///< `state` of a job: "COMPLETED", …
/// The sentence for "no_worker"; for an unknown reason its sanitized name.
std::string wait_text(std::string_view wait_reason);

} // namespace tayfa
