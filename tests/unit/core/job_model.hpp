// A second, naive job table: vectors, linear scans, every rule implemented once more from the text
// of runtime/core/job_table.hpp.
//
// It describes the effects that the real table must give, in the words of job_script.hpp;
// job_table_model_test.cpp compares. It knows workers that take one attempt or one batch at a time,
// and remote ones that take what they ask for, all of one kind of device, so that the choice of a
// worker is: the one that holds least, then the one idle longest. It gets decisions that it leaves
// open from the real table (`hint`): the next tenant when several could be served, and the size of
// a batch after one ran out of memory.
#pragma once

#include "runtime/core/job_table.hpp"

#include <string>
#include <vector>

namespace tayfa::testing {

class job_model {
 public:
  job_model(job_limits limits, std::vector<std::string> models)
      : limits_(std::move(limits)), models_(std::move(models)) {}

  struct job {
    std::string id;
    std::uint64_t order = 0;
    job_request request;
    std::string asked_model; ///< before the default one was put in
    std::size_t input_bytes = 0;
    bool watch = false;
    bool stored = false;
    job_state state = job_state::IN_QUEUE;
    moment submitted, life_began, not_before, assigned, lease_end, ended;
    std::optional<moment> began;
    bool sleeping = false, suspect = false, in_batch = false, dead = false;
    std::uint32_t attempts = 0, uncharged_attempts = 0, lives = 1, solo_crashes = 0;
    worker_ref holder;
    std::uint32_t progress_seen = 0, chunk_seen = 0;
    std::string output;
    std::vector<std::string> chunks;
    std::uint64_t gone = 0; ///< chunks that were before those
    std::optional<errc> failure;
    std::optional<milliseconds> delay, execution;
    bool delay_unsure = false; ///< whether `started` reached the store before the restart
    std::vector<std::pair<std::uint32_t, std::optional<errc>>> history;
    bool hook_open = false, hook_out = false;
    bool undelivered = false; ///< to its platform
    bool refresh = false;
    moment keep_until;
    bool taken() const { return !request.origin.empty(); }
    std::uint32_t hook_tries = 0;
  };

  /// Passes the real table's open decisions to the model.
  void hint(const effects&);

  // Each answers with the expected orders in words (an error's name for a refusal, "stale" for a
  // stale report).
  std::string submit(moment now, const std::string& id, const job_request&, bool watch);
  std::string cancel(moment now, const std::string& id, bool by_origin);
  void keep(moment now, const std::string& id, milliseconds);
  void posted(moment now, const std::string& id, bool settled, milliseconds pause);
  void posts_lost();
  std::size_t undelivered() const;
  std::size_t live_of_platforms() const;
  std::uint32_t local_capacity() const;
  bool has_remote() const;
  std::string retry(moment now, const std::string& id);
  std::string drop(moment now, const std::string& id);
  std::string purge(moment now);
  std::string read_stream(moment now, const std::string& id);
  void received(const std::string& id, std::uint64_t last);
  std::string joined(moment now, worker_ref, worker_facts);
  std::string lost(moment now, worker_place, errc why, bool from_outside);
  std::string lost_all(moment now, errc why);
  std::string draining(moment now, worker_ref);
  std::string started(moment now, worker_ref, const attempt_ref&);
  std::string renewed(moment now, worker_ref, const attempt_ref&);
  std::string progressed(moment now, worker_ref, const protocol::progress&);
  std::string streamed(moment now, worker_ref, const protocol::partial&);
  std::string finished(moment now, worker_ref, const protocol::finished&);
  void notified(moment now, const std::string& id, bool delivered);
  void stop_taking() { stopping_ = true; }
  std::string hand_back(moment now);
  std::string expire(moment now);
  /// A batch is on its way to the store, and how that went.
  void batch_taken();
  void batch_over(bool durable);
  /// A step's change is not durable yet: the next step waits.
  bool paced() const { return step_waits_ || step_flies_; }
  void stored(std::uint64_t order);
  std::string withdraw(moment now, const std::vector<job_id>&);
  /// A new process that finds everything stored.
  std::string restart(moment now);

