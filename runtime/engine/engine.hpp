// Interfaces inside an engine process (tayfa-engine), and in simulation inside the simulated host.
//
// A session keeps the worker protocol with the runtime and drives one engine. An engine turns
// load_model and assign messages into upstream messages, driven by calls and timers on ONE thread;
// it never blocks that thread, so heartbeats and cancels work while it computes. A model that
// blocks (libtorch) implements blocking_model; threaded_engine runs it on a compute thread.
#pragma once

#include "messages/codec.hpp"
#include "messages/protocol.hpp"
#include "runtime/base/clock.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::engine {

/// An engine's output. Called on the session's thread only.
class sink {
 public:
  virtual ~sink() = default;
  virtual void emit(protocol::upstream) = 0;
  /// Sends bytes that are no frame (mock_garbage).
  virtual void emit_raw(std::string bytes) = 0;
  /// Ends the process at once, like a crash (mock_crash). Does not return in a real process; in
  /// simulation the session is dead afterwards and ignores everything.
  virtual void crash() = 0;
};

class engine {
 public:
  virtual ~engine() = default;
  virtual std::string kind() const = 0;       ///< name of its row in messages/engine_kind.hpp
  virtual std::string device() const = 0;     ///< "cpu", "cuda:0 NVIDIA H200"
  virtual std::uint32_t capacity() const = 0; ///< attempts at the same time
  /// Members of one run, 1 .. capacity(). A loaded model may lower it.
  virtual std::uint32_t batch_max() const { return 1; }
  /// True when concurrent attempts share the device under the engine's own control.
  virtual bool continuous() const { return false; }
  virtual std::uint64_t memory_bytes() const { return 0; } ///< of the device; 0 = unknown

  /// True if it counts steps of progress. A step is work done, never mere passing of time.
  virtual bool counts_steps() const { return false; }
  virtual std::uint64_t steps() const { return 0; } ///< of all attempts so far; never decreases
  virtual std::uint64_t steps_of(const attempt_ref&) const { return 0; } ///< of a running attempt

  /// Answered by one load_finished, after a warm-up run of the loaded model has passed.
  virtual void load(const protocol::load_model&) = 0;
  /// Answered by started and exactly one finished, unless the engine crashes or hangs.
  virtual void start(const protocol::assign&) = 0;
  /// Starts a run of several attempts, 1 .. batch_max(); each is answered as if it were alone.
  virtual void start_batch(const std::vector<protocol::assign>& members) {
    for (const auto& member : members) {
      start(member);
    }
  }
  /// The attempt ends with finished(cancelled) as soon as the engine can; unknown attempts are
  /// ignored.
  virtual void cancel(const attempt_ref&) = 0;
  virtual std::uint32_t running() const = 0;
  /// Sets the number of compute threads, from the next run on.
  virtual void use_threads(std::uint32_t) {}

  /// wake(now) is called at or after next_wakeup(), and after the wake descriptor became readable.
  virtual std::optional<moment> next_wakeup() const { return std::nullopt; }
  virtual void wake(moment now) = 0;
  /// A descriptor that becomes readable when wake() has work from another thread; -1 = none.
  virtual int wake_descriptor() const { return -1; }
};

/// Set by a cancel; a blocking model checks it between steps.
class cancel_token {
 public:
  void request() { requested_.store(true, std::memory_order_relaxed); }
  bool requested() const { return requested_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> requested_{false};
};

/// Reports of a blocking run while it runs (thread safe).
class run_events {
 public:
  virtual ~run_events() = default;
  virtual void progress(std::string json) = 0;
  virtual void partial(std::string json) = 0;
  virtual void log(std::uint8_t level, std::string text) = 0;
  /// Reports a step of work (for a model that counts_steps()). Cheap: call it after every step.
  virtual void step() {}
};

/// A member of a batch during its run.
struct run_member {
  std::string_view input_json;
  const cancel_token& cancelled;
  run_events& events;
};

/// A model that computes on the calling thread. All calls come from one compute thread.
class blocking_model {
 public:
  virtual ~blocking_model() = default;
  virtual std::string kind() const = 0;
  virtual std::string device() const = 0;
  struct load_report {
    std::uint32_t load_ms = 0;
    std::uint32_t warm_up_ms = 0;
    std::vector<std::string> warnings{}; ///< for the operator's log
  };
  /// Loads and warms up. errc::model_invalid, gpu_oom, unfit.
  virtual result<load_report> load(const protocol::load_model&) = 0;
  /// Input JSON to output JSON. errc::bad_input (the job's fault), gpu_oom, job_failed, cancelled.
  /// A sticky device error must not return: it throws, so that the process ends and the runtime
  /// starts another.
  virtual result<std::string> run(std::string_view model, std::string_view input_json,
                                  const cancel_token&, run_events&) = 0;

  /// Sets the number of compute threads, including the caller. Until the first call the environment
  /// decides (OMP_NUM_THREADS).
  virtual void use_threads(std::uint32_t) {}
  /// Members per run of the loaded model; before loading, the maximum of any model.
  virtual std::uint32_t batch_max() const { return 1; }
  virtual bool counts_steps() const { return false; }
  virtual std::uint64_t memory_bytes() const { return 0; } ///< of the device; 0 = unknown
  /// As many results as members, in their order. A faulty member fails alone; when the device lacks
  /// memory for all of them together, each gets gpu_oom.
  virtual std::vector<result<std::string>> run_batch(std::string_view model,
                                                     std::span<const run_member> members) {
    std::vector<result<std::string>> out;
    out.reserve(members.size());
    for (const auto& member : members) {
      out.push_back(member.cancelled.requested()
                        ? result<std::string>{fail(errc::cancelled)}
                        : run(model, member.input_json, member.cancelled, member.events));
    }
    return out;
  }
};

// The entry points of a plugin: a library beside tayfa-engine that brings an engine (opened with
// dlopen, so that engines which do not need libtorch do not pay its 0.35 s and 170 MB). C linkage.
//
// It has tayfa_check_machine and one of two makers: tayfa_make_engine for a whole engine, or
// tayfa_make_blocking_model for a model that computes on the calling thread. When it has both, the
// whole engine is taken. It says in tayfa_plugin_version for which version of this interface it was
// built; a library without it can only be one of version 1 that makes a blocking model.

/// Counts the changes of the classes and messages that a plugin shares with tayfa-engine: those of
/// this header, of messages/protocol.hpp and of runtime/base/clock.hpp.
inline constexpr std::uint32_t plugin_version = 1;

using plugin_version_fn = std::uint32_t (*)();
/// The engine is on the session's thread, as its class says; the caller deletes it before the sink
/// and the clock end. Null: there is none.
using make_engine_fn = engine* (*)(sink&, const time_source&);
using make_blocking_model_fn = blocking_model* (*)();
/// Writes a fitness report as JSON text ({"rows":[{"name","verdict","value","advice","ms"}]}) into
/// `out`.
using check_machine_fn = void (*)(std::string& out);
inline constexpr const char* plugin_version_symbol = "tayfa_plugin_version";
inline constexpr const char* make_engine_symbol = "tayfa_make_engine";
inline constexpr const char* make_blocking_model_symbol = "tayfa_make_blocking_model";
inline constexpr const char* check_machine_symbol = "tayfa_check_machine";

} // namespace tayfa::engine
