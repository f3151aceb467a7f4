// A worker pool, driven by a script: workers join and end attempts, jobs are placed.
#pragma once

#include "runtime/core/workers/worker_pool.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace tayfa::testing {

struct pool_job {
  std::string model{}, shape{}, endpoint{};
  bool alone = false;
  std::optional<worker_place> not_again{};
  moment since{};

  worker_pool::needs needs() const {
    return {.model = model,
            .shape = shape,
            .endpoint = endpoint,
            .alone = alone,
            .not_again = not_again,
            .since = since};
  }
  group_key group() const { return {model, shape, alone, endpoint}; }
};

struct pool_script {
  explicit pool_script(std::uint32_t batch_max = 0, milliseconds batch_delay = {})
      : pool(batch_max, batch_delay) {}

  fair_queue lines{{}, {}};
  worker_pool pool;
  moment now{std::chrono::hours{1}};
  std::uint32_t attempts = 0;
  std::uint64_t incarnations = 0;

  static worker_facts facts(std::uint32_t capacity = 1, std::string device = "d") {
    worker_facts f;
    f.capacity = capacity;
    f.device = std::move(device);
    return f;
  }
  /// An engine that takes so many attempts, which share its time.
  static worker_facts continuous(std::uint32_t capacity) {
    auto f = facts(capacity);
    f.continuous = true;
    return f;
  }
  worker_ref join(worker_place at, worker_facts f = facts()) {
    const worker_ref ref{at.slot, ++incarnations, at.node};
    pool.joined(now, ref, std::move(f), lines);
    audited();
    return ref;
  }
  worker_ref join(std::uint32_t slot, worker_facts f = facts()) {
    return join(worker_place{slot_id{slot}}, std::move(f));
  }
  void pass(double ms) {
    now +=
        std::chrono::duration_cast<moment::duration>(std::chrono::duration<double, std::milli>{ms});
  }

  /// The verdict of place() as text: "0" is given to slot 0, "change 0", or why it waits.
  std::string words(const worker_pool::verdict& v) {
    if (v.why != wait_reason::none && !v.changes) {
      return std::string{to_string(v.why)};
    }
    return (v.changes ? "change " : "") + std::to_string(v.to->ref.slot.value);
  }
  /// Within a decision.
  worker_pool::verdict place(const pool_job& job) {
    const auto v = pool.place(now, job.needs(), job.group(), lines);
    if (v.to != nullptr && !v.changes) {
      pool.begin_run(now, *v.to, job.needs(), v.members);
      for (std::uint32_t i = 0; i < v.members; ++i) {
        pool.hold(now, *v.to, {job_id{"j"}, ++attempts}, 0);
      }
      pool.begun(now, *v.to, v.members);
    }
    return v;
  }
  /// A decision about these jobs.
  std::vector<std::string> decide_all(const std::vector<pool_job>& jobs) {
    std::vector<std::string> out;
    pool.begin_decision(now);
    for (const auto& job : jobs) {
      out.push_back(words(place(job)));
    }
    pool.end_decision(now);
    audited();
    return out;
  }
  std::string decide(const pool_job& job = {}) { return decide_all({job}).front(); }
  /// The worker's oldest attempt ends well, as one of this job.
  void complete(std::uint32_t slot, const pool_job& job = {}) {
    auto& w = *pool.find(worker_place{slot_id{slot}});
    ASSERT_FALSE(w.holds.empty());
    const auto [attempt, held] = *w.holds.begin();
    EXPECT_TRUE(pool.ended(now, w, attempt,
                           {.kind = work_kind{job.model, job.shape, w.facts.device},
                            .completed = true,
                            .began = held.began}));
    audited();
  }
  /// A run of the job on this worker takes so long; it is given to no other worker.
  void learn(std::uint32_t slot, double ms, const pool_job& job = {}) {
    auto& w = *pool.find(worker_place{slot_id{slot}});
    pool.begin_run(now, w, job.needs(), 1);
    pool.hold(now, w, {job_id{"j"}, ++attempts}, 0);
    pool.begun(now, w, 1);
    pass(ms);
    complete(slot, job);
  }
  void audited() const {
    for (const auto& rule : pool.audit()) {
      ADD_FAILURE() << rule;
    }
  }
};

} // namespace tayfa::testing
