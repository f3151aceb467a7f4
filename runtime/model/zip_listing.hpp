// Lists the names in a zip archive's central directory, with bounds and without unpacking anything:
// enough to recognize the kind of model in an archive. Zip64 included, since large models need it.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace tayfa {

/// Fills the span from the offset; false when reading fails or returns too little.
using read_at = std::function<bool(std::uint64_t offset, std::span<char> into)>;

/// Calls `each` with every member's name, in the directory's order. errc::model_invalid names the
/// fault.
result<void> list_zip(std::uint64_t size, const read_at&,
                      const std::function<void(std::string_view)>& each);

} // namespace tayfa
