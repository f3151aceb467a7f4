#include "runtime/core/slot_table.hpp"

#include <algorithm>

namespace tayfa {

// ---- the pod -----------------------------------------------------------------------------------

slot_actions slot_table::launch(std::uint32_t count) {
  slot_actions out;
  slots_.resize(count);
  out.emplace_back(share_cpus{count});
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    start(i, out);
  }
  return out;
}

slot_actions slot_table::stop_all() {
  slot_actions out;
  stopping_ = true;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].stopped) {
      out.emplace_back(stop_slot{i});
    }
  }
  return out;
}

// ---- operators ---------------------------------------------------------------------------------

result<slot_actions> slot_table::drain(slot_id slot, bool on) {
  const auto i = std::size_t{slot.value};
  if (i >= slots_.size() || slots_[i].removed()) {
    return fail(errc::not_found, "no slot has this number");
  }
  slot_actions out;
  if (on != slots_[i].leaving()) {
    slots_[i].shall = on ? wish::drained : wish::runs;
    on ? begin_drain(i, out) : end_drain(i, out);
  }
  return out;
}

result<slot_actions> slot_table::resize(std::uint32_t count) {
  if (count > slots_max) {
    return fail(errc::bad_request, "a pod has at most " + std::to_string(slots_max) + " slots");
  }
  slot_actions out;
  entry unknown;
  unknown.shall = wish::removed;
  slots_.resize(std::max<std::size_t>(slots_.size(), count), unknown);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const bool wanted = i < count;
    if (wanted != slots_[i].removed()) {
      continue;
    }
    slots_[i].shall = wanted ? wish::runs : wish::removed;
    wanted ? end_drain(i, out) : begin_drain(i, out);
  }
  out.emplace_back(sharing());
  return out;
}

/// Its attempts end first; where none can run, the slot is stopped at once.
void slot_table::begin_drain(std::size_t i, slot_actions& out) {
  const auto& s = slots_[i];
  if (s.stopped) {
    return;
  }
  if (s.works()) {
    out.emplace_back(drain_engine{s.status.worker, true});
  } else {
    out.emplace_back(stop_slot{i});
  }
}

void slot_table::end_drain(std::size_t i, slot_actions& out) {
  auto& s = slots_[i];
  if (s.stopped) {
    s.given_up = false;
    s.quarantined = false;
    start(i, out);
  } else {
    out.emplace_back(drain_engine{s.status.worker, false}); // one that is ending ignores it
  }
}

void slot_table::start(std::size_t i, slot_actions& out) {
  slots_[i].stopped = false;
  out.emplace_back(start_slot{i});
}

/// A slot that was removed keeps its share until its engine is gone.
share_cpus slot_table::sharing() const {
  return {static_cast<std::uint32_t>(std::count_if(
      slots_.begin(), slots_.end(), [](const entry& s) { return !s.removed() || !s.stopped; }))};
}

// ---- engines -----------------------------------------------------------------------------------

slot_table::life slot_table::begin_life(std::size_t i) {
  auto& s = slots_.at(i);
  s.state = engine_state::NOT_STARTED;
  s.quarantined = false;
  s.completed += s.status.completed;
  s.lost += s.status.lost;
  slot_status fresh;
  fresh.worker = worker_ref{slot_id{static_cast<std::uint32_t>(i)}, ++s.incarnation};
  fresh.engine = engines_.of(i);
  fresh.next_model = s.status.next_model;
  s.status = std::move(fresh);
  return {s.status.worker, s.status.engine, s.status.next_model};
}

slot_table::entry* slot_table::present(const worker_ref& worker) {
  return is_present(worker) ? &slots_[worker.slot.value] : nullptr;
}

slot_actions slot_table::engine(const engine_moved& m) {
  slot_actions out;
  auto* const s = present(m.worker);
  if (s == nullptr) {
    return out;
  }
  s->state = m.state;
  if (m.state == engine_state::SHUTDOWN) {
    s->load_refused = m.why == cause::load_failed;
    s->last_end = m.reason;
  }
  if (m.state == engine_state::READY) {
    s->given_up = false;
    if (s->leaving()) {
      out.emplace_back(drain_engine{m.worker, true}); // it was loading when it was asked to go
    }
  }
  return out;
}

