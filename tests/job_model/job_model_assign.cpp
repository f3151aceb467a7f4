// The assignment of attempts to workers, and why a job waits.
#include "tests/job_model/job_model.hpp"

#include "tests/job_model/effect_text.hpp"

#include <algorithm>

namespace tayfa::testing {

using std::chrono::seconds;

// ---- may it be assigned -------------------------------------------------------------------------

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

bool job_model::may_run(const job& j) const {
  return j.state == job_state::IN_QUEUE && !j.sleeping && ttl_end(j) > now_ &&
         !at_quota(j.request.policy.tenant);
}

/// The order of two waiting jobs of one tenant: by priority and deadline, then by submission.
bool job_model::is_before(const job& a, const job& b) const {
  const auto urgency = [this](const job& j) {
    const auto& p = j.request.policy;
    const auto patience = limits_.priority_step * (job_policy::priority_max - p.priority);
    return j.life_began + std::min(p.deadline.value_or(patience), patience);
  };
  return a.request.policy.tenant == b.request.policy.tenant &&
         std::pair{urgency(a), a.order} < std::pair{urgency(b), b.order};
}

bool job_model::worker::takes_more() const {
  return present && !draining && !alone && !changing_until && holds.size() < facts.capacity &&
         (!remote() || hand_overs == facts.hand_overs);
}

/// A suspect runs alone; an engine that runs batches takes the next one when the last has ended.
bool job_model::worker::has_room_for(const job& j) const {
  return takes_more() && serves(j) && ((!j.suspect && !batches()) || holds.empty());
}

bool job_model::fits(const job& j, const worker& w) const {
  const auto& model = j.request.model;
  if (model.empty()) {
    return true;
  }
  const auto known = std::find_if(models_.begin(), models_.end(),
                                  [&](const model_facts& m) { return m.name == model; });
  const auto needs = known == models_.end() ? 0 : known->memory_bytes;
  return (w.facts.model.empty() || w.facts.model == model) &&
         (w.facts.memory_bytes == 0 || needs <= w.facts.memory_bytes);
}

/// The one that holds least, then the one idle longest. A job that was alone in an engine that
/// ended goes elsewhere, if it can.
const job_model::worker* job_model::best_worker(const job& j) const {
  const worker* best = nullptr;
  const worker* last = nullptr;
  for (const auto& w : workers_) {
    if (!w.has_room_for(j) || !fits(j, w)) {
      continue;
    }
    if (j.solo_crashes > 0 && j.holder.incarnation != 0 && w.ref.place() == j.holder.place()) {
      last = &w;
    } else if (best == nullptr ||
               std::pair{w.holds.size(), w.since} < std::pair{best->holds.size(), best->since}) {
      best = &w;
    }
  }
  return best != nullptr ? best : last;
}

std::size_t job_model::waiting_in(const group_key& group) const {
  return static_cast<std::size_t>(std::count_if(jobs_.begin(), jobs_.end(), [&](const job& j) {
    return j.state == job_state::IN_QUEUE && !j.sleeping && group_of(j) == group;
  }));
}

std::uint32_t job_model::batch_most(const job& j, const worker& w) const {
  if (!w.batches() || j.suspect) {
    return 1;
  }
  return limits_.batch_max == 0 ? w.facts.batch_max
                                : std::min(limits_.batch_max, w.facts.batch_max);
}

/// The job's batch waits for further members.
bool job_model::fills(const job& j, const worker& w) const {
  const auto most = batch_most(j, w);
  return most > 1 && now_ < std::max(j.life_began, j.not_before) + limits_.batch_delay &&
         waiting_in(group_of(j)) < most;
}

// ---- assignment ---------------------------------------------------------------------------------

/// Follows the table's decision. All attempts that it gives to a remote worker are one hand-over.
void job_model::assign() {
  batch_due_.reset();
  filling_.clear();
  if (stopping_) {
    return;
  }
  for (auto& w : workers_) {
    if (w.changing_until && now_ >= *w.changing_until) {
      w.changing_until.reset();
    }
  }
  while (const auto* e = next_effect()) {
    const auto* m = std::get_if<moved>(e);
    if (m != nullptr && m->why == cause::assigned) {
      follow_run();
    } else if (m != nullptr && m->why == cause::ttl_expired) {
      job* j = find_any(m->view.id.str());
      if (j == nullptr || j->state != job_state::IN_QUEUE || ttl_end(*j) > now_) {
        return; // unexplained
      }
      end(*j, job_state::TIMED_OUT, cause::ttl_expired, errc::ttl_expired);
    } else if (const auto* c = std::get_if<change_worker_model>(e)) {
      follow_change(*c);
    } else {
      break;
    }
    if (!wrong_.empty()) {
      return;
    }
  }
  for (auto& w : workers_) {
    w.hand_overs += std::exchange(w.handing_over, false) ? 1 : 0;
  }
  if (alike_) {
    check_that_all_run();
  }
}

/// A job and, on an engine that runs batches, others of its group. They follow each other.
void job_model::follow_run() {
  const std::string id = std::get<moved>((*done_)[at_]).view.id.str();
  job* const first = find_any(id);
  const auto* g =
      at_ + 1 < done_->size() ? std::get_if<assign_attempt>(&(*done_)[at_ + 1]) : nullptr;
  worker* const w = g == nullptr ? nullptr : worker_of(g->worker);
  if (first == nullptr || w == nullptr) {
    wrong(id + " is assigned to no known worker");
    return;
  }
  const auto group = group_of(*first);
  const auto size = g->message.batch_size;
  const auto most = batch_most(*first, *w);
  if (!w->has_room_for(*first)) {
    wrong(to_string(w->ref) + " has no room for " + id);
  }
  if (size > most || (fills(*first, *w) && !sizes_are_learned())) {
    wrong("a batch of " + std::to_string(size) + " for " + id);
  }
  for (const auto& other : jobs_) {
    if (alike_ && may_run(other) && is_before(other, *first)) {
      pass_over(other, " is more urgent than " + id);
    }
  }
  if (is_filling(group) && !sizes_are_learned()) {
    wrong("the batch of " + id + " was to wait for further members");
  }
  if (alike_ && best_worker(*first) != w) {
    wrong(to_string(w->ref) + " is not the best worker for " + id);
  }
  w->alone = first->suspect;
  std::vector<job*> members;
  while (members.size() < size && wrong_.empty()) {
    const auto* e = next_effect();
    const auto* m = e == nullptr ? nullptr : std::get_if<moved>(e);
    job* j = m == nullptr ? nullptr : find_any(m->view.id.str());
    if (j == nullptr || !(group_of(*j) == group)) {
      wrong("the batch of " + id + " has too few members");
    } else if (m->why == cause::ttl_expired && j->state == job_state::IN_QUEUE &&
               ttl_end(*j) <= now_) {
      end(*j, job_state::TIMED_OUT, cause::ttl_expired, errc::ttl_expired);
    } else if (assign_one(*j, *w, size)) {
      members.push_back(j);
    }
  }
  for (job* j : members) {
    j->in_batch = members.size() > 1;
  }
  const bool more = std::any_of(jobs_.begin(), jobs_.end(),
                                [&](const job& j) { return may_run(j) && group_of(j) == group; });
  if (size < most && more && !sizes_are_learned()) {
    wrong("the batch of " + id + " could be larger");
  }
}

bool job_model::assign_one(job& j, worker& w, std::uint32_t size) {
  if (!may_run(j) || !w.serves(j) || !fits(j, w) || w.holds.size() >= w.facts.capacity) {
    wrong(j.id + " must not run on " + to_string(w.ref));
    return false;
  }
  for (const auto& other : jobs_) {
    if (may_run(other) && group_of(other) == group_of(j) && is_before(other, j)) {
      wrong(other.id + " is more urgent than " + j.id + " of its kind");
    }
  }
  j.state = job_state::IN_PROGRESS;
  ++j.attempts;
  counts_.retried += j.attempts > 1;
  j.holder = w.ref;
  j.lasting = w.facts.lasting_name;
  j.streamed = false;
  j.assigned = now_;
  j.lease_end = w.facts.steps || w.facts.lease.count() > 0 ? now_ + lease_of(w) : moment::max();
  j.began.reset();
  j.progress_seen = j.chunk_seen = 0;
  w.since = ++ticks_;
  w.handing_over = w.remote();
  w.holds.push_back({job_id{j.id}, j.attempts});
  expect_moved(j, cause::assigned);
  const auto* e = next_effect();
  expect("give " + to_string(w.holds.back()) + " to " + to_string(w.ref) +
         (size > 1 ? " of " + std::to_string(size) : ""));
  const auto* g = e == nullptr ? nullptr : std::get_if<assign_attempt>(e);
  if (g != nullptr) {
    const bool input = g->stored_input == 0 ? g->message.input == j.request.input
                                            : g->stored_input == j.order && j.stored;
    if (!input || g->message.model != j.request.model ||
        g->message.s3_config != j.request.s3_config ||
        g->hand_over != (w.remote() ? w.hand_overs + 1 : 0)) {
      wrong("the attempt of " + j.id + " is not what was asked for");
    }
  }
  return wrong_.empty();
}

/// An idle engine is to load a model that a waiting job needs.
void job_model::follow_change(const change_worker_model& c) {
  ++at_;
  auto* w = worker_of(c.worker);
  const bool wanted = std::any_of(jobs_.begin(), jobs_.end(), [&](const job& j) {
    return may_run(j) && j.request.model == c.model;
  });
  if (w == nullptr || !wanted || !w->facts.can_change || !w->holds.empty() || w->draining ||
      w->changing_until || w->facts.model == c.model) {
    wrong("it ordered: " + text_of(effect{c}));
    return;
  }
  w->changing_until = now_ + seconds{60};
}

/// A decision looks once at the first job of each group. It passes over the group when no worker
/// has room, or when the batch fills on the worker that is best then; also if that one is taken
/// later in the decision by a job that does not fill.
void job_model::pass_over(const job& j, const std::string& fault) {
  const auto group = group_of(j);
  const bool is_head = std::none_of(jobs_.begin(), jobs_.end(), [&](const job& other) {
    return may_run(other) && is_before(other, j) && group_of(other) == group;
  });
  const auto* w = is_head && !is_filling(group) ? best_worker(j) : nullptr;
  if (w != nullptr && fills(j, *w)) {
    const auto patience = std::max(j.life_began, j.not_before) + limits_.batch_delay;
    batch_due_ = std::min(batch_due_.value_or(patience), patience);
    filling_.push_back(group);
  } else if (w != nullptr) {
    wrong(j.id + fault);
  }
}

bool job_model::is_filling(const group_key& group) const {
  return std::count(filling_.begin(), filling_.end(), group) != 0;
}

void job_model::check_that_all_run() {
  for (const auto& j : jobs_) {
    if (may_run(j)) {
      pass_over(j, " waits although a worker has room");
    }
  }
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
  if (is_filling(group_of(j))) {
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
