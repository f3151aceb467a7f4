#include "messages/codec.hpp"

#include "messages/frame_codec.hpp"

namespace tayfa::protocol {

std::string_view to_string(kind k) {
  switch (k) {
  case kind::hello: return "hello";
  case kind::heartbeat: return "heartbeat";
  case kind::load_finished: return "load_finished";
  case kind::started: return "started";
  case kind::progress: return "progress";
  case kind::partial: return "partial";
  case kind::finished: return "finished";
  case kind::log: return "log";
  case kind::stepped: return "stepped";
  case kind::welcome: return "welcome";
  case kind::load_model: return "load_model";
  case kind::assign: return "assign";
  case kind::cancel: return "cancel";
  case kind::shutdown: return "shutdown";
  case kind::use_threads: return "use_threads";
  }
  return "?";
}

namespace {

constexpr framing::frame_limits limits{frame_bytes_max, text_bytes_max, frame_bytes_max, 32, 3};

template <class Variant>
std::string encode_any(const worker_ref& worker, const Variant& message, std::size_t room) {
  return std::visit(
      [&](const auto& body) { return framing::encode_body(version, worker, body, room); }, message);
}

template <class Variant>
result<frame<Variant>> decode_any(std::span<const char> bytes) {
  return framing::decode_any<Variant>(
      bytes, limits, version, [](std::uint32_t read, std::uint8_t) { return read == version; });
}

} // namespace

std::string encode(const worker_ref& w, const upstream& m, std::size_t room) {
  return encode_any(w, m, room);
}
std::string encode(const worker_ref& w, const downstream& m, std::size_t room) {
  return encode_any(w, m, room);
}

result<frame<upstream>> decode_upstream(std::span<const char> bytes) {
  return decode_any<upstream>(bytes);
}
result<frame<downstream>> decode_downstream(std::span<const char> bytes) {
  return decode_any<downstream>(bytes);
}

} // namespace tayfa::protocol
