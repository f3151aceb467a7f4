#include "runtime/cli/pod_views.hpp"

#include "runtime/cli/terminal_text.hpp"

#include <array>
#include <boost/json/serialize.hpp>

namespace tayfa {

namespace json = boost::json;

namespace {

constexpr std::array columns_of_slots{
    table_column{"SLOT", true, 0, 9},    table_column{"STATE", false, 0, 8},
    table_column{"NOTE", false, 0, 8},   table_column{"MODEL", false, 8, 6},
    table_column{"RUN", true, 0, 7},     table_column{"DONE", true, 0, 5},
    table_column{"LOST", true, 0, 5},    table_column{"DEVICE", false, 6, 4},
    table_column{"ENGINE", false, 6, 2}, table_column{"CPUS", false, 6, 1},
    table_column{"LIFE", true, 0, 1},
};

std::string note_of(const slot_summary& slot) {
  std::string out;
  for (const auto& [on, word] :
       {std::pair{slot.given_up, "given up"}, std::pair{slot.quarantined, "quarantined"},
        std::pair{slot.draining, "draining"}}) {
    if (on) {
      out += (out.empty() ? "" : ", ") + std::string{word};
    }
  }
  return out;
}

} // namespace

std::string health_text(const json::object& health) {
  std::string out;
  for (const auto& group : health) {
    if (!group.value().is_object()) {
      continue;
    }
    out += words_of(std::string_view{group.key()}) + '\n';
    for (const auto& row : group.value().get_object()) {
      std::string name = words_of(std::string_view{row.key()});
      name.resize(std::max<std::size_t>(name.size(), 14), ' ');
      std::string value = clean_json(json::serialize(row.value()));
      value.insert(0, value.size() < 10 ? 10 - value.size() : 0, ' ');
      out += "  " + name + value + '\n';
    }
  }
  return out;
}

std::span<const table_column> slot_columns() {
  return columns_of_slots;
}

table_rows slot_rows(std::span<const slot_summary> slots) {
  table_rows rows;
  for (const auto& slot : slots) {
    rows.push_back({std::to_string(slot.slot.value), std::string{to_string(slot.state)},
                    note_of(slot), clean_line(slot.model), std::to_string(slot.running),
                    std::to_string(slot.completed), std::to_string(slot.lost),
                    clean_line(slot.device), clean_line(slot.engine), clean_line(slot.pinned),
                    std::to_string(slot.incarnation)});
  }
  return rows;
}

std::string slots_text(std::span<const slot_summary> slots, std::size_t width) {
  return slots.empty() ? "no slots\n" : render_table(columns_of_slots, slot_rows(slots), width);
}

} // namespace tayfa
