// A naive queue and naive workers around a worker_registry, with channels between them that take
// their time: what the registry says reaches the queue later, in order, and so does what the queue
// says to the registry.
//
// Everything that both sides see is held against the registry's promises, at every step; finish()
// then lets time pass until all must be over.
#pragma once

#include "runtime/base/random.hpp"
#include "runtime/runpod_platform/worker_registry.hpp"

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace tayfa::remote::testing {

class random_workers {
 public:
  explicit random_workers(std::uint64_t seed);

  void step();
  /// No more work and no more trouble: everything that was assigned must end.
  void finish();

  std::set<std::string> broken; ///< promises, in words; empty is good
  std::map<std::string, std::size_t> seen;

 private:
  // the queue's side
  struct worker_handle {
    worker_ref ref;
    std::string name;
    std::uint32_t capacity = 0;
    std::uint64_t hand_overs = 0, acknowledged = 0;
    std::set<attempt_ref> holds;
  };
  /// A hand-over, or one that is revoked.
  struct order {
    worker_ref worker;
    std::vector<attempt_ref> attempts;
    std::uint64_t hand_over = 0;
    bool revoke = false;
  };
  struct attempt_facts {
    std::string holder; ///< the worker that was handed it
    std::uint32_t progress = 0, chunks = 0;
    std::uint64_t steps = 0;
    bool revoked = false;
  };
  // a worker's side
  struct open_poll {
    std::string worker;
    bool stops = false;
    bool batch = false;
    std::uint32_t wanted = 1;
  };
  struct flight {
    poll_id poll = 0;
    bool whole = true;
  };

  std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  void demand(bool holds, const std::string& promise);

  std::string any_worker() { return std::string(1, static_cast<char>('a' + below(5))); }
  api::worker_place place(const std::string& worker) { return {"tayfa", worker, "L4"}; }
  std::string any_job(const std::string& worker);
  bool may_have(const std::string& worker, const std::string& id) const {
    return ids_.contains(worker + " " + id) || given_before_.contains(worker + " " + id);
  }

  void do_take();
  void do_stops();
  void do_ping();
  void do_post();
  void do_chunk();
  void do_kill();
  void do_left();
  void do_gone();
  void do_restart();
  void restart_process();
  void list_unclaimed();
  void close_window();
  void leave(const worker_handle&);
  void claim(worker_handle&, const attempt_held&);
  void lose_unclaimed(const attempt_ref&);
  void queue_hears();
  void registry_receives();
  void give_or_revoke();

  void obey(const effects&);
  void obey(const hand_out&);
  void obey(const send_stops&);
  void answered(poll_id, bool stops);
  void hear(const effect&);
  void hear(const worker_ready&);
  void hear(const attempts_claimed&);
  void hear(const attempt_reported&);
  void hear(const worker_gone&);
  template <class Numbered>
  void hear_numbered(worker_ref, const Numbered&, std::uint64_t number, std::uint64_t& last);
  void end(worker_ref, const protocol::finished&);

  seeded_random random_;
  registry_limits limits_;
  std::unique_ptr<worker_registry> registry_;
  moment now_{std::chrono::hours{1}};
  poll_id polls_ = 0;
  std::map<poll_id, open_poll> open_;
  std::deque<flight> flying_;
  std::map<std::string, std::set<std::string>> at_; ///< ids that a worker is at
  std::map<std::string, attempt_ref> ids_;          ///< "worker id" -> attempt, ever handed out
  /// "worker id" of attempts that were given to the worker before the process ended. They may not
  /// have reached it; but they are its own, if it says so.
  std::set<std::string> given_before_;
  std::deque<effect> to_queue_;
  std::deque<std::pair<std::string, std::string>> settles_; ///< worker and job, once all is heard
  std::deque<order> to_registry_;
  std::map<std::uint32_t, worker_handle> handles_;
  std::map<attempt_ref, attempt_facts> attempts_;
  std::map<attempt_ref, std::string> unclaimed_; ///< and the name of the worker that held it
  std::map<std::uint32_t, std::set<attempt_ref>> left_in_; ///< of those, by slot
  std::set<attempt_ref> refused_;                          ///< claimed in vain
  std::uint64_t newest_ = 0;                               ///< incarnation
  std::uint32_t jobs_ = 0;
  std::vector<attempt_ref> waiting_; ///< to be given
  bool serving_ = false;
};

} // namespace tayfa::remote::testing
