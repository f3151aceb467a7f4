#include "runtime/base/variables.hpp"
#include "runtime/base/words.hpp"
#include "runtime/runpod_worker/contract.hpp"
#include "runtime/runpod_worker/url_text.hpp"

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>

namespace tayfa::runpod {

namespace {

constexpr std::size_t url_max = 2'048;
constexpr std::size_t word_max = 512;
constexpr std::size_t key_max = 4'096;
constexpr std::int64_t interval_max_ms = 3'600'000;

constexpr std::string_view get_job_name = "RUNPOD_WEBHOOK_GET_JOB";
constexpr std::string_view output_name = "RUNPOD_WEBHOOK_POST_OUTPUT";
constexpr std::string_view stream_name = "RUNPOD_WEBHOOK_POST_STREAM";
constexpr std::string_view ping_name = "RUNPOD_WEBHOOK_PING";
constexpr std::string_view interval_name = "RUNPOD_PING_INTERVAL";

/// The SDK's placeholder for a missing ping URL.
constexpr std::string_view ping_not_set = "PING_NOT_SET";

/// The error names the variable but never its value, which may be a secret.
tl::unexpected<error> broken(std::string_view name, std::string_view what) {
  return fail(errc::bad_config, std::string{name} + " " + std::string{what});
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool is_http(std::string_view scheme) {
  return text::iequals(scheme, "http") || text::iequals(scheme, "https");
}

result<void> check_url(std::string_view name, std::string_view url, bool needs_id) {
  if (url.size() > url_max) {
    return broken(name, "is longer than 2048 bytes");
  }
  const std::string sample = expand(url, {{"$RUNPOD_POD_ID", "pod"}, {"$ID", "job"}});
  const auto parsed = boost::urls::parse_uri(sample);
  const bool bad_port = parsed && !parsed->port().empty() && parsed->port_number() == 0;
  if (has_control(url) || !parsed || bad_port || !is_http(parsed->scheme()) ||
      parsed->host().empty() || parsed->has_userinfo() || url.find('#') != std::string_view::npos) {
    return broken(name, "is no http or https URL without user name and fragment");
  }
  if (needs_id && url.find("$ID") == std::string_view::npos) {
    return broken(name, "has no $ID where the job's id belongs");
  }
  return {};
}

result<milliseconds> interval_of(std::string_view text) {
  if (text.empty()) {
    return milliseconds{10'000};
  }
  std::int64_t number = 0;
  const auto [rest, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc{} || rest != text.data() + text.size() || number < 0 ||
      number > interval_max_ms) {
    return broken(interval_name, "is no number of milliseconds from 0 to 3600000");
  }
  // The SDK counts whole seconds, and below one second it pings without a pause.
  return milliseconds{std::max<std::int64_t>(number / 1'000, 1) * 1'000};
}

result<std::string> word_of(std::span<const std::string> environment, std::string_view name,
                            std::size_t longest) {
  const std::string_view value = variable_or_empty(environment, name);
  if (value.size() > longest || has_control(value)) {
    return broken(name, "is too long or has a control character");
  }
  return std::string{value};
}

result<void> read_urls(std::span<const std::string> environment, settings& out) {
  struct row {
    std::string_view name;
    std::string settings::*member;
    bool needed, needs_id;
  };
  constexpr row rows[] = {{get_job_name, &settings::get_job, true, false},
                          {output_name, &settings::post_output, true, true},
                          {stream_name, &settings::post_stream, false, true},
                          {ping_name, &settings::ping, false, false}};
  for (const row& r : rows) {
    const std::string_view url = variable_or_empty(environment, r.name);
    const bool given = !url.empty() && !(r.name == ping_name && url == ping_not_set);
    if (!given && r.needed) {
      return broken(r.name, "is not set; without it no result could be brought back");
    }
    if (!given) {
      continue;
    }
    if (const auto good = check_url(r.name, url, r.needs_id); !good) {
      return good;
    }
    out.*r.member = url;
  }
  return {};
}

result<void> read_words(std::span<const std::string> environment, settings& out) {
  struct row {
    std::string_view name;
    std::string settings::*member;
  };
  constexpr row rows[] = {{"RUNPOD_POD_ID", &settings::worker_id},
                          {"RUNPOD_ENDPOINT_ID", &settings::endpoint_id},
                          {"RUNPOD_POD_HOSTNAME", &settings::hostname}};
  for (const row& r : rows) {
    auto word = word_of(environment, r.name, word_max);
    if (!word) {
      return fail(word.error());
    }
    out.*r.member = std::move(*word);
  }
  auto key = word_of(environment, "RUNPOD_AI_API_KEY", key_max);
  if (!key) {
    return fail(key.error());
  }
  out.api_key = secret_text::take(*key);
  return {};
}

} // namespace

result<std::optional<settings>> settings_from(std::span<const std::string> environment,
                                              std::string_view made_up_id) {
  if (variable_or_empty(environment, get_job_name).empty()) {
    return std::optional<settings>{};
  }
  settings out;
  if (const auto urls = read_urls(environment, out); !urls) {
    return fail(urls.error());
  }
  if (const auto words = read_words(environment, out); !words) {
    return fail(words.error());
  }
  const auto interval = interval_of(variable_or_empty(environment, interval_name));
  if (!interval) {
    return fail(interval.error());
  }
  out.ping_interval = *interval;
  out.pings = !out.ping.empty() && !out.worker_id.empty() && !out.api_key.empty();
  if (out.worker_id.empty()) {
    out.worker_id = made_up_id;
  }
  if (out.hostname.empty()) {
    out.hostname = "unknown";
  }
  return std::optional{std::move(out)};
}

} // namespace tayfa::runpod
