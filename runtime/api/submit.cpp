#include "runtime/api/submit.hpp"

#include "messages/model_name.hpp"
#include "runtime/api/json_text.hpp"
#include "runtime/api/policy.hpp"
#include "runtime/api/query.hpp"
#include "runtime/api/shape.hpp"
#include "runtime/base/words.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace tayfa::api {

namespace json = boost::json;

namespace {

constexpr std::size_t webhook_length_max = 2048;
constexpr std::size_t s3_config_bytes_max = 4096;

result<std::string> webhook_of(std::string_view text) {
  auto value = json_string(text, webhook_length_max);
  if (!value) {
    return fail(errc::bad_request, "webhook must be a URL of at most 2048 characters");
  }
  std::string url = std::move(*value);
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed || parsed->host().empty() ||
      !(text::iequals(parsed->scheme(), "http") || text::iequals(parsed->scheme(), "https"))) {
    return fail(errc::bad_request, "webhook must be an http or https URL");
  }
  return url;
}

/// RunPod's {accessId, accessSecret, bucketName, endpointUrl}, kept as it was written: only whoever
/// runs the job reads it.
result<std::string> s3_config_of(std::string_view text) {
  const auto refused = [](std::string_view why) {
    return fail(errc::bad_request, "s3Config must be " + std::string{why});
  };
  if (text.size() > s3_config_bytes_max) {
    return refused("no larger than 4096 bytes");
  }
  const auto members = json_members(text);
  if (!members) {
    return text.starts_with('{') ? fail(members.error()) : refused("an object");
  }
  for (const auto& member : *members) {
    if (!member.value.starts_with('"')) {
      return refused("an object of texts");
    }
  }
  return members->empty() ? std::string{} : std::string{text};
}

result<void> take_member(const json_member& member, job_request& job) {
  if (member.value == "null") {
    return {};
  }
  if (member.key == "webhook") {
    auto url = webhook_of(member.value);
    return url ? (job.webhook = std::move(*url), result<void>{}) : fail(url.error());
  }
  if (member.key == "policy") {
    auto policy = policy_of(member.value);
    return policy ? (job.policy = std::move(*policy), result<void>{}) : fail(policy.error());
  }
  if (member.key == "s3Config") {
    auto config = s3_config_of(member.value);
    return config ? (job.s3_config = std::move(*config), result<void>{}) : fail(config.error());
  }
  if (member.key == "model") {
    auto model = json_string(member.value, model_name_max);
    if (!model || !is_model_name(*model)) {
      return fail(errc::bad_request, "model must be " + std::string{model_name_rule});
    }
    job.model = std::move(*model);
  }
  return {};
}

/// As RunPod's servers do, members that are not named here (`id`, …) are taken and not read.
result<job_request> job_of(std::string body) {
  if (const auto valid = check_json(body); !valid) {
    return fail(valid.error());
  }
  const auto members = json_members(body);
  if (!members) {
    return fail(members.error());
  }
  job_request job;
  std::optional<std::string_view> input;
  for (const auto& member : *members) {
    if (member.key == "input") {
      input = member.value;
    } else if (const auto taken = take_member(member, job); !taken) {
      return fail(taken.error());
    }
  }
  if (!input || *input == "null") {
    return fail(errc::bad_request, "the member input is missing");
  }
  job.shape = shape_of(*input);
  job.input = shared_text{cut_out(std::move(body), *input)};
  return job;
}

/// The key may come in the header or in the policy; in both only when both say the same.
result<void> take_key(std::string_view header, job_policy& policy) {
  if (header.empty()) {
    return {};
  }
  auto key = idempotency_key_of(header);
  if (!key) {
    return fail(key.error());
  }
  if (!policy.idempotency_key.empty() && policy.idempotency_key != *key) {
    return fail(errc::bad_request, "Idempotency-Key and policy.idempotencyKey differ");
  }
  policy.idempotency_key = std::move(*key);
  return {};
}

} // namespace

bool is_json(std::string_view content_type) {
  const auto type = text::trimmed(content_type.substr(0, content_type.find(';')), " \t");
  return content_type.empty() || text::iequals(type, "application/json");
}

result<void> take_tenant(const principal& who, job_policy& policy) {
  if (who.tenant.empty() || policy.tenant == who.tenant) {
    return {};
  }
  if (policy.tenant.empty()) {
    policy.tenant = who.tenant;
    return {};
  }
  return who.is_operator ? result<void>{}
                         : fail(errc::forbidden, "policy.tenant is not the tenant of the key");
}

tl::expected<call, response> parse_submit(request&& asked, route&& at, job_access who,
                                          const limits& bounds) {
  if (!is_json(asked.content_type)) {
    return tl::unexpected(
        refuse({errc::unsupported_media, "send the header Content-Type: application/json"}));
  }
  auto job = job_of(std::move(asked.body));
  if (!job) {
    return tl::unexpected(refuse(job.error()));
  }
  if (!job->webhook.empty() && bounds.webhook_allowed) {
    if (const auto allowed = bounds.webhook_allowed(job->webhook); !allowed) {
      return tl::unexpected(refuse(allowed.error()));
    }
  }
  if (const auto key = take_key(asked.idempotency_key, job->policy); !key) {
    return tl::unexpected(refuse(key.error()));
  }
  if (const auto tenant = take_tenant(asked.who, job->policy); !tenant) {
    return tl::unexpected(refuse(tenant.error()));
  }
  job->endpoint = std::move(at.endpoint);
  job->sync = at.kind == route_kind::runsync;
  return submit{std::move(who), std::move(*job), at.wait};
}

} // namespace tayfa::api
