// Number of an engine's threads, and the variables that pass it on.
#include "runtime/machine/thread_share.hpp"

#include <gtest/gtest.h>
#include <map>

namespace tayfa {
namespace {

using strings = std::vector<std::string>;

std::map<std::string, std::string> variables(std::uint32_t threads, const strings& ours,
                                             const strings& passed) {
  std::map<std::string, std::string> out;
  for (auto& [name, value] : thread_variables(threads, ours, passed)) {
    out.emplace(name, value);
  }
  return out;
}

TEST(thread_share, what_is_asked_for_counts_and_else_the_share) {
  const cpu_room quota{16, 4'500};
  EXPECT_EQ(threads_of_engine({0, {}}, quota, 2, 0), 2U);
  EXPECT_EQ(threads_of_engine({9, {}}, quota, 2, 1), 9U) << "its owner knows why";
}

TEST(thread_share, omp_num_threads_lowers_the_share_and_never_raises_it) {
  const cpu_room four{4, std::nullopt};
  EXPECT_EQ(threads_of_engine({0, "1"}, four, 1, 0), 1U);
  EXPECT_EQ(threads_of_engine({0, "3,2"}, four, 1, 0), 3U);
  EXPECT_EQ(threads_of_engine({0, "64"}, four, 1, 0), 4U);
  EXPECT_EQ(threads_of_engine({2, "1"}, four, 1, 0), 2U) << "the setting is the newer word";
  for (const char* nonsense : {"", "0", "-1", "two", "2x"}) {
    EXPECT_EQ(threads_of_engine({0, nonsense}, four, 1, 0), 4U) << nonsense;
  }
}

TEST(thread_share, the_engines_libraries_get_their_share_and_wait_asleep) {
  const auto said = variables(3, {}, {});
  EXPECT_EQ(said.at("OMP_NUM_THREADS"), "3");
  EXPECT_EQ(said.at("MKL_NUM_THREADS"), "3");
  EXPECT_EQ(said.at("OPENBLAS_NUM_THREADS"), "3");
  EXPECT_EQ(said.at("OMP_WAIT_POLICY"), "PASSIVE");
}

TEST(thread_share, how_threads_wait_is_the_operators_to_decide) {
  EXPECT_FALSE(variables(1, {"OMP_WAIT_POLICY=ACTIVE"}, {}).contains("OMP_WAIT_POLICY"));
  EXPECT_FALSE(variables(1, {"GOMP_SPINCOUNT=1000"}, {}).contains("OMP_WAIT_POLICY"));
  EXPECT_FALSE(variables(1, {}, {"OMP_WAIT_POLICY=ACTIVE"}).contains("OMP_WAIT_POLICY"));
  EXPECT_TRUE(variables(1, {"OMP_WAIT_POLICY="}, {"OMP_*"}).contains("OMP_WAIT_POLICY"));
}

TEST(thread_share, a_value_for_the_engine_comes_from_its_list_or_from_us) {
  const strings ours{"OMP_NUM_THREADS=4", "OMP_NUM_THREADS_=5", "OMP_NUM_THREADS=6"};
  EXPECT_EQ(value_for_child("OMP_NUM_THREADS", ours, {}), "4");
  const strings passed{"OMP_*", "OMP_NUM_THREADS=2"};
  EXPECT_EQ(value_for_child("OMP_NUM_THREADS", ours, passed), "2");
  EXPECT_EQ(value_for_child("MKL", ours, passed), "");
}

} // namespace
} // namespace tayfa
