// Simulated engine processes: the real session and the real scripted engine, each in an actor of
// its own, behind links that take time. Frames of one direction keep their order (as ipc does);
// when a process dies, what it had sent but was not yet received is delivered or lost, by the seed.
#pragma once

#include "actors/sim/sim_world.hpp"
#include "runtime/engine/scripted.hpp"

#include <map>
#include <set>

namespace tayfa::sim {

class sim_engine_host final : public engine_host {
 public:
  sim_engine_host(caf::actor_system& system, time_source& time, random_source& random)
      : system_(system), time_(time), random_(random) {}

  /// How processes misbehave, by slot; narrowed to an incarnation when one starts.
  std::map<slot_id, engine::scripted_behavior> behaviors;
  std::chrono::nanoseconds latency_max{500'000};
  bool cannot_start = false; ///< the program is missing
  bool stuck = false;        ///< a start never reports anything
  /// The runtime does not run before: what engines send waits in its socket, and is read a little
  /// after it goes on.
  moment reads_again{};
  std::chrono::milliseconds reading_takes{100};

  /// Not a signal: the process sends bytes that are no frame.
  static constexpr int babble = -1;
  /// Not a signal: its connection is lost, and is back within absent_max.
  static constexpr int cut_link = -2;
  std::chrono::nanoseconds absent_max = std::chrono::milliseconds{300};

  void start(engine_spec, engine_sink) override;
  void send(const worker_ref&, protocol::downstream) override;
  void kill(const worker_ref&, int signal) override;

  /// Processes that live now. After the pod has STOPPED it must be empty.
  std::set<worker_ref> alive() const;
  std::uint64_t started() const { return pids_; }
  /// Drops every handle, so that the actor system can end.
  void forget();

 private:
  friend class sim_process;
  std::chrono::nanoseconds latency();
  void ended(const worker_ref&);

  caf::actor_system& system_;
  time_source& time_;
  random_source& random_;
  std::map<worker_ref, caf::actor> processes_;
  std::uint32_t pids_ = 0;
};

} // namespace tayfa::sim
