// The pod protocol: what a pod and its head say to each other, the second hop of the worker
// protocol (messages/protocol.hpp), over a link (runtime/link) of a CURVE connection.
//
//   pod                                 head
//     hello            ──────────────▶            versions, incarnation, how many of the next two
//     slot_ready …     ──────────────▶            each slot's worker
//     inventory …      ──────────────▶            each attempt that runs or waits here, each result
//                      ◀──────────────  verdicts …   what becomes of each attempt
//                      ◀──────────────  welcome, or refused with a reason and a pause
//     beat             ──────────────▶            every welcome.beat_ms; how much more it takes
//                      ◀──────────────  beat_answer
//                      ◀──────────────  assign    one attempt
//     accepted or returned ──────────▶
//     started, stepped, progress, partial, log ─▶
//     finished         ──────────────▶            after its result is durable on the pod's disk
//                      ◀──────────────  forget    the result is durable at the head (or fenced)
//                      ◀──────────────  cancel, load, unload, drain, undrain, rotate, revoked
//     slot_ready, slot_gone, drained, key_made ─▶
//     blob_need, chunk, blob_have ◀──────────────▶ texts that are too large for a message
//
// A resume is by state: a hello carries all that the pod has, so nothing depends on which frames an
// earlier session lost. A short cut of the connection is repaired by the link, without a hello.
//
// One frame = one msgpack array [version, kind, slot, incarnation, field, …], where slot and
// incarnation are those of the pod's worker (0 in messages about no worker). Both ends speak the
// greatest version that both know. The greeting (hello, slot_ready, inventory, verdicts, welcome,
// refused) is read in any version, without what later ones have appended: before it is over the
// ends have agreed on nothing, and a refusal must be understood. Kinds are numbers for ever, and
// differ from those of the worker protocol, whose messages are used as they are. Fields are only
// appended.
//
// Everything is bounded: counts by the lists' bounds, texts by text_bytes_max, frames by
// frame_bytes_max, larger texts travel as blobs.
#pragma once

#include "messages/pod_blobs.hpp"
#include "messages/pod_values.hpp"
#include "messages/protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>

namespace tayfa::pod_protocol {

// ---- pod -> head --------------------------------------------------------------------------------

/// Begins a session.
struct hello {
  static constexpr kind id = kind::hello;
  std::uint32_t versions_from = version_min;
  std::uint32_t versions_to = version_max;
  std::string release;        ///< of the program, for people
  std::string name;           ///< for people
  std::string head;           ///< id of the head that it was welcomed by last; empty = none
  std::uint32_t slots = 0;    ///< messages slot_ready that follow
  std::uint32_t attempts = 0; ///< entries of the inventory messages that follow
  std::uint64_t take_until = 0;
  bounded_list<std::string, models_max> models; ///< that it has on its disk
  static constexpr std::size_t first_fields = 4;
  static constexpr std::size_t text_most = 256;
  static constexpr auto fields() {
    return std::make_tuple(
        field{"versions_from", &hello::versions_from}, field{"versions_to", &hello::versions_to},
        field{"release", &hello::release}, field{"name", &hello::name}, field{"head", &hello::head},
        field{"slots", &hello::slots}, field{"attempts", &hello::attempts},
        field{"take_until", &hello::take_until}, field{"models", &hello::models});
  }
};

/// The worker of the header is ready, or its facts have changed. Capacity 0: it takes nothing now.
struct slot_ready {
  static constexpr kind id = kind::slot_ready;
  std::uint32_t capacity = 1;
  std::uint32_t batch_max = 1;
  bool continuous = false;
  bool steps = false;
  bool can_change = false;
  std::uint64_t memory_bytes = 0;
  std::string device;
  std::string model;
  bounded_list<std::string, 16> model_kinds;
  static constexpr std::size_t text_most = 256;
  static constexpr const char* rule = "a worker's batches fit its capacity";
  bool valid() const {
    return capacity <= 4096 && batch_max >= 1 && (capacity == 0 || batch_max <= capacity);
  }
  static constexpr auto fields() {
    return std::make_tuple(
        field{"capacity", &slot_ready::capacity}, field{"batch_max", &slot_ready::batch_max},
        field{"continuous", &slot_ready::continuous}, field{"steps", &slot_ready::steps},
        field{"can_change", &slot_ready::can_change},
        field{"memory_bytes", &slot_ready::memory_bytes}, field{"device", &slot_ready::device},
        field{"model", &slot_ready::model}, field{"model_kinds", &slot_ready::model_kinds});
  }
};

/// An attempt that the pod has. Its worker may be gone when it is finished: incarnation 0 then.
struct inventory_entry {
  attempt_ref attempt;
  stage at = stage::waiting;
  std::uint32_t slot = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t steps = 0;
  /// From this chunk of its stream on the pod says all that were made once more, if the attempt is
  /// kept. 0 = the pod has been started anew since, and has none of them.
  std::uint32_t chunks_from = 1;
  static constexpr const char* rule = "an inventory names attempts";
  bool valid() const { return !attempt.job.empty(); }
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &inventory_entry::attempt},
                           field{"at", &inventory_entry::at}, field{"slot", &inventory_entry::slot},
                           field{"incarnation", &inventory_entry::incarnation},
                           field{"steps", &inventory_entry::steps},
                           field{"chunks_from", &inventory_entry::chunks_from});
  }
};
struct inventory {
  static constexpr kind id = kind::inventory;
  bounded_list<inventory_entry, list_max> entries;
  static constexpr auto fields() { return std::make_tuple(field{"entries", &inventory::entries}); }
};

