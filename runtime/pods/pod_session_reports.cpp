// Reports of workers on their attempts: chunks go to the head in order, results are kept until it
// has them.
#include "runtime/pods/payloads.hpp"
#include "runtime/pods/pod_session.hpp"

#include "runtime/base/text.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods {

namespace wire = pod_protocol;

// ---- reports of workers -------------------------------------------------------------------------

session_effects pod_session::on(moment now, const attempt_reported& m) {
  session_effects out;
  const auto about = [&](const attempt_ref& attempt) {
    const auto entry = tasks_.find(attempt);
    const bool runs =
        entry != tasks_.end() && entry->second.worker == m.worker &&
        (entry->second.at == task::state::given || entry->second.at == task::state::running);
    return runs ? entry : tasks_.end();
  };
  if (const auto* log = std::get_if<protocol::log>(&m.body)) {
    auto row = *log;
    row.text = text::cut_middle(row.text, wire::text_bytes_max);
    send_row(std::move(row));
  } else if (const auto* started = std::get_if<protocol::started>(&m.body)) {
    if (const auto entry = about(started->attempt); entry != tasks_.end()) {
      entry->second.at = task::state::running;
      if (!entry->second.dropped) {
        send(*started);
      }
    }
  } else if (const auto* stepped = std::get_if<protocol::stepped>(&m.body)) {
    if (const auto entry = about(stepped->attempt); entry != tasks_.end()) {
      entry->second.steps = stepped->steps;
      if (!entry->second.dropped && !link_->stuck()) {
        send(*stepped);
      }
    }
  } else if (const auto* progress = std::get_if<protocol::progress>(&m.body)) {
    const auto entry = about(progress->attempt);
    if (entry != tasks_.end() && !entry->second.dropped && !link_->stuck() && has_session()) {
      // Only the latest counts: one that is too large for a message is left out.
      if (progress->payload.size() <= wire::inline_bytes_max) {
        send(wire::progress{progress->attempt, progress->sequence, {progress->payload, {}}});
      }
    }
  } else if (const auto* partial = std::get_if<protocol::partial>(&m.body)) {
    const auto entry = about(partial->attempt);
    if (entry != tasks_.end() && !entry->second.dropped) {
      add_chunk(entry, *partial);
    }
  } else if (const auto* last = std::get_if<protocol::finished>(&m.body)) {
    if (const auto entry = about(last->attempt); entry != tasks_.end()) {
      finished(now, entry, *last, out);
    }
  }
  settle(now, out);
  return out;
}

// ---- chunks -------------------------------------------------------------------------------------

void pod_session::drop_oldest_chunk(task& t) {
  chunk_bytes_ -= bytes_of(t.chunks.front());
  t.chunks.pop_front();
}

/// The first that can be said again, or the next one; 0 when that is not known.
std::uint32_t pod_session::first_chunk(const task& t) {
  return t.from_disk ? 0 : t.chunks.empty() ? t.chunks_made + 1 : t.chunks.front().sequence;
}

/// Since the hello offered chunks that the head now waits for, they have had to go: the head keeps
/// the attempt because of them, so the job is to run again.
void pod_session::return_holes(session_effects& out) {
  const std::string why = "chunks of its stream are gone";
  for (const auto& attempt : inventory_) {
    const auto entry = tasks_.find(attempt);
    if (entry == tasks_.end() || entry->second.dropped ||
        first_chunk(entry->second) <= entry->second.chunks_offered) {
      continue;
    }
    auto& t = entry->second;
    ++counters_.returned;
    send(wire::returned{attempt, why});
    if (t.at == task::state::kept) {
      forget(entry, out);
    } else {
      t.dropped = true;
      if (t.at != task::state::keeping) {
        out.emplace_back(revoke_attempt{t.worker, attempt});
      }
    }
  }
}

void pod_session::add_chunk(task_map::iterator entry, const protocol::partial& m) {
  auto& t = entry->second;
  if (m.sequence <= t.chunks_made) {
    return;
  }
  t.chunks_made = m.sequence;
  t.chunks.push_back(m);
  chunk_bytes_ += bytes_of(m);
  unsaid_.insert(entry->first);
  say_chunks();
  while (chunk_bytes_ > limits_.stored_parts_max && !t.chunks.empty()) {
    counters_.dropped_parts += t.chunks.front().sequence > t.chunks_said ? 1 : 0;
    drop_oldest_chunk(t);
  }
}

