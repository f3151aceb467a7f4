// The register's rows: what has changed, and what is on its way to the store.
#include "runtime/core/jobs/job_register.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// An earlier process may have kept far more than this one is to keep.
constexpr std::size_t erased_before_at_once = 1'024;

} // namespace

void job_register::mark_changed(job_record& r, unsigned parts) {
  if (!limits_.durable) {
    return;
  }
  if (r.changed == 0) {
    dirty_.push_back(r.order);
  }
  r.changed = static_cast<std::uint8_t>(r.changed | parts | store::part_state);
}

store::job_row job_register::row_of(const job_record& r, unsigned parts) const {
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
  row.attempts_before = r.uncharged_attempts;
  row.solo_crashes = r.solo_crashes;
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
  if (r.ended()) { // what is shown as progress is not durable
    row.output_bytes = r.output_bytes;
  }
  if (r.attempts > 0) {
    row.worker = r.worker_name();
    row.holder = r.holder;
    row.given = r.assigned;
  }
  row.lasting_name = r.lasting ? *r.lasting : "";
  row.streamed = r.streamed;
  if (r.past_) {
    row.failure = r.past_->failure;
    row.delay = r.past_->delay;
    row.execution = r.past_->execution;
    row.history = r.past_->history;
    if (r.ended()) {
      row.ended = r.past_->ended;
      row.dropped_chunks = r.past_->chunks_dropped;
      if ((parts & store::part_chunks) != 0) {
        row.chunks.assign(r.past_->chunks.begin(), r.past_->chunks.end());
      }
    }
  }
  if ((parts & store::part_output) != 0 && r.ended()) {
    row.output = r.output;
  }
  return row;
}

bool job_register::durable(const job_id& id) const {
  if (id.empty()) {
    return !has_changes() && flying_.empty() && flying_erased_.empty();
  }
  const auto entry = jobs_.find(id);
  return entry == jobs_.end() ? erased_.empty() && flying_erased_.empty()
                              : entry->second.changed == 0 && entry->second.flying == 0;
}

store::batch job_register::take_changes() {
  store::batch batch;
  const auto old = std::min(erased_before_.size(), erased_before_at_once);
  batch.reserve(dirty_.size() + erased_.size() + old);
  for (const auto order : dirty_) {
    const auto entry = by_order_.find(order);
    if (entry == by_order_.end()) {
      continue; // forgotten meanwhile
    }
    job_record& r = *entry->second;
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

void job_register::committed() {
  for (const auto order : flying_) {
    const auto entry = by_order_.find(order);
    if (entry == by_order_.end()) {
      continue;
    }
    job_record& r = *entry->second;
    const auto parts = std::exchange(r.flying, std::uint8_t{0});
    r.stored = true;
    if (limits_.spill_above == 0) {
      continue;
    }
    if ((parts & store::part_request) != 0 && r.request.input.size() > limits_.spill_above) {
      r.request.input = {}; // give says where it is
    }
    const bool output_changed = (r.changed & store::part_output) != 0;
    if ((parts & store::part_output) != 0 && !output_changed && r.ended() &&
        r.output.size() > limits_.spill_above) {
      r.output = {};
    }
  }
  flying_.clear();
  flying_erased_.clear();
}

std::vector<job_id> job_register::not_committed() {
  std::vector<job_id> fresh;
  std::vector<std::uint64_t> again;
  for (const auto order : flying_) {
    const auto entry = by_order_.find(order);
    if (entry == by_order_.end()) {
      continue;
    }
    job_record& r = *entry->second;
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

void job_register::forget_changes_of(std::uint64_t order) {
  std::erase(erased_, order); // not_committed() has put it there,
  std::erase(dirty_, order);  // or there
}

} // namespace tayfa
