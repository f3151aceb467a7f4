#include "runtime/base/plain_text.hpp"

#include <algorithm>

namespace tayfa::text {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t looked_at = 4; ///< leading bytes that are checked

/// True when in each group of `width` bytes only the one at `place` is not NUL: wide characters
/// below 256, with which JSON, TOML and lists of words begin.
bool is_wide(std::string_view bytes, std::size_t width, std::size_t place) {
  const auto head = bytes.substr(0, std::min(bytes.size(), looked_at) / width * width);
  for (std::size_t i = 0; i < head.size(); ++i) {
    if ((head[i] != '\0') != (i % width == place)) {
      return false;
    }
  }
  return !head.empty();
}

} // namespace

std::string_view without_mark(std::string_view text) {
  return text.starts_with(byte_order_mark) ? text.substr(byte_order_mark.size()) : text;
}

std::optional<std::string> why_not_utf8(std::string_view bytes) {
  const auto named = [](std::string_view name) {
    return std::optional{"it is " + std::string{name} + "; save it as UTF-8"};
  };
  if (bytes.starts_with("\xff\xfe\0\0"sv) || bytes.starts_with("\0\0\xfe\xff"sv) ||
      is_wide(bytes, 4, 0) || is_wide(bytes, 4, 3)) {
    return named("UTF-32");
  }
  if (bytes.starts_with("\xff\xfe"sv) || bytes.starts_with("\xfe\xff"sv) || is_wide(bytes, 2, 0) ||
      is_wide(bytes, 2, 1)) {
    return named("UTF-16");
  }
  return std::nullopt;
}

} // namespace tayfa::text
