#include "runtime/cli/table_view.hpp"

#include "runtime/cli/terminal_text.hpp"

#include <gtest/gtest.h>
#include <sstream>

namespace tayfa {
namespace {

constexpr table_column columns[] = {
    {"ID", false, 0, 9}, {"N", true, 0, 3}, {"MODEL", false, 4, 4}, {"WHY", false, 6, 7}};

const table_rows rows = {{"job-1", "7", "upscale-four", "the first of the reasons"},
                         {"job-22", "1234", "flux", ""}};

TEST(table_view, a_file_gets_everything) {
  EXPECT_EQ(render_table(columns, rows, 0), "ID         N  MODEL         WHY\n"
                                            "job-1      7  upscale-four  the first of the reasons\n"
                                            "job-22  1234  flux\n");
}

TEST(table_view, the_widest_gives_way_first) {
  EXPECT_EQ(render_table(columns, rows, 44), "ID         N  MODEL         WHY\n"
                                             "job-1      7  upscale-four  the first of th…\n"
                                             "job-22  1234  flux\n");
  EXPECT_EQ(render_table(columns, rows, 30), "ID         N  MODEL    WHY\n"
                                             "job-1      7  upscal…  the fi…\n"
                                             "job-22  1234  flux\n");
}

TEST(table_view, then_the_lowest_rank_leaves) {
  EXPECT_EQ(render_table(columns, rows, 24), "ID      MODEL    WHY\n"
                                             "job-1   upscal…  the fi…\n"
                                             "job-22  flux\n");
  EXPECT_EQ(render_table(columns, rows, 16), "ID      WHY\n"
                                             "job-1   the fir…\n"
                                             "job-22\n");
  EXPECT_EQ(render_table(columns, rows, 4), "ID\n"
                                            "job…\n"
                                            "job…\n");
}

TEST(table_view, empty_columns_are_left_out) {
  EXPECT_EQ(render_table(columns, {{"a", "1", "", "x"}}, 80), "ID  N  WHY\na   1  x\n");
  EXPECT_EQ(render_table(columns, {}, 80), "ID  N  MODEL  WHY\n");
}

TEST(table_view, a_later_page_keeps_the_columns) {
  const table_layout screen{columns, {{"job-1", "1", "m", "w"}}, 20};
  EXPECT_EQ(screen.lines({{"job-100000", "2", "", "waits"}}), "job-…  2         wa…\n");
  const table_layout file{columns, {{"job-1", "1", "m", "w"}}, 0};
  EXPECT_EQ(file.lines({{"job-100000", "2", "model-2", "waits"}}),
            "job-100000  2  model-2  waits\n");
}

TEST(table_view, no_line_is_wider_than_the_terminal) {
  const table_rows wide = {{"漢字漢字漢字", "1", "e\xCC\x81", "\xF0\x9F\x98\x80 and more of it"}};
  for (std::size_t width = 1; width < 60; ++width) {
    std::istringstream lines{render_table(columns, wide, width)};
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(columns_of(line), width) << line;
    }
  }
}

} // namespace
} // namespace tayfa
