#include "runtime/cli/progress_view.hpp"

#include "runtime/cli/terminal_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace tayfa {

namespace json = boost::json;

namespace {

constexpr std::size_t bar_columns_max = 30;

std::optional<double> bounded(double fraction) {
  return std::isfinite(fraction) && fraction >= 0 ? std::optional{std::min(fraction, 1.0)}
                                                  : std::nullopt;
}

std::optional<double> plain_number(const json::value* value) {
  return value != nullptr && value->is_number() ? std::optional{value->to_number<double>()}
                                                : std::nullopt;
}

std::optional<double> of_number(const json::value& value) {
  if (value.is_double() && value.get_double() <= 1.0) {
    return bounded(value.get_double());
  }
  const auto number = plain_number(&value);
  return number ? bounded(*number / 100.0) : std::nullopt;
}

/// Removes the text up to and including its first number, which is returned.
std::optional<double> take_number(std::string_view& text) {
  const std::size_t at = text.find_first_of("0123456789");
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  double number = 0;
  const auto [rest, ec] = std::from_chars(text.data() + at, text.data() + text.size(), number,
                                          std::chars_format::fixed);
  if (ec != std::errc{}) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return number;
}

std::optional<double> of_text(std::string_view text) {
  constexpr std::size_t looked_at_max = 200;
  text = text.substr(0, looked_at_max);
  while (const auto number = take_number(text)) {
    if (text.starts_with('%')) {
      return bounded(*number / 100.0);
    }
    if (text.starts_with('/')) {
      const auto total = take_number(text);
      return total && *total > 0 ? bounded(*number / *total) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<double> of_object(const json::object& update) {
  constexpr std::array parts{"step", "current", "done", "update"};
  constexpr std::array totals{"steps", "total", "updates"};
  if (const auto percent = plain_number(update.if_contains("percent"))) {
    return bounded(*percent / 100.0);
  }
  for (const auto* const name : {"progress", "fraction"}) {
    if (const auto* const value = update.if_contains(name)) {
      return value->is_string() ? of_text(std::string_view{value->get_string()})
                                : of_number(*value);
    }
  }
  for (const auto* const part : parts) {
    for (const auto* const total : totals) {
      const auto done = plain_number(update.if_contains(part));
      const auto all = plain_number(update.if_contains(total));
      if (done && all && *all > 0) {
        return bounded(*done / *all);
      }
    }
  }
  return std::nullopt;
}

std::string percent_text(double fraction) {
  return std::to_string(static_cast<int>(fraction * 100.0)) + " %";
}

std::string bar(double fraction, std::size_t columns) {
  const auto full = static_cast<std::size_t>(fraction * static_cast<double>(columns));
  return '[' + std::string(full, '#') + std::string(columns - full, '.') + ']';
}

} // namespace

std::optional<double> progress_of(const json::value& update) {
  if (update.is_string()) {
    return of_text(std::string_view{update.get_string()});
  }
  return update.is_object() ? of_object(update.get_object()) : of_number(update);
}

wait_facts wait_facts_of(const job_view& job, const json::value* output) {
  wait_facts f;
  f.id = job.id.str();
  f.state = to_string(job.state);
  f.worker = clean_line(job.worker);
  f.why = job.why == wait_reason::none ? std::string_view{} : describe(job.why);
  if (output != nullptr && job.state == job_state::IN_PROGRESS) {
    f.progress = progress_of(*output);
  }
  return f;
}

std::string progress_line(const wait_facts& f, std::chrono::milliseconds elapsed, unsigned tick,
                          std::size_t width) {
  constexpr std::string_view spinner = "|/-\\";
  std::string out;
  if (f.progress) {
    const std::size_t columns = std::min(bar_columns_max, width / 4);
    out = bar(*f.progress, columns) + ' ' + fit_to(percent_text(*f.progress), 5, true);
  } else {
    out = spinner[tick % spinner.size()];
  }
  out += "  " + f.state;
  out += f.state == "IN_PROGRESS" && !f.worker.empty() ? " on " + f.worker : "";
  const std::string time = "  " + duration_text(elapsed);
  out += f.why.empty() ? "" : ": " + f.why;
  // The last column stays free: writing it would wrap the cursor to the next line.
  const std::size_t room = width > time.size() + 1 ? width - time.size() - 1 : 0;
  out = cut_to(out, room) + time;
  const std::size_t used = columns_of(out) + 2;
  if (used + f.id.size() < width) {
    out += "  " + f.id;
  }
  return out;
}

std::string plain_line(const wait_facts& f) {
  std::string out = "job " + f.id + ": " + f.state;
  out += f.state == "IN_PROGRESS" && !f.worker.empty() ? " on " + f.worker : "";
  out += f.why.empty() ? "" : ": " + f.why;
  if (f.progress) {
    out += ", " + percent_text(std::floor(*f.progress * 10.0 + 1e-9) / 10.0 + 1e-9);
  }
  return out + '\n';
}

} // namespace tayfa
