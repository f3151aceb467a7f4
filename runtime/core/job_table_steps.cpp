// Changes of many jobs at once, in steps: purges, ending of jobs that have timed out or cannot run,
// forgetting.
//
// A step handles limits.step_rows jobs; between two steps the queue serves other requests. The rows
// of a step must be durable before the next one of its kind begins, so that a commit holds at most
// one step besides other changes, and jobs are not ended faster than they can be stored.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// A step may look at so many rows for each that it ends.
constexpr std::size_t looks_per_row = 8;

} // namespace

/// So many rows of a step changed.
void job_table::stepped(std::size_t rows) {
  step_dirty_ = limits_.durable;
  pace_.made(rows);
}

// ---- purges -------------------------------------------------------------------------------------

std::pair<std::uint64_t, effects> job_table::purge(moment now, job_access covered) {
  purge_order p;
  p.number = ++purge_numbers_;
  p.covered = std::move(covered);
  p.upto = std::max(orders_, jobs_.highest_order());
  purges_.push_back(std::move(p));
  effects out;
  if (purges_.size() == 1 && !paced()) {
    step_purges(now, pace_.next(), out);
  } else {
    steps_at_ = now;
  }
  assign(now, out);
  return {purge_numbers_, std::move(out)};
}

effects job_table::stop_purges() {
  effects out;
  for (const auto& p : std::exchange(purges_, {})) {
    out.emplace_back(purged{p.number, p.removed, false});
  }
  return out;
}

/// The purge that is to end this job; null: none.
job_table::purge_order* job_table::purge_of(const record& r) {
  if (purges_.empty() || r.state.state() != job_state::IN_QUEUE) {
    return nullptr;
  }
  const auto it = std::find_if(purges_.begin(), purges_.end(), [&r](const purge_order& p) {
    return r.order > p.at && r.order <= p.upto &&
           p.covered.covers(r.request.endpoint, r.request.policy.tenant) &&
           !p.exempt.contains(r.order);
  });
  return it == purges_.end() ? nullptr : &*it;
}

/// The job begins to wait again: what was asked for before does not mean it.
void job_table::exempt_from_purges(const record& r) {
  for (auto& p : purges_) {
    if (r.order > p.at && r.order <= p.upto) {
      p.exempt.insert(r.order);
    }
  }
}

/// The smallest index that contains all waiting jobs that are covered.
const job_table::order_set& job_table::shortest_waiting(const job_access& covered) const {
  const auto* best = &jobs_.of_state(job_state::IN_QUEUE);
  const auto shorter = [&best](const order_set& other) {
    best = other.size() < best->size() ? &other : best;
  };
  if (covered.tenant) {
    shorter(jobs_.of_tenant(*covered.tenant));
  }
  if (covered.endpoints.size() == 1) {
    shorter(jobs_.of_endpoint(covered.endpoints.front()));
  }
  return *best;
}

/// Ends at most so many jobs; how many. The purges go one after the other.
std::size_t job_table::step_purges(moment now, std::size_t most, effects& out) {
  std::size_t ended_now = 0;
  std::size_t looks = most * looks_per_row;
  while (!purges_.empty()) {
    auto& p = purges_.front();
    const auto next = shortest_waiting(p.covered).above(p.at);
    if (!next || *next > p.upto) {
      out.emplace_back(purged{p.number, p.removed, true});
      purges_.erase(purges_.begin());
      continue;
    }
    if (ended_now == most || looks-- == 0) {
      steps_at_ = now;
      break;
    }
    record& r = jobs_.at(*next);
    if (purge_of(r) == &p) {
      ++p.removed;
      ++ended_now;
      if (limits_.durable) {
        step_images_.emplace_back(p.number, *image(*r.id));
      }
      end(now, r, job_state::CANCELLED, cause::cancel_requested, std::nullopt, out);
    }
    p.at = *next;
  }
  if (ended_now > 0) {
    stepped(ended_now);
  }
  return ended_now;
}

// ---- jobs of models that cannot be loaded -------------------------------------------------------

