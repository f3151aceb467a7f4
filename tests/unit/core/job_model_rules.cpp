// The model's rules: a job's transitions, and the assignment of attempts.
#include "tests/unit/core/job_model.hpp"

#include <algorithm>

namespace tayfa::testing {

using std::chrono::duration_cast;

// ---- moments ------------------------------------------------------------------------------------

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
moment job_model::urgency(const job& j) const {
  const auto by_priority =
      j.life_began + limits_.priority_step * (job_policy::priority_max - j.request.policy.priority);
  return j.request.policy.deadline
             ? std::min(by_priority, j.life_began + *j.request.policy.deadline)
             : by_priority;
}
moment job_model::due(const job& j) const {
  if (j.state == job_state::IN_QUEUE) {
    return j.sleeping ? std::min(j.not_before, ttl_end(j)) : ttl_end(j);
  }
  if (j.state == job_state::IN_PROGRESS) {
    return std::min({ttl_end(j), run_end(j), j.lease_end});
  }
  if (j.hook_open) {
    return j.hook_out ? moment::max() : j.not_before;
  }
  if (limits_.forget_step.count() == 0) {
    return forget_at(j);
  }
  moment tick{}; // the first one after it
  const auto whole = (forget_at(j) - tick) / limits_.forget_step;
  return tick + limits_.forget_step * (whole + 1);
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

// ---- ends ---------------------------------------------------------------------------------------

void job_model::remember_attempt(job& j, std::optional<errc> why) {
  j.history.emplace_back(j.attempts, why);
  if (j.history.size() > limits_.history_max) {
    j.history.erase(j.history.begin());
  }
}

void job_model::end(moment now, job& j, job_state to, cause why, std::optional<errc> failure,
                    std::optional<errc> of_attempt) {
  const bool ran = j.state == job_state::IN_PROGRESS;
  j.state = to;
  j.sleeping = false;
  j.ended = now;
  j.failure = failure;
  j.dead = !j.taken() && (why == cause::attempts_exhausted || why == cause::poisoned);
  if (ran) {
    const auto reason = to == job_state::CANCELLED ? std::optional{errc::cancelled} : failure;
    remember_attempt(j, of_attempt ? of_attempt : reason);
    j.delay = j.delay.value_or(duration_cast<milliseconds>(j.assigned - j.life_began));
    j.execution = duration_cast<milliseconds>(now - j.began.value_or(j.assigned));
  }
  if (to != job_state::COMPLETED) {
    j.output.clear();
  }
  if (to == job_state::CANCELLED) {
    j.gone += j.chunks.size();
    j.chunks.clear();
  }
  if (to == job_state::COMPLETED || (to == job_state::CANCELLED && !j.taken())) {
    j.input_bytes = 0;
  }
  counts_.completed += to == job_state::COMPLETED;
  counts_.failed += to == job_state::FAILED;
  counts_.cancelled += to == job_state::CANCELLED;
  counts_.timed_out += to == job_state::TIMED_OUT;
  say_moved(j, why);
  j.undelivered = j.taken();
  if (j.undelivered || (!j.request.webhook.empty() && limits_.hook_tries > 0)) {
    j.hook_open = true;
    j.hook_tries = 0;
    tell_hook(now, j);
  }
  if (ran) {
    say_revoke(j);
  }
  trim(std::string{j.id});
}

/// Erases one tenant's oldest ended job, never the newest of all.
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
      const bool may_go = is_final(j.state) && !j.undelivered && (by_bytes || j.dead == dead) &&
                          j.request.policy.tenant == tenant && j.id != newest;
      if (may_go &&
          (victim == nullptr || std::tuple{j.dead, j.ended, j.order} <
                                    std::tuple{victim->dead, victim->ended, victim->order})) {
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

/// The jobs behind it move: no reference to a job outlives this.
void job_model::forget(const std::string& id) {
  std::erase_if(jobs_, [&](const job& j) { return j.id == id; });
}

// ---- losses -------------------------------------------------------------------------------------

void job_model::wait(moment now, job& j) {
  j.state = job_state::IN_QUEUE;
  j.sleeping = now < j.not_before;
}

void job_model::lose(moment now, job& j, errc why, bool free_of_charge) {
  j.output.clear();
  j.gone += j.chunks.size();
  j.chunks.clear();
  j.refresh = false;
  j.uncharged_attempts += free_of_charge ? 1 : 0;
  const auto cost = j.attempts - j.uncharged_attempts;
  if (!free_of_charge && j.solo_crashes >= limits_.solo_crashes_max) {
    end(now, j, job_state::FAILED, cause::poisoned, errc::poison, why);
    return;
  }
  if (cost >= limits_.max_attempts) {
    end(now, j, job_state::FAILED, cause::attempts_exhausted, errc::max_attempts, why);
    return;
  }
  remember_attempt(j, why);
  auto pause = limits_.retry_base;
  for (std::uint32_t i = 1; i < cost; ++i) {
    pause = std::min(pause * 2, limits_.retry_max);
  }
  j.not_before = free_of_charge ? now : now + std::min(pause, limits_.retry_max);
  wait(now, j);
  say_moved(j, cause::attempt_lost);
}

void job_model::lose_all_of(moment now, worker& w, errc why, bool from_outside) {
  std::vector<std::string> mine;
  for (auto& j : jobs_) {
    if (j.state == job_state::IN_PROGRESS && j.holder == w.ref) {
      mine.push_back(j.id);
      if (!from_outside &&
          (why == errc::engine_crash || why == errc::engine_hang || why == errc::engine_protocol)) {
        j.suspect = true;
        j.solo_crashes += w.holds.size() == 1;
      }
    }
  }
  w.present = false;
  w.holds.clear();
  for (const auto& id : mine) {
    lose(now, *find(id), why, why == errc::unavailable);
  }
}

// ---- assignment ---------------------------------------------------------------------------------

group_key job_model::group_of(const job& j) {
  return {j.request.model, j.request.shape, j.suspect, j.request.endpoint};
}

bool job_model::at_quota(const std::string& tenant) const {
  const auto known = limits_.tenants.find(tenant);
  const auto& terms = known != limits_.tenants.end() ? known->second : limits_.other_tenants;
  const auto running = std::count_if(jobs_.begin(), jobs_.end(), [&](const job& j) {
    return j.state == job_state::IN_PROGRESS && j.request.policy.tenant == tenant;
  });
  return terms.running_max > 0 && running >= static_cast<std::ptrdiff_t>(terms.running_max);
}

/// The first job of each tenant that may be served.
std::vector<job_model::job*> job_model::heads(const std::vector<group_key>& passed,
                                              const group_key* only) {
  std::map<std::string, job*> first;
  for (auto& j : jobs_) {
    const auto group = group_of(j);
    if (j.state != job_state::IN_QUEUE || j.sleeping || at_quota(j.request.policy.tenant) ||
        std::count(passed.begin(), passed.end(), group) != 0 ||
        (only != nullptr && group != *only)) {
      continue;
    }
    job*& head = first[j.request.policy.tenant];
    if (head == nullptr ||
        std::pair{urgency(j), j.order} < std::pair{urgency(*head), head->order}) {
      head = &j;
    }
  }
  std::vector<job*> all;
  for (const auto& [tenant, j] : first) {
    all.push_back(j);
  }
  return all;
}

/// The order of tenants is not modelled: this is the real table's next job if it is one of the
/// heads; else its tenant's head, which no worker can serve and which is passed over.
job_model::job* job_model::next(moment now, const std::vector<group_key>& passed,
                                const group_key* only) {
  const auto all = heads(passed, only);
  for (const auto& id : hinted_) {
    const job* wanted = find(id);
    for (job* j : all) {
      const bool in_its_way = only == nullptr && wanted != nullptr &&
                              j->request.policy.tenant == wanted->request.policy.tenant;
      if (j == wanted || in_its_way) {
        return j;
      }
    }
  }
  for (job* j : all) {
    if (only == nullptr && ttl_end(*j) > now && free_worker(j) == nullptr) {
      return j;
    }
  }
  return all.empty() ? nullptr : all.front();
}

bool job_model::worker::has_room_for(const job& j) const {
  const bool whole = j.suspect || facts.batch_max > 1;
  return may_be_given() && serves(j) && (!whole || holds.empty());
}

/// The one that holds least, then the one idle longest. A job that was alone in an engine that
/// ended goes elsewhere, if it can.
job_model::worker* job_model::free_worker(const job* j) {
  worker* best = nullptr;
  worker* last = nullptr;
  for (auto& w : workers_) {
    if (j == nullptr || !w.has_room_for(*j)) {
      continue;
    }
    if (j->solo_crashes > 0 && j->holder.incarnation != 0 && w.ref.place() == j->holder.place()) {
      last = &w;
    } else if (best == nullptr ||
               std::pair{w.holds.size(), w.since} < std::pair{best->holds.size(), best->since}) {
      best = &w;
    }
  }
  return best != nullptr ? best : last;
}

std::uint32_t job_model::batch_size(const job& j, const worker& w) {
  if (w.facts.batch_max <= 1 || j.suspect) {
    return 1;
  }
  const auto size = std::min(std::max<std::uint32_t>(limits_.batch_max, 1), w.facts.batch_max);
  if (!out_of_memory_) {
    return size;
  }
  for (const auto& [id, hinted] : hinted_sizes_) {
    if (id == j.id) {
      return std::min(hinted, size);
    }
  }
  return size;
}

/// All attempts that one decision gives to a remote worker form one hand-over.
void job_model::assign(moment now) {
  serve(now);
  for (auto& w : workers_) {
    w.hand_overs += w.handing_over && w.remote() ? 1 : 0;
    w.handing_over = false;
  }
}

void job_model::serve(moment now) {
  batch_due_.reset();
  filling_.clear();
  auto passed = filling_;
  while (!stopping_) {
    // A worker with a batch smaller than its limit has no room either, but is considered.
    const bool asked = std::any_of(workers_.begin(), workers_.end(),
                                   [](const worker& one) { return one.may_be_given(); });
    job* j = next(now, passed);
    worker* w = free_worker(j);
    if (!asked || j == nullptr) {
      return;
    }
    const auto group = group_of(*j);
    if (ttl_end(*j) <= now && std::count(hinted_.begin(), hinted_.end(), j->id) == 0) {
      passed.push_back(group); // before it came to this job, for the sake of another tenant's
      continue;
    }
    if (ttl_end(*j) <= now) {
      end(now, *j, job_state::TIMED_OUT, cause::ttl_expired, errc::ttl_expired);
      continue;
    }
    if (w == nullptr) {
      passed.push_back(group);
      continue;
    }
    const auto size = batch_size(*j, *w);
    const auto waiting = std::count_if(jobs_.begin(), jobs_.end(), [&](const job& other) {
      return other.state == job_state::IN_QUEUE && !other.sleeping && group_of(other) == group;
    });
    const auto patience = std::max(j->life_began, j->not_before) + limits_.batch_delay;
    if (size > 1 && limits_.batch_delay.count() > 0 && now < patience && waiting < size) {
      batch_due_ = std::min(batch_due_.value_or(patience), patience);
      filling_.push_back(group);
      passed.push_back(group);
      continue;
    }
    give_run(now, *j, *w, size);
  }
}

void job_model::give_run(moment now, job& first, worker& w, std::uint32_t size) {
  const auto group = group_of(first);
  const auto before = words_.size();
  std::vector<std::string> members{first.id};
  w.alone = first.suspect;
  give_one(now, first, w);
  while (members.size() < size) {
    job* j = next(now, {}, &group);
    if (j == nullptr) {
      break;
    }
    if (ttl_end(*j) <= now) {
      end(now, *j, job_state::TIMED_OUT, cause::ttl_expired, errc::ttl_expired);
      continue;
    }
    members.push_back(j->id);
    give_one(now, *j, w);
  }
  for (const auto& id : members) {
    job* j = find(id);
    j->in_batch = members.size() > 1;
    if (j->in_batch) {
      const auto words =
          "give " + to_string(attempt_ref{job_id{id}, j->attempts}) + " to " + to_string(w.ref);
      words_.insert(words_.find(words, before) + words.size(),
                    " of " + std::to_string(members.size()));
    }
  }
}

void job_model::give_one(moment now, job& j, worker& w) {
  j.state = job_state::IN_PROGRESS;
  ++j.attempts;
  counts_.retried += j.attempts > 1;
  j.holder = w.ref;
  j.assigned = now;
  const auto lease = w.facts.lease.count() > 0 ? w.facts.lease : limits_.lease;
  j.lease_end = w.facts.steps || w.facts.lease.count() > 0 ? now + lease : moment::max();
  j.began.reset();
  j.progress_seen = j.chunk_seen = 0;
  w.since = ++ticks_;
  w.handing_over = true;
  w.holds.push_back({job_id{j.id}, j.attempts});
  say_moved(j, cause::assigned);
  say("give " + to_string(w.holds.back()) + " to " + to_string(w.ref));
}

} // namespace tayfa::testing
