#include "cluster/program/pod_client.hpp"

#include "cluster/program/job_output.hpp"

#include <boost/json/parse.hpp>

namespace tayfa {

namespace json = boost::json;

namespace {

/// An output may hold a hundred megabytes of pictures.
constexpr std::size_t answer_bytes_max = std::size_t{256} << 20;
constexpr std::chrono::minutes answer_time{5};

/// The message of {"error": {"code", "message"}}, or what else the server says.
std::string refusal_text(const json::object& body) {
  const auto* const e = body.if_contains("error");
  if (e != nullptr && e->is_object()) {
    const auto* const message = e->get_object().if_contains("message");
    if (message != nullptr && message->is_string()) {
      return printable(std::string_view{message->get_string()});
    }
  }
  return "no reason is given";
}

} // namespace

pod_client::pod_client(std::string url, std::string endpoint) : base_(std::move(url)) {
  while (base_.ends_with('/')) {
    base_.pop_back();
  }
  base_ += "/v2/" + endpoint;
}

command_result<pod_client::reply> pod_client::run(std::string body) const {
  return call("POST", "/run", std::move(body));
}
command_result<pod_client::reply> pod_client::status(const job_id& id) const {
  return call("GET", "/status/" + id.str(), {});
}
command_result<pod_client::reply> pod_client::cancel(const job_id& id) const {
  return call("POST", "/cancel/" + id.str(), {});
}
command_result<pod_client::reply> pod_client::health() const {
  return call("GET", "/health", {});
}

command_result<pod_client::reply> pod_client::call(std::string method, const std::string& path,
                                                   std::string body) const {
  client_request request;
  request.method = std::move(method);
  request.url = base_ + path;
  request.body = std::move(body);
  request.total_timeout = answer_time;
  request.response_bytes_max = answer_bytes_max;
  auto answer = fetch(request);
  if (!answer) {
    const errc code = answer.error().code;
    const bool unreachable =
        code == errc::unavailable || code == errc::request_timeout || code == errc::io_error;
    const int exit_code = code == errc::bad_usage ? exit_usage
                          : unreachable           ? exit_unavailable
                                                  : exit_failed;
    return tl::unexpected(command_error{exit_code, answer.error().text});
  }
  json::error_code ec;
  json::parse_options options;
  options.max_depth = 128;
  json::value parsed = json::parse(answer->body, ec, {}, options);
  const bool is_object = !ec && parsed.is_object();
  if (answer->status != 200) {
    const bool later = answer->status == 429 || answer->status == 503;
    return tl::unexpected(
        command_error{later ? exit_unavailable : exit_failed,
                      request.url + " answered " + std::to_string(answer->status) + ": " +
                          (is_object ? refusal_text(parsed.get_object()) : "not in JSON"),
                      answer->status});
  }
  if (!is_object) {
    return tl::unexpected(
        command_error{exit_failed, request.url + " does not answer as a Tayfa pod does", 200});
  }
  return reply{std::move(parsed.get_object()), std::move(answer->body)};
}

} // namespace tayfa
