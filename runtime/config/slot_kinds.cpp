#include "runtime/config/slot_kinds.hpp"

#include "messages/engine_kind.hpp"
#include "messages/slots.hpp"

#include <charconv>

namespace tayfa {

namespace {

/// Only digits, so neither a sign nor a blank.
std::optional<std::uint32_t> slot_from(std::string_view digits) {
  std::uint32_t out = 0;
  const auto* const end = digits.data() + digits.size();
  const auto [rest, failed] = std::from_chars(digits.data(), end, out);
  return failed == std::errc{} && rest == end && out < slots_max ? std::optional{out}
                                                                 : std::nullopt;
}

} // namespace

result<slot_kind> parse_slot_kind(std::string_view item) {
  const auto equals = item.find('=');
  if (equals == std::string_view::npos) {
    return fail(errc::bad_config, "is not SLOT=KIND or FIRST-LAST=KIND");
  }
  const auto slots = item.substr(0, equals);
  const auto dash = slots.find('-');
  const auto first = slot_from(slots.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : slot_from(slots.substr(dash + 1));
  if (!first || !last || *last < *first) {
    return fail(errc::bad_config, "does not begin with a slot such as 3, or slots such as 4-7, of "
                                  "0 to " +
                                      std::to_string(slots_max - 1));
  }
  const auto kind = item.substr(equals + 1);
  if (find_engine(kind) == nullptr) {
    return fail(errc::bad_config, "names no kind of engine: one of " + engine_names());
  }
  return slot_kind{*first, *last, std::string{kind}};
}

} // namespace tayfa
