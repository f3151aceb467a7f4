// The envelope of a link message: a fixed header, and behind it one frame of the worker protocol.
//
// A header is one msgpack array whose numbers have a fixed width, so that it is written in place in
// front of an encoded frame, and read without a copy of the frame:
//     [protocol version, kind, from, to, sequence, acknowledged]                      data, ack
//     [protocol version, kind, from, to, sequence, acknowledged, frames, bytes]       open, opened
// The protocol's version stands first, as it does in a frame: a peer of another version is refused
// with "another protocol version", whichever of the two is older.
//
// Bytes are untrusted. read_envelope is pure; it gives a valid header or errc::bad_frame with the
// rule that was broken, never throws and never allocates but for that text.
#pragma once

#include "messages/codec.hpp"
#include "messages/error.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tayfa {

enum class link_kind : std::uint8_t {
  data = 1,   ///< a frame follows; `sequence` is its number
  ack = 2,    ///< only the acknowledgement
  open = 3,   ///< begins or resumes the link, and asks for `opened`
  opened = 4, ///< the answer
};

/// Unacknowledged frames and their bytes that an end accepts. 0 = any number.
struct link_window {
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;
  bool operator==(const link_window&) const = default;
};

struct envelope {
  link_kind kind = link_kind::data;
  std::uint64_t from = 0;         ///< incarnation of the sender, >= 1
  std::uint64_t to = 0;           ///< incarnation of the receiver; 0 = not known yet (open)
  std::uint64_t sequence = 0;     ///< data: its number, >= 1; open, opened: what the sender has
  std::uint64_t acknowledged = 0; ///< all up to this number have been dealt with
  link_window window{};           ///< open, opened: what the sender accepts
  bool operator==(const envelope&) const = default;
};

/// Bytes of the header of data; protocol::encode leaves this room in front of a frame.
inline constexpr std::size_t data_header_bytes = 3 + 4 * 9;
inline constexpr std::size_t open_header_bytes = data_header_bytes + 2 * 9;
/// The largest link message.
inline constexpr std::size_t link_message_bytes_max = data_header_bytes + protocol::frame_bytes_max;

struct opened_envelope {
  envelope header;
  std::span<const char> frame; ///< into the bytes that were read; only data has one
};

/// Writes the header of data into the first data_header_bytes of the message.
void write_data_header(const envelope&, std::string& message);
/// A message without a frame: ack, open, opened.
std::string control_message(const envelope&);
result<opened_envelope> read_envelope(std::span<const char> bytes);

} // namespace tayfa
