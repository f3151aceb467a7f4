#include "runtime/core/workers/worker_index.hpp"

#include "runtime/core/workers/pool_worker.hpp"

#include <algorithm>
#include <utility>

namespace tayfa {

namespace {

using ms_double = std::chrono::duration<double, std::milli>;

/// A hand-over is one answer, made in memory: beyond so many bytes of inputs nothing is added to
/// it.
constexpr std::size_t hand_over_most = std::size_t{32} << 20;
constexpr milliseconds free_least{1}; ///< what is not free yet is so after a moment at least
constexpr double far_ms = 1e12;

moment after(moment from, double ms) {
  return from + std::chrono::duration_cast<moment::duration>(ms_double{std::min(ms, far_ms)});
}

/// When a run is expected to end. Put off while it is overdue (run_estimate::remaining_ms): to
/// points in time that depend on `now` only where they must, so that equal runs end at once.
moment end_of(const held_attempt& attempt, moment now) {
  const double elapsed = ms_double{now - attempt.began}.count();
  const double overdue =
      attempt.expected.ms > 0 ? attempt.expected.deviation * elapsed / attempt.expected.ms : 0;
  const auto soonest = std::max(after(now, overdue), now + free_least);
  return std::max(after(attempt.began, attempt.expected.ms), soonest);
}

} // namespace

// ---- one worker ---------------------------------------------------------------------------------

bool pool_worker::may_be_given() const {
  return present && !draining && changing_to.empty() && !alone && holds.size() < facts.capacity &&
         (!facts.pulls || (facts.hand_overs == hand_overs && hand_over_bytes < hand_over_most));
}

moment pool_worker::free_at(moment now, bool whole) const {
  if (!changing_to.empty()) {
    return std::max(back_at, now + free_least);
  }
  if (holds.empty() || (!whole && has_room())) {
    return now;
  }
  auto found = end_of(holds.begin()->second, now);
  for (const auto& [name_of, held] : holds) {
    const auto end = end_of(held, now);
    found = whole ? std::max(found, end) : std::min(found, end);
  }
  return found;
}

// ---- one order ----------------------------------------------------------------------------------

worker_index::order::iterator& worker_index::free_order::place_of(pool_worker& w) const {
  return whole_ ? w.at.occupied_at : w.at.waits_at;
}

void worker_index::free_order::insert(pool_worker& w, moment at) {
  place_of(w) = all_.insert(all_.end(), load_key{at, w.holds.size(), w.since, &w});
}

void worker_index::free_order::erase(pool_worker& w) {
  all_.erase(place_of(w));
}

const worker_index::load_key* worker_index::free_order::first(moment now) {
  while (!all_.empty()) {
    const auto best = all_.begin();
    const auto at = best->who->free_at(now, whole_) + best->who->reserved();
    if (at <= best->at) {
      return &*best;
    }
    auto node = all_.extract(best);
    node.value().at = at;
    auto& place = place_of(*node.value().who);
    place = all_.insert(std::move(node)).position;
  }
  return nullptr;
}

// ---- all of them --------------------------------------------------------------------------------

worker_index::class_key worker_index::key_of(const pool_worker& w) {
  const auto& f = w.facts;
  class_key key;
  key.model = w.model();
  key.device = f.device;
  key.endpoint = f.endpoint;
  key.model_kinds = f.model_kinds;
  key.memory_bytes = f.memory_bytes;
  key.can_change = f.can_change && w.changing_to.empty();
  key.pulls = f.pulls;
  key.side_by_side = !f.pulls && !w.one_run();
  key.sharers = w.shares_engine() ? f.capacity : 0;
  return key;
}

/// A worker that changes its model counts until it is overdue, also while it is away.
bool worker_index::belongs(moment now, const pool_worker& w) {
  const bool returning = !w.present && !w.changing_to.empty() && now < w.change_until;
  return (w.present || returning) && !w.draining;
}

void worker_index::update(moment now, pool_worker& w) {
  auto key = key_of(w);
  const bool counts = belongs(now, w);
  if (w.at.in != nullptr && (!counts || *w.at.in->key != key)) {
    remove(w);
  }
  if (!counts) {
    return;
  }
  if (w.at.in == nullptr) {
    const auto [it, is_new] = classes_.try_emplace(std::move(key));
    it->second.key = &it->first;
    ++it->second.members;
    w.at.in = &it->second;
  }
  auto& c = *w.at.in;
  const bool serving = w.present && w.changing_to.empty();
  c.present += w.present ? 1 : 0;
  c.present -= std::exchange(w.at.counts_as_present, w.present) ? 1 : 0;
  c.serving += serving ? 1 : 0;
  c.serving -= std::exchange(w.at.counts_as_serving, serving) ? 1 : 0;
  update_load(now, w);
}

void worker_index::leave_load(pool_worker& w) {
  auto& at = w.at;
  if (at.room != nullptr) {
    std::exchange(at.room, nullptr)->erase(at.room_at);
  }
  if (at.waits != nullptr) {
    std::exchange(at.waits, nullptr)->erase(w);
  }
  if (std::exchange(at.occupied, false)) {
    at.in->occupied.erase(w);
  }
  givable_ -= std::exchange(at.givable, false) ? 1 : 0;
}

void worker_index::update_load(moment now, pool_worker& w) {
  if (w.at.in == nullptr) {
    return;
  }
  leave_load(w);
  look_at(now);
  auto& c = *w.at.in;
  w.at.givable = w.may_be_given();
  givable_ += w.at.givable ? 1 : 0;
  if (w.reserved_ms > 0) {
    w.at.waits = &c.reserved;
    c.reserved.insert(w, w.free_at(now, false) + w.reserved());
    return;
  }
  if (w.has_room()) {
    w.at.room = &c.room;
    w.at.room_at = c.room.insert(load_key{{}, w.holds.size(), w.since, &w}).first;
  } else if (!c.key->pulls) {
    w.at.waits = &c.busy;
    c.busy.insert(w, w.free_at(now, false));
  }
  if (c.key->side_by_side && !w.is_empty()) {
    w.at.occupied = true;
    c.occupied.insert(w, w.free_at(now, true));
  }
}

void worker_index::remove(pool_worker& w) {
  if (w.at.in == nullptr) {
    return;
  }
  leave_load(w);
  auto& c = *w.at.in;
  c.present -= w.at.counts_as_present ? 1 : 0;
  c.serving -= w.at.counts_as_serving ? 1 : 0;
  if (--c.members == 0) {
    classes_.erase(classes_.find(*c.key));
  }
  w.at = entry{};
}

std::map<std::string, std::size_t> worker_index::serving(const std::string& model) const {
  std::map<std::string, std::size_t> out;
  for (auto c = classes_.lower_bound(class_key{model, {}, {}, {}, 0, false, false, false, 0});
       c != classes_.end() && c->first.model == model; ++c) {
    if (c->second.serving > 0) {
      out[c->first.device] += c->second.serving;
    }
  }
  return out;
}

void worker_index::audit(const pool_worker& w, std::vector<std::string>& broken) const {
  const auto expect = [&](bool holds, const char* rule) {
    if (!holds) {
      broken.push_back("worker " + to_string(w.ref) + ": " + rule);
    }
  };
  if (w.at.in == nullptr) {
    expect(!w.present || w.draining, "is in no class");
    return;
  }
  const auto& c = *w.at.in;
  expect(c.key->model == w.model() && *c.key == key_of(w), "is in another class");
  expect(w.present || !w.changing_to.empty(), "is gone and in a class");
  expect(w.at.counts_as_present == w.present, "is miscounted");
  expect(w.at.givable == w.may_be_given(), "is given something, or nothing, against its load");
  const bool in_room = w.at.room == &c.room && w.at.room_at->who == &w;
  const bool in_busy = w.at.waits == &c.busy && w.at.waits_at->who == &w;
  expect(w.reserved_ms == 0, "is reserved after a decision");
  expect(in_room == w.has_room() && in_busy == (!w.has_room() && !w.facts.pulls),
         "is not where its load says");
  expect(w.at.occupied == (c.key->side_by_side && !w.is_empty()), "is occupied or not");
  if (in_room) {
    expect(w.at.room_at->held == w.holds.size() && w.at.room_at->since == w.since,
           "has changed its load unseen");
  }
  if (in_busy) {
    expect(w.at.waits_at->held == w.holds.size() && w.at.waits_at->since == w.since &&
               w.at.waits_at->at <= w.free_at(latest_, false),
           "has changed its load unseen");
  }
}

} // namespace tayfa
