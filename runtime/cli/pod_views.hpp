// The pod and its slots as text. Pure; `width` 0 means no terminal: nothing is cut.
#pragma once

#include "messages/slots.hpp"
#include "runtime/cli/table_view.hpp"

#include <boost/json/object.hpp>
#include <string>

namespace tayfa {

/// GET /health as groups of numbers.
std::string health_text(const boost::json::object& health);

std::span<const table_column> slot_columns();
/// GET /slots as rows of these columns.
table_rows slot_rows(std::span<const slot_summary> slots);
std::string slots_text(std::span<const slot_summary> slots, std::size_t width);

} // namespace tayfa
