// The names in a zip archive's central directory, read with bounds and without unpacking anything:
// enough to tell what kind of model an archive holds. Zip64 included, since large models need it.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace tayfa {

/// Fills the span from the offset; false when that fails or comes short.
using read_at = std::function<bool(std::uint64_t offset, std::span<char> into)>;

/// Calls `each` with every member's name, in the directory's order. errc::model_invalid with what
/// is broken.
result<void> list_zip(std::uint64_t size, const read_at&,
                      const std::function<void(std::string_view)>& each);

} // namespace tayfa
