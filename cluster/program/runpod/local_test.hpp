// The SDK's local test (--test_input, test_input.json): what is asked, and the lines it prints.
// Pure.
#pragma once

#include "messages/error.hpp"
#include "runtime/api/call.hpp"
#include "runtime/telemetry/log.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// A line for stdout in the SDK's form: JSON on an endpoint, else "LEVEL  | text".
struct sdk_line {
  log_level level;
  std::string text;
  bool operator==(const sdk_line&) const = default;
};
/// Without the newline.
std::string format_sdk_line(const sdk_line&, bool on_endpoint);

/// The one job of a local test.
struct test_job {
  std::string id = "local_test"; ///< as it is printed; the pod's own id is another one
  std::string body;              ///< of /runsync: input, and policy and model where they are given
};
/// errc::bad_input, its text as the SDK says it, or saying what is wrong with the JSON.
result<test_job> read_test_job(std::string_view text);

struct test_end {
  int exit_code = 1;
  std::vector<sdk_line> lines;
};
/// From the answer of /runsync: 0 when the job COMPLETED without an `error` in its output.
test_end judge_test(const test_job&, const api::response&);

} // namespace tayfa
