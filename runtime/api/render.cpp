#include "runtime/api/body_writer.hpp"
#include "runtime/api/call.hpp"
#include "runtime/api/object_writer.hpp"

namespace tayfa::api {

namespace {

response ok(std::string body) {
  response answer;
  answer.body = std::move(body);
  return answer;
}

} // namespace

std::string failure_text(const error& e) {
  return e.code == errc::job_failed && !e.text.empty() ? e.text : e.str();
}

response refuse(const error& e) {
  std::string message{tayfa::describe(e.code)};
  if (!e.text.empty()) {
    message += ": " + e.text;
  }
  const std::string inner =
      object_writer{}.text("code", to_string(e.code)).text("message", message).done();
  response answer = ok(object_writer{}.raw("error", inner).done());
  answer.status = http_status(e.code);
  if (answer.status == 429 || answer.status == 503) {
    answer.headers.emplace_back("Retry-After", e.code == errc::storage_full ? "5" : "1");
  }
  return answer;
}

response turned_away(const gate::refusal& refused) {
  response answer = refuse(refused.why);
  if (answer.status == 401) {
    answer.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"tayfa\"");
  }
  if (refused.retry_after_s > 0) {
    std::erase_if(answer.headers, [](const auto& each) { return each.first == "Retry-After"; });
    answer.headers.emplace_back("Retry-After", std::to_string(refused.retry_after_s));
  }
  return answer;
}

response accepted(const job_id& id) {
  return ok(
      object_writer{}.text("id", id.str()).text("status", to_string(job_state::IN_QUEUE)).done());
}

response job(const job_view& view) {
  object_writer out{256};
  out.time("delayTime", view.delay);
  if (view.dropped_chunks > 0) {
    out.number("droppedChunks", view.dropped_chunks);
  }
  out.time("executionTime", view.execution);
  const bool failed = view.state == job_state::FAILED || view.state == job_state::TIMED_OUT;
  if (failed && view.failure) {
    out.text("error", failure_text(*view.failure));
  }
  out.text("id", view.id.str());
  // After a cancel was acknowledged nothing of the job may be seen, not even its last progress.
  const bool shows = !view.output.empty() && view.state != job_state::CANCELLED;
  if (shows) {
    out.raw("output", {});
  }
  const std::size_t place = out.size();
  out.text("status", to_string(view.state));
  if (!view.worker.empty()) {
    out.text("workerId", view.worker);
  }
  if (view.state == job_state::IN_QUEUE && view.why != wait_reason::none) {
    out.text("waitReason", to_string(view.why));
  }
  const std::string text = out.done();
  if (!shows) {
    response answer = ok(text);
    if (view.failure && view.failure->code == errc::store_corrupt) {
      // It may have COMPLETED, and this pod has lost its result: an error of the server, not only
      // the end of a job.
      answer.status = http_status(errc::store_corrupt);
    }
    return answer;
  }
  return body_writer{}
      .text(std::string_view{text}.substr(0, place))
      .shared(view.output)
      .text(std::string_view{text}.substr(place))
      .answer();
}

response chunks(const job_view& view, const std::vector<chunk>& items) {
  body_writer out;
  out.text("{");
  if (view.dropped_chunks > 0) {
    out.text(R"("droppedChunks":)").text(std::to_string(view.dropped_chunks)).text(",");
  }
  out.text(R"("status":")").text(to_string(view.state)).text(R"(","stream":[)");
  std::string_view before = R"({"output":)";
  for (const auto& item : items) {
    out.text(before).shared(item).text("}");
    before = R"(,{"output":)";
  }
  return out.text("]}").answer();
}

response state_of(const job_view& view) {
  return ok(object_writer{}.text("id", view.id.str()).text("status", to_string(view.state)).done());
}

response purged(std::size_t removed) {
  return ok(object_writer{}.number("removed", removed).text("status", "completed").done());
}

response counts(const job_counts& jobs, const worker_counts& workers) {
  const std::string job_part = object_writer{}
                                   .number("completed", jobs.completed)
                                   .number("failed", jobs.failed)
                                   .number("inProgress", jobs.in_progress)
                                   .number("inQueue", jobs.in_queue)
                                   .number("retried", jobs.retried)
                                   .done();
  const std::string worker_part =
      object_writer{}
          .number("idle", workers.idle)
          .number("initializing", workers.initializing)
          .number("ready", workers.ready)
          .number("running", workers.running)
          .number("throttled", 0) // RunPod throttles workers of its platform; a pod has none
          .number("unhealthy", workers.unhealthy)
          .done();
  return ok(object_writer{256}.raw("jobs", job_part).raw("workers", worker_part).done());
}

response pinged(bool ready) {
  // RunPod's load balancer: 200 healthy, 204 initializing.
  response answer = ok(ready ? R"({"status":"ready"})" : "");
  answer.status = ready ? 200 : 204;
  return answer;
}

response metrics_text(std::string text) {
  response answer = ok(std::move(text));
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return answer;
}

} // namespace tayfa::api
