#include "runtime/link/envelope.hpp"

#include "tests/support/property.hpp"

#include <limits>

namespace tayfa::testing {
namespace {

using namespace std::string_literals;

envelope sample(link_kind kind) {
  envelope e{kind, 7, 9, 258, 3, {}};
  if (kind == link_kind::open || kind == link_kind::opened) {
    e.window = {11, 12};
  }
  return e;
}

std::string data_of(const envelope& e, const std::string& frame) {
  std::string out = std::string(data_header_bytes, '\0') + frame;
  write_data_header(e, out);
  return out;
}

std::string refusal(const std::string& bytes) {
  const auto read = read_envelope(bytes);
  if (read) {
    return "accepted";
  }
  EXPECT_EQ(read.error().code, errc::bad_frame);
  return read.error().text;
}

TEST(link_envelope, data_is_a_msgpack_array_in_front_of_the_frame) {
  const auto bytes = data_of(sample(link_kind::data), "frame");
  EXPECT_EQ(bytes, "\x96\x02\x01\xcf\0\0\0\0\0\0\0\x07\xcf\0\0\0\0\0\0\0\x09"
                   "\xcf\0\0\0\0\0\0\x01\x02\xcf\0\0\0\0\0\0\0\x03"s +
                       "frame");
  const auto read = read_envelope(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->header, sample(link_kind::data));
  EXPECT_EQ(read->frame.data(), bytes.data() + data_header_bytes) << "the frame is not copied";
  EXPECT_EQ(read->frame.size(), 5U);
}

TEST(link_envelope, every_header_survives) {
  EXPECT_TRUE(
      property(300, [](std::uint64_t from, std::uint64_t to, std::uint64_t sequence,
                       std::uint64_t acknowledged, std::uint64_t frames, std::uint64_t bytes) {
        for (const auto kind : {link_kind::ack, link_kind::open, link_kind::opened}) {
          envelope e{kind, from, to, sequence, acknowledged, {}};
          e.from += from == 0 ? 1 : 0;
          e.to += to == 0 ? 1 : 0;
          if (kind != link_kind::ack) {
            e.window = {frames, bytes};
          }
          const auto read = read_envelope(control_message(e));
          RC_ASSERT(read.has_value());
          RC_ASSERT(read->header == e);
        }
      }));
}

TEST(link_envelope, another_version_is_named_whichever_is_older) {
  EXPECT_EQ(refusal("\x98\x01\x01\x00\x01\xcd\x10\x92"s), "another protocol version")
      << "a hello of version 1, which had no link";
  auto next = control_message(sample(link_kind::open));
  next[1] = 3;
  EXPECT_EQ(refusal(next), "another protocol version");
  EXPECT_EQ(next[0] & 0xf0, 0x90) << "an array with the version first, as a frame is";
}

TEST(link_envelope, broken_headers_are_refused_with_the_rule) {
  EXPECT_EQ(refusal(""), "a link message begins with an array");
  EXPECT_EQ(refusal("\xc1 no frame"), "a link message begins with an array");
  EXPECT_EQ(refusal("\x96\x02\x00"s), "no such kind of link message");
  EXPECT_EQ(refusal("\x96\x02\x05"s), "no such kind of link message");
  const auto data = data_of(sample(link_kind::data), "f");
  const auto open = control_message(sample(link_kind::open));
  for (std::size_t size = 3; size < data_header_bytes; ++size) {
    EXPECT_EQ(refusal(data.substr(0, size)), "a link header of a wrong size");
  }
  for (std::size_t size = 3; size < open_header_bytes; ++size) {
    EXPECT_EQ(refusal(open.substr(0, size)), "a link header of a wrong size");
  }
  EXPECT_EQ(refusal(data.substr(0, data_header_bytes)),
            "data has a frame, and nothing else has one");
  EXPECT_EQ(refusal(open + "f"), "data has a frame, and nothing else has one");
  EXPECT_EQ(refusal(control_message(sample(link_kind::ack)) + "f"),
            "data has a frame, and nothing else has one");
  auto other_width = data;
  other_width[12] = '\xce';
  EXPECT_EQ(refusal(other_width), "a link header has numbers of eight bytes");
  other_width = open;
  other_width[data_header_bytes + 9] = '\xce';
  EXPECT_EQ(refusal(other_width), "a link header has numbers of eight bytes");
  auto longer = data;
  longer[0] = '\x98';
  EXPECT_EQ(refusal(longer), "a link header of a wrong size");
}

TEST(link_envelope, incarnations_and_numbers_begin_at_1) {
  auto e = sample(link_kind::data);
  e.sequence = 0;
  EXPECT_EQ(refusal(data_of(e, "f")), "numbers of frames begin at 1");
  e = sample(link_kind::data);
  e.from = 0;
  EXPECT_EQ(refusal(data_of(e, "f")), "a link message without an incarnation");
  e = sample(link_kind::data);
  e.to = 0;
  EXPECT_EQ(refusal(data_of(e, "f")), "a link message without an incarnation");
  e = sample(link_kind::open);
  e.to = 0;
  EXPECT_EQ(refusal(control_message(e)), "accepted") << "the peer may not be known yet";
}

TEST(link_envelope, a_frame_is_as_large_as_the_protocol_allows) {
  auto bytes = data_of(sample(link_kind::data), std::string(protocol::frame_bytes_max, 'x'));
  EXPECT_EQ(refusal(bytes), "accepted");
  bytes += 'x';
  EXPECT_EQ(refusal(bytes), "the frame is too large");
}

} // namespace
} // namespace tayfa::testing
