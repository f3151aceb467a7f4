// The disk as the store needs it beside SQLite: whole files, written once; the reserve and the
// mark. One side is the machine's (local_files), the other a simulated disk that loses what was not
// flushed (sim_disk.hpp).
//
// Paths are absolute or relative to the process; nothing here is interpreted further. Errors:
// errc::storage_full (no space, no quota), not_found, bad_config (prepare), else io_error.
// Used by one thread at a time.
#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::store {

/// Identifies the file behind a name: two names of one file have the same identity, a file that
/// replaces it has another.
struct file_identity {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  bool operator==(const file_identity&) const = default;
};

class file_system {
 public:
  virtual ~file_system() = default;

  /// Makes the folder (for this user only) when it is missing, and says whether a store may live
  /// there.
  virtual result<void> prepare(const std::string& folder) = 0;
  virtual result<void> make_folder(const std::string& path) = 0; ///< it may exist already
  /// An empty file for this user only, unless the file is there.
  virtual result<void> make_file(const std::string& path) = 0;
  /// The file holds exactly `bytes`, and they are flushed. Its name is durable only after
  /// sync_folder().
  virtual result<void> write_flushed(const std::string& path, std::string_view bytes) = 0;
  /// Writes the bytes of the file over themselves and flushes them: after a flush that failed, in
  /// an earlier process, what is read may not be what is on the disk. Safe at every point.
  virtual result<void> write_again(const std::string& path) = 0;
  virtual result<void> rename(const std::string& from, const std::string& to) = 0; ///< replaces
  virtual result<void> sync_folder(const std::string& path) = 0;
  /// At most `limit` bytes: a limit of one more than wanted shows whether the file is longer.
  virtual result<std::string> read(const std::string& path, std::size_t limit) = 0;
  virtual result<void> remove(const std::string& path) = 0; ///< a file that is not there is fine
  virtual result<std::vector<std::string>> list(const std::string& folder) = 0; ///< names, sorted
  virtual result<file_identity> identity(const std::string& path) = 0; ///< of a file or folder
  /// Writes over the beginning of a file that is there, without a flush.
  virtual result<void> write_over(const std::string& path, std::string_view bytes) = 0;
  /// The file, made if need be, takes exactly so many bytes of the disk, whatever they hold.
  /// storage_full: it takes what it took before.
  virtual result<void> occupy(const std::string& path, std::size_t bytes) = 0;
  virtual result<std::size_t> disk_bytes(const std::string& folder) = 0; ///< free or not
  virtual result<std::size_t> size(const std::string& path) = 0;
};

/// The machine's own disk.
class local_files final : public file_system {
 public:
  result<void> prepare(const std::string& folder) override;
  result<void> make_folder(const std::string& path) override;
  result<void> make_file(const std::string& path) override;
  result<void> write_flushed(const std::string& path, std::string_view bytes) override;
  result<void> write_again(const std::string& path) override;
  result<void> rename(const std::string& from, const std::string& to) override;
  result<void> sync_folder(const std::string& path) override;
  result<std::string> read(const std::string& path, std::size_t limit) override;
  result<void> remove(const std::string& path) override;
  result<std::vector<std::string>> list(const std::string& folder) override;
  result<file_identity> identity(const std::string& path) override;
  result<void> write_over(const std::string& path, std::string_view bytes) override;
  result<void> occupy(const std::string& path, std::size_t bytes) override;
  result<std::size_t> disk_bytes(const std::string& folder) override;
  result<std::size_t> size(const std::string& path) override;
};

/// Why no store may live on a file system with this magic number (statfs f_type), for people.
/// Network and user-space file systems: their locks may not hold between machines and their flush
/// may end in a cache, so two runtimes could share one file, or lose what was answered.
std::optional<std::string_view> why_unfit(unsigned long magic);

} // namespace tayfa::store
