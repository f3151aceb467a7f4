// Tayfa's additions to RunPod's body: model, policy, idempotency key.
#include "runtime/api/call.hpp"
#include "runtime/api/policy.hpp"

#include <gtest/gtest.h>

namespace tayfa::api {
namespace {

request run(std::string body, std::string key = {}) {
  return {"POST", "/run", "application/json", std::move(body), std::move(key)};
}
request with_policy(const std::string& policy, std::string key = {}) {
  return run(R"({"input":{},"policy":{)" + policy + "}}", std::move(key));
}
job_request taken(const request& r) {
  auto parsed = parse(r, limits{});
  if (!parsed) {
    ADD_FAILURE() << parsed.error().body;
    return {};
  }
  return std::get<submit>(*parsed).job;
}
unsigned refusal(const request& r) {
  const auto parsed = parse(r, limits{});
  return parsed ? 0 : parsed.error().status;
}

TEST(submit, model) {
  EXPECT_EQ(taken(run(R"({"input":1})")).model, "");
  EXPECT_EQ(taken(run(R"({"input":1,"model":null})")).model, "");
  EXPECT_EQ(taken(run(R"({"model":"sd\u002d1.5_x","input":1})")).model, "sd-1.5_x");
  EXPECT_EQ(taken(run(R"({"input":1,"model":")" + std::string(64, 'm') + "\"}")).model.size(), 64U);
  EXPECT_EQ(taken(run(R"({"model":"hub/all-MiniLM-L6-v2","input":1})")).model,
            "hub/all-MiniLM-L6-v2");
  for (const std::string model : {R"("")", R"("/a")", R"("a/")", R"("a//b")", R"("a b")",
                                  R"("a\u0000")", R"("é")", "1", "[]", "true"}) {
    EXPECT_EQ(refusal(run(R"({"input":1,"model":)" + model + "}")), 400U) << model;
  }
  for (const std::size_t size : {65U, 1'000U, 1'000'000U}) {
    EXPECT_EQ(refusal(run(R"({"input":1,"model":")" + std::string(size, 'm') + "\"}")), 400U);
  }
}

TEST(submit, policy_of_tayfa) {
  const auto policy = taken(with_policy(R"("priority":9,"deadline":60000,"delay":1.5e3,)"
                                        R"("tenant":"alice","idempotencyKey":"k 1")"))
                          .policy;
  EXPECT_EQ(policy.priority, 9);
  EXPECT_EQ(policy.deadline, milliseconds{60'000});
  EXPECT_EQ(policy.delay, milliseconds{1'500});
  EXPECT_EQ(policy.tenant, "alice");
  EXPECT_EQ(policy.idempotency_key, "k 1");
  EXPECT_EQ(taken(with_policy(R"("priority":0)")).policy.priority, 0);
  EXPECT_EQ(taken(with_policy(R"("lowPriority":true)")).policy.priority, job_policy::priority_low);
  EXPECT_EQ(taken(with_policy(R"("lowPriority":false)")).policy, job_policy{});
  EXPECT_EQ(taken(with_policy(R"("priority":null,"lowPriority":true,"deadline":null,"delay":null,)"
                              R"("tenant":null,"idempotencyKey":null)"))
                .policy.priority,
            job_policy::priority_low);
  EXPECT_EQ(taken(with_policy(R"("delay":604800000,"deadline":604800000)")).policy.delay,
            job_policy::delay_max);
}

TEST(submit, policies_that_are_refused) {
  for (const std::string policy : {R"("priority":10)",
                                   R"("priority":-1)",
                                   R"("priority":1.5)",
                                   R"("priority":"5")",
                                   R"("priority":5,"lowPriority":true)",
                                   R"("lowPriority":false,"priority":5)",
                                   R"("priority":true)",
                                   R"("deadline":-1)",
                                   R"("deadline":604800001)",
                                   R"("deadline":"1")",
                                   R"("deadline":0.5)",
                                   R"("delay":-1)",
                                   R"("delay":604800001)",
                                   R"("delay":1e300)",
                                   R"("delay":[])",
                                   R"("tenant":"")",
                                   R"("tenant":"a b")",
                                   R"("tenant":7)",
                                   R"("tenant":"a\n")",
                                   R"("idempotencyKey":"")",
                                   R"("idempotencyKey":"a\tb")",
                                   R"("idempotencyKey":"é")",
                                   R"("idempotencyKey":5)"}) {
    EXPECT_EQ(refusal(with_policy(policy)), 400U) << policy;
  }
  EXPECT_EQ(refusal(with_policy(R"("tenant":")" + std::string(65, 't') + '"')), 400U);
  EXPECT_EQ(refusal(with_policy(R"("idempotencyKey":")" + std::string(255, 'k') + '"')), 0U);
  EXPECT_EQ(refusal(with_policy(R"("idempotencyKey":")" + std::string(256, 'k') + '"')), 400U);
}

TEST(submit, the_key_of_the_header) {
  const std::vector<std::pair<std::string, std::string>> good{
      {R"("8e03978e-40d5-43e8-bc93-6894a57f9324")", "8e03978e-40d5-43e8-bc93-6894a57f9324"},
      {"8e03978e-40d5", "8e03978e-40d5"},
      {R"("a b")", "a b"},
      {R"("a\"b\\c")", R"(a"b\c)"},
      {"a:b/c=d", "a:b/c=d"},
      {'"' + std::string(255, 'k') + '"', std::string(255, 'k')},
  };
  for (const auto& [header, key] : good) {
    const auto parsed = idempotency_key_of(header);
    ASSERT_TRUE(parsed) << header;
    EXPECT_EQ(*parsed, key);
    EXPECT_EQ(taken(run(R"({"input":1})", header)).policy.idempotency_key, key);
  }
  for (const std::string header :
       {R"("")", R"(")", R"("a)", R"("a\)", R"("a\")", R"("a\b")", R"("a";x=1)", R"("a", "b")",
        R"("a"b)", "a, b", "a b", "a;b", R"(a"b)", R"(a\b)", "\"a\tb\"", "\xC3\xA9"}) {
    EXPECT_FALSE(idempotency_key_of(header)) << header;
    EXPECT_EQ(refusal(run(R"({"input":1})", header)), 400U) << header;
  }
  EXPECT_FALSE(idempotency_key_of(std::string(256, 'k')));
}

TEST(submit, two_keys_must_agree) {
  const std::string policy = R"("idempotencyKey":"k\"1")";
  EXPECT_EQ(taken(with_policy(policy, R"("k\"1")")).policy.idempotency_key, R"(k"1)");
  EXPECT_EQ(refusal(with_policy(policy, R"("k2")")), 400U);
  // A key means nothing where nothing is submitted.
  EXPECT_TRUE(parse({"GET", "/health", "", "", "\"", {}}, limits{}));
}

TEST(submit, s3_config) {
  const std::string config =
      R"({ "accessId":"i", "accessSecret":"s", "bucketName":"b", "endpointUrl":"https://x" })";
  const auto with = [](const std::string& text) {
    return run(R"({"input":1,"s3Config":)" + text + "}");
  };
  EXPECT_EQ(taken(with(config)).s3_config, config);
  EXPECT_EQ(taken(with(R"({"accessId":"i","other":"text"})")).s3_config,
            R"({"accessId":"i","other":"text"})");
  EXPECT_EQ(taken(with("null")).s3_config, "");
  EXPECT_EQ(taken(with("{}")).s3_config, "");
  for (const std::string text :
       {"[]", "1", R"("text")", "true", R"({"accessId":1})", R"({"accessId":null})",
        R"({"accessId":{"a":"b"}})", R"({"accessId":"a","accessId":"a"})"}) {
    EXPECT_EQ(refusal(with(text)), 400U) << text;
  }
  const auto sized = [](std::size_t size) {
    return R"({"accessId":")" + std::string(size - 15, 'a') + "\"}";
  };
  EXPECT_EQ(taken(with(sized(4096))).s3_config.size(), 4096U);
  EXPECT_EQ(refusal(with(sized(4097))), 400U);
}

TEST(submit, the_shape_is_the_inputs) {
  EXPECT_EQ(
      taken(run(R"({"width":9,"input":{"width":512,"height":5.12e2,"x":{"steps":3}}})")).shape,
      "width=512,height=512,bytes=4K");
}

} // namespace
} // namespace tayfa::api