/// The worker of the header has ended; attempts that it had and that have not finished are lost.
struct slot_gone {
  static constexpr kind id = kind::slot_gone;
  std::uint16_t code = 0; ///< errc
  std::string text;
  bool from_outside = false;
  static constexpr auto fields() {
    return std::make_tuple(field{"code", &slot_gone::code}, field{"text", &slot_gone::text},
                           field{"from_outside", &slot_gone::from_outside});
  }
};

struct beat {
  static constexpr kind id = kind::beat;
  std::uint64_t sequence = 0;
  std::uint32_t round_trip_us = 0; ///< from an earlier beat to its answer; 0 = unknown
  std::uint32_t running = 0;
  std::uint64_t take_until = 0; ///< as in credit
  std::string closed;           ///< why the pod takes nothing now; empty = it does
  static constexpr std::size_t text_most = 256;
  static constexpr auto fields() {
    return std::make_tuple(field{"sequence", &beat::sequence},
                           field{"round_trip_us", &beat::round_trip_us},
                           field{"running", &beat::running}, field{"take_until", &beat::take_until},
                           field{"closed", &beat::closed});
  }
};

/// Credit is absolute: the pod takes this session's assigns up to this count, which only grows. So
/// lost or repeated messages cannot make credit.
struct credit {
  static constexpr kind id = kind::credit;
  std::uint64_t take_until = 0;
  static constexpr auto fields() {
    return std::make_tuple(field{"take_until", &credit::take_until});
  }
};

struct accepted {
  static constexpr kind id = kind::accepted;
  attempt_ref attempt;
  static constexpr auto fields() { return std::make_tuple(field{"attempt", &accepted::attempt}); }
};
/// The attempt never began here, or was stopped by no fault of its own: the job pays nothing.
struct returned {
  static constexpr kind id = kind::returned;
  attempt_ref attempt;
  std::string why;
  static constexpr std::size_t text_most = 256;
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &returned::attempt}, field{"why", &returned::why});
  }
};

struct progress {
  static constexpr kind id = kind::progress;
  attempt_ref attempt;
  std::uint32_t sequence = 0;
  payload content;
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &progress::attempt},
                           field{"sequence", &progress::sequence},
                           field{"content", &progress::content});
  }
};
struct partial {
  static constexpr kind id = kind::partial;
  attempt_ref attempt;
  std::uint32_t sequence = 0;
  payload content;
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &partial::attempt},
                           field{"sequence", &partial::sequence},
                           field{"content", &partial::content});
  }
};
/// Sent only when the result is durable on the pod's disk, which keeps it until `forget`.
struct finished {
  static constexpr kind id = kind::finished;
  attempt_ref attempt;
  protocol::outcome how = protocol::outcome::completed;
  std::uint16_t code = 0;
  std::string text;
  payload output;
  bool refresh_worker = false;
  std::uint32_t run_ms = 0;
  static constexpr std::size_t text_most = error_bytes_max;
  static constexpr auto fields() {
    return std::make_tuple(field{"attempt", &finished::attempt}, field{"how", &finished::how},
                           field{"code", &finished::code}, field{"text", &finished::text},
                           field{"output", &finished::output},
                           field{"refresh_worker", &finished::refresh_worker},
                           field{"run_ms", &finished::run_ms});
  }
};

