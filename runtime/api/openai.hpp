// OpenAI's API over the queue, as RunPod's platform has it at /v2/{endpoint}/openai/v1/…: a request
// becomes a job with the input {"openai_route": "/v1/…", "openai_input": {…}}, which any worker for
// RunPod understands (worker-vllm, …), and what the job makes is the answer, without RunPod's
// envelope.
//
// Pure. What always holds: every error has OpenAI's form, {"error":{"message","type","param",
// "code"}}, and an HTTP status of 400 to 599.
#pragma once

#include "runtime/api/route.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tayfa::api {

/// Longest {openai}, without escapes.
inline constexpr std::size_t openai_path_bytes = 256;

/// "/v1/" and the rest of the path as it was sent: 1 to 8 parts of [A-Za-z0-9._~:@+-], escaped or
/// not, none of which begins with a dot. A worker may make a request of it, so nothing in it may
/// lead anywhere else. 404 for other paths.
result<std::string> openai_route_of(std::string_view rest);

tl::expected<call, response> parse_openai(request&&, route&&, job_access, const limits&);

/// True when the target of a request, well formed or not, is one of OpenAI's.
bool is_openai(std::string_view target);
/// A refusal in Tayfa's form, in OpenAI's; any other answer as it is.
response openai_refusal(response);

/// An error of a job, or of a worker, for OpenAI's clients.
struct openai_fault {
  unsigned status = 500;
  std::string message;
  std::string type;          ///< empty = as the status says
  std::string param{"null"}; ///< JSON
  std::string code{"null"};  ///< JSON
};
/// `{"error":{…}}`
std::string openai_fault_text(const openai_fault&);
/// Unless it is a shortage (429, 503), its clients shall not try again by themselves: the job was
/// made, and each try costs another.
response openai_answer(const openai_fault&);

openai_fault openai_fault_of(const error&);
/// Why an ended job has not COMPLETED. The text of a worker's error may be an error of OpenAI's
/// form, in JSON or as Python writes it (RunPod's SDK makes a text of what a handler yields).
openai_fault openai_fault_of(const job_view&);
/// The error that the worker gave as its output: {"object":"error",…}, as vLLM wrote it, or
/// {"error":{…}} or {"error":"…"}. Nothing for any other value.
std::optional<openai_fault> openai_fault_in(std::string_view output);

/// The answer to a call that is not streamed, when its job COMPLETED with this output: the value
/// itself. RunPod's SDK makes a list of what a generator yields; a list of one is that one.
response openai_output(const shared_text& output);
/// The only member of a list of one; any other value as it is.
std::string_view the_only_one(std::string_view json);

} // namespace tayfa::api
