// Conversion of knob values between text and C++: one parse and one print per type, with the row's
// checks. Pure.
#pragma once

#include "runtime/config/knobs.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa {

/// The fault of a value, or empty; `out` changes only when there is none.
using complaint = std::optional<std::string>;

complaint parse_value(const knob&, const raw_value&, std::string& out);
complaint parse_value(const knob&, const raw_value&, bool& out);
complaint parse_value(const knob&, const raw_value&, std::uint32_t& out);
complaint parse_value(const knob&, const raw_value&, std::uint64_t& out);
complaint parse_value(const knob&, const raw_value&, milliseconds& out);
complaint parse_value(const knob&, const raw_value&, string_list& out);

raw_value print_value(const std::string&);
raw_value print_value(bool);
raw_value print_value(std::uint32_t);
raw_value print_value(std::uint64_t);
raw_value print_value(milliseconds); ///< a bare number of milliseconds
raw_value print_value(const string_list&);

/// The address of a database, with *** for its password.
std::string hide_password(std::string_view url);

/// 1024 without a fraction, 0.5 with the shortest one.
std::string number_text(double);

} // namespace tayfa
