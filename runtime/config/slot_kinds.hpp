// Items of engine.slot_kinds: which slots have engines of another kind than engine.kind.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace tayfa {

/// The slots from `first` to `last` have engines of this kind.
struct slot_kind {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::string kind; ///< name of a row of messages/engine_kind.hpp
};

/// "3=scripted" or "4-7=torch". The error's text completes a sentence that begins with the item.
result<slot_kind> parse_slot_kind(std::string_view);

} // namespace tayfa
