// The remote workers as text. Pure; `width` 0 means no terminal: nothing is cut.
#pragma once

#include "runtime/cli/table_view.hpp"

#include <boost/json/array.hpp>
#include <string>

namespace tayfa {

std::span<const table_column> worker_columns();
/// The "workers" of GET /workers as rows of these columns.
table_rows worker_rows(const boost::json::array& workers);
std::string workers_text(const boost::json::array& workers, std::size_t width);

} // namespace tayfa
