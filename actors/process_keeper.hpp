// Keeps one engine process for the actor that owns it: starts it, limits the time of its starting
// and loading, and ends it, politely at first.
//
// Not an actor: a part of its owner (gpu_worker), used on the owner's thread only. The owner arms
// the timers and passes them on, says when the process has ended, and abandons it when it ends
// itself before.
#pragma once

#include "runtime/host/engine_host.hpp"

#include <chrono>
#include <cstdint>
#include <functional>

namespace tayfa {

class process_keeper {
 public:
  enum class timer : std::uint8_t { limit, stop_step };
  /// Arms a timer of the owner and returns its ticket.
  using arming = std::function<std::uint64_t(std::chrono::milliseconds, timer)>;

  process_keeper(engine_host&, worker_ref, std::chrono::milliseconds stop_grace, arming);

  void start(engine_spec, engine_sink);
  void send(protocol::downstream);

  /// Limits the process's present step to this time; replaces the limit before.
  void limit(std::chrono::milliseconds);
  void no_limit() { limit_ticket_ = 0; }
  bool is_over_limit(std::uint64_t ticket) const { return ticket == limit_ticket_; }

  /// Asks it to end itself; when it cannot receive yet, or does not obey, SIGTERM and then SIGKILL
  /// follow.
  void end_politely(bool connected);
  /// Sends SIGKILL: the process may not obey anything else.
  void end_by_force();
  /// The next step of the end, when the grace of the last one is over. False: SIGKILL has not
  /// ended it either. It hangs in the kernel, and leaving it is all that is left.
  bool step_down();

  void exited() { gone_ = true; }
  /// Kills it, if it has not ended.
  void abandon();

 private:
  enum class step : std::uint8_t { terminate, kill, give_up };

  engine_host& host_;
  worker_ref worker_;
  std::chrono::milliseconds grace_;
  arming arm_;
  std::uint64_t limit_ticket_ = 0; ///< 0 = none
  step next_ = step::terminate;
  bool gone_ = true; ///< there is no process
};

} // namespace tayfa
