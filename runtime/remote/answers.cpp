#include "runtime/remote/answers.hpp"

#include "runtime/api/object_writer.hpp"

namespace tayfa::remote {

namespace {

std::string job_text(const handed_job& j) {
  return api::object_writer{j.input.size() + j.id.size() + 32}
      .text("id", j.id)
      .raw("input", j.input.empty() ? "null" : j.input.view())
      .done();
}

} // namespace

api::response jobs_answer(const std::vector<handed_job>& jobs, bool batch) {
  api::response answer;
  if (!batch) {
    answer.body = jobs.empty() ? "{}" : job_text(jobs.front());
    return answer;
  }
  answer.body = "[";
  for (const auto& j : jobs) {
    answer.body += answer.body.size() > 1 ? "," : "";
    answer.body += job_text(j);
  }
  answer.body += ']';
  return answer;
}

api::response stops_answer(const std::vector<std::string>& ids) {
  std::string list = "[";
  for (const auto& id : ids) {
    list += list.size() > 1 ? "," : "";
    api::append_json_string(list, id);
  }
  api::response answer;
  answer.body = api::object_writer{}.raw("jobsToStop", list + "]").done();
  return answer;
}

api::response nothing_answer() {
  api::response answer;
  answer.status = 204;
  return answer;
}

api::response taken_note() {
  api::response answer;
  answer.body = "{}";
  return answer;
}

} // namespace tayfa::remote
