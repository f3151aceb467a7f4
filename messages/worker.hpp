// Workers and models as the queue sees them. Plain values.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace tayfa {

/// A model of the catalogue, as far as placement cares.
struct model_facts {
  std::string name;
  std::uint64_t file_bytes = 0;
  std::uint64_t memory_bytes = 0; ///< on a device; 0 = unknown, fits everywhere
  std::uint64_t version = 0;      ///< grows when another file took its place
  std::string kind{};             ///< of its file, as the manifest says; empty = unknown
  bool operator==(const model_facts&) const = default;
};

/// A worker reports these facts about itself when it is ready. What the queue does with a worker
/// follows from them alone, never from the node or the slot that it is in.
struct worker_facts {
  std::uint32_t capacity = 1;     ///< attempts at the same time
  std::uint32_t batch_max = 1;    ///< members of one engine run
  bool continuous = false;        ///< its engine batches by itself: everything passes straight on
  bool steps = false;             ///< it reports steps, so a lease makes sense
  std::string device;             ///< kind of device, "NVIDIA H200"
  std::uint64_t memory_bytes = 0; ///< of the device; 0 = unknown
  std::string model;              ///< loaded; empty = any model (scripted)
  bool can_change = false;        ///< change_model may be asked of it
  std::string name{};             ///< for people; empty = default_name()
  std::string endpoint{};         ///< it runs jobs of this endpoint only; empty = of every one
  /// An attempt that is not renewed for so long is lost; 0 = the pod's usual lease, if it reports
  /// steps.
  std::chrono::milliseconds lease{0};
  /// The worker asks for its attempts. All attempts that a decision gives it form one hand-over.
  /// The queue gives it no more until it announces the number of that hand-over in `hand_overs`,
  /// and no job waits for it while it does not ask.
  bool pulls = false;
  /// The latest hand-over that has reached the keeper of a worker that pulls.
  std::uint64_t hand_overs = 0;
  /// Each announcement may change its capacity, also to 0 or to less than it holds.
  bool elastic = false;
  /// No other worker ever takes its place: it is forgotten when it is gone, and no tenant pays for
  /// the start of the next one.
  bool forgotten_when_gone = false;
  /// An attempt that it answers with errc::unavailable never reached it, and costs the job nothing.
  bool unavailable_is_free = false;
  /// The worker goes on when this process ends, and the next process recognises it by this text: it
  /// may claim the attempts that it held. Empty = the worker ends with this process.
  std::string lasting_name{};
  /// Kinds of the model files that it runs (engine_kind::model_kinds); empty = any, and models of
  /// unknown kind.
  std::vector<std::string> model_kinds{};

  bool runs(const std::string& model_kind) const {
    return model_kinds.empty() || model_kind.empty() ||
           std::find(model_kinds.begin(), model_kinds.end(), model_kind) != model_kinds.end();
  }
  /// Its attempts run in passes of several, which begin and end together.
  bool batches() const { return batch_max > 1 && !continuous; }
};

/// The capabilities of a worker that pulls its jobs over HTTP. Its attempts know nothing of each
/// other.
inline worker_facts pulling(worker_facts facts = {}) {
  facts.pulls = true;
  facts.elastic = true;
  facts.forgotten_when_gone = true;
  facts.unavailable_is_free = true;
  facts.continuous = true;
  return facts;
}

} // namespace tayfa
