#include "runtime/cli/terminal_text.hpp"

#include "runtime/base/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace tayfa {

namespace {

struct span_of_points {
  std::uint32_t first;
  std::uint32_t last;
};

// Unicode 15: characters drawn over the previous one, or not at all.
constexpr std::array no_width{
    span_of_points{0x0300, 0x036F},   span_of_points{0x0483, 0x0489},
    span_of_points{0x0591, 0x05BD},   span_of_points{0x0610, 0x061A},
    span_of_points{0x064B, 0x065F},   span_of_points{0x0E31, 0x0E31},
    span_of_points{0x0E34, 0x0E3A},   span_of_points{0x1AB0, 0x1AFF},
    span_of_points{0x1DC0, 0x1DFF},   span_of_points{0x200B, 0x200F},
    span_of_points{0x2060, 0x2064},   span_of_points{0x20D0, 0x20FF},
    span_of_points{0xFE00, 0xFE0F},   span_of_points{0xFE20, 0xFE2F},
    span_of_points{0xE0000, 0xE01EF},
};
// East Asian wide and full-width characters, and emoji.
constexpr std::array two_wide{
    span_of_points{0x1100, 0x115F},   span_of_points{0x2E80, 0x303E},
    span_of_points{0x3041, 0xA4CF},   span_of_points{0xA960, 0xA97F},
    span_of_points{0xAC00, 0xD7A3},   span_of_points{0xF900, 0xFAFF},
    span_of_points{0xFE30, 0xFE6F},   span_of_points{0xFF00, 0xFF60},
    span_of_points{0xFFE0, 0xFFE6},   span_of_points{0x1F300, 0x1F64F},
    span_of_points{0x1F680, 0x1F6FF}, span_of_points{0x1F900, 0x1FAFF},
    span_of_points{0x20000, 0x3FFFD},
};

template <class Spans>
bool is_in(const Spans& spans, std::uint32_t point) {
  return std::any_of(spans.begin(), spans.end(), [point](const span_of_points& each) {
    return point >= each.first && point <= each.last;
  });
}

std::size_t width_of(std::uint32_t point) {
  if (point < 0x300) {
    return 1;
  }
  return is_in(no_width, point) ? 0 : (is_in(two_wide, point) ? 2 : 1);
}

/// Copies every code point, but replaces the dangerous ones by `replace(point)`.
template <class Replace>
std::string replaced(std::string_view from, Replace replace) {
  std::string out;
  out.reserve(from.size());
  while (!from.empty()) {
    const auto point = text::first_code_point(from);
    if (point.valid && !text::is_dangerous(point.value)) {
      out += from.substr(0, point.length);
    } else {
      out += replace(point);
    }
    from.remove_prefix(point.length);
  }
  return out;
}

std::string number_text(const char* format, double number, std::string_view unit) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), format, number);
  return std::string{out.data()} + std::string{unit};
}

std::string two_parts(std::int64_t large, char large_unit, std::int64_t small, char small_unit) {
  std::array<char, 48> out{};
  std::snprintf(out.data(), out.size(), "%lld%c %02lld%c", static_cast<long long>(large),
                large_unit, static_cast<long long>(small), small_unit);
  return out.data();
}

} // namespace

std::string clean_line(std::string_view from) {
  return replaced(from, [](const text::code_point& point) {
    return point.value == '\n' || point.value == '\t' || point.value == '\r' ? " " : "?";
  });
}

std::string printable(std::string_view from) {
  return replaced(from, [](const text::code_point& point) -> std::string_view {
    return point.value == '\n' ? "\n" : (point.value == '\t' ? "\t" : "?");
  });
}

std::string clean_json(std::string_view json_text) {
  return replaced(json_text, [](const text::code_point& point) -> std::string {
    // Between JSON tokens only these control characters are valid; within strings all are escaped.
    if (point.value == '\n' || point.value == '\t' || point.value == '\r') {
      return " ";
    }
    std::array<char, 8> escape{};
    std::snprintf(escape.data(), escape.size(), "\\u%04x", point.valid ? point.value : 0xFFFDU);
    return escape.data();
  });
}

std::size_t columns_of(std::string_view from) {
  std::size_t columns = 0;
  while (!from.empty()) {
    const auto point = text::first_code_point(from);
    columns += width_of(point.value);
    from.remove_prefix(point.length);
  }
  return columns;
}

std::string cut_to(std::string_view from, std::size_t width) {
  if (width == 0) {
    return {};
  }
  std::size_t columns = 0;
  std::size_t kept = 0; // bytes that leave room for the "…"
  for (std::size_t at = 0; at < from.size();) {
    const auto point = text::first_code_point(from.substr(at));
    columns += width_of(point.value);
    at += point.length;
    if (columns > width) {
      return std::string{from.substr(0, kept)} + "…";
    }
    if (columns < width) {
      kept = at;
    }
  }
  return std::string{from};
}

std::string fit_to(std::string_view from, std::size_t width, bool right) {
  std::string out = cut_to(from, width);
  const std::string blanks(width - std::min(width, columns_of(out)), ' ');
  return right ? blanks + out : out + blanks;
}

std::string duration_text(std::chrono::milliseconds time) {
  const std::int64_t ms = std::max<std::int64_t>(time.count(), 0);
  const std::int64_t s = ms / 1000;
  if (ms < 1000) {
    return std::to_string(ms) + " ms";
  }
  if (s < 60) {
    return number_text("%.1f", static_cast<double>(ms / 100) / 10.0, " s");
  }
  if (s < 3600) {
    return two_parts(s / 60, 'm', s % 60, 's');
  }
  if (s < 86'400) {
    return two_parts(s / 3600, 'h', s / 60 % 60, 'm');
  }
  return two_parts(s / 86'400, 'd', s / 3600 % 24, 'h');
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> units{" B", " KiB", " MiB", " GiB", " TiB"};
  double number = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (number >= 1024 && unit + 1 < units.size()) {
    number /= 1024;
    ++unit;
  }
  return number_text(unit == 0 || number >= 10 ? "%.0f" : "%.1f", number, units[unit]);
}

std::string words_of(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') {
      out += ' ';
      out += static_cast<char>(c + 32);
    } else {
      out += c;
    }
  }
  return clean_line(out);
}

} // namespace tayfa
