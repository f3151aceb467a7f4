#include "runtime/config/knobs.hpp"
#include "runtime/config/relations.hpp"
#include "runtime/config/render.hpp"
#include "tests/support/places.hpp"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

namespace tayfa {
namespace {

using testing::HasSubstr;

TEST(configuration_page, is_what_the_table_says) {
  std::ifstream in{test::in_source("/docs/configuration.md"), std::ios::binary};
  ASSERT_TRUE(in) << "docs/configuration.md is missing";
  std::ostringstream page;
  page << in.rdbuf();
  EXPECT_TRUE(page.str() == render_markdown())
      << "docs/configuration.md is old: build/tayfa config --markdown > docs/configuration.md";
}

TEST(configuration_page, names_every_knob_and_every_rule) {
  const std::string page = render_markdown();
  for (const auto& row : knobs()) {
    EXPECT_THAT(page, HasSubstr("| `" + std::string{row.key} + "` |"));
    EXPECT_THAT(page, HasSubstr("`" + environment_name(row) + "`"));
  }
  for (const auto& r : relations()) {
    EXPECT_THAT(page, HasSubstr("- " + std::string{r.rule}));
  }
}

} // namespace
} // namespace tayfa
