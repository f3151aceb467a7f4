// The model's workers and what they report.
#include "tests/unit/core/job_model.hpp"

#include <algorithm>

namespace tayfa::testing {

using std::chrono::duration_cast;

std::string job_model::joined(moment now, worker_ref ref, worker_facts facts) {
  worker* w = nullptr;
  for (auto& known : workers_) {
    w = known.ref.place() == ref.place() ? &known : w;
  }
  if (w == nullptr) {
    w = &workers_.emplace_back();
  } else if (ref.incarnation < w->ref.incarnation) {
    ++counts_.stale;
    return {};
  } else if (w->present && w->ref == ref) {
    w->draining = false;
    w->facts.capacity = w->remote() ? facts.capacity : w->facts.capacity;
    w->facts.hand_overs = facts.hand_overs;
    assign(now);
    return take();
  }
  if (w->present) {
    lose_all_of(now, *w, errc::engine_crash);
  }
  facts.capacity = facts.elastic ? facts.capacity : std::max(facts.capacity, 1u);
  facts.batch_max = facts.elastic ? 1 : std::clamp(facts.batch_max, 1u, facts.capacity);
  *w = worker{};
  w->ref = ref;
  w->facts = facts;
  w->present = true;
  w->since = ++ticks_;
  assign(now);
  return take();
}

std::string job_model::lost(moment now, worker_place at, errc why, bool from_outside) {
  for (auto& w : workers_) {
    if (w.present && w.ref.place() == at) {
      lose_all_of(now, w, why, from_outside);
      std::erase_if(workers_,
                    [at](const worker& gone) { return gone.ref.place() == at && gone.remote(); });
      assign(now);
      break;
    }
  }
  return take();
}

std::string job_model::lost_all(moment now, errc why) {
  std::sort(workers_.begin(), workers_.end(),
            [](const worker& a, const worker& b) { return a.ref < b.ref; });
  for (auto& w : workers_) {
    if (w.present) {
      lose_all_of(now, w, why);
    }
  }
  std::erase_if(workers_, [](const worker& w) { return w.remote(); });
  for (auto& j : jobs_) {
    const auto most = j.taken() ? 1 : std::max(limits_.hook_tries, 1u) - 1;
    j.hook_tries = j.hook_out ? std::min(j.hook_tries, most) : j.hook_tries;
    j.hook_out = false;
  }
  assign(now);
  return take();
}

std::string job_model::draining(moment now, worker_ref ref) {
  if (auto* w = holder_of(ref)) {
    w->draining = true;
    assign(now);
  }
  return take();
}

std::string job_model::started(moment now, worker_ref ref, const attempt_ref& a) {
  job* j = current(ref, a);
  if (j == nullptr) {
    ++counts_.stale;
    return "stale";
  }
  if (!j->began) {
    j->began = now;
    j->delay = j->delay.value_or(duration_cast<milliseconds>(now - j->life_began));
    renewed(now, ref, a);
  }
  return {};
}

std::string job_model::renewed(moment now, worker_ref ref, const attempt_ref& a) {
  job* j = current(ref, a);
  if (j == nullptr) {
    ++counts_.stale;
    return "stale";
  }
  const auto own = holder_of(ref)->facts.lease;
  const auto lease = own.count() > 0 ? own : limits_.lease;
  j->lease_end = j->lease_end == moment::max() ? j->lease_end : now + lease;
  return {};
}

std::string job_model::progressed(moment now, worker_ref ref, const protocol::progress& p) {
  job* j = current(ref, p.attempt);
  if (j == nullptr || p.sequence <= j->progress_seen) {
    ++counts_.stale;
    return "stale";
  }
  j->progress_seen = p.sequence;
  j->output = p.payload.view();
  return renewed(now, ref, p.attempt);
}

std::string job_model::streamed(moment now, worker_ref ref, const protocol::partial& p) {
  job* j = current(ref, p.attempt);
  if (j == nullptr || p.sequence <= j->chunk_seen) {
    ++counts_.stale;
    return "stale";
  }
  j->chunk_seen = p.sequence;
  j->chunks.emplace_back(p.payload.view());
  if (j->chunks.size() > limits_.chunks_max) {
    j->chunks.erase(j->chunks.begin());
    ++j->gone;
  }
  return renewed(now, ref, p.attempt);
}

std::string job_model::finished(moment now, worker_ref ref, const protocol::finished& f) {
  worker* w = holder_of(ref);
  if (w == nullptr || std::erase(w->holds, f.attempt) == 0) {
    ++counts_.stale;
    return "stale";
  }
  w->since = ++ticks_;
  w->alone = w->alone && !w->holds.empty();
  job* j = current(ref, f.attempt);
  if (j != nullptr) {
    j->refresh = f.refresh_worker;
  }
  const auto code = errc_from(f.code).value_or(errc::job_failed);
  const bool not_taken =
      code == errc::stopping || code == errc::not_ready || code == errc::engine_protocol;
  if (j == nullptr) {
    counts_.stale += f.how != protocol::outcome::cancelled;
  } else if (f.how == protocol::outcome::completed) {
    j->output = f.output.view();
    end(now, *j, job_state::COMPLETED, cause::finished, std::nullopt);
  } else if (f.how == protocol::outcome::cancelled) {
    lose(now, *j, errc::cancelled, false);
  } else if (code == errc::gpu_oom && j->in_batch) {
    out_of_memory_ = true;
    j->suspect = true;
    lose(now, *j, code, true);
  } else if (w->remote() && errc_from(f.code) == errc::unavailable) {
    lose(now, *j, code, true);
  } else if (not_taken) {
    lose(now, *j, code, false);
  } else {
    end(now, *j, job_state::FAILED, cause::job_error, code);
  }
  assign(now);
  const auto orders = take();
  return j != nullptr ? orders : "stale" + (orders.empty() ? "" : "; " + orders);
}

} // namespace tayfa::testing
