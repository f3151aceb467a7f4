// Supervision as in Erlang/OTP (https://www.erlang.org/doc/system/sup_princ), as decisions over plain values: which
// children to start, restart, stop or give up, and when. The actor side (actors/child_keeper) only carries them out.
//
// Children are data, in start order. Stops go in reverse order. A child's failure is answered by the strategy; too many
// restarts within the period are answered by giving up, which the owner escalates, in the end into the exit code.
#pragma once

#include "messages/error.hpp"
#include "runtime/world/clock.hpp"
#include "runtime/world/random.hpp"

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
  std::uint32_t intensity = 3;       ///< at most so many restarts …
  milliseconds period{60'000};       ///< … within this time (per child with one_for_one, else for the group)
  milliseconds backoff_base{100};    ///< first restart's delay; doubles each time
  milliseconds backoff_max{10'000};
  double jitter = 0.2;               ///< delays are spread by ± this share
  milliseconds healthy_after{30'000}; ///< a child that lived this long starts its backoff anew
};

enum class child_state : std::uint8_t { waiting, running, backing_off, stopping, stopped, given_up };

// ---- orders to the owner -----------------------------------------------------------------------------
struct start_child { std::size_t index; };                       ///< now
struct start_later { std::size_t index; milliseconds after; std::uint64_t ticket; }; ///< call due(index, ticket) then
struct stop_child { std::size_t index; milliseconds timeout; };  ///< ask it to end; kill it after the timeout
struct gave_up { std::size_t index; error why; };                ///< restart intensity exceeded
struct all_stopped {};                                           ///< stop() is complete

using order = std::variant<start_child, start_later, stop_child, gave_up, all_stopped>;
using orders = std::vector<order>;

/// One group of children under one policy. Not thread safe; owned by one actor.
class group {
 public:
  group(policy p, std::vector<child_spec> children, random_source& random);

  /// Starts all children in order.
  orders start(moment now);
  /// A child ended. `normal`: it ended as it should. Unknown or old ends are ignored.
  orders ended(moment now, std::size_t index, bool normal);
  /// A child ended because a fresh one was asked for: started again at once, and not counted as a failure.
  orders refreshed(moment now, std::size_t index);
  /// The timer of a start_later fired; an old ticket changes nothing.
  orders due(moment now, std::size_t index, std::uint64_t ticket);
  /// Stops all children in reverse order, one after the other (the next is asked when the last has ended).
  /// Pending restarts are dropped. all_stopped follows when the last one has ended.
  orders stop(moment now);

  child_state state(std::size_t index) const;
  const std::vector<child_spec>& children() const { return specs_; }
  std::uint64_t restarts() const { return restarts_; }

 private:
  // (implementation members follow: freely chosen by the implementation)
  policy policy_;
  std::vector<child_spec> specs_;
  random_source& random_;
  std::uint64_t restarts_ = 0;
};

/// base * 2^n, at most max, spread by ± jitter.
milliseconds backoff(const policy&, std::uint32_t attempt, random_source&);

} // namespace tayfa::supervision
