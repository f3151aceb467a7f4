// A queue, its clients, its workers and its store, each behaving like the real ones towards a job
// table, for the durability property: an acknowledged promise holds whenever the process dies.
//
// Like the queue actor, it sends an answer or a command only after the commit that contains it. The
// ledger records what was sent, and every later answer is compared with it:
//   I1  an accepted job exists until it has ended and its retention is over, and ends when served;
//   I2  the reported state of an ended job does not change;
//   I3  only accepted jobs are assigned, with their own input;
//   I4  no attempt of a job is assigned after its cancel was answered;
//   I5  attempt numbers grow, also over restarts; late reports change nothing;
//   I6  an attempt that reports within its lease does not lose it;
//   I7  attempts are bounded, and a job that used all of them is on the dead list;
//   I8  a result's delivery to its platform is pending until the platform has accepted or refused
//   it or
//       its time is over, never before its end is durable, and not at all once the platform has
//       stopped
//       the job;
//   I9  a remote worker is given what it asks for, of its endpoint, and no more;
//   I10 a result is retained as long as a client was promised;
//   I12 a refused submission leaves nothing; the queue is bounded;
//   I13 a known idempotency key gives the same job;
//   I14 (by construction) no answer is sent before the commit.
#pragma once

#include "tests/unit/core/row_keepers.hpp"

#include "runtime/base/random.hpp"
#include "runtime/core/job_table.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tayfa::testing {

struct world_time final : time_source {
  moment mono{std::chrono::hours{1}};
  std::chrono::system_clock::time_point wall_now{std::chrono::hours{24 * 365 * 50}};
  moment now() const override { return mono; }
  std::chrono::system_clock::time_point wall() const override { return wall_now; }
};

class crash_world {
 public:
  using make_keeper = std::function<std::unique_ptr<row_keeper>(dice, const time_source&)>;
  crash_world(std::uint64_t seed, const make_keeper&);

  void step();
  /// No more faults: everything accepted must end.
  void heal_and_drain();

  struct tally {
    std::size_t accepted = 0, withdrawn = 0, crashes = 0, given = 0, completed = 0, dead = 0;
    std::size_t retried = 0, late = 0, again = 0, cancelled = 0, bounded = 0, dropped = 0;
    std::size_t changed = 0, hooks = 0, leases = 0, compared = 0, poisoned = 0, fetched = 0,
                forgotten = 0;
    // platforms and remote workers
    std::size_t taken = 0, undelivered = 0, posted = 0, unposted = 0, refused = 0, unheard = 0,
                given_up = 0, stopped = 0, told_again = 0, lived_again = 0, new_again = 0,
                remote = 0, resized = 0, unreached = 0, stops = 0, kept = 0;
    tally& operator+=(const tally&);
  };
  const tally& seen() const { return tally_; }

 private:
  /// Promises made for one job, and open requests about it.
  struct entry {
    job_request request;
    bool accepted = false;  ///< its submission was answered
    bool cancelled = false; ///< its cancel was answered
    bool dropping = false;  ///< requested, possibly answered
    int retrying = 0;       ///< requested and not answered
    bool hook_told = false;
    std::uint32_t lives = 1;
    std::uint32_t times_given = 1;      ///< by its platform
    std::uint32_t last_number = 0;      ///< of the attempts that left
    std::uint32_t first_of_life = 0;    ///< the last attempt number of the lives before
    std::optional<job_view> final;      ///< as reported to clients
    std::optional<moment> ended;        ///< according to the table
    std::optional<moment> ended_before; ///< end of the life before the requested retry
    std::optional<moment> keep_until;   ///< as promised to a client
    bool stopped = false;     ///< by its platform, which was answered; and not given again since
    int stops_asked = 0;      ///< by its platform
    int stops_over = 0;       ///< of them, before it was given again
    bool undelivered = false; ///< the platform was notified, and the delivery is still pending
    bool settled = false;     ///< the platform has accepted or refused the result of this life
    bool given_up = false;
  };
  struct simulated_worker {
    worker_ref ref;
    worker_facts facts;
  };
  struct attempt {
    worker_ref worker;
    attempt_ref ref;
    std::optional<moment> heard; ///< its last report
    bool revoked = false;
    milliseconds lease{0};
  };
  /// An answer that waits for its commit; refused when the job was new and could not be stored.
  struct answer {
    job_id about;
    std::function<void()> given;
    std::function<void()> refused;
  };
  using item = std::variant<effects, answer>;

  std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  moment now() const { return time_.mono; }
  void pass(milliseconds);
  job_limits make_limits();
  std::string any_job();
  job_request any_request();

  // clients (crash_world_clients.cpp)
  void submit();
  void submit_again(const std::string& of);
  void cancel(const std::string& id);
  void retry(const std::string& id);
  void drop(const std::string& id);
  void check(const std::string& id);
  void check_gone(const std::string& id, const entry&);
  void check_view(const std::string& id, entry&, const job_view&);
  void step_outside();
  // platforms (crash_world_platform.cpp)
  bool is_promised(const std::string& id) const;
  void give_again(const std::string& id);
  void lives_again(const std::string& id, std::uint32_t attempts);
  void stop(const std::string& id);
  void keep(const std::string& id);
  void answer_post(std::size_t which);
  void settle_all_deliveries();
  void platform_worker_dies();
  void stop_and_start();
  // workers
  void join_remote(std::uint32_t number);
  void join(std::uint32_t slot);
  void lose(std::uint32_t slot);
  void report(attempt&);
  void finish(std::size_t which, bool well);
  void speak_late();
  void leave(worker_place);
  void come(worker_ref, const worker_facts&);
  void change_a_model();
  // what leaves the queue
  void gather(effects);
  void gather(answer);
  void noticed(const moved&);
  void release(std::vector<item>);
  void told(const assign_attempt&);
  void told(const revoke_attempt&);
  void told(const moved&);
  void told(const notify&);
  void told(const deliver_result&);
  void told(const change_worker_model&);
  // the process
  void begin_commit();
  void end_commit();
  void full();
  void crash(bool in_flight_too);
  void crash_and_compare();
  void restored(job_store::recovered);

  seeded_random random_;
  world_time time_;
  std::unique_ptr<row_keeper> disk_;
  job_limits limits_;
  std::unique_ptr<job_table> table_;
  std::map<std::string, entry> ledger_;
  std::vector<std::string> ids_;            ///< the latest ones
  std::map<std::string, std::string> keys_; ///< idempotency key -> job
  std::vector<attempt> out_;                ///< attempts that workers are at
  std::vector<attempt> late_;               ///< of workers that are gone; may still speak
  std::map<worker_place, simulated_worker> workers_;
  std::vector<change_worker_model> changes_; ///< requested and not made
  std::vector<model_facts> models_;
  std::uint64_t incarnations_ = 0;
  std::vector<std::pair<std::string, std::uint64_t>> hooks_; ///< webhooks being called
  std::vector<std::string> posts_; ///< results on their way to the platform
  std::set<std::pair<worker_ref, attempt_ref>> ever_given_;
  std::vector<item> gathering_;
  std::vector<item> in_flight_;
  std::optional<store::batch> batch_;
  std::uint64_t made_ = 0;
  std::uint64_t steps_ = 0;
  bool faults_ = true;
  tally tally_;
};

} // namespace tayfa::testing
