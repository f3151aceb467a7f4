// The connection: when it is tried, what a session begins with, when the head counts as silent.
#include "runtime/pods/pod_session.hpp"

#include "runtime/base/text.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods {

namespace wire = pod_protocol;

pod_session::pod_session(session_limits limits, pod_identity self, std::vector<head_address> heads,
                         random_source& random, send_function send)
    : limits_(limits), self_(std::move(self)), heads_(std::move(heads)), random_(random),
      send_(std::move(send)), cache_(limits.cache_bytes),
      link_(std::make_unique<pod_end>(self_.incarnation, 0, budget_)), beat_(limits.beat) {}

session_effects pod_session::start(moment now, const std::vector<kept_result>& found) {
  session_effects out;
  for (const auto& each : found) {
    auto& t = tasks_[each.attempt];
    t.at = task::state::kept;
    t.durable = true;
    t.from_disk = true;
    t.bytes = each.bytes;
    kept_bytes_ += each.bytes;
    ++kept_;
  }
  heard_ = now;
  const auto wait = std::chrono::duration<double, std::milli>(limits_.first_try) * random_.unit();
  next_try_ = now + std::chrono::duration_cast<std::chrono::nanoseconds>(wait);
  return out;
}

/// A pod that is refused or cut off comes back after a random time, longer from try to try. The
/// first one after a long session is spread like that of a start: a head that ends cuts off all of
/// its pods at once.
void pod_session::connect_later(moment now, milliseconds at_least) {
  auto most = limits_.pause_base;
  for (std::uint32_t i = 0; i < tries_ && most < limits_.pause_max; ++i) {
    most *= 2;
  }
  most = std::min(std::exchange(lost_head_, false) ? limits_.first_try : most, limits_.pause_max);
  ++tries_;
  const auto wait =
      std::chrono::duration<double, std::milli>(std::max(most, at_least)) * random_.unit() +
      std::chrono::duration<double, std::milli>(at_least);
  next_try_ = now + std::chrono::duration_cast<std::chrono::nanoseconds>(wait);
}

/// The session, if there is one, waits for the next connection.
void pod_session::cut(moment now, session_effects&) {
  const bool held = wire_ == wire_state::up && phase_ == phase::linked;
  if (held && now - linked_since_ >= limits_.welcome_holds) {
    tries_ = 0;
    lost_head_ = true;
  }
  wire_ = wire_state::idle;
  link_->link().disconnected();
}

session_effects pod_session::on(moment now, const connector_event& event) {
  session_effects out;
  if (std::holds_alternative<connected>(event)) {
    wire_ = wire_state::up;
    first_message_ = true;
    wrong_keys_ = 0;
    heard_ = now;
    linked_since_ = now;
    link_->link().connected(now);
  } else if (const auto* m = std::get_if<message_in>(&event)) {
    if (wire_ == wire_state::up) {
      message(now, m->bytes, out);
    }
  } else if (const auto* ended = std::get_if<connection_ended>(&event)) {
    const bool was_up = wire_ == wire_state::up;
    cut(now, out);
    std::string words = ended->text;
    if (ended->why == tayfa::pods::cut::wrong_head_key && ++wrong_keys_ >= 5) {
      words = "the head's key is not the one that this pod was given: join it again";
    } else if (ended->why == tayfa::pods::cut::refused) {
      words = "the head does not trust this pod's key (" + ended->text + ")";
    }
    out.emplace_back(
        pod_event{was_up ? pod_event::what::cut : pod_event::what::unreachable, words});
    connect_later(now, milliseconds{0});
  }
  settle(now, out);
  return out;
}

void pod_session::message(moment now, std::span<const char> bytes, session_effects& out) {
  if (std::exchange(first_message_, false)) {
    // Another head process, or one that has lost its count of sessions: nothing of it is old.
    const auto read = read_envelope(bytes);
    const bool opens =
        read && (read->header.kind == link_kind::open || read->header.kind == link_kind::opened);
    if (opens && read->header.from < link_->link().peer()) {
      auto fresh = std::make_unique<pod_end>(self_.incarnation, 0, budget_);
      fresh->take_blobs_of(*link_);
      link_ = std::move(fresh);
      phase_ = phase::none;
      session_ = 0;
    }
  }
  auto arrival = link_->receive(bytes, now);
  if (!arrival) {
    ++counters_.refused_frames;
    return;
  }
  heard_ = now;
  if (link_->link().is_open() && link_->link().peer() != session_) {
    begin_session(now, std::move(arrival->lost), out);
  }
  if (arrival->frame.empty()) {
    return;
  }
  auto read = link_->decode(arrival->frame);
  if (!read) {
    ++counters_.refused_frames;
    return;
  }
  std::visit([&](auto& body) { said(now, read->worker, body, out); }, read->body);
}

