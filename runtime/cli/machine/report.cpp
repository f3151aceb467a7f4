#include "runtime/cli/machine/report.hpp"

#include "runtime/base/table.hpp"
#include "runtime/base/text.hpp"

#include <sstream>
#include <string_view>
#include <vector>

namespace tayfa {

namespace {

std::string_view colour_of(fitness f) {
  switch (f) {
  case fitness::fit: return "\x1b[32m";
  case fitness::reduced: return "\x1b[33m";
  case fitness::unfit: return "\x1b[31m";
  }
  return "\x1b[31m";
}

std::string_view meaning_of(fitness f) {
  switch (f) {
  case fitness::fit: return "everything the engine needs is here";
  case fitness::reduced: return "the engine runs, but not as well as it could: see the advice";
  case fitness::unfit: return "the engine cannot run here: see the advice";
  }
  return "";
}

std::string painted(fitness f, bool colour) {
  const std::string word{to_string(f)};
  return colour ? std::string{colour_of(f)} + word + "\x1b[0m" : word;
}

/// Paints the verdict after the line is laid out, so that escape codes do not count as columns.
std::string paint_line(const std::string& line, const std::string& name, fitness f, bool colour) {
  const std::size_t at = line.find_first_not_of(' ', name.size());
  return line.substr(0, at) + painted(f, colour) + line.substr(at + to_string(f).size());
}

} // namespace

std::string render_report(const fitness_report& report, bool colour) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "VERDICT", "VALUE", "TIME"}};
  for (const auto& row : report.rows) {
    const std::string name = text::visible(row.name, 64);
    rows.push_back({name.empty() ? "-" : name, std::string{to_string(row.verdict)},
                    row.value.empty() ? "-" : text::visible(row.value),
                    std::to_string(row.ms) + " ms"});
  }
  std::istringstream lines{text::table(rows)};
  std::string line;
  std::getline(lines, line);
  std::string out = line + "\n";
  for (std::size_t i = 0; std::getline(lines, line); ++i) {
    const check_row& row = report.rows[i];
    out += paint_line(line, rows[i + 1][0], row.verdict, colour) + "\n";
    if (!row.advice.empty()) {
      out += "  advice: " + text::visible(row.advice, 1000) + "\n";
    }
  }
  out += "verdict: " + painted(report.verdict, colour) + ": ";
  out += meaning_of(report.verdict);
  return out + "\n";
}

} // namespace tayfa
