// A head and its pods in one process: registry, sessions, a naive queue, scripted workers, disks,
// and a network that delays, loses, cuts and blackholes. Everything follows from one seed.
#pragma once

#include "runtime/base/random.hpp"
#include "runtime/pods/pod_registry.hpp"
#include "runtime/pods/pod_session.hpp"
#include "tests/unit/pods/naive_queue.hpp"

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace tayfa::pods::testing {

struct world_options {
  std::uint64_t seed = 1;
  std::uint32_t pods = 3;
  std::uint32_t slots = 2;
  std::uint32_t jobs = 20;
  std::uint32_t output_bytes = 40; ///< of a result, at most
  bool batches = false;
  bool faults = true;
  bool cancels = true;
  bool group_commits = false; ///< each step makes all that was decided durable
  milliseconds longest_run{8'000};
  registry_limits head{};
  session_limits pod{};
};

/// A connection: what is under way in both directions.
struct wire {
  connection_id id = 0;
  std::uint32_t pod = 0;
  std::deque<std::string> up, down;
  bool established = false; ///< the pod knows of it
  bool cut = false;         ///< the ends do not know it yet, or only one of them does
  bool head_knows = false, pod_knows = false;
  bool lost_up = false, lost_down = false; ///< blackholes
};

struct worker_sim {
  std::uint64_t incarnation = 0;         ///< 0 = none
  std::map<attempt_ref, moment> running; ///< until
};

struct pod_sim {
  std::string key;
  std::uint32_t index = 0;
  std::uint64_t incarnation = 0;
  std::unique_ptr<pod_session> session;
  std::map<std::uint32_t, worker_sim> workers;
  std::map<attempt_ref, protocol::finished> disk;
  std::deque<protocol::finished> writing;
  std::deque<attempt_ref> reading;
  std::uint64_t worker_incarnations = 0;
  std::string head;
  wire* line = nullptr;
  bool connecting = false;
  bool gone = false; ///< switched off, for good
};

class pod_world {
 public:
  explicit pod_world(world_options);

  void run(int steps);
  /// No more faults: everything comes to its end.
  void heal();
  void check();

  // single acts, for scripts
  void step();
  void pass(milliseconds);
  void settle(milliseconds at_most = std::chrono::minutes{10});
  void restart_head();
  void restart_pod(pod_sim&);
  void cut(pod_sim&);
  void start_worker(pod_sim&, std::uint32_t slot);
  /// The number of connections that pods have begun.
  std::uint64_t connections() const { return connections_; }

  naive_queue queue;
  std::unique_ptr<pod_registry> head;
  std::vector<std::unique_ptr<pod_sim>> pods;
  moment now{std::chrono::hours{1}};
  std::vector<std::string> notes;                  ///< of the head
  std::map<attempt_ref, std::uint32_t> executions; ///< that have ended well
  std::uint64_t cuts = 0, head_restarts = 0, pod_restarts = 0, results_reread = 0, reuses = 0;

 private:
  bool chance(unsigned in) { return random_.next() % in == 0; }
  std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  void fault();
  void move_network();
  void move_pods();
  void move_disk(pod_sim&);
  void move_queue();
  void deliver(wire&);
  void carry(effects);
  void carry(pod_sim&, session_effects);
  void boot_pod(pod_sim&);
  sent send_down(connection_id, const link_message&);
  sent send_up(pod_sim&, const link_message&);
  void end_wire(wire&);

  world_options options_;
  seeded_random random_;
  std::map<connection_id, std::unique_ptr<wire>> wires_;
  connection_id connections_ = 0;
  std::uint64_t boots_ = 0;
  bool calm_ = false;
  std::optional<moment> window_;
};

} // namespace tayfa::pods::testing
