// Decides by its bytes whether SQLite's write-ahead log is damaged, or only torn at its end. This
// happens before SQLite opens it: SQLite reads the log up to the first frame that does not fit, and
// ignores the rest silently. Pure.
//
// Each frame's checksum is computed on from that of the frame before. With synchronous=FULL a
// commit is flushed before the next frame is written. So where a frame does not fit, and somewhere
// behind it a commit's frame of the same log fits the frame before it and is followed by one that
// fits it, the bad frame had been flushed: it is damaged. What a power loss or a rollback leaves
// behind the end has no such commit, and frames of an earlier log have other salts.
//
// The scan cannot see damage in the last commit or in the log's head; store_mark does.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tayfa::store {

/// The number, from 1, of the first frame that is damaged; nothing for a log that is whole, torn,
/// or no log at all.
std::optional<std::size_t> damaged_frame(std::string_view log);

} // namespace tayfa::store
