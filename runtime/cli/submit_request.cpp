#include "runtime/cli/submit_request.hpp"

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

command_result<json::object> policy_object(const submit_options& o) {
  json::object policy;
  const std::pair<const char*, const std::string*> times[] = {
      {"deadline", &o.deadline},
      {"delay", &o.delay},
      {"ttl", &o.ttl},
      {"executionTimeout", &o.execution_timeout}};
  for (const auto& [name, text] : times) {
    if (text->empty()) {
      continue;
    }
    const auto time = parsed_time(*text);
    if (!time) {
      return usage("\"" + clean_line(*text) + "\" is no time such as 500ms, 30s, 5m or 2h");
    }
    policy[name] = time->count();
  }
  if (o.priority) {
    policy["priority"] = *o.priority;
  }
  if (o.low_priority) {
    policy["lowPriority"] = true;
  }
  if (!o.tenant.empty()) {
    policy["tenant"] = o.tenant;
  }
  if (!o.idempotency_key.empty()) {
    policy["idempotencyKey"] = o.idempotency_key;
  }
  return policy;
}

} // namespace

command_result<std::string> run_body(const submit_options& o) {
  auto policy = policy_object(o);
  if (!policy) {
    return tl::unexpected(std::move(policy.error()));
  }
  auto input = input_value(o);
  if (!input) {
    return tl::unexpected(std::move(input.error()));
  }
  json::object body{{"input", std::move(*input)}};
  if (!o.model.empty()) {
    body["model"] = o.model;
  }
  if (!o.webhook.empty()) {
    body["webhook"] = o.webhook;
  }
  if (!policy->empty()) {
    body["policy"] = std::move(*policy);
  }
  return json::serialize(body);
}

} // namespace tayfa
