// The queue: one actor that owns the job table and the way of its changes into the store. It turns
// messages into commands of the table and the table's effects into messages, log lines and metrics;
// every decision is in runtime/core/job_table.
//
// States: WAITING (the pod is not READY: jobs are accepted, workers that take attempts wait)
// -> SERVING -> DRAINING (nothing more is taken or given out). From each of them -> ENDING, when it
// is asked to end (an exit message that is no kill): it ends as soon as all that it decided is
// durable. The table outlives the actor: a restarted queue treats each attempt as lost
// that its worker does not claim, so no accepted job is.
//
// Durability: no decision of the table becomes visible outside (an answer, an attempt, a log line,
// an event) before the rows that it changed are committed. One batch of rows is in flight at a
// time; what is decided meanwhile goes with the next one, and so does what waits in the mailbox
// when that one may begin. So a busy queue commits in groups and an idle one at once, without a
// timer.
//   * the disk is full: submissions of that batch are withdrawn from the table and refused, and so
//     are new ones until there is space; everything else is committed from the store's reserve.
//     What a client asks to be changed is refused before the table is touched when the reserve runs
//     out, and undone in the table when it is refused after that: no refusal is of something that
//     happens all the same;
//   * any other failure: nothing more is acknowledged, the pod ends (exit 70) and recovers.
//
// A queue that serves looks again and again, where several heads share the store, for a head that
// has died, and takes its jobs into the table.
#pragma once

#include "actors/common.hpp"
#include "actors/queue_state.hpp"
#include "runtime/core/job_table.hpp"

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

