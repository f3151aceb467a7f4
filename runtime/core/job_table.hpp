// Every job of the pod and what may happen to it: the decisions of the queue, without actors,
// clocks, sockets or disks.
//
// Owner: the queue actor (the table itself outlives the actor, so that a restarted queue loses
// nothing). Not thread safe. Time is an argument. Commands return what must now be done as
// `effects`, and note which rows have changed (take_changes); the caller makes the changes durable
// first and carries the effects out afterwards, both in order.
//
// Invariants (checked by audit(): in tests/unit/core, and all along in the simulation):
//   * a job's state moves only along machine<job_state>; once final, neither it nor its output
//     changes, unless a client asks for a retry, which begins a new life of the job;
//   * an attempt's number only grows, over all lives; a report whose number is not the job's
//     current one, or whose worker is not the one that holds it, changes nothing and is counted
//     (`stale`);
//   * a job waits in `queue_` or sleeps exactly while IN_QUEUE, and holds a worker exactly while
//     IN_PROGRESS, unless it is unclaimed: its worker goes on, and has not come back to this
//     process yet;
//   * after cancel() answered, no result of that job becomes visible and no attempt starts;
//   * a worker never holds more attempts than its capacity; a revoked attempt counts until its
//     finished or worker_lost arrives, because the engine may still be at it;
//   * attempts of a life <= max_attempts; jobs that wait for their first attempt <= queue_max when
//     they are accepted (one that comes back from a lost attempt, or that an earlier process
//     accepted under a larger bound, is never refused nor forgotten); the bytes of live and of
//     ended jobs are bounded, and so are the numbers of ended and of dead ones;
//   * no command looks at all jobs: what concerns many of them (a purge, the end of what cannot
//     run, forgetting) goes in steps of limits.step_rows, one of them in the store at a time.
//
// Everything is ordered by submission or by arrival, nothing by address or hash: the same commands
// give the same effects.
#pragma once

#include "messages/job.hpp"
#include "messages/pod_claims.hpp"
#include "messages/protocol.hpp"
#include "messages/worker.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/core/fairness/fair_queue.hpp"
#include "runtime/core/job_effects.hpp"
#include "runtime/core/job_limits.hpp"
#include "runtime/core/jobs/job_register.hpp"
#include "runtime/core/jobs/step_pace.hpp"
#include "runtime/core/workers/worker_pool.hpp"
#include "runtime/store/row.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tayfa {

class job_table {
 public:
  explicit job_table(job_limits limits);
  job_table(const job_table&) = delete;
  job_table& operator=(const job_table&) = delete;

  // ---- clients ---------------------------------------------------------------------------------
  struct submitted {
    job_view view;     ///< of the new job, or of the one that the idempotency key names
    bool fresh = true; ///< a new job
    effects then;
  };
  /// Takes the job under this id, or refuses, changing nothing: stopping, queue_full,
  /// quota_exceeded, model_not_found, bad_request for an id that exists, idempotency_mismatch for a
  /// key that belongs to a different request. A key that belongs to the same request gives that job
  /// again; a key counts per endpoint and tenant, and lives as long as the job is kept. An id is
  /// used once, even after its job has been forgotten (make_job_id): attempt numbers fence only
  /// then. `watch`: the caller wants a `moved` with watched = true when it ends.
  ///
  /// A job with an origin may be given again under its id. One that is live is left as it is. The
  /// result of one that COMPLETED, or whose result is undelivered, is delivered again (at once, and
  /// for a while from now). Any other begins a new life. Once forgotten it is a new job, whose
  /// attempts are numbered on from those that a worker still holds.
  result<submitted> submit(moment now, job_id id, job_request request, bool watch);
  // The functions below name or list jobs for a caller who may see only those that `who` covers.
  // Any other job does not exist for that caller (errc::job_not_found).
  result<job_view> find(moment now, const job_id&, const job_access& who = {}) const;
  /// Keeps the job's result at least for so long from now (at most the longest time to live).
  void keep(moment now, const job_id&, milliseconds, const job_access& who = {});
  struct unread {
    job_view view;
    std::vector<chunk> chunks;
    std::uint64_t last = 0; ///< number of the last of them; never used again for this job
  };
  /// The chunks that no reader has received yet, and the state. Unread chunks of a lost attempt are
  /// discarded (the next attempt makes them again), and so are those of a cancelled job.
  result<unread> read_stream(moment now, const job_id&, const job_access& who = {}) const;
  /// A reader has received the chunks up to the one with this number: they go.
  void chunks_received(const job_id&, std::uint64_t last);
  using view_and_effects = std::pair<job_view, effects>;
  /// Ends the job CANCELLED unless it has ended already (then its view, unchanged). `by_origin`:
  /// the platform that owns it takes no result any more, nor that of one that has ended.
  result<view_and_effects> cancel(moment now, const job_id&, bool by_origin = false,
                                  const job_access& who = {});
  /// A new life for a FAILED or TIMED_OUT job: it waits again, with all its attempts and its time
  /// to live. errc::wrong_state for others, and for jobs of a platform, which are its own to retry;
  /// the bounds of submit() hold.
  result<view_and_effects> retry(moment now, const job_id&, const job_access& who = {});
  /// Forgets an ended job. errc::wrong_state for others, and while its result is undelivered.
  result<job_view> drop(moment now, const job_id&, const job_access& who = {});
  /// Cancels everything that waits now, as far as it is covered: one step at once, the others as
  /// expire() is called. The effect `purged` with this number comes when all of it has ended. What
  /// is submitted, retried or lost by a worker afterwards is not purged; what is to be purged is
  /// not given out.
  std::pair<std::uint64_t, effects> purge(moment now, job_access covered = {});
  /// The purges that go on end where they are: the effect says how many jobs each has cancelled.
  effects stop_purges();
  /// Looks at a few thousand jobs at most: a list may be short, or empty, and have a `next`.
  job_list list(moment now, const job_filter&, const job_access& covered = {}) const;
  result<job_detail> inspect(moment now, const job_id&, const job_access& who = {}) const;
  /// The job is here, but not for `who`.
  bool hidden(const job_id& id, const job_access& who) const { return jobs_.hidden(id, who); }

