// Workers and what they report.
#include "tests/job_model/job_model.hpp"

#include <algorithm>

namespace tayfa::testing {

using std::chrono::duration_cast;

// ---- workers ------------------------------------------------------------------------------------

job_model::worker* job_model::worker_of(worker_ref ref) {
  for (auto& w : workers_) {
    if (w.present && w.ref == ref) {
      return &w;
    }
  }
  return nullptr;
}

void job_model::joined(worker_ref ref, worker_facts facts,
                       const std::optional<std::vector<attempt_held>>& holds) {
  worker* w = nullptr;
  for (auto& known : workers_) {
    w = known.ref.place() == ref.place() ? &known : w;
  }
  if (w == nullptr) {
    w = &workers_.emplace_back();
  } else if (ref.incarnation < w->ref.incarnation) {
    ++counts_.stale;
    return;
  } else if (w->present && w->ref == ref) { // it says it again
    w->draining = false;
    w->facts.capacity = w->facts.elastic ? facts.capacity : w->facts.capacity;
    w->facts.hand_overs = facts.hand_overs;
    assign();
    return;
  }
  if (w->present && w->facts.lasting_name.empty()) {
    lose_all_of(*w, errc::engine_crash, false);
  } else if (w->present) {
    leave(*w);
  }
  facts.capacity = facts.elastic ? facts.capacity : std::max(facts.capacity, 1u);
  facts.batch_max = facts.elastic ? 1 : std::clamp(facts.batch_max, 1u, facts.capacity);
  *w = worker{};
  w->ref = ref;
  w->facts = facts;
  w->present = true;
  w->since = ++ticks_;
  if (holds) {
    for (const auto& each : *holds) {
      claim_one(*w, each);
    }
    for (auto& j : jobs_) { // the others that the last incarnation held
      if (j.unclaimed && j.holder.place() == ref.place() && j.lasting == w->facts.lasting_name) {
        lose(j, errc::unavailable, true);
      }
    }
  }
  assign();
}

// ---- workers that go on without this process ----------------------------------------------------

void job_model::leave(job& j) {
  j.unclaimed = true;
  j.lease_end = now_ + limits_.claim_window;
}

void job_model::leave(worker& w) {
  for (auto& j : jobs_) {
    if (j.state == job_state::IN_PROGRESS && !j.unclaimed && j.holder == w.ref) {
      leave(j);
    }
  }
  w.present = w.alone = false;
  w.holds.clear();
}

void job_model::claimed(worker_ref ref, const std::vector<attempt_held>& held) {
  auto* w = worker_of(ref);
  if (w == nullptr) {
    ++counts_.stale;
    return;
  }
  for (const auto& each : held) {
    claim_one(*w, each);
  }
  assign();
}

/// The worker goes on with the latest attempt of the job, if it had that last and no other has it.
void job_model::claim_one(worker& w, const attempt_held& held) {
  const auto& a = held.attempt;
  if (current(w.ref, a) != nullptr) {
    return;
  }
  job* j = find_any(a.job.str());
  const bool was_its = j != nullptr && j->attempts == a.number && !j->lasting.empty() &&
                       j->lasting == w.facts.lasting_name &&
                       std::count(w.holds.begin(), w.holds.end(), a) == 0 && // revoked
                       (w.facts.elastic || w.holds.size() < w.facts.capacity);
  const bool runs =
      was_its && j->state == job_state::IN_PROGRESS && j->unclaimed && j->chunk_seen == held.chunks;
  const bool waits = was_its && j->state == job_state::IN_QUEUE && !stopping_ && !j->streamed &&
                     held.chunks == 0 && now_ < ttl_end(*j);
  if (!runs && !waits) {
    expect("revoke " + to_string(a) + " from " + to_string(w.ref));
    return;
  }
  if (waits) { // as if the attempt had not been lost
    j->state = job_state::IN_PROGRESS;
    j->sleeping = false;
    j->uncharged_attempts = std::min(j->uncharged_attempts, j->attempts - 1);
    if (!j->history.empty() && j->history.back().number == j->attempts) {
      j->history.pop_back();
    }
    expect_moved(*j, cause::assigned);
  }
  j->unclaimed = false;
  j->holder = w.ref;
  j->lease_end = w.facts.steps || w.facts.lease.count() > 0 ? now_ + lease_of(w) : moment::max();
  w.holds.push_back(a);
  w.since = ++ticks_;
  w.alone = j->suspect && w.holds.size() == 1;
}

void job_model::lost(worker_place at, errc why, bool from_outside) {
  for (auto& w : workers_) {
    if (w.present && w.ref.place() == at) {
      lose_all_of(w, why, from_outside);
      std::erase_if(workers_, [at](const worker& gone) {
        return gone.ref.place() == at && gone.facts.forgotten_when_gone;
      });
      assign();
      return;
    }
  }
}

/// Calls and posts that are under way are forgotten first: what ends with its worker is delivered
/// by a new one.
void job_model::lost_all(errc why) {
  for (auto& j : jobs_) {
    const auto most = j.from_platform() ? 1 : std::max(limits_.hook_tries, 1u) - 1;
    j.hook_tries = j.hook_out ? std::min(j.hook_tries, most) : j.hook_tries;
    j.hook_out = false;
  }
  calls_.clear();
  std::sort(workers_.begin(), workers_.end(),
            [](const worker& a, const worker& b) { return a.ref < b.ref; });
  for (auto& w : workers_) {
    if (w.present && !w.facts.lasting_name.empty()) {
      leave(w);
    } else if (w.present) {
      lose_all_of(w, why, false);
    }
  }
  std::erase_if(workers_, [](const worker& w) { return w.facts.forgotten_when_gone; });
  assign();
}

/// The worker's current attempts are lost, in the order of their jobs. When it ended by itself,
/// each of them may be the cause; one that was alone in it more likely than others.
void job_model::lose_all_of(worker& w, errc why, bool from_outside) {
  const bool by_itself = !from_outside && (why == errc::engine_crash || why == errc::engine_hang ||
                                           why == errc::engine_protocol);
  std::vector<job*> mine;
  for (auto& j : jobs_) {
    if (j.state == job_state::IN_PROGRESS && !j.unclaimed && j.holder == w.ref) {
      mine.push_back(&j);
      j.suspect = j.suspect || by_itself;
      j.solo_crashes += by_itself && w.holds.size() == 1;
    }
  }
  w.present = w.alone = false;
  w.holds.clear();
  for (job* j : mine) {
    lose(*j, why, why == errc::unavailable);
  }
}

void job_model::draining(worker_ref ref) {
  if (auto* w = worker_of(ref)) {
    w->draining = true;
    assign();
  }
}

std::uint32_t job_model::local_capacity() const {
  std::uint32_t all = 0;
  for (const auto& w : workers_) {
    all += w.present && !w.draining && !w.remote() ? w.facts.capacity : 0;
  }
  return all;
}

bool job_model::has_remote() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const worker& w) { return w.remote(); });
}

