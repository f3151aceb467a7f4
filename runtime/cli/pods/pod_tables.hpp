// A head's pods, and whom it lets in, as text. Pure; `width` 0 means no terminal: nothing is cut.
#pragma once

#include "messages/link.hpp"
#include "runtime/cli/table_view.hpp"

#include <span>
#include <string>

namespace tayfa {

std::span<const table_column> pod_columns();
/// GET /pods as rows of these columns.
table_rows pod_rows(std::span<const pod_summary> pods);
std::string pods_text(std::span<const pod_summary> pods, std::size_t width);

/// GET /link: the pods, and the tokens if there are any.
std::string trust_text(const trust_list&, std::size_t width);

} // namespace tayfa
