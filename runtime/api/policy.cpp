#include "runtime/api/policy.hpp"

#include "runtime/api/json_text.hpp"
#include "runtime/api/query.hpp"

#include <algorithm>
#include <cmath>

namespace tayfa::api {

namespace {

std::string member_name(std::string_view name) {
  return "policy." + std::string{name};
}

result<std::int64_t> whole_of(const json_member& member, std::int64_t lowest, std::int64_t highest,
                              std::string_view unit) {
  // As a double a whole number within the bounds is exact, however it was written (10000, 1e4).
  const double number = json_number(member.value).value_or(-1);
  if (number < static_cast<double>(lowest) || number > static_cast<double>(highest) ||
      std::trunc(number) != number) {
    return fail(errc::bad_request, member_name(member.key) + " must be a whole number" +
                                       std::string{unit} + " from " + std::to_string(lowest) +
                                       " to " + std::to_string(highest));
  }
  return static_cast<std::int64_t>(number);
}

template <class Value>
result<void> take_time(const json_member& member, milliseconds lowest, milliseconds highest,
                       Value& value) {
  const auto number = whole_of(member, lowest.count(), highest.count(), " of milliseconds");
  if (!number) {
    return fail(number.error());
  }
  value = milliseconds{*number};
  return {};
}

result<void> take_text(const json_member& member, std::size_t longest,
                       bool (*good)(std::string_view), std::string_view rule, std::string& value) {
  auto text = json_string(member.value, longest);
  if (!text || !good(*text)) {
    return fail(errc::bad_request, member_name(member.key) + " must be " + std::string{rule});
  }
  value = std::move(*text);
  return {};
}

bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= job_policy::idempotency_max &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

constexpr std::string_view name_rule = "1 to 64 characters of [A-Za-z0-9._-]";
constexpr std::string_view key_rule = "1 to 255 characters of printable ASCII";

class policy_reader {
 public:
  result<void> take(const json_member& member) {
    using p = job_policy;
    if (member.value == "null") {
      return {};
    }
    if (member.key == "executionTimeout") {
      return take_time(member, p::execution_timeout_min, p::execution_timeout_max,
                       policy_.execution_timeout);
    }
    if (member.key == "ttl") {
      return take_time(member, p::ttl_min, p::ttl_max, policy_.ttl);
    }
    if (member.key == "deadline") {
      return take_time(member, milliseconds{0}, p::deadline_max, policy_.deadline);
    }
    if (member.key == "delay") {
      return take_time(member, milliseconds{0}, p::delay_max, policy_.delay);
    }
    if (member.key == "tenant") {
      return take_text(member, p::name_max, is_name, name_rule, policy_.tenant);
    }
    if (member.key == "idempotencyKey") {
      return take_text(member, p::idempotency_max, is_key, key_rule, policy_.idempotency_key);
    }
    return take_urgency(member);
  }

  job_policy done() { return std::move(policy_); }

 private:
  result<void> take_urgency(const json_member& member) {
    const bool low = member.key == "lowPriority";
    if (!low && member.key != "priority") {
      return {};
    }
    if (std::exchange(urgency_given_, true)) {
      return fail(errc::bad_request, "give policy.priority or policy.lowPriority, not both");
    }
    if (!low) {
      const auto number = whole_of(member, 0, job_policy::priority_max, "");
      if (!number) {
        return fail(number.error());
      }
      policy_.priority = static_cast<std::uint8_t>(*number);
      return {};
    }
    if (member.value != "true" && member.value != "false") {
      return fail(errc::bad_request, "policy.lowPriority must be true or false");
    }
    policy_.priority =
        member.value == "true" ? job_policy::priority_low : job_policy::priority_normal;
    return {};
  }

  job_policy policy_;
  bool urgency_given_ = false;
};

} // namespace

result<job_policy> policy_of(std::string_view text) {
  const auto members = json_members(text);
  if (!members) {
    return text.starts_with('{') ? fail(members.error())
                                 : fail(errc::bad_request, "policy must be an object");
  }
  policy_reader reader;
  for (const auto& member : *members) {
    if (const auto taken = reader.take(member); !taken) {
      return fail(taken.error());
    }
  }
  return reader.done();
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
  if (!good || !is_key(key)) {
    return fail(errc::bad_request,
                "Idempotency-Key must be a quoted string of " + std::string{key_rule});
  }
  return key;
}

} // namespace tayfa::api