  /// The earliest of the jobs' own deadlines, and of a batch that fills.
  std::optional<moment> next_deadline() const;
  const std::vector<job>& jobs() const { return jobs_; }
  bool kept(moment now, const job& j) const {
    return !is_final(j.state) || j.undelivered || now < forget_at(j);
  }
  job_counts counts() const;
  std::size_t held(worker_place) const;
  /// True when this is an acceptable wait reason of the job.
  bool may_wait_for(const job&, wait_reason) const;
  bool stopping() const { return stopping_; }

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
    bool handing_over = false; ///< in this decision
    bool may_be_given() const {
      return present && !draining && !alone && holds.size() < facts.capacity &&
             (!remote() || hand_overs == facts.hand_overs);
    }
    bool remote() const { return ref.node == pull_node; }
    bool serves(const job& j) const {
      return facts.endpoint.empty() || facts.endpoint == j.request.endpoint;
    }
    bool has_room_for(const job&) const;
  };

  job* find(const std::string& id);
  job* find_kept(moment now, const std::string& id);
  worker* holder_of(worker_ref);
  job* current(worker_ref, const attempt_ref&);

  moment due(const job&) const;
  bool is_slow(const job&) const;
  void expire(moment now, bool slow);
  moment ttl_end(const job&) const;
  moment run_end(const job&) const;
  moment forget_at(const job&) const;
  moment urgency(const job&) const;
  std::string key_of(const job_request&) const;
  std::size_t bytes_of(const job&) const;

  void say(const std::string& words);
  void say_moved(const job&, cause);
  void say_revoke(const job&);
  void tell_hook(moment now, job&);
  std::string given_again(moment now, job&, bool watch);
  void revive(moment now, job&);
  void close_delivery(job&);
  std::uint32_t last_held_of(const std::string& id) const;
  wait_reason why_waits(const job&, bool looked_at) const;
  std::string take();

  std::optional<errc> no_room(const job_request&, std::size_t bytes) const;
  void wait(moment now, job&);
  void end(moment now, job&, job_state, cause, std::optional<errc>,
           std::optional<errc> of_attempt = std::nullopt);
  void remember_attempt(job&, std::optional<errc>);
  void trim(const std::string& newest);
  bool evict(const std::string& newest, bool dead, bool by_bytes);
  void forget(const std::string& id);
  void lose(moment now, job&, errc why, bool free_of_charge);
  void lose_all_of(moment now, worker&, errc why, bool from_outside = false);

  void assign(moment now);
  void serve(moment now);
  worker* free_worker(const job*);
  bool at_quota(const std::string& tenant) const;
  std::vector<job*> heads(const std::vector<group_key>& passed, const group_key* only);
  job* next(moment now, const std::vector<group_key>& passed, const group_key* only = nullptr);
  static group_key group_of(const job&);
  std::uint32_t batch_size(const job&, const worker&);
  void give_run(moment now, job& first, worker&, std::uint32_t size);
  void give_one(moment now, job&, worker&);

  job_limits limits_;
  std::vector<std::string> models_;
  bool stopping_ = false;
  bool step_waits_ = false; ///< rows of a step are not on their way to the store yet
  bool step_flies_ = false;
  bool out_of_memory_ = false; ///< sizes of batches are no longer known
  std::uint64_t orders_ = 0;
  std::uint64_t ticks_ = 0;
  job_counts counts_;
  std::vector<job> jobs_;
  std::vector<worker> workers_;
  std::optional<moment> batch_due_;
  std::vector<group_key> filling_;  ///< groups that the last decision left waiting for further
                                    ///< members
  std::vector<std::string> hinted_; ///< jobs that left the queue, in order
  std::vector<std::pair<std::string, std::uint32_t>> hinted_sizes_; ///< each with the size of its
                                                                    ///< batch
  std::string words_;
};

} // namespace tayfa::testing
