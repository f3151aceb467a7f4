// Messages of the pod protocol, made from a fuzzer's choices: any kind, about a few attempts, slots
// and blobs, so that they often concern each other.
#pragma once

#include "runtime/pods/blobs.hpp"

#include "messages/pod_protocol.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <string>

namespace tayfa::fuzz {

namespace wire = tayfa::pod_protocol;

inline attempt_ref some_attempt(choices& in) {
  static const char* const jobs[] = {"honest", "a", "b", "c"};
  return {job_id{jobs[in.below(4)]}, static_cast<std::uint32_t>(1 + in.below(2))};
}

inline shared_text some_text(choices& in) {
  return shared_text{std::string(in.below(40), 't')};
}

inline wire::blob_ref some_blob(choices& in) {
  const shared_text text{std::string(70'000 + 10 * in.below(3), 'b')};
  return in.below(4) == 0 ? wire::blob_ref{} : pods::ref_of(text);
}

inline wire::payload some_payload(choices& in) {
  wire::payload p;
  if (in.below(3) == 0) {
    p.blob = some_blob(in);
  } else {
    p.text = some_text(in);
  }
  return p;
}

inline wire::chunk some_chunk(choices& in) {
  wire::chunk c;
  c.blob = some_blob(in);
  if (!c.blob.empty()) {
    c.offset = in.below(2) == 0 ? 0 : c.blob.bytes / 2;
    const auto size = in.below(2) == 0 ? c.blob.bytes - c.offset : in.below(100);
    c.bytes = shared_text{std::string(size, in.below(4) == 0 ? 'x' : 'b')};
  }
  return c;
}

inline wire::upstream some_upstream(choices& in) {
  switch (in.below(20)) {
  case 0: {
    wire::hello m;
    m.versions_to = static_cast<std::uint32_t>(1 + in.below(3));
    m.slots = static_cast<std::uint32_t>(in.below(4));
    m.attempts = static_cast<std::uint32_t>(in.below(4));
    m.take_until = in.below(9);
    m.head = in.below(3) == 0 ? "another" : "";
    return m;
  }
  case 1: {
    wire::inventory m;
    for (auto count = in.below(4); count > 0; --count) {
      m.entries.push_back({some_attempt(in), static_cast<wire::stage>(in.below(3)),
                           static_cast<std::uint32_t>(in.below(3)), in.below(3), 0});
    }
    return m;
  }
  case 2: return wire::slot_gone{static_cast<std::uint16_t>(in.below(80)), "x", false};
  case 3: return wire::beat{in.below(9), 5, 0, in.below(9), in.below(3) == 0 ? "full" : ""};
  case 4: return wire::credit{in.below(9)};
  case 5: return wire::accepted{some_attempt(in)};
  case 6: return wire::returned{some_attempt(in), "x"};
  case 7: return protocol::started{some_attempt(in)};
  case 8: return protocol::stepped{some_attempt(in), in.below(9)};
  case 9: return wire::progress{some_attempt(in), 1, some_payload(in)};
  case 10: return wire::partial{some_attempt(in), 1, some_payload(in)};
  case 11:
  case 12: {
    wire::finished m;
    m.attempt = some_attempt(in);
    m.how = static_cast<protocol::outcome>(in.below(3));
    m.output = some_payload(in);
    return m;
  }
  case 13: return protocol::log{some_attempt(in), 1, "row"};
  case 14: return wire::drained{};
  case 15: return wire::key_made{std::string(wire::key_length, 'k')};
  case 16: return wire::blob_need{some_blob(in), 0, in.below(3) == 0 ? 0U : 50'000U};
  case 17: return wire::blob_have{some_blob(in), true};
  case 18: return some_chunk(in);
  default: {
    wire::slot_ready m;
    m.capacity = static_cast<std::uint32_t>(1 + in.below(3));
    return m;
  }
  }
}

inline wire::downstream some_downstream(choices& in) {
  switch (in.below(16)) {
  case 0: {
    wire::welcome m;
    m.head = "h";
    return m;
  }
  case 1: {
    wire::verdicts m;
    for (auto count = in.below(4); count > 0; --count) {
      m.entries.push_back(static_cast<wire::verdict>(in.below(5)));
    }
    return m;
  }
  case 2: return wire::refused{static_cast<wire::refusal>(in.below(8)), "x", 1000};
  case 3: return wire::beat_answer{in.below(5)};
  case 4: return protocol::cancel{some_attempt(in)};
  case 5: return wire::forget{some_attempt(in)};
  case 6: return wire::load{"m"};
  case 7: return wire::drain{static_cast<wire::drain_mode>(in.below(3)), 1000};
  case 8: return wire::undrain{};
  case 9: return wire::rotate{in.below(2) == 0 ? "" : std::string(wire::key_length, 'k'), "tcp"};
  case 10: return wire::blob_need{some_blob(in), 0, in.below(2) == 0 ? 0U : 50'000U};
  case 11: return wire::blob_have{some_blob(in), true};
  case 12: return some_chunk(in);
  default: {
    wire::assign m;
    m.attempt = some_attempt(in);
    m.input = some_payload(in);
    m.batch = in.below(3);
    m.batch_size = static_cast<std::uint32_t>(1 + in.below(3));
    return m;
  }
  }
}

} // namespace tayfa::fuzz
