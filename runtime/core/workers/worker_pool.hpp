// The workers that attempts are given to: who there is, what each holds, how long it takes, and
// where the next attempt goes. Knows attempts by their names and jobs by what they need, never
// their records.
//
// Owner: the job table, whose fair queue says which job is next and is charged for engines that a
// tenant's attempts ended. Not thread safe. Pure: time is an argument.
//
// Invariants (audit): a worker holds at most its capacity, unless that is elastic; a revoked
// attempt counts until its end is reported, because the engine may still be at it; an attempt that
// must not share a worker is alone in it; a decision reserves what it promises and forgets that at
// its end; the index is where the workers' loads say.
//
// One decision (begin_decision … end_decision) places jobs until no job can be placed. It costs
// O(classes of workers + log workers) per job, see worker_index.
#pragma once

#include "messages/job.hpp"
#include "runtime/core/fairness/fair_queue.hpp"
#include "runtime/core/workers/arrival_rate.hpp"
#include "runtime/core/workers/batch_sizes.hpp"
#include "runtime/core/workers/known_models.hpp"
#include "runtime/core/workers/placement.hpp"
#include "runtime/core/workers/pool_worker.hpp"
#include "runtime/core/workers/run_times.hpp"
#include "runtime/core/workers/worker_index.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

class worker_pool {
 public:
  /// `batch_max` 0 = learned; `batch_delay`: how long the oldest member waits for others.
  worker_pool(std::uint32_t batch_max, milliseconds batch_delay);
  worker_pool(const worker_pool&) = delete;
  worker_pool& operator=(const worker_pool&) = delete;

  // ---- who there is ----------------------------------------------------------------------------
  enum class arrival : std::uint8_t {
    stale, ///< of an older incarnation: nothing is to be done
    again, ///< the present one: updated()
    next   ///< after lost() of the one that is present: joined()
  };
  arrival arrives(worker_ref) const;
  /// The worker ends its draining and changes what its capabilities allow.
  void updated(moment now, worker_ref, const worker_facts&);
  /// True when a model turned out to be broken: the worker has not got what it was asked for.
  bool joined(moment now, worker_ref, worker_facts, fair_queue& charged);
  /// The worker is gone, with all its attempts. `blamed`: a tenant for each attempt that may be the
  /// cause.
  void lost(moment now, pool_worker&, std::vector<std::string> blamed, fair_queue& charged);
  /// Forgets a worker that is gone, if no other takes its place.
  void forget(worker_place);
  void drain(moment now, pool_worker&);

  pool_worker* find(worker_place);
  pool_worker* present(worker_ref);
  const pool_worker* find(worker_place) const;
  const pool_worker* present(worker_ref) const;
  std::map<worker_place, pool_worker>& all() { return workers_; }
  const std::map<worker_place, pool_worker>& all() const { return workers_; }
  /// The number of attempts that this pod's own workers take at the same time, together.
  std::uint32_t local_capacity() const { return local_capacity_; }
  /// The highest number among the attempts of this job that workers hold. `current` of all that
  /// they hold are attempts of jobs that are known to run.
  std::uint32_t last_held_of(const job_id&, std::size_t current) const;

  // ---- models ----------------------------------------------------------------------------------
  known_models& models() { return models_; }
  const known_models& models() const { return models_; }
  /// An engine could not load this model, or did not come back with it. True when it is broken.
  bool model_refused(moment now, const std::string& model, const error& why);

  // ---- attempts --------------------------------------------------------------------------------
  /// What placement asks about a job.
  struct needs {
    const std::string& model;
    const std::string& shape;
    const std::string& endpoint;
    bool alone = false;                      ///< it must not share a worker
    std::optional<worker_place> not_again{}; ///< only when no other has room for it
    moment since;                            ///< it could have run
  };
  /// True when a model turned out to be broken: no worker has changed to it in time.
  bool begin_decision(moment now);
  void end_decision(moment now);
  /// Some worker may be given some kind of job.
  bool any_room() const { return index_.givable() > 0; }
  struct verdict {
    wait_reason why = wait_reason::none;
    bool of_kind = false;      ///< it holds for all jobs that differ from this one in shape only
    pool_worker* to = nullptr; ///< takes it now, or changes its model for it
    std::uint32_t members = 1; ///< of the run that may begin there
    double run_ms = 0;
    bool changes = false; ///< `to` is to be asked to change to the job's model
  };
  /// Decides where the next job runs; or why it waits, and for which worker, which is then
  /// reserved.
  verdict place(moment now, const needs&, const group_key&, const fair_queue&);
  /// A run of so many members begins; then hold() for each, then begun().
  void begin_run(moment now, pool_worker&, const needs&, std::uint32_t planned);
  /// The number of the hand-over that it leaves with; 0 when the worker does not pull.
  std::uint64_t hold(moment now, pool_worker&, const attempt_ref&, std::size_t input_bytes);
  void begun(moment now, pool_worker&, std::uint32_t members);
  /// The worker has had this attempt since before it joined.
  void claim(moment now, pool_worker&, const needs&, const attempt_ref&);

