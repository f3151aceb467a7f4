// Looking a variable up in a list of NAME=value.
#include "runtime/base/variables.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace tayfa {
namespace {

using list = std::vector<std::string>;
using value = std::optional<std::string_view>;

TEST(variables, one_entry) {
  EXPECT_EQ(value_in("A=1", "A"), value{"1"});
  EXPECT_EQ(value_in("A=", "A"), value{""});
  EXPECT_EQ(value_in("A=b=c", "A"), value{"b=c"});
  EXPECT_EQ(value_in("AB=1", "A"), std::nullopt);
  EXPECT_EQ(value_in("A=1", "AB"), std::nullopt);
  EXPECT_EQ(value_in("A", "A"), std::nullopt) << "no = at all";
  EXPECT_EQ(value_in("", "A"), std::nullopt);
  EXPECT_EQ(value_in("a=1", "A"), std::nullopt) << "names have case";
}

TEST(variables, the_first_entry_of_a_name_counts_as_it_does_for_getenv) {
  const list environment{"PATH=/bin", "KEY=first", "KEY=second", "EMPTY=", "EMPTY=later"};
  EXPECT_EQ(find_variable(environment, "KEY"), value{"first"});
  EXPECT_EQ(find_variable(environment, "EMPTY"), value{""});
  EXPECT_EQ(find_variable(environment, "NONE"), std::nullopt);
  EXPECT_EQ(find_variable({}, "KEY"), std::nullopt);
}

TEST(variables, blanks_around_a_value_are_not_part_of_it) {
  const list environment{"KEY= secret\n", "BLANK= \t\r\n", "WORDS=a b", "UMLAUT=\u00C4 "};
  EXPECT_EQ(variable_or_empty(environment, "KEY"), "secret");
  EXPECT_EQ(variable_or_empty(environment, "BLANK"), "");
  EXPECT_EQ(variable_or_empty(environment, "WORDS"), "a b");
  EXPECT_EQ(variable_or_empty(environment, "UMLAUT"), "\u00C4");
  EXPECT_EQ(variable_or_empty(environment, "NONE"), "");
  EXPECT_EQ(variable_or_empty(list{"KEY= ", "KEY=later"}, "KEY"), "")
      << "a blank one is not skipped for a later one";
}

} // namespace
} // namespace tayfa
