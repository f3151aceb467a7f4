#include "runtime/cli/top_view.hpp"

#include "runtime/cli/job_views.hpp"
#include "runtime/cli/pod_views.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace tayfa {

namespace json = boost::json;

namespace {

constexpr std::string_view bold = "\x1b[1m";
constexpr std::string_view red = "\x1b[31m";
constexpr std::string_view green = "\x1b[32m";
constexpr std::string_view yellow = "\x1b[33m";
constexpr std::string_view plain = "\x1b[0m";

struct counted {
  std::string_view label;
  const char* meter;
};
constexpr std::array job_meters{
    counted{"queue", "tayfa_jobs_in_queue"},
    counted{"running", "tayfa_jobs_in_progress"},
    counted{"completed", "tayfa_jobs_completed_total"},
    counted{"failed", "tayfa_jobs_failed_total"},
    counted{"cancelled", "tayfa_jobs_cancelled_total"},
    counted{"timed out", "tayfa_jobs_timed_out_total"},
    counted{"attempts lost", "tayfa_attempts_lost_total"},
};

std::uint64_t meter_of(const top_facts& facts, std::string_view name) {
  const auto found = facts.meters.find(name);
  const double value = found == facts.meters.end() ? 0.0 : found->second;
  return value > 0 && value < 1e18 ? static_cast<std::uint64_t>(value) : 0;
}

std::string_view colour_of(std::string_view word) {
  for (const std::string_view good : {"READY", "PROCESSING", "COMPLETED", "ready"}) {
    if (word == good) {
      return green;
    }
  }
  for (const std::string_view bad : {"SHUTDOWN", "FAILED", "TIMED_OUT", "stopping"}) {
    if (word == bad) {
      return red;
    }
  }
  return yellow;
}

/// Paints the first `word` that stands alone; called once the line is laid out.
std::string painted(const std::string& line, std::string_view word) {
  for (std::size_t at = 0; (at = line.find(word, at)) != std::string::npos; ++at) {
    const std::size_t end = at + word.size();
    if ((at == 0 || line[at - 1] == ' ') && (end == line.size() || line[end] == ' ')) {
      return line.substr(0, at) + std::string{colour_of(word)} + std::string{word} +
             std::string{plain} + line.substr(end);
    }
  }
  return line;
}

class frame {
 public:
  explicit frame(const top_shape& shape) : shape_(shape) {}

  void add(std::string line, std::string_view style = {}) {
    line = shape_.width == 0 ? line : cut_to(line, shape_.width);
    if (shape_.colour && !style.empty() && !line.empty()) {
      line = std::string{style} + line + std::string{plain};
    }
    lines_.push_back(std::move(line));
  }

  void add_state(const std::string& before, std::string_view word) {
    add(before + std::string{word});
    if (shape_.colour) {
      lines_.back() = painted(lines_.back(), word);
    }
  }

  /// Adds at most `most` rows; the cell `state` of each row is painted.
  void add_table(std::string title, std::size_t all, std::span<const table_column> columns,
                 table_rows rows, std::size_t most, std::size_t state) {
    const std::size_t shown = std::min(rows.size(), most);
    rows.resize(shown);
    title += "  " + std::to_string(all);
    title += shown < all ? ", " + std::to_string(shown) + " shown" : "";
    add("");
    add(std::move(title), bold);
    if (shown == 0) {
      return;
    }
    const table_layout layout{columns, rows, shape_.width};
    add(without_end(layout.header()));
    for (const auto& row : rows) {
      add(without_end(layout.lines({row})));
      if (shape_.colour) {
        lines_.back() = painted(lines_.back(), row[state]);
      }
    }
  }

  std::vector<std::string> done() {
    if (shape_.height != 0 && lines_.size() > shape_.height) {
      lines_.resize(shape_.height);
    }
    return std::move(lines_);
  }

 private:
  static std::string without_end(std::string line) {
    line.pop_back();
    return line;
  }

  const top_shape& shape_;
  std::vector<std::string> lines_;
};

/// Rows per table: equal shares, and rows that a table does not need go to the others.
std::array<std::size_t, 3> shares(const std::array<std::size_t, 3>& wanted, std::size_t room) {
  std::array<std::size_t, 3> out{};
  while (room > 0) {
    bool any = false;
    for (std::size_t i = 0; i < out.size() && room > 0; ++i) {
      if (out[i] < wanted[i]) {
        ++out[i];
        --room;
        any = true;
      }
    }
    if (!any) {
      break;
    }
  }
  return out;
}

std::string jobs_line(const top_facts& facts) {
  std::string out = "jobs ";
  for (const auto& each : job_meters) {
    out += "  " + std::string{each.label} + ' ' + std::to_string(meter_of(facts, each.meter));
  }
  return out;
}

/// "pods   2  gpu-1 linked 7/8  gpu-2 draining 2/8": what runs, of how many slots.
std::string pods_line(const shown_list& pods) {
  std::string out = "pods   " + std::to_string(pods.rows.size());
  for (const auto& row : pods.rows) {
    out += "  " + row[0] + ' ' + row[1] + ' ' + row[3] + '/' + row[2];
  }
  return out;
}

std::string rate_line(const top_facts& facts) {
  if (!facts.rates) {
    return "rate   (measured from the second frame on)";
  }
  std::array<char, 96> out{};
  std::snprintf(out.data(), out.size(), "rate   ended %.1f/s  accepted %.1f/s  over %.0f s",
                facts.rates->ended, facts.rates->accepted, facts.rates->seconds);
  return out.data();
}

} // namespace

