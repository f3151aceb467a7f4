// Tables for a terminal of a known width, or for a file. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// Columns of this rank or above are never dropped.
inline constexpr unsigned essential = 8;

struct table_column {
  std::string_view title;
  bool right = false;    ///< right-aligned, for numbers
  std::size_t least = 0; ///< may be cut to this many columns; 0 = not cut while other columns can
                         ///< be
  unsigned rank = essential; ///< the lowest rank is dropped first
};
using table_row = std::vector<std::string>; ///< one clean cell for each column
using table_rows = std::vector<table_row>;

/// The column layout of a table. It is computed from the first rows and serves the later ones too:
/// a long list is printed page by page.
///
/// A column whose cells are all empty is left out. No line is wider than `width`; 0 is a file,
/// where nothing is cut.
class table_layout {
 public:
  table_layout(std::span<const table_column>, const table_rows& sample, std::size_t width);

  std::string header() const;
  std::string lines(const table_rows&) const;

 private:
  struct place {
    std::size_t index;
    table_column column;
    std::size_t width;
  };
  std::string line(const table_row&) const;
  void make_room(std::size_t width);

  std::vector<place> places_;
  bool cuts_ = false;
};

/// Header and rows; only the header when there are no rows.
std::string render_table(std::span<const table_column>, const table_rows&, std::size_t width);

} // namespace tayfa
