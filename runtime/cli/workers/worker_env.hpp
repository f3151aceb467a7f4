// The environment with which a container built on RunPod's SDK pulls jobs from this pod instead of
// RunPod's platform. Pure.
//
// The SDK itself replaces `$ID` and `$RUNPOD_POD_ID` in the URLs, so these must arrive unchanged:
// no shell and no env-file parser may expand them.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {

struct worker_place_options {
  std::string url; ///< of the pod as the worker reaches it: "http://10.0.0.5:8000"
  std::string endpoint = "tayfa";
  std::string worker; ///< RUNPOD_POD_ID: unique for each worker
  std::string key;    ///< empty = the pod needs none
  std::string gpu;    ///< for display, and for learning run times per kind of GPU
  std::uint32_t ping_ms = 10'000;
};

using variables = std::vector<std::pair<std::string, std::string>>;

/// errc::bad_usage names the fault: a malformed URL or one with a query, names that the pod's
/// routes do not accept, a key that no header can carry.
result<variables> worker_variables(const worker_place_options&);

enum class env_format : std::uint8_t {
  env,    ///< NAME=value, for docker run --env-file, which does not unquote
  docker, ///< -e 'NAME=value' …, for a command line
  export_ ///< export NAME='value', for a shell
};
std::string env_text(const variables&, env_format);

} // namespace tayfa