std::size_t job_table::step_broken_models(moment now, std::size_t most, effects& out) {
  std::size_t ended_now = 0;
  for (const auto& [model, trouble] : pool_.models().troubles()) {
    if (!trouble.broken || now >= trouble.again_at) {
      continue;
    }
    while (const auto next = queue_.any_of(model)) {
      if (ended_now == most) {
        steps_at_ = now;
        break;
      }
      end(now, jobs_.at(next->order), job_state::FAILED, cause::load_failed, trouble.why, out);
      ++ended_now;
    }
  }
  if (ended_now > 0) {
    stepped(ended_now);
  }
  return ended_now;
}

// ---- deadlines ----------------------------------------------------------------------------------

effects job_table::expire(moment now) {
  effects out;
  const auto serve_due = [&](auto& list, std::size_t most) {
    std::size_t served = 0;
    for (; served < most && !list.empty() && list.first().first <= now; ++served) {
      expire_one(now, jobs_.at(list.first().second), out);
    }
    return served;
  };
  serve_due(jobs_.urgent(), limits_.step_rows);
  if (!paced()) {
    const bool is_due = steps_at_ && *steps_at_ <= now;
    const bool is_slow_due = !jobs_.slow().empty() && jobs_.slow().first().first <= now;
    auto left = is_due || is_slow_due ? pace_.next() : 0;
    const auto slow = serve_due(jobs_.slow(), left);
    left -= slow;
    if (slow > 0) {
      stepped(slow);
    }
    if (left > 0 && is_due) {
      steps_at_.reset();
      left -= step_broken_models(now, left, out);
      if (left > 0 || purges_.empty()) {
        step_purges(now, left, out);
      } else {
        steps_at_ = now;
      }
    }
  }
  assign(now, out);
  return out;
}

void job_table::expire_one(moment now, record& r, effects& out) {
  switch (r.state.state()) {
  case job_state::IN_QUEUE:
    if (jobs_.ttl_end(r) <= now) {
      end(now, r, job_state::TIMED_OUT, cause::ttl_expired, error{errc::ttl_expired, {}}, out);
    } else {
      leave_queue(r);
      queue_up(now, r); // it slept long enough
    }
    return;
  case job_state::IN_PROGRESS:
    if (jobs_.run_end(r) <= now && jobs_.run_end(r) <= jobs_.ttl_end(r)) {
      end(now, r, job_state::TIMED_OUT, cause::execution_timeout,
          error{errc::execution_timeout, {}}, out);
    } else if (jobs_.ttl_end(r) <= now) {
      end(now, r, job_state::TIMED_OUT, cause::ttl_expired, error{errc::ttl_expired, {}}, out);
    } else if (r.unclaimed) {
      lose(now, r, error{errc::unavailable, "its worker did not claim it after a restart"}, out,
           true);
    } else {
      const attempt_ref attempt{*r.id, r.attempts};
      const worker_ref holder = r.holder;
      lose(now, r, error{errc::lease_expired, {}}, out);
      const auto* w = pool_.present(holder);
      if (w != nullptr && w->holds.contains(attempt) && !r.ended()) {
        out.emplace_back(revoke_attempt{holder, attempt});
      }
    }
    return;
  case job_state::COMPLETED:
  case job_state::FAILED:
  case job_state::CANCELLED:
  case job_state::TIMED_OUT:
    if (r.delivery.open && !r.delivery.out) {
      deliver(now, r, out);
    } else {
      jobs_.forget(r);
    }
    return;
  }
}

std::optional<moment> job_table::next_deadline() const {
  auto next = pool_.look_again();
  const auto sooner = [&next](moment at) { next = next ? std::min(*next, at) : at; };
  if (!jobs_.urgent().empty()) {
    sooner(jobs_.urgent().first().first);
  }
  if (!paced()) { // else committed() comes first
    if (!jobs_.slow().empty()) {
      sooner(jobs_.slow().first().first);
    }
    if (steps_at_) {
      sooner(*steps_at_);
    }
  }
  return next;
}

} // namespace tayfa
