// Any bytes as an HTTP request's method, target and body (split at newlines): a call, or a refusal
// that is JSON of a known shape.
#include "runtime/api/call.hpp"

#include "tests/fuzz/fuzz.hpp"

#include <boost/json.hpp>

using namespace tayfa;

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  std::string text{reinterpret_cast<const char*>(bytes), size};
  const auto cut = [&] {
    const auto at = text.find('\n');
    auto head = text.substr(0, at);
    text = at == std::string::npos ? std::string{} : text.substr(at + 1);
    return head;
  };
  api::request request;
  request.method = cut();
  request.target = cut();
  request.content_type = "application/json";
  request.body = text;
  const auto call = api::parse(request, api::limits{});
  if (call) {
    if (const auto* submit = std::get_if<api::submit>(&*call)) {
      boost::system::error_code broken;
      boost::json::parse_options deep;
      deep.max_depth = 64;
      boost::json::parse(submit->job.input.view(), broken, {}, deep);
      fuzz::require(!broken, "an accepted input is JSON by itself");
    }
    return 0;
  }
  fuzz::require(call.error().status >= 400 && call.error().status < 600,
                "a refusal has an error's status");
  boost::system::error_code broken;
  const auto body = boost::json::parse(call.error().body, broken);
  fuzz::require(!broken && body.is_object() && body.as_object().contains("error"),
                "a refusal says why, in JSON");
  return 0;
}
