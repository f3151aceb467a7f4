// A row of the store as text, for comparison and for a failure's message. It is made of the store's
// own list of columns, so it names every stored member.
#pragma once

#include "runtime/store/row.hpp"

#include <string>
#include <vector>

namespace tayfa::testing {

/// The columns hold the same in both rows.
bool same_columns(const store::job_row&, const store::job_row&);
bool same_columns(const std::vector<store::job_row>&, const std::vector<store::job_row>&);
/// Texts that a store does not read back with their row (job_store::inline_max) are left out.
std::string text_of(const store::job_row&);
/// The content of a store, one row after the other.
std::string text_of(const std::vector<store::job_row>&, std::uint64_t last_order);

/// The rows of one that are not in the other.
std::string difference(const std::vector<store::job_row>& found,
                       const std::vector<store::job_row>& expected);

} // namespace tayfa::testing