  // ---- workers ---------------------------------------------------------------------------------
  /// The models of the catalogue; the first is the default. Empty = models are not distinguished. A
  /// job that waits for a model outside the catalogue goes on waiting (model_missing) and takes
  /// part in no decision. A platform's job FAILS with model_not_found instead, since this pod will
  /// never run it.
  effects models_known(moment now, std::vector<model_facts>);
  /// An engine could not load this model. One that certainly cannot be loaded, or could not several
  /// times in a row, is broken for a while, which doubles: its jobs FAIL with
  /// errc::model_unavailable and none is accepted. Until then it is asked for again after a pause,
  /// which doubles.
  effects model_refused(moment now, const std::string& model, const error& why);
  /// A worker that can take attempts. Announcing again with a higher incarnation first loses the
  /// old one; the same incarnation again ends its draining and changes what its capabilities allow
  /// to change (facts.elastic, facts.pulls); an older one is stale. The incarnation of one that is
  /// forgotten when gone is never used again. The attempts of an old incarnation with a lasting
  /// name stay unclaimed; of those, `holds` has all that the new one still has, and the others are
  /// lost at no cost.
  using attempts_held = std::vector<attempt_held>;
  effects worker_joined(moment now, worker_ref worker, worker_facts,
                        const std::optional<attempts_held>& holds = std::nullopt);
  /// The worker has these attempts from before. It becomes the holder of each that is its job's
  /// latest one and that a worker of its lasting name held last, if no other has it: the job is
  /// unclaimed, or waits. All others are revoked.
  effects claimed(moment now, worker_ref, const attempts_held&);
  /// The attempts that may still be claimed.
  std::vector<unclaimed_attempt> unclaimed() const;
  /// A pod has said hello: its workers are taken in, and pods::reconcile() is applied to all that
  /// it has, and to what it was given and does not have. An attempt is lost at no cost instead when
  /// the pod has dropped chunks of it that the job has not got.
  struct pod_settled {
    effects then;
    std::vector<pods::claim_decision> decisions; ///< of the claims, in their order
  };
  pod_settled reconcile(moment now, const pods::reconcile_pod&);
  /// The worker is gone: its attempts are lost (waiting again, or FAILED max_attempts or poison
  /// with `why` in the text). Jobs that were in one engine together when it ended by itself are
  /// suspects and run alone from then on; one that was alone runs in another slot next, when one
  /// has room. `from_outside`: a process outside the pod killed it, which no job can have caused;
  /// its attempts are lost, but no job is suspected.
  effects worker_lost(moment now, worker_place, const error& why, bool from_outside = false);
  /// The same for every worker there is (a restarted queue knows none of them); what workers with a
  /// lasting name hold stays unclaimed. The outcome of the
  /// deliveries that are under way will not be reported either: their last try is made again. The
  /// deliveries that follow from the losses begin afterwards; their outcome will be.
  effects lose_all_workers(moment now, const error& why);
  /// No new attempt for this worker; running ones go on.
  effects worker_draining(moment now, worker_ref worker);
  /// True when the report was current; a stale one is counted and changes nothing. Stale is also a
  /// progress or partial whose sequence does not grow. The end of a revoked attempt is not current,
  /// yet it makes room on its worker; it is counted as stale only when it brings a result instead
  /// of the cancellation that was asked for.
  struct report_result {
    bool current = false;
    effects consequences;
  };
  report_result started(moment now, worker_ref, const protocol::started&);
  report_result progressed(moment now, worker_ref, const protocol::progress&);
  report_result streamed(moment now, worker_ref, const protocol::partial&);
  /// A step of progress within the engine; like every other report it renews the lease.
  report_result renewed(moment now, worker_ref, const attempt_ref&);
  /// outcome::cancelled of an attempt that was not revoked is a lost attempt; so is gpu_oom of a
  /// batch, whose members then run alone; so is errc::unavailable of a worker that never had the
  /// job then (facts.unavailable_is_free), which costs no attempt.
  report_result finished(moment now, worker_ref, const protocol::finished&);

