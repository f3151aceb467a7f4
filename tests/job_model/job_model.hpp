// The queue's rules, written once more so that they can be read: plain lists, linear searches, no
// indexes. This is the specification that the job table is compared with, in the model test, in the
// crash tests and under the fuzzer (job_world).
//
// Before each command the model gets the table's effects of that command (`ordered`); the command
// explains them one by one. Most of them follow from the rules and must be exactly so. The rules
// leave some decisions open: the tenant that is next (fair_queue), the worker that finishes first
// and the size of a batch, as far as these are learned (placement, batch_sizes), and the webhook
// that is called next (webhook_queue). There the model follows the table's choice and checks that
// it is allowed. With `alike` workers (of one kind of device, without models) nothing about workers
// is learned: then the worker must be the one that holds least, then the one idle longest, and no
// job may wait that a worker could run.
//
// An instance is a value: a copy is what a store knows when its batch is taken (restart).
#pragma once

#include "runtime/core/job_table.hpp"

#include <functional>
#include <list>
#include <set>
#include <string>
#include <vector>

namespace tayfa::testing {

class job_model {
 public:
  job_model(job_limits limits, std::vector<model_facts> models, bool alike)
      : limits_(std::move(limits)), models_(std::move(models)), alike_(alike) {}

  struct attempt {
    std::uint32_t number = 0;
    std::optional<errc> failure;
    milliseconds given{0}, ended{0}; ///< since the job was accepted
  };
  struct job {
    std::string id;
    std::uint64_t order = 0;
    job_request request;
    std::string asked_model; ///< before the default one was put in
    std::size_t input_bytes = 0;
    bool watch = false;
    bool stored = false; ///< its acceptance is durable
    job_state state = job_state::IN_QUEUE;
    moment submitted, life_began, not_before, assigned, lease_end, ended;
    std::optional<moment> began;
    bool sleeping = false, suspect = false, in_batch = false, dead = false;
    std::uint32_t attempts = 0, uncharged_attempts = 0, lives = 1, solo_crashes = 0;
    worker_ref holder;
    std::string lasting;    ///< name of the holder, when it goes on without this process
    bool unclaimed = false; ///< it runs, and its holder has not come back yet
    bool streamed = false;  ///< a lasting holder has made chunks of it
    std::uint32_t progress_seen = 0, chunk_seen = 0;
    std::string output;
    std::vector<std::string> chunks;                ///< not received by a reader
    std::uint64_t chunks_gone = 0;                  ///< before those
    std::uint32_t chunks_read = 0, chunks_lost = 0; ///< of the latest attempt
    std::optional<errc> failure;
    std::optional<milliseconds> delay, execution;
    bool delay_unsure = false; ///< whether `started` reached the store before the restart
    std::vector<attempt> history;
    bool hook_open = false;   ///< its webhook, or its result for its platform, is to be delivered
    bool hook_waits = false;  ///< for its turn
    bool hook_out = false;    ///< it is being delivered
    bool undelivered = false; ///< a result that its platform has not accepted
    bool refresh = false;
    std::uint32_t hook_tries = 0;
    std::uint64_t hook_call = 0;
    moment keep_until;
    bool from_platform() const { return !request.origin.empty(); }
  };

  /// The time, and the table's effects of the next command; they stay the caller's until
  /// `unexplained`.
  void ordered(moment now, const effects& done) { now_ = now, done_ = &done, at_ = 0; }
  /// Every difference between the rules and the effects since the last call.
  std::vector<std::string> unexplained();

  // ---- commands: the name of the error that refuses it, "stale" for a stale report, or the like
  std::string submit(const std::string& id, const job_request&, bool watch);
  std::string cancel(const std::string& id, bool by_origin);
  std::string retry(const std::string& id);
  std::string drop(const std::string& id);
  std::string purge();
  void keep(const std::string& id, milliseconds);
  std::string read_stream(const std::string& id) const;
  void received(const std::string& id, std::uint64_t last);
  void notified(const std::string& id, std::uint64_t call, hook_answer);
  void posted(const std::string& id, bool settled, milliseconds pause);
  void posts_lost();

  void joined(worker_ref, worker_facts, const std::optional<std::vector<attempt_held>>& holds);
  void claimed(worker_ref, const std::vector<attempt_held>&);
  void lost(worker_place, errc why, bool from_outside);
  void lost_all(errc why);
  void draining(worker_ref);
  std::string started(worker_ref, const attempt_ref&);
  std::string renewed(worker_ref, const attempt_ref&);
  std::string progressed(worker_ref, const protocol::progress&);
  std::string streamed(worker_ref, const protocol::partial&);
  std::string finished(worker_ref, const protocol::finished&);

  void stop_taking() { stopping_ = true; }
  void hand_back();
  /// `is_left`: the table has done nothing about this job yet.
  void expire(const std::function<bool(const job&)>& is_left);

  // ---- the store
  void batch_taken();
  void batch_ended(bool durable);
  /// These jobs' acceptance is durable.
  void stored(const std::set<std::uint64_t>& orders);
  void withdraw(const std::vector<job_id>&);
  /// The process has died; the next one starts with what this one had made durable.
  void restart(std::uint64_t last_order);

