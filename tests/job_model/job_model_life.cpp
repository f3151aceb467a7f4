// A job's deadlines, its ends, what is kept of it, and its deliveries.
#include "tests/job_model/job_model.hpp"

#include "tests/job_model/effect_text.hpp"

#include <algorithm>

namespace tayfa::testing {

using std::chrono::duration_cast;
using std::chrono::minutes;
using std::chrono::seconds;

// ---- deadlines ----------------------------------------------------------------------------------

moment job_model::ttl_end(const job& j) const {
  return j.life_began + j.request.policy.ttl.value_or(limits_.ttl);
}
moment job_model::run_end(const job& j) const {
  return j.began.value_or(j.assigned) +
         j.request.policy.execution_timeout.value_or(limits_.execution_timeout);
}
moment job_model::forget_at(const job& j) const {
  const auto keep = j.dead           ? limits_.keep_dead
                    : j.request.sync ? limits_.keep_sync
                                     : limits_.keep_async;
  return std::max(j.ended + keep, j.keep_until);
}
moment job_model::deliver_until(const job& j) const {
  return std::max({ttl_end(j), j.ended + minutes{10}, j.keep_until});
}

/// Exactly one thing is next for each job.
moment job_model::due(const job& j) const {
  if (j.state == job_state::IN_QUEUE) {
    return j.sleeping ? std::min(j.not_before, ttl_end(j)) : ttl_end(j);
  }
  if (j.state == job_state::IN_PROGRESS) {
    return std::min({ttl_end(j), run_end(j), j.lease_end});
  }
  if (j.hook_open) {
    return j.hook_out || j.hook_waits ? moment::max() : j.not_before;
  }
  if (limits_.forget_step.count() == 0) {
    return forget_at(j);
  }
  moment tick{}; // the first one after it
  const auto whole = (forget_at(j) - tick) / limits_.forget_step;
  return tick + limits_.forget_step * (whole + 1);
}

/// The job's rows may have to be durable before the next of their kind change.
bool job_model::is_slow(const job& j) const {
  return (j.state == job_state::IN_QUEUE && !j.sleeping) || (is_final(j.state) && !j.hook_open);
}

std::optional<moment> job_model::next_deadline() const {
  auto first = batch_due_;
  for (const auto& j : jobs_) {
    if (!is_slow(j) || !paced()) {
      first = std::min(first.value_or(moment::max()), due(j));
    }
  }
  return first;
}

// ---- lives --------------------------------------------------------------------------------------

void job_model::wait(job& j) {
  j.state = job_state::IN_QUEUE;
  j.sleeping = now_ < j.not_before;
}

void job_model::revive(job& j) {
  ++j.lives;
  j.uncharged_attempts = j.attempts;
  j.suspect = j.suspect || j.solo_crashes > 0;
  j.solo_crashes = 0;
  j.dead = j.hook_open = j.hook_out = j.hook_waits = j.refresh = false;
  j.hook_tries = 0;
  j.life_began = j.not_before = now_;
  discard_chunks(j);
  j.failure.reset();
  j.delay.reset();
  j.delay_unsure = false;
  j.execution.reset();
  j.began.reset();
  wait(j);
}

void job_model::remember_attempt(job& j, std::optional<errc> why) {
  j.history.push_back({j.attempts, why, duration_cast<milliseconds>(j.assigned - j.submitted),
                       duration_cast<milliseconds>(now_ - j.submitted)});
  if (j.history.size() > limits_.history_max) {
    j.history.erase(j.history.begin());
  }
}

/// A new attempt makes its own.
void job_model::discard_chunks(job& j) {
  j.chunks_gone += j.chunks.size();
  j.chunks.clear();
  j.chunks_read = j.chunks_lost = 0;
}

void job_model::end(job& j, job_state to, cause why, std::optional<errc> failure,
                    std::optional<errc> of_attempt) {
  const bool ran = j.state == job_state::IN_PROGRESS;
  j.state = to;
  j.unclaimed = j.streamed = false;
  j.lasting.clear();
  j.sleeping = false;
  j.ended = now_;
  j.failure = failure;
  j.dead = !j.from_platform() && (why == cause::attempts_exhausted || why == cause::poisoned);
  if (ran) {
    const auto reason = to == job_state::CANCELLED ? std::optional{errc::cancelled} : failure;
    remember_attempt(j, of_attempt ? of_attempt : reason);
    j.delay = j.delay.value_or(duration_cast<milliseconds>(j.assigned - j.life_began));
    j.execution = duration_cast<milliseconds>(now_ - j.began.value_or(j.assigned));
  }
  if (to != job_state::COMPLETED) {
    j.output.clear();
  }
  if (to == job_state::CANCELLED) {
    discard_chunks(j);
  }
  if (to == job_state::COMPLETED || (to == job_state::CANCELLED && !j.from_platform())) {
    j.input_bytes = 0; // it never runs again
  }
  counts_.completed += to == job_state::COMPLETED;
  counts_.failed += to == job_state::FAILED;
  counts_.cancelled += to == job_state::CANCELLED;
  counts_.timed_out += to == job_state::TIMED_OUT;
  expect_moved(j, why);
  open_delivery(j);
  if (ran) {
    expect_revoke(j);
  }
  trim(std::string{j.id});
}

/// `free_of_charge`: it was not the job's fault, so the attempt does not count.
void job_model::lose(job& j, errc why, bool free_of_charge) {
  j.unclaimed = false;
  j.output.clear();
  discard_chunks(j);
  j.refresh = false;
  j.uncharged_attempts += free_of_charge ? 1 : 0;
  const auto cost = j.attempts - j.uncharged_attempts;
  if (!free_of_charge && j.solo_crashes >= std::max(limits_.solo_crashes_max, 1u)) {
    end(j, job_state::FAILED, cause::poisoned, errc::poison, why);
    return;
  }
  if (cost >= std::max(limits_.max_attempts, 1u)) {
    end(j, job_state::FAILED, cause::attempts_exhausted, errc::max_attempts, why);
    return;
  }
  remember_attempt(j, why);
  auto pause = limits_.retry_base;
  for (std::uint32_t i = 1; i < cost; ++i) {
    pause = std::min(pause * 2, limits_.retry_max);
  }
  j.not_before = free_of_charge ? now_ : now_ + std::min(pause, limits_.retry_max);
  wait(j);
  expect_moved(j, cause::attempt_lost);
}

// ---- what is kept -------------------------------------------------------------------------------

void job_model::forget(const std::string& id) {
  jobs_.remove_if([&](const job& j) { return j.id == id; });
}

/// Erases the oldest ended job of the tenant that has most, never the newest of all.
bool job_model::evict(const std::string& newest, bool dead, bool by_bytes) {
  std::map<std::string, std::size_t> amounts;
  for (const auto& j : jobs_) {
    if (is_final(j.state) && !j.undelivered && (by_bytes || j.dead == dead)) {
      amounts[j.request.policy.tenant] += by_bytes ? bytes_of(j) : 1;
    }
  }
  std::vector<std::pair<std::size_t, std::string>> most;
  for (const auto& [tenant, amount] : amounts) {
    if (amount > 0) {
      most.emplace_back(amount, tenant);
    }
  }
  std::sort(most.rbegin(), most.rend());
  for (const auto& [amount, tenant] : most) {
    if (by_bytes && tenant != most.front().second &&
        amount <= limits_.kept_bytes_max / most.size()) {
      return false;
    }
    const job* victim = nullptr;
    for (const auto& j : jobs_) {
      if (!is_final(j.state) || j.undelivered || j.id == newest ||
          j.request.policy.tenant != tenant || (!by_bytes && j.dead != dead)) {
        continue;
      }
      // By bytes, the dead go last.
      const auto rank = [](const job& one) { return std::tuple{one.dead, one.ended, one.order}; };
      if (victim == nullptr || rank(j) < rank(*victim)) {
        victim = &j;
      }
    }
    if (victim != nullptr) {
      forget(std::string{victim->id});
      return true;
    }
  }
  return false;
}

void job_model::trim(const std::string& newest) {
  const auto kept_of = [&](bool dead) {
    return static_cast<std::size_t>(std::count_if(jobs_.begin(), jobs_.end(), [&](const job& j) {
      return is_final(j.state) && !j.undelivered && j.dead == dead;
    }));
  };
  while (kept_of(true) > std::max<std::size_t>(limits_.dead_max, 1) && evict(newest, true, false)) {
  }
  while (kept_of(false) > std::max<std::size_t>(limits_.kept_jobs_max, 1) &&
         evict(newest, false, false)) {
  }
  const auto bytes = [&] {
    std::size_t all = 0;
    for (const auto& j : jobs_) {
      all += is_final(j.state) ? bytes_of(j) : 0;
    }
    return all;
  };
  while (bytes() > limits_.kept_bytes_max && evict(newest, false, true)) {
  }
}

// ---- deliveries ---------------------------------------------------------------------------------

/// The result of a platform's job goes to the platform, any other one to its webhook.
void job_model::open_delivery(job& j) {
  j.undelivered = j.from_platform();
  if (j.undelivered || (!j.request.webhook.empty() && limits_.hook_tries > 0)) {
    j.hook_open = true;
    j.hook_tries = 0;
    deliver(j);
  }
}

void job_model::deliver(job& j) {
  if (!j.undelivered) {
    j.hook_waits = true;
    follow_hooks();
    return;
  }
  j.hook_out = true;
  j.not_before = now_;
  ++j.hook_tries;
  if (unwanted_) {
    return;
  }
  const auto* e = next_effect();
  expect("deliver " + j.request.origin + " of " + j.id + " " + std::string{to_string(j.state)} +
         " try " + std::to_string(j.hook_tries) + (j.refresh ? " refresh" : ""));
  const auto* d = e == nullptr ? nullptr : std::get_if<deliver_result>(e);
  if (d == nullptr || d->view.id.str() != j.id) {
    return;
  }
  const bool same = std::equal(d->chunks.begin(), d->chunks.end(), j.chunks.begin(), j.chunks.end(),
                               [](const chunk& a, const std::string& b) { return a.view() == b; });
  const auto left = std::max(duration_cast<milliseconds>(deliver_until(j) - now_), milliseconds{0});
  if (!same || d->whole != (j.chunks_read + j.chunks_lost == 0) || d->left != left) {
    wrong("the delivery of " + j.id + " is wrong");
  }
}

void job_model::close_delivery(job& j) {
  j.undelivered = j.hook_open = j.hook_out = false;
}

/// Webhooks are called when webhook_queue has a place for them.
void job_model::follow_hooks() {
  while (done_ != nullptr && at_ < done_->size()) {
    const auto* n = std::get_if<notify>(&(*done_)[at_]);
    if (n == nullptr) {
      return;
    }
    job* j = find_any(n->view.id.str());
    if (j == nullptr || !j->hook_waits) {
      return; // unexplained
    }
    ++at_;
    j->hook_waits = false;
    j->hook_out = true;
    j->not_before = now_;
    j->hook_call = n->call;
    ++j->hook_tries;
    if (!calls_.insert(n->call).second || calls_.size() > limits_.hook_calls.calls_max ||
        n->number != j->hook_tries || n->number > limits_.hook_tries ||
        n->url != j->request.webhook) {
      wrong("it ordered: " + text_of(effect{*n}) + " (call " + std::to_string(n->call) + ")");
    }
    check_view(n->view, *j);
  }
}

void job_model::notified(const std::string& id, std::uint64_t call, hook_answer how) {
  calls_.erase(call); // also of a job that is forgotten, or has begun a new life
  job* j = find_any(id);
  if (j != nullptr && j->hook_out && !j->undelivered && j->hook_call == call) {
    j->hook_out = false;
    j->hook_tries -= how == hook_answer::not_made ? 1 : 0;
    j->hook_open = how != hook_answer::delivered && j->hook_tries < limits_.hook_tries;
    j->not_before = now_ + limits_.hook_pause;
  }
}

void job_model::posted(const std::string& id, bool settled, milliseconds pause) {
  job* j = find_any(id);
  if (j == nullptr || !j->undelivered || (!settled && !j->hook_out)) {
    return;
  }
  auto own = milliseconds{500};
  for (std::uint32_t i = 1; i < j->hook_tries; ++i) {
    own = std::min<milliseconds>(own * 2, seconds{30});
  }
  const auto last = deliver_until(*j) - milliseconds{500};
  if (settled || now_ + own > last) {
    close_delivery(*j);
    trim({});
    return;
  }
  j->hook_out = false;
  j->not_before = std::max(now_ + own, std::min(now_ + pause, last));
}

void job_model::posts_lost() {
  for (auto& j : jobs_) {
    j.hook_out = j.hook_out && !j.undelivered;
  }
}

} // namespace tayfa::testing
