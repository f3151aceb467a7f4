// A disk in memory that can fail, fill up and lose power, for the simulation and for crash tests.
//
// It tracks unflushed data: sectors of files, and changes of folders (made, renamed, removed).
// power_loss() decides by the seed, for each of them, whether it reached the disk, and may tear one
// sector; open file handles are dead afterwards. A failed flush keeps some sectors and forgets that
// the others were dirty, as Linux does: a later flush succeeds without them.
//
// SQLite reaches it through vfs_name(), large texts through files(); both are the same disk. Owned
// by the test or the simulation, and outlives every store on it. Thread safe.
#pragma once

#include "runtime/store/files.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::store {

struct sim_vfs;

enum class disk_call : std::uint8_t {
  open, ///< opens a file or creates it
  read,
  write,
  truncate,
  sync,
  remove,
  rename,
  make_folder,
  sync_folder,
};
inline constexpr std::size_t disk_call_kinds = 9;

class sim_disk {
 public:
  struct options {
    std::uint64_t seed = 1;
    std::size_t sector = 4096; ///< written atomically, except for one torn sector per power loss
    std::optional<std::size_t> limit = {}; ///< bytes of all files together
  };
  struct file {                  ///< the content behind a name
    std::string now;             ///< the content seen by a reader
    std::string flushed;         ///< the content certainly on the disk
    std::set<std::size_t> dirty; ///< sectors that differ, as far as a flush knows
    std::uint64_t number = 0;    ///< like an inode's
    std::map<const void*, int> locks;
  };

  explicit sim_disk(options);
  ~sim_disk();
  sim_disk(const sim_disk&) = delete;
  sim_disk& operator=(const sim_disk&) = delete;

  const std::string& vfs_name() const { return vfs_name_; }
  file_system& files();

  // Planned faults. Calls are counted from 1 since the disk was made.
  /// The n-th call of a kind from now on (1 = the next) fails with ENOSPC or EIO: only this one, or
  /// it and all later ones until heal().
  void plan_fault(disk_call, std::uint64_t nth, int number, bool from_then_on = false);
  void heal(); ///< removes all planned faults; the power stays as it is
  void set_limit(std::optional<std::size_t> bytes);
  /// The power is lost in the n-th changing call from now (1 = the next).
  void lose_power_at(std::uint64_t nth);
  void power_loss(); ///< at once; every call fails until power_on()
  void power_on();
  bool has_power() const;

  std::uint64_t calls(disk_call) const;
  std::uint64_t changing_calls() const; ///< all kinds except read (and open of an existing file)
  std::size_t bytes_used() const;
  /// The content as a reader sees it; empty when there is no such file. For tests.
  std::optional<std::string> peek(const std::string& path) const;
  /// Replaces the file by another one with the same bytes, as a foreign process might.
  void replace(const std::string& path);
  void poke(const std::string& path, std::size_t at, char value); ///< flips a bit, on the disk as
                                                                  ///< well
  std::vector<std::string> paths() const;

  // The calls; they return 0 or an errno. Used by sim_vfs and sim_files.
  struct opened {
    std::shared_ptr<file> of;
    std::uint64_t life = 0; ///< counts power losses; a handle from before the latest one is dead
  };
  int open_file(const std::string& path, bool make, opened&, bool* made = nullptr);
  int read(const opened&, std::size_t at, std::size_t size, std::string& out); ///< may be short
  int write(const opened&, std::size_t at, std::string_view bytes);
  int truncate(const opened&, std::size_t size);
  int sync(const opened&);
  int size(const opened&, std::size_t& out) const;
  int remove(const std::string& path);
  int rename(const std::string& from, const std::string& to);
  int make_folder(const std::string& path);
  int sync_folder(const std::string& path);
  int make_old_folder(const std::string& path); ///< creates a folder that counts as flushed
  bool exists(const std::string& path) const;
  std::uint64_t number_of(const std::string& path) const; ///< of a file or folder; 0 = does not
                                                          ///< exist
  std::vector<std::string> list(const std::string& folder) const;
  /// Takes or releases a lock of SQLite's levels (0 none .. 4 exclusive). False: another holder's
  /// lock conflicts.
  bool lock(const opened&, const void* holder, int level);
  bool is_reserved(const opened&) const;
  std::uint64_t random();

 private:
  struct plan {
    std::uint64_t at = 0;
    int number = 0;
    bool from_then_on = false;
  };
  struct folder_change {
    enum class kind : std::uint8_t { add, remove, rename, folder } what;
    std::string folder, name, to;
    std::shared_ptr<file> of;
  };
  using names = std::map<std::string, std::shared_ptr<file>>;

  int enter(disk_call, bool changing);
  bool power_goes() const { return power_at_ != 0 && changing_ >= power_at_; }
  void lose();
  void apply(const folder_change&);
  int finish();
  bool is_dead(const opened&) const;
  std::size_t used() const;
  void change_folder(folder_change);
  void settle_content(file&);

  class sim_files;
  const options options_;
  std::string vfs_name_;
  mutable std::mutex mutex_; ///< guards everything below
  std::mt19937_64 random_;
  std::optional<std::size_t> limit_;
  names names_, flushed_names_;
  std::set<std::string> folders_, flushed_folders_;
  std::vector<folder_change> unflushed_;
  std::array<std::uint64_t, disk_call_kinds> counts_{};
  std::array<std::optional<plan>, disk_call_kinds> plans_;
  std::uint64_t changing_ = 0, power_at_ = 0, life_ = 1, made_ = 0;
  bool power_ = true;
  std::unique_ptr<file_system> files_;
  std::unique_ptr<sim_vfs> vfs_;
};

} // namespace tayfa::store
