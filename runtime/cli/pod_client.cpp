#include "runtime/cli/pod_client.hpp"

#include "runtime/cli/terminal_text.hpp"

#include <array>
#include <boost/json/parse.hpp>
#include <cstdio>

namespace tayfa {

namespace json = boost::json;

namespace {

constexpr std::size_t answer_bytes_max = std::size_t{256} << 20;

/// The message of {"error": {"code", "message"}}, or the whole text that the server sent.
std::string refusal_text(std::string_view body) {
  json::error_code ec;
  const json::value parsed = json::parse(body, ec);
  if (ec || !parsed.is_object()) {
    return "not in JSON";
  }
  const auto* const e = parsed.get_object().if_contains("error");
  const auto* const message =
      e != nullptr && e->is_object() ? e->get_object().if_contains("message") : nullptr;
  return message != nullptr && message->is_string() && !message->get_string().empty()
             ? clean_line(std::string_view{message->get_string()})
             : "no reason is given";
}

command_error refusal(const std::string& url, const client_response& answer) {
  const bool later = answer.status == 429 || answer.status == 503;
  return {later ? exit_try_again : exit_failed,
          url + " answered " + std::to_string(answer.status) + ": " + refusal_text(answer.body) +
              (answer.status == 401 ? " (TAYFA_API_KEY)" : ""),
          answer.status};
}

/// As a segment of a path, or a value of a query.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-';
    std::array<char, 4> escape{c};
    if (!plain) {
      std::snprintf(escape.data(), escape.size(), "%%%02X", static_cast<unsigned char>(c));
    }
    out += escape.data();
  }
  return out;
}

} // namespace

std::string query_text(std::initializer_list<std::pair<std::string_view, std::string>> items) {
  std::string out;
  for (const auto& [name, value] : items) {
    if (value.empty()) {
      continue;
    }
    out += (out.empty() ? "" : "&") + std::string{name} + '=' + escaped(value);
  }
  return out;
}

pod_client::pod_client(std::string url, const std::string& endpoint,
                       std::chrono::milliseconds patience, secret_text key)
    : root_(std::move(url)), patience_(patience), key_(std::move(key)) {
  while (root_.ends_with('/')) {
    root_.pop_back();
  }
  base_ = root_ + "/v2/" + endpoint;
}

pod_client::answer pod_client::run(std::string body) const {
  return call("POST", base_ + "/run", std::move(body));
}
pod_client::answer pod_client::status(const job_id& id) const {
  return call("GET", base_ + "/status/" + id.str());
}
pod_client::answer pod_client::stream(const job_id& id) const {
  return call("GET", base_ + "/stream/" + id.str());
}
pod_client::answer pod_client::inspect(const job_id& id) const {
  return call("GET", base_ + "/jobs/" + id.str());
}
pod_client::answer pod_client::cancel(const job_id& id) const {
  return call("POST", base_ + "/cancel/" + id.str());
}
pod_client::answer pod_client::retry(const job_id& id) const {
  return call("POST", base_ + "/retry/" + id.str());
}
pod_client::answer pod_client::drop(const job_id& id) const {
  return call("POST", base_ + "/drop/" + id.str());
}
pod_client::answer pod_client::purge() const {
  return call("POST", base_ + "/purge-queue");
}
pod_client::answer pod_client::jobs(const std::string& query) const {
  return call("GET", base_ + "/jobs?" + query);
}
pod_client::answer pod_client::dead(const std::string& query) const {
  return call("GET", base_ + "/dead?" + query);
}
pod_client::answer pod_client::health() const {
  return call("GET", base_ + "/health");
}
pod_client::answer pod_client::slots() const {
  return call("GET", root_ + "/slots");
}
pod_client::answer pod_client::workers() const {
  return call("GET", root_ + "/workers");
}
pod_client::answer pod_client::drain(std::uint32_t slot, bool on) const {
  return call("POST", root_ + "/slots/" + std::to_string(slot) + (on ? "/drain" : "/undrain"));
}
pod_client::answer pod_client::resize(std::uint32_t count) const {
  return call("POST", root_ + "/slots/count/" + std::to_string(count));
}

