#include "runtime/link/envelope.hpp"

#include <cstring>
#include <endian.h>

namespace tayfa {

namespace {

constexpr unsigned char array_of = 0x90;    // + number of elements
constexpr unsigned char u64_follows = 0xcf; // eight bytes, the most significant first
constexpr std::size_t number_bytes = 9;
constexpr std::size_t data_elements = 6;
constexpr std::size_t open_elements = 8;
/// Version of the header alone. It does not follow the protocols of the frames: a pod and a head
/// that speak different ones can still open a link, and say so in words.
constexpr unsigned char link_version = 2;

bool opens(link_kind kind) {
  return kind == link_kind::open || kind == link_kind::opened;
}

char* put_number(char* at, std::uint64_t number) {
  *at = static_cast<char>(u64_follows);
  const std::uint64_t big_endian = htobe64(number);
  std::memcpy(at + 1, &big_endian, sizeof big_endian);
  return at + number_bytes;
}

void put_header(const envelope& e, char* at) {
  *at++ = static_cast<char>(array_of + (opens(e.kind) ? open_elements : data_elements));
  *at++ = static_cast<char>(link_version);
  *at++ = static_cast<char>(e.kind);
  for (const auto number : {e.from, e.to, e.sequence, e.acknowledged}) {
    at = put_number(at, number);
  }
  if (opens(e.kind)) {
    put_number(put_number(at, e.window.frames), e.window.bytes);
  }
}

bool read_number(const char* at, std::uint64_t& number) {
  if (static_cast<unsigned char>(*at) != u64_follows) {
    return false;
  }
  std::uint64_t big_endian = 0;
  std::memcpy(&big_endian, at + 1, sizeof big_endian);
  number = be64toh(big_endian);
  return true;
}

auto broken(const char* rule) {
  return fail(errc::bad_frame, rule);
}

} // namespace

void write_data_header(const envelope& e, std::string& message) {
  put_header(e, message.data());
}

std::string control_message(const envelope& e) {
  std::string out(opens(e.kind) ? open_header_bytes : data_header_bytes, '\0');
  put_header(e, out.data());
  return out;
}

result<opened_envelope> read_envelope(std::span<const char> bytes) {
  if (bytes.size() < 3 || (static_cast<unsigned char>(bytes[0]) & 0xf0) != array_of) {
    return broken("a link message begins with an array");
  }
  if (static_cast<unsigned char>(bytes[1]) != link_version) {
    return broken("another protocol version");
  }
  opened_envelope out;
  auto& header = out.header;
  const auto kind = static_cast<unsigned char>(bytes[2]);
  if (kind < static_cast<unsigned char>(link_kind::data) ||
      kind > static_cast<unsigned char>(link_kind::opened)) {
    return broken("no such kind of link message");
  }
  header.kind = static_cast<link_kind>(kind);
  const bool opening = opens(header.kind);
  const std::size_t size = opening ? open_header_bytes : data_header_bytes;
  const std::size_t elements = opening ? open_elements : data_elements;
  if (bytes.size() < size || static_cast<unsigned char>(bytes[0]) != array_of + elements) {
    return broken("a link header of a wrong size");
  }
  const char* at = bytes.data() + 3;
  for (auto* number : {&header.from, &header.to, &header.sequence, &header.acknowledged}) {
    if (!read_number(at, *number)) {
      return broken("a link header has numbers of eight bytes");
    }
    at += number_bytes;
  }
  if (opening && (!read_number(at, header.window.frames) ||
                  !read_number(at + number_bytes, header.window.bytes))) {
    return broken("a link header has numbers of eight bytes");
  }
  out.frame = bytes.subspan(size);
  if ((header.kind == link_kind::data) == out.frame.empty()) {
    return broken("data has a frame, and nothing else has one");
  }
  if (out.frame.size() > protocol::frame_bytes_max) {
    return broken("the frame is too large");
  }
  if (header.from == 0 || (header.to == 0 && header.kind != link_kind::open)) {
    return broken("a link message without an incarnation");
  }
  if (header.kind == link_kind::data && header.sequence == 0) {
    return broken("numbers of frames begin at 1");
  }
  return out;
}

} // namespace tayfa
