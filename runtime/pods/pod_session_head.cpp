// Messages of the head.
#include "runtime/pods/pod_session.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods {

namespace wire = pod_protocol;

// ---- the session --------------------------------------------------------------------------------

void pod_session::said(moment, const worker_ref&, wire::verdicts& m, session_effects&) {
  if (phase_ != phase::greeting || verdicts_.size() + m.entries.size() > inventory_.size()) {
    ++counters_.refused_frames;
    return;
  }
  verdicts_.insert(verdicts_.end(), m.entries.begin(), m.entries.end());
}

void pod_session::obey(const attempt_ref& attempt, wire::verdict verdict, session_effects& out) {
  const auto entry = tasks_.find(attempt);
  if (entry == tasks_.end()) {
    return; // its worker has died meanwhile: slot_gone follows the welcome
  }
  auto& t = entry->second;
  switch (verdict) {
  case wire::verdict::keep:
  case wire::verdict::report: break; // a result that is kept by now is reported
  case wire::verdict::cancel: stop(entry, "cancelled", out); break;
  case wire::verdict::drop:
  case wire::verdict::forget:
    if (t.at == task::state::gathering || t.at == task::state::kept) {
      forget(entry, out);
    } else {
      t.dropped = true;
      out.emplace_back(revoke_attempt{t.worker, attempt});
    }
    break;
  }
}

void pod_session::said(moment now, const worker_ref&, wire::welcome& m, session_effects& out) {
  if (phase_ != phase::greeting || verdicts_.size() != inventory_.size()) {
    ++counters_.refused_frames;
    return;
  }
  phase_ = phase::linked;
  linked_since_ = now;
  beat_ = milliseconds{m.beat_ms};
  beat_due_ = now;
  link_->agreed(m.version);
  if (m.head != self_.head) {
    self_.head = m.head;
    out.emplace_back(remember_head{m.head});
  }
  out.emplace_back(pod_event{pod_event::what::linked, "head " + m.head});
  head_drains_ = false; // it says so again
  drain_said_ = false;
  for (std::size_t i = 0; i < inventory_.size(); ++i) {
    obey(inventory_[i], verdicts_[i], out);
  }
  return_holes(out);
  for (const auto& [attempt, t] : tasks_) {
    if (t.at == task::state::kept && !t.dropped) {
      unreported_.insert(attempt);
    }
  }
  for (const auto& [attempt, t] : tasks_) {
    if (!t.chunks.empty() && !t.dropped) {
      unsaid_.insert(attempt);
    }
  }
  row_bytes_ = 0;
  for (auto& row : std::exchange(rows_, {})) {
    const auto entry = tasks_.find(row.attempt);
    if (row.attempt.job.empty() || (entry != tasks_.end() && !entry->second.dropped)) {
      send_row(std::move(row));
    }
  }
}