void slot_table::status(const slot_status& m) {
  if (auto* const s = present(m.worker); s != nullptr) {
    s->status = m;
  }
}

slot_actions slot_table::drained(const worker_drained& m) {
  const auto* const s = present(m.worker);
  if (s == nullptr || !s->leaving()) {
    return {};
  }
  return {stop_slot{m.worker.slot.value}};
}

slot_actions slot_table::worker_down(std::size_t i) {
  auto& s = slots_.at(i);
  s.state = engine_state::SHUTDOWN;
  if (!s.leaving()) {
    return {};
  }
  return {stop_slot{i}}; // it must not be started again
}

slot_actions slot_table::stopped(std::size_t i) {
  auto& s = slots_.at(i);
  s.stopped = true;
  s.state = engine_state::SHUTDOWN;
  s.status.running = 0;
  if (stopping_) {
    return {};
  }
  if (!s.leaving()) {
    return {start_slot_again{i}}; // the wish has changed meanwhile
  }
  return {slot_ended{i, s.removed()}, sharing()};
}

slot_actions slot_table::again(std::size_t i) {
  slot_actions out;
  if (const auto& s = slots_.at(i); s.stopped && !s.leaving() && !stopping_) {
    start(i, out);
  }
  return out;
}

slot_table::loss slot_table::quarantined(std::size_t i, bool launching) {
  auto& s = slots_.at(i);
  s.quarantined = true;
  s.given_up = s.given_up || launching;
  const auto lost = [](const entry& x) { return x.removed() || x.given_up || x.quarantined; };
  // Engines that only need another file: the pod lives, says so, and tries again. A start would
  // find the same files, and then no client would learn why.
  const auto for_the_file = [](const entry& x) { return x.removed() || x.load_refused; };
  if (!launching && std::all_of(slots_.begin(), slots_.end(), for_the_file)) {
    return loss::of_files;
  }
  return std::all_of(slots_.begin(), slots_.end(), lost) ? loss::all : loss::some;
}

// ---- how it is ---------------------------------------------------------------------------------

std::uint32_t slot_table::count() const {
  return static_cast<std::uint32_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const entry& s) { return !s.removed(); }));
}

bool slot_table::launched() const {
  return std::all_of(slots_.begin(), slots_.end(),
                     [](const entry& s) { return s.given_up || s.state == engine_state::READY; });
}

bool slot_table::serving() const {
  return count() == 0 || std::any_of(slots_.begin(), slots_.end(),
                                     [](const entry& s) { return s.works() && !s.leaving(); });
}

bool slot_table::all_stopped() const {
  return std::all_of(slots_.begin(), slots_.end(), [](const entry& s) { return s.stopped; });
}

error slot_table::why_all_are_lost(const error& last) const {
  const auto passes = [](const entry& s) {
    return s.removed() || s.last_end.code == errc::unavailable;
  };
  const auto known = std::find_if(slots_.begin(), slots_.end(), [](const entry& s) {
    return !s.removed() && !s.last_end.text.empty();
  });
  const auto& text = known == slots_.end() ? last.text : known->last_end.text;
  const bool passing = std::all_of(slots_.begin(), slots_.end(), passes);
  return {passing ? errc::unavailable : errc::engine_start, "every slot was given up: " + text};
}

bool slot_table::draining(slot_id slot) const {
  return slot.value < slots_.size() && slots_[slot.value].shall == wish::drained;
}

std::vector<slot_summary> slot_table::summaries() const {
  std::vector<slot_summary> out;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].removed() || !slots_[i].stopped) {
      out.push_back(summary_of(i));
    }
  }
  return out;
}

slot_summary slot_table::summary_of(std::size_t i) const {
  const auto& s = slots_[i];
  slot_summary out;
  out.slot = slot_id{static_cast<std::uint32_t>(i)};
  out.incarnation = s.incarnation;
  out.state = s.state;
  out.engine = engines_.of(i);
  out.device = s.status.device;
  out.model = s.status.model;
  out.running = s.status.running;
  out.completed = s.completed + s.status.completed;
  out.lost = s.lost + s.status.lost;
  out.draining = s.leaving();
  out.quarantined = s.quarantined;
  out.given_up = s.given_up;
  out.pinned = s.status.pinned;
  return out;
}

} // namespace tayfa
