// The remote workers as text. Pure; `width` 0 means no terminal: nothing is cut.
#pragma once

#include "messages/workers.hpp"
#include "runtime/cli/table_view.hpp"

#include <string>

namespace tayfa {

std::span<const table_column> worker_columns();
/// GET /workers as rows of these columns.
table_rows worker_rows(std::span<const remote_summary> workers);
std::string workers_text(std::span<const remote_summary> workers, std::size_t width);

} // namespace tayfa
