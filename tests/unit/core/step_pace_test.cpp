#include "runtime/core/jobs/step_pace.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

TEST(step_pace, halves_while_others_change_rows_and_doubles_while_they_do_not) {
  step_pace pace{128};
  EXPECT_EQ(pace.next(), 128u);
  for (const std::size_t wanted : {64u, 32u, 16u, 16u}) {
    pace.made(10);
    pace.taken(11);
    EXPECT_EQ(pace.next(), wanted);
  }
  for (const std::size_t wanted : {32u, 64u, 128u, 128u}) {
    pace.made(10);
    pace.taken(10);
    EXPECT_EQ(pace.next(), wanted);
  }
}

TEST(step_pace, rows_of_others_count_whenever_they_are_taken) {
  step_pace pace{128};
  pace.made(10);
  pace.taken(10);
  pace.taken(1); // a commit without a step
  pace.taken(0);
  EXPECT_EQ(pace.next(), 64u);
  EXPECT_EQ(pace.next(), 128u);
}

TEST(step_pace, small_steps_stay_as_they_are) {
  step_pace pace{3};
  pace.taken(100);
  EXPECT_EQ(pace.next(), 3u);
  EXPECT_EQ(step_pace{0}.next(), 1u);
}

} // namespace
} // namespace tayfa
