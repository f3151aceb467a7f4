// A tenant's jobs cost only that tenant: its retained jobs, its lost attempts, and the engine
// restarts after them. Also limits that were lowered between two starts.
#include "tests/unit/core/durable_script.hpp"

#include <algorithm>

namespace tayfa::testing {
namespace {

using std::chrono::seconds;

const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;

/// A job of the tenant that ends with an output of so many bytes.
void complete(job_script& s, const std::string& id, const char* tenant, std::size_t bytes) {
  s.submit(id.c_str(), job_script::of_tenant(tenant));
  s.complete(w0, attempt(id.c_str(), 1), std::string(bytes, 'x').c_str());
}

TEST(job_table_shares, large_results_of_one_tenant_do_not_push_out_anothers) {
  job_limits l;
  l.kept_bytes_max = 100;
  job_script s{l};
  s.join(0);
  complete(s, "alice", "alice", 10);
  for (int i = 0; i < 6; ++i) {
    complete(s, "bob" + std::to_string(i), "bob", 30);
  }
  EXPECT_EQ(s.state("alice"), "COMPLETED");
  EXPECT_EQ(s.state("bob2"), "job_not_found");
  EXPECT_EQ(s.state("bob3"), "COMPLETED");
  EXPECT_EQ(s.state("bob5"), "COMPLETED");
}

TEST(job_table_shares, one_result_larger_than_the_bound_pushes_out_no_tenant_within_its_share) {
  job_limits l;
  l.kept_bytes_max = 100;
  job_script s{l};
  s.join(0);
  complete(s, "alice", "alice", 40);
  complete(s, "carol", "carol", 70);
  EXPECT_EQ(s.state("alice"), "COMPLETED") << "carol's is the newest, and alice has her share";
  complete(s, "bob", "bob", 200);
  EXPECT_EQ(s.state("alice"), "COMPLETED") << "no more than her share";
  EXPECT_EQ(s.state("carol"), "job_not_found");
  EXPECT_EQ(s.state("bob"), "COMPLETED") << "its client is about to ask for it";
  complete(s, "dave", "dave", 10);
  EXPECT_EQ(s.state("bob"), "job_not_found");
  EXPECT_EQ(s.state("dave"), "COMPLETED");
}

TEST(job_table_shares, many_ended_jobs_of_one_tenant_do_not_push_out_anothers) {
  job_limits l;
  l.kept_jobs_max = 3;
  job_script s{l};
  s.join(0);
  complete(s, "alice", "alice", 1);
  for (int i = 0; i < 5; ++i) {
    complete(s, "bob" + std::to_string(i), "bob", 1);
  }
  EXPECT_EQ(s.state("alice"), "COMPLETED");
  EXPECT_EQ(s.state("bob2"), "job_not_found");
  EXPECT_EQ(s.state("bob3"), "COMPLETED");
}

TEST(job_table_shares, many_dead_jobs_of_one_tenant_do_not_push_out_anothers) {
  job_limits l;
  l.max_attempts = 1;
  l.dead_max = 2;
  job_script s{l};
  const auto die = [&s](const char* id, const char* tenant) {
    s.submit(id, job_script::of_tenant(tenant));
    s.join(0);
    s.lose(0, {errc::not_ready, ""});
  };
  die("alice", "alice");
  die("bob0", "bob");
  die("bob1", "bob");
  die("bob2", "bob");
  EXPECT_TRUE(s.detail("alice").dead);
  EXPECT_EQ(s.state("bob1"), "job_not_found");
  EXPECT_EQ(s.state("bob2"), "FAILED");
}

// ---- what crashes cost --------------------------------------------------------------------------

/// Slots whose engines take a while to restart after a crash; bob's jobs crash at once, all others
/// take a while.
struct crash_pod : job_script {
  explicit crash_pod(std::uint32_t slots, milliseconds run, milliseconds start)
      : job_script(limits()), run_(run), start_(start) {
    for (std::uint32_t i = 0; i < slots; ++i) {
      lives_.push_back(1);
      back_at_.emplace_back();
      runs_.emplace_back();
      see(table.worker_joined(now, worker(i), facts()));
    }
  }
  static job_limits limits() {
    job_limits l;
    l.max_attempts = 1'000;
    l.solo_crashes_max = 1'000;
    l.retry_max = milliseconds{100};
    return l;
  }
  void see(const effects& done) {
    for (const auto& e : done) {
      if (const auto* g = std::get_if<assign_attempt>(&e)) {
        const auto slot = g->worker.slot.value;
        const bool crashes = g->message.attempt.job.str().starts_with("bob");
        runs_[slot] = {g->message.attempt, now + (crashes ? milliseconds{5} : run_), crashes};
        given += crashes ? 'b' : 'a';
      }
    }
  }
  void tick() {
    pass(milliseconds{5});
    for (std::uint32_t i = 0; i < lives_.size(); ++i) {
      if (back_at_[i] && *back_at_[i] <= now) {
        back_at_[i].reset();
        see(table.worker_joined(now, worker(i, ++lives_[i]), facts()));
      }
      if (!runs_[i] || runs_[i]->ends > now) {
        continue;
      }
      const auto r = *std::exchange(runs_[i], std::nullopt);
      if (r.crashes) {
        back_at_[i] = now + start_;
        see(table.worker_lost(now, slot_id{i}, error{errc::engine_crash, "signal 6"}));
      } else {
        protocol::finished f;
        f.attempt = r.attempt;
        see(table.finished(now, worker(i, lives_[i]), f).consequences);
      }
    }
    see(table.expire(now));
  }
  /// Runs one of her jobs; returns its duration.
  milliseconds ask(const std::string& id) {
    const auto began = now;
    see(table.submit(now, job_id{id}, of_tenant("alice"), false)->then);
    while (state(id.c_str()) != "COMPLETED" && now - began < seconds{300}) {
      tick();
    }
    return std::chrono::duration_cast<milliseconds>(now - began);
  }

