// Process-wide requests to the operating system at start: signals, limits, the data folder's lock,
// the allocator.
#pragma once

#include "messages/error.hpp"
#include "runtime/base/wakeup.hpp"
#include "runtime/host/spawn.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace tayfa {

/// Delivers SIGTERM, SIGINT, SIGHUP and SIGUSR1 as calls, on a thread of its own, until destroyed.
/// A signal that is ignored when this is made stays ignored, as nohup and shells request. On
/// SIGCHLD the thread reaps children that are not ours (descendants.hpp).
///
/// Make it before any other thread: it blocks the signals in the calling thread, and threads made
/// later inherit that; in an earlier thread they would still end the process. They stay blocked
/// after its end, so that a second Ctrl-C cannot cut an orderly stop short. SIGPIPE is ignored from
/// here on. Throws std::system_error when no descriptor or thread is available.
class signal_watch {
 public:
  explicit signal_watch(std::function<void(int)> on_signal);
  ~signal_watch();
  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;

 private:
  void loop();

  std::function<void(int)> on_signal_;
  unique_fd signals_;
  unique_fd closing_ = make_wakeup();
  std::thread thread_;
};

/// Exclusive use of a data folder, by flock on <folder>/lock: the kernel releases it when the
/// process ends, however it ends, so the file's existence means nothing. It contains the holder's
/// pid for information.
class data_folder_lock {
 public:
  /// Makes the folder (mode 0700) when missing. errc::store_locked names the holder's pid;
  /// errc::bad_config when others may change its contents (data_folder.hpp); errc::io_error.
  static result<data_folder_lock> acquire(const std::string& folder, bool allow_shared = false);

  /// Warnings for the operator.
  const std::vector<std::string>& remarks() const { return remarks_; }

 private:
  data_folder_lock(unique_fd file, std::vector<std::string> remarks)
      : file_(std::move(file)), remarks_(std::move(remarks)) {}
  unique_fd file_;
  std::vector<std::string> remarks_;
};

struct open_file_limit {
  std::uint64_t before = 0;
  std::uint64_t now = 0;
};
/// Raises the soft limit of open files to the hard one (each connection and each engine takes
/// some).
result<open_file_limit> raise_limits();

/// The malloc implementation of this process: "tcmalloc", "jemalloc", "mimalloc" or "system".
std::string allocator_name();

} // namespace tayfa