namespace tayfa {

/// Jobs that the store has made this head's own and that no table has yet. Thread safe: the store
/// adds, the queue takes.
class adopted_inbox {
 public:
  void add(store::adopted_jobs jobs) {
    const std::lock_guard guard{mutex_};
    jobs_.push_back(std::move(jobs));
  }
  std::vector<store::adopted_jobs> take() {
    const std::lock_guard guard{mutex_};
    return std::exchange(jobs_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<store::adopted_jobs> jobs_;
};

/// State that outlives the actor: the table, and decided effects that were not carried out yet.
struct queue_state {
  explicit queue_state(job_limits limits) : table(std::move(limits)) {}
  job_table table;
  effects left; ///< of the recovery
  /// Outlives even this: a late answer of the store may come after the pod's end.
  std::shared_ptr<adopted_inbox> adopted = std::make_shared<adopted_inbox>();
};

/// The end of something that the queue asked of the store.
struct store_replied {
  struct committed {
    result<void> how;
  };
  struct fetched {
    std::uint64_t ticket = 0;
    result<shared_text> text;
  };
  /// Reports whether new jobs would be accepted: the answer to an empty batch.
  struct space {
    result<void> how;
  };
  struct failed {
    error why;
  };
  /// The end of a look for a dead head; what it had is in the inbox.
  struct adopted {
    result<void> how;
  };
  std::variant<committed, fetched, space, failed, adopted> what;
};
/// The end of a call of a webhook.
struct webhook_answered {
  job_id id;
  std::uint64_t call = 0;
  hook_answer how = hook_answer::failed;
  std::string text; ///< for the log
};

class queue : public queue_actor::base {
 public:
  queue(caf::actor_config&, pod_context, std::shared_ptr<queue_state>);

  const char* name() const override { return "queue"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  template <class T>
  using promise = caf::typed_response_promise<T>;
  enum topic : std::uint32_t { table_deadline, storage_again, commit_now, room_again, adopt_again };

  /// Served alike in all states.
  auto common();
  /// Served alike in all states but DRAINING.
  auto while_open();
  behavior_type waiting();
  behavior_type serving();
  behavior_type draining();
  behavior_type ending();

  /// Makes the table as if something had not been asked for, and names the jobs that are as they
  /// were. `unsent`: those whose attempts have not left.
  using undo_of = std::function<std::set<job_id>(const std::set<job_id>& unsent)>;

  // clients (queue_clients.cpp)
  caf::result<job_answer> submit(const submit_job&);
  caf::result<job_answer> find(const find_job&);
  caf::result<job_answer> cancel(const cancel_job&);
  caf::result<job_answer> retry(const retry_job&);
  caf::result<job_answer> drop(const drop_job&);
  caf::result<purge_answer> purge(const purge_jobs&);
  caf::result<list_answer> list(const list_jobs&);
  caf::result<stream_answer> read(const read_job_stream&);
  caf::result<detail_answer> inspect(const inspect_job&);
  caf::result<durable_answer> await_all();
  intake_answer intake() const;
  void notify_watchers(const attempt_reported&);
  template <class Answer>
  caf::result<Answer> after_commit(const job_id& about, const job_access& who, Answer, undo_of = {},
                                   bool asks = true);
  /// Puts these jobs back as they were.
  std::vector<job_table::job_image> image_of(const job_id&) const;
  undo_of put_back(std::vector<job_table::job_image>);
  /// Why nothing may be changed for a client now.
  std::optional<error> refusal_of_changes() const;
  /// Why no new job is taken now.
  std::optional<error> refusal_of_jobs() const;
  std::optional<error> trouble() const; ///< of the store, in words for clients

  // workers and the pod (queue.cpp)
  void joined(const worker_ready&);
  caf::result<pods::pod_reconciled> reconcile(const pods::reconcile_pod&);
  void refused(const model_refused&);
  void reported(const attempt_reported&);
  void notify_origin(const attempt_reported&);
  void gone(const worker_gone&);
  void pod(const pod_moved&);
  void drain();
  void end(caf::error why);
  void on_directory(const actor_directory&);
  void deadline(const due_timer&);

  // jobs of heads that have died (queue_adopt.cpp)
  void look_for_dead_heads();
  void look_later();
  bool take_adopted();

  // what leaves after the commit (queue_commit.cpp)
  /// Something to be done once everything decided so far is durable.
  struct deferred_reply {
    job_id about; ///< empty = no job in particular
    std::function<void()> done;
    std::function<void(const error&)> refused; ///< of a submission that could not be made durable
    bool asks = false;                         ///< it only asks: its client may ask again
    undo_of undo{};
  };
  void enqueue_effects(effects);
  void enqueue_reply(deferred_reply);
  /// Begins the next commit, unless one is under way. `again`: although the disk was full.
  void commit(bool again = false);
  /// Begins it when the messages that are here already have been served: they share its flush.
  void commit_soon();
  void on(const store_replied&);
  void on(const webhook_answered&);
  void posted(const result_posted&);
  void on(const store_replied::committed&);
  void on(const store_replied::fetched&);
  void on(const store_replied::space&);
  void on(const store_replied::failed&);
  void on(const store_replied::adopted&);
  void not_committed(const error&);
  void refuse_changes(const error&);
  void take_back_purges(std::vector<std::variant<effects, deferred_reply>>&, const error&);
  void ask_for_space();
  void give_up_on_storage();
  void store_broken(const error&);
  void release(std::vector<std::variant<effects, deferred_reply>>);
  using text_handler = std::function<void(result<shared_text>)>;
  /// `place`: what its bytes hold of the world's budget for answers, until the last who has the
  /// text lets it go; null = they are not counted.
  void fetch(std::uint64_t order, job_store::column, text_handler, byte_budget::place place = {});
  /// The output of an ended job that left memory, for an answer. Who asks for one that others have,
  /// or wait for, shares it. False, and `then` is not called, when there is no room for it in the
  /// world's budget for answers, of which `headroom` has to stay free.
  bool fetch_output(const job_view&, std::size_t headroom, text_handler then);

  // effects (queue_effects.cpp)
  /// The attempts that leave for one worker in one message.
  struct run {
    worker_ref worker;
    std::uint64_t hand_over = 0; ///< to one that pulls
    std::vector<assign_attempt> members;
    std::size_t missing = 0; ///< inputs that are still being fetched
  };
  void carry_out(effects&);
  void carry_out(const moved&);
  void carry_out(const revoke_attempt&);
  void carry_out(const change_worker_model&);
  void carry_out(const notify&);
  void carry_out(const deliver_result&);
  void carry_out(const purged&);
  void refuse_purges(const error&, const std::map<std::uint64_t, std::size_t>& removed);
  void hand_over_remote();
  void give_run(worker_ref, std::uint64_t hand_over, std::vector<assign_attempt>);
  void send_run(run&);
  void call_hook(const notify&, const job_view&);
  void call_large_hooks();
  void deliver(const deliver_result&);
  void deliver_large();
  void wait_for_room();
  static error cut_short(errc why, std::size_t removed);
  static job_view with_output(job_view, result<shared_text>);
  void measure(const job_view&);

  moment now() const { return ctx_.outside.time.now(); }
  void after();
  void send_load();
  void arm();

  struct worker_handle {
    std::uint64_t incarnation = 0;
    attempt_executor handle;
  };

  pod_context ctx_;
  std::shared_ptr<queue_state> state_;
  job_table& table_;
  actor_directory directory_;
  std::map<worker_place, worker_handle> workers_;
  std::map<std::uint64_t, promise<purge_answer>> purges_; ///< by the table's number
  /// Attempts of remote workers that became durable with the commit that is being released, by
  /// worker and number: a hand-over leaves as a whole, and also when nothing is left of it.
  std::map<std::pair<worker_ref, std::uint64_t>, std::vector<assign_attempt>> handing_over_;
  /// Jobs that have not ended and whose end, or next chunk, the queue must report to the ingress.
  std::set<job_id> end_watched_, chunks_watched_;
  bool drained_sent_ = false;
  bool serves_ = false;
  bool is_draining_ = false;
  std::optional<caf::error> end_reason_; ///< it was asked to end
  load_changed load_;
  std::uint32_t capacity_sent_ = 0;
  bool load_sent_ = false;
  std::optional<moment> armed_for_;
  std::uint64_t ticket_ = 0;
  bool looking_ = false; ///< for a dead head, or about to

  std::vector<std::variant<effects, deferred_reply>> gathering_; ///< waits for the next commit
  std::vector<std::variant<effects, deferred_reply>>
      in_flight_; ///< waits for the one that is under way
  bool committing_ = false;
  bool commit_soon_ = false;    ///< a message to oneself is on its way
  std::optional<error> full_;   ///< no new job is taken: the disk is, or the database is away
  bool stuck_ = false;          ///< and the reserve could not hold the last batch either
  bool gave_up_ = false;        ///< the pod stops with a full disk: nothing more is committed
  std::optional<error> broken_; ///< the store is, for good
  std::uint64_t storage_ticket_ = 0;
  using text_key = std::pair<std::uint64_t, job_store::column>;
  struct text_fetch {
    text_key what;
    std::vector<text_handler> handlers;
    byte_budget::place place;
  };
  std::uint64_t fetch_ticket_ = 0;
  std::map<std::uint64_t, text_fetch> fetches_; ///< under way, by ticket
  std::map<text_key, std::uint64_t> fetch_of_;  ///< likewise, by text
  std::map<std::uint64_t, weak_text> outputs_;  ///< texts that are still in use, by the job's order
  std::size_t outputs_swept_ = 0;               ///< how many were left by the last sweep
  std::deque<notify> hooks_for_room_;           ///< their large bodies wait for room
  std::deque<deliver_result> large_results_;    ///< likewise
  bool waits_for_room_ = false;                 ///< a timer runs
  std::uint64_t chunks_dropped_counted_ = 0;
};

} // namespace tayfa
