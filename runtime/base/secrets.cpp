#include "runtime/base/secrets.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <sys/random.h>
#include <system_error>

namespace tayfa {

std::string secret_source::uuid() {
  std::array<std::byte, 16> bytes{};
  fill(bytes);
  bytes[6] = (bytes[6] & std::byte{0x0F}) | std::byte{0x40}; // version 4
  bytes[8] = (bytes[8] & std::byte{0x3F}) | std::byte{0x80}; // the variant of RFC 9562
  constexpr std::string_view hex = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      text += '-';
    }
    const auto byte = std::to_integer<std::uint8_t>(bytes[i]);
    text += hex[byte >> 4U];
    text += hex[byte & 15U];
  }
  return text;
}

void system_secrets::fill(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const auto got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      throw std::system_error{errno, std::generic_category(), "getrandom"};
    }
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

result<void> try_secrets(secret_source& source) {
  try {
    std::array<std::byte, 16> bytes{};
    source.fill(bytes);
    return {};
  } catch (const std::system_error&) {
    return fail(errc::io_error, "the system gives no random numbers (getrandom)");
  }
}

} // namespace tayfa
