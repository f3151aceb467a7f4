// Answers to clients and operators, by the lists of records.hpp.
#include "runtime/api/body_writer.hpp"
#include "runtime/api/call.hpp"
#include "runtime/api/openapi.hpp"
#include "runtime/api/record_writer.hpp"
#include "runtime/api/records.hpp"

namespace tayfa::api {

namespace {

response ok(std::string body) {
  response answer;
  answer.body = std::move(body);
  return answer;
}

template <class List>
response shown(const List& list, const typename List::record& record, std::size_t reserve = 256) {
  return ok(object_text(list, record, reserve));
}

/// Likewise; large JSON texts of the record are not copied.
template <class List>
response shown_uncopied(const List& list, const typename List::record& record) {
  object_writer out{256};
  put_fields(out, list, record);
  body_writer body;
  out.write_to(body);
  return body.answer();
}

response nothing() {
  response answer;
  answer.status = 204;
  return answer;
}

/// Bytes of an entry of a list; a good guess saves copies.
constexpr std::size_t entry_bytes = 256;

template <class T, class Render>
response made(const result<T>& value, Render render) {
  return value ? render(*value) : refuse(value.error());
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
  response answer = shown(error_fields, {e.code, std::move(message)});
  answer.status = http_status(e.code);
  if (answer.status == 429 || answer.status == 503) {
    answer.headers.emplace_back("Retry-After", e.code == errc::storage_full ? "5" : "1");
  }
  return answer;
}

response misdirected(std::string text) {
  response answer = shown(error_fields, {errc::misdirected_request, std::move(text)});
  answer.status = http_status(errc::misdirected_request);
  return answer;
}

response rejected(const gate::refusal& refused) {
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
  return shown(accepted_fields, id);
}

response job(const job_view& view) {
  response answer = shown_uncopied(job_fields, view);
  if (view.failure && view.failure->code == errc::store_corrupt &&
      visible_output::get(view).empty()) {
    // The job may have COMPLETED, and this pod has lost its result: that is an error of the server,
    // and not only the end of a job.
    answer.status = http_status(errc::store_corrupt);
  }
  return answer;
}

response chunks(const job_view& view, const std::vector<chunk>& items) {
  return shown_uncopied(stream_fields, {view, items});
}

response state_of(const job_view& view) {
  return shown(job_state_fields, view);
}

response purged(std::size_t removed) {
  return shown(purged_fields, removed);
}

response jobs(const job_list& list) {
  return shown(job_list_fields, list, list.jobs.size() * entry_bytes + 64);
}

response requests(const job_list& list) {
  return shown(request_list_fields, list, list.jobs.size() * entry_bytes + 64);
}

response detail(const job_detail& job) {
  return shown(job_detail_fields, job, 1024);
}

std::string job_event(const job_view& view) {
  object_writer out{256};
  put_fields(out, job_state_fields, view);
  put_fields(out, job_change_fields, view);
  return out.done();
}

std::string job_event(const job_view& view, job_state from, cause why) {
  object_writer out{256};
  put_fields(out, job_state_fields, view);
  put_fields(out, job_move_fields, {from, why});
  put_fields(out, job_change_fields, view);
  return out.done();
}

std::string lifecycle_event(std::string_view machine, std::string_view worker, std::string_view to,
                            std::string_view from, cause why, milliseconds stayed) {
  return object_text(lifecycle_fields, {std::string{machine}, std::string{worker}, std::string{to},
                                        std::string{from}, why, stayed});
}

response slots(const std::vector<slot_summary>& all) {
  return shown(slots_fields, all, all.size() * entry_bytes + 64);
}

response workers(const std::vector<remote_summary>& all) {
  return shown(remotes_fields, all, all.size() * entry_bytes + 64);
}

response pods(const std::vector<pod_summary>& all) {
  return shown(pods_fields, all, all.size() * entry_bytes + 64);
}

response trust(const trust_list& list) {
  return shown(trust_fields, list, (list.pods.size() + list.tokens.size()) * entry_bytes + 64);
}

response join_string(const join_text& made) {
  response answer = shown(join_text_fields, made);
  answer.headers.emplace_back("Cache-Control", "no-store");
  return answer;
}

response counts(const job_counts& jobs, const worker_counts& workers) {
  return shown(health_fields, {jobs, workers});
}

response pinged(bool ready) {
  // RunPod's load balancer: 200 healthy, 204 initializing.
  return ready ? shown(ready_fields, ready) : nothing();
}

response metrics_text(std::string text) {
  response answer = ok(std::move(text));
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return answer;
}

response described() {
  return ok(std::string{openapi_text()});
}

// ---- to remote workers --------------------------------------------------------------------------

response handed_out(const std::vector<job_handout>& jobs, bool batch) {
  if (jobs.empty()) {
    return nothing();
  }
  if (!batch) {
    return shown_uncopied(handout_fields, jobs.front());
  }
  body_writer body;
  std::string_view before = "[";
  for (const auto& job : jobs) {
    object_writer out{256};
    put_fields(out, handout_fields, job);
    out.write_to(body.text(before));
    before = ",";
  }
  return body.text("]").answer();
}

response stops(const std::vector<std::string>& ids) {
  return ids.empty() ? nothing() : shown(stops_fields, ids);
}

response noted() {
  return shown(noted_fields, true);
}

// ---- the answers of requests that are passed on as they are -------------------------------------

response answer_to(about<cancel_job>, const job_answer& a) {
  return made(a.value, state_of);
}
response answer_to(about<retry_job>, const job_answer& a) {
  return made(a.value, state_of);
}
response answer_to(about<drop_job>, const job_answer& a) {
  return made(a.value, state_of);
}
response answer_to(about<purge_jobs>, const purge_answer& a) {
  return made(a.removed, purged);
}
response answer_to(about<list_jobs>, const list_answer& a) {
  return made(a.value, jobs);
}
response answer_to(about<inspect_job>, const detail_answer& a) {
  return made(a.value, detail);
}
response answer_to(about<list_slots>, const slots_answer& a) {
  return made(a.value, slots);
}
response answer_to(about<drain_slot>, const slots_answer& a) {
  return made(a.value, slots);
}
response answer_to(about<resize_slots>, const slots_answer& a) {
  return made(a.value, slots);
}
response answer_to(about<list_workers>, const workers_answer& a) {
  return workers(a.value);
}
response answer_to(about<list_pods>, const pods_answer& a) {
  return made(a.value, pods);
}
response answer_to(about<drain_pod>, const pods_answer& a) {
  return made(a.value, pods);
}
response answer_to(about<list_trust>, const trust_answer& a) {
  return made(a.value, trust);
}
response answer_to(about<change_trust>, const trust_answer& a) {
  return made(a.value, trust);
}
response answer_to(about<make_join_text>, const join_text_answer& a) {
  return made(a.value, join_string);
}

} // namespace tayfa::api
