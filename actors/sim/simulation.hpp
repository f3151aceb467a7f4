// A whole pod on one thread, in virtual time, from one seed: the actors of production over a
// simulated world.
//
// The seed chooses the order in which runnable actors run (one message at a time), all latencies,
// the workload, ids and jitter. Same commit, same scenario, same seed: the same log, byte for byte.
// After the run the clients' history and the pod's remains are held against the promises
// (invariants I1-I5, I7-I10, I14, I15 of docs/architecture.md); each break is a sentence in
// `violations`.
#pragma once

#include "actors/sim/openai_readers.hpp"
#include "actors/sim/purger.hpp"
#include "actors/sim/remote_workers_sim.hpp"
#include "actors/sim/sim_platform.hpp"
#include "actors/sim/workload.hpp"
#include "actors/supervisor.hpp"
#include "runtime/engine/scripted.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tayfa::sim {

/// Something that happens to the pod `after` `machine` has first moved to `state` (an engine's: of
/// that slot). pod CREATED is before it is started.
struct incident {
  enum class what : std::uint8_t {
    sigterm,       ///< a polite stop
    kill_engine,   ///< SIGKILL to a slot's process
    freeze_engine, ///< SIGSTOP to it
    kill_queue,    ///< the actor dies, as by a bug
    kill_ingress,
    kill_loader,
    kill_runpod_worker,
    kill_remote_workers, ///< the actor, not the workers
    babble_engine,       ///< it sends bytes that are no frame
    cut_link,            ///< its connection is lost, and comes back
    kill_runtime,        ///< SIGKILL to the process; the platform starts the next one
    lose_power,          ///< likewise, and what the disk had not flushed is lost or torn
    fill_disk,           ///< no byte more fits
    overfill_disk,       ///< nor would one if the store's reserve were given up
    free_disk,
    break_flush, ///< the next flush of the disk fails
    drain_slot,  ///< by an operator
    undrain_slot,
    resize,        ///< to `slot` slots
    pause_runtime, ///< SIGSTOP to the process, and SIGCONT when it `lasts` long enough
  };
  std::string machine;
  std::string state;
  std::chrono::milliseconds after{0};
  what act = what::sigterm;
  std::uint32_t slot = 0;
  bool always = false; ///< every time, not only the first
  std::chrono::milliseconds lasts{0};
};

struct scenario {
  std::string name;
  std::string text; ///< one line for people
  std::uint32_t slots = 1;
  std::optional<workload_options> work;
  std::optional<platform_options> platform{}; ///< the pod is a worker of RunPod's platform
  std::optional<remote_options> remote{};     ///< others' workers pull jobs from the pod
  std::optional<reader_options> readers{};    ///< clients of OpenAI's API
  std::optional<purger_options> purges{};     ///< nothing else may cancel jobs then
  std::map<std::uint32_t, engine::scripted_behavior> behaviors; ///< by slot
  std::vector<incident> incidents;
  sim_probe::mood probe = sim_probe::mood::fit;
  bool broken_model = false;
  bool port_in_use = false;
  bool port_silent = false;
  bool engine_missing = false;
  bool spawner_stuck = false;
  int exit_code = 0;
  bool faulty = false;         ///< incidents may cost attempts: FAILED max_attempts is allowed, too
  bool random_faults = false;  ///< kills and freezes drawn from the seed
  bool random_crashes = false; ///< kill_runtime and lose_power drawn from the seed
  bool random_pauses = false;  ///< pause_runtime drawn from the seed
  std::chrono::milliseconds pause_max{15'000}; ///< of those
  /// No attempt may be lost, no engine killed, no worker given up: nothing in the plan is a reason.
  bool unharmed = false;
  /// Starts by the platform after the first one, when the runtime ended and there is work left.
  std::uint32_t restarts = 0;
  std::chrono::nanoseconds disk_latency_max{2'000'000};
  std::vector<std::string> events; ///< that the log must name
  std::vector<std::string> models; ///< of the catalogue, by name; engines can change between them
  std::vector<std::string> models_later{}; ///< likewise, from the second start on; empty = the same
  std::map<std::string, std::string> model_kinds{}; ///< of models; empty = any engine runs them
  std::function<void(config&)> knobs{};
};

struct outcome {
  std::vector<std::string> violations;
  std::string log;
  pod_exit exit;
  std::vector<std::string> pod_states;       ///< in order
  std::map<std::string, std::uint32_t> ends; ///< final states of jobs
  std::uint64_t steps = 0;
  std::uint32_t lives = 1; ///< of the runtime's process
  std::uint64_t commits = 0;
  std::chrono::milliseconds virtual_time{0};
};

outcome simulate(const scenario&, std::uint64_t seed);

/// Every scenario that ships, by name order of declaration.
const std::vector<scenario>& scenarios();

} // namespace tayfa::sim
