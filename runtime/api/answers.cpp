#include "runtime/api/call.hpp"

namespace tayfa::api {

namespace {

template <class T, class Render>
response made(const result<T>& value, Render render) {
  return value ? render(*value) : refuse(value.error());
}

} // namespace

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
