#include "runtime/cli/submit_request.hpp"

#include "messages/request_fields.hpp"
#include "runtime/base/plain_text.hpp"
#include "runtime/cli/terminal_text.hpp"
#include "runtime/model/base64.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <span>

namespace tayfa {

namespace json = boost::json;

namespace {

constexpr std::size_t file_bytes_max = std::size_t{64} << 20;

command_result<std::string> read_all(std::istream& in, const std::string& name) {
  std::string text;
  char block[65536];
  while (in.read(block, sizeof block) || in.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(in.gcount()));
    if (text.size() > file_bytes_max) {
      return usage(clean_line(name) + " is larger than 64 MiB");
    }
  }
  if (in.bad()) {
    return usage(clean_line(name) + " cannot be read");
  }
  return text;
}

command_result<std::string> read_file(const std::string& path) {
  if (path == "-") {
    return read_all(std::cin, "standard input");
  }
  std::ifstream in{path, std::ios::binary};
  std::error_code ec;
  if (!in || std::filesystem::is_directory(path, ec)) {
    return usage(clean_line(path) + " cannot be read");
  }
  return read_all(in, path);
}

command_result<std::string> input_text(const submit_options& o) {
  if (!o.input_file.empty()) {
    return read_file(o.input_file);
  }
  if (o.input == "-") {
    return read_file(o.input);
  }
  if (o.input.starts_with('@')) {
    return read_file(o.input.substr(1));
  }
  return o.input.empty() ? std::string{"{}"} : o.input;
}

command_result<json::value> input_value(const submit_options& o) {
  const auto written = input_text(o);
  if (!written) {
    return tl::unexpected(written.error());
  }
  json::error_code ec;
  json::parse_options options;
  options.max_depth = 64;
  if (const auto foreign = text::why_not_utf8(*written)) {
    return usage("the input is not JSON: " + *foreign);
  }
  json::value input = json::parse(text::without_mark(*written), ec, {}, options);
  if (ec) {
    return usage("the input is not JSON: " + ec.message());
  }
  if (!o.image.empty()) {
    if (!input.is_object()) {
      return usage("with --image the input must be a JSON object");
    }
    const auto bytes = read_file(o.image);
    if (!bytes) {
      return tl::unexpected(bytes.error());
    }
    input.get_object()[o.image_name] = base64_encode(std::as_bytes(std::span{*bytes}));
  }
  return input;
}

command_result<job_policy> policy_of(const submit_options& o) {
  job_policy policy;
  const auto take = [](const std::string& text, auto& to) {
    const auto time = parsed_time(text);
    if (!text.empty() && time) {
      to = *time;
    }
    return text.empty() || time;
  };
  const std::pair<const std::string*, bool> times[] = {
      {&o.deadline, take(o.deadline, policy.deadline)},
      {&o.delay, take(o.delay, policy.delay)},
      {&o.ttl, take(o.ttl, policy.ttl)},
      {&o.execution_timeout, take(o.execution_timeout, policy.execution_timeout)}};
  for (const auto& [text, good] : times) {
    if (!good) {
      return usage("\"" + clean_line(*text) + "\" is no time such as 500ms, 30s, 5m or 2h");
    }
  }
  const unsigned usual = o.low_priority ? job_policy::priority_low : job_policy::priority_normal;
  policy.priority = static_cast<std::uint8_t>(o.priority.value_or(usual));
  policy.tenant = o.tenant;
  policy.idempotency_key = o.idempotency_key;
  return policy;
}

/// Writes the fields that are not their default, under the API's names.
template <class Record>
json::object sent_members(const Record& record) {
  json::object out;
  const Record usual{};
  each_field(fields_of(record), [&]<class T>(const request_field<Record, T>& field) {
    const T& value = record.*field.member;
    if (field.name.empty() || value == usual.*field.member) {
      return;
    }
    if constexpr (std::same_as<T, job_policy>) {
      out[field.name] = sent_members(value);
    } else if constexpr (std::same_as<T, std::string> || std::integral<T>) {
      out[field.name] = value;
    } else if constexpr (requires { value->count(); }) {
      out[field.name] = value->count();
    } else if constexpr (requires { value.count(); }) {
      out[field.name] = value.count();
    }
  });
  return out;
}

} // namespace

command_result<std::string> run_body(const submit_options& o) {
  auto policy = policy_of(o);
  if (!policy) {
    return tl::unexpected(std::move(policy.error()));
  }
  auto input = input_value(o);
  if (!input) {
    return tl::unexpected(std::move(input.error()));
  }
  job_request job;
  job.model = o.model;
  job.webhook = o.webhook;
  job.policy = std::move(*policy);
  json::object body{{"input", std::move(*input)}};
  for (auto& [name, value] : sent_members(job)) {
    body[name] = std::move(value);
  }
  return json::serialize(body);
}

} // namespace tayfa