std::size_t job_model::held(worker_place at) const {
  for (const auto& w : workers_) {
    if (w.ref.place() == at) {
      return w.holds.size();
    }
  }
  return 0;
}

std::vector<std::pair<worker_ref, attempt_ref>> job_model::at_work() const {
  std::vector<std::pair<worker_ref, attempt_ref>> all;
  for (const auto& w : workers_) {
    for (const auto& a : w.holds) {
      all.emplace_back(w.ref, a);
    }
  }
  return all;
}

/// Attempts of a job that is given anew are numbered on from these.
std::uint32_t job_model::last_held_of(const std::string& id) const {
  std::uint32_t last = 0;
  for (const auto& [ref, a] : at_work()) {
    last = a.job.str() == id ? std::max(last, a.number) : last;
  }
  return last;
}

// ---- reports ------------------------------------------------------------------------------------

/// The fence: only the worker that has the job's latest attempt is heard, about that attempt.
job_model::job* job_model::current(worker_ref ref, const attempt_ref& a) {
  job* j = find_any(a.job.str());
  const bool is_current = j != nullptr && j->state == job_state::IN_PROGRESS && !j->unclaimed &&
                          j->holder == ref && j->attempts == a.number && worker_of(ref) != nullptr;
  return is_current ? j : nullptr;
}