/// Rows of the log that the earlier session did not deliver are sent again; all else is said by the
/// hello, or after the welcome.
void pod_session::begin_session(moment, std::vector<link_message> lost, session_effects&) {
  ++counters_.sessions;
  session_ = link_->link().peer();
  auto later = std::exchange(rows_, {});
  const auto keep_row = [&](std::string_view frame) {
    auto read = pod_protocol::decode_upstream(link_->version(), {frame.data(), frame.size()});
    if (auto* const row = read ? std::get_if<protocol::log>(&read->body) : nullptr) {
      row_bytes_ += sizeof *row + row->text.size();
      rows_.push_back(std::move(*row));
    }
  };
  for (const auto& m : lost) {
    keep_row(std::string_view{*m}.substr(data_header_bytes));
  }
  for (const auto& m : link_->new_session()) {
    keep_row(std::string_view{m}.substr(data_header_bytes));
  }
  std::move(later.begin(), later.end(), std::back_inserter(rows_));
  for (auto& [attempt, t] : tasks_) {
    t.output = {}; // what was offered is offered again with the result
    t.chunks_said = 0;
    if (!t.input.empty() && t.at == task::state::gathering) {
      link_->receiver().want(t.input);
    }
  }
  close_runs();
  unreported_.clear();
  unsaid_.clear();
  say_hello();
}

void pod_session::say_hello() {
  phase_ = phase::greeting;
  taken_ = take_until_ = 0;
  inventory_.clear();
  verdicts_.clear();
  beat_due_ = moment::max();
  link_->agreed(self_.versions_to);
  wire::hello m;
  m.versions_from = self_.versions_from;
  m.versions_to = self_.versions_to;
  m.release = self_.release;
  m.name = self_.name;
  m.head = self_.head;
  m.models.assign(self_.models.begin(),
                  self_.models.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                             self_.models.size(), wire::models_max)));
  for (auto& [number, s] : slots_) {
    s.announced = s.live.incarnation;
    s.end.reset();
    s.changed = false;
    m.slots += s.live.incarnation != 0 ? 1 : 0;
  }
  for (const auto& [attempt, t] : tasks_) {
    if (!t.dropped) {
      inventory_.push_back(attempt);
    }
  }
  m.attempts = static_cast<std::uint32_t>(inventory_.size());
  say_credit();
  m.take_until = take_until_;
  link_->send(std::move(m));
  for (const auto& [number, s] : slots_) {
    if (s.live.incarnation != 0) {
      link_->send({slot_id{number}, s.live.incarnation}, announced(s));
    }
  }
  wire::inventory some;
  for (std::size_t i = 0; i < inventory_.size(); ++i) {
    auto& t = tasks_.at(inventory_[i]);
    wire::inventory_entry entry;
    entry.attempt = inventory_[i];
    entry.at = t.at == task::state::kept ? wire::stage::finished
               : t.at == task::state::gathering || t.at == task::state::given
                   ? wire::stage::waiting
                   : wire::stage::running;
    entry.slot = t.worker.slot.value;
    entry.incarnation = t.worker.incarnation;
    entry.steps = t.steps;
    entry.chunks_from = t.chunks_offered = first_chunk(t);
    some.entries.push_back(std::move(entry));
    if (some.entries.size() == wire::list_max || i + 1 == inventory_.size()) {
      link_->send(std::exchange(some, {}));
    }
  }
}

wire::slot_ready pod_session::announced(const slot& s) {
  auto m = ready_of(s.facts);
  m.capacity = s.drained ? 0 : m.capacity;
  return m;
}

// ---- out ----------------------------------------------------------------------------------------

void pod_session::send(const worker_ref& worker, wire::upstream m) {
  if (has_session()) {
    link_->send(worker, std::move(m));
  }
}

/// Kept within bounds while there is no session, and dropped where the head takes too little.
void pod_session::send_row(protocol::log row) {
  if (has_session() && link_->outbox_bytes() < outbox_bytes_max / 2) {
    link_->send(std::move(row));
    return;
  }
  const auto size = sizeof row + row.text.size();
  if (has_session() || row_bytes_ + size > limits_.stored_parts_max) {
    ++counters_.dropped_parts;
    return;
  }
  row_bytes_ += size;
  rows_.push_back(std::move(row));
}

/// Results of this worker are being written, or have not been said in this session.
bool pod_session::has_results_of(const worker_ref& worker) const {
  return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& each) {
    const auto& [attempt, t] = each;
    return t.worker == worker && !t.dropped &&
           (t.at == task::state::keeping || unreported_.contains(attempt));
  });
}

/// Tells the head of the workers as they are now. The end of one waits until its results are said.
void pod_session::sync_slots() {
  for (auto entry = slots_.begin(); entry != slots_.end();) {
    const auto here = entry++;
    auto& [number, s] = *here;
    const bool ended = s.announced != 0 && s.announced != s.live.incarnation;
    const bool speaks = ended && has_results_of({slot_id{number}, s.announced});
    if (speaks) {
      continue;
    }
    if (ended) {
      send({slot_id{number}, s.announced}, s.end.value_or(wire::slot_gone{}));
      s.end.reset();
      s.announced = 0;
    }
    if (s.live.incarnation != 0 && (s.announced == 0 || s.changed)) {
      send({slot_id{number}, s.live.incarnation}, announced(s));
      s.announced = s.live.incarnation;
      s.changed = false;
    }
    if (s.live.incarnation == 0 && s.announced == 0) {
      slots_.erase(here);
    }
  }
}

