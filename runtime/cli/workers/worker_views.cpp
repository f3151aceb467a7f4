#include "runtime/cli/workers/worker_views.hpp"

#include "runtime/cli/terminal_text.hpp"

#include <array>

namespace tayfa {

namespace {

constexpr std::array columns_of_workers{
    table_column{"WORKER", false, 12, 9}, table_column{"STATE", false, 0, 8},
    table_column{"HEARD", true, 0, 7},    table_column{"JOBS", true, 0, 7},
    table_column{"ASKS", true, 0, 6},     table_column{"DONE", true, 0, 5},
    table_column{"LOST", true, 0, 5},     table_column{"ENDPOINT", false, 6, 3},
    table_column{"DEVICE", false, 6, 4},  table_column{"SDK", false, 0, 1},
};

std::string state_of(const remote_summary& worker) {
  return !worker.healthy ? "unfit" : worker.jobs.empty() ? "idle" : "running";
}

} // namespace

std::span<const table_column> worker_columns() {
  return columns_of_workers;
}

table_rows worker_rows(std::span<const remote_summary> workers) {
  table_rows rows;
  for (const auto& worker : workers) {
    rows.push_back({clean_line(worker.name), state_of(worker),
                    duration_text(worker.silent) + " ago", std::to_string(worker.jobs.size()),
                    std::to_string(worker.wanted), std::to_string(worker.completed),
                    std::to_string(worker.lost), clean_line(worker.endpoint),
                    clean_line(worker.device), clean_line(worker.version)});
  }
  return rows;
}

std::string workers_text(std::span<const remote_summary> workers, std::size_t width) {
  return workers.empty() ? "no remote workers\n"
                         : render_table(columns_of_workers, worker_rows(workers), width);
}

} // namespace tayfa
