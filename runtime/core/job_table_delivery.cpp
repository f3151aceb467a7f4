// Deliveries after a job's end: its webhook is called, and the result of a platform's job is
// delivered to that platform.
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace tayfa {

namespace {

using std::chrono::duration_cast;
using namespace std::chrono_literals;

constexpr milliseconds delivery_pause_first = 500ms;
constexpr milliseconds delivery_pause_most = 30s;
/// A result is delivered for so long even when the job's time to live ended with it.
constexpr milliseconds delivery_least = 10min;

milliseconds delivery_pause(std::uint32_t tries) {
  auto pause = delivery_pause_first;
  for (std::uint32_t i = 1; i < tries && pause < delivery_pause_most; ++i) {
    pause *= 2;
  }
  return std::min(pause, delivery_pause_most);
}

std::uint8_t one_more(std::uint8_t tries) {
  return tries == std::numeric_limits<std::uint8_t>::max() ? tries
                                                           : static_cast<std::uint8_t>(tries + 1);
}

} // namespace

// ---- deliveries ---------------------------------------------------------------------------------

/// The job has ended, or its platform asks again for how it ended.
void job_table::open_delivery(moment now, record& r, effects& out) {
  if (!r.request.origin.empty()) {
    take_from_ended(r);
    r.undelivered = true;
    put_among_ended(r);
  } else if (r.request.webhook.empty() || limits_.hook_tries == 0) {
    return;
  }
  r.hook_open = true;
  r.hook_tries = 0;
  tell_hook(now, r, out);
}

/// The platform gives a job again that COMPLETED: it has not heard, or not kept, what it was told.
void job_table::deliver_again(moment now, record& r, effects& out) {
  r.keep_until = std::max(r.keep_until, now + delivery_least);
  open_delivery(now, r, out);
}

/// It is due: a result for its platform is posted at once, a webhook when there is a place for it.
void job_table::tell_hook(moment now, record& r, effects& out) {
  if (!r.undelivered) {
    r.hook_waits = true;
    hooks_.wait(r.order, r.request.policy.tenant, hook_target(r.request.webhook), r.output_bytes);
    schedule(r);
    begin_hooks(now, out);
    return;
  }
  begin_try(now, r);
  deliver_result d{view_of(r), r.request.origin};
  d.chunks.assign(r.past_->chunks.begin(), r.past_->chunks.end());
  d.whole = r.past_->chunks_taken == 0 && r.past_->chunks_dropped == 0;
  d.refresh = r.refresh;
  d.number = r.hook_tries;
  d.left = std::max(duration_cast<milliseconds>(deliver_until(r) - now), milliseconds{0});
  out.emplace_back(std::move(d));
  schedule(r);
}

void job_table::begin_try(moment now, record& r) {
  set_hook_out(r, true);
  r.hook_tries = one_more(r.hook_tries);
  r.not_before = now; // should nobody say how it went
  note(r, store::part_state);
}

void job_table::begin_hooks(moment now, effects& out) {
  while (const auto turn = hooks_.next(now)) {
    record& r = *by_order_.at(turn->order);
    r.hook_waits = false;
    r.hook_call = turn->call;
    begin_try(now, r);
    out.emplace_back(notify{r.request.webhook, view_of(r), r.hook_tries, r.hook_call});
    schedule(r);
  }
}

/// It is not to be called any more, whatever became of it.
void job_table::close_hook(record& r) {
  r.hook_open = false;
  set_hook_out(r, false);
  if (std::exchange(r.hook_waits, false)) {
    hooks_.leave(r.order);
  }
}

void job_table::close_delivery(record& r) {
  r.hook_open = false;
  set_hook_out(r, false);
  if (r.undelivered) {
    take_from_ended(r);
    r.undelivered = false;
    put_among_ended(r);
  }
  note(r, store::part_state);
  schedule(r);
}

moment job_table::deliver_until(const record& r) const {
  return std::max({ttl_end(r), r.past_->ended + delivery_least, r.keep_until});
}

/// How the last try of a webhook went is not known, so it may be made once more, but there are no
/// more of them than allowed.
std::uint8_t job_table::tries_known(const record& r, std::uint32_t begun) const {
  const auto most =
      r.request.origin.empty() ? std::max<std::uint32_t>(limits_.hook_tries, 1) - 1 : 1;
  return static_cast<std::uint8_t>(std::min(begun, most));
}

void job_table::set_hook_out(record& r, bool out) {
  if (std::exchange(r.hook_out, out) != out) {
    out ? hooks_out_.insert(r.order) : hooks_out_.erase(r.order);
  }
}

bool job_table::webhook_is_pending(const job_id& id) const {
  const auto entry = jobs_.find(id);
  return entry != jobs_.end() && entry->second.hook_open;
}

std::uint64_t job_table::hook_call(const job_id& id) const {
  const auto entry = jobs_.find(id);
  return entry != jobs_.end() && entry->second.hook_out ? entry->second.hook_call : 0;
}

effects job_table::notified(moment now, const job_id& id, std::uint64_t call, hook_answer how) {
  effects out;
  hooks_.ended(call, now); // also of a job that is forgotten, or has begun a new life
  const auto entry = jobs_.find(id);
  if (entry != jobs_.end() && entry->second.hook_out && !entry->second.undelivered &&
      entry->second.hook_call == call) {
    record& r = entry->second;
    set_hook_out(r, false);
    r.hook_tries -= how == hook_answer::not_made && r.hook_tries > 0 ? 1 : 0;
    r.hook_open = how != hook_answer::delivered && r.hook_tries < limits_.hook_tries;
    r.not_before = now + limits_.hook_pause;
    note(r, store::part_state);
    schedule(r);
  }
  begin_hooks(now, out);
  return out;
}

effects job_table::posted(moment now, const job_id& id, bool settled, milliseconds pause) {
  const auto entry = jobs_.find(id);
  if (entry == jobs_.end() || !entry->second.undelivered || (!entry->second.hook_out && !settled)) {
    return {}; // that it is settled is good to know from whichever try
  }
  record& r = entry->second;
  const auto soonest = now + delivery_pause(r.hook_tries);
  const auto last = deliver_until(r) - delivery_pause_first; // however long a pause is asked for
  if (settled || soonest > last) {
    close_delivery(r);
    trim(nullptr);
    return {};
  }
  set_hook_out(r, false);
  r.not_before = std::clamp(now + std::min(pause, job_policy::ttl_max), soonest, last);
  note(r, store::part_state);
  schedule(r);
  return {};
}

effects job_table::posts_lost(moment) {
  for (auto next = hooks_out_.above(0); next; next = hooks_out_.above(*next)) {
    if (record& r = *by_order_.at(*next); r.undelivered) {
      set_hook_out(r, false);
      schedule(r);
    }
  }
  return {};
}

const std::string* job_table::origin_of(const job_id& id) const {
  const auto entry = jobs_.find(id);
  return entry == jobs_.end() || entry->second.request.origin.empty()
             ? nullptr
             : &entry->second.request.origin;
}

std::vector<std::pair<job_id, std::string>> job_table::origins() const {
  std::vector<std::pair<job_id, std::string>> out;
  out.reserve(origins_live_.size());
  for (auto next = origins_live_.above(0); next; next = origins_live_.above(*next)) {
    const record& r = *by_order_.at(*next);
    out.emplace_back(*r.id, r.request.origin);
  }
  return out;
}

} // namespace tayfa
