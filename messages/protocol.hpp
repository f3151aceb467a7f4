// The worker protocol: what a worker and the one who gives it attempts say to each other.
//
// A worker is an engine process (over ZeroMQ ipc, to its gpu_worker) and later a pod (over tcp +
// CURVE, to its head); the messages, the codec and the liveness rules are the same on both hops.
//
//   worker                              dispatcher
//     hello            ──────────────▶            who I am, how much I can take
//                      ◀──────────────  welcome   how often to beat
//                      ◀──────────────  load_model
//     load_finished    ──────────────▶            loaded and warmed up, or why not
//                      ◀──────────────  assign    one attempt of one job, alone or in a batch
//     started          ──────────────▶
//     stepped          ──────────────▶            its run goes forward; at most one a heartbeat
//     progress, partial, log ────────▶            any number, numbered from 1
//     finished         ──────────────▶            exactly one per attempt, the last word on it
//                      ◀──────────────  cancel    finished(cancelled) must follow within the grace
//     heartbeat        ──────────────▶            every welcome.heartbeat_interval
//                      ◀──────────────  shutdown  end yourself now; the process exits 0
//
// Sockets lose, repeat and reorder around reconnects: a link (runtime/link) carries each frame once
// and in order to one incarnation. Besides, every message about work carries its attempt, every
// frame the worker's incarnation, and both sides drop what is old. One ZeroMQ message = the link's
// header and one frame = one msgpack array:
//     [version, kind, slot, incarnation, field, field, …]
// Version 1 had no link.
// Kinds are numbers for ever; a removed one stays here as retired. Fields are only appended: a
// frame may lack what was appended after the message's first version (`first_fields`), and then has
// the defaults written here.
//
// A batch: its members are assigned back to back with one number, and run together as soon as all
// `batch_size` of them have arrived; one that was cancelled or refused before has arrived too. Each
// member is an attempt of its own: it is started, cancelled and finished like any other.
#pragma once

#include "messages/error.hpp"
#include "messages/fields.hpp"
#include "messages/ids.hpp"
#include "messages/lifecycle.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

namespace tayfa::protocol {

inline constexpr std::uint32_t version = 2;

enum class kind : std::uint8_t {
  // worker -> dispatcher
  hello = 1,
  heartbeat = 2,
  load_finished = 3,
  started = 4,
  progress = 5,
  partial = 6,
  finished = 7,
  log = 8,
  // 9 is retired (drained)
  stepped = 10,
  // dispatcher -> worker
  welcome = 32,
  load_model = 33,
  assign = 34,
  cancel = 35,
  // 36 is retired (drain: the queue decides what a worker gets)
  shutdown = 37,
  use_threads = 38,
};

/// How an attempt ended, from the engine's point of view.
enum class outcome : std::uint8_t {
  completed = 0, ///< `output` is the result
  failed = 1,    ///< the job is at fault; trying again would not help
  cancelled = 2, ///< stopped on request
};

// ---- worker -> dispatcher -----------------------------------------------------------------------

struct hello {
  static constexpr kind id = kind::hello;
  std::uint32_t pid = 0;
  std::string engine;         ///< "scripted", "torch", …
  std::string device;         ///< "cpu", "cuda:0 NVIDIA H200", …
  std::uint32_t capacity = 1; ///< attempts it takes at the same time, >= 1
  /// Members that one run can take together, >= 1; a model may allow fewer (load_finished).
  std::uint32_t batch_max = 1;
  /// The engine batches by itself: it gets attempts singly up to its capacity, never as a batch.
  bool continuous = false;
  bool steps = false;             ///< it reports steps of progress (heartbeat.steps, stepped)
  std::uint64_t memory_bytes = 0; ///< of the device; 0 = unknown
  static constexpr std::size_t first_fields = 4;
  static constexpr auto fields() {
    return std::make_tuple(field{"pid", &hello::pid}, field{"engine", &hello::engine},
                           field{"device", &hello::device}, field{"capacity", &hello::capacity},
                           field{"batch_max", &hello::batch_max},
                           field{"continuous", &hello::continuous}, field{"steps", &hello::steps},
                           field{"memory_bytes", &hello::memory_bytes});
  }
};

struct heartbeat {
  static constexpr kind id = kind::heartbeat;
  std::uint64_t sequence = 0;
  std::uint32_t running = 0; ///< attempts in the engine now
  std::uint64_t rss_bytes = 0;
  std::uint64_t device_bytes = 0; ///< device memory in use by this process, 0 on cpu
  std::uint64_t steps = 0;        ///< of progress, since its start, of all attempts; only grows
  static constexpr std::size_t first_fields = 4;
  static constexpr auto fields() {
    return std::make_tuple(
        field{"sequence", &heartbeat::sequence}, field{"running", &heartbeat::running},
        field{"rss_bytes", &heartbeat::rss_bytes}, field{"device_bytes", &heartbeat::device_bytes},
        field{"steps", &heartbeat::steps});
  }
};

struct load_finished {
  static constexpr kind id = kind::load_finished;
  std::string model;
  bool ok = false;
  std::uint16_t code = 0; ///< errc when !ok: model_invalid, gpu_oom, unfit, no_torch, …
  std::string text;
  std::uint32_t load_ms = 0;
  std::uint32_t warm_up_ms = 0;
  std::uint32_t batch_max = 0; ///< members that one run of this model can take; 0 = as hello said
  static constexpr std::size_t first_fields = 6;
  static constexpr auto fields() {
    return std::make_tuple(field{"model", &load_finished::model}, field{"ok", &load_finished::ok},
                           field{"code", &load_finished::code}, field{"text", &load_finished::text},
                           field{"load_ms", &load_finished::load_ms},
                           field{"warm_up_ms", &load_finished::warm_up_ms},
                           field{"batch_max", &load_finished::batch_max});
  }
};

struct started {
  static constexpr kind id = kind::started;
  attempt_ref attempt;
  static constexpr auto fields() { return std::make_tuple(field{"attempt", &started::attempt}); }
};

/// Replaces what `/status` shows as output while the job runs.
struct progress {
  static constexpr kind id = kind::progress;
  attempt_ref attempt;
  std::uint32_t sequence = 0;
  shared_text payload; ///< JSON text
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &progress::attempt},
                           field{"sequence", &progress::sequence},
                           field{"payload", &progress::payload});
  }
};