pod_client::answer pod_client::pods() const {
  return call("GET", root_ + "/pods");
}
pod_client::answer pod_client::drain_pod(const std::string& pod, const std::string& mode) const {
  return call("POST", root_ + "/pods/" + escaped(pod) + "/drain?" + query_text({{"mode", mode}}));
}
pod_client::answer pod_client::undrain_pod(const std::string& pod) const {
  return call("POST", root_ + "/pods/" + escaped(pod) + "/undrain");
}
pod_client::answer pod_client::trust_list() const {
  return call("GET", root_ + "/link");
}
pod_client::answer pod_client::trust_pod(const std::string& pod, const std::string& name) const {
  const auto query = query_text({{"name", name}});
  return call("POST",
              root_ + "/link/" + escaped(pod) + "/trust" + (query.empty() ? "" : "?" + query));
}
pod_client::answer pod_client::revoke_pod(const std::string& pod) const {
  return call("POST", root_ + "/link/" + escaped(pod) + "/revoke");
}
pod_client::answer pod_client::join_string(const std::string& addresses,
                                           std::uint32_t minutes) const {
  return call("POST",
              root_ + "/link/tokens?" +
                  query_text({{"address", addresses}, {"minutes", std::to_string(minutes)}}));
}

command_result<std::string> pod_client::ping() const {
  const std::string url = root_ + "/ping";
  const auto got = exchange("GET", url, {});
  if (!got) {
    return tl::unexpected(got.error());
  }
  switch (got->status) {
  case 200: return "ready";
  case 204: return "not ready";
  case 503: return "stopping";
  default: return tl::unexpected(refusal(url, *got));
  }
}

command_result<std::string> pod_client::metrics() const {
  const std::string url = root_ + "/metrics";
  auto got = exchange("GET", url, {});
  if (!got) {
    return tl::unexpected(got.error());
  }
  return got->status == 200 ? command_result<std::string>{std::move(got->body)}
                            : tl::unexpected(refusal(url, *got));
}

std::string pod_client::events_url(const job_id& job, std::optional<std::uint64_t> after) const {
  const std::string query =
      query_text({{"job", job.str()}, {"after", after ? std::to_string(*after) : ""}});
  return base_ + "/events" + (query.empty() ? "" : "?" + query);
}

command_result<client_response> pod_client::exchange(std::string method, std::string url,
                                                     std::string body) const {
  client_request request;
  request.method = std::move(method);
  request.url = std::move(url);
  request.body = std::move(body);
  request.connect_timeout = std::min(request.connect_timeout, patience_);
  request.idle_timeout = patience_;
  request.response_bytes_max = answer_bytes_max;
  request.key = key_;
  auto got = fetch(request);
  if (!got) {
    const errc code = got.error().code;
    const bool unreachable =
        code == errc::unavailable || code == errc::request_timeout || code == errc::io_error;
    const int exit_code = code == errc::bad_usage ? exit_usage
                          : unreachable           ? exit_unavailable
                                                  : exit_failed;
    return tl::unexpected(command_error{exit_code, clean_line(got.error().text)});
  }
  return std::move(*got);
}

pod_client::answer pod_client::call(std::string method, const std::string& url,
                                    std::string body) const {
  auto got = exchange(std::move(method), url, std::move(body));
  if (!got) {
    return tl::unexpected(std::move(got.error()));
  }
  if (got->status != 200) {
    return tl::unexpected(refusal(url, *got));
  }
  json::error_code ec;
  json::parse_options options;
  options.max_depth = 128;
  json::value parsed = json::parse(got->body, ec, {}, options);
  if (ec || !parsed.is_object()) {
    return tl::unexpected(
        command_error{exit_failed, url + " does not answer as a Tayfa pod does", 200});
  }
  return reply{std::move(parsed.get_object()), std::move(got->body)};
}

} // namespace tayfa
