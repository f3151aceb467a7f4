// Any bytes as a frame, in both directions: refused as bad_frame, or a message that says itself
// again.
#include "messages/codec.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace tayfa;
using namespace tayfa::protocol;

namespace {

template <class Frame, class Decode>
void round_trip(const result<Frame>& first, Decode decode) {
  if (!first) {
    fuzz::require(first.error().code == errc::bad_frame, "only bad_frame comes from decoding");
    fuzz::require(!first.error().text.empty(), "a refusal names the rule");
    return;
  }
  const auto bytes = encode(first->worker, first->body);
  const auto second = decode(bytes);
  fuzz::require(second.has_value(), "what decodes can be encoded and decoded again");
  fuzz::require(second->worker == first->worker, "the worker survives");
  fuzz::require(second->body.index() == first->body.index(), "the kind survives");
  fuzz::require(encode(second->worker, second->body) == bytes, "every field survives");
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::span<const char> frame{reinterpret_cast<const char*>(bytes), size};
  const auto up = decode_upstream(frame);
  const auto down = decode_downstream(frame);
  fuzz::require(!up || !down, "a frame has one direction");
  round_trip(up, [](std::span<const char> b) { return decode_upstream(b); });
  round_trip(down, [](std::span<const char> b) { return decode_downstream(b); });
  return 0;
}
