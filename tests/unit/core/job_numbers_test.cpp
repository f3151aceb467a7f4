// Job numbers as shown to a caller who sees only some of the jobs.
#include "runtime/core/jobs/job_numbers.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

job_request of(std::string endpoint, std::string tenant) {
  job_request r;
  r.endpoint = std::move(endpoint);
  r.policy.tenant = std::move(tenant);
  return r;
}

TEST(job_numbers, are_apart_by_endpoint_and_tenant) {
  job_numbers numbers;
  numbers.live(of("a", "x"), job_state::IN_QUEUE, 1);
  numbers.live(of("a", "y"), job_state::IN_QUEUE, 1);
  numbers.live(of("b", "x"), job_state::IN_PROGRESS, 1);
  numbers.ended(of("a", "x"), job_state::COMPLETED);
  numbers.ended(of("b", ""), job_state::FAILED);
  numbers.retried(of("b", "x"));
  EXPECT_EQ(numbers.of({}).in_queue, 2U);
  EXPECT_EQ(numbers.of({}).in_progress, 1U);
  EXPECT_EQ(numbers.of({{"a"}, std::nullopt}).in_queue, 2U);
  EXPECT_EQ(numbers.of({{"a"}, std::nullopt}).failed, 0U);
  EXPECT_EQ(numbers.of({{"a"}, "x"}).in_queue, 1U);
  EXPECT_EQ(numbers.of({{"a"}, "x"}).completed, 1U);
  EXPECT_EQ(numbers.of({{"a"}, "y"}).completed, 0U);
  EXPECT_EQ(numbers.of({{"a", "b"}, "x"}).in_progress, 1U);
  EXPECT_EQ(numbers.of({{}, "x"}).retried, 1U);
  EXPECT_EQ(numbers.of({{}, ""}).failed, 1U) << "no tenant is a tenant of its own";
  EXPECT_EQ(numbers.of({{}, "nobody"}).failed, 0U);
  EXPECT_EQ(numbers.of({{"nowhere"}, std::nullopt}).in_queue, 0U);
}

TEST(job_numbers, moves_leave_nothing_behind) {
  job_numbers numbers;
  numbers.live(of("a", "x"), job_state::IN_QUEUE, 1);
  numbers.live(of("a", "x"), job_state::IN_QUEUE, -1);
  numbers.live(of("a", "x"), job_state::IN_PROGRESS, 1);
  numbers.live(of("a", "x"), job_state::IN_PROGRESS, -1);
  numbers.ended(of("a", "x"), job_state::COMPLETED);
  const auto now = numbers.of({{"a"}, "x"});
  EXPECT_EQ(now.in_queue + now.in_progress, 0U);
  EXPECT_EQ(now.completed, 1U);
}

TEST(job_numbers, tenants_without_a_live_job_are_forgotten_when_there_are_too_many) {
  job_numbers numbers{10};
  numbers.live(of("a", "waits"), job_state::IN_QUEUE, 1);
  for (int i = 0; i < 1'000; ++i) {
    numbers.ended(of("a", "t" + std::to_string(i)), job_state::COMPLETED);
    ASSERT_LE(numbers.tenants("a"), 10U);
  }
  EXPECT_EQ(numbers.of({{"a"}, "waits"}).in_queue, 1U);
  EXPECT_EQ(numbers.of({{"a"}, std::nullopt}).completed, 1'000U) << "the endpoint's own stay whole";
  EXPECT_EQ(numbers.of({{"a"}, "t999"}).completed, 1U);
}

} // namespace
} // namespace tayfa
