#include "runtime/cli/facts.hpp"

#include "messages/job.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <algorithm>
#include <limits>

namespace tayfa {

namespace json = boost::json;

std::string text_of(const json::object& from, std::string_view name) {
  const auto* const value = from.if_contains(name);
  return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
}

std::optional<std::uint64_t> number_of(const json::object& from, std::string_view name) {
  const auto* const value = from.if_contains(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (value->is_uint64()) {
    return value->get_uint64();
  }
  return value->is_int64() && value->get_int64() >= 0
             ? std::optional{static_cast<std::uint64_t>(value->get_int64())}
             : std::nullopt;
}

std::optional<std::chrono::milliseconds> time_of(const json::object& from, std::string_view name) {
  constexpr auto highest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto number = number_of(from, name);
  return number ? std::optional{std::chrono::milliseconds{
                      static_cast<std::int64_t>(std::min(*number, highest))}}
                : std::nullopt;
}

bool flag_of(const json::object& from, std::string_view name) {
  const auto* const value = from.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

const json::array& list_of(const json::object& from, std::string_view name) {
  static const json::array none;
  const auto* const value = from.if_contains(name);
  return value != nullptr && value->is_array() ? value->get_array() : none;
}

bool has_ended(std::string_view state) {
  return state == "COMPLETED" || state == "FAILED" || state == "CANCELLED" || state == "TIMED_OUT";
}

std::string wait_text(std::string_view wait_reason_name) {
#define TAYFA_X(name, text)                                                                        \
  if (wait_reason_name == #name) {                                                                 \
    return text;                                                                                   \
  }
  TAYFA_WAIT_REASONS(TAYFA_X)
#undef TAYFA_X
  return clean_line(wait_reason_name);
}

} // namespace tayfa
