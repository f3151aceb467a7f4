#include "runtime/core/workers/worker_pool.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

namespace tayfa {

namespace {

/// Highest charge for a restart: a slot may have been drained meanwhile.
constexpr double restart_most_ms = 60'000;
constexpr double restart_weight = 0.25; ///< of the latest one in what is expected

double ms_between(moment from, moment to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

} // namespace

worker_pool::worker_pool(std::uint32_t batch_max, milliseconds batch_delay)
    : sizes_(batch_max), batch_delay_(batch_delay) {}

// ---- who there is -------------------------------------------------------------------------------

worker_pool::arrival worker_pool::arrives(worker_ref ref) const {
  const auto* w = find(ref.place());
  if (w == nullptr) {
    return arrival::next;
  }
  if (ref.incarnation < w->ref.incarnation) {
    return arrival::stale;
  }
  return w->present && w->ref == ref ? arrival::again : arrival::next;
}

void worker_pool::updated(moment now, worker_ref ref, const worker_facts& facts) {
  pool_worker& w = *find(ref.place());
  w.draining = false;
  w.facts.capacity = w.facts.elastic ? facts.capacity : w.facts.capacity;
  w.facts.hand_overs = facts.hand_overs;
  update(now, w);
}

bool worker_pool::joined(moment now, worker_ref ref, worker_facts facts, fair_queue& charged) {
  const auto most = std::max<std::uint32_t>(facts.capacity, 1);
  facts.capacity = facts.elastic ? facts.capacity : most;
  // No batch could be had from a capacity that changes.
  facts.batch_max = facts.elastic ? 1 : std::clamp<std::uint32_t>(facts.batch_max, 1, most);
  pool_worker& w = workers_[ref.place()];
  settle_blame(now, w, charged);
  changing_.erase(ref.place());
  const auto wished = std::exchange(w.changing_to, {});
  if (!wished.empty() && facts.model == wished) {
    times_.loaded(facts.model, facts.device, ms_between(w.change_asked, now));
    models_.loaded(wished);
  }
  index_.remove(w);
  local_capacity_ -= w.counted_capacity;
  w = pool_worker{};
  w.ref = ref;
  w.facts = std::move(facts);
  if (!w.facts.name.empty()) {
    w.name = std::make_shared<const std::string>(w.facts.name);
  }
  if (!w.facts.lasting_name.empty()) {
    w.lasting = std::make_shared<const std::string>(w.facts.lasting_name);
  }
  w.present = true;
  w.since = ++ticks_;
  w.occupied_at = now;
  if (w.facts.batches()) {
    sizes_.engine_new(w.facts.device);
  }
  update(now, w);
  return !wished.empty() && w.facts.model != wished &&
         wish_failed(now, wished, error{errc::internal, "the engine came back with another model"});
}

void worker_pool::lost(moment now, pool_worker& w, std::vector<std::string> blamed,
                       fair_queue& charged) {
  w.blamed.insert(w.blamed.end(), std::make_move_iterator(blamed.begin()),
                  std::make_move_iterator(blamed.end()));
  if (!w.blamed.empty()) {
    // Until the next engine is there, what it will have cost is guessed; so the next turn is
    // another tenant's already now.
    w.gone_at = now;
    w.blamed_ms = restart_ms_ / static_cast<double>(w.blamed.size());
    for (const auto& tenant : w.blamed) {
      charged.expect_also(tenant, w.blamed_ms);
    }
  }
  held_ -= w.holds.size();
  w.present = false;
  w.holds.clear();
  w.alone = false;
  w.members = 0;
  update(now, w);
}

/// The next engine is there.
void worker_pool::settle_blame(moment now, const pool_worker& before, fair_queue& charged) {
  if (before.blamed.empty() || before.present) {
    return;
  }
  const auto took = std::clamp(ms_between(before.gone_at, now), 0.0, restart_most_ms);
  restart_ms_ += (took - restart_ms_) * restart_weight;
  const auto each = took / static_cast<double>(before.blamed.size());
  for (const auto& tenant : before.blamed) {
    charged.settle_also(tenant, before.blamed_ms, each);
  }
}

void worker_pool::forget(worker_place at) {
  const auto entry = workers_.find(at);
  if (entry == workers_.end() || entry->second.present ||
      !entry->second.facts.forgotten_when_gone) {
    return;
  }
  index_.remove(entry->second);
  changing_.erase(at);
  workers_.erase(entry);
}

void worker_pool::drain(moment now, pool_worker& w) {
  w.draining = true;
  update(now, w);
}

pool_worker* worker_pool::find(worker_place at) {
  return const_cast<pool_worker*>(std::as_const(*this).find(at));
}

const pool_worker* worker_pool::find(worker_place at) const {
  const auto entry = workers_.find(at);
  return entry == workers_.end() ? nullptr : &entry->second;
}

pool_worker* worker_pool::present(worker_ref ref) {
  return const_cast<pool_worker*>(std::as_const(*this).present(ref));
}

const pool_worker* worker_pool::present(worker_ref ref) const {
  const auto* w = find(ref.place());
  return w != nullptr && w->present && w->ref == ref ? w : nullptr;
}

std::uint32_t worker_pool::last_held_of(const job_id& id, std::size_t current) const {
  std::uint32_t last = 0;
  if (held_ <= current) {
    return last; // they hold nothing of jobs that are not known
  }
  for (const auto& [place, w] : workers_) {
    const auto beyond = w.holds.upper_bound({id, std::numeric_limits<std::uint32_t>::max()});
    if (beyond != w.holds.begin() && std::prev(beyond)->first.job == id) {
      last = std::max(last, std::prev(beyond)->first.number);
    }
  }
  return last;
}

/// After a change of its facts, presence or model.
void worker_pool::update(moment now, pool_worker& w) {
  index_.update(now, w);
  const bool counts = w.present && !w.draining && w.ref.node == this_node;
  local_capacity_ -= w.counted_capacity;
  w.counted_capacity = counts ? w.facts.capacity : 0;
  local_capacity_ += w.counted_capacity;
}

// ---- models -------------------------------------------------------------------------------------

bool worker_pool::model_refused(moment now, const std::string& model, const error& why) {
  for (const auto& at : std::set<worker_place>{changing_}) {
    pool_worker& w = *find(at);
    if (!w.present && w.changing_to == model) {
      w.changing_to.clear(); // its next engine has another one
      changing_.erase(at);
      update(now, w);
    }
  }
  return wish_failed(now, model, why);
}

bool worker_pool::wish_failed(moment now, const std::string& model, const error& why) {
  const auto* trouble = models_.refused(now, model, why);
  if (trouble != nullptr && !trouble->broken) {
    look_again_at(trouble->again_at);
  }
  return trouble != nullptr && trouble->broken;
}

// ---- attempts -----------------------------------------------------------------------------------

/// Sums up what it has held until now; before each change of that.
void worker_pool::occupy(moment now, pool_worker& w) {
  w.occupied_ms += static_cast<double>(w.holds.size()) * ms_between(w.occupied_at, now);
  w.occupied_at = now;
}

void worker_pool::begin_run(moment now, pool_worker& w, const needs& job, std::uint32_t planned) {
  w.run = {job.model, job.shape, w.facts.device};
  w.run_clean = true;
  w.run_began = now;
  w.members = planned;
  w.alone = job.alone;
}

std::uint64_t worker_pool::hold(moment now, pool_worker& w, const attempt_ref& attempt,
                                std::size_t input_bytes) {
  occupy(now, w);
  const auto held = static_cast<std::uint32_t>(w.holds.size());
  const auto members = w.shares_engine() ? held + 1 : w.members;
  if (w.one_run() && held > 0) {
    w.holds.emplace(attempt, w.holds.begin()->second); // a member of the same run
  } else {
    w.holds.emplace(attempt, held_attempt{now, times_.expect(w.run, members), w.occupied_ms});
  }
  ++held_;
  w.since = ++ticks_;
  if (!w.facts.pulls) {
    return 0;
  }
  if (!std::exchange(w.handing_over, true)) {
    handing_over_.push_back(&w);
  }
  w.hand_over_bytes += input_bytes;
  return w.hand_overs + 1;
}

void worker_pool::claim(moment now, pool_worker& w, const needs& job, const attempt_ref& attempt) {
  occupy(now, w);
  work_kind kind{job.model, job.shape, w.facts.device};
  const auto held = static_cast<std::uint32_t>(w.holds.size());
  held_attempt begun{now, times_.expect(kind, w.shares_engine() ? held + 1 : 1), w.occupied_ms};
  begun.claimed = true;
  if (held == 0 || !w.one_run()) {
    w.run = std::move(kind);
    w.run_began = now;
  }
  w.run_clean = false; // its length is not known
  w.holds.emplace(attempt, std::move(begun));
  ++held_;
  w.since = ++ticks_;
  w.alone = job.alone && held == 0;
  w.members = w.one_run() ? held + 1 : 0;
  index_.update_load(now, w);
}

void worker_pool::begun(moment now, pool_worker& w, std::uint32_t members) {
  w.members = w.one_run() ? members : 0;
  index_.update_load(now, w);
}

bool worker_pool::ended(moment now, pool_worker& w, const attempt_ref& attempt, const ending& how) {
  const auto entry = w.holds.find(attempt);
  if (entry == w.holds.end()) {
    return false;
  }
  occupy(now, w);
  const auto held = entry->second;
  w.holds.erase(entry);
  --held_;
  w.since = ++ticks_;
  learn(now, w, held, how);
  if (w.holds.empty()) {
    w.alone = false;
    w.members = 0;
  }
  index_.update_load(now, w);
  return true;
}

/// Learns a run's duration for later decisions. A batch is one run, over when its last member is.
void worker_pool::learn(moment now, pool_worker& w, const held_attempt& held, const ending& how) {
  if (how.out_of_memory && w.members > 1) {
    sizes_.out_of_memory(w.run, w.members);
  }
  if (w.members == 0) { // several independent attempts
    if (how.completed && how.kind && !held.claimed) {
      const double lasted = ms_between(held.began, now);
      const double mean = lasted > 0 ? (w.occupied_ms - held.occupied_ms) / lasted : 1;
      const auto members = w.shares_engine()
                               ? static_cast<std::uint32_t>(std::lround(std::clamp(mean, 1.0, 1e6)))
                               : 1U;
      times_.ran(*how.kind, members, ms_between(how.began, now));
    }
    return;
  }
  w.run_clean = w.run_clean && how.completed;
  if (w.holds.empty() && w.run_clean) {
    const double took = ms_between(w.run_began, now);
    times_.ran(w.run, w.members, took);
    sizes_.ran(w.run, w.members, took);
  }
}

void worker_pool::let_go(moment now, const job_id& id) {
  for (auto& [place, w] : workers_) {
    const auto first = w.holds.lower_bound({id, 0});
    auto beyond = first;
    while (beyond != w.holds.end() && beyond->first.job == id) {
      ++beyond;
    }
    if (first == beyond) {
      continue;
    }
    occupy(now, w);
    held_ -= static_cast<std::size_t>(std::distance(first, beyond));
    w.holds.erase(first, beyond);
    if (w.holds.empty()) {
      w.alone = false;
      w.members = 0;
    }
    index_.update_load(now, w);
  }
}

// ---- why jobs wait, and audit -------------------------------------------------------------------

worker_pool::waits_seen worker_pool::look() const {
  waits_seen seen;
  for (const auto& [key, c] : index_.classes()) {
    if (c.present > 0 && key.endpoint.empty()) {
      seen.any = true;
    } else if (c.present > 0) {
      seen.endpoints.insert(key.endpoint);
    }
  }
  for (const auto& at : changing_) {
    seen.loading.insert(find(at)->changing_to);
  }
  return seen;
}

bool worker_pool::runs_now(const pool_worker& w, const needs& job) const {
  const auto& has = w.facts.model;
  return w.at.in != nullptr && serves(*w.at.in->key, job) && w.has_room() &&
         (!job.alone || w.holds.empty()) && (has.empty() || job.model.empty() || has == job.model);
}

std::vector<std::string> worker_pool::audit() const {
  std::vector<std::string> broken;
  std::size_t held = 0;
  std::size_t givable = 0;
  std::uint32_t capacity = 0;
  std::map<const worker_index::worker_class*, std::size_t> members;
  const auto expect = [&broken](bool holds, const std::string& subject, const char* rule) {
    if (!holds) {
      broken.push_back(subject + ": " + rule);
    }
  };
  for (const auto& [place, w] : workers_) {
    const auto name = to_string(w.ref);
    expect(place == w.ref.place(), name, "is under another place");
    expect(w.present || w.holds.empty(), name, "is gone and holds attempts");
    expect(w.facts.elastic || w.holds.size() <= w.facts.capacity, name,
           "holds more than its capacity");
    expect(!w.alone || w.holds.size() == 1, name, "a suspect runs beside others");
    expect(changing_.contains(place) == !w.changing_to.empty(), name, "changes its model unseen");
    expect(!w.handing_over && w.hand_over_bytes == 0, name, "is given something after a decision");
    index_.audit(w, broken);
    held += w.holds.size();
    givable += w.may_be_given() ? 1 : 0;
    capacity += w.present && !w.draining && place.node == this_node ? w.facts.capacity : 0;
    ++members[w.at.in];
  }
  for (const auto& [key, c] : index_.classes()) {
    expect(c.members > 0 && members[&c] == c.members, "a class of workers", "is miscounted");
  }
  expect(held == held_ && givable == index_.givable() && capacity == local_capacity_, "workers",
         "are miscounted");
  return broken;
}

} // namespace tayfa
