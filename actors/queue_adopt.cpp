// Jobs of heads that have died: the queue asks the store for them while it serves.
#include "actors/queue.hpp"

#include <algorithm>

namespace tayfa {

namespace {

constexpr std::size_t jobs_at_once = 1'000; ///< between them the queue serves what has come

} // namespace

void queue::look_later() {
  if (auto* const shared = ctx_.outside.store.shared();
      shared != nullptr && !std::exchange(looking_, true)) {
    send_timer(this, ctx_.outside.time, shared->adopt_pause(), 0, adopt_again);
  }
}

/// The jobs go through the inbox: they belong to this head whether or not this actor lives to hear
/// of them.
void queue::look_for_dead_heads() {
  looking_ = false;
  if (!serves_ || is_draining_ || end_reason_ || broken_) {
    return; // what it took would only wait for the next process
  }
  if (full_) {
    look_later();
    return;
  }
  looking_ = true;
  ctx_.outside.store.shared()->adopt(jobs_at_once,
                                     [me = caf::actor_cast<queue_actor>(this),
                                      inbox = state_->adopted](result<store::adopted_jobs> taken) {
                                       store_replied::adopted heard;
                                       if (!taken) {
                                         heard.how = fail(taken.error());
                                       } else if (!taken->from.empty()) {
                                         inbox->add(std::move(*taken));
                                       }
                                       caf::anon_send(me, store_replied{std::move(heard)});
                                     });
}

/// False: there are none.
bool queue::take_adopted() {
  const auto batches = state_->adopted->take();
  for (const auto& batch : batches) {
    const auto unended = std::count_if(batch.rows.begin(), batch.rows.end(),
                                       [](const auto& row) { return !is_final(row.state); });
    ctx_.outside.meters.add(meter::jobs_adopted, static_cast<double>(batch.rows.size()));
    ctx_.outside.log.warn(
        "jobs_adopted", {{"from", batch.from}, {"jobs", batch.rows.size()}, {"unended", unended}});
    enqueue_effects(table_.adopt(now(), batch.rows));
    // Workers of the dead head that go on may come to this one with what they have.
    const bool claimable = std::any_of(batch.rows.begin(), batch.rows.end(), [](const auto& row) {
      return !row.lasting_name.empty() && !is_final(row.state);
    });
    if (claimable && directory_.remote) {
      send(directory_.remote, unclaimed_attempts{table_.unclaimed()});
    }
  }
  return !batches.empty();
}

void queue::on(const store_replied::adopted& m) {
  looking_ = false;
  const bool more = take_adopted();
  if (!m.how && m.how.error().code != errc::unavailable) {
    ctx_.outside.log.error("adoption_failed",
                           {{"code", m.how.error().code}, {"text", m.how.error().text}});
  }
  if (more) {
    look_for_dead_heads();
  } else {
    look_later();
  }
}

} // namespace tayfa
