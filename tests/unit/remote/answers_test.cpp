#include "runtime/remote/answers.hpp"

#include <gtest/gtest.h>

namespace tayfa::remote {
namespace {

handed_job job(const char* id, const char* input) {
  return {id, shared_text{input}};
}

TEST(remote_answers, a_single_take_gets_an_object) {
  const auto a = jobs_answer({job("j", "{\"a\": 1}")}, false);
  EXPECT_EQ(a.status, 200U);
  EXPECT_EQ(a.content_type, "application/json");
  EXPECT_EQ(a.body, R"({"id":"j","input":{"a": 1}})");
}

TEST(remote_answers, a_batch_gets_an_array_also_of_one) {
  EXPECT_EQ(jobs_answer({job("j", "1")}, true).body, R"([{"id":"j","input":1}])");
  EXPECT_EQ(jobs_answer({job("j", "1"), job("k", "2")}, true).body,
            R"([{"id":"j","input":1},{"id":"k","input":2}])");
}

TEST(remote_answers, stops_are_a_list_of_ids) {
  EXPECT_EQ(stops_answer({"j", "k-r2"}).body, R"({"jobsToStop":["j","k-r2"]})");
}

TEST(remote_answers, nothing_is_204_without_a_body) {
  EXPECT_EQ(nothing_answer().status, 204U);
  EXPECT_TRUE(nothing_answer().body.empty());
}

} // namespace
} // namespace tayfa::remote