/// A chunk of `/stream`.
struct partial {
  static constexpr kind id = kind::partial;
  attempt_ref attempt;
  std::uint32_t sequence = 0;
  shared_text payload; ///< JSON text
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &partial::attempt},
                           field{"sequence", &partial::sequence},
                           field{"payload", &partial::payload});
  }
};

struct finished {
  static constexpr kind id = kind::finished;
  attempt_ref attempt;
  outcome how = outcome::completed;
  std::uint16_t code = 0;      ///< errc when failed: job_failed, bad_input, gpu_oom
  std::string text;            ///< the job's error, for its client
  shared_text output;          ///< JSON text when completed
  bool refresh_worker = false; ///< the job asks for a fresh engine process after it
  std::uint32_t run_ms = 0;    ///< time in the engine
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &finished::attempt}, field{"how", &finished::how},
                           field{"code", &finished::code}, field{"text", &finished::text},
                           field{"output", &finished::output},
                           field{"refresh_worker", &finished::refresh_worker},
                           field{"run_ms", &finished::run_ms});
  }
};

/// A line for the runtime's log; `attempt.job` is empty when it is about no job.
struct log {
  static constexpr kind id = kind::log;
  attempt_ref attempt;
  std::uint8_t level = 1; ///< log_level: 0 debug, 1 info, 2 warn, 3 error
  std::string text;
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &log::attempt}, field{"level", &log::level},
                           field{"text", &log::text});
  }
};

/// The attempt has made `steps` steps of progress since it started. This distinguishes an attempt
/// that makes progress from an engine that is merely alive (heartbeat).
struct stepped {
  static constexpr kind id = kind::stepped;
  attempt_ref attempt;
  std::uint64_t steps = 0; ///< only grows
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &stepped::attempt}, field{"steps", &stepped::steps});
  }
};

// ---- dispatcher -> worker -----------------------------------------------------------------------

struct welcome {
  static constexpr kind id = kind::welcome;
  std::uint32_t heartbeat_ms = 1000;
  static constexpr auto fields() {
    return std::make_tuple(field{"heartbeat_ms", &welcome::heartbeat_ms});
  }
};

/// Load this model and warm it up. An empty path is the scripted engine's built-in model.
struct load_model {
  static constexpr kind id = kind::load_model;
  std::string model; ///< its name in the catalogue
  std::string path;
  std::string manifest; ///< the manifest's JSON text (runtime/model), validated before
  static constexpr auto fields() {
    return std::make_tuple(field{"model", &load_model::model}, field{"path", &load_model::path},
                           field{"manifest", &load_model::manifest});
  }
};

struct assign {
  static constexpr kind id = kind::assign;
  attempt_ref attempt;
  std::string model;
  shared_text input;            ///< JSON text
  std::uint64_t batch = 0;      ///< never used twice in one incarnation; 0 = it runs alone
  std::uint32_t batch_size = 1; ///< members of the batch; means nothing when batch is 0
  std::string s3_config{};      ///< job_request::s3_config; holds a secret
  static constexpr std::size_t first_fields = 3;
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &assign::attempt}, field{"model", &assign::model},
                           field{"input", &assign::input}, field{"batch", &assign::batch},
                           field{"batch_size", &assign::batch_size},
                           field{"s3_config", &assign::s3_config});
  }
};

struct cancel {
  static constexpr kind id = kind::cancel;
  attempt_ref attempt;
  static constexpr auto fields() { return std::make_tuple(field{"attempt", &cancel::attempt}); }
};

struct shutdown {
  static constexpr kind id = kind::shutdown;
  static constexpr auto fields() { return std::make_tuple(); }
};

/// No more threads than so many compute, from the next job on.
struct use_threads {
  static constexpr kind id = kind::use_threads;
  std::uint32_t count = 1;
  static constexpr auto fields() { return std::make_tuple(field{"count", &use_threads::count}); }
};

using upstream = std::variant<hello, heartbeat, load_finished, started, progress, partial, finished,
                              log, stepped>;
using downstream = std::variant<welcome, load_model, assign, cancel, shutdown, use_threads>;

std::string_view to_string(kind);

} // namespace tayfa::protocol
