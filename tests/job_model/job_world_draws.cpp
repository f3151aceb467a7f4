// Random arguments. A new member of a job's request, or of a worker's facts, is drawn here.
#include "tests/job_model/job_world.hpp"

#include <algorithm>

namespace tayfa::testing {

using std::chrono::seconds;

job_limits job_world::any_limits() {
  job_limits l;
  l.durable = true;
  l.spill_above = disk_->keeps_large_texts() ? job_store::inline_max : 0;
  l.queue_max = 1 + below(12);
  l.tenant_max = chance(2) ? 0 : 1 + below(8);
  l.tenants["t1"] = {.weight = 2, .running_max = small(3)};
  l.other_tenants.running_max = chance(2) ? 0 : 1 + small(3);
  l.max_attempts = small(5);
  l.solo_crashes_max = small(4);
  l.execution_timeout = seconds{5 + below(30)};
  l.ttl = seconds{10 + below(60)};
  l.lease = milliseconds{500 + below(8'000)};
  l.claim_window = milliseconds{below(3) * 3'000};
  l.retry_base = milliseconds{below(3) * 100};
  l.retry_max = milliseconds{300};
  l.priority_step = milliseconds{below(4) * 1'000};
  l.batch_max = (alike_ ? 1 : 0) + small(4);
  l.batch_delay = milliseconds{(batches_ || !alike_) && chance(2) ? below(2'000) : 0};
  l.keep_async = seconds{1 + below(60)};
  l.keep_sync = seconds{below(20)};
  l.keep_dead = seconds{20 + below(100)};
  l.forget_step = milliseconds{below(2) * 700};
  l.dead_max = 1 + below(6);
  l.history_max = below(5);
  l.hook_tries = small(4);
  l.hook_pause = milliseconds{below(3'000)};
  l.hook_calls = {1 + below(8), 1 + below(4), 1 + below(2'000)};
  l.chunks_max = 1 + below(4);
  l.live_bytes_max = 20 + below(200);
  l.kept_bytes_max = 10 + below(100);
  l.kept_jobs_max = 1 + below(20);
  if (disk_->keeps_large_texts() || chance(2)) { // there is room for large texts
    l.live_bytes_max = l.kept_bytes_max = 10 * job_store::inline_max;
    l.queue_max += chance(3) ? 0 : 40;
    l.kept_jobs_max += 40;
  }
  return l;
}

job_request job_world::any_request() {
  job_request r;
  r.endpoint = chance(4) ? "e2" : "e1";
  r.input = shared_text{std::string(1 + below(12), '1')};
  if (limits_.spill_above > 0 && chance(30)) {
    r.input = shared_text{std::string(limits_.spill_above + 1 + below(3), '7')};
  }
  r.sync = chance(3);
  r.shape = chance(3) ? "s" : "";
  r.model = chance(3) ? one_of({"m0", "m1", "m2"}) : "";
  r.webhook = chance(4) ? "https://h" + std::to_string(below(2)) + "/" : "";
  r.s3_config = chance(8) ? "{}" : "";
  r.policy.tenant = batches_ ? "" : one_of({"", "t1", "t2"});
  r.policy.priority = static_cast<std::uint8_t>(below(10));
  if (chance(4)) {
    r.policy.deadline = milliseconds{below(20'000)};
  }
  if (chance(6)) {
    r.policy.delay = milliseconds{below(5'000)};
  }
  if (chance(3)) {
    r.policy.ttl = seconds{10 + below(30)};
  }
  if (chance(3)) {
    r.policy.execution_timeout = seconds{5 + below(20)};
  }
  if (chance(4)) {
    r.policy.idempotency_key = "k" + std::to_string(below(5));
  }
  return r;
}

/// Remote workers run jobs of one endpoint, and ask for a number of them.
worker_facts job_world::any_facts(worker_ref w) {
  worker_facts f;
  f.steps = chance(2);
  f.device = alike_ ? "one kind" : one_of({"fast", "slow"});
  if (w.node == pull_node) {
    f = pulling(f);
    f.capacity = small(4);
    f.batch_max = 1 + f.capacity;
    f.endpoint = w.slot.value == 0 ? "e1" : "e2";
    f.name = "theirs";
    f.lasting_name = lasting_name_of(w.place());
    f.lease = milliseconds{chance(2) ? 0 : 700 + below(5'000)};
    return f;
  }
  f.capacity = alike_ && !batches_ ? 1 : small(5);
  f.batch_max = batches_ || (!alike_ && chance(3)) ? f.capacity : 1;
  if (alike_) {
    return f;
  }
  f.continuous = chance(4);
  f.memory_bytes = models_.empty() ? 0 : 50 * below(3);
  f.can_change = chance(2);
  if (const auto wish = wished_.find(w.place()); wish != wished_.end()) {
    f.model = wish->second;
    f.can_change = true;
  } else if (!models_.empty() && !chance(3)) {
    f.model = f.memory_bytes == 50 ? models_.front().name : models_[below(2)].name;
  }
  return f;
}

std::string job_world::lasting_name_of(worker_place at) {
  return at.node == pull_node ? "theirs-" + std::to_string(at.slot.value) : "";
}

worker_ref job_world::any_lasting_worker() {
  const worker_place place{pull_node, slot_id{small(2)}};
  return {place.slot, latest_[place] + (chance(12) ? 1 : 0), place.node};
}

/// Mostly what a worker of this name may have; also wrong numbers, chunks and others' attempts.
std::vector<attempt_held> job_world::any_claims(const worker_facts& f) {
  std::vector<attempt_held> held;
  for (const auto& j : model_.jobs()) {
    const bool may_be = !j.lasting.empty() && j.attempts > 0 &&
                        (j.unclaimed || j.state == job_state::IN_QUEUE || chance(6));
    if ((may_be && (j.lasting == f.lasting_name || chance(8)) && !chance(4)) || chance(60)) {
      held.push_back({{job_id{j.id}, j.attempts}, j.chunk_seen});
      held.back().attempt.number += chance(16) ? 1 : 0;
      held.back().chunks += chance(16) ? 1 : 0;
    }
  }
  if (chance(20)) {
    held.push_back({{job_id{"unknown"}, 1}, 0});
  }
  return held;
}

/// A recent id, which may have been forgotten, or one not used yet.
std::string job_world::any_id() {
  return "j" + std::to_string(ids_ - std::min<std::uint64_t>(ids_, below(20)));
}

std::string job_world::known_id() {
  const auto& jobs = model_.jobs();
  return jobs.empty() || chance(8)
             ? any_id()
             : std::next(jobs.begin(), static_cast<std::ptrdiff_t>(below(jobs.size())))->id;
}

/// Four workers of this pod and two remote ones; sometimes of a wrong incarnation.
worker_ref job_world::any_worker() {
  const auto which = small(6);
  const auto place =
      which < 4 ? worker_place{slot_id{which}} : worker_place{pull_node, slot_id{which - 4}};
  const auto latest = latest_[place];
  const auto drawn = chance(10) ? below(latest + 2) : latest;
  // Incarnations begin at 1: the holder of a job that was restored has none.
  return {place.slot, std::max<std::uint64_t>(drawn, latest > 0 ? 1 : 0), place.node};
}

/// Mostly an attempt that a worker is at; sometimes a late one, a near miss, or nonsense. None that
/// has not left.
std::pair<worker_ref, attempt_ref> job_world::any_attempt() {
  const auto held = model_.at_work();
  std::erase_if(at_work_, [&held](const auto& each) {
    return std::find(held.begin(), held.end(), each) == held.end();
  });
  std::vector<std::pair<worker_ref, attempt_ref>> all(at_work_.begin(), at_work_.end());
  if (!assigned_.empty() && (all.empty() || chance(8))) {
    all.assign(assigned_.begin(), assigned_.end());
  }
  const std::pair<worker_ref, attempt_ref> nonsense{any_worker(), {job_id{"unknown"}, small(4)}};
  if (all.empty() || chance(20)) {
    return nonsense;
  }
  auto one = all[below(all.size())];
  one.second.number += chance(16) ? 1 : 0;
  one.second.number -= chance(16) && one.second.number > 0 ? 1 : 0;
  one.first = chance(16) ? any_worker() : one.first;
  const bool is_held = std::find(held.begin(), held.end(), one) != held.end();
  return is_held && !at_work_.contains(one) ? nonsense : one;
}

} // namespace tayfa::testing