void pod_session::said(moment now, const worker_ref&, wire::refused& m, session_effects& out) {
  out.emplace_back(
      pod_event{pod_event::what::refused, std::string{to_string(m.why)} + ": " + m.text});
  out.emplace_back(disconnect_head{});
  cut(now, out);
  phase_ = phase::none;
  connect_later(now, milliseconds{std::min<std::uint32_t>(m.retry_after_ms, 600'000)});
}

void pod_session::said(moment now, const worker_ref&, wire::beat_answer& m, session_effects&) {
  if (m.sequence == beats_) {
    round_trip_ = std::min(std::chrono::duration_cast<std::chrono::microseconds>(now - beat_at_),
                           std::chrono::microseconds{std::chrono::minutes{1}});
  }
}

// ---- attempts -----------------------------------------------------------------------------------

/// Why the pod takes nothing; empty = it does.
std::string pod_session::closed() const {
  if (draining_ || head_drains_) {
    return "draining";
  }
  if (undurable_ > 0) {
    return "its disk does not take results";
  }
  if (kept_ >= limits_.kept_max || kept_bytes_ >= limits_.kept_bytes_max) {
    return "it keeps as many results as it may";
  }
  return {};
}

std::string pod_session::why_not(const worker_ref& from, const wire::assign& m) const {
  if (const auto why = closed(); !why.empty()) {
    return why;
  }
  const auto entry = slots_.find(from.slot.value);
  if (entry == slots_.end() || entry->second.live.incarnation != from.incarnation) {
    return "its worker has ended";
  }
  const auto& s = entry->second;
  if (s.drained) {
    return "its worker is drained";
  }
  if (s.busy >= s.facts.capacity || tasks_.size() >= wire::inventory_max) {
    return "its worker has no place";
  }
  if (!m.input.blob.empty() && m.input.blob.bytes > limits_.cache_bytes) {
    return "its input is larger than this pod takes";
  }
  return {};
}

void pod_session::said(moment, const worker_ref& from, wire::assign& m, session_effects&) {
  if (phase_ != phase::linked) {
    ++counters_.refused_frames;
    return;
  }
  ++taken_;
  if (tasks_.contains(m.attempt)) {
    return;
  }
  if (const auto why = why_not(from, m); !why.empty()) {
    ++counters_.returned;
    send(wire::returned{m.attempt, why});
    return;
  }
  auto& s = slots_.at(from.slot.value);
  ++s.busy;
  auto& t = tasks_[m.attempt];
  t.worker = s.live;
  t.timeout_ms = m.timeout_ms;
  t.input = m.input.blob;
  t.body.attempt = m.attempt;
  t.body.model = std::move(m.model);
  t.body.input = m.input.text;
  t.body.batch = m.batch;
  t.body.s3_config = std::move(m.s3_config);
  send(wire::accepted{m.attempt});
  if (!t.input.empty()) {
    t.body.input = cache_.find(t.input);
    if (t.body.input.empty()) {
      link_->receiver().want(t.input);
    } else {
      send(wire::blob_have{t.input, true}); // it is not sent again
    }
  }
  // An attempt that runs alone is a run of one.
  const run_key key{from.slot.value, m.batch != 0 ? m.batch : ~taken_};
  auto& r = runs_.try_emplace(key, run{m.batch != 0 ? m.batch_size : 1, {}}).first->second;
  r.members.push_back(m.attempt);
}

void pod_session::said(moment, const worker_ref&, protocol::cancel& m, session_effects& out) {
  const auto entry = tasks_.find(m.attempt);
  if (has_session() && entry != tasks_.end()) {
    stop(entry, "cancelled", out);
  }
}

void pod_session::said(moment, const worker_ref&, wire::forget& m, session_effects& out) {
  const auto entry = tasks_.find(m.attempt);
  if (entry != tasks_.end() && entry->second.at == task::state::kept) {
    forget(entry, out);
  }
}

// ---- the pod ------------------------------------------------------------------------------------

void pod_session::said(moment, const worker_ref& from, wire::load& m, session_effects& out) {
  const auto entry = slots_.find(from.slot.value);
  if (entry != slots_.end() && entry->second.live.incarnation == from.incarnation) {
    out.emplace_back(change_worker_model{entry->second.live, std::move(m.model)});
  }
}

void pod_session::said(moment now, const worker_ref& from, wire::unload&, session_effects& out) {
  wire::load none;
  said(now, from, none, out);
}

void pod_session::said(moment now, const worker_ref&, wire::drain& m, session_effects& out) {
  head_drains_ = true;
  begin_drain(now, m.mode, milliseconds{m.grace_ms}, out);
}

void pod_session::said(moment now, const worker_ref&, wire::undrain&, session_effects&) {
  head_drains_ = false;
  drain_until_ = draining_ ? drain_until_ : moment::max();
  beat_due_ = std::min(beat_due_, now);
}

void pod_session::said(moment, const worker_ref&, wire::rotate& m, session_effects& out) {
  if (m.key.empty()) {
    out.emplace_back(make_key{});
    return;
  }
  for (auto& head : heads_) {
    if (m.address.empty() || head.address == m.address || heads_.size() == 1) {
      head.key = m.key;
      head.address = m.address.empty() ? head.address : m.address;
    }
  }
  out.emplace_back(head_moved{std::move(m.key), std::move(m.address)});
}

void pod_session::said(moment now, const worker_ref&, wire::revoked& m, session_effects& out) {
  out.emplace_back(pod_event{pod_event::what::revoked, m.why});
  out.emplace_back(disconnect_head{});
  cut(now, out);
  phase_ = phase::none;
  connect_later(now, limits_.pause_max);
}

session_effects pod_session::key_made(moment now, const std::string& public_key) {
  session_effects out;
  send(wire::key_made{public_key});
  settle(now, out);
  return out;
}

// ---- blobs --------------------------------------------------------------------------------------

void pod_session::said(moment, const worker_ref&, wire::blob_need& m, session_effects&) {
  link_->serve(m);
}

void pod_session::said(moment, const worker_ref&, wire::blob_have& m, session_effects&) {
  link_->sender().release(m.blob);
  for (auto& [attempt, t] : tasks_) {
    if (t.output == m.blob) {
      t.output = {};
    }
  }
}

void pod_session::said(moment, const worker_ref&, wire::chunk& m, session_effects&) {
  auto arrived = link_->receiver().take(m);
  if (!arrived.whole && !arrived.failed) {
    return;
  }
  send(wire::blob_have{m.blob, arrived.whole});
  if (arrived.whole) {
    cache_.put(m.blob, arrived.text);
  }
  std::vector<attempt_ref> without;
  for (auto& [attempt, t] : tasks_) {
    if (t.at == task::state::gathering && t.input == m.blob) {
      t.body.input = arrived.text;
      if (arrived.failed) {
        without.push_back(attempt);
      }
    }
  }
  for (const auto& attempt : without) {
    give_back(attempt, "its input did not arrive");
  }
}

} // namespace tayfa::pods
