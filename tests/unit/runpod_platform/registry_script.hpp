// Drives a worker_registry by hand and says in words what it ordered, so that a test reads like a
// script. "w0.2" is the second incarnation of all, in the first remote slot.
//
// Time stands still until pass() is called. After every command the registry's audit must be clean.
#pragma once

#include "runtime/runpod_platform/worker_registry.hpp"

#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

namespace tayfa::remote::testing {

inline std::string name_of(worker_ref w) {
  return "w" + std::to_string(w.slot.value) + "." + std::to_string(w.incarnation);
}

inline std::string text_of(const attempt_ref& a) {
  return a.job.str() + "/" + std::to_string(a.number);
}

inline std::string text_of(const protocol::upstream& m) {
  if (const auto* s = std::get_if<protocol::started>(&m)) {
    return "started " + text_of(s->attempt);
  }
  if (const auto* s = std::get_if<protocol::stepped>(&m)) {
    return "stepped " + text_of(s->attempt) + " #" + std::to_string(s->steps);
  }
  if (const auto* p = std::get_if<protocol::progress>(&m)) {
    return "progress " + text_of(p->attempt) + " #" + std::to_string(p->sequence) + " " +
           std::string{p->payload.view()};
  }
  if (const auto* p = std::get_if<protocol::partial>(&m)) {
    return "partial " + text_of(p->attempt) + " #" + std::to_string(p->sequence) + " " +
           std::string{p->payload.view()};
  }
  const auto& f = std::get<protocol::finished>(m);
  switch (f.how) {
  case protocol::outcome::completed:
    return "completed " + text_of(f.attempt) + " " + std::string{f.output.view()};
  case protocol::outcome::failed:
    return "failed " + text_of(f.attempt) + " " +
           std::string{to_string(errc_from(f.code).value_or(errc::internal))};
  case protocol::outcome::cancelled: break;
  }
  return "cancelled " + text_of(f.attempt);
}

inline std::string text_of(const std::vector<attempt_held>& held) {
  std::string out;
  for (const auto& each : held) {
    out += " " + text_of(each.attempt) +
           (each.chunks > 0 ? " #" + std::to_string(each.chunks) : std::string{});
  }
  return out.empty() ? " nothing" : out;
}

inline std::string text_of(const effect& e) {
  if (const auto* o = std::get_if<worker_ready>(&e)) {
    const auto held = o->holds ? " with" + text_of(*o->holds) : std::string{};
    return (o->facts.capacity == 0 ? "pause " : "offer ") + name_of(o->worker) +
           (o->facts.capacity == 0 ? "" : " x" + std::to_string(o->facts.capacity)) + held;
  }
  if (const auto* c = std::get_if<attempts_claimed>(&e)) {
    return name_of(c->worker) + " claims" + text_of(c->attempts);
  }
  if (const auto* s = std::get_if<attempt_reported>(&e)) {
    return name_of(s->worker) + " " + text_of(s->body);
  }
  if (const auto* l = std::get_if<worker_gone>(&e)) {
    return "leave " + name_of(l->worker) + " " + std::string{to_string(l->why.code)};
  }
  if (const auto* h = std::get_if<hand_out>(&e)) {
    std::string ids;
    for (const auto& j : h->jobs) {
      ids += " " + j.id + (j.input.empty() ? "" : "=" + std::string{j.input.view()});
    }
    return "poll " + std::to_string(h->poll) + (h->batch ? " batch" : "") + ids;
  }
  if (const auto* t = std::get_if<send_stops>(&e)) {
    std::string ids;
    for (const auto& id : t->jobs) {
      ids += " " + id;
    }
    return "poll " + std::to_string(t->poll) + " stop" + ids;
  }
  if (const auto* n = std::get_if<nothing_yet>(&e)) {
    return "poll " + std::to_string(n->poll) + " nothing";
  }
  if (const auto* t = std::get_if<turn_away>(&e)) {
    return "poll " + std::to_string(t->poll) + " " + std::string{to_string(t->why.code)};
  }
  const auto& n = std::get<log_entry>(e);
  switch (n.kind) {
  case log_entry::what::came: return n.name + " came";
  case log_entry::what::left: return n.name + " left";
  case log_entry::what::unfit: break;
  }
  return n.name + " unfit";
}

inline std::string text_of(const effects& all) {
  std::string out;
  for (const auto& e : all) {
    out += (out.empty() ? "" : "; ") + text_of(e);
  }
  return out;
}

/// Workers are called "a", "b", …, of the endpoint "tayfa"; polls are numbers that the test
/// chooses.
struct registry_script {
  explicit registry_script(registry_limits limits = {}, bool serving = true) : registry(limits) {
    if (serving) {
      registry.serve(now);
    }
  }

