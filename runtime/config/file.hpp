// The configuration file (TOML) as a flat list of keys with its errors. The table, not this room's
// parser, decides which values are valid.
#pragma once

#include "runtime/config/knobs.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tayfa {

inline constexpr std::uintmax_t config_file_max = 1024 * 1024; ///< bytes

/// A value of the file whose type fits its row.
struct file_value {
  const knob* row = nullptr;
  raw_value value;
  std::string from; ///< "file tayfa.toml:3"
};

struct file_content {
  std::vector<file_value> values;
  std::vector<std::string> errors;            ///< one line each
  std::vector<std::string_view> refused_keys; ///< keys of rows whose value has the wrong type
};

/// Reads, parses and assigns values to rows. A file that is missing, too large, not a regular file
/// or not TOML is one error; every unknown section, unknown key and wrong type is one error each.
file_content read_config_file(const std::string& path);

} // namespace tayfa
