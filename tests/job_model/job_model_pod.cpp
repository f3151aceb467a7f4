// The passing of time, the pod and its store.
#include "tests/job_model/job_model.hpp"

#include <algorithm>

namespace tayfa::testing {

// ---- the pod ------------------------------------------------------------------------------------

void job_model::hand_back() {
  stopping_ = handed_back_ = true;
  std::vector<job*> given_up;
  for (auto& j : jobs_) {
    const bool goes_on = limits_.durable && !j.lasting.empty() && !j.streamed;
    if ((j.state == job_state::IN_PROGRESS && (!goes_on || j.from_platform())) ||
        (j.from_platform() && j.state == job_state::IN_QUEUE)) {
      given_up.push_back(&j);
    }
  }
  for (job* j : given_up) {
    if (j->from_platform()) {
      end(*j, job_state::FAILED, cause::stop_requested, errc::stopping);
    } else {
      lose(*j, errc::stopping, true);
      expect_revoke(*j);
    }
  }
}

void job_model::expire(const std::function<bool(const job&)>& is_left) {
  expire_jobs(false, is_left);
  if (!paced()) {
    expire_jobs(true, is_left);
  }
  assign();
}

/// In the order of their deadlines, a bounded number at once. A step may leave slow ones for later,
/// but serves some. Those that it leaves and that wait may be ended by the decision which follows.
void job_model::expire_jobs(bool slow, const std::function<bool(const job&)>& is_left) {
  for (std::size_t served = 0;; ++served) {
    job* first = nullptr;
    for (auto& j : jobs_) {
      const bool due_now = due(j) <= now_ && is_slow(j) == slow;
      if (due_now &&
          (first == nullptr || std::pair{due(j), j.order} < std::pair{due(*first), first->order})) {
        first = &j;
      }
    }
    if (first == nullptr || (!slow && served == limits_.step_rows)) {
      return;
    }
    job& j = *first;
    const bool live = !is_final(j.state);
    if (slow && served >= step_pace::least_rows && (is_left(j) || (live && !is_moved_next(j)))) {
      return;
    }
    step_waits_ = step_waits_ || slow;
    if (j.state == job_state::IN_PROGRESS && run_end(j) <= std::min(now_, ttl_end(j))) {
      end(j, job_state::TIMED_OUT, cause::execution_timeout, errc::execution_timeout);
    } else if (live && ttl_end(j) <= now_) {
      end(j, job_state::TIMED_OUT, cause::ttl_expired, errc::ttl_expired);
    } else if (j.unclaimed) {
      lose(j, errc::unavailable, true);
    } else if (j.state == job_state::IN_PROGRESS) {
      lose(j, errc::lease_expired, false);
      if (!is_final(j.state)) {
        expect_revoke(j);
      }
    } else if (live) {
      wait(j);
    } else if (j.hook_open) {
      deliver(j);
    } else {
      forget(std::string{j.id});
    }
  }
}

// ---- the store ----------------------------------------------------------------------------------

void job_model::batch_taken() {
  step_in_flight_ = step_in_flight_ || step_waits_;
  step_waits_ = false;
}

void job_model::batch_ended(bool durable) {
  step_waits_ = step_waits_ || (step_in_flight_ && !durable);
  step_in_flight_ = false;
}

void job_model::stored(const std::set<std::uint64_t>& orders) {
  for (auto& j : jobs_) {
    j.stored = j.stored || orders.contains(j.order);
  }
}

/// As if these had never been submitted; nothing of them has left.
void job_model::withdraw(const std::vector<job_id>& ids) {
  for (const auto& id : ids) {
    const job* j = find(id.str());
    if (j == nullptr || j->stored) {
      continue;
    }
    counts_.failed -= j->state == job_state::FAILED;
    counts_.cancelled -= j->state == job_state::CANCELLED;
    counts_.timed_out -= j->state == job_state::TIMED_OUT;
    calls_.erase(j->hook_out ? j->hook_call : 0);
    forget(id.str());
    for (auto& w : workers_) {
      std::erase_if(w.holds, [&](const attempt_ref& a) { return a.job == id; });
      w.alone = w.alone && !w.holds.empty();
    }
  }
  assign();
}

void job_model::restart(std::uint64_t last_order) {
  orders_ = last_order;
  workers_.clear();
  calls_.clear();
  counts_ = {};
  stopping_ = handed_back_ = out_of_memory_ = step_waits_ = step_in_flight_ = false;
  batch_due_.reset();
  filling_.clear();
  ticks_ = 0;
  for (auto& before : std::exchange(jobs_, {})) {
    job& j = jobs_.emplace_back(before);
    j.stored = true;
    j.watch = j.hook_out = j.hook_waits = false;
    j.chunks_gone = j.chunks_read = 0;
    if (!is_final(j.state)) { // what it has made so far is not durable
      j.chunks.clear();
      j.chunks_lost = 0;
      j.progress_seen = j.chunk_seen = 0;
      j.delay_unsure = j.delay_unsure || (j.state == job_state::IN_PROGRESS && j.began.has_value());
      j.began.reset();
      j.output.clear();
    }
    // The outcome of the last try is not known: it may be made once more.
    j.hook_tries =
        std::min(j.hook_tries, j.from_platform() ? 1 : std::max(limits_.hook_tries, 1u) - 1);
    if (j.holder.node != this_node) {
      j.holder = {}; // what other nodes called their slots is not known any more
    }
    if (j.state == job_state::IN_QUEUE) {
      wait(j);
    } else if (j.state == job_state::IN_PROGRESS) {
      if (!j.lasting.empty() && !j.streamed) {
        leave(j);
      } else {
        j.assigned = now_;
        lose(j, errc::unavailable, !j.lasting.empty());
      }
    }
  }
  const job* newest = nullptr;
  for (const auto& j : jobs_) {
    if (is_final(j.state) && !j.undelivered &&
        (newest == nullptr ||
         std::pair{j.ended, j.order} > std::pair{newest->ended, newest->order})) {
      newest = &j;
    }
  }
  trim(newest != nullptr ? std::string{newest->id} : std::string{});
}

} // namespace tayfa::testing
