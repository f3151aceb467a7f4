#include "runtime/cli/job_views.hpp"

#include "runtime/api/record_reader.hpp"
#include "runtime/api/records.hpp"
#include "runtime/cli/terminal_text.hpp"

#include <algorithm>
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

std::string time_cell(const std::optional<milliseconds>& time) {
  return time ? duration_text(*time) : std::string{};
}

std::string error_cell(const std::optional<error>& failure) {
  return failure ? clean_line(failure->text) : std::string{};
}

/// The reason why the job waits or failed.
std::string why_cell(const job_summary& job) {
  return job.why == wait_reason::none ? error_cell(job.failure) : std::string{describe(job.why)};
}

/// The runtime's own failure texts begin with a code; the job's own error texts do not.
std::string result_cell(const attempt_view& attempt) {
  if (!attempt.failure) {
    return "completed the job";
  }
  const std::string text = error_cell(attempt.failure);
  const std::string code{to_string(attempt.failure->code)};
  return text.starts_with(code) ? text : code + ": " + text;
}

std::string attempts_text(std::span<const attempt_view> history, std::size_t width) {
  table_rows rows;
  for (const auto& attempt : history) {
    rows.push_back({std::to_string(attempt.number), clean_line(attempt.worker),
                    time_cell(attempt.given), time_cell(attempt.began), time_cell(attempt.ended),
                    result_cell(attempt)});
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

std::string milliseconds_text(const std::optional<milliseconds>& time) {
  return time ? std::to_string(time->count()) + " ms" : std::string{};
}

/// Renders a change as a line of the feed: the subject and its move, then the details.
std::string change_text(std::string_view subject, std::string_view from, std::string_view to,
                        std::initializer_list<std::string> details) {
  std::string out = clean_line(subject) + "  ";
  out += from.empty() ? "" : clean_line(from) + " → ";
  out += clean_line(to);
  for (const auto& each : details) {
    out += each.empty() ? "" : "  " + each;
  }
  return out;
}

std::string word_of(const auto& value) {
  return value ? std::string{to_string(*value)} : std::string{};
}

/// Empty for what is no change of a job.
std::string job_change_text(const json::object& event) {
  job_view job;
  api::job_move move;
  if (!api::read_into(api::job_state_fields, event, job) ||
      !api::read_into(api::job_move_fields, event, move) ||
      !api::read_into(api::job_change_fields, event, job)) {
    return {};
  }
  const bool waits = job.why != wait_reason::none;
  return change_text(job.id.str(), word_of(move.from), to_string(job.state),
                     {word_of(move.why), clean_line(job.worker),
                      waits ? std::string{to_string(job.why)} : std::string{},
                      job.failure ? std::string{to_string(job.failure->code)} : std::string{},
                      job.attempts > 1 ? "attempt " + std::to_string(job.attempts) : ""});
}

/// Empty for what is no change of the pod, an engine or the ingress.
std::string lifecycle_text(const json::object& event) {
  const auto move = api::read_record(api::lifecycle_fields, event);
  return move ? change_text(move->worker.empty() ? move->machine : move->worker, move->from,
                            move->to, {std::string{to_string(move->why)}})
              : std::string{};
}

} // namespace

std::span<const table_column> job_columns() {
  return columns_of_jobs;
}

table_row job_row_of(const job_summary& job) {
  return {job.id.str(),
          std::string{to_string(job.state)},
          time_cell(job.age),
          std::to_string(job.priority),
          std::to_string(job.attempts),
          clean_line(job.worker),
          clean_line(job.model),
          clean_line(job.tenant),
          why_cell(job)};
}

table_rows job_rows(std::span<const job_summary> jobs) {
  table_rows rows;
  std::transform(jobs.begin(), jobs.end(), std::back_inserter(rows), job_row_of);
  return rows;
}

json::object whole_job(json::object detail, const json::object& status) {
  for (const auto& member : status) {
    // A list cuts errors short, and `status` was read later: its state and related members win.
    detail[member.key()] = member.value();
  }
  const auto* const state = status.if_contains("status");
  if (state == nullptr || *state != "IN_QUEUE") {
    detail.erase("waitReason");
    detail.erase("waitText");
  }
  return detail;
}

std::string job_text(const job_detail& job, const json::value* output, std::size_t width) {
  const job_view& view = job.view;
  fact_lines out{width};
  out.add("id", view.id.str());
  out.add("status", std::string{to_string(view.state)});
  out.add("waits because",
          view.why == wait_reason::none ? std::string{} : std::string{describe(view.why)});
  out.add("error", error_cell(view.failure));
  out.add("error code", view.failure ? std::string{to_string(view.failure->code)} : "");
  out.add("dead", job.dead ? "yes: tayfa retry or tayfa dead drop" : "");
  out.add("age", time_cell(job.age));
  out.add("delay time", milliseconds_text(view.delay));
  out.add("execution time", milliseconds_text(view.execution));
  out.add("worker", clean_line(view.worker));
  out.add("attempts", std::to_string(view.attempts));
  out.add("retries", job.lives > 1 ? std::to_string(job.lives - 1) : "");
  out.add("priority", std::to_string(job.priority));
  out.add("tenant", clean_line(job.tenant));
  out.add("model", clean_line(job.model));
  out.add("shape", clean_line(job.shape));
  out.add("endpoint", clean_line(job.endpoint));
  out.add("input", bytes_text(job.input_bytes));
  if (output != nullptr) {
    out.add_whole("output", clean_json(json::serialize(*output)));
  }
  return out.done() + attempts_text(job.history, width);
}

std::string event_line_text(std::uint64_t number, std::string_view kind, std::string_view data,
                            std::size_t width) {
  json::error_code ec;
  const json::value value = json::parse(data, ec);
  std::string change;
  if (!ec && value.is_object()) {
    change =
        kind == "job" ? job_change_text(value.get_object()) : lifecycle_text(value.get_object());
  }
  if (change.empty()) {
    change = ec ? clean_line(data) : clean_json(data);
  }
  const std::string out =
      std::to_string(number) + "  " + fit_to(clean_line(kind), 6) + "  " + change;
  return (width == 0 ? out : cut_to(out, width)) + '\n';
}

} // namespace tayfa
