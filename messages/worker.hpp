// Workers and models as the queue sees them. Plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tayfa {

/// A model of the catalogue, as far as placement cares.
struct model_facts {
  std::string name;
  std::uint64_t file_bytes = 0;
  std::uint64_t memory_bytes = 0; ///< on a device; 0 = unknown, fits everywhere
  std::uint64_t version = 0;      ///< grows when another file took its place
  bool operator==(const model_facts&) const = default;
};

/// A worker reports these facts about itself when it is ready.
struct worker_facts {
  std::uint32_t capacity = 1;     ///< attempts at the same time
  std::uint32_t batch_max = 1;    ///< members of one engine run
  bool continuous = false;        ///< its engine batches by itself: everything passes straight on
  bool steps = false;             ///< it reports steps, so a lease makes sense
  std::string device;             ///< kind of device, "NVIDIA H200"
  std::uint64_t memory_bytes = 0; ///< of the device; 0 = unknown
  std::string model;              ///< loaded; empty = whatever is asked for (scripted)
  bool can_change = false;        ///< change_model may be asked of it
  std::string name{};             ///< for people; empty = "slot-N"
  std::string endpoint{};         ///< it runs jobs of this endpoint only; empty = of every one
  /// An attempt that is not renewed for so long is lost; 0 = the pod's usual lease, if it reports
  /// steps.
  std::chrono::milliseconds lease{0};
  /// The number of a remote worker's latest hand-over that has reached its keeper. The queue gives
  /// it nothing while a later one is on its way: its wish is not known until then.
  std::uint64_t hand_overs = 0;
};

} // namespace tayfa