/// As far as the head takes them: the rest follows when it has taken more.
void pod_session::say_chunks() {
  const auto has_room = [this] {
    return has_session() && link_->outbox_bytes() < outbox_bytes_max / 2;
  };
  for (auto next = unsaid_.begin(); next != unsaid_.end() && has_room();) {
    auto& t = tasks_.at(*next);
    if (t.dropped) {
      next = unsaid_.erase(next);
      continue;
    }
    auto chunk = std::upper_bound(
        t.chunks.begin(), t.chunks.end(), t.chunks_said,
        [](std::uint32_t said, const protocol::partial& each) { return said < each.sequence; });
    for (; chunk != t.chunks.end() && has_room(); ++chunk) {
      send(wire::partial{chunk->attempt, chunk->sequence,
                         payload_of(chunk->payload, link_->sender())});
      t.chunks_said = chunk->sequence;
    }
    next = chunk == t.chunks.end() ? unsaid_.erase(next) : std::next(next);
  }
}

// ---- results ------------------------------------------------------------------------------------

void pod_session::finished(moment, task_map::iterator entry, const protocol::finished& m,
                           session_effects& out) {
  auto& t = entry->second;
  free_place(t);
  if (t.dropped) {
    erase(entry);
    return;
  }
  t.at = task::state::keeping;
  t.give_up_at = moment::max();
  t.last = m;
  t.bytes = m.output.size() + m.text.size();
  out.emplace_back(keep_result{m});
}

session_effects pod_session::result_kept(moment now, const attempt_ref& attempt,
                                         const result<void>& done) {
  session_effects out;
  const auto entry = tasks_.find(attempt);
  if (entry == tasks_.end() || entry->second.at != task::state::keeping) {
    return out;
  }
  auto& t = entry->second;
  t.at = task::state::kept;
  t.durable = done.has_value();
  kept_bytes_ += t.bytes;
  ++kept_;
  if (!done) {
    ++undurable_;
    // The result is reported nevertheless: at worst this pod ends first, and the job runs again.
    out.emplace_back(pod_event{pod_event::what::results_fail, done.error().str()});
  }
  if (t.dropped) {
    forget(entry, out);
  } else {
    unreported_.insert(attempt);
  }
  settle(now, out);
  return out;
}

/// Kept results go to the head as far as it takes them, after all chunks: those wait only while the
/// link is stuck. Results of earlier sessions are read first.
void pod_session::report_results(session_effects& out) {
  for (auto next = unreported_.begin(); next != unreported_.end() && !link_->stuck();) {
    const auto attempt = *next++;
    const auto entry = tasks_.find(attempt);
    auto& t = entry->second;
    if (t.last) {
      send_result(entry);
      unreported_.erase(attempt);
    } else if (!std::exchange(t.reading, true)) {
      out.emplace_back(read_result{attempt});
    }
  }
}

void pod_session::send_result(task_map::iterator entry) {
  auto& t = entry->second;
  const auto& last = *t.last;
  wire::finished m;
  m.attempt = entry->first;
  m.how = last.how;
  m.code = last.code;
  m.text = text::cut_middle(last.text, wire::error_bytes_max);
  m.output = payload_of(last.output, link_->sender());
  m.refresh_worker = last.refresh_worker;
  m.run_ms = last.run_ms;
  t.output = m.output.blob;
  if (t.durable) {
    t.last.reset();
  }
  send(std::move(m));
}

session_effects pod_session::result_read(moment now, const attempt_ref& attempt,
                                         const result<protocol::finished>& read) {
  session_effects out;
  const auto entry = tasks_.find(attempt);
  if (entry == tasks_.end() || !std::exchange(entry->second.reading, false)) {
    return out;
  }
  auto& t = entry->second;
  if (read) {
    t.last = *read;
  } else {
    // The disk has lost it: to the head it is an attempt that failed.
    out.emplace_back(pod_event{pod_event::what::results_fail, read.error().str()});
    protocol::finished lost;
    lost.attempt = attempt;
    lost.how = protocol::outcome::failed;
    lost.code = static_cast<std::uint16_t>(errc::unavailable);
    lost.text = "the pod's disk has lost the result";
    t.last = std::move(lost);
  }
  settle(now, out);
  return out;
}

} // namespace tayfa::pods
