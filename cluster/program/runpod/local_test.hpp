// The SDK's local test (--test_input, test_input.json): its job, and the lines that it prints.
// Pure.
#pragma once

#include "messages/error.hpp"
#include "runtime/api/call.hpp"
#include "runtime/telemetry/log.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// A stdout line in the SDK's format: JSON on an endpoint, else "LEVEL  | text".
struct sdk_line {
  log_level level;
  std::string text;
  bool operator==(const sdk_line&) const = default;
};
/// The text has no newline.
std::string format_sdk_line(const sdk_line&, bool on_endpoint);

/// The one job of a local test.
struct test_job {
  std::string id = "local_test"; ///< as printed; the pod's own id differs
  std::string body;              ///< for /runsync: input, plus policy and model if given
};
/// errc::bad_input; the text is the SDK's, or describes the fault in the JSON.
result<test_job> read_test_job(std::string_view text);

struct test_end {
  int exit_code = 1;
  std::vector<sdk_line> lines;
};
/// Judges the answer of /runsync: 0 when the job COMPLETED without an `error` in its output.
test_end judge_test(const test_job&, const api::response&);

} // namespace tayfa
