// Values of the pod protocol's messages (pod_protocol.hpp): its bounds, and what its fields hold.
#pragma once

#include "messages/protocol.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace tayfa::pod_protocol {

/// Versions that this program speaks.
inline constexpr std::uint32_t version_min = 1;
inline constexpr std::uint32_t version_max = 1;

inline constexpr std::size_t frame_bytes_max = std::size_t{512} << 10;
inline constexpr std::size_t text_bytes_max = 4096;
inline constexpr std::size_t error_bytes_max = std::size_t{64} << 10; ///< a job's own error
inline constexpr std::size_t inline_bytes_max = std::size_t{64} << 10;
inline constexpr std::size_t chunk_bytes_max = std::size_t{256} << 10;
inline constexpr std::uint64_t blob_bytes_max = std::uint64_t{96} << 20; ///< as for an engine
inline constexpr std::uint32_t slots_max = 64;                           ///< of a pod
inline constexpr std::uint32_t inventory_max = 4096;
inline constexpr std::uint32_t list_max = 512; ///< entries of one inventory or verdicts message
inline constexpr std::uint32_t models_max = 256;
inline constexpr std::size_t key_length = 40; ///< a public key as Z85

enum class kind : std::uint8_t {
  // both directions
  blob_need = 64,
  blob_have = 65,
  chunk = 66,
  // pod -> head
  hello = 80,
  slot_ready = 81,
  inventory = 82,
  slot_gone = 83,
  beat = 84,
  credit = 85,
  accepted = 86,
  returned = 87,
  progress = 88,
  partial = 89,
  finished = 90,
  drained = 91,
  key_made = 92,
  join = 93,
  models = 94,
  model_refused = 95,
  // head -> pod
  welcome = 112,
  verdicts = 113,
  refused = 114,
  beat_answer = 115,
  assign = 116,
  forget = 117,
  load = 118,
  unload = 119,
  drain = 120,
  undrain = 121,
  rotate = 122,
  revoked = 123,
  joined = 124,
};

/// A list that a frame may carry.
template <class T, std::size_t Most>
struct bounded_list : std::vector<T> {
  static constexpr std::size_t most = Most;
  using std::vector<T>::vector;
};

/// A text by its content: 32 bytes of SHA-256, and its size. Empty = none.
struct blob_ref {
  std::string sha256;
  std::uint64_t bytes = 0;
  static constexpr std::size_t text_most = 32;
  static constexpr const char* rule = "a blob is named by 32 bytes of SHA-256 and its size";
  bool empty() const { return sha256.empty(); }
  bool valid() const {
    return empty() ? bytes == 0 : sha256.size() == 32 && bytes > 0 && bytes <= blob_bytes_max;
  }
  auto operator<=>(const blob_ref&) const = default;
  static constexpr auto fields() {
    return std::make_tuple(field{"sha256", &blob_ref::sha256}, field{"bytes", &blob_ref::bytes});
  }
};

/// JSON text: itself, or as a blob when it is longer than inline_bytes_max.
struct payload {
  shared_text text;
  blob_ref blob;
  static constexpr const char* rule = "a payload is a text or a blob";
  bool valid() const { return blob.empty() || text.empty(); }
  static constexpr auto fields() {
    return std::make_tuple(field{"text", &payload::text}, field{"blob", &payload::blob});
  }
};

/// How far the pod is with an attempt.
enum class stage : std::uint8_t {
  waiting = 0,
  running = 1,
  finished = 2, ///< its result is kept on the pod's disk
};
constexpr stage greatest(stage) {
  return stage::finished;
}
constexpr const char* unknown_value(stage) {
  return "no such stage";
}

/// The pod's part in a decision about an attempt of its inventory.
enum class verdict : std::uint8_t {
  keep = 0,   ///< go on
  report = 1, ///< send its result
  cancel = 2, ///< end it, and report that
  drop = 3,   ///< end it, and say nothing about it any more
  forget = 4, ///< as drop, and its result is settled
};
constexpr verdict greatest(verdict) {
  return verdict::forget;
}
constexpr const char* unknown_value(verdict) {
  return "no such verdict";
}

enum class refusal : std::uint8_t {
  version = 0,      ///< no version that both speak
  busy = 1,         ///< too many hellos: come again after the pause
  pod_cloned = 2,   ///< another process uses the same key
  wrong_head = 3,   ///< the pod's attempts are of another head
  too_many = 4,     ///< the head has as many pods as it takes
  bad_hello = 5,    ///< a hello that breaks a rule
  misbehaved = 6,   ///< too many refused frames
  join_expired = 7, ///< the join token is used or expired
};
constexpr refusal greatest(refusal) {
  return refusal::join_expired;
}
constexpr const char* unknown_value(refusal) {
  return "no such refusal";
}
std::string_view to_string(refusal);

enum class drain_mode : std::uint8_t {
  graceful = 0, ///< what is there ends by itself
  quick = 1,    ///< what waits is returned; what runs has a grace to end, and is returned then
  fast = 2,     ///< everything is returned at once
};
constexpr drain_mode greatest(drain_mode) {
  return drain_mode::fast;
}
constexpr const char* unknown_value(drain_mode) {
  return "no such way to drain";
}

} // namespace tayfa::pod_protocol
