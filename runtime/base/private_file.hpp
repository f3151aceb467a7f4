// Small text files that only their owner may read, for API keys, key pairs of the link and the list
// of pods: checked when they are read, replaced atomically.
//
// Invariant: a file that was replaced is on the disk, whole, or it is the old one; no reader sees a
// part of it.
#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace tayfa {

/// Identifies one version of a file.
struct file_stamp {
  std::uint64_t device = 0, file = 0, bytes = 0;
  std::int64_t changed_ns = 0; ///< of its content and of its mode and owner
  std::int64_t moded_ns = 0;
  bool operator==(const file_stamp&) const = default;
};

struct private_file {
  std::string text; ///< without a byte order mark
  file_stamp stamp;
  std::string remark{}; ///< a warning about its owner or mode; usually empty
};

/// Empty when the file does not exist (or may not be accessed).
std::optional<file_stamp> stamp_of(const std::string& path);

/// errc::not_found; bad_config for a file that is not regular or not UTF-8, belongs to another
/// user, may be read or written by others than its owner, or has more than `bytes_max` bytes; else
/// io_error. A mounted secret may be readable by others: that is a remark.
result<private_file> read_private_file(const std::string& path, std::size_t bytes_max);

/// Replaces the file's text by the result of `change` (given "" when there is no file yet),
/// atomically and readable by its owner only. Concurrent changes are serialized. Missing folders
/// are made.
result<void> change_private_file(const std::string& path, std::size_t bytes_max,
                                 const std::function<result<std::string>(std::string)>& change);

/// The file takes the place of another one in the same folder, atomically and durably.
result<void> rename_private_file(const std::string& from, const std::string& to);

} // namespace tayfa
