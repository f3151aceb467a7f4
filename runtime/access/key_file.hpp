// The keys file on disk: checked when read, replaced atomically.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace tayfa::access {

/// Identifies one version of a file.
struct file_stamp {
  std::uint64_t device = 0, file = 0, bytes = 0;
  std::int64_t changed_ns = 0; ///< of its content and of its mode and owner
  std::int64_t moded_ns = 0;
  bool operator==(const file_stamp&) const = default;
};

struct key_file {
  std::string text; ///< without a byte order mark
  file_stamp stamp;
  std::string remark{}; ///< a warning about its owner or mode; usually empty
};

/// Empty when the file does not exist (or may not be accessed).
std::optional<file_stamp> stamp_of(const std::string& path);

/// errc::not_found; bad_config for a file that is not regular or not UTF-8, belongs to another
/// user, may be read or written by others than its owner, or is too large; else io_error. A mounted
/// secret may be readable by others: that is a remark.
result<key_file> read_key_file(const std::string& path);

/// Replaces the file's text by the result of `change` (given "" when there is no file yet),
/// atomically and readable by its owner only. Concurrent changes are serialized. Missing folders
/// are made.
result<void> change_key_file(const std::string& path,
                             const std::function<result<std::string>(std::string)>& change);

} // namespace tayfa::access