/// Credit is what was taken in this session and the free places of the workers.
void pod_session::say_credit() {
  std::uint64_t free = 0;
  if (closed().empty()) {
    for (const auto& [number, s] : slots_) {
      if (s.live.incarnation != 0 && !s.drained) {
        free += s.facts.capacity - std::min(s.facts.capacity, s.busy);
      }
    }
    // All that is here must fit an inventory.
    free = std::min<std::uint64_t>(free, wire::inventory_max - tasks_.size());
  }
  if (free > 0 && taken_ + free > take_until_) {
    take_until_ = taken_ + free;
    send(wire::credit{take_until_});
  }
}

/// After everything: what can go out goes.
void pod_session::settle(moment now, session_effects& out) {
  gather(now, out);
  if (has_session()) {
    say_credit(); // before what frees a place is said
    say_chunks();
    report_results(out);
    sync_slots();
    say_credit();
    say_drained(out);
    link_->ask_for_chunks();
  }
  if (wire_ == wire_state::up) {
    link_->flush(now, [this](const link_message& m) { return send_(m) == sent::yes; });
  }
}

// ---- time ---------------------------------------------------------------------------------------

std::optional<moment> pod_session::next_deadline() const {
  moment due = wire_ == wire_state::idle ? next_try_ : moment::max();
  if (wire_ == wire_state::up) {
    const auto beat = has_session() ? beat_due_ : moment::max(); // none is said before the welcome
    due = std::min(
        {due, heard_ + silence(), beat, link_->link().asks_again().value_or(moment::max())});
  }
  due = std::min(due, drain_until_);
  if (!has_session() || wire_ != wire_state::up) {
    for (const auto& [attempt, t] : tasks_) {
      due = std::min(due, t.give_up_at);
    }
  }
  return due == moment::max() ? std::nullopt : std::optional{due};
}

session_effects pod_session::expire(moment now) {
  session_effects out;
  if (wire_ == wire_state::idle && now >= next_try_ && !heads_.empty()) {
    const auto& head = heads_[target_++ % heads_.size()];
    wire_ = wire_state::connecting;
    next_try_ = moment::max();
    out.emplace_back(connect_head{head.address, head.key});
  }
  if (wire_ == wire_state::up && now - heard_ >= silence()) {
    out.emplace_back(pod_event{pod_event::what::silent, "nothing was received from the head"});
    out.emplace_back(disconnect_head{});
    cut(now, out);
    connect_later(now, milliseconds{0});
  }
  if (wire_ == wire_state::up && has_session() && now >= beat_due_) {
    beat_due_ = now + beat_;
    if (!link_->stuck()) {
      const auto s = status(now);
      beat_at_ = now;
      send(wire::beat{++beats_, static_cast<std::uint32_t>(round_trip_.count()), s.running,
                      take_until_, s.closed});
    }
  }
  if (now >= drain_until_) {
    drain_until_ = moment::max();
    stop_all("its pod is drained", out);
  }
  if (!has_session() || wire_ != wire_state::up) {
    for (auto& [attempt, t] : tasks_) {
      if (now >= t.give_up_at) { // the head, which would say so, is not there
        t.give_up_at = moment::max();
        out.emplace_back(revoke_attempt{t.worker, attempt});
      }
    }
  }
  settle(now, out);
  return out;
}

session_status pod_session::status(moment now) const {
  session_status s;
  s.linked = has_session() && wire_ == wire_state::up;
  s.closed = closed();
  for (const auto& [attempt, t] : tasks_) {
    switch (t.at) {
    case task::state::gathering:
    case task::state::given: ++s.waiting; break;
    case task::state::running:
    case task::state::keeping: ++s.running; break;
    case task::state::kept: ++s.kept; break;
    }
  }
  s.kept_bytes = kept_bytes_;
  s.silent = std::chrono::duration_cast<milliseconds>(now - heard_);
  return s;
}

// ---- workers that take nothing, models ----------------------------------------------------------

session_effects pod_session::on(moment now, const drain_worker& m) {
  session_effects out;
  if (auto* const s = find_slot(m.worker); s != nullptr && !std::exchange(s->drained, true)) {
    s->changed = true;
  }
  settle(now, out);
  return out;
}

session_effects pod_session::on(moment now, const model_refused& m) {
  session_effects out;
  const auto entry = slots_.find(m.worker.slot.value);
  if (entry != slots_.end() && entry->second.announced == m.worker.incarnation) {
    send({m.worker.slot, m.worker.incarnation},
         wire::model_refused{text::cut_middle(m.model, wire::text_bytes_max),
                             static_cast<std::uint16_t>(m.why.code),
                             text::cut_middle(m.why.text, wire::text_bytes_max)});
  }
  settle(now, out);
  return out;
}

session_effects pod_session::models(moment now, std::vector<std::string> names) {
  session_effects out;
  self_.models = std::move(names);
  wire::models m;
  for (const auto& name : self_.models) {
    if (m.names.size() < m.names.most) {
      m.names.push_back(name);
    }
  }
  send(std::move(m));
  settle(now, out);
  return out;
}

} // namespace tayfa::pods
