// A model file, opened once and checked through that descriptor, so that the checked file is the
// loaded one: only regular files are read, and a change in between is detected. Symbolic links are
// followed once, at the opening (caches and mounted volumes consist of them).
// Owner: the code that opened it; the descriptor closes with it. Blocking reads; not thread safe.
#pragma once

#include "messages/error.hpp"
#include "runtime/base/unique_fd.hpp"

#include <cstdint>
#include <ctime>
#include <string>
#include <utility>

namespace tayfa {

struct model_manifest;

class model_file {
 public:
  static constexpr std::uint64_t bytes_max = std::uint64_t{64} << 30;

  /// errc::model_invalid when it is missing, no regular file, empty or larger than `limit`.
  static result<model_file> open(const std::string& path, std::uint64_t limit = bytes_max);

  std::uint64_t size() const { return size_; }
  /// A path to this very file, even after it was renamed or removed.
  std::string pinned_path() const;

  /// The whole content; for small files.
  result<std::string> read_all() const;
  /// torchscript_model or aot_inductor_model, by content; anything else is refused by what it is.
  result<std::string> kind() const;
  /// 64 lower-case hex digits.
  result<std::string> sha256() const;
  /// Checks that kind and hash are the manifest's.
  result<void> matches(const model_manifest&) const;
  /// True if the file was not written to since it was opened.
  bool unchanged() const;

 private:
  explicit model_file(unique_fd file) : file_(std::move(file)) {}

  unique_fd file_;
  std::uint64_t size_ = 0;
  std::timespec modified_{};
  std::timespec changed_{};
};

} // namespace tayfa
