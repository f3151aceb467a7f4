#include "runtime/machine/fitness.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <optional>
#include <utility>

namespace tayfa {

namespace json = boost::json;

std::string_view to_string(fitness f) {
  switch (f) {
  case fitness::fit: return "fit";
  case fitness::reduced: return "reduced";
  case fitness::unfit: return "unfit";
  }
  return "?";
}

void add_row(fitness_report& report, check_row row) {
  report.verdict = std::max(report.verdict, row.verdict);
  report.rows.push_back(std::move(row));
}

std::string fitness_json(const fitness_report& report) {
  json::array rows;
  for (const auto& row : report.rows) {
    rows.push_back(json::object{{"name", row.name},
                                {"verdict", json::string_view{to_string(row.verdict)}},
                                {"value", row.value},
                                {"advice", row.advice},
                                {"ms", row.ms}});
  }
  return json::serialize(json::object{{"verdict", json::string_view{to_string(report.verdict)}},
                                      {"rows", std::move(rows)}});
}

namespace {

constexpr std::size_t row_text_max = 4096;

std::optional<fitness> verdict_in(const json::value* v) {
  if (v == nullptr || !v->is_string()) {
    return std::nullopt;
  }
  for (const auto f : {fitness::fit, fitness::reduced, fitness::unfit}) {
    if (std::string_view{v->get_string()} == to_string(f)) {
      return f;
    }
  }
  return std::nullopt;
}

/// A missing member reads as empty; anything but a short text is refused.
bool read_text(const json::object& o, const char* key, std::string& out) {
  const auto* v = o.if_contains(key);
  if (v == nullptr) {
    return true;
  }
  if (!v->is_string() || v->get_string().size() > row_text_max) {
    return false;
  }
  out = std::string{v->get_string()};
  return true;
}

std::optional<check_row> row_in(const json::value& v) {
  if (!v.is_object()) {
    return std::nullopt;
  }
  const auto& o = v.get_object();
  const auto verdict = verdict_in(o.if_contains("verdict"));
  check_row row;
  if (!verdict || !read_text(o, "name", row.name) || !read_text(o, "value", row.value) ||
      !read_text(o, "advice", row.advice) || row.name.empty()) {
    return std::nullopt;
  }
  row.verdict = *verdict;
  if (const auto* ms = o.if_contains("ms")) {
    if (!ms->is_int64() || ms->get_int64() < 0 ||
        ms->get_int64() > std::numeric_limits<std::uint32_t>::max()) {
      return std::nullopt;
    }
    row.ms = static_cast<std::uint32_t>(ms->get_int64());
  }
  return row;
}

} // namespace

result<fitness_report> parse_fitness(std::string_view text) {
  if (text.size() > fitness_bytes_max) {
    return fail(errc::bad_frame, "the fitness report is too large");
  }
  json::error_code failed;
  const auto value = json::parse(json::string_view{text.data(), text.size()}, failed);
  if (failed || !value.is_object()) {
    return fail(errc::bad_frame, "the fitness report is not a JSON object");
  }
  const auto& o = value.get_object();
  const auto* rows = o.if_contains("rows");
  if (rows == nullptr || !rows->is_array() || rows->get_array().empty() ||
      rows->get_array().size() > fitness_rows_max) {
    return fail(errc::bad_frame, "the fitness report has no list of rows");
  }
  if (const auto* said = o.if_contains("verdict"); said != nullptr && !verdict_in(said)) {
    return fail(errc::bad_frame, "the fitness report has no known verdict");
  }
  fitness_report report;
  for (const auto& entry : rows->get_array()) {
    auto row = row_in(entry);
    if (!row) {
      return fail(errc::bad_frame, "row " + std::to_string(report.rows.size()) +
                                       " of the fitness report is not valid");
    }
    add_row(report, std::move(*row));
  }
  return report;
}

} // namespace tayfa