/// The models that the pod has on its disk now.
struct models {
  static constexpr kind id = kind::models;
  bounded_list<std::string, models_max> names;
  static constexpr std::size_t text_most = 256;
  static constexpr auto fields() { return std::make_tuple(field{"names", &models::names}); }
};
/// The worker of the header could not load it.
struct model_refused {
  static constexpr kind id = kind::model_refused;
  std::string model;
  std::uint16_t code = 0; ///< errc
  std::string text;
  static constexpr auto fields() {
    return std::make_tuple(field{"model", &model_refused::model},
                           field{"code", &model_refused::code},
                           field{"text", &model_refused::text});
  }
};

/// Nothing is left of what the drain was to end.
struct drained {
  static constexpr kind id = kind::drained;
  static constexpr auto fields() { return std::make_tuple(); }
};

/// The answer to rotate without a head's key: the pod's next public key, which is to be trusted
/// besides the present one until the pod has said hello with it.
struct key_made {
  static constexpr kind id = kind::key_made;
  std::string key;
  static constexpr std::size_t text_most = key_length;
  static constexpr const char* rule = "a public key has 40 characters";
  bool valid() const { return key.size() == key_length; }
  static constexpr auto fields() { return std::make_tuple(field{"key", &key_made::key}); }
};

/// The only message of a peer that has nothing but the key of a join token.
struct join {
  static constexpr kind id = kind::join;
  std::string key; ///< that the pod has made for itself
  std::string name;
  std::string release;
  static constexpr std::size_t text_most = 256;
  static constexpr const char* rule = "a public key has 40 characters";
  bool valid() const { return key.size() == key_length; }
  static constexpr auto fields() {
    return std::make_tuple(field{"key", &join::key}, field{"name", &join::name},
                           field{"release", &join::release});
  }
};

// ---- head -> pod --------------------------------------------------------------------------------

/// The session has begun; the verdicts on all of the inventory came before.
struct welcome {
  static constexpr kind id = kind::welcome;
  std::uint32_t version = version_max; ///< spoken from now on
  std::string head;                    ///< id of the head
  std::uint64_t boot = 0;              ///< counts the head's starts
  std::uint32_t beat_ms = 2000;
  static constexpr std::size_t text_most = 256;
  static constexpr const char* rule = "a welcome has a version and an interval of beats";
  bool valid() const { return version >= 1 && beat_ms >= 1 && beat_ms <= 3'600'000; }
  static constexpr auto fields() {
    return std::make_tuple(field{"version", &welcome::version}, field{"head", &welcome::head},
                           field{"boot", &welcome::boot}, field{"beat_ms", &welcome::beat_ms});
  }
};

/// Verdicts on the inventory's entries, in their order.
struct verdicts {
  static constexpr kind id = kind::verdicts;
  bounded_list<verdict, list_max> entries;
  static constexpr auto fields() { return std::make_tuple(field{"entries", &verdicts::entries}); }
};

/// Ends the session.
struct refused {
  static constexpr kind id = kind::refused;
  refusal why = refusal::busy;
  std::string text;
  std::uint32_t retry_after_ms = 0; ///< 0 = as usual
  static constexpr auto fields() {
    return std::make_tuple(field{"why", &refused::why}, field{"text", &refused::text},
                           field{"retry_after_ms", &refused::retry_after_ms});
  }
};

struct beat_answer {
  static constexpr kind id = kind::beat_answer;
  std::uint64_t sequence = 0; ///< of the beat
  static constexpr auto fields() {
    return std::make_tuple(field{"sequence", &beat_answer::sequence});
  }
};