  // ---- webhooks --------------------------------------------------------------------------------
  /// This call of the job's webhook is over. One that was not delivered is tried again after a
  /// pause, up to hook_tries times; one that was not made does not count. Another one may begin
  /// now. While there is no place for a call (webhook_queue) the webhook waits in its job's row,
  /// and no try is counted.
  effects notified(moment now, const job_id&, std::uint64_t call, hook_answer);
  /// The call that is under way; 0 when none is.
  std::uint64_t hook_call(const job_id&) const;

  /// Its webhook, or its result for its platform, is still to be delivered.
  bool webhook_is_pending(const job_id&) const;
  /// The outcome of a delivery (deliver_result). `settled`: the platform has the result, or refuses
  /// it for good, and the delivery is closed. Otherwise it is tried again after a growing pause
  /// (`pause` at least, but there is a last try), until the latest of: the end of the job's time to
  /// live, the end of keep(), some minutes after the job's end.
  effects posted(moment now, const job_id&, bool settled, milliseconds pause);
  /// No posted() will come for the results that are being posted: they are posted again.
  effects posts_lost(moment now);
  /// The platform's own id of a job that was taken from it; null for others.
  const std::string* origin_of(const job_id&) const;
  /// The live ones, by submission, with the platform's own ids.
  std::vector<std::pair<job_id, std::string>> origins() const;
  /// Jobs of platforms that have not ended or whose result is still undelivered.
  std::size_t undelivered() const {
    return jobs_.origins_live().size() + jobs_.undelivered().size();
  }
  /// How many attempts the pod's own workers take at the same time, together.
  std::uint32_t local_capacity() const { return pool_.local_capacity(); }

  // ---- the pod ---------------------------------------------------------------------------------
  /// From now on submit() refuses with errc::stopping and nothing is given out.
  void stop_taking();
  /// The jobs that run are put back to the queue (the stop deadline has come), at no cost of their
  /// attempts; their attempts are revoked. What goes on without this process is left to its worker,
  /// for the next process to take its result, if the table is durable. The jobs of platforms FAIL
  /// with errc::stopping, waiting ones too: this pod will not run them. Implies stop_taking().
  effects hand_back(moment now);
  /// Ends what has timed out, loses what has lost its lease, wakes what slept long enough, forgets
  /// what has been kept long enough, takes the next step of a purge, and looks again at who waits
  /// for what. At most limits.step_rows of each: what is left is due at once, or as soon as the
  /// rows of the last step are durable.
  effects expire(moment now);
  /// When expire() has something to do next.
  std::optional<moment> next_deadline() const;
  job_counts counts() const;
  /// Counts the jobs that `who` covers: without `kept`, `dead` and `stale`, unless `who` covers
  /// all.
  job_counts counts(const job_access& who) const;
  std::size_t running() const { return running_; }
  /// Running jobs whose end the pod's stop waits for.
  std::size_t awaited() const { return handed_back_ ? 0 : running_; }
  /// This attempt is the job's current one, on this worker.
  bool runs(worker_ref, const attempt_ref&) const;
  /// Attempts held by this worker, revoked ones included.
  std::size_t held(worker_place) const;
  /// Decisions that gave this worker something, if it pulls.
  std::uint64_t hand_overs(worker_place) const;

