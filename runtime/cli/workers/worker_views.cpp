#include "runtime/cli/workers/worker_views.hpp"

#include "runtime/cli/facts.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <array>

namespace tayfa {

namespace json = boost::json;

namespace {

constexpr std::array columns_of_workers{
    table_column{"WORKER", false, 12, 9}, table_column{"STATE", false, 0, 8},
    table_column{"HEARD", true, 0, 7},    table_column{"JOBS", true, 0, 7},
    table_column{"ASKS", true, 0, 6},     table_column{"DONE", true, 0, 5},
    table_column{"LOST", true, 0, 5},     table_column{"ENDPOINT", false, 6, 3},
    table_column{"DEVICE", false, 6, 4},  table_column{"SDK", false, 0, 1},
};

std::string number_cell(const json::object& worker, std::string_view name) {
  const auto number = number_of(worker, name);
  return number ? std::to_string(*number) : std::string{};
}

std::string state_of(const json::object& worker) {
  const bool works = !list_of(worker, "jobs").empty();
  return !flag_of(worker, "healthy") ? "unfit" : works ? "running" : "idle";
}

std::string heard_cell(const json::object& worker) {
  const auto silent = time_of(worker, "silentMs");
  return silent ? duration_text(*silent) + " ago" : std::string{};
}

} // namespace

std::span<const table_column> worker_columns() {
  return columns_of_workers;
}

table_rows worker_rows(const json::array& workers) {
  table_rows rows;
  for (const auto& each : workers) {
    if (!each.is_object()) {
      continue;
    }
    const auto& worker = each.get_object();
    rows.push_back({clean_line(text_of(worker, "id")), state_of(worker), heard_cell(worker),
                    std::to_string(list_of(worker, "jobs").size()), number_cell(worker, "waiting"),
                    number_cell(worker, "completed"), number_cell(worker, "lost"),
                    clean_line(text_of(worker, "endpoint")), clean_line(text_of(worker, "device")),
                    clean_line(text_of(worker, "version"))});
  }
  return rows;
}

std::string workers_text(const json::array& workers, std::size_t width) {
  return workers.empty() ? "no remote workers\n"
                         : render_table(columns_of_workers, worker_rows(workers), width);
}

} // namespace tayfa
