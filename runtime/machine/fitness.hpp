// Fitness reports as JSON text: printed by `tayfa-engine --check`, parsed by the probe.
//
// The parser accepts untrusted bytes (the check may have crashed half way through): bounded,
// validated, errc::bad_frame.
#pragma once

#include "runtime/machine/probe.hpp"

#include <string>
#include <string_view>

namespace tayfa {

inline constexpr std::size_t fitness_bytes_max = std::size_t{256} << 10;
inline constexpr std::size_t fitness_rows_max = 256;

/// Appends a row and lowers the report's verdict to it.
void add_row(fitness_report&, check_row);

/// {"verdict":"fit","rows":[{"name","verdict","value","advice","ms"}]}
std::string fitness_json(const fitness_report&);

/// The report's verdict is derived from its rows; a verdict in the text is only checked for
/// validity. A report needs at least one row.
result<fitness_report> parse_fitness(std::string_view);

} // namespace tayfa