struct assign {
  static constexpr kind id = kind::assign;
  attempt_ref attempt;
  std::string model;
  payload input;
  std::uint64_t batch = 0; ///< as protocol::assign
  std::uint32_t batch_size = 1;
  std::string s3_config;        ///< holds a secret
  std::uint32_t timeout_ms = 0; ///< execution timeout, for a pod that loses its head; 0 = none
  std::string endpoint;
  static constexpr std::size_t text_most = error_bytes_max;
  static constexpr const char* rule = "an assign names an attempt, and a batch has members";
  bool valid() const {
    return !attempt.job.empty() && (batch == 0 || (batch_size >= 1 && batch_size <= 4096));
  }
  static constexpr auto fields() {
    return std::make_tuple(
        field{"attempt", &assign::attempt}, field{"model", &assign::model},
        field{"input", &assign::input}, field{"batch", &assign::batch},
        field{"batch_size", &assign::batch_size}, field{"s3_config", &assign::s3_config},
        field{"timeout_ms", &assign::timeout_ms}, field{"endpoint", &assign::endpoint});
  }
};

/// Its result is durable at the head, or is of no use any more: delete it.
struct forget {
  static constexpr kind id = kind::forget;
  attempt_ref attempt;
  static constexpr auto fields() { return std::make_tuple(field{"attempt", &forget::attempt}); }
};

/// The worker of the header is to run with this model, when nothing runs.
struct load {
  static constexpr kind id = kind::load;
  std::string model;
  static constexpr std::size_t text_most = 256;
  static constexpr auto fields() { return std::make_tuple(field{"model", &load::model}); }
};
/// Likewise with the default model.
struct unload {
  static constexpr kind id = kind::unload;
  static constexpr auto fields() { return std::make_tuple(); }
};

struct drain {
  static constexpr kind id = kind::drain;
  drain_mode mode = drain_mode::graceful;
  std::uint32_t grace_ms = 30'000; ///< of quick
  static constexpr auto fields() {
    return std::make_tuple(field{"mode", &drain::mode}, field{"grace_ms", &drain::grace_ms});
  }
};
struct undrain {
  static constexpr kind id = kind::undrain;
  static constexpr auto fields() { return std::make_tuple(); }
};

/// Make a new key pair (`key` is empty), or know the head by this key and address from now on.
struct rotate {
  static constexpr kind id = kind::rotate;
  std::string key;
  std::string address;
  static constexpr std::size_t text_most = 256;
  static constexpr const char* rule = "a public key has 40 characters";
  bool valid() const { return key.empty() || key.size() == key_length; }
  static constexpr auto fields() {
    return std::make_tuple(field{"key", &rotate::key}, field{"address", &rotate::address});
  }
};
/// The pod is trusted no longer; best effort.
struct revoked {
  static constexpr kind id = kind::revoked;
  std::string why;
  static constexpr auto fields() { return std::make_tuple(field{"why", &revoked::why}); }
};
/// The answer to join: the key is trusted now.
struct joined {
  static constexpr kind id = kind::joined;
  std::string head; ///< id of the head
  static constexpr std::size_t text_most = 256;
  static constexpr auto fields() { return std::make_tuple(field{"head", &joined::head}); }
};

using upstream =
    std::variant<hello, slot_ready, inventory, slot_gone, beat, credit, accepted, returned,
                 protocol::started, protocol::stepped, progress, partial, finished, protocol::log,
                 models, model_refused, drained, key_made, join, blob_need, blob_have, chunk>;
using downstream =
    std::variant<welcome, verdicts, refused, beat_answer, assign, protocol::cancel, forget, load,
                 unload, drain, undrain, rotate, revoked, joined, blob_need, blob_have, chunk>;

std::string_view to_string(kind);

/// The version that both speak, or why there is none, naming both and who has to be upgraded.
result<std::uint32_t> agree(std::uint32_t pod_from, std::uint32_t pod_to, std::uint32_t head_from,
                            std::uint32_t head_to);

} // namespace tayfa::pod_protocol
