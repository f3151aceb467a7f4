// What a container built on RunPod's SDK must find in its environment to pull jobs from this pod
// instead of RunPod's platform. Pure.
//
// The SDK replaces `$ID` and `$RUNPOD_POD_ID` in the URLs itself, so they must arrive there as they
// are: no shell and no file reader may take them for variables of its own.
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
  std::string worker; ///< RUNPOD_POD_ID: each worker its own
  std::string key;    ///< empty = the pod asks for none
  std::string gpu;    ///< for people, and for what the pod learns of run times
  std::uint32_t ping_ms = 10'000;
};

using variables = std::vector<std::pair<std::string, std::string>>;

/// errc::bad_usage naming what is wrong: a URL that is none or has a query, names that the pod's
/// routes do not take, a key that no header can carry.
result<variables> worker_variables(const worker_place_options&);

enum class env_format : std::uint8_t {
  env,    ///< NAME=value, for docker run --env-file: values as they are
  docker, ///< -e 'NAME=value' …, for a command line
  export_ ///< export NAME='value', for a shell
};
std::string env_text(const variables&, env_format);

} // namespace tayfa