  worker_registry registry;
  moment now{std::chrono::hours{1}};
  std::map<worker_ref, std::uint64_t> hand_overs;
  std::string key{}; ///< that the calls come with; "root" is an operator's

  void pass(milliseconds d) { now += d; }

  api::worker_place place(const std::string& worker) const {
    return {"tayfa", worker, "L4", key, key.empty() || key == "root"};
  }
  static worker_ref ref(std::uint32_t index, std::uint64_t incarnation) {
    return {slot_id{index}, incarnation, pull_node};
  }
  static attempt_ref attempt(const std::string& job, std::uint32_t number = 1) {
    return {job_id{job}, number};
  }

  std::string take(poll_id poll, const std::string& worker, std::uint32_t wanted = 1) {
    return words(registry.take(now, poll, {place(worker), wanted, wanted > 1, false}));
  }
  std::string stops(poll_id poll, const std::string& worker) {
    return words(registry.poll_stops(now, poll, {place(worker)}));
  }
  std::string ping(const std::string& worker, std::vector<std::string> jobs = {},
                   const std::string& unfit = {}) {
    return answered(registry.ping(now, {place(worker), std::move(jobs), "1.12.0", unfit}));
  }
  /// The next hand-over to this worker: one job, or several.
  std::string assign(worker_ref w, const std::string& job, std::uint32_t number = 1) {
    return hand_over(w, {attempt(job, number)});
  }
  std::string assign_all(worker_ref w, const std::vector<std::string>& jobs) {
    std::vector<attempt_ref> attempts;
    for (const auto& job : jobs) {
      attempts.push_back(attempt(job));
    }
    return hand_over(w, attempts);
  }
  std::string hand_over(worker_ref w, const std::vector<attempt_ref>& attempts) {
    std::vector<protocol::assign> all;
    for (const auto& a : attempts) {
      protocol::assign m;
      m.attempt = a;
      m.input = shared_text{"{}"};
      all.push_back(std::move(m));
    }
    return words(registry.assigned(now, w, ++hand_overs[w], all));
  }
  std::string revoke(worker_ref w, const std::string& job, std::uint32_t number = 1) {
    return words(registry.revoked(now, w, attempt(job, number)));
  }
  std::string left(poll_id poll, bool whole = true) {
    return words(registry.left(now, poll, whole));
  }
  std::string gone(poll_id poll) { return words(registry.gone(now, poll)); }
  std::string expire() { return words(registry.expire(now)); }

  using what = api::worker_result::what;
  std::string post(const std::string& worker, const std::string& job, what kind = what::completed,
                   const std::string& text = "1") {
    api::worker_result m;
    m.from = place(worker);
    m.job = job;
    m.kind = kind;
    if (kind == what::failed) {
      m.error = text;
    } else {
      m.output = shared_text{text};
    }
    return answered(registry.posted(now, m));
  }
  std::string chunk(const std::string& worker, const std::string& job, const std::string& text) {
    return answered(registry.streamed(now, {place(worker), job, shared_text{text}}));
  }

  /// Worker `worker` may claim these, under the key that its calls come with.
  void unclaimed(const std::string& worker, const std::vector<attempt_ref>& all) {
    std::vector<unclaimed_attempt> list;
    for (const auto& each : all) {
      list.push_back({each, "tayfa/" + worker + "/" + key});
    }
    registry.unclaimed(list);
  }

  /// A worker of one job at a time that has it: poll 1 of `worker`, its first incarnation.
  void running(const std::string& worker, const std::string& job) {
    take(1, worker);
    assign(ref(0, 1), job);
    left(1);
  }

  std::string words(const effects& e) {
    const auto breaks = registry.audit();
    EXPECT_TRUE(breaks.empty()) << breaks.front();
    return text_of(e);
  }

 private:
  std::string answered(const worker_registry::verdict& v) {
    const auto then = words(v.then);
    return v.answer
               ? then
               : std::string{to_string(v.answer.error().code)} + (then.empty() ? "" : "; " + then);
  }
};

} // namespace tayfa::remote::testing
