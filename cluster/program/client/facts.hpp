// Members of what a pod answered. The answer comes from a server that may be another one than we
// think: whatever is missing or of another kind reads as empty. Pure.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa {

std::string text_of(const boost::json::object&, std::string_view name); ///< as it came, not clean
std::optional<std::uint64_t> number_of(const boost::json::object&, std::string_view name);
std::optional<std::chrono::milliseconds> time_of(const boost::json::object&, std::string_view name);
bool flag_of(const boost::json::object&, std::string_view name);
/// The list of that name; an empty one when there is none.
const boost::json::array& list_of(const boost::json::object&, std::string_view name);

bool has_ended(std::string_view state); ///< of a job: "COMPLETED", …
/// The sentence for "no_worker"; the name itself, clean, when this program does not know it.
std::string wait_text(std::string_view wait_reason);

} // namespace tayfa
