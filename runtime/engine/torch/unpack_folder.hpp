// A folder for what libtorch unpacks, in the engine's own temporary folder (TMPDIR, which its host
// makes and removes). It goes with its owner; what a killed engine leaves goes with the engine's.
//
// Whether the place is fit is asked before anything is unpacked, and again when that has failed: a
// full disk, a file system without programs (noexec) or a want of descriptors says nothing about
// the package. Texts name no path, since clients read them.
//
// Owner: whoever unpacks. While it lives, TMPDIR names it only inside lend().
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace tayfa::engine {

class unpack_folder {
 public:
  /// With room for so many bytes, and programs in it may run. errc::unavailable for what may pass
  /// (no space, no descriptors), unfit for what does not (read-only, noexec).
  static result<unpack_folder> make(std::uint64_t bytes);

  unpack_folder(unpack_folder&&) noexcept;
  unpack_folder& operator=(unpack_folder&&) = delete;
  ~unpack_folder();

  const std::string& path() const { return path_; }
  /// Runs `body` with TMPDIR naming the folder. For one thread at a time.
  void lend(const std::function<void()>& body) const;
  /// Whether the place is fit for what has not been unpacked yet; the errors of make().
  result<void> check() const;

 private:
  unpack_folder(std::string path, std::uint64_t bytes) : path_(std::move(path)), bytes_(bytes) {}

  std::string path_;
  std::uint64_t bytes_ = 0;
};

} // namespace tayfa::engine
