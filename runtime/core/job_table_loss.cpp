// Attempts that are lost, and what that costs: the job an attempt and a pause, its tenant the run
// that was expected and the start of the next engine.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// The engine ended by itself, so what ran in it may be why.
bool blames_job(errc code) {
  return code == errc::engine_crash || code == errc::engine_hang || code == errc::engine_protocol;
}

/// base, 2 base, 4 base … up to max.
milliseconds backoff(const job_limits& limits, std::uint32_t attempts) {
  auto pause = limits.retry_base;
  for (std::uint32_t i = 1; i < attempts && pause < limits.retry_max; ++i) {
    pause *= 2;
  }
  return std::min(pause, limits.retry_max);
}

} // namespace

void job_table::lose(moment now, record& r, const error& why, effects& out, bool free_of_charge) {
  drop_attempt_traces(r);
  r.uncharged_attempts += free_of_charge ? 1 : 0;
  const auto last = "attempt " + std::to_string(r.attempts) + ": " + why.str();
  if (!free_of_charge && r.solo_crashes >= limits_.solo_crashes_max) {
    end(now, r, job_state::FAILED, cause::poisoned, error{errc::poison, last}, out, why);
  } else if (r.attempts_of_life() >= limits_.max_attempts) {
    end(now, r, job_state::FAILED, cause::attempts_exhausted, error{errc::max_attempts, last}, out,
        why);
  } else {
    move(r, job_state::IN_QUEUE, cause::attempt_lost, out);
    settle_attempt(now, r, why, !free_of_charge);
    exempt_from_purges(r);
    r.not_before = free_of_charge ? now : now + backoff(limits_, r.attempts_of_life());
    queue_up(now, r);
    std::get<moved>(out.back()).view = view_of(r);
  }
}

void job_table::drop_attempt_traces(record& r) {
  r.refresh = false;
  jobs_.set_output(r, {});
  jobs_.discard_chunks(r);
  jobs_.account(r);
}

void job_table::lose_worker(moment now, pool_worker& w, const error& why, effects& out,
                            bool from_outside) {
  const auto mine = current_ones(w);
  std::vector<std::string> blamed;
  if (blames_job(why.code) && !from_outside) {
    for (const auto& [attempt, held] : w.holds) { // also one that was revoked and did not end
      if (const auto entry = jobs_.find(attempt.job); entry != nullptr) {
        blamed.push_back(entry->request.policy.tenant);
      }
    }
    for (const auto& [order, r] : mine) {
      r->solo_crashes += w.holds.size() == 1 ? 1 : 0;
      r->suspect = true;
    }
  }
  pool_.lost(now, w, std::move(blamed), queue_);
  // A loss that is not the job's fault costs it no attempt.
  const bool free_of_charge = why.code == errc::unavailable;
  for (const auto& [order, r] : mine) {
    lose(now, *r, why, out, free_of_charge);
  }
}

} // namespace tayfa
