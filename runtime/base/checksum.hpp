// CRC-32 (IEEE 802.3, as gzip and PNG have it): finds a text that was mistyped, cut off or damaged.
// It proves nothing about who wrote it. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace tayfa {

std::uint32_t crc32_of(std::string_view bytes);

} // namespace tayfa
