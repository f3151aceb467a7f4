// The model's platforms: pending deliveries, stopped and repeated jobs; and the wait reasons shown
// to people.
#include "tests/unit/core/job_model.hpp"

#include <algorithm>

namespace tayfa::testing {

using std::chrono::minutes;
using std::chrono::seconds;

std::string job_model::given_again(moment now, job& given, bool watch) {
  const auto id = given.id;
  if (given.undelivered && !given.hook_out) {
    tell_hook(now, given);
  } else if (!given.undelivered &&
             (given.state == job_state::COMPLETED || given.failure == errc::store_corrupt)) {
    given.keep_until = std::max(given.keep_until, now + minutes{10});
    given.undelivered = given.hook_open = true;
    given.hook_tries = 0;
    tell_hook(now, given);
  } else if (!given.undelivered && is_final(given.state)) {
    if (const auto why = no_room(given.request, given.input_bytes)) {
      return std::string{to_string(*why)};
    }
    revive(now, given);
    assign(now);
  }
  find(id)->watch = find(id)->watch || watch;
  const auto orders = take();
  return "again " + id + (orders.empty() ? "" : "; " + orders);
}

void job_model::revive(moment now, job& j) {
  ++j.lives;
  j.uncharged_attempts = j.attempts;
  j.suspect = j.suspect || j.solo_crashes > 0;
  j.solo_crashes = 0;
  j.dead = j.hook_open = j.hook_out = j.refresh = false;
  j.life_began = j.not_before = now;
  j.gone += j.chunks.size();
  j.chunks.clear();
  j.failure.reset();
  j.delay.reset();
  j.delay_unsure = false;
  j.execution.reset();
  wait(now, j);
}

std::uint32_t job_model::last_held_of(const std::string& id) const {
  std::uint32_t last = 0;
  for (const auto& w : workers_) {
    for (const auto& a : w.holds) {
      last = a.job.str() == id ? std::max(last, a.number) : last;
    }
  }
  return last;
}

/// The job joins the ended ones, behind those that ended at the same moment.
void job_model::close_delivery(job& j) {
  j.undelivered = j.hook_open = j.hook_out = false;
}

void job_model::posted(moment now, const std::string& id, bool settled, milliseconds pause) {
  job* j = find(id);
  if (j == nullptr || !j->undelivered || (!settled && !j->hook_out)) {
    return;
  }
  auto own = milliseconds{500};
  for (std::uint32_t i = 1; i < j->hook_tries; ++i) {
    own = std::min<milliseconds>(own * 2, seconds{30});
  }
  const auto last =
      std::max({ttl_end(*j), j->ended + minutes{10}, j->keep_until}) - milliseconds{500};
  if (settled || now + own > last) {
    close_delivery(*j);
    trim({});
    return;
  }
  j->hook_out = false;
  j->not_before = std::max(now + own, std::min(now + pause, last));
}

void job_model::posts_lost() {
  for (auto& j : jobs_) {
    if (j.undelivered && j.hook_out) {
      j.hook_out = false;
    }
  }
}

void job_model::keep(moment now, const std::string& id, milliseconds time) {
  if (job* j = find_kept(now, id)) {
    j->keep_until = std::max(j->keep_until, now + time);
  }
}

std::size_t job_model::live_of_platforms() const {
  return static_cast<std::size_t>(std::count_if(
      jobs_.begin(), jobs_.end(), [](const job& j) { return j.taken() && !is_final(j.state); }));
}

std::size_t job_model::undelivered() const {
  return live_of_platforms() +
         static_cast<std::size_t>(
             std::count_if(jobs_.begin(), jobs_.end(), [](const job& j) { return j.undelivered; }));
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

// ---- why a job waits ----------------------------------------------------------------------------

/// `looked_at`: the last decision has passed over its group, because no worker could serve it.
wait_reason job_model::why_waits(const job& j, bool looked_at) const {
  if (j.state != job_state::IN_QUEUE) {
    return wait_reason::none;
  }
  if (stopping_) {
    return wait_reason::stopping;
  }
  if (j.sleeping) {
    return j.attempts > j.uncharged_attempts ? wait_reason::backoff : wait_reason::delayed;
  }
  if (at_quota(j.request.policy.tenant)) {
    return wait_reason::quota;
  }
  if (std::count(filling_.begin(), filling_.end(), group_of(j)) != 0) {
    return wait_reason::batch_filling;
  }
  bool local = false;
  bool any = false;
  for (const auto& w : workers_) {
    const bool there = w.present && !w.draining && w.serves(j);
    any = any || there;
    local = local || (there && !w.remote());
  }
  if (!any) {
    return wait_reason::no_worker;
  }
  if (looked_at) {
    return local ? wait_reason::worker_reserved : wait_reason::workers_busy;
  }
  return j.suspect ? wait_reason::isolation : wait_reason::workers_busy;
}

/// With remote workers, a free one may be unusable for the job, and whether the last decision
/// reached the job depends on the order of tenants.
bool job_model::may_wait_for(const job& j, wait_reason why) const {
  return why == why_waits(j, false) || (has_remote() && why == why_waits(j, true));
}

} // namespace tayfa::testing
