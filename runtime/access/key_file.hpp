// The keys file on the disk: read with suspicion, changed as a whole.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace tayfa::access {

/// Tells one version of a file from another.
struct file_stamp {
  std::uint64_t device = 0, file = 0, bytes = 0;
  std::int64_t changed_ns = 0; ///< of its content and of its mode and owner
  std::int64_t moded_ns = 0;
  bool operator==(const file_stamp&) const = default;
};

struct key_file {
  std::string text; ///< without a byte order mark
  file_stamp stamp;
  std::string remark{}; ///< what a person should hear of its owner or mode; mostly empty
};

/// Nothing when no such file is there (or may not be looked at).
std::optional<file_stamp> stamp_of(const std::string& path);

/// errc::not_found; bad_config for what is no plain file or no UTF-8, belongs to somebody else, may
/// be read or written by others than its owner, or is too large; else io_error. A mounted secret
/// may be read by others: that is a remark.
result<key_file> read_key_file(const std::string& path);

/// Replaces the file's text by what `change` makes of it ("" when there is none yet), at once and
/// for its owner only: a reader sees the old text or the new one. Two changes at a time come one
/// after the other. Folders that are missing are made.
result<void> change_key_file(const std::string& path,
                             const std::function<result<std::string>(std::string)>& change);

} // namespace tayfa::access
