// The supervisor's slots: how each is started and kept, what becomes of one that keeps failing, and
// how an operator drains, adds and removes them.
//
// A slot that fails too often is quarantined: left alone for a time that doubles, then tried again.
// While LAUNCHING it counts as given up, so that the others can begin; when that befalls all of
// them, the pod ends.
#include "actors/supervisor.hpp"

#include <algorithm>

namespace tayfa {

namespace {

child_keeper::end judge_worker(const caf::error& reason) {
  switch (worker_end_from(reason)) {
  case worker_end::as_asked: return child_keeper::end::normal;
  case worker_end::refresh: return child_keeper::end::refresh;
  case worker_end::in_job: return child_keeper::end::excused;
  case worker_end::in_later_job: return child_keeper::end::excused_after_work;
  case worker_end::failed: return child_keeper::end::failed;
  }
  return child_keeper::end::failed;
}

error no_such_slot() {
  return {errc::not_found, "no slot of this number"};
}

} // namespace

// ---- each slot's engine ------------------------------------------------------------------------

void supervisor::make_slot(std::size_t i) {
  const auto& k = ctx_.knobs;
  supervision::policy policy;
  policy.intensity = k.engine_restart_intensity;
  policy.period = k.engine_restart_period;
  policy.backoff_base = k.engine_backoff_base;
  policy.backoff_max = k.engine_backoff_max;
  policy.healthy_after = k.engine_healthy_after;
  policy.quarantine_base = k.engine_quarantine_base;
  policy.quarantine_max = k.engine_quarantine_max;
  // Room for shutdown, SIGTERM and SIGKILL, each with its grace, before the keeper itself is
  // killed.
  const auto patience = k.engine_stop_grace * 3 + std::chrono::milliseconds{1'000};
  child_keeper::hooks hooks;
  hooks.start = [this, i](std::size_t) { return start_worker(i); };
  const auto keeper = std::uint64_t{++slots_[i].keepers} << 32;
  hooks.later = [this, i, keeper](std::chrono::milliseconds after, std::uint64_t ticket) {
    send_timer(this, ctx_.outside.time, after, keeper | ticket,
               slot_alarm | static_cast<std::uint32_t>(i << 8));
  };
  hooks.started = [] {};
  hooks.gave_up = [](std::size_t, const error&) {}; // a quarantine takes its place
  hooks.quarantined = [this, i](std::size_t, const error& why, std::chrono::milliseconds time) {
    slot_quarantined(i, why, time);
  };
  hooks.all_stopped = [this, i] { slot_stopped(i); };
  slots_[i].keeper = std::make_unique<child_keeper>(
      this, ctx_, policy,
      std::vector<supervision::child_spec>{
          {"gpu_worker/" + std::to_string(i), supervision::restart::permanent, patience}},
      std::move(hooks), judge_worker);
}

void supervisor::start_slot(std::size_t i) {
  slots_[i].stopped = false;
  make_slot(i);
  slots_[i].keeper->start();
}

caf::strong_actor_ptr supervisor::start_worker(std::size_t i) {
  auto& s = slots_[i];
  if (++s.incarnation > 1) {
    ctx_.outside.meters.add(meter::engine_restarts);
  }
  s.state = engine_state::NOT_STARTED;
  s.quarantined = false;
  s.completed += s.status.completed;
  s.lost += s.status.lost;
  const worker_ref who{slot_id{static_cast<std::uint32_t>(i)}, s.incarnation};
  slot_status fresh;
  fresh.worker = who;
  fresh.engine = terms_.engine;
  fresh.next_model = s.status.next_model;
  s.status = std::move(fresh);
  s.worker = spawn<gpu_worker>(
      ctx_, worker_terms{who, terms_.engine, directory_, s.status.next_model, slot_count()});
  const auto child = caf::actor_cast<caf::strong_actor_ptr>(s.worker);
  announce(child);
  return child;
}

void supervisor::worker_down(const caf::down_msg& m) {
  for (auto& s : slots_) {
    if (s.worker && s.worker.address() == m.source) {
      s.state = engine_state::SHUTDOWN;
      if (s.leaving()) {
        s.keeper->stop(); // it must not be started again
      }
    }
    if (s.keeper && s.keeper->down(m)) {
      return;
    }
  }
}

void supervisor::slot_timed(const due_timer& m) {
  const auto i = std::size_t{m.topic >> 8};
  auto& s = slots_.at(i);
  if ((m.topic & 0xff) == slot_again) {
    if (s.stopped && !s.leaving() && !workers_stopping_) {
      start_slot(i);
    }
  } else if (m.ticket >> 32 == s.keepers) {
    s.keeper->timed(m.ticket & 0xffff'ffff);
  }
}

void supervisor::slot_quarantined(std::size_t i, const error& why, std::chrono::milliseconds time) {
  auto& s = slots_[i];
  s.quarantined = true;
  ctx_.outside.log.error("slot_quarantined",
                         {{"slot", i}, {"for_ms", time.count()}, {"text", why.text}});
  const bool launching_now = state_.state() == pod_state::LAUNCHING;
  if (launching_now) {
    s.given_up = true;
    ctx_.outside.log.error("slot_given_up", {{"slot", i}, {"text", why.text}});
  }
  const auto lost = [](const slot& x) { return x.removed || x.given_up || x.quarantined; };
  // Engines that only want another file: the pod lives, says so, and tries again. A start would
  // find the same files, and nobody could be told why.
  const auto for_the_file = [](const slot& x) { return x.removed || x.load_refused; };
  if (!launching_now && std::all_of(slots_.begin(), slots_.end(), for_the_file)) {
    ctx_.outside.log.error("no_model_loads", {{"text", why.text}});
  } else if (std::all_of(slots_.begin(), slots_.end(), lost)) {
    fail(cause::part_failed, why_all_are_lost(why));
  } else if (launching_now) {
    maybe_ready();
  }
}

/// A want that passes by itself (room, descriptors) is worth another start; all else is not.
error supervisor::why_all_are_lost(const error& last) const {
  const auto passes = [](const slot& s) {
    return s.removed || s.last_end.code == errc::unavailable;
  };
  const auto said = std::find_if(slots_.begin(), slots_.end(), [](const slot& s) {
    return !s.removed && !s.last_end.text.empty();
  });
  const auto& text = said == slots_.end() ? last.text : said->last_end.text;
  const bool passing = std::all_of(slots_.begin(), slots_.end(), passes);
  return {passing ? errc::unavailable : errc::engine_start, "every slot was given up: " + text};
}

/// Its keeper was told to stop, and nothing of the slot is left.
void supervisor::slot_stopped(std::size_t i) {
  auto& s = slots_[i];
  s.stopped = true;
  s.worker = nullptr;
  s.state = engine_state::SHUTDOWN;
  s.status.running = 0;
  if (workers_stopping_) {
    workers_stopped();
    return;
  }
  if (!s.leaving()) {
    // The wish has changed meanwhile. Not from here: the keeper that says so would be replaced.
    send_timer(this, ctx_.outside.time, std::chrono::milliseconds{0}, 0,
               slot_again | static_cast<std::uint32_t>(i << 8));
    return;
  }
  ctx_.outside.log.info(s.removed ? "slot_removed" : "slot_drained", {{"slot", i}});
  share_cpus();
  send(directory_.health, slot_left{slot_id{static_cast<std::uint32_t>(i)}});
  refresh_ready();
}

void supervisor::on(const slot_status& m) {
  auto& s = slots_.at(m.worker.slot.value);
  if (m.worker.incarnation == s.incarnation) {
    s.status = m;
  }
}

// ---- for people --------------------------------------------------------------------------------

slots_answer supervisor::slots() const {
  std::vector<slot_line> lines;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].removed || !slots_[i].stopped) {
      lines.push_back(line_of(i));
    }
  }
  return {std::move(lines)};
}

