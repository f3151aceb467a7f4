// Reconciliation with a pod that says hello: the table's view of each attempt, and its part of what
// pods::reconcile() decides.
#include "runtime/core/job_table.hpp"

namespace tayfa {

namespace {

/// A worker for results whose own worker has ended.
worker_facts keeper_of_results(const std::string& key) {
  worker_facts facts;
  facts.capacity = 0;
  facts.elastic = true;
  facts.forgotten_when_gone = true;
  facts.lasting_name = key;
  return facts;
}

} // namespace

job_table::pod_settled job_table::reconcile(moment now, const pods::reconcile_pod& m) {
  pod_settled out;
  for (const auto& each : m.workers) {
    auto facts = each.facts;
    facts.lasting_name = m.key;
    take_in(now, each.worker, std::move(facts), std::nullopt, out.then);
  }
  for (const auto& each : m.claims) {
    out.decisions.push_back(settle_claim(now, each, m.key, out.then));
  }
  for (const auto& each : m.absent) {
    settle_absent(now, each, m.key, out.then);
  }
  for (const auto& ref : m.gone) {
    lose_gone(now, ref, out.then);
  }
  assign(now, out.then);
  return out;
}

/// Only the pod that had the attempt last, by its key, sees more of it than that it is elsewhere.
pods::head_view job_table::view_for(const record* r, const attempt_ref& attempt,
                                    const std::string& key) {
  using enum pods::head_view;
  if (r == nullptr) {
    return unknown;
  }
  if (r->ended()) {
    return ended;
  }
  if (r->attempts != attempt.number || !r->lasting || *r->lasting != key) {
    return elsewhere;
  }
  if (r->state.state() == job_state::IN_QUEUE) {
    return stopping_ || purge_of(*r) != nullptr ? elsewhere : queued;
  }
  return r->unclaimed ? pods::head_view::unclaimed : held_accepted;
}

/// The job has every chunk that the pod does not say again. A job that waits has none.
bool job_table::has_chunks_before(const record& r, const pods::claim& c) {
  if (c.chunks_from == 0) {
    return !r.streamed;
  }
  return c.chunks_from <= (r.state.state() == job_state::IN_PROGRESS ? r.chunk_seen : 0) + 1;
}

pods::claim_decision job_table::settle_claim(moment now, const pods::claim& c,
                                             const std::string& key, effects& out) {
  const auto entry = jobs_.find(c.attempt.job);
  auto view = view_for(entry, c.attempt, key);
  const bool runs = view == pods::head_view::unclaimed || view == pods::head_view::held_accepted;
  if (runs && !has_chunks_before(*entry, c)) {
    lose_settled(now, *entry, "chunks of its stream are gone", true, out);
    view = pods::head_view::elsewhere;
  } else if (view == pods::head_view::queued &&
             (jobs_.ttl_end(*entry) <= now || !has_chunks_before(*entry, c))) {
    view = pods::head_view::elsewhere;
  }
  if (c.worker.slot == pods::kept_slot) {
    take_in(now, c.worker, keeper_of_results(key), std::nullopt, out);
  }
  auto* const w = pool_.present(c.worker);
  const bool has_it = current(c.worker, c.attempt) != nullptr;
  if (w != nullptr && !has_it && w->holds.contains(c.attempt)) {
    pool_.ended(now, *w, c.attempt, {}); // it was revoked, and the pod drops it now
  }
  const bool has_room =
      w != nullptr && (has_it || w->facts.elastic || w->holds.size() < w->facts.capacity);
  auto step = pods::reconcile(view, c.at);
  if (step.head == pods::head_step::hold && !has_room) {
    step = pods::reconcile(pods::head_view::elsewhere, c.at); // a pod that has more than it may
  }
  if (step.head == pods::head_step::hold && !has_it) {
    put_down(now, *entry);
    take_up(now, *entry, *w, out);
  }
  counts_.stale += step.head == pods::head_step::count_fenced ? 1 : 0;
  return {step.pod.value_or(pod_protocol::verdict::drop), view == pods::head_view::unknown};
}

void job_table::settle_absent(moment now, const pods::absent_attempt& a, const std::string& key,
                              effects& out) {
  const auto entry = jobs_.find(a.attempt.job);
  auto view = view_for(entry, a.attempt, key);
  const bool runs = view == pods::head_view::unclaimed || view == pods::head_view::held_accepted;
  const auto step = pods::reconcile(runs ? a.view : view, pods::pod_view::absent);
  if (runs && step.head == pods::head_step::lose) {
    lose_settled(now, *entry, "its pod came back without it", false, out);
  } else if (runs && step.head == pods::head_step::give_back) {
    lose_settled(now, *entry, "its pod has not taken it", true, out);
  }
  if (auto* w = pool_.present(a.worker); w != nullptr && w->holds.contains(a.attempt)) {
    pool_.ended(now, *w, a.attempt, {}); // its end will not be reported
  }
}

/// The pod has this worker no more. Attempts that are left to it never came to the registry, which
/// names all others: they cost nothing.
void job_table::lose_gone(moment now, worker_ref ref, effects& out) {
  const error why{errc::unavailable, "its pod came back without this worker"};
  if (auto* w = pool_.present(ref)) {
    lose_worker(now, *w, why, out, true);
    pool_.forget(ref.place());
    return;
  }
  std::vector<record*> left; // another worker has taken its place
  for (auto each = unclaimed_.lower_bound({ref.place(), 0});
       each != unclaimed_.end() && each->first == ref.place(); ++each) {
    if (record& r = jobs_.at(each->second); r.holder == ref) {
      left.push_back(&r);
    }
  }
  for (record* r : left) {
    lose(now, *r, why, out, true);
  }
}

/// No worker holds it; it stays IN_PROGRESS.
void job_table::put_down(moment now, record& r) {
  if (r.state.state() != job_state::IN_PROGRESS || r.unclaimed) {
    return;
  }
  if (auto* w = pool_.present(r.holder)) {
    pool_.ended(now, *w, {*r.id, r.attempts}, {});
  }
  leave_unclaimed(now, r);
}

void job_table::lose_settled(moment now, record& r, const char* why, bool free_of_charge,
                             effects& out) {
  put_down(now, r);
  lose(now, r, error{errc::unavailable, why}, out, free_of_charge);
}

} // namespace tayfa
