// Random arguments for the job table and its naive model: limits, jobs, workers, attempts, ids that
// are known, forgotten or new.
#pragma once

#include "runtime/base/random.hpp"
#include "tests/unit/core/job_model.hpp"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::testing {

using std::chrono::seconds;

class job_draws {
 protected:
  explicit job_draws(std::uint64_t seed)
      : random_(seed), batches_(seed % 3 == 0), limits_(make_limits()),
        models_(chance(2) ? std::vector<std::string>{"m0", "m1"} : std::vector<std::string>{}),
        model_(limits_, models_) {}

  std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  template <class T>
  T one_of(std::initializer_list<T> all) {
    return *(all.begin() + below(all.size()));
  }

  job_limits make_limits() {
    job_limits limits;
    limits.durable = true;
    limits.queue_max = 1 + below(12);
    limits.tenant_max = chance(2) ? 0 : 1 + below(8);
    limits.tenants["t1"] = {.weight = 2, .running_max = static_cast<std::uint32_t>(below(3))};
    limits.other_tenants.running_max = static_cast<std::uint32_t>(chance(2) ? 0 : 1 + below(3));
    limits.max_attempts = static_cast<std::uint32_t>(1 + below(4));
    limits.solo_crashes_max = static_cast<std::uint32_t>(1 + below(3));
    limits.execution_timeout = seconds{5 + below(30)};
    limits.ttl = seconds{10 + below(60)};
    limits.lease = milliseconds{500 + below(8'000)};
    limits.retry_base = milliseconds{below(3) * 100};
    limits.retry_max = milliseconds{300};
    limits.priority_step = milliseconds{below(4) * 1'000};
    limits.batch_max = static_cast<std::uint32_t>(1 + below(4));
    limits.batch_delay = milliseconds{batches_ && chance(2) ? below(2'000) : 0};
    limits.keep_async = seconds{1 + below(60)};
    limits.keep_sync = seconds{below(20)};
    limits.keep_dead = seconds{20 + below(100)};
    limits.forget_step = milliseconds{below(2) * 700};
    limits.dead_max = 1 + below(6);
    limits.history_max = below(5);
    limits.hook_tries = static_cast<std::uint32_t>(below(4));
    limits.hook_pause = milliseconds{below(3'000)};
    limits.hook_calls = {1'000'000, 1'000'000, std::size_t{1} << 40}; // the model knows of no turns
    limits.chunks_max = 1 + below(4);
    limits.live_bytes_max = 20 + below(200);
    limits.kept_bytes_max = 10 + below(100);
    limits.kept_jobs_max = 1 + below(20);
    return limits;
  }

  /// A recent id, which may have been forgotten, or one not used yet.
  std::string any_id() {
    return "j" + std::to_string(ids_ - std::min<std::uint64_t>(ids_, below(20)));
  }
  std::string known_id() {
    const auto& jobs = model_.jobs();
    return jobs.empty() || chance(8) ? any_id() : jobs[below(jobs.size())].id;
  }
  /// A new id, or a known one; never a forgotten one, as the table requires.
  std::string id_to_submit() {
    const auto& jobs = model_.jobs();
    return jobs.empty() || !chance(10) ? "j" + std::to_string(++ids_) : jobs[below(jobs.size())].id;
  }
  static constexpr std::size_t slots = 6;
  /// The last two are remote workers'.
  static worker_place place_at(std::uint64_t which) {
    const auto i = static_cast<std::uint32_t>(which);
    return i < 4 ? worker_place{slot_id{i}} : worker_place{pull_node, slot_id{i - 4}};
  }
  static std::size_t index_of(worker_place at) {
    return at.slot.value + (at.node == this_node ? 0 : 4);
  }
  worker_ref any_worker() {
    const auto which = below(slots);
    const auto latest = incarnations_[which];
    const auto at = place_at(which);
    return {at.slot, chance(10) ? below(latest + 2) : latest, at.node};
  }
  /// Mostly a running attempt and its holder; sometimes a near miss of it, or garbage. Jobs that
  /// are not durable get no reports: their attempts have not been sent.
  std::pair<worker_ref, attempt_ref> any_attempt() {
    std::vector<const job_model::job*> jobs;
    for (const auto& j : model_.jobs()) {
      if (j.stored) {
        jobs.push_back(&j);
      }
    }
    if (jobs.empty() || chance(20)) {
      return {any_worker(), {job_id{"nobody"}, static_cast<std::uint32_t>(below(4))}};
    }
    const auto* pick = jobs[below(jobs.size())];
    for (int i = 0; i < 4 && pick->state != job_state::IN_PROGRESS; ++i) {
      pick = jobs[below(jobs.size())];
    }
    attempt_ref a{job_id{pick->id}, pick->attempts};
    const auto w = pick->holder;
    a.number += chance(12) ? 1 : 0;
    a.number -= chance(12) && a.number > 0 ? 1 : 0;
    return {chance(12) ? any_worker() : w, a};
  }

  job_request any_request() {
    job_request r;
    r.endpoint = chance(4) ? "e2" : "e1";
    r.input = shared_text{std::string(1 + below(12), '1')};
    r.sync = chance(3);
    r.shape = chance(3) ? "s" : "";
    r.model = chance(3) ? one_of<const char*>({"m0", "m1", "m2"}) : "";
    r.webhook = chance(4) ? "https://h/" : "";
    r.policy.tenant = batches_ ? "" : one_of<const char*>({"", "t1", "t2"});
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

  worker_facts any_facts(worker_place at) {
    worker_facts f;
    f.device = "one kind";
    f.steps = chance(2);
    if (at.node == pull_node) {
      f = pulling(f);
      f.capacity = static_cast<std::uint32_t>(below(4));
      f.batch_max = 1 + f.capacity;
      f.endpoint = at.slot.value == 0 ? "e1" : "e2";
      f.name = "theirs";
      f.lease = milliseconds{chance(2) ? 0 : 700 + below(5'000)};
      return f;
    }
    f.capacity = batches_ ? static_cast<std::uint32_t>(below(5)) : 1;
    f.batch_max = batches_ ? f.capacity : 1;
    return f;
  }

  seeded_random random_;
  bool batches_;
  job_limits limits_;
  std::vector<std::string> models_;
  job_model model_;
  moment now_{std::chrono::hours{1}};
  std::uint64_t ids_ = 0;
  std::uint64_t incarnations_[slots] = {1, 1, 1, 1, 1, 1};
};

} // namespace tayfa::testing
