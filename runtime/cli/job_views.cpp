#include "runtime/cli/job_views.hpp"

#include "runtime/cli/facts.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace tayfa {

namespace json = boost::json;

namespace {

/// Limit of an output shown on a terminal; --json prints all of it.
constexpr std::size_t output_columns_max = 2'000;
constexpr std::size_t name_columns = 16;

constexpr std::array columns_of_jobs{
    table_column{"ID", false, 0, 9},    table_column{"STATUS", false, 0, 8},
    table_column{"AGE", true, 0, 6},    table_column{"PRI", true, 0, 2},
    table_column{"TRIES", true, 0, 3},  table_column{"WORKER", false, 0, 5},
    table_column{"MODEL", false, 8, 4}, table_column{"TENANT", false, 6, 4},
    table_column{"WHY", false, 20, 7},
};

constexpr std::array columns_of_attempts{
    table_column{"ATTEMPT", true, 0, 9}, table_column{"WORKER", false, 0, 5},
    table_column{"GIVEN", true, 0, 4},   table_column{"BEGAN", true, 0, 3},
    table_column{"ENDED", true, 0, 6},   table_column{"RESULT", false, 12, 8},
};

std::string number_cell(const json::object& from, std::string_view name) {
  const auto number = number_of(from, name);
  return number ? std::to_string(*number) : std::string{};
}

std::string time_cell(const json::object& from, std::string_view name) {
  const auto time = time_of(from, name);
  return time ? duration_text(*time) : std::string{};
}

std::string text_cell(const json::object& from, std::string_view name) {
  return clean_line(text_of(from, name));
}

/// The reason why the job waits or failed.
std::string why_cell(const json::object& job) {
  const std::string reason = text_of(job, "waitReason");
  return reason.empty() ? text_cell(job, "error") : wait_text(reason);
}

/// The runtime's own failure texts begin with a code; the job's own error texts do not.
std::string result_cell(const json::object& attempt) {
  const std::string failure = text_cell(attempt, "error");
  if (failure.empty()) {
    return "completed the job";
  }
  const std::string code = text_cell(attempt, "errorCode");
  return code.empty() || failure.starts_with(code) ? failure : code + ": " + failure;
}

std::string attempts_text(const json::array& history, std::size_t width) {
  table_rows rows;
  for (const auto& each : history) {
    if (!each.is_object()) {
      continue;
    }
    const auto& attempt = each.get_object();
    rows.push_back({number_cell(attempt, "attempt"), text_cell(attempt, "workerId"),
                    time_cell(attempt, "given"), time_cell(attempt, "began"),
                    time_cell(attempt, "ended"), result_cell(attempt)});
  }
  return rows.empty() ? "" : "\n" + render_table(columns_of_attempts, rows, width);
}

class fact_lines {
 public:
  explicit fact_lines(std::size_t width) : width_(width) {}
  void add(std::string_view name, const std::string& value) {
    if (value.empty()) {
      return;
    }
    const std::string line = fit_to(name, name_columns) + value;
    out_ += (width_ == 0 ? line : cut_to(line, width_)) + '\n';
  }
  void add_whole(std::string_view name, const std::string& value) {
    out_ += fit_to(name, name_columns) + (width_ == 0 ? value : cut_to(value, output_columns_max)) +
            '\n';
  }
  std::string done() { return std::move(out_); }

 private:
  std::size_t width_;
  std::string out_;
};

std::string milliseconds_text(const json::object& job, std::string_view name) {
  const auto number = number_of(job, name);
  return number ? std::to_string(*number) + " ms" : std::string{};
}

/// Subject of a change: the job, or the part of the pod, by its name if it has one.
std::string subject_of(const json::object& change) {
  for (const std::string_view name : {"id", "worker", "machine"}) {
    if (auto text = text_cell(change, name); !text.empty()) {
      return text;
    }
  }
  return "?";
}

} // namespace

std::span<const table_column> job_columns() {
  return columns_of_jobs;
}

table_rows job_rows(const json::array& jobs) {
  table_rows rows;
  for (const auto& each : jobs) {
    if (!each.is_object()) {
      continue;
    }
    const auto& job = each.get_object();
    rows.push_back({text_cell(job, "id"), text_cell(job, "status"), time_cell(job, "age"),
                    number_cell(job, "priority"), number_cell(job, "attempts"),
                    text_cell(job, "workerId"), text_cell(job, "model"), text_cell(job, "tenant"),
                    why_cell(job)});
  }
  return rows;
}

json::object whole_job(json::object detail, const json::object& status) {
  for (const auto& member : status) {
    // A list cuts errors short, and `status` was read later: its state and related members win.
    detail[member.key()] = member.value();
  }
  if (text_of(status, "status") != "IN_QUEUE") {
    detail.erase("waitReason");
    detail.erase("waitText");
  }
  return detail;
}

std::string job_text(const json::object& job, std::size_t width) {
  fact_lines out{width};
  out.add("id", text_cell(job, "id"));
  out.add("status", text_cell(job, "status"));
  out.add("waits because", text_of(job, "waitReason").empty()
                               ? std::string{}
                               : wait_text(text_of(job, "waitReason")));
  out.add("error", text_cell(job, "error"));
  out.add("error code", text_cell(job, "errorCode"));
  out.add("dead", flag_of(job, "dead") ? "yes: tayfa retry or tayfa dead drop" : "");
  out.add("age", time_cell(job, "age"));
  out.add("delay time", milliseconds_text(job, "delayTime"));
  out.add("execution time", milliseconds_text(job, "executionTime"));
  out.add("worker", text_cell(job, "workerId"));
  out.add("attempts", number_cell(job, "attempts"));
  const auto lives = number_of(job, "lives");
  out.add("retries", lives.value_or(1) > 1 ? std::to_string(*lives - 1) : "");
  out.add("priority", number_cell(job, "priority"));
  out.add("tenant", text_cell(job, "tenant"));
  out.add("model", text_cell(job, "model"));
  out.add("shape", text_cell(job, "shape"));
  out.add("endpoint", text_cell(job, "endpoint"));
  const auto input = number_of(job, "inputBytes");
  out.add("input", input ? bytes_text(*input) : "");
  if (const auto* const output = job.if_contains("output")) {
    out.add_whole("output", clean_json(json::serialize(*output)));
  }
  return out.done() + attempts_text(list_of(job, "history"), width);
}

std::string event_line_text(std::uint64_t number, std::string_view kind, std::string_view data,
                            std::size_t width) {
  json::error_code ec;
  const json::value value = json::parse(data, ec);
  std::string out = std::to_string(number) + "  " + fit_to(clean_line(kind), 6) + "  ";
  if (!ec && value.is_object() && value.get_object().contains("status")) {
    const auto& job = value.get_object();
    const std::string from = text_cell(job, "from");
    out += subject_of(job) + "  " + (from.empty() ? "" : from + " → ") + text_cell(job, "status");
    for (const std::string_view name : {"cause", "workerId", "waitReason", "error"}) {
      const std::string text = text_cell(job, name);
      out += text.empty() ? "" : "  " + text;
    }
    const auto attempt = number_of(job, "attempt");
    out += attempt.value_or(0) > 1 ? "  attempt " + std::to_string(*attempt) : "";
  } else {
    out += ec ? clean_line(data) : clean_json(data);
  }
  return (width == 0 ? out : cut_to(out, width)) + '\n';
}

} // namespace tayfa
