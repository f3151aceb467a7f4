// The body that `tayfa submit` sends: the pod's parser reads out of it what the options say.
#include "runtime/cli/submit_request.hpp"

#include "runtime/api/call.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

job_request read(const submit_options& o) {
  const auto body = run_body(o);
  EXPECT_TRUE(body);
  const auto call = api::parse({"POST", "/run", "application/json", body.value_or("")}, {});
  EXPECT_TRUE(call && std::holds_alternative<api::submit>(*call)) << body.value_or("");
  return std::get<api::submit>(*call).job;
}

TEST(submit_request, every_option_arrives) {
  submit_options o;
  o.input = R"({"x":1})";
  o.model = "m/n";
  o.webhook = "https://example.com/";
  o.tenant = "alice";
  o.idempotency_key = "k 1";
  o.priority = 7;
  o.deadline = "0";
  o.delay = "2s";
  o.ttl = "1m";
  o.execution_timeout = "5s";
  const job_request job = read(o);
  EXPECT_EQ(job.input.view(), R"({"x":1})");
  EXPECT_EQ(job.model, "m/n");
  EXPECT_EQ(job.webhook, "https://example.com/");
  job_policy policy;
  policy.execution_timeout = milliseconds{5'000};
  policy.ttl = milliseconds{60'000};
  policy.priority = 7;
  policy.deadline = milliseconds{0};
  policy.delay = milliseconds{2'000};
  policy.tenant = "alice";
  policy.idempotency_key = "k 1";
  EXPECT_EQ(job.policy, policy);
}

TEST(submit_request, what_is_not_given_is_not_sent) {
  submit_options o;
  EXPECT_EQ(run_body(o), R"({"input":{}})");
  o.low_priority = true;
  EXPECT_EQ(read(o).policy.priority, job_policy::priority_low);
  o.ttl = "soon";
  EXPECT_FALSE(run_body(o));
}

} // namespace
} // namespace tayfa
