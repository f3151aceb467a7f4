#include "runtime/cli/machine/report.hpp"

#include "runtime/base/text.hpp"

#include <gtest/gtest.h>
#include <string>

namespace tayfa {
namespace {

fitness_report two_rows() {
  return {fitness::reduced,
          {{"cuda devices", fitness::fit, "1 x NVIDIA H200", "", 12},
           {"flash attention", fitness::reduced, "", "install a newer driver", 3}}};
}

TEST(render_report, aligned_with_advice_below_its_row) {
  EXPECT_EQ(render_report(two_rows()),
            "NAME             VERDICT  VALUE            TIME\n"
            "cuda devices     fit      1 x NVIDIA H200  12 ms\n"
            "flash attention  reduced  -                3 ms\n"
            "  advice: install a newer driver\n"
            "verdict: reduced: the engine runs, but not as well as it could: see the advice\n");
}

TEST(render_report, colour_changes_nothing_but_colour) {
  std::string coloured = render_report(two_rows(), true);
  EXPECT_NE(coloured.find("cuda devices     \x1b[32mfit\x1b[0m      1 x"), std::string::npos);
  EXPECT_NE(coloured.find("\x1b[33mreduced\x1b[0m  -"), std::string::npos);
  for (const std::string code : {"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"}) {
    for (auto at = coloured.find(code); at != std::string::npos; at = coloured.find(code)) {
      coloured.erase(at, code.size());
    }
  }
  EXPECT_EQ(coloured, render_report(two_rows()));
}

TEST(render_report, hostile_texts_stay_on_their_line) {
  const fitness_report report{
      fitness::unfit,
      {{"", fitness::unfit, "a\nverdict: fit\x1b[2J", "say \"x\"\r\n\xff", 0},
       {std::string(5000, 'n'), fitness::unfit, std::string(100'000, 'v'),
        std::string(100'000, 'a'), 4294967295U}}};
  const std::string out = render_report(report);
  EXPECT_NE(out.find("-     "), std::string::npos);
  EXPECT_NE(out.find("a\\nverdict: fit\\u001b[2J"), std::string::npos);
  EXPECT_NE(out.find("  advice: say \"x\"\\r\\n\\xff\n"), std::string::npos);
  EXPECT_LT(out.size(), 3000U);
  std::string without_ends;
  for (const char c : out) {
    if (c != '\n') {
      without_ends += c;
    }
  }
  EXPECT_TRUE(text::is_clean(without_ends));
  EXPECT_TRUE(out.ends_with("verdict: unfit: the engine cannot run here: see the advice\n"));
}

TEST(render_report, no_rows) {
  EXPECT_EQ(render_report({}), "NAME  VERDICT  VALUE  TIME\n"
                               "verdict: fit: everything the engine needs is here\n");
}

} // namespace
} // namespace tayfa
