// The queue: one actor that owns the job table and the way of its changes into the store. It turns
// messages into commands of the table and the table's effects into messages, log lines and metrics;
// every decision is in runtime/core/job_table.
//
// States: WAITING (the pod is not READY: jobs are accepted, workers' announcements are postponed)
// -> SERVING -> DRAINING (nothing more is taken or given out). The table outlives the actor: a
// restarted queue treats every attempt as lost, so no accepted job is.
//
// Durability: nothing that the table decided is heard of outside (an answer, an attempt, a log
// line, an event) before the rows that it changed are committed. One batch of rows is in flight at
// a time; what is decided meanwhile goes with the next one, and so does what waits in the mailbox
// when that one may begin. So a busy queue commits in groups and an idle one at once, without a
// timer.
//   * the disk is full: submissions of that batch are withdrawn from the table and refused, the
//     rest is tried again until there is space;
//   * any other failure: nothing more is acknowledged, the pod ends (exit 70) and recovers.
#pragma once

#include "actors/common.hpp"
#include "runtime/core/job_table.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <variant>

namespace tayfa {

/// What outlives the actor: the table, and what was decided but not carried out yet.
struct queue_books {
  explicit queue_books(job_limits limits) : table(std::move(limits)) {}
  job_table table;
  effects left; ///< of the recovery
};

/// What the world answered to the queue.
struct store_news {
  struct committed {
    result<void> how;
  };
  struct fetched {
    std::uint64_t ticket = 0;
    result<shared_text> text;
  };
  struct hook_answered {
    job_id id;
    bool delivered = false;
    std::string text; ///< for the log
  };
  /// An answer with chunks up to this one has reached its reader.
  struct chunks_received {
    job_id id;
    std::uint64_t last = 0;
  };
  /// The turn of a webhook's call has come: its body is wanted now.
  struct body_wanted {
    job_view view;
    outgoing_call::body_taker take;
  };
  std::variant<committed, fetched, hook_answered, chunks_received, body_wanted> what;
};

class queue : public queue_actor::base {
 public:
  queue(caf::actor_config&, pod_context, std::shared_ptr<queue_books>);

  const char* name() const override { return "queue"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  template <class T>
  using promise = caf::typed_response_promise<T>;
  enum topic : std::uint32_t { table_deadline, storage_again, commit_now, room_again };

  behavior_type waiting();
  behavior_type serving();
  behavior_type draining();

  // clients (queue_clients.cpp)
  caf::result<submit_answer> submit(const submit_job&);
  caf::result<job_answer> find(const find_job&);
  caf::result<job_answer> cancel(const cancel_job&);
  caf::result<job_answer> retry(const retry_job&);
  caf::result<job_answer> drop(const drop_job&);
  caf::result<purge_answer> purge();
  caf::result<list_answer> list(const list_of_jobs&);
  caf::result<stream_answer> read(const read_job_stream&);
  caf::result<detail_answer> inspect(const inspect_job&);
  template <class Answer>
  caf::result<Answer> after_commit(const job_id& about, Answer);

  // workers and the pod (queue.cpp)
  void joined(const worker_ready&);
  void said(const worker_said&);
  void tell_origin(const worker_said&);
  void gone(const worker_gone&);
  void pod(const pod_moved&);
  void drain();
  void met(const crew&);
  void deadline(const timer&);

  // what leaves after the commit (queue_commit.cpp)
  /// Something to be done once everything decided so far is durable.
  struct deed {
    job_id about; ///< empty = no job in particular
    std::function<void()> done;
    std::function<void(const error&)> refused; ///< of a submission that could not be made durable
    bool asks = false; ///< refusing it takes nothing back: its client may ask again
  };
  void decided(effects);
  void promised(deed);
  /// Begins the next commit, unless one is under way. `again`: although the disk was full.
  void commit(bool again = false);
  /// Begins it when the messages that are here already have been served: they share its flush.
  void commit_soon();
  void news(const store_news&);
  void posted(const result_posted&);
  void on(const store_news::committed&);
  void on(const store_news::fetched&);
  void on(const store_news::hook_answered&);
  void on(const store_news::chunks_received&);
  void on(const store_news::body_wanted&);
  void storage_full(const error&);
  void store_broken(const error&);
  void release(std::vector<std::variant<effects, deed>>);
  using text_taker = std::function<void(result<shared_text>)>;
  /// `place`: what its bytes hold of the world's budget for answers, until the last who has the
  /// text lets it go; null = they are not counted.
  void fetch(std::uint64_t order, job_store::column, text_taker, byte_budget::place place = {});
  /// The output of an ended job that left memory, for an answer. Who asks for one that others have,
  /// or wait for, shares it. False, and `then` is not called, when there is no room for it in the
  /// world's budget for answers, of which `spare` has to stay free.
  bool fetch_output(const job_view&, std::size_t spare, text_taker then);

  // effects (queue_effects.cpp)
  struct run {
    std::vector<give> members;
    std::size_t missing = 0;
  };
  void carry_out(effects&);
  void carry_out(const moved&);
  void carry_out(const revoke&);
  void carry_out(const change_model&);
  void carry_out(const notify&);
  void carry_out(const owe&);
  void give_run(std::vector<give>);
  void send_run(run&);
  void call_hook(const notify&);
  void give_bodies();
  void deliver(const owe&, shared_text output);
  void fetch_owed();
  void wait_for_room();
  void measure(const job_view&);

  moment now() const { return ctx_.outside.time.now(); }
  void after();
  void tell_load();
  void arm();

  struct seat {
    std::uint64_t incarnation = 0;
    attempt_taker handle;
  };

  pod_context ctx_;
  std::shared_ptr<queue_books> books_;
  job_table& table_;
  crew crew_;
  std::map<slot_id, seat> workers_;
  bool drained_told_ = false;
  bool serves_ = false;
  bool is_draining_ = false;
  load_changed load_;
  std::uint32_t capacity_told_ = 0;
  bool load_told_ = false;
  std::optional<moment> armed_for_;
  std::uint64_t ticket_ = 0;

  std::vector<std::variant<effects, deed>> gathering_; ///< waits for the next commit
  std::vector<std::variant<effects, deed>> in_flight_; ///< waits for the one that is under way
  bool committing_ = false;
  bool commit_soon_ = false;    ///< a message to oneself is on its way
  std::optional<error> full_;   ///< the disk is, as far as we know
  std::optional<error> broken_; ///< the store is, for good
  std::uint64_t storage_ticket_ = 0;
  using text_key = std::pair<std::uint64_t, job_store::column>;
  struct text_fetch {
    text_key what;
    std::vector<text_taker> takers;
    byte_budget::place place;
  };
  std::uint64_t fetch_ticket_ = 0;
  std::map<std::uint64_t, text_fetch> fetches_;       ///< under way, by ticket
  std::map<text_key, std::uint64_t> fetch_of_;        ///< likewise, by text
  std::map<std::uint64_t, weak_text> outputs_;        ///< that somebody still has, by order
  std::size_t outputs_swept_ = 0;                     ///< how many were left by the last sweep
  std::deque<store_news::body_wanted> bodies_wanted_; ///< for which there was no room
  std::deque<owe> results_owed_;                      ///< likewise
  bool waits_for_room_ = false;                       ///< a timer runs
  std::uint64_t chunks_dropped_told_ = 0;
};

} // namespace tayfa
