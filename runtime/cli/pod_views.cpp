#include "runtime/cli/pod_views.hpp"

#include "runtime/cli/facts.hpp"
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

std::string note_of(const json::object& slot) {
  std::string out;
  for (const auto& [name, word] :
       {std::pair{"givenUp", "given up"}, std::pair{"quarantined", "quarantined"},
        std::pair{"draining", "draining"}}) {
    if (flag_of(slot, name)) {
      out += (out.empty() ? "" : ", ") + std::string{word};
    }
  }
  return out;
}

std::string number_cell(const json::object& slot, std::string_view name) {
  const auto number = number_of(slot, name);
  return number ? std::to_string(*number) : std::string{};
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

table_rows slot_rows(const json::array& slots) {
  table_rows rows;
  for (const auto& each : slots) {
    if (!each.is_object()) {
      continue;
    }
    const auto& slot = each.get_object();
    rows.push_back({number_cell(slot, "slot"), clean_line(text_of(slot, "state")), note_of(slot),
                    clean_line(text_of(slot, "model")), number_cell(slot, "running"),
                    number_cell(slot, "completed"), number_cell(slot, "lost"),
                    clean_line(text_of(slot, "device")), clean_line(text_of(slot, "engine")),
                    clean_line(text_of(slot, "pinned")), number_cell(slot, "incarnation")});
  }
  return rows;
}

std::string slots_text(const json::array& slots, std::size_t width) {
  return slots.empty() ? "no slots\n" : render_table(columns_of_slots, slot_rows(slots), width);
}

} // namespace tayfa
