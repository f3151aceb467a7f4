#include "runtime/api/policy.hpp"

#include "runtime/api/request_reader.hpp"

namespace tayfa::api {

namespace {

constexpr value_rule key_rule = longest(value_form::printable, job_policy::idempotency_max);

/// RunPod's own name for a low priority, which has no member of its own.
result<void> take_low_priority(const json_member& member, job_policy& policy) {
  if (member.value != "true" && member.value != "false") {
    return fail(errc::bad_request, "policy.lowPriority must be true or false");
  }
  policy.priority = member.value == "true" ? job_policy::priority_low : job_policy::priority_normal;
  return {};
}

} // namespace

result<job_policy> policy_of(std::string_view text) {
  const auto members = json_members(text);
  if (!members) {
    return text.starts_with('{') ? fail(members.error())
                                 : fail(errc::bad_request, "policy must be an object");
  }
  job_policy policy;
  bool urgency_given = false;
  for (const auto& member : *members) {
    const bool low = member.key == "lowPriority";
    if ((low || member.key == "priority") && member.value != "null" &&
        std::exchange(urgency_given, true)) {
      return fail(errc::bad_request, "give policy.priority or policy.lowPriority, not both");
    }
    const auto taken = low && member.value != "null" ? take_low_priority(member, policy)
                                                     : take_member(member, "policy.", policy);
    if (!taken) {
      return fail(taken.error());
    }
  }
  return policy;
}

result<std::string> idempotency_key_of(std::string_view header) {
  std::string key;
  bool good = true;
  if (!header.starts_with('"')) {
    key = header;
    good = header.find_first_of("\"\\ ,;") == std::string_view::npos;
  } else {
    std::size_t i = 1;
    for (; i < header.size() && header[i] != '"'; ++i) {
      if (header[i] == '\\') {
        ++i;
        good = good && i < header.size() && (header[i] == '"' || header[i] == '\\');
      }
      if (i < header.size()) {
        key += header[i];
      }
    }
    good = good && i + 1 == header.size(); // the closing quote is the end: no parameters, no list
  }
  if (!good || !fits(key_rule, key)) {
    return fail(errc::bad_request,
                "Idempotency-Key must be a quoted string of " + rule_text(key_rule));
  }
  return key;
}

} // namespace tayfa::api
