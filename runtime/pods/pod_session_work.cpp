// Attempts from the assign to the forget: workers, runs, ends, drains.
#include "runtime/pods/pod_session.hpp"

#include "runtime/base/text.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods {

namespace wire = pod_protocol;

// ---- workers ------------------------------------------------------------------------------------

wire::slot_ready ready_of(const worker_facts& f) {
  constexpr std::size_t most = wire::slot_ready::text_most;
  wire::slot_ready m;
  m.capacity = std::max<std::uint32_t>(1, f.capacity);
  m.batch_max = std::clamp<std::uint32_t>(f.batch_max, 1, m.capacity);
  m.continuous = f.continuous;
  m.steps = f.steps;
  m.can_change = f.can_change;
  m.memory_bytes = f.memory_bytes;
  m.device = text::cut_middle(f.device, most);
  m.model = f.model;
  for (const auto& kind : f.model_kinds) {
    if (m.model_kinds.size() < m.model_kinds.most) {
      m.model_kinds.push_back(kind);
    }
  }
  return m;
}

pod_session::slot* pod_session::find_slot(const worker_ref& worker) {
  const auto entry = slots_.find(worker.slot.value);
  return entry != slots_.end() && entry->second.live == worker ? &entry->second : nullptr;
}

session_effects pod_session::on(moment now, const worker_ready& m) {
  session_effects out;
  auto& s = slots_[m.worker.slot.value];
  if (s.live != m.worker) {
    s.busy = 0;
  }
  s.live = m.worker;
  s.facts = m.facts;
  s.changed = true;
  s.drained = false;
  settle(now, out);
  return out;
}

session_effects pod_session::on(moment now, const worker_gone& m) {
  session_effects out;
  auto* const s = find_slot(m.worker);
  if (s == nullptr) {
    return out;
  }
  if (s->announced == m.worker.incarnation) {
    s->end = wire::slot_gone{static_cast<std::uint16_t>(m.why.code),
                             text::cut_middle(m.why.text, wire::text_bytes_max), m.from_outside};
  }
  s->live = {};
  s->busy = 0;
  for (auto entry = tasks_.begin(); entry != tasks_.end();) {
    const auto here = entry++;
    const bool ended = here->second.at >= task::state::keeping;
    if (here->second.worker == m.worker && !ended) {
      leave_run(here->first);
      erase(here); // slot_gone says that it is lost
    }
  }
  settle(now, out);
  return out;
}

// ---- runs ---------------------------------------------------------------------------------------

/// Gives the workers each run that is complete.
void pod_session::gather(moment now, session_effects& out) {
  std::vector<run_key> whole;
  for (const auto& [key, r] : runs_) {
    const bool all = r.members.size() >= r.size &&
                     std::all_of(r.members.begin(), r.members.end(), [&](const auto& attempt) {
                       const auto& t = tasks_.at(attempt);
                       return t.input.empty() || !t.body.input.empty();
                     });
    if (all) {
      whole.push_back(key);
    }
  }
  for (const auto& key : whole) {
    give(now, key, out);
  }
}

void pod_session::give(moment now, const run_key& key, session_effects& out) {
  const auto r = std::move(runs_.at(key));
  runs_.erase(key);
  assign_attempts order;
  const bool batch = r.members.size() > 1;
  // The head's numbers may begin anew while a worker of this pod lives on.
  const auto number = batch ? ++batches_ : 0;
  for (const auto& attempt : r.members) {
    auto& t = tasks_.at(attempt);
    order.worker = t.worker;
    t.body.batch = number;
    t.body.batch_size = static_cast<std::uint32_t>(r.members.size());
    order.bodies.push_back(std::exchange(t.body, {}));
    t.at = task::state::given;
    if (t.timeout_ms != 0) {
      t.give_up_at = now + milliseconds{t.timeout_ms};
    }
  }
  out.emplace_back(std::move(order));
}

/// The others of its run do not wait for it any more.
void pod_session::leave_run(const attempt_ref& attempt) {
  for (auto entry = runs_.begin(); entry != runs_.end(); ++entry) {
    auto& r = entry->second;
    if (std::erase(r.members, attempt) != 0) {
      r.size -= std::min<std::uint32_t>(r.size, 1);
      if (r.members.empty() && r.size == 0) {
        runs_.erase(entry);
      }
      return;
    }
  }
}

/// The rest of a run was lost with its session, and does not come any more.
void pod_session::close_runs() {
  for (auto& [key, r] : runs_) {
    r.size = static_cast<std::uint32_t>(r.members.size());
  }
  std::erase_if(runs_, [](const auto& each) { return each.second.members.empty(); });
}

// ---- ends ---------------------------------------------------------------------------------------

void pod_session::free_place(const task& t) {
  if (auto* const s = find_slot(t.worker); s != nullptr && s->busy > 0) {
    --s->busy;
  }
}

/// The attempt has not begun here: the job pays nothing.
void pod_session::give_back(const attempt_ref& attempt, const std::string& why) {
  const auto entry = tasks_.find(attempt);
  free_place(entry->second);
  leave_run(attempt);
  ++counters_.returned;
  send(wire::returned{attempt, why});
  erase(entry);
}

