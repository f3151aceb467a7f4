#include "messages/head_calls.hpp"

#include "messages/frame_codec.hpp"

#include <variant>

namespace tayfa::head_calls {

namespace {

namespace framing = protocol::framing;

// Depth: the frame, a list.
constexpr framing::frame_limits call_limits{call_bytes_max, 4'096, 0, endpoint_names::most, 3};
constexpr framing::frame_limits answer_limits{answer_bytes_max, 4'096, answer_bytes_max, 64, 3};

template <class Body>
result<Body> decode(std::string_view bytes, const framing::frame_limits& limits) {
  std::uint32_t theirs = version;
  auto read = framing::decode_any<std::variant<Body>>(
      std::span<const char>{bytes.data(), bytes.size()}, limits, version,
      [&theirs](std::uint32_t of, std::uint8_t) {
        theirs = of;
        return of == version;
      });
  if (read) {
    return std::get<Body>(std::move(read->body));
  }
  return theirs == version
             ? result<Body>{fail(read.error())}
             : fail(errc::bad_frame, "the other head speaks version " + std::to_string(theirs) +
                                         " of the calls between heads, this one version " +
                                         std::to_string(version));
}

} // namespace

std::string encode(const call& what) {
  return framing::encode_body(version, worker_ref{}, what, 0);
}
std::string encode(const answer& what) {
  return framing::encode_body(version, worker_ref{}, what, 0);
}

result<call> decode_call(std::string_view bytes) {
  return decode<call>(bytes, call_limits);
}
result<answer> decode_answer(std::string_view bytes) {
  return decode<answer>(bytes, answer_limits);
}

} // namespace tayfa::head_calls
