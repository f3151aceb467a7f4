#include "runtime/config/suggest.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>

namespace tayfa {
namespace {

TEST(edit_distance, examples) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("htpp", "http"), 1U);
  EXPECT_EQ(edit_distance("listne", "listen"), 1U);
  EXPECT_EQ(edit_distance("slot", "slots"), 1U);
}

RC_GTEST_PROP(edit_distance, is_symmetric_bounded_and_zero_for_equals,
              (const std::string& a, const std::string& b)) {
  const std::size_t d = edit_distance(a, b);
  RC_ASSERT(d == edit_distance(b, a));
  RC_ASSERT(d <= std::max(a.size(), b.size()));
  RC_ASSERT((d == 0) == (a == b));
}

TEST(nearest, only_what_may_have_been_meant) {
  const std::string_view names[] = {"debug", "info", "warn", "error"};
  EXPECT_EQ(nearest("wran", names), "warn");
  EXPECT_EQ(nearest("infos", names), "info");
  EXPECT_EQ(nearest("verbose", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), names), "");
  EXPECT_EQ(suggestion("eror", names), "; did you mean error?");
  EXPECT_EQ(suggestion("trace", names), "");
}

} // namespace
} // namespace tayfa
