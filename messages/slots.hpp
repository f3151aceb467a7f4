// The slots of this pod and their engines: the requests of operators, and the reports of workers to
// the supervisor and to health. Plain values that never leave the process.
#pragma once

#include "messages/error.hpp"
#include "messages/ids.hpp"
#include "messages/lifecycle.hpp"
#include "messages/protocol.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tayfa {

// ---- requests: ingress -> supervisor -----------------------------------------------------------

/// A slot, for people (GET /slots).
struct slot_summary {
  slot_id slot;
  std::uint64_t incarnation = 0;
  engine_state state = engine_state::NOT_STARTED;
  std::string engine, device, model;
  std::uint32_t running = 0;             ///< attempts
  std::uint64_t completed = 0, lost = 0; ///< attempts, since the runtime started
  bool draining = false;                 ///< an operator drains it
  bool quarantined = false;              ///< it kept failing; it is tried again after a while
  bool given_up = false;
  std::string pinned; ///< CPUs, as a list: "0-3"; empty = not pinned
};
/// A request of a slot has begun, and is not done yet: the answer shows how the slots are now.
struct slots_answer {
  result<std::vector<slot_summary>> value;
};
/// GET /slots.
struct list_slots {
  using answer = slots_answer;
};
/// POST /slots/{i}/drain and /slots/{i}/undrain.
struct drain_slot {
  using answer = slots_answer;
  slot_id slot;
  bool on = true;
};
/// POST /slots/count/{n}: as many slots from now on, slots_max at most.
inline constexpr std::uint32_t slots_max = 1024;
struct resize_slots {
  using answer = slots_answer;
  std::uint32_t count = 0;
};

// ---- reports: gpu_worker, supervisor -> supervisor, health -------------------------------------

/// A worker's engine moved.
struct engine_moved {
  worker_ref worker;
  engine_state state = engine_state::NOT_STARTED;
  cause why = cause::start_requested;
  error reason; ///< when state is SHUTDOWN and it was not asked for
};
/// `on`: take nothing more; worker_drained follows once nothing runs. Off again: be offered again.
struct drain_engine {
  worker_ref worker;
  bool on = true;
};
struct worker_drained {
  worker_ref worker;
};
/// The state of a slot for people. Sent when the engine moved on, and with its heartbeats.
struct slot_status {
  worker_ref worker;
  std::string engine, device;
  std::string model;      ///< loaded, or being loaded
  std::string next_model; ///< for the next engine of this slot to load; empty = the default
  std::string pinned;     ///< CPUs, "0-3"; empty = any
  std::uint32_t running = 0;
  std::uint64_t completed = 0, lost = 0; ///< attempts of this incarnation
};
/// To health: the slot has no engine and shall have none.
struct slot_left {
  slot_id slot;
};
/// From a worker, at every heartbeat of its engine.
struct engine_beat {
  worker_ref worker;
  protocol::heartbeat body;
};

} // namespace tayfa
