// A folder of this engine alone, below TMPDIR or /tmp, for what libtorch unpacks. It goes with its
// owner; what engines that were killed have left is found by its lock, which dies with its process,
// and removed by the next one that makes a folder.
//
// Owner: whoever unpacks. While it lives, TMPDIR names it only inside lend().
#pragma once

#include "messages/error.hpp"

#include <functional>
#include <string>

namespace tayfa::engine {

class unpack_folder {
 public:
  /// errc::unfit when no folder can be made.
  static result<unpack_folder> make();

  unpack_folder(unpack_folder&&) noexcept;
  unpack_folder& operator=(unpack_folder&&) = delete;
  ~unpack_folder();

  const std::string& path() const { return path_; }
  /// Runs `body` with TMPDIR naming the folder. For one thread at a time.
  void lend(const std::function<void()>& body) const;

 private:
  unpack_folder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  int lock_ = -1;
};

} // namespace tayfa::engine
