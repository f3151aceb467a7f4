// A folder for files that libtorch unpacks, in the engine's own temporary folder (TMPDIR, which its
// host makes and removes). It is removed with its owner; after a killed engine, with the engine's
// folder.
//
// The folder is checked before anything is unpacked, and again when unpacking has failed: a full
// disk, a file system without executables (noexec) or a lack of descriptors does not concern the
// package. Error texts name no path, since clients read them.
//
// Owner: the code that unpacks. TMPDIR names the folder only inside lend().
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace tayfa::engine {

class unpack_folder {
 public:
  /// A folder with room for `bytes`, where libraries can be mapped. errc::unavailable for faults
  /// that may pass (no space, no descriptors), unfit for others (read-only, noexec).
  static result<unpack_folder> make(std::uint64_t bytes);

  unpack_folder(unpack_folder&&) noexcept;
  unpack_folder& operator=(unpack_folder&&) = delete;
  ~unpack_folder();

  const std::string& path() const { return path_; }
  /// Runs `body` with TMPDIR naming the folder. By one thread at a time.
  void lend(const std::function<void()>& body) const;
  /// Checks that the files not unpacked yet will fit; errors of make().
  result<void> check() const;

 private:
  unpack_folder(std::string path, std::uint64_t bytes) : path_(std::move(path)), bytes_(bytes) {}

  std::string path_;
  std::uint64_t bytes_ = 0;
};

} // namespace tayfa::engine
