// A simulated run: the pod, its clients, its faults, and the oracle that compares the history with
// the promises. The inside of simulate().
#pragma once

#include "actors/sim/sim_pod.hpp"
#include "actors/sim/sim_secrets.hpp"
#include "actors/sim/simulation.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::sim {

class run {
 public:
  run(const scenario& plan, std::uint64_t seed);
  outcome go();

 private:
  void prepare();
  void make_pod();
  void stopped(pod_exit);
  void crash(bool power);
  void reborn();
  bool disk_step();
  void start_work();
  void all_done();
  void settle();
  void steps();
  bool step();
  void next_moment();
  void moved(std::string_view machine, std::string_view to, std::string_view who);
  void check_honest();
  void due_incidents();
  void carry_out(const incident&);
  void draw_faults();
  void draw_crashes();
  void draw_pauses();
  void pause(std::chrono::milliseconds);
  void go_on();
  void check_unharmed();
  void check();
  bool unserved(const job_history&) const;
  void check_job(std::size_t index, const job_history&);
  void check_platform();
  void check_platform_job(const platform_job&);
  void check_webhook(const std::string& who, const job_history&);
  void check_engine(const std::string& who, const job_history&);
  void check_chunks(const std::string& who, const job_history&);
  void check_pod_states();
  void check_purges();
  void clean_up();
  void violated(std::string text) { result_.violations.push_back(std::move(text)); }

  const scenario& plan_;
  caf::actor_system_config system_config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  seeded_random random_;
  seeded_secrets secrets_;
  seeded_random order_; ///< only for the order of steps
  virtual_time time_;
  process_time pod_time_; ///< of the pod's process
  memory_log lines_;
  observed_log log_;
  metrics meters_;
  sim_engine_host engines_;
  sim_gateway http_;
  sim_probe probe_;
  sim_models models_;
  sim_poster post_;
  event_feed feed_;
  std::unique_ptr<sim_platform> platform_;
  store::sim_disk disk_;
  config knobs_;
  std::unique_ptr<sim_pod> pod_;
  std::optional<moment> paused_until_;
  std::optional<moment> born_again_; ///< when the next process is started
  std::optional<moment> disk_due_;   ///< when the store's next operation is done
  std::uint32_t restarts_ = 0;
  std::uint64_t disk_steps_ = 0;
  std::set<std::uint64_t> crash_at_; ///< operations of the store, by number
  bool work_begun_ = false;
  int works_ = 1; ///< clients' and platform's, not done yet
  std::vector<caf::actor> others_;
  std::shared_ptr<history> seen_ = std::make_shared<history>();
  std::shared_ptr<remote_faults> remote_faults_ = std::make_shared<remote_faults>();
  std::shared_ptr<purge_history> purges_ = std::make_shared<purge_history>();
  std::shared_ptr<reader_faults> reader_faults_ = std::make_shared<reader_faults>();
  std::multimap<moment, incident> incidents_;
  std::vector<incident> waiting_;
  std::map<std::string, std::string> engine_states_; ///< by worker
  std::optional<pod_exit> exit_;
  bool asked_to_stop_ = false;
  bool work_done_ = false;
  moment begin_;
  outcome result_;
};

} // namespace tayfa::sim
