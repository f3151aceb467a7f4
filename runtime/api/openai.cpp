#include "runtime/api/openai.hpp"

#include "runtime/api/body_writer.hpp"
#include "runtime/api/json_text.hpp"
#include "runtime/api/json_walk.hpp"
#include "runtime/api/object_writer.hpp"
#include "runtime/api/openai_events.hpp"
#include "runtime/api/query.hpp"
#include "runtime/api/shape.hpp"
#include "runtime/api/submit.hpp"

#include <algorithm>

namespace tayfa::api {

namespace {

constexpr std::size_t path_parts_max = 8;

bool is_path_character(char c) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return letter || std::string_view{"._~:@+-"}.find(c) != std::string_view::npos;
}

/// No part is empty or begins with a dot, so none is one or two of them.
bool leads_nowhere_else(std::string_view path) {
  std::size_t parts = 0;
  for (bool more = true; more; ++parts) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const auto part = path.substr(0, slash);
    if (part.empty() || part.front() == '.' ||
        !std::all_of(part.begin(), part.end(), is_path_character)) {
      return false;
    }
    more = slash < path.size();
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts <= path_parts_max;
}

/// The job's input; `body` is moved once, not parsed and printed again.
std::string input_of(std::string_view target, std::string body) {
  std::string front = R"({"openai_route":)";
  append_json_string(front, target);
  front += R"(,"openai_input":)";
  body.reserve(body.size() + front.size() + 1);
  body.insert(0, front);
  return body += '}';
}

/// True for a streamed answer. A value that is neither true nor false would be one thing
/// here and another for the worker.
result<bool> stream_of(std::string_view body) {
  const auto members = json_members(body);
  if (!members) {
    return fail(members.error());
  }
  const auto found = std::find_if(members->begin(), members->end(),
                                  [](const json_member& each) { return each.key == "stream"; });
  if (found == members->end() || found->value == "null" || found->value == "false") {
    return false;
  }
  if (found->value == "true") {
    return true;
  }
  return fail(errc::bad_request, "stream must be true or false");
}

result<bool> take_body(request& asked, job_request& job, std::string_view target) {
  if (asked.method != "POST") {
    job.input = shared_text{input_of(target, "{}")};
    return false;
  }
  if (!is_json(asked.content_type)) {
    return fail(errc::unsupported_media, "send the header Content-Type: application/json");
  }
  if (const auto valid = check_json(asked.body); !valid) {
    return fail(valid.error());
  }
  const auto streams = stream_of(asked.body);
  if (!streams) {
    return fail(streams.error());
  }
  const auto opens = [](char c) { return c == '{' || c == '['; };
  const auto opened = std::count_if(asked.body.begin(), asked.body.end(), opens);
  auto input = input_of(target, std::move(asked.body));
  if (opened >= static_cast<std::ptrdiff_t>(json_depth_max)) {
    if (const auto shallow = check_json(input); !shallow) {
      return fail(shallow.error()); // it is one level deeper than it came
    }
  }
  job.input = shared_text{std::move(input)};
  return *streams;
}

} // namespace

result<std::string> openai_route_of(std::string_view rest) {
  const auto decoded = percent_decoded(rest);
  if (!decoded || decoded->size() > openai_path_bytes || !leads_nowhere_else(*decoded)) {
    return fail(errc::not_found, "no such route of OpenAI's API");
  }
  return "/v1/" + std::string{rest};
}

tl::expected<call, response> parse_openai(request&& asked, route&& at, job_access who,
                                          const limits& bounds) {
  openai found{std::move(who), {}, false};
  const auto streams = take_body(asked, found.job, at.openai_route);
  if (!streams) {
    return tl::unexpected(refuse(streams.error()));
  }
  found.streams = *streams;
  if (const auto tenant = take_tenant(asked.who, found.job.policy); !tenant) {
    return tl::unexpected(refuse(tenant.error()));
  }
  found.job.shape = shape_of(found.job.input.view());
  found.job.endpoint = std::move(at.endpoint);
  found.job.sync = true;
  found.job.policy.ttl = bounds.openai_wait;
  return found;
}

bool is_openai(std::string_view target) {
  if (target.starts_with("/v2/")) {
    target.remove_prefix(std::min(target.find('/', 4), target.size()));
  }
  return target.starts_with("/openai/");
}

response openai_output(const shared_text& output) {
  const std::string_view only = the_only_one(output.view());
  if (const auto fault = openai_fault_in(only)) {
    return openai_answer(*fault);
  }
  if (auto events = openai_events::whole(output.view())) {
    response answer; // the worker streams although the client did not ask for it
    answer.content_type = "text/event-stream";
    answer.body = std::move(*events);
    return answer;
  }
  return only.size() == output.size() ? body_writer{}.shared(output).answer()
                                      : body_writer{}.text(only).answer();
}

std::string_view the_only_one(std::string_view json) {
  json_walker walk{json};
  walk.skip_space();
  if (!walk.at('[')) {
    return json;
  }
  walk.step();
  walk.skip_space();
  const std::string_view first = walk.value();
  walk.skip_space();
  return walk.at(']') && !first.empty() ? first : json;
}

} // namespace tayfa::api
