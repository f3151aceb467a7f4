#include "runtime/api/call.hpp"
#include "runtime/api/json_text.hpp"
#include "runtime/api/route.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <cmath>

namespace tayfa::api {

namespace json = boost::json;

namespace {

constexpr std::size_t webhook_length_max = 2048;

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [lower](char x, char y) { return lower(x) == lower(y); });
}

/// `application/json` with any parameters, or nothing said. Forms and plain text are what a web
/// page may post to a stranger's port without asking, so they never count as JSON.
bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!type.empty() && blank(type.front())) {
    type.remove_prefix(1);
  }
  while (!type.empty() && blank(type.back())) {
    type.remove_suffix(1);
  }
  return content_type.empty() || same_word(type, "application/json");
}

std::optional<json::value> small_value(std::string_view text) {
  json::error_code ec;
  json::parse_options options;
  options.max_depth = json_depth_max;
  json::value value = json::parse(json::string_view{text.data(), text.size()}, ec, {}, options);
  return ec ? std::nullopt : std::optional{std::move(value)};
}

result<std::string> webhook_of(std::string_view text) {
  // Longest escape of one character is six bytes; longer text cannot become a URL that is short
  // enough.
  const auto value =
      text.size() <= webhook_length_max * 6 + 2 ? small_value(text) : std::optional<json::value>{};
  if (!value || !value->is_string() || value->get_string().size() > webhook_length_max) {
    return fail(errc::bad_request, "webhook must be a URL of at most 2048 characters");
  }
  std::string url{value->get_string()};
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed || parsed->host().empty() ||
      !(same_word(parsed->scheme(), "http") || same_word(parsed->scheme(), "https"))) {
    return fail(errc::bad_request, "webhook must be an http or https URL");
  }
  return url;
}

result<milliseconds> duration_of(std::string_view name, std::string_view text, milliseconds lowest,
                                 milliseconds highest) {
  const auto value = small_value(text);
  double number = -1;
  if (value && value->is_number()) {
    number = value->to_number<double>(); // exact for every whole number within the bounds
  }
  if (number < static_cast<double>(lowest.count()) ||
      number > static_cast<double>(highest.count()) || std::trunc(number) != number) {
    return fail(errc::bad_request,
                "policy." + std::string{name} + " must be a whole number of milliseconds from " +
                    std::to_string(lowest.count()) + " to " + std::to_string(highest.count()));
  }
  return milliseconds{static_cast<std::int64_t>(number)};
}

result<void> take_policy_member(const json_member& member, job_policy& policy) {
  if (member.value == "null") {
    return {};
  }
  if (member.key == "executionTimeout") {
    const auto time = duration_of(member.key, member.value, job_policy::execution_timeout_min,
                                  job_policy::execution_timeout_max);
    if (!time) {
      return fail(time.error());
    }
    policy.execution_timeout = *time;
  } else if (member.key == "ttl") {
    const auto time =
        duration_of(member.key, member.value, job_policy::ttl_min, job_policy::ttl_max);
    if (!time) {
      return fail(time.error());
    }
    policy.ttl = *time;
  } else if (member.key == "lowPriority") {
    if (member.value != "true" && member.value != "false") {
      return fail(errc::bad_request, "policy.lowPriority must be true or false");
    }
    policy.low_priority = member.value == "true";
  }
  return {};
}

result<job_policy> policy_of(std::string_view text) {
  const auto members = json_members(text);
  if (!members) {
    return text.starts_with('{') ? fail(members.error())
                                 : fail(errc::bad_request, "policy must be an object");
  }
  job_policy policy;
  for (const auto& member : *members) {
    if (const auto taken = take_policy_member(member, policy); !taken) {
      return fail(taken.error());
    }
  }
  return policy;
}

/// As RunPod's servers do, members that are not named here (`s3Config`, `id`, …) are taken and not
/// read.
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
    } else if (member.key == "webhook" && member.value != "null") {
      auto url = webhook_of(member.value);
      if (!url) {
        return fail(url.error());
      }
      job.webhook = std::move(*url);
    } else if (member.key == "policy" && member.value != "null") {
      const auto policy = policy_of(member.value);
      if (!policy) {
        return fail(policy.error());
      }
      job.policy = *policy;
    }
  }
  if (!input || *input == "null") {
    return fail(errc::bad_request, "the member input is needed");
  }
  // The body's own storage becomes the input: ten megabytes of base64 are moved, not copied.
  const auto begin = static_cast<std::size_t>(input->data() - body.data());
  body.resize(begin + input->size());
  body.erase(0, begin);
  if (body.size() < body.capacity() / 2) {
    body.shrink_to_fit(); // a small input must not hold the memory of a large body while it waits
  }
  job.input = shared_text{std::move(body)};
  return job;
}

tl::expected<call, response> parse_submit(request&& asked, route&& at) {
  if (!is_json(asked.content_type)) {
    return tl::unexpected(
        refuse({errc::unsupported_media, "send the header Content-Type: application/json"}));
  }
  auto job = job_of(std::move(asked.body));
  if (!job) {
    return tl::unexpected(refuse(job.error()));
  }
  job->endpoint = std::move(at.endpoint);
  job->sync = at.kind == route_kind::runsync;
  return submit{std::move(*job), at.wait};
}

} // namespace

tl::expected<call, response> parse(request asked, const limits& bounds) {
  auto at = find_route(asked.method, asked.target, bounds);
  if (!at) {
    return tl::unexpected(std::move(at.error()));
  }
  switch (at->kind) {
  case route_kind::run:
  case route_kind::runsync: return parse_submit(std::move(asked), std::move(*at));
  case route_kind::status: return status{std::move(at->id)};
  case route_kind::stream: return stream{std::move(at->id)};
  case route_kind::cancel: return cancel{std::move(at->id)};
  case route_kind::health: return health{};
  case route_kind::ping: return ping{};
  case route_kind::metrics: return scrape{};
  }
  return tl::unexpected(refuse({errc::internal, {}}));
}

} // namespace tayfa::api
