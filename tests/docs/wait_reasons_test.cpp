// docs/api.md explains every reason to wait that an answer may show.
#include "messages/job.hpp"
#include "tests/support/places.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace tayfa {
namespace {

constexpr wait_reason reasons[] = {
#define TAYFA_X(name, text) wait_reason::name,
    TAYFA_WAIT_REASONS(TAYFA_X)
#undef TAYFA_X
};

TEST(wait_reasons, the_page_of_the_api_has_a_row_for_each) {
  std::ifstream in{test::in_source("/docs/api.md")};
  const std::string page{std::istreambuf_iterator<char>{in}, {}};
  for (const auto why : reasons) {
    if (why != wait_reason::none) {
      EXPECT_NE(page.find("| `" + std::string{to_string(why)} + "` | "), std::string::npos)
          << to_string(why) << " is not in docs/api.md";
    }
  }
}

} // namespace
} // namespace tayfa