  struct ending {
    std::optional<work_kind> kind{}; ///< of the job, when the attempt was current
    bool completed = false;
    bool out_of_memory = false;
    moment began; ///< the run itself
  };
  /// False when the worker does not hold it.
  bool ended(moment now, pool_worker&, const attempt_ref&, const ending&);
  /// The attempt was never sent: no worker holds one of this job.
  void let_go(moment now, const job_id&);
  void job_arrived(moment now, const std::string& model) {
    arrivals_[rate_key(model)].arrived(now);
  }
  /// A decision to wait is to be thought over then.
  std::optional<moment> look_again() const { return look_again_; }
  void forget_look_again() { look_again_.reset(); }
  void look_again_at(moment when) {
    look_again_ = look_again_ ? std::min(*look_again_, when) : when;
  }

  // ---- why jobs wait ---------------------------------------------------------------------------
  struct waits_seen {
    bool any = false; ///< a worker that serves every endpoint
    std::set<std::string_view> endpoints;
    std::set<std::string_view> loading;
  };
  waits_seen look() const;
  /// True if the worker has room for the job, and the job's model.
  bool runs_now(const pool_worker&, const needs&) const;
  const run_times& times() const { return times_; }

  std::vector<std::string> audit() const; ///< breaks of the invariants, in words

 private:
  /// Whom an option is about.
  struct offer {
    pool_worker* who = nullptr;
    worker_index::worker_class* of = nullptr;
  };
  void update(moment now, pool_worker&);
  void settle_blame(moment now, const pool_worker& before, fair_queue& charged);
  void occupy(moment now, pool_worker&);
  std::string rate_key(const std::string& model) const;
  double rate_of(moment now, const std::string& model) const;
  /// The kind of its models is the kind of the job's.
  bool runs_model(const worker_index::class_key&, const needs&) const;
  bool serves(const worker_index::class_key&, const needs&) const;
  double eviction(moment now, const std::string& model, const std::string& device, double away_ms,
                  const fair_queue&) const;
  void fill_options(moment now, const needs&, const fair_queue&);
  /// The best of a class with room, else the best without.
  void offer_best(moment now, worker_index::worker_class&, const needs&, placement::option);
  void offer_one(pool_worker&, worker_index::worker_class&, const needs&, placement::option);
  double run_ms(const worker_index::class_key&, const needs&, std::size_t members);
  double served_before(moment now, const needs&, double until, double wanted) const;
  std::optional<placement::choice> choose(moment now, const needs&, const group_key&,
                                          const fair_queue&);
  pool_worker* leave_out_last(moment now, const needs&, const fair_queue&);
  wait_reason without_options(const needs&) const;
  void reserve(moment now, pool_worker&, double ms);
  verdict change_model(moment now, const needs&, const placement::option&, pool_worker&);
  bool wish_failed(moment now, const std::string& model, const error& why);
  std::uint32_t batch_size(const needs&, const pool_worker&) const;
  void learn(moment now, pool_worker&, const held_attempt&, const ending&);

  std::map<worker_place, pool_worker> workers_;
  worker_index index_;
  known_models models_;
  run_times times_;
  std::map<std::string, arrival_rate> arrivals_; ///< by model
  batch_sizes sizes_;
  milliseconds batch_delay_;
  std::uint64_t ticks_ = 0;
  std::size_t held_ = 0; ///< by all of them
  std::uint32_t local_capacity_ = 0;
  double restart_ms_ = 1'000; ///< what an engine takes to come back after its end, learned
  std::optional<moment> look_again_;
  std::set<worker_place> changing_; ///< asked to change their model

  // Buffers of a decision; kept so that their memory is used again.
  std::vector<placement::option> options_;
  std::vector<offer> offers_;                             ///< of each option
  std::vector<std::pair<std::string_view, double>> runs_; ///< there are few kinds of device
  std::vector<pool_worker*> reserved_, handing_over_;
};

} // namespace tayfa
