// The table of knobs as data: one `knob` per row of knobs.inc, in its order. All code that iterates
// over the configuration (file, environment, flags, checks, printing, docs) iterates over this
// table.
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

/// Format of a text, or of each item of a list; every text must also be clean UTF-8 and bounded.
enum class text_form : std::uint8_t {
  choice,           ///< one of `choices`
  address,          ///< host:port or [v6]:port
  optional_address, ///< an address, or empty
  link_address,     ///< an address with or without tcp://, or empty
  url_path,         ///< /a/b-c: no query, no percent
  path,             ///< may be empty
  required_path,    ///< not empty
  name,             ///< 1..64 of [A-Za-z0-9._-]; of a list: at least one
  share,            ///< a tenant's share: name=weight or name=weight:jobs
  rate,             ///< off, runpod, or route=requests/period:at once
  host,             ///< a host name without a port, as in the header Host
  network,          ///< an address or a block: 10.0.0.0/8, fd00::1
  slot_kind,        ///< slots with engines of one kind: 3=scripted, 4-7=torch
  database,         ///< postgresql://…, or empty; its password is not printed
  variable,         ///< of the environment: NAME, PREFIX* or NAME=VALUE
  unused,           ///< of knobs that are not text
};

/// An unparsed value from a source: text, or the items of an array.
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

  /// The member's value in its printed form, which assign() parses.
  raw_value (*read)(const config&);
  /// Sets the member; or returns the complaint, without the key ("5000 is above the maximum 1024"),
  /// and sets nothing.
  std::optional<std::string> (*assign)(config&, const knob&, const raw_value&);
};

std::span<const knob> knobs();

/// Null when no row has this key.
const knob* find_knob(std::string_view key);

/// "TAYFA_HTTP_LISTEN".
std::string environment_name(const knob&);
/// The short flag if there is one, else "--http.listen".
std::string flag_name(const knob&);
/// Description of the allowed values: "true or false", "50 to 60000 ms", "one of text, json,
/// runpod, auto".
std::string allowed_values(const knob&);
/// A type's display name: "text", "whole number", "duration", …
std::string_view to_string(knob_type);

/// Every section once, in table order; every key, in table order.
std::span<const std::string_view> section_names();
std::span<const std::string_view> knob_keys();

} // namespace tayfa