milliseconds job_model::lease_of(const worker& w) const {
  return w.facts.lease.count() > 0 ? w.facts.lease : limits_.lease;
}

std::string job_model::started(worker_ref ref, const attempt_ref& a) {
  job* j = current(ref, a);
  if (j == nullptr) {
    ++counts_.stale;
    return "stale";
  }
  if (!j->began) {
    j->began = now_;
    j->delay = j->delay.value_or(duration_cast<milliseconds>(now_ - j->life_began));
    renewed(ref, a);
  }
  return {};
}

std::string job_model::renewed(worker_ref ref, const attempt_ref& a) {
  job* j = current(ref, a);
  if (j == nullptr) {
    ++counts_.stale;
    return "stale";
  }
  j->lease_end = j->lease_end == moment::max() ? moment::max() : now_ + lease_of(*worker_of(ref));
  return {};
}

std::string job_model::progressed(worker_ref ref, const protocol::progress& p) {
  job* j = current(ref, p.attempt);
  if (j == nullptr || p.sequence <= j->progress_seen) {
    ++counts_.stale;
    return "stale";
  }
  j->progress_seen = p.sequence;
  j->output = p.payload.view();
  return renewed(ref, p.attempt);
}

std::string job_model::streamed(worker_ref ref, const protocol::partial& p) {
  job* j = current(ref, p.attempt);
  if (j == nullptr || p.sequence <= j->chunk_seen) {
    ++counts_.stale;
    return "stale";
  }
  j->chunk_seen = p.sequence;
  j->chunks.emplace_back(p.payload.view());
  j->streamed = !j->lasting.empty();
  if (j->chunks.size() > limits_.chunks_max) {
    j->chunks.erase(j->chunks.begin());
    ++j->chunks_gone;
    ++j->chunks_lost;
    ++counts_.chunks_dropped;
  }
  return renewed(ref, p.attempt);
}

std::string job_model::finished(worker_ref ref, const protocol::finished& f) {
  worker* w = worker_of(ref);
  if (w == nullptr || std::erase(w->holds, f.attempt) == 0) {
    ++counts_.stale;
    return "stale";
  }
  w->since = ++ticks_;
  w->alone = w->alone && !w->holds.empty();
  job* j = current(ref, f.attempt);
  if (j == nullptr) { // revoked: its end makes room, its result is refused
    counts_.stale += f.how != protocol::outcome::cancelled;
    assign();
    return "stale";
  }
  j->refresh = f.refresh_worker;
  const auto code = errc_from(f.code).value_or(errc::job_failed);
  const bool refused =
      code == errc::stopping || code == errc::not_ready || code == errc::engine_protocol;
  if (f.how == protocol::outcome::completed) {
    j->output = f.output.view();
    end(*j, job_state::COMPLETED, cause::finished, std::nullopt);
  } else if (f.how == protocol::outcome::cancelled) {
    lose(*j, errc::cancelled, false);
  } else if (code == errc::gpu_oom && j->in_batch) {
    out_of_memory_ = true;
    j->suspect = true;
    lose(*j, code, true);
  } else if (w->facts.unavailable_is_free && code == errc::unavailable) { // it never had the job
    lose(*j, code, true);
  } else if (refused) {
    lose(*j, code, false);
  } else {
    end(*j, job_state::FAILED, cause::job_error, code);
  }
  assign();
  return {};
}

} // namespace tayfa::testing