meter_values meters_of(std::string_view page) {
  meter_values out;
  while (!page.empty()) {
    const std::size_t end = std::min(page.find('\n'), page.size());
    const std::string_view line = page.substr(0, end);
    page.remove_prefix(std::min(end + 1, page.size()));
    const std::size_t blank = line.find(' ');
    if (!line.starts_with("tayfa_") || blank == std::string_view::npos ||
        line.substr(0, blank).find('{') != std::string_view::npos) {
      continue;
    }
    double value = 0;
    const auto [rest, ec] =
        std::from_chars(line.data() + blank + 1, line.data() + line.size(), value);
    if (ec == std::errc{}) {
      out.emplace(line.substr(0, blank), value);
    }
  }
  return out;
}

std::vector<std::string> top_lines(const top_facts& facts, const top_shape& shape) {
  frame out{shape};
  out.add_state("tayfa top  " + clean_line(facts.url) + "  ", clean_line(facts.state));
  out.add(jobs_line(facts));
  out.add(rate_line(facts));
  if (!facts.pods.rows.empty()) {
    out.add(pods_line(facts.pods));
  }
  if (!facts.trouble.empty()) {
    out.add("not up to date: " + clean_line(facts.trouble), red);
  }
  // Lines besides the rows: the head, the keys, and an empty line, a title and a header per table.
  // A terminal with too few lines shows fewer tables.
  const std::size_t head = (facts.trouble.empty() ? 3U : 4U) + (facts.pods.rows.empty() ? 0U : 1U) +
                           (shape.keys ? 1U : 0U);
  std::size_t tables = shape.height == 0 ? 3 : 1;
  while (tables < 3 && head + 4 * (tables + 1) <= shape.height) {
    ++tables;
  }
  std::array wanted{facts.slots.rows.size(), facts.waiting.rows.size(), facts.ended.rows.size()};
  std::fill(wanted.begin() + static_cast<std::ptrdiff_t>(tables), wanted.end(), 0U);
  const std::size_t around = head + 3 * tables;
  const std::size_t room = shape.height > around ? shape.height - around : 0;
  const auto rows = shape.height == 0 ? wanted : shares(wanted, room);
  out.add_table("SLOTS", facts.slots.rows.size(), slot_columns(), facts.slots.rows, rows[0], 1);
  if (tables > 1) {
    const auto in_queue = static_cast<std::size_t>(meter_of(facts, "tayfa_jobs_in_queue"));
    out.add_table("WAITING", std::max(in_queue, facts.waiting.rows.size()), job_columns(),
                  facts.waiting.rows, rows[1], 1);
  }
  if (tables > 2) {
    out.add_table("LATEST ENDED", facts.ended.rows.size(), job_columns(), facts.ended.rows, rows[2],
                  1);
  }
  auto lines = out.done();
  if (shape.keys && shape.height > 2) {
    lines.resize(std::min(lines.size(), shape.height - 1));
    const std::string keys = facts.paused ? "q quit  p go on    paused" : "q quit  p pause";
    lines.push_back(shape.width == 0 ? keys : cut_to(keys, shape.width));
  }
  return lines;
}

json::object top_json(const top_facts& facts) {
  json::object jobs;
  for (const auto& each : job_meters) {
    std::string name{each.label};
    for (std::size_t at = 0; (at = name.find(' ')) != std::string::npos;) {
      name.erase(at, 1);
      name[at] = static_cast<char>(name[at] - 32);
    }
    jobs[name] = meter_of(facts, each.meter);
  }
  json::object out{{"url", facts.url}, {"state", facts.state}, {"jobs", std::move(jobs)}};
  out["rates"] = nullptr;
  if (facts.rates) {
    out["rates"] = json::object{{"seconds", facts.rates->seconds},
                                {"accepted", facts.rates->accepted},
                                {"ended", facts.rates->ended}};
  }
  out["slots"] = facts.slots.sent;
  if (!facts.pods.sent.empty()) {
    out["pods"] = facts.pods.sent;
  }
  out["waiting"] = facts.waiting.sent;
  out["ended"] = facts.ended.sent;
  return out;
}

} // namespace tayfa
