// Undoes decisions that could not be made durable: a job is removed as if it had never existed, or
// restored to its former state.
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <iterator>

namespace tayfa {

/// Out of every list and count. `unsent`: no attempt of it that is held was ever sent, so nobody
/// will report its end: neither of the current one, nor of one that was revoked.
void job_table::take_out(moment now, record& r, bool unsent) {
  switch (r.state.state()) {
  case job_state::IN_QUEUE:
    leave_queue(r);
    jobs_.count_live(r, false);
    break;
  case job_state::IN_PROGRESS:
    --running_;
    no_longer_unclaimed(r);
    jobs_.count_live(r, false);
    queue_.ended(r.request.policy.tenant, milliseconds{r.expected_ms}, milliseconds{0});
    break;
  case job_state::COMPLETED:
  case job_state::FAILED:
  case job_state::CANCELLED:
  case job_state::TIMED_OUT:
    count(r.state.state(), -1);
    jobs_.numbers().ended(r.request, r.state.state(), -1);
    jobs_.take_from_ended(r);
    deliveries_.unmade(r.delivery);
    break;
  }
  if (unsent && r.attempts > 0) {
    pool_.let_go(now, *r.id);
  }
  jobs_.uncount(r);
  jobs_.remove(r);
}

std::optional<job_table::job_image> job_table::image(const job_id& id) const {
  const auto entry = jobs_.find(id);
  if (entry == nullptr) {
    return {};
  }
  const record& r = *entry;
  return job_image{jobs_.row_of(r, store::part_request | store::part_output | store::part_chunks),
                   r.watch, r.changed == 0 && r.flying == 0};
}

purge_undone job_table::undo_purge_step(moment now) {
  purge_undone undone;
  for (const auto& [number, image] : std::exchange(step_images_, {})) {
    const auto entry = jobs_.find(image.row.id);
    if (entry != nullptr && entry->state.state() == job_state::CANCELLED) {
      undone.jobs.insert(image.row.id);
      ++undone.of_purge[number];
      auto then = put_back(now, image, false);
      undone.then.insert(undone.then.end(), std::make_move_iterator(then.begin()),
                         std::make_move_iterator(then.end()));
    }
  }
  return undone;
}

effects job_table::put_back(moment now, const job_image& before, bool unsent) {
  effects out;
  auto row = before.row;
  const auto id = row.id;
  const attempt_ref latest{id, row.attempts};
  std::uint64_t chunks_gone = 0; // answers with them may still be on their way
  if (const auto entry = jobs_.find(id); entry != nullptr) {
    if (const auto& p = entry->past_) {
      chunks_gone = p->chunks_gone + p->chunks.size();
    }
    take_out(now, *entry, unsent);
  }
  jobs_.forget_changes_of(row.order);
  const bool ran = row.state == job_state::IN_PROGRESS;
  if (ran) {
    row.state = job_state::IN_QUEUE;
    row.attempts_before += 1;
    for (const auto& [at, w] : pool_.all()) {
      if (w.present && w.holds.contains(latest)) {
        out.emplace_back(revoke_attempt{w.ref, latest});
      }
    }
  }
  restore_one(now, std::move(row), out);
  record& r = *jobs_.find(id);
  r.watch = before.watch;
  if (chunks_gone > 0) {
    r.past().chunks_gone = chunks_gone;
  }
  if (ran || !before.durable) {
    jobs_.mark_changed(r, store::part_output | store::part_chunks);
  }
  return out;
}

moment job_table::kept_until(const job_id& id) const {
  const auto entry = jobs_.find(id);
  return entry == nullptr ? moment{} : entry->keep_until;
}

void job_table::keep_as_before(const job_id& id, moment until) {
  const auto entry = jobs_.find(id);
  if (entry != nullptr) {
    entry->keep_until = until;
    jobs_.mark_changed(*entry, store::part_state);
    jobs_.schedule(*entry);
  }
}

} // namespace tayfa
