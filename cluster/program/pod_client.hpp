// A pod's HTTP API as the commands use it: one call, one parsed answer, one kind of failure that
// knows its exit code.
#pragma once

#include "messages/ids.hpp"
#include "runtime/http/client.hpp"

#include <boost/json/object.hpp>
#include <string>
#include <tl/expected.hpp>

namespace tayfa {

/// The program's exit codes that the commands use (sysexits.h).
inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 64;
inline constexpr int exit_unavailable = 69;

struct command_error {
  int exit_code = exit_failed;
  std::string text;    ///< for stderr
  unsigned status = 0; ///< of the HTTP answer; 0 when there was none
};
template <class T>
using command_result = tl::expected<T, command_error>;

class pod_client {
 public:
  pod_client(std::string url, std::string endpoint);

  struct reply {
    boost::json::object body;
    std::string text; ///< the body as it came
  };
  /// `body` is the JSON text of {"input": …}.
  command_result<reply> run(std::string body) const;
  command_result<reply> status(const job_id&) const;
  command_result<reply> cancel(const job_id&) const;
  command_result<reply> health() const;

 private:
  command_result<reply> call(std::string method, const std::string& path, std::string body) const;

  std::string base_; ///< "http://127.0.0.1:8000/v2/tayfa"
};

} // namespace tayfa
