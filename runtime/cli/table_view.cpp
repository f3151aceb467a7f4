#include "runtime/cli/table_view.hpp"

#include "runtime/cli/terminal_text.hpp"

#include <algorithm>

namespace tayfa {

namespace {

constexpr std::size_t gap = 2;

} // namespace

table_layout::table_layout(std::span<const table_column> columns, const table_rows& sample,
                           std::size_t width)
    : cuts_(width != 0) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t widest = 0;
    for (const auto& row : sample) {
      widest = std::max(widest, i < row.size() ? columns_of(row[i]) : 0);
    }
    if (widest > 0 || sample.empty()) {
      places_.push_back({i, columns[i], std::max(widest, columns_of(columns[i].title))});
    }
  }
  if (cuts_) {
    make_room(width);
  }
}

/// Shrinks columns that may be cut, the widest first; then drops the column of the lowest rank and
/// gives the others their room back; finally cuts essential columns.
void table_layout::make_room(std::size_t width) {
  const auto natural = places_;
  std::vector<std::size_t> gone;
  for (;;) {
    places_.clear();
    for (const auto& each : natural) {
      if (std::find(gone.begin(), gone.end(), each.index) == gone.end()) {
        places_.push_back(each);
      }
    }
    std::size_t total = places_.empty() ? 0 : gap * (places_.size() - 1);
    for (const auto& each : places_) {
      total += each.width;
    }
    const auto lowest =
        std::min_element(places_.begin(), places_.end(), [](const place& a, const place& b) {
          return a.column.rank < b.column.rank;
        });
    const bool last_resort = lowest == places_.end() || lowest->column.rank >= essential;
    const auto least = [last_resort](const place& p) {
      return last_resort ? 1 : (p.column.least == 0 ? p.width : p.column.least);
    };
    while (total > width) {
      place* widest = nullptr;
      for (auto& each : places_) {
        if (each.width > least(each) && (widest == nullptr || each.width > widest->width)) {
          widest = &each;
        }
      }
      if (widest == nullptr) {
        break;
      }
      --widest->width;
      --total;
    }
    if (total <= width || last_resort) {
      return;
    }
    gone.push_back(lowest->index);
  }
}

std::string table_layout::line(const table_row& row) const {
  std::string out;
  for (const auto& each : places_) {
    const std::string_view cell = each.index < row.size() ? std::string_view{row[each.index]} : "";
    out += out.empty() && &each == places_.data() ? "" : std::string(gap, ' ');
    // In a file, a later page may have a wider cell than the first: it is not cut.
    const std::size_t width = cuts_ ? each.width : std::max(each.width, columns_of(cell));
    out += fit_to(cell, width, each.column.right);
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out + '\n';
}

std::string table_layout::header() const {
  table_row titles;
  for (const auto& each : places_) {
    titles.resize(std::max(titles.size(), each.index + 1));
    titles[each.index] = each.column.title;
  }
  return line(titles);
}

std::string table_layout::lines(const table_rows& rows) const {
  std::string out;
  for (const auto& row : rows) {
    out += line(row);
  }
  return out;
}

std::string render_table(std::span<const table_column> columns, const table_rows& rows,
                         std::size_t width) {
  const table_layout layout{columns, rows, width};
  return layout.header() + layout.lines(rows);
}

} // namespace tayfa
