#include "messages/pod_codec.hpp"

#include "messages/frame_codec.hpp"

#include <algorithm>
#include <iterator>

namespace tayfa::pod_protocol {

namespace {

namespace framing = protocol::framing;

static_assert(blob_bytes_max == protocol::frame_bytes_max, "what an engine says fits a blob");

// Depth: the frame, a list, an entry, its attempt; one more for the parts of a payload.
constexpr framing::frame_limits limits{frame_bytes_max, text_bytes_max, inline_bytes_max, list_max,
                                       5};

template <class Variant>
std::string encode_any(std::uint32_t version, const worker_ref& worker, const Variant& message,
                       std::size_t room) {
  return std::visit(
      [&](const auto& body) { return framing::encode_body(version, worker, body, room); }, message);
}

/// Both ends must understand a greeting before they can agree on a version.
bool is_greeting(std::uint8_t id) {
  constexpr kind greetings[] = {kind::hello,   kind::slot_ready, kind::inventory,
                                kind::welcome, kind::verdicts,   kind::refused};
  return std::any_of(std::begin(greetings), std::end(greetings),
                     [&](kind each) { return static_cast<std::uint8_t>(each) == id; });
}

template <class Variant>
result<frame<Variant>> decode_any(std::uint32_t version, std::span<const char> bytes) {
  return framing::decode_any<Variant>(bytes, limits, version_max,
                                      [&](std::uint32_t read, std::uint8_t id) {
                                        return read == version || (read >= 1 && is_greeting(id));
                                      });
}

std::string range(std::uint32_t from, std::uint32_t to) {
  return from == to ? std::to_string(from) : std::to_string(from) + " to " + std::to_string(to);
}

} // namespace

std::string encode(std::uint32_t version, const worker_ref& w, const upstream& m,
                   std::size_t room) {
  return encode_any(version, w, m, room);
}
std::string encode(std::uint32_t version, const worker_ref& w, const downstream& m,
                   std::size_t room) {
  return encode_any(version, w, m, room);
}

result<frame<upstream>> decode_upstream(std::uint32_t version, std::span<const char> bytes) {
  return decode_any<upstream>(version, bytes);
}
result<frame<downstream>> decode_downstream(std::uint32_t version, std::span<const char> bytes) {
  return decode_any<downstream>(version, bytes);
}

result<std::uint32_t> agree(std::uint32_t pod_from, std::uint32_t pod_to, std::uint32_t head_from,
                            std::uint32_t head_to) {
  if (pod_from == 0 || pod_from > pod_to) {
    return fail(errc::bad_frame,
                "the pod names no versions of the protocol: " + range(pod_from, pod_to));
  }
  const auto common = std::min(pod_to, head_to);
  if (common >= pod_from && common >= head_from) {
    return common;
  }
  const std::string both = "the pod speaks version " + range(pod_from, pod_to) +
                           " of the pod protocol, the head " + range(head_from, head_to) +
                           ": upgrade the ";
  return fail(errc::unavailable, both + (pod_to < head_from ? "pod" : "head"));
}

std::string_view to_string(refusal why) {
  switch (why) {
  case refusal::version: return "version";
  case refusal::busy: return "busy";
  case refusal::pod_cloned: return "pod_cloned";
  case refusal::wrong_head: return "wrong_head";
  case refusal::too_many: return "too_many";
  case refusal::bad_hello: return "bad_hello";
  case refusal::misbehaved: return "misbehaved";
  case refusal::join_expired: return "join_expired";
  }
  return "?";
}

std::string_view to_string(kind k) {
  switch (k) {
  case kind::blob_need: return "blob_need";
  case kind::blob_have: return "blob_have";
  case kind::chunk: return "chunk";
  case kind::hello: return "hello";
  case kind::slot_ready: return "slot_ready";
  case kind::inventory: return "inventory";
  case kind::slot_gone: return "slot_gone";
  case kind::beat: return "beat";
  case kind::credit: return "credit";
  case kind::accepted: return "accepted";
  case kind::returned: return "returned";
  case kind::progress: return "progress";
  case kind::partial: return "partial";
  case kind::finished: return "finished";
  case kind::drained: return "drained";
  case kind::key_made: return "key_made";
  case kind::join: return "join";
  case kind::models: return "models";
  case kind::model_refused: return "model_refused";
  case kind::welcome: return "welcome";
  case kind::verdicts: return "verdicts";
  case kind::refused: return "refused";
  case kind::beat_answer: return "beat_answer";
  case kind::assign: return "assign";
  case kind::forget: return "forget";
  case kind::load: return "load";
  case kind::unload: return "unload";
  case kind::drain: return "drain";
  case kind::undrain: return "undrain";
  case kind::rotate: return "rotate";
  case kind::revoked: return "revoked";
  case kind::joined: return "joined";
  }
  return "?";
}

} // namespace tayfa::pod_protocol
