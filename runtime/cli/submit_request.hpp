// The body of POST /run, made from the options of `tayfa submit`.
#pragma once

#include "runtime/cli/command_line.hpp"

#include <string>

namespace tayfa {

struct submit_options {
  target_options at;
  std::string input;      ///< JSON, "@file", or "-"
  std::string input_file; ///< a file's path, or "-"
  std::string image;
  std::string image_name = "image";
  std::string model;
  std::optional<unsigned> priority;
  bool low_priority = false;
  std::string tenant;
  std::string idempotency_key;
  std::string webhook;
  std::string deadline, delay, ttl, execution_timeout; ///< in the format of parsed_time

  std::string output_dir = ".";
  bool no_wait = false;
  bool stream = false;
  bool quiet = false;
  std::string timeout = "0"; ///< limit of the wait; 0 waits for ever
};

/// Reads the named files, of at most 64 MiB each.
command_result<std::string> run_body(const submit_options&);

} // namespace tayfa