slot_line supervisor::line_of(std::size_t i) const {
  const auto& s = slots_[i];
  slot_line line;
  line.slot = slot_id{static_cast<std::uint32_t>(i)};
  line.incarnation = s.incarnation;
  line.state = s.state;
  line.engine = terms_.engine;
  line.device = s.status.device;
  line.model = s.status.model;
  line.running = s.status.running;
  line.completed = s.completed + s.status.completed;
  line.lost = s.lost + s.status.lost;
  line.draining = s.leaving();
  line.quarantined = s.quarantined;
  line.given_up = s.given_up;
  line.pinned = s.status.pinned;
  return line;
}

slots_answer supervisor::drain(const drain_slot& m) {
  const auto i = std::size_t{m.slot.value};
  if (i >= slots_.size() || slots_[i].removed) {
    return {tayfa::fail(no_such_slot())};
  }
  auto& s = slots_[i];
  if (s.draining == m.on) {
    return slots();
  }
  ctx_.outside.log.info("slot_drain", {{"slot", i}, {"on", m.on}});
  s.draining = m.on;
  if (m.on) {
    drain(s);
  } else {
    undrain(i);
  }
  refresh_ready();
  return slots();
}

slots_answer supervisor::resize(const resize_slots& m) {
  if (m.count > slots_max) {
    return {tayfa::fail(errc::bad_request, "a pod has at most 1024 slots")};
  }
  ctx_.outside.log.info("slots_resized", {{"from", slot_count()}, {"to", m.count}});
  const auto known = slots_.size();
  slots_.resize(std::max<std::size_t>(known, m.count));
  for (std::size_t i = known; i < slots_.size(); ++i) {
    slots_[i].removed = true;
    slots_[i].stopped = true;
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    auto& s = slots_[i];
    const bool wanted = i < m.count;
    if (wanted == !s.removed) {
      continue;
    }
    s.removed = !wanted;
    if (!wanted) {
      s.draining = false;
      drain(s);
    } else {
      undrain(i);
    }
  }
  ctx_.outside.meters.set(meter::slots, slot_count());
  share_cpus();
  refresh_ready();
  return slots();
}

/// A slot that was removed keeps its share until its engine is gone.
void supervisor::share_cpus() {
  const auto sharing = std::count_if(slots_.begin(), slots_.end(),
                                     [](const slot& s) { return !s.removed || !s.stopped; });
  ctx_.outside.engines.share_among(static_cast<std::uint32_t>(sharing));
}

/// The worker lets its attempts end and says so; where none can run, its slot is stopped at once.
void supervisor::drain(slot& s) {
  if (s.stopped) {
    return;
  }
  if (s.worker && s.works()) {
    send(s.worker, drain_engine{s.status.worker, true});
  } else {
    s.keeper->stop();
  }
}

void supervisor::on(const worker_drained& m) {
  auto& s = slots_.at(m.worker.slot.value);
  if (s.leaving() && m.worker.incarnation == s.incarnation) {
    s.keeper->stop();
  }
}

void supervisor::undrain(std::size_t i) {
  auto& s = slots_[i];
  if (s.leaving()) {
    return;
  }
  if (s.stopped) {
    s.given_up = false;
    s.quarantined = false;
    start_slot(i);
  } else if (s.worker) {
    send(s.worker, drain_engine{s.status.worker, false}); // one that is ending ignores it
  }
}

std::uint32_t supervisor::slot_count() const {
  return static_cast<std::uint32_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const slot& s) { return !s.removed; }));
}

} // namespace tayfa
