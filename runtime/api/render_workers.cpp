// Answers to remote workers, and about them.
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

std::string handout_text(const job_handout& job) {
  object_writer out{job.input.size() + 128};
  out.text("id", job.id).raw("input", job.input.view());
  if (!job.s3_config.empty()) {
    out.raw("s3Config", job.s3_config);
  }
  return out.name("webhook", job.webhook).done();
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
  return ok(batch ? list_of(jobs, handout_text) : handout_text(jobs.front()));
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