  // ---- durability ------------------------------------------------------------------------------
  /// The rows that changed since the last call, as they are now. They are `in flight` until
  /// committed() or not_committed() is said; only one batch is in flight at a time.
  store::batch take_changes();
  bool has_changes() const { return jobs_.has_changes(); }
  /// Nothing of this job is on its way to the store, also when it does not exist; of the empty id:
  /// nothing of any job is.
  bool durable(const job_id& id) const { return jobs_.durable(id); }
  /// The batch in flight is durable.
  void committed();
  /// The commit failed (storage_full), or its outcome is unknown: its rows count as changed again.
  /// Returns the jobs that were new in it, so that they can be withdrawn.
  std::vector<job_id> not_committed();
  /// Submissions that could not be made durable: as if they never were. Nothing of them has left.
  effects withdraw(moment now, const std::vector<job_id>&);
  /// A job as it is now, for put_back().
  struct job_image {
    store::job_row row;
    bool watch = false;
    bool durable = false; ///< the store has it so
  };
  std::optional<job_image> image(const job_id&) const;
  /// A client's change of the job since then could not be made durable, and is refused: the job
  /// becomes what it was, even if it was forgotten. No effect of a decision about it since then has
  /// left; with `unsent`, its latest attempt has not left either. A job that ran waits again, at no
  /// cost of its attempts.
  effects put_back(moment now, const job_image&, bool unsent);
  /// The same for what the last step of a purge has cancelled, as far as it is not durable.
  purge_undone undo_purge_step(moment now);
  /// The same for keep().
  moment kept_until(const job_id&) const;
  void keep_as_before(const job_id&, moment);
  /// Takes over what an earlier process left, into an empty table. What ran then on a worker with a
  /// lasting name stays IN_PROGRESS, unclaimed, for limits.claim_window; all else that ran is lost,
  /// waits again or FAILS.
  effects restore(moment now, std::vector<store::job_row> rows, std::uint64_t last_order);
  /// Takes over jobs of another head, which has died: as restore() does, but into a table that is
  /// in use. Their orders are of that head's range and may be above or below those given here; the
  /// next one given here does not depend on them. Purges that go on do not mean them.
  effects adopt(moment now, std::vector<store::job_row> rows);
  /// A job that is in no table here, as its row says. errc::job_not_found as in find().
  static result<job_detail> shown(moment now, const job_limits&, store::job_row,
                                  const job_access& who);

  /// Breaks of the invariants above, in words; empty when all hold. O(n), for tests and simulation.
  std::vector<std::string> audit() const;

 private:
  using record = job_record;
  using order_set = job_register::order_set;
  /// A purge that goes on: what waits of the orders above `at`, up to `upto`.
  struct purge_order {
    std::uint64_t number = 0;
    job_access covered;
    std::uint64_t at = 0;
    std::uint64_t upto = 0;
    std::size_t removed = 0;
    std::set<std::uint64_t> exempt; ///< began to wait after the purge was asked for
  };

  moment urgency_of(const record&) const;
  fair_queue::place place_of(const record&) const;
  wait_reason why_waits(const record&, const worker_pool::waits_seen&) const;
  wait_reason why_waits(const record&) const;
  const order_set& shortest(const job_filter&) const;
  job_summary summary_of(moment now, const record&, const worker_pool::waits_seen&) const;
  job_view view_of(const record&) const;
  attempt_view attempt_of(moment now, const record&, std::optional<error>) const;
  result<void> room_for(const job_request&, std::size_t input_bytes) const;

  record* current(worker_ref, const attempt_ref&);
  bool missing(const record&) const;
  void judge_waiting(moment now, effects&);

