#include "runtime/cli/workers/worker_env.hpp"

#include "messages/ids.hpp"

#include <algorithm>
#include <boost/url.hpp>

namespace tayfa {

namespace {

/// Without a key the SDK sends no pings, and a worker that does not ping loses its jobs.
constexpr std::string_view no_key = "none";
constexpr std::size_t key_max = 4'096;
constexpr std::size_t gpu_max = 128;

/// "http://host:port", optionally with a path, without a trailing slash.
result<std::string> base_of(const std::string& text) {
  const auto url = boost::urls::parse_uri(text);
  if (!url || (url->scheme() != "http" && url->scheme() != "https") || url->host().empty()) {
    return fail(errc::bad_usage, "--url must be like http://10.0.0.5:8000");
  }
  if (url->has_query() || url->has_fragment() || url->has_userinfo()) {
    return fail(errc::bad_usage, "--url must have no query, fragment or user name");
  }
  if (text.find_first_of("$'\"`\\") != std::string::npos) {
    return fail(errc::bad_usage, "--url must have no $, quote or backslash");
  }
  std::string base = text;
  while (base.ends_with('/')) {
    base.pop_back();
  }
  return base;
}

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

/// Encoded as a query value: "NVIDIA L4" is NVIDIA+L4.
std::string escaped(const std::string& text) {
  std::string out = boost::urls::encode(text, boost::urls::unreserved_chars + ' ');
  std::replace(out.begin(), out.end(), ' ', '+');
  return out;
}

/// Quoted for a POSIX shell, which expands nothing within single quotes.
std::string single_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? std::string{"'\\''"} : std::string{c};
  }
  return out += '\'';
}

} // namespace

result<variables> worker_variables(const worker_place_options& o) {
  const auto base = base_of(o.url);
  if (!base) {
    return fail(base.error());
  }
  if (!job_id::parse(o.endpoint)) {
    return fail(errc::bad_usage, "--endpoint must be of letters, digits, '.', '_' and '-'");
  }
  if (!job_id::parse(o.worker)) {
    return fail(errc::bad_usage, "--worker-id must be of letters, digits, '.', '_' and '-', at "
                                 "most 128 of them");
  }
  if (o.key.size() > key_max || !printable(o.key)) {
    return fail(errc::bad_usage, "--key must be printable ASCII without blanks");
  }
  if (o.gpu.size() > gpu_max) {
    return fail(errc::bad_usage, "--gpu must be at most 128 bytes long");
  }
  if (o.ping_ms < 1'000) {
    return fail(errc::bad_usage,
                "--ping-interval must be at least 1000 ms: the SDK counts seconds");
  }
  // The question mark is required: the SDK appends its parameters with '&'.
  const std::string tail = "?gpu=" + escaped(o.gpu);
  const std::string root = *base + "/v2/" + o.endpoint;
  return variables{
      {"RUNPOD_WEBHOOK_GET_JOB", root + "/job-take/$ID" + tail},
      {"RUNPOD_WEBHOOK_POST_OUTPUT", root + "/job-done/$RUNPOD_POD_ID/$ID" + tail},
      {"RUNPOD_WEBHOOK_POST_STREAM", root + "/job-stream/$RUNPOD_POD_ID/$ID" + tail},
      {"RUNPOD_WEBHOOK_PING", root + "/ping/$RUNPOD_POD_ID" + tail},
      {"RUNPOD_PING_INTERVAL", std::to_string(o.ping_ms)},
      {"RUNPOD_AI_API_KEY", o.key.empty() ? std::string{no_key} : o.key},
      {"RUNPOD_POD_ID", o.worker},
      {"RUNPOD_ENDPOINT_ID", o.endpoint},
  };
}

std::string env_text(const variables& all, env_format format) {
  std::string out;
  for (const auto& [name, value] : all) {
    switch (format) {
    case env_format::env: out += name + '=' + value + '\n'; break;
    case env_format::docker:
      out += (out.empty() ? "" : " \\\n") + ("-e " + single_quoted(name + '=' + value));
      break;
    case env_format::export_: out += "export " + name + '=' + single_quoted(value) + '\n'; break;
    }
  }
  return format == env_format::docker ? out + '\n' : out;
}

} // namespace tayfa
