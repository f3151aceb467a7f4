// Fitness reports as JSON text: what `tayfa-engine --check` prints and what the probe reads back.
//
// Reading is for untrusted bytes (the check may have crashed half way through): bounded, validated,
// errc::bad_frame.
#pragma once

#include "runtime/host/probe.hpp"

#include <string>
#include <string_view>

namespace tayfa {

inline constexpr std::size_t fitness_bytes_max = std::size_t{256} << 10;
inline constexpr std::size_t fitness_rows_max = 256;

/// Appends a row and lowers the report's verdict to it.
void add_row(fitness_report&, check_row);

/// {"verdict":"fit","rows":[{"name","verdict","value","advice","ms"}]}
std::string fitness_json(const fitness_report&);

/// The report's verdict is derived from its rows; one that is written in the text is only compared
/// for validity. No rows at all is no report.
result<fitness_report> parse_fitness(std::string_view);

} // namespace tayfa