  void queue_up(moment now, record&);
  void leave_queue(record&);
  void park(record&);
  void move(record&, job_state to, cause why, effects&);
  void settle_attempt(moment now, record&, std::optional<error>, bool lost);
  /// `attempt_failure`: what befell the latest attempt, where that is not the job's own failure.
  void end(moment now, record&, job_state to, cause why, std::optional<error> failure, effects&,
           std::optional<error> attempt_failure = std::nullopt);
  void count(job_state to, int by = 1);
  void open_delivery(moment now, record&, effects&);
  void deliver(moment now, record&, effects&);
  void begin_try(moment now, record&, std::uint64_t call = 0);
  void begin_calls(moment now, effects&);
  void forget_tries_under_way(moment now, effects&);
  void close_delivery(record&);
  moment deliver_until(const record&) const;
  std::uint8_t tries_known(const record&, std::uint32_t begun) const;
  void revive(moment now, record&);
  void deliver_again(moment now, record&, effects&);
  static bool is_damaged(const record&);
  result<submitted> given_again(moment now, record&, bool watch);
  void lose(moment now, record&, const error& why, effects&, bool free_of_charge = false);
  void drop_attempt_traces(record&);
  void lose_worker(moment now, pool_worker&, const error& why, effects&, bool from_outside = false);
  void revoke_current(record&, effects&);
  // attempts that go on without this process (job_table_claims.cpp)
  std::map<std::uint64_t, record*> current_ones(const pool_worker&);
  void leave_unclaimed(moment now, pool_worker&);
  void leave_unclaimed(moment now, record&);
  void no_longer_unclaimed(record&);
  bool may_claim(const record&, const pool_worker&, const attempt_held&, moment now);
  void take_up(moment now, record&, pool_worker&, effects&);
  void claim_or_revoke(moment now, pool_worker&, const attempt_held&, effects&);
  void lose_unclaimed(moment now, worker_ref, effects&);
  void take_in(moment now, worker_ref, worker_facts, const std::optional<attempts_held>& holds,
               effects&);
  // what a pod has (job_table_pods.cpp)
  pods::head_view view_for(const record*, const attempt_ref&, const std::string& key);
  pods::claim_decision settle_claim(moment now, const pods::claim&, const std::string& key,
                                    effects&);
  void settle_absent(moment now, const pods::absent_attempt&, const std::string& key, effects&);
  static bool has_chunks_before(const record&, const pods::claim&);
  void lose_gone(moment now, worker_ref, effects&);
  void put_down(moment now, record&);
  void lose_settled(moment now, record&, const char* why, bool free_of_charge, effects&);
  void expire_one(moment now, record&, effects&);

  // steps (job_table_steps.cpp)
  bool paced() const { return step_dirty_ || step_flying_; }
  void stepped(std::size_t rows);
  std::size_t step_purges(moment now, std::size_t most, effects&);
  std::size_t step_broken_models(moment now, std::size_t most, effects&);
  purge_order* purge_of(const record&);
  void exempt_from_purges(const record&);
  const order_set& shortest_waiting(const job_access&) const;

  void renew(moment now, record&);
  static worker_pool::ending ending_of(const record*, const pool_worker&,
                                       const protocol::finished&);

  // assignment (job_table_assign.cpp)
  void assign(moment now, effects&);
  void serve_groups(moment now, effects&);
  worker_pool::needs needs_of(const record&) const;
  worker_pool::verdict serve(moment now, record&, fair_queue::group_id, effects&);
  void record_wait(group_key, wait_reason, bool of_kind);
  wait_reason noted(group_key) const;
  void give_run(moment now, record& first, const worker_pool::verdict&, fair_queue::group_id,
                effects&);
  void hand_over(moment now, record&, pool_worker&, double expected_ms, std::uint64_t batch,
                 effects&);

  void withdraw_one(moment now, const job_id&);
  void take_out(moment now, record&, bool unsent);
  record& restore_record(moment now, store::job_row&&);
  void restore_one(moment now, store::job_row&&, effects&);
  void restore_past(moment now, store::job_row&, record&);

  void audit_job(const job_id&, const record&, std::vector<std::string>&) const;
  void audit_waiting(std::vector<std::string>&) const;
  void audit_workers(std::vector<std::string>&) const;

  job_limits limits_;
  deliveries deliveries_;
  job_register jobs_;
  std::size_t running_ = 0;
  /// IN_PROGRESS and held by no worker: the place of the last holder, and the job's order.
  std::set<std::pair<worker_place, std::uint64_t>> unclaimed_;
  std::size_t restored_ = 0; ///< jobs of earlier processes that waited when this one began
  std::size_t sleeping_ = 0;
  std::size_t parked_ = 0;
  bool stopping_ = false;
  bool handed_back_ = false;
  std::uint64_t orders_ = 0;
  std::uint64_t batches_ = 0;
  job_counts counts_; ///< what is computed is 0 in it
  std::vector<purge_order> purges_;
  std::uint64_t purge_numbers_ = 0;
  std::optional<moment> steps_at_; ///< a purge, or jobs of a broken model, are to be gone on with
  step_pace pace_{1};
  bool step_dirty_ = false;  ///< rows of the last step are not taken yet
  bool step_flying_ = false; ///< or in flight
  /// Images of the jobs that purges ended in this step, from before their end; each with its
  /// purge's number.
  std::vector<std::pair<std::uint64_t, job_image>> step_images_;

  fair_queue queue_;
  worker_pool pool_;
  bool cut_short_ = false; ///< the last decision was, and goes on at look_again_
  std::map<group_key, wait_reason>
      group_waits_; ///< of the groups that the last decision passed over
  std::map<group_key, wait_reason> kind_waits_; ///< of all groups that differ in shape only
};

} // namespace tayfa
