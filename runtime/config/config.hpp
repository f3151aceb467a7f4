// Configuration: every knob is one row of runtime/config/knobs.inc; the struct, the TOML file, the
// environment, the flags, --help, range checks and `tayfa config` derive from it.
//
// Precedence: default < assumed < file (TOML) < environment < flags. An unknown key or an
// out-of-range value is an error that names the field, its source and the allowed values
// (errc::bad_config). Nothing is silently ignored.
#pragma once

#include "messages/engine_kind.hpp"
#include "messages/error.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tayfa {

using std::chrono::milliseconds;

/// A list written as text: "a,b,c". Empty text is the empty list. An item with a comma can only be
/// given in the file, as an element of an array.
class string_list {
 public:
  string_list() = default;
  string_list(std::string_view text); ///< splits at commas, trims blanks
  const std::vector<std::string>& items() const { return items_; }
  void add(std::string item) { items_.push_back(std::move(item)); }
  bool empty() const { return items_.empty(); }
  std::string str() const;
  bool operator==(const string_list&) const = default;

 private:
  std::vector<std::string> items_;
};

/// The effective values. One member per row: `config.http_listen` is the row http.listen.
struct config {
#define TAYFA_KNOB(section, name, type, value, ...) type section##_##name{value};
#include "runtime/config/knobs.inc"
#undef TAYFA_KNOB
};

/// Source of a value, for `tayfa config`: "default", "file tayfa.toml:3", "env TAYFA_HTTP_LISTEN",
/// "flag --listen".
struct config_origin {
  std::string key;   ///< "http.listen"
  std::string value; ///< printed form; secrets as ***
  std::string unit;
  std::string from;
  std::string text;
};

struct loaded_config {
  config values;
  std::vector<config_origin> origins; ///< in table order
};

/// A value given under another program's name: PORT, --rp_log_level.
struct foreign_value {
  std::string key; ///< "http.listen"
  std::string text;
  std::string from; ///< "env PORT", for messages and `tayfa config`
};

/// The flags after the command's name, the environment as "NAME=value", and the file's path ("" =
/// none).
struct config_sources {
  std::string file;
  std::vector<std::string> environment;
  std::vector<std::pair<std::string, std::string>>
      flags;                            ///< key ("http.listen") and text; lists may repeat
  std::vector<foreign_value> firm{};    ///< with the precedence of flags; never together with a
                                        ///< flag of the same key
  std::vector<foreign_value> assumed{}; ///< weaker than the file: defaults unless set elsewhere
};

/// Merges and checks. The error's text lists every broken value, one per line.
result<loaded_config> load_config(const config_sources&);

/// Source of a key's value; "default" when it was not set, or when there is no such key.
std::string_view origin_of(const loaded_config&, std::string_view key);

} // namespace tayfa
