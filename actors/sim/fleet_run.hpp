// A simulated run of a fleet. The inside of simulate_fleet().
#pragma once

#include "actors/sim/fleet.hpp"
#include "actors/sim/sim_network.hpp"
#include "actors/sim/sim_pod.hpp"
#include "actors/sim/sim_secrets.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tayfa::sim {

/// Every entry names the process that wrote it.
class named_log final : public event_log {
 public:
  named_log(event_log& lines, std::string name) : lines_(lines), name_(std::move(name)) {}
  bool enabled(log_level) const override { return true; }
  void write(log_level, std::string_view event, std::span<const log_field>) override;

 private:
  event_log& lines_;
  std::string name_;
};

class fleet_run {
 public:
  fleet_run(const fleet_scenario&, std::uint64_t seed);
  outcome go();

 private:
  /// A machine: what outlives the processes on it, and the process that runs now.
  struct node {
    node(fleet_run&, std::string name, std::optional<std::size_t> pod, std::uint64_t seed);
    std::string name;
    std::optional<std::size_t> pod; ///< number of the pod; none: it is the head
    process_time time;
    named_log log;
    metrics meters;
    sim_engine_host engines;
    sim_gateway http;
    sim_probe probe;
    sim_models models;
    sim_poster post;
    event_feed feed;
    store::sim_disk disk;
    sim_results results;
    config knobs;
    std::uint64_t starts = 0;
    std::unique_ptr<sim_pod> process;
    std::optional<moment> born_again; ///< when the next process is started
    std::optional<moment> disk_due;   ///< when the store's next operation is done
    std::optional<pod_exit> exit;
  };

  node& head() { return *nodes_.front(); }
  std::string key_of(const node&) const;
  void start(node&);
  void kill(node&);
  void draw_faults();
  void draw_operators();
  void operate(api::call, std::string about);
  void begin_work();
  void stop(node&);
  void follow();
  bool step();
  bool disk_step();
  void next_moment();
  bool is_over() const;
  void check();
  void check_job(std::size_t index, const job_history&);
  void clean_up();
  void violated(std::string text) { result_.violations.push_back(std::move(text)); }

  const fleet_scenario& plan_;
  caf::actor_system_config system_config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  seeded_random random_;
  seeded_secrets secrets_;
  seeded_random order_; ///< only for the order of steps
  virtual_time time_;
  memory_log lines_;
  agenda agenda_;
  sim_network network_;
  sim_trust trust_;
  std::vector<std::unique_ptr<node>> nodes_; ///< the head first
  caf::actor clients_;
  std::shared_ptr<history> seen_ = std::make_shared<history>();
  bool work_begun_ = false;
  std::optional<moment> work_done_; ///< since when
  bool pods_stop_ = false, head_stops_ = false;
  moment begin_;
  outcome result_;
};

} // namespace tayfa::sim