  // ---- how things are
  const std::list<job>& jobs() const { return jobs_; }
  const job* find(const std::string& id) const;
  bool kept(const job&) const;
  job_counts counts() const;
  /// The earliest of the jobs' deadlines, and of a batch that fills.
  std::optional<moment> next_deadline() const;
  bool may_wait_for(const job&, wait_reason) const;
  std::size_t undelivered() const;
  std::size_t live_of_platforms() const;
  std::uint32_t local_capacity() const;
  bool has_remote() const;
  std::size_t held(worker_place) const;
  /// Attempts that workers are at, revoked ones included.
  std::vector<std::pair<worker_ref, attempt_ref>> at_work() const;
  bool stopping() const { return stopping_; }
  /// Jobs that run and must end here before the process may.
  std::size_t awaited() const { return handed_back_ ? 0 : counts().in_progress; }
  /// The change of a step is not durable yet: the next step waits.
  bool paced() const { return step_waits_ || step_in_flight_; }

 private:
  struct worker {
    worker_ref ref;
    worker_facts facts;
    bool present = false;
    bool draining = false;
    bool alone = false; ///< it runs a suspect
    std::uint64_t since = 0;
    std::vector<attempt_ref> holds;
    std::uint64_t hand_overs = 0;
    bool handing_over = false;            ///< in this decision
    std::optional<moment> changing_until; ///< asked to change its model; at the earliest
    bool remote() const { return facts.pulls; }
    bool batches() const { return facts.batches(); }
    bool serves(const job& j) const {
      return facts.endpoint.empty() || facts.endpoint == j.request.endpoint;
    }
    bool takes_more() const;
    bool has_room_for(const job&) const;
  };

  job* find_any(const std::string& id) { return const_cast<job*>(std::as_const(*this).find(id)); }
  job* find_kept(const std::string& id);
  worker* worker_of(worker_ref);
  job* current(worker_ref, const attempt_ref&);

  // deadlines
  moment due(const job&) const;
  bool is_slow(const job&) const;
  moment ttl_end(const job&) const;
  moment run_end(const job&) const;
  moment forget_at(const job&) const;
  moment deliver_until(const job&) const;
  milliseconds lease_of(const worker&) const;
  std::optional<milliseconds> pause_of(const job&) const;

  // effects
  void wrong(const std::string& text) { wrong_.push_back(text); }
  const effect* next_effect();
  bool is_moved_next(const job&);
  void expect(const std::string& text);
  void expect_moved(const job&, cause);
  void expect_revoke(const job&);
  void check_view(const job_view&, const job&);

  // a job's life
  std::string given_again(job&, bool watch);
  std::optional<errc> no_room(const job_request&, std::size_t bytes) const;
  std::string key_of(const job_request&) const;
  std::size_t bytes_of(const job&) const;
  std::uint32_t last_held_of(const std::string& id) const;
  void wait(job&);
  void revive(job&);
  void lose(job&, errc why, bool free_of_charge);
  void lose_all_of(worker&, errc why, bool from_outside);
  void leave(worker&);
  void leave(job&);
  void claim_one(worker&, const attempt_held&);
  void end(job&, job_state, cause, std::optional<errc>,
           std::optional<errc> of_attempt = std::nullopt);
  void remember_attempt(job&, std::optional<errc>);
  void discard_chunks(job&);
  void expire_jobs(bool slow, const std::function<bool(const job&)>& is_left);
  void forget(const std::string& id);
  bool evict(const std::string& newest, bool dead, bool by_bytes);
  void trim(const std::string& newest);

  // deliveries
  void open_delivery(job&);
  void deliver(job&);
  void close_delivery(job&);
  void follow_hooks();

  // assignment
  void assign();
  void follow_run();
  void follow_change(const change_worker_model&);
  bool assign_one(job&, worker&, std::uint32_t size);
  const worker* best_worker(const job&) const;
  bool fits(const job&, const worker&) const;
  bool at_quota(const std::string& tenant) const;
  bool may_run(const job&) const;
  bool is_before(const job&, const job&) const;
  static group_key group_of(const job&);
  std::size_t waiting_in(const group_key&) const;
  std::uint32_t batch_most(const job&, const worker&) const;
  bool sizes_are_learned() const { return limits_.batch_max == 0 || out_of_memory_; }
  bool fills(const job&, const worker&) const;
  void pass_over(const job&, const std::string& fault);
  bool is_filling(const group_key&) const;
  void check_that_all_run();
  wait_reason why_waits(const job&, bool looked_at) const;

  job_limits limits_;
  std::vector<model_facts> models_;
  bool alike_;
  moment now_;
  bool stopping_ = false;
  bool handed_back_ = false;
  bool step_waits_ = false; ///< rows of a step are not on their way to the store yet
  bool step_in_flight_ = false;
  bool out_of_memory_ = false; ///< sizes of batches are learned from now on
  std::uint64_t orders_ = 0;
  std::uint64_t ticks_ = 0;
  job_counts counts_;
  std::list<job> jobs_; ///< by submission
  std::vector<worker> workers_;
  std::set<std::uint64_t> calls_; ///< of webhooks that are under way
  std::optional<moment> batch_due_;
  std::vector<group_key> filling_; ///< the last decision passed over them: they wait for members

  bool unwanted_ = false; ///< its platform asks for no result of the job that ends now

  const effects* done_ = nullptr;
  std::size_t at_ = 0; ///< the first effect that is not explained
  std::vector<std::string> wrong_;
};

} // namespace tayfa::testing