  std::string given; ///< attempts of alice and of bob
  struct at_work {
    attempt_ref attempt;
    moment ends;
    bool crashes;
  };
  std::vector<std::uint64_t> lives_;
  std::vector<std::optional<moment>> back_at_;
  std::vector<std::optional<at_work>> runs_;
  milliseconds run_, start_;
};

/// A regression: she waited for seventeen of his attempts. Each cost the pod seconds and him
/// milliseconds, so a single run of hers, charged in full, equalled a score of his.
TEST(job_table_shares, beside_jobs_that_crash_another_tenant_waits_for_one_attempt_and_one_start) {
  for (const std::uint32_t slots : {1u, 2u}) {
    for (const int start_ms : {50, 2'000, 10'000}) {
      crash_pod pod{slots, milliseconds{300}, milliseconds{start_ms}};
      for (int i = 0; i < 60; ++i) {
        pod.see(pod.table
                    .submit(pod.now, job_id{"bob" + std::to_string(i)},
                            job_script::of_tenant("bob"), false)
                    ->then);
      }
      for (int i = 0; i < 12; ++i) {
        const auto took = pod.ask("alice" + std::to_string(i));
        // Her share includes turns of his between hers, each with the start it causes.
        EXPECT_LE(took, milliseconds{2 * (start_ms + 5) + 300 + 50})
            << slots << " slots, " << start_ms << " ms, job " << i << ": " << pod.given;
      }
      if (start_ms >= 2'000) { // then his attempts cost far more than hers
        EXPECT_EQ(pod.given.find("bbbbb"), std::string::npos) << pod.given;
      }
    }
  }
}

TEST(job_table_shares, a_tenant_that_asks_for_a_fresh_engine_pays_for_its_start) {
  job_script s;
  s.join(0);
  for (int i = 0; i < 4; ++i) {
    s.submit(("bob" + std::to_string(i)).c_str(), job_script::of_tenant("bob"));
    s.submit(("alice" + std::to_string(i)).c_str(), job_script::of_tenant("alice"));
  }
  std::string order;
  std::uint64_t life = 1;
  for (int i = 0; i < 6; ++i) {
    const auto running = s.table.list(s.now, {job_state::IN_PROGRESS, {}, {}, {}}).jobs;
    ASSERT_EQ(running.size(), 1u);
    order += running[0].tenant[0];
    s.pass(milliseconds{100});
    const auto w = job_script::worker(0, life);
    protocol::finished f;
    f.attempt = {running[0].id, running[0].attempts};
    f.refresh_worker = running[0].tenant == "bob";
    if (f.refresh_worker) {
      s.table.worker_draining(s.now, w); // as the queue does
    }
    s.table.finished(s.now, w, f);
    if (f.refresh_worker) {
      s.lose(0, {errc::internal, "refresh"});
      s.pass(seconds{5});
      s.join(job_script::worker(0, ++life), 1);
    }
  }
  EXPECT_EQ(order, "baaaab") << "five seconds are worth all that she wants";
}

// ---- bounds that shrank -------------------------------------------------------------------------

TEST(job_table_shares, bounds_that_shrank_lose_no_accepted_job_and_refuse_new_ones) {
  job_limits wide;
  wide.queue_max = 10;
  durable_script before{wide};
  before.join(0);
  for (int i = 0; i < 6; ++i) {
    before.submit(("j" + std::to_string(i)).c_str(), job_script::of_tenant("t"));
  }
  before.commit();
  job_limits narrow;
  narrow.queue_max = 2;
  narrow.live_bytes_max = 3;
  narrow.tenant_max = 1;
  narrow.kept_jobs_max = 1;
  narrow.kept_bytes_max = 1;
  narrow.dead_max = 1;
  narrow.max_attempts = 1;
  narrow.history_max = 1;
  narrow.tenants["t"] = {.weight = 1, .running_max = 1};
  durable_script s{narrow};
  before.restart(s);
  EXPECT_EQ(s.table.audit(), std::vector<std::string>{});
  const auto counts = s.table.counts();
  EXPECT_EQ(counts.in_queue + counts.failed, 6u) << "one ran, and had one attempt";
  EXPECT_EQ(s.submit("new"), "queue_full");
  s.join(job_script::worker(0, 2), 1);
  for (int i = 1; i < 6; ++i) {
    const auto id = "j" + std::to_string(i);
    EXPECT_EQ(s.state(id.c_str()), "IN_PROGRESS") << id;
    s.complete(job_script::worker(0, 2), attempt(id.c_str(), 1));
  }
  EXPECT_EQ(s.table.counts().completed, 5u);
  EXPECT_EQ(s.submit("new"), "new IN_PROGRESS (assigned); give new#1 to 0#2");
}

TEST(job_table_shares, far_fewer_kept_jobs_than_before_leave_the_store_a_few_at_a_time) {
  durable_script before;
  before.join(0);
  for (int i = 0; i < 3'000; ++i) {
    before.table.submit(before.now, job_id{"j" + std::to_string(i)}, job_script::request(), false);
    before.table.cancel(before.now, job_id{"j" + std::to_string(i)});
  }
  before.commit();
  job_limits narrow;
  narrow.kept_jobs_max = 10;
  durable_script s{narrow};
  before.restart(s);
  EXPECT_EQ(s.table.counts().kept, 10u);
  while (s.table.has_changes()) {
    EXPECT_LE(s.commit(), 1'100u);
  }
  EXPECT_EQ(s.disk.size(), 10u);
}

} // namespace
} // namespace tayfa::testing
