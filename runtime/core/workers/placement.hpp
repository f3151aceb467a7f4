// Which worker a job (or a batch) is to run on: the one where it is expected to finish first. Pure
// functions over plain values.
//
// Assumptions: times are expectations, nothing is preempted; a worker serves what it was given in
// order; changing a worker's model costs the load time, and costs the jobs that still want the
// model that is thrown out (`evicted_ms`); a job that is better off waiting for a busy worker
// waits, as long as that delays no other job: a slow GPU is used when it finishes one before the
// fast ones have finished all that wait and all that come meanwhile.
#pragma once

#include "messages/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tayfa::placement {

struct option {
  bool fits = true;      ///< enough memory for the model
  bool has_room = true;  ///< could take it now
  double free_in_ms = 0; ///< until it has room, with all that is reserved on it; 0 when it has
  bool loaded = true;    ///< the job's model is there
  double load_ms = 0;    ///< to change to it; counted when !loaded
  double evicted_ms = 0; ///< what the change costs the others; counted when !loaded
  double run_ms = 0;     ///< expected run of this job there
  std::size_t held = 0;  ///< attempts there now; ties go to the fewest
  std::uint64_t idle_since = 0; ///< tick; ties of ties go to the one idle longest
};

struct choice {
  std::size_t index = 0;
  bool loads = false; ///< its model must be changed first
};

/// How much work there is of one kind.
struct demand {
  std::size_t waiting = 1;    ///< runs that wait
  double arrivals_per_ms = 0; ///< runs to come, see arrival_rate
};

/// The best option; nothing when none fits.
///
/// A worker without room is worth waiting for only by as many runs as it (with the others like it)
/// finishes before the best worker with room would have finished one; when more than that wait, or
/// come meanwhile, that one takes the next at once. So a long queue uses every GPU, and a short one
/// only those that help. Without demand it is the least cost of all.
std::optional<choice> choose(std::span<const option>, demand of = {});

/// How many runs a worker without room finishes before then, if it gets nothing else.
double served_by(const option&, double until_ms);

/// The best option with room, or the best of all. Where that one has no room and another has, it
/// is contested: the other one is taken unless `wanted` runs are finished before it would have
/// finished one.
struct contest {
  std::optional<choice> best{};
  std::optional<choice> with_room{}; ///< contested by this one
  double until_ms = 0;
  double wanted = 0;
};
contest compare(std::span<const option>, demand of);

/// For a caller whose options are the best ones only: `served(until_ms, wanted)` is how many runs
/// all of its workers without room finish before then; beyond `wanted` it need not count.
template <class Served>
std::optional<choice> choose(std::span<const option> options, demand of, Served served) {
  const auto c = compare(options, of);
  const bool waits = !c.with_room || served(c.until_ms, c.wanted) >= c.wanted;
  return waits ? c.best : c.with_room;
}

/// For option::evicted_ms: the cost of a worker's change of models to the jobs of its current one,
/// that is their loss while it is away (`away_ms`: the other load and run), with the other workers
/// of the model serving `kept_per_ms` runs a millisecond, plus one more load to come back. 0 when
/// those are enough. Under a long queue of both models it is a balance: a worker changes only to a
/// model whose queue takes longer by both loads, so that workers do not change to and fro.
double eviction_ms(demand of, double run_ms, double kept_per_ms, double reload_ms, double away_ms);

} // namespace tayfa::placement
