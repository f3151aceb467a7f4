// The table and its rows: what has changed, and what an earlier process left.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// The way of a machine from its start to a state that was read back.
void replay(machine<job_state>& m, job_state to) {
  const auto step = [&m](job_state next, cause why) { static_cast<void>(m.move_to(next, why)); };
  switch (to) {
  case job_state::IN_QUEUE: return;
  case job_state::IN_PROGRESS: step(to, cause::assigned); return;
  case job_state::CANCELLED: step(to, cause::cancel_requested); return;
  case job_state::TIMED_OUT: step(to, cause::ttl_expired); return;
  case job_state::COMPLETED:
    step(job_state::IN_PROGRESS, cause::assigned);
    step(to, cause::finished);
    return;
  case job_state::FAILED:
    step(job_state::IN_PROGRESS, cause::assigned);
    step(to, cause::job_error);
    return;
  }
}

/// An earlier process may have kept far more than this one is to keep.
constexpr std::size_t erased_before_at_once = 1'024;

} // namespace

void job_table::note(record& r, unsigned parts) {
  if (!limits_.durable) {
    return;
  }
  if (r.changed == 0) {
    dirty_.push_back(r.order);
  }
  r.changed = static_cast<std::uint8_t>(r.changed | parts | store::part_state);
}

store::job_row job_table::row_of(const record& r, unsigned parts) const {
  store::job_row row;
  row.order = r.order;
  row.id = *r.id;
  if ((parts & store::part_request) != 0) {
    row.request = r.request;
    row.fingerprint = r.fingerprint;
  }
  row.submitted = r.submitted;
  row.state = r.state.state();
  row.attempts = r.attempts;
  row.lives = r.lives;
  row.attempts_before = r.free_attempts;
  row.lone_kills = r.lone_kills;
  row.suspect = r.suspect;
  row.dead = r.dead;
  row.not_before = r.not_before;
  if (r.lives > 1) {
    row.retried = r.life_began;
  }
  row.hook_tries = r.delivery.tries;
  row.hook_open = r.delivery.open;
  row.refresh = r.refresh;
  if (r.keep_until != moment{}) {
    row.keep_until = r.keep_until;
  }
  row.input_bytes = r.input_bytes;
  row.output_bytes = r.output_bytes;
  if (r.attempts > 0) {
    row.worker = worker_name(r);
    row.holder = r.holder;
  }
  if (r.past_) {
    row.failure = r.past_->failure;
    row.delay = r.past_->delay;
    row.execution = r.past_->execution;
    row.history = r.past_->history;
    if (ended(r)) {
      row.ended = r.past_->ended;
      row.dropped_chunks = r.past_->chunks_dropped;
      if ((parts & store::part_chunks) != 0) {
        row.chunks.assign(r.past_->chunks.begin(), r.past_->chunks.end());
      }
    }
  }
  if ((parts & store::part_output) != 0 && ended(r)) {
    row.output = r.output; // what is shown as progress is not durable
  }
  return row;
}

bool job_table::durable(const job_id& id) const {
  if (id.empty()) {
    return !has_changes() && flying_.empty() && flying_erased_.empty();
  }
  const auto entry = jobs_.find(id);
  return entry == jobs_.end() ? erased_.empty() && flying_erased_.empty()
                              : entry->second.changed == 0 && entry->second.flying == 0;
}

store::batch job_table::take_changes() {
  store::batch batch;
  const auto old = std::min(erased_before_.size(), erased_before_at_once);
  batch.reserve(dirty_.size() + erased_.size() + old);
  pace_.taken(dirty_.size() + erased_.size());
  step_flying_ = std::exchange(step_dirty_, false) || step_flying_;
  for (const auto order : dirty_) {
    const auto entry = by_order_.find(order);
    if (entry == by_order_.end()) {
      continue; // forgotten meanwhile
    }
    record& r = *entry->second;
    const auto parts = std::exchange(r.changed, std::uint8_t{0});
    r.flying = static_cast<std::uint8_t>(r.flying | parts);
    flying_.push_back(r.order);
    batch.emplace_back(store::put{row_of(r, parts), parts});
  }
  dirty_.clear();
  erased_.insert(erased_.end(), erased_before_.end() - static_cast<std::ptrdiff_t>(old),
                 erased_before_.end());
  erased_before_.resize(erased_before_.size() - old);
  for (const auto order : erased_) {
    batch.emplace_back(store::erase{order});
  }
  flying_erased_.insert(flying_erased_.end(), erased_.begin(), erased_.end());
  erased_.clear();
  return batch;
}

void job_table::committed() {
  for (const auto order : flying_) {
    const auto entry = by_order_.find(order);
    if (entry == by_order_.end()) {
      continue;
    }
    record& r = *entry->second;
    const auto parts = std::exchange(r.flying, std::uint8_t{0});
    r.stored = true;
    if (limits_.spill_above == 0) {
      continue;
    }
    if ((parts & store::part_request) != 0 && r.request.input.size() > limits_.spill_above) {
      r.request.input = {}; // give says where it is
    }
    const bool output_changed = (r.changed & store::part_output) != 0;
    if ((parts & store::part_output) != 0 && !output_changed && ended(r) &&
        r.output.size() > limits_.spill_above) {
      r.output = {};
    }
  }
  flying_.clear();
  flying_erased_.clear();
  if (std::exchange(step_flying_, false)) {
    step_images_.clear();
  }
}

