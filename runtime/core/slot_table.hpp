// The slots of this pod as a table: of each its kind of engine, what it shall do (run, be drained,
// be removed) and what its engine does, and from both what is to be done next.
//
// Plain values, no actors. Owner: the supervisor, which reports what happens and carries out the
// actions. A slot's restarts are decided by its keeper (supervision.hpp); the table decides whether
// the slot shall have an engine at all. A slot is started only when nothing of it is left, so it
// never has two engines. Slots are never taken out of the table: one that is removed and added
// again keeps its incarnation, which only grows.
#pragma once

#include "messages/slot_engines.hpp"
#include "messages/slots.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace tayfa {

// ---- actions of the owner ----------------------------------------------------------------------

/// Nothing of the slot is left: make its keeper anew and start it.
struct start_slot {
  std::size_t slot;
};
/// Call again(slot) soon, but not from here: the slot's keeper is the caller.
struct start_slot_again {
  std::size_t slot;
};
/// Have its keeper stop its worker, and start none. stopped(slot) follows.
struct stop_slot {
  std::size_t slot;
};
/// The slot has no engine and shall have none.
struct slot_ended {
  std::size_t slot;
  bool removed; ///< false: drained
};
/// The CPUs are divided among that many slots from now on.
struct share_cpus {
  std::uint32_t slots;
};

/// drain_engine goes to the worker that it names.
using slot_action =
    std::variant<start_slot, start_slot_again, stop_slot, drain_engine, slot_ended, share_cpus>;
using slot_actions = std::vector<slot_action>;

class slot_table {
 public:
  explicit slot_table(slot_engines engines) : engines_(std::move(engines)) {}

  // what the pod does
  /// The pod begins with so many slots.
  slot_actions launch(std::uint32_t count);
  /// The pod stops: no slot is started any more.
  slot_actions stop_all();

  // what operators ask for
  /// errc::not_found when there is no such slot.
  result<slot_actions> drain(slot_id, bool on);
  /// errc::bad_request when that is more than slots_max.
  result<slot_actions> resize(std::uint32_t count);

  // what happens
  /// A new engine of the slot.
  struct life {
    worker_ref worker;
    std::string engine;
    std::string model; ///< to be loaded; empty = the default
  };
  life begin_life(std::size_t slot);
  slot_actions engine(const engine_moved&);
  void status(const slot_status&);
  slot_actions drained(const worker_drained&);
  /// Its worker is gone; its keeper has not been asked yet what follows.
  slot_actions worker_down(std::size_t slot);
  /// Its keeper was asked to stop, and nothing of the slot is left.
  slot_actions stopped(std::size_t slot);
  slot_actions again(std::size_t slot);
  /// Its engines fail too often: it is left alone for a time. While the pod is LAUNCHING it counts
  /// as given up.
  enum class loss : std::uint8_t {
    some,     ///< other slots work, or may
    of_files, ///< all of them, but only because their engines need another model file
    all
  };
  loss quarantined(std::size_t slot, bool launching);

  // how it is
  /// False: it is not about the slot's present engine.
  bool is_present(const worker_ref& worker) const {
    return slots_.at(worker.slot.value).incarnation == worker.incarnation;
  }
  std::uint32_t count() const; ///< slots that the pod shall have
  /// Every slot is READY or given up.
  bool launched() const;
  /// Some slot can run jobs, or the pod shall have none.
  bool serving() const;
  bool all_stopped() const;
  /// Why no slot is left. What passes by itself (room, descriptors) is errc::unavailable, worth
  /// another start; all else is not.
  error why_all_are_lost(const error& last) const;
  bool draining(slot_id) const;
  std::vector<slot_summary> summaries() const; ///< for people

 private:
  enum class wish : std::uint8_t { runs, drained, removed };
  struct entry {
    wish shall = wish::runs;
    std::uint64_t incarnation = 0;
    engine_state state = engine_state::NOT_STARTED;
    slot_status status;                    ///< of this incarnation
    std::uint64_t completed = 0, lost = 0; ///< of earlier ones
    bool stopped = true;                   ///< no engine, and none to come
    bool given_up = false;                 ///< while LAUNCHING
    bool quarantined = false;
    bool load_refused = false; ///< its latest engine could not load its model
    error last_end;            ///< why its latest engine ended, as far as that was not asked for

    bool leaving() const { return shall != wish::runs; }
    bool removed() const { return shall == wish::removed; }
    bool works() const { return state == engine_state::READY || state == engine_state::PROCESSING; }
  };

  entry* present(const worker_ref&); ///< null: an earlier engine
  slot_summary summary_of(std::size_t) const;
  void start(std::size_t, slot_actions&);
  void begin_drain(std::size_t, slot_actions&);
  void end_drain(std::size_t, slot_actions&);
  share_cpus sharing() const;

  slot_engines engines_;
  std::vector<entry> slots_;
  bool stopping_ = false;
};

} // namespace tayfa
