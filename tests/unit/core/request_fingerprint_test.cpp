// Fingerprints are in stores: what a request's was stays, and each field that is part of it counts.
#include "runtime/core/request_fingerprint.hpp"

#include "messages/request_fields.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

job_request full() {
  job_request r;
  r.endpoint = "tayfa";
  r.model = "m";
  r.shape = "s";
  r.input = shared_text{R"({"x":1})"};
  r.policy.execution_timeout = milliseconds{5'000};
  r.policy.ttl = milliseconds{10'000};
  r.policy.priority = 7;
  r.policy.deadline = milliseconds{3};
  r.policy.delay = milliseconds{4};
  r.policy.tenant = "alice";
  r.policy.idempotency_key = "k";
  r.webhook = "https://e";
  r.s3_config = "{}";
  r.origin = "o";
  r.sync = true;
  return r;
}

TEST(request_fingerprint, is_what_stores_hold) {
  EXPECT_EQ(fingerprint({}), 10'056'079'230'063'120'448ULL);
  EXPECT_EQ(fingerprint(full()), 8'304'764'009'481'718'298ULL);
}

TEST(request_fingerprint, each_field_counts_as_its_line_says) {
  std::size_t fields = 0;
  const auto expect = [&fields](fingerprint_part print, const job_request& changed,
                                std::string_view name) {
    ++fields;
    EXPECT_EQ(fingerprint(changed) != fingerprint(full()), print != fingerprint_part::no) << name;
  };
  each_field(request_fields, [&](const auto& field) {
    job_request changed = full();
    changed.*field.member = {};
    expect(field.print, changed, field.name);
  });
  each_field(policy_fields, [&](const auto& field) {
    job_request changed = full();
    changed.policy.*field.member = {};
    expect(field.print, changed, field.name);
  });
  EXPECT_EQ(fields, 16U);
}

TEST(request_fingerprint, texts_do_not_run_into_each_other) {
  job_request one;
  one.model = "ab";
  one.input = shared_text{std::string{"c"}};
  job_request other;
  other.model = "a";
  other.input = shared_text{std::string{"bc"}};
  EXPECT_NE(fingerprint(one), fingerprint(other));
}

} // namespace
} // namespace tayfa
