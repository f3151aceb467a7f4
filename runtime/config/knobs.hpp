// The table of knobs as data: one `knob` per row of knobs.inc, in its order. Everything that walks
// over the configuration (file, environment, flags, checks, printing, docs) walks over this table.
#pragma once

#include "runtime/config/config.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

enum class knob_type : std::uint8_t { text, boolean, whole, duration, list };

/// What a text, or each item of a list, must look like; beyond that every text is clean UTF-8 and
/// bounded.
enum class text_form : std::uint8_t {
  choice,           ///< one of `choices`
  address,          ///< host:port or [v6]:port
  optional_address, ///< likewise, or empty
  url_path,         ///< /a/b-c: no query, no percent
  path,             ///< may be empty
  required_path,    ///< not empty
  name,             ///< 1..64 of [A-Za-z0-9._-]; of a list: at least one
  share,            ///< a tenant's: name=weight or name=weight:jobs
  rate,             ///< off, runpod, or route=requests/period:at once
  host,             ///< a name as Host says it, without a port
  network,          ///< an address or a block: 10.0.0.0/8, fd00::1
  variable,         ///< of the environment: NAME, PREFIX* or NAME=VALUE
  unused,           ///< of knobs that are not text
};

/// A value as a source has it: text, or the items of an array.
struct raw_value {
  std::string text;
  std::optional<std::vector<std::string>> items;
};

struct knob {
  std::string_view section;
  std::string_view name;
  std::string_view key; ///< "http.listen"
  knob_type type;
  double minimum; ///< inclusive; of numbers and durations (milliseconds). Exact: the bounds are
                  ///< below 2^53
  double maximum;
  std::string_view unit;
  std::string_view flag; ///< "--listen", or empty
  std::string_view text;
  text_form form;
  std::span<const std::string_view> choices;

  /// The member's value in the form in which it is printed and parsed.
  raw_value (*read)(const config&);
  /// Sets the member. Returns what is wrong, without the key ("5000 is above the maximum 1024");
  /// nothing is set then.
  std::optional<std::string> (*assign)(config&, const knob&, const raw_value&);
};

std::span<const knob> knobs();

/// Null when no row has this key.
const knob* find_knob(std::string_view key);

/// "TAYFA_HTTP_LISTEN".
std::string environment_name(const knob&);
/// The short flag where there is one, else "--http.listen".
std::string flag_name(const knob&);
/// What a value may be: "true or false", "50 to 60000 ms", "one of text, json, runpod, auto".
std::string allowed_values(const knob&);
/// A type's name for people: "text", "whole number", "duration", …
std::string_view to_string(knob_type);

/// Every section once, in table order; every key, in table order.
std::span<const std::string_view> section_names();
std::span<const std::string_view> knob_keys();

} // namespace tayfa
