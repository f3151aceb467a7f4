// Answers to remote workers, and about them.
#include "runtime/api/body_writer.hpp"
#include "runtime/api/call.hpp"
#include "runtime/api/object_writer.hpp"
#include "runtime/api/openapi.hpp"

namespace tayfa::api {

namespace {

response ok(std::string body) {
  response answer;
  answer.body = std::move(body);
  return answer;
}

response nothing() {
  response answer;
  answer.status = 204;
  return answer;
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

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

void write_handout(body_writer& to, const job_handout& job) {
  object_writer out{256};
  out.text("id", job.id).raw("input", {});
  const std::size_t place = out.size();
  if (!job.s3_config.empty()) {
    out.raw("s3Config", job.s3_config);
  }
  const std::string text = out.name("webhook", job.webhook).done();
  to.text(std::string_view{text}.substr(0, place))
      .shared(job.input)
      .text(std::string_view{text}.substr(place));
}

std::string worker_text(const remote_line& line) {
  const auto jobs = list_of(line.jobs, [](const job_id& id) { return quoted(id.str()); });
  return object_writer{256}
      .text("id", line.name)
      .text("endpoint", line.endpoint)
      .name("version", line.version)
      .name("device", line.device)
      .flag("healthy", line.healthy)
      .raw("jobs", jobs)
      .number("waiting", line.wanted)
      .time("silentMs", line.silent)
      .number("completed", line.completed)
      .number("lost", line.lost)
      .done();
}

} // namespace

response workers(const std::vector<remote_line>& lines) {
  return ok(
      object_writer{lines.size() * 256 + 64}.raw("workers", list_of(lines, worker_text)).done());
}

response handed_out(const std::vector<job_handout>& jobs, bool batch) {
  if (jobs.empty()) {
    return nothing();
  }
  body_writer out;
  if (!batch) {
    write_handout(out, jobs.front());
    return out.answer();
  }
  std::string_view before = "[";
  for (const auto& job : jobs) {
    write_handout(out.text(before), job);
    before = ",";
  }
  return out.text("]").answer();
}

response stops(const std::vector<std::string>& ids) {
  return ids.empty() ? nothing()
                     : ok(object_writer{}.raw("jobsToStop", list_of(ids, quoted)).done());
}

response noted() {
  return ok(object_writer{}.text("status", "ok").done());
}

response described() {
  return ok(std::string{openapi_text()});
}

} // namespace tayfa::api
