// A job table, a store below it, and clients, platforms and workers that ask and report at random;
// beside it the naive model, which must agree after every step with every effect, view, count and
// deadline. Now and then the store refuses a batch, and the process dies and starts again.
//
// The model test, the crash tests and the fuzz target are this world, each with its own store and
// source of choices. A world ends at the first difference.
//
// Like the queue, the world holds effects back until the changes that were made with them are
// durable, or until nothing is to be stored. So workers report only attempts that have left, and a
// crash loses what has not. When an effect leaves, the rows must say that it happened (I14).
//
// A crash leaves one of two states: that of the last durable batch, or that of the batch which was
// on its way. For both there is a copy of the model, of the promises and of the rows; the rows that
// the new process finds say which one it is.
#pragma once

#include "tests/job_model/job_model.hpp"
#include "tests/job_model/promises.hpp"
#include "tests/job_model/row_keeper.hpp"

#include <deque>
#include <optional>
#include <set>

namespace tayfa::testing {

struct world_time final : time_source {
  moment mono{std::chrono::hours{1}};
  std::chrono::system_clock::time_point wall_now{std::chrono::hours{24 * 365 * 50}};
  moment now() const override { return mono; }
  std::chrono::system_clock::time_point wall() const override { return wall_now; }
};

/// Events that the worlds of a test must have met, or the random steps test less than they seem to.
extern const std::vector<std::string> world_events;

class job_world : chooser {
 public:
  job_world(dice, const make_keeper&);

  void step();
  /// No more faults: everything accepted must end and be delivered.
  void heal_and_drain();
  /// Differences; empty = none.
  const std::vector<std::string>& broken() const { return broken_; }
  /// Those of world_events that have not occurred.
  const std::vector<std::string>& unseen() const { return unseen_; }

 private:
  using done = result<job_table::view_and_effects>;
  /// An effect, and the job that it concerns (0 = none) in its life then.
  struct held_effect {
    effect what;
    std::uint64_t order = 0;
    std::uint32_t lives = 0;
  };
  using effects_held = std::vector<held_effect>;
  moment now() const { return time_.mono; }
  void pass(milliseconds d) { time_.mono += d, time_.wall_now += d; }

  // arguments (job_world_draws.cpp)
  job_limits any_limits();
  job_request any_request();
  worker_facts any_facts(worker_ref);
  static std::string lasting_name_of(worker_place);
  worker_ref any_lasting_worker();
  std::vector<attempt_held> any_claims(const worker_facts&);
  std::string any_id();
  std::string known_id();
  worker_ref any_worker();
  std::pair<worker_ref, attempt_ref> any_attempt();

  // steps
  void submit();
  void submit(const std::string& id, job_request);
  void give_again();
  void cancel();
  void retry();
  void drop();
  void read();
  void keep();
  void join(worker_ref);
  void claim();
  void claimed_by(worker_ref, const std::vector<attempt_held>&);
  void lose();
  void drain();
  void start();
  void report();
  void finish(worker_ref, const attempt_ref&, bool well);
  void notified();
  void posted();
  void expire();
  void rarely();

  // the store and the process (job_world_store.cpp)
  void hold_back(const effects&);
  void release(effects_held);
  void release_if_all_is_durable();
  void check_durable(const held_effect&);
  void take_batch();
  void end_batch();
  void refuse_batch();
  void store_all();
  void crash(bool in_flight_too);
  void restart(job_store::recovered);
  void same_row(store::job_row row, store::job_row job);
  void check_rows(const perfect_store&);
  void drain_deliveries();

  // comparing (job_world_compare.cpp)
  void see(std::string_view text);
  void fault(const std::string& text) { broken_.push_back(text); }
  template <class Model>
  void same(const char* command, const std::string& answer, const effects&, Model&&);
  template <class Model>
  void same(const char* command, const effects& e, Model&& m) {
    same(command, "", e, std::forward<Model>(m));
  }
  template <class Model>
  void same(const char* command, const done& d, Model&& m) {
    same(command, d ? "" : std::string{to_string(d.error().code)}, d ? d->second : effects{},
         std::forward<Model>(m));
  }
  template <class Model>
  void same(const char* command, const job_table::report_result& r, Model&& m) {
    same(command, r.current ? "" : "stale", r.consequences, std::forward<Model>(m));
  }
  void check(const char* command, const std::string& answer, const std::string& expected,
             const effects&);
  void carry_out(const effect&);
  void compare();
  std::vector<job_summary> all_summaries() const;
  void compare(const job_detail&, const job_model::job&);
  std::string output_of(const job_view&);

  bool alike_;   ///< workers of one kind without models, so that no choice among them is learned
  bool batches_; ///< of alike ones
  world_time time_;
  std::unique_ptr<row_keeper> disk_;
  job_limits limits_;
  std::vector<model_facts> models_;
  std::unique_ptr<job_table> table_;
  job_model model_;
  promises promises_;

  struct state {
    job_model model;
    promises promised;
    perfect_store rows;
  };
  state durable_;
  std::optional<state> in_flight_;
  store::batch batch_;     ///< in flight
  effects_held leaving_;   ///< with it
  effects_held gathering_; ///< with the next one

  std::uint64_t ids_ = 0;
  std::uint64_t incarnations_ = 0;
  std::map<worker_place, std::uint64_t> latest_; ///< incarnations
  std::map<worker_place, std::string> wished_;   ///< model that the next incarnation shall have
  std::vector<job_request> keyed_;               ///< submitted, with idempotency keys
  std::deque<std::pair<worker_ref, attempt_ref>> assigned_; ///< the latest ones, also of the dead
  std::set<std::pair<worker_ref, attempt_ref>> at_work_;    ///< have left, and have not ended
  std::set<attempt_ref> left_;                              ///< ever
  std::set<std::string> posted_; ///< jobs whose results have left for their platforms
  std::vector<std::pair<std::string, std::uint64_t>> calls_;   ///< webhooks being called
  std::vector<std::pair<std::string, std::uint64_t>> answers_; ///< chunks on their way to readers
  std::vector<std::string> broken_;
  std::vector<std::string> unseen_ = world_events;
};

template <class Model>
void job_world::same(const char* command, const std::string& answer, const effects& all,
                     Model&& model) {
  model_.ordered(now(), all);
  std::string expected;
  if constexpr (std::is_void_v<decltype(model())>) {
    model();
  } else {
    expected = model();
  }
  check(command, answer, expected, all);
}

} // namespace tayfa::testing
