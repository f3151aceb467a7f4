#include "runtime/api/submit.hpp"

#include "runtime/api/json_text.hpp"
#include "runtime/api/policy.hpp"
#include "runtime/api/request_reader.hpp"
#include "runtime/api/shape.hpp"
#include "runtime/base/words.hpp"

namespace tayfa::api {

namespace {

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
    } else if (const auto taken = take_member(member, "", job); !taken) {
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
