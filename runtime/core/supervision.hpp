// Supervision as in Erlang/OTP (https://www.erlang.org/doc/system/sup_princ), as decisions over
// plain values: which children to start, restart, stop or give up, and when. The actor side
// (actors/child_keeper) only carries them out.
//
// Children are data, in start order. Stops go in reverse order. A child's failure is answered by
// the strategy; too many restarts within the period are answered by giving up, which the owner
// escalates, in the end into the exit code, or by a quarantine: the child is left alone for a time
// that doubles with each quarantine in a row, and then has one try. Failing before it has lived
// healthy sends it straight back; a healthy life wipes the slate clean.
#pragma once

#include "messages/error.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/random.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tayfa::supervision {

using std::chrono::milliseconds;

enum class strategy : std::uint8_t {
  one_for_one,  ///< only the failed child is restarted
  rest_for_one, ///< it and every child started after it
  one_for_all,  ///< all children
};

enum class restart : std::uint8_t {
  permanent, ///< always restarted
  transient, ///< restarted when it failed; a normal end is its end
  temporary, ///< never restarted
};

struct child_spec {
  std::string name;
  restart kind = restart::permanent;
  milliseconds stop_timeout{5'000}; ///< after it, the child is killed
};

struct policy {
  strategy how = strategy::one_for_one;
  std::uint32_t intensity = 3; ///< at most so many restarts …
  milliseconds period{
      60'000}; ///< … within this time (per child with one_for_one, else for the group)
  milliseconds backoff_base{100}; ///< first restart's delay; doubles each time
  milliseconds backoff_max{10'000};
  double jitter = 0.2;                ///< delays are spread by ± this share
  milliseconds healthy_after{30'000}; ///< a child that lived this long starts its backoff anew
  /// Instead of giving up, one_for_one only; 0 = give up.
  milliseconds quarantine_base{0};
  milliseconds quarantine_max{3'600'000};
};

enum class child_state : std::uint8_t {
  waiting,
  running,
  backing_off,
  stopping,
  stopped,
  given_up,
  quarantined
};

// ---- commands to the owner ----------------------------------------------------------------------

/// Now.
struct start_child {
  std::size_t index;
};
/// Call due(index, ticket) after this delay.
struct start_later {
  std::size_t index;
  milliseconds after;
  std::uint64_t ticket;
};
/// Ask it to end; kill it after the timeout. Either way ended() must follow.
struct stop_child {
  std::size_t index;
  milliseconds timeout;
};
/// Restart intensity exceeded. With one_for_one the other children live on; otherwise all have been
/// stopped before.
struct gave_up {
  std::size_t index;
  error why;
};
/// The same, but it is tried again; the start_later for it follows.
struct quarantined {
  std::size_t index;
  error why;
  milliseconds time;
};
/// stop() is complete.
struct all_stopped {};

using command =
    std::variant<start_child, start_later, stop_child, gave_up, quarantined, all_stopped>;
using commands = std::vector<command>;

/// A group of children under one policy. Not thread safe; owned by one actor.
///
/// The owner's obligation: exactly one ended() for every start_child, however late. Until then the
/// group considers the child alive and starts no second instance of it.
///
/// A restart of rest_for_one or one_for_all is one event: the affected children are stopped in
/// reverse order, then comes the backoff (one start_later, for the first of them), then they are
/// started in order. Affected is who was alive or about to be restarted; who had reached its own
/// end stays ended, and a temporary child is not brought back. Another end among the affected
/// belongs to the same event; the failure of an unaffected child widens it, and counts.
class group {
 public:
  group(policy p, std::vector<child_spec> children, random_source& random);

  /// Starts all children in order. Only once: a group that has ended is not started again.
  commands start(moment now);
  /// A child ended. `normal`: it ended as it should. Unknown or old ends are ignored.
  commands ended(moment now, std::size_t index, bool normal);
  /// A child was brought down by the work it was given, not by itself (a job that crashes its
  /// engine): restarted at once, and not counted as a failure, because others wait for it who have
  /// no part in it. After `intensity` such ends in a row, none of them of a child that had ended
  /// some work well (`worked`), each restart waits for as long as that life was, backoff_base at
  /// most: so starting is not all that the machine does, and others who wait for the child wait for
  /// twice its start at most. one_for_one only; else as ended().
  commands excused(moment now, std::size_t index, bool worked);
  /// A child ended because a fresh one was asked for: started again at once, and not counted as a
  /// failure.
  commands refreshed(moment now, std::size_t index);
  /// The timer of a start_later fired; an old ticket changes nothing.
  commands due(moment now, std::size_t index, std::uint64_t ticket);
  /// Stops all children in reverse order, one after the other (the next is asked when the last has
  /// ended). Pending restarts are dropped. all_stopped follows when the last one has ended; again
  /// at once when asked again.
  commands stop(moment now);

  child_state state(std::size_t index) const;
  const std::vector<child_spec>& children() const { return specs_; }
  /// Restarts carried out; one of a whole group counts once.
  std::uint64_t restarts() const { return restarts_; }

 private:
  enum class phase : std::uint8_t {
    fresh,      ///< start() has not been called
    up,         ///< children run; with one_for_one some may be backing off
    clearing,   ///< a group restart stops the affected children
    pausing,    ///< a group restart waits for its backoff
    abandoning, ///< intensity exceeded: everything is stopped before gave_up
    stopping,   ///< stop() was called
    done,       ///< nothing runs and nothing will
  };

  /// The history that intensity and backoff are computed from: of a child, or of the group.
  struct history {
    std::deque<moment> restarts;   ///< within the period
    std::uint32_t failures = 0;    ///< in a row, since the last healthy life
    std::uint32_t quarantines = 0; ///< likewise
    std::uint32_t excuses = 0;     ///< in a row, since a child that had ended some work well
  };

  struct child {
    child_state state = child_state::waiting;
    moment started;
    std::uint64_t ticket = 0; ///< of its start_later, while backing off
    history past;
  };

  bool alone() const { return policy_.how == strategy::one_for_one; }
  bool wants_restart(std::size_t index, bool normal) const;
  bool within_intensity(moment now, history&);
  void fail(moment now, std::size_t index, commands&);
  void restart_one(std::size_t index, history&, commands&);
  void later(std::size_t index, milliseconds after, commands&);
  void quarantine(std::size_t index, history&, commands&);
  void record_life(moment now, const child&, history&) const;
  void clear_next(commands&);
  void stop_next(commands&);
  bool awaits_end() const;
  void run(moment now, std::size_t index, commands&);
  error why_given_up(std::size_t index) const;

  policy policy_;
  std::vector<child_spec> specs_;
  random_source& random_;
  std::uint64_t restarts_ = 0;

  std::vector<child> children_;
  phase phase_ = phase::fresh;
  history past_;          ///< of the group; unused with one_for_one
  std::size_t first_ = 0; ///< of the group restart in progress: the first affected child
  std::optional<std::size_t> abandoned_; ///< whose gave_up is still to be said
  std::uint64_t tickets_ = 0;
};

/// min(base * 2^attempt, max), spread by ± jitter; attempt counts from 0.
milliseconds backoff(const policy&, std::uint32_t attempt, random_source&);

} // namespace tayfa::supervision