/// The head wants it to end, and hears of its end.
void pod_session::stop(task_map::iterator entry, const std::string& why, session_effects& out) {
  switch (entry->second.at) {
  case task::state::gathering: give_back(entry->first, why); break;
  case task::state::given:
  case task::state::running:
    out.emplace_back(revoke_attempt{entry->second.worker, entry->first});
    break;
  case task::state::keeping:
  case task::state::kept: break; // its result is on its way
  }
}

/// Everything that has not ended is returned now, and ends here without a word.
void pod_session::stop_all(const std::string& why, session_effects& out) {
  for (auto entry = tasks_.begin(); entry != tasks_.end();) {
    const auto here = entry++;
    auto& t = here->second;
    if (t.at == task::state::gathering) {
      give_back(here->first, why);
    } else if ((t.at == task::state::given || t.at == task::state::running) && !t.dropped) {
      t.dropped = true;
      ++counters_.returned;
      send(wire::returned{here->first, why});
      out.emplace_back(revoke_attempt{t.worker, here->first});
    }
  }
}

void pod_session::forget(task_map::iterator entry, session_effects& out) {
  auto& t = entry->second;
  if (t.at == task::state::gathering) {
    free_place(t);
    leave_run(entry->first);
  }
  if (t.at == task::state::kept) {
    kept_bytes_ -= t.bytes;
    --kept_;
    undurable_ -= t.durable ? 0 : 1;
    if (t.durable) {
      out.emplace_back(delete_result{entry->first});
    }
  }
  if (!t.output.empty()) {
    link_->sender().drop(t.output);
  }
  erase(entry);
}

void pod_session::erase(task_map::iterator entry) {
  while (!entry->second.chunks.empty()) {
    drop_oldest_chunk(entry->second);
  }
  unsaid_.erase(entry->first);
  unreported_.erase(entry->first);
  tasks_.erase(entry);
}

// ---- drains -------------------------------------------------------------------------------------

session_effects pod_session::drain(moment now, wire::drain_mode mode, milliseconds grace) {
  session_effects out;
  draining_ = true;
  begin_drain(now, mode, grace, out);
  settle(now, out);
  return out;
}

void pod_session::begin_drain(moment now, wire::drain_mode mode, milliseconds grace,
                              session_effects& out) {
  drain_said_ = false;
  drain_until_ = moment::max();
  beat_due_ = std::min(beat_due_, now); // the head hears at once that the pod is closed
  switch (mode) {
  case wire::drain_mode::graceful: break;
  case wire::drain_mode::quick: {
    std::vector<attempt_ref> waiting;
    for (const auto& [attempt, t] : tasks_) {
      if (t.at == task::state::gathering) {
        waiting.push_back(attempt);
      }
    }
    for (const auto& attempt : waiting) {
      give_back(attempt, "its pod is drained");
    }
    drain_until_ = now + grace;
    break;
  }
  case wire::drain_mode::fast: stop_all("its pod is drained", out); break;
  }
}

session_effects pod_session::undrain(moment now) {
  session_effects out;
  draining_ = false;
  drain_until_ = moment::max();
  beat_due_ = std::min(beat_due_, now);
  settle(now, out);
  return out;
}

void pod_session::say_drained(session_effects& out) {
  const bool rests = std::all_of(tasks_.begin(), tasks_.end(), [](const auto& each) {
    return each.second.at == task::state::kept || each.second.dropped;
  });
  if ((draining_ || head_drains_) && rests && unreported_.empty() &&
      !std::exchange(drain_said_, true)) {
    send(wire::drained{});
    out.emplace_back(pod_event{pod_event::what::drained, {}});
  }
}

std::vector<std::string> pod_session::audit() const {
  std::vector<std::string> out;
  const auto check = [&](bool holds, const std::string& rule) {
    if (!holds) {
      out.push_back(rule);
    }
  };
  std::map<worker_ref, std::uint32_t> busy;
  std::size_t chunk_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint32_t kept = 0;
  for (const auto& [attempt, t] : tasks_) {
    const bool ended = t.at >= task::state::keeping;
    busy[t.worker] += ended ? 0 : 1;
    bytes += t.at == task::state::kept ? t.bytes : 0;
    kept += t.at == task::state::kept ? 1 : 0;
    check(ended || slots_.contains(t.worker.slot.value), "an attempt has no worker");
    check(!unreported_.contains(attempt) || t.at == task::state::kept,
          "a result is reported that is not kept");
    for (const auto& each : t.chunks) {
      chunk_bytes += bytes_of(each);
    }
    check(!has_session() || t.dropped || t.chunks.empty() || unsaid_.contains(attempt) ||
              t.chunks_said == t.chunks_made,
          "a chunk is not said");
  }
  for (const auto& [number, s] : slots_) {
    check(s.live.incarnation == 0 || s.busy == busy[s.live], "a worker's places are miscounted");
    check(s.busy <= s.facts.capacity, "a worker has more than it takes");
  }
  for (const auto& [key, r] : runs_) {
    for (const auto& attempt : r.members) {
      check(tasks_.contains(attempt) && tasks_.at(attempt).at == task::state::gathering,
            "a run has a member that does not wait");
    }
  }
  check(bytes == kept_bytes_ && kept == kept_, "kept results are miscounted");
  check(chunk_bytes == chunk_bytes_ && chunk_bytes <= limits_.stored_parts_max,
        "kept chunks are miscounted");
  return out;
}

} // namespace tayfa::pods
