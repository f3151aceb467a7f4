#include "runtime/api/call.hpp"
#include "runtime/api/object_writer.hpp"
#include "runtime/base/utf8.hpp"

#include <algorithm>
#include <span>

namespace tayfa::api {

namespace {

/// Of an error's text in a list: a thousand jobs that failed with long texts must not become a
/// hundred megabytes. /status has it whole.
constexpr std::size_t listed_error_bytes = 512;
/// Attempts that are shown of one job, the newest.
constexpr std::size_t listed_attempts = 200;

response ok(std::string body) {
  response answer;
  answer.body = std::move(body);
  return answer;
}

void add_failure(object_writer& out, const std::optional<error>& failure) {
  if (!failure) {
    return;
  }
  std::string text = failure_text(*failure);
  if (text.size() > listed_error_bytes) {
    text.resize(text::utf8_prefix(text, listed_error_bytes).size());
    text += " …";
  }
  out.text("error", text).text("errorCode", to_string(failure->code));
}

void add_wait(object_writer& out, job_state state, wait_reason why) {
  if (state == job_state::IN_QUEUE && why != wait_reason::none) {
    out.text("waitReason", to_string(why));
  }
}

template <class Items, class Render>
std::string list_of(const Items& items, Render render) {
  std::string list = "[";
  for (const auto& item : items) {
    list += list.size() > 1 ? "," : "";
    list += render(item);
  }
  return list += ']';
}

std::string line_text(const job_line& line) {
  object_writer out{256};
  out.text("id", line.id.str()).text("status", to_string(line.state));
  add_wait(out, line.state, line.why);
  out.name("model", line.model)
      .name("tenant", line.tenant)
      .number("priority", line.priority)
      .number("attempts", line.attempts)
      .time("age", line.age)
      .name("workerId", line.worker);
  add_failure(out, line.failure);
  return out.done();
}

std::string attempt_text(const attempt_view& attempt) {
  object_writer out{160};
  out.number("attempt", attempt.number)
      .name("workerId", attempt.worker)
      .time("given", attempt.given)
      .time("began", attempt.began)
      .time("ended", attempt.ended);
  add_failure(out, attempt.failure);
  return out.done();
}

std::string slot_text(const slot_line& line) {
  return object_writer{256}
      .number("slot", line.slot.value)
      .number("incarnation", line.incarnation)
      .text("state", to_string(line.state))
      .name("engine", line.engine)
      .name("device", line.device)
      .name("model", line.model)
      .number("running", line.running)
      .number("completed", line.completed)
      .number("lost", line.lost)
      .flag("draining", line.draining)
      .flag("quarantined", line.quarantined)
      .flag("givenUp", line.given_up)
      .name("pinned", line.pinned)
      .done();
}

} // namespace

namespace {

response listed(std::string_view name, const job_list& list) {
  object_writer out{list.jobs.size() * 256 + 64};
  out.raw(name, list_of(list.jobs, line_text));
  return ok(
      out.raw("next", list.next == 0 ? std::string{"null"} : std::to_string(list.next)).done());
}

} // namespace

response jobs(const job_list& list) {
  return listed("jobs", list);
}

response requests(const job_list& list) {
  return listed("requests", list);
}

namespace {

object_writer& describe_change(object_writer& out, const job_view& view) {
  out.number("attempt", view.attempts);
  if (!view.worker.empty()) {
    out.text("workerId", view.worker);
  }
  if (view.why != wait_reason::none) {
    out.text("waitReason", to_string(view.why));
  }
  if (view.failure) {
    out.text("error", to_string(view.failure->code));
  }
  return out.time("delayTime", view.delay).time("executionTime", view.execution);
}

} // namespace

std::string job_event(const job_view& view) {
  object_writer out{256};
  out.text("id", view.id.str()).text("status", to_string(view.state));
  return describe_change(out, view).done();
}

std::string job_event(const job_view& view, job_state from, cause why) {
  object_writer out{256};
  out.text("id", view.id.str())
      .text("status", to_string(view.state))
      .text("from", to_string(from))
      .text("cause", to_string(why));
  return describe_change(out, view).done();
}

std::string lifecycle_event(std::string_view machine, std::string_view worker, std::string_view to,
                            std::string_view from, cause why, milliseconds stayed) {
  return object_writer{160}
      .text("machine", machine)
      .name("worker", worker)
      .text("status", to)
      .text("from", from)
      .text("cause", to_string(why))
      .time("ms", stayed)
      .done();
}

response detail(const job_detail& job) {
  const job_view& view = job.view;
  object_writer out{1024};
  out.text("id", view.id.str()).text("status", to_string(view.state));
  add_wait(out, view.state, view.why);
  if (view.state == job_state::IN_QUEUE && view.why != wait_reason::none) {
    out.text("waitText", tayfa::describe(view.why));
  }
  out.flag("dead", job.dead)
      .name("endpoint", job.endpoint)
      .name("model", job.model)
      .name("shape", job.shape)
      .name("tenant", job.tenant)
      .number("priority", job.priority)
      .number("inputBytes", job.input_bytes)
      .time("age", job.age)
      .time("delayTime", view.delay)
      .time("executionTime", view.execution)
      .number("attempts", view.attempts)
      .number("lives", job.lives)
      .name("workerId", view.worker);
  if (view.dropped_chunks > 0) {
    out.number("droppedChunks", view.dropped_chunks);
  }
  add_failure(out, view.failure);
  const std::size_t left_out = job.history.size() - std::min(job.history.size(), listed_attempts);
  const std::span<const attempt_view> shown{
      job.history.begin() + static_cast<std::ptrdiff_t>(left_out), job.history.end()};
  return ok(out.raw("history", list_of(shown, attempt_text)).done());
}

response slots(const std::vector<slot_line>& lines) {
  return ok(object_writer{lines.size() * 256 + 64}.raw("slots", list_of(lines, slot_text)).done());
}

} // namespace tayfa::api