std::vector<job_id> job_table::not_committed() {
  step_dirty_ = std::exchange(step_flying_, false) || step_dirty_;
  std::vector<job_id> fresh;
  std::vector<std::uint64_t> again;
  for (const auto order : flying_) {
    const auto entry = by_order_.find(order);
    if (entry == by_order_.end()) {
      continue;
    }
    record& r = *entry->second;
    const auto parts = std::exchange(r.flying, std::uint8_t{0});
    if ((parts & store::part_request) != 0) {
      fresh.push_back(*r.id);
    }
    if (r.changed == 0) {
      again.push_back(order);
    }
    r.changed = static_cast<std::uint8_t>(r.changed | parts);
  }
  dirty_.insert(dirty_.begin(), again.begin(), again.end());
  erased_.insert(erased_.begin(), flying_erased_.begin(), flying_erased_.end());
  flying_.clear();
  flying_erased_.clear();
  return fresh;
}

effects job_table::withdraw(moment now, const std::vector<job_id>& ids) {
  for (const auto& id : ids) {
    withdraw_one(now, id);
  }
  effects out;
  begin_calls(now, out);
  assign(now, out); // only now: none of them may have the place of another
  return out;
}

void job_table::withdraw_one(moment now, const job_id& id) {
  const auto entry = jobs_.find(id);
  if (entry != jobs_.end() && !entry->second.stored) {
    take_out(now, entry->second, true);
  }
}

effects job_table::restore(moment now, std::vector<store::job_row> rows, std::uint64_t last_order) {
  effects out;
  for (auto& row : rows) {
    restore_one(now, std::move(row), out);
  }
  orders_ = std::max(orders_, last_order);
  restored_ = lines_.size() + sleeping_;
  const record* newest = nullptr;
  for (const auto& [name, t] : tenants_) {
    for (const auto* list : {&t.ended, &t.dead}) {
      if (!list->empty() &&
          (newest == nullptr || deadline{newest->past_->ended, newest->order} < list->last())) {
        newest = by_order_.at(list->last().second);
      }
    }
  }
  trim(newest);
  erased_before_ = std::exchange(erased_, {});
  return out;
}

void job_table::restore_past(moment now, store::job_row& row, record& r) {
  if (row.failure || row.delay || !row.history.empty() || ended(r)) {
    past& p = past_of(r);
    p.failure = std::move(row.failure);
    p.delay = row.delay;
    p.execution = row.execution;
    p.history = std::move(row.history);
    for (auto& c : row.chunks) {
      p.chunk_bytes += c.size();
      p.chunks.push_back(std::move(c));
    }
  }
  if (!ended(r)) {
    return;
  }
  past& p = *r.past_;
  p.ended = row.ended.value_or(now);
  p.chunks_dropped = row.dropped_chunks;
  r.delivery.undelivered = r.delivery.open && !r.request.origin.empty();
  r.output = std::move(row.output);
  r.output_bytes = row.output_bytes;
}

void job_table::restore_one(moment now, store::job_row&& row, effects& out) {
  const auto entry = jobs_.try_emplace(std::move(row.id)).first;
  record& r = entry->second;
  r.id = &entry->first;
  r.order = row.order;
  orders_ = std::max(orders_, r.order);
  r.request = std::move(row.request);
  r.fingerprint = row.fingerprint;
  r.input_bytes = row.input_bytes;
  r.submitted = row.submitted;
  r.life_began = row.retried.value_or(row.submitted);
  r.not_before = row.not_before;
  r.suspect = row.suspect;
  r.dead = row.dead;
  r.stored = true;
  r.delivery.open = row.hook_open;
  r.delivery.tries = tries_known(r, row.hook_tries);
  r.refresh = row.refresh;
  r.keep_until = row.keep_until.value_or(moment{});
  r.attempts = row.attempts;
  r.free_attempts = row.attempts_before;
  r.lives = row.lives;
  r.lone_kills = row.lone_kills;
  // Other nodes' numbers held for the life of the process that gave them.
  r.holder = row.holder.node == this_node ? row.holder : worker_ref{};
  if (!row.worker.empty() && row.worker != default_name(r.holder.place())) {
    r.holder_name = std::make_shared<const std::string>(row.worker);
  }
  replay(r.state, row.state);
  if (!r.request.policy.idempotency_key.empty()) {
    by_key_[key_of(r.request)] = &r;
  }
  restore_past(now, row, r);
  enlist(r);
  tenant_of(r).live += ended(r) ? 0 : 1;
  account(r);
  if (ended(r)) {
    put_among_ended(r);
  }
  switch (row.state) {
  case job_state::IN_QUEUE: queue_up(now, r); break;
  case job_state::IN_PROGRESS:
    ++running_;
    r.assigned = now; // when it was given out is not known; its tenant is charged nothing
    lines_.started(r.request.policy.tenant, milliseconds{0});
    lose(now, r, error{errc::unavailable, "the runtime ended while it ran"}, out);
    break;
  case job_state::COMPLETED:
  case job_state::FAILED:
  case job_state::CANCELLED:
  case job_state::TIMED_OUT: schedule(r); break;
  }
  if (row.damaged) { // what is left of it takes the place of what is damaged
    note(r, store::part_output | store::part_chunks | store::part_input_released);
  }
}

} // namespace tayfa
