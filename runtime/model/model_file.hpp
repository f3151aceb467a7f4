// One model file, opened once and checked through that one descriptor, so that what was checked is
// what is loaded: nothing but a regular file is read, and a file that changes in between is
// noticed. Symbolic links are followed once, when it is opened (caches and mounted volumes are made
// of them).
//
// Owner: whoever opened it; the descriptor closes with it. Blocking reads; not thread safe.
#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <ctime>
#include <string>

namespace tayfa {

struct model_manifest;

class model_file {
 public:
  static constexpr std::uint64_t bytes_max = std::uint64_t{64} << 30;

  /// errc::model_invalid when it is missing, no regular file, empty or larger than `limit`.
  static result<model_file> open(const std::string& path, std::uint64_t limit = bytes_max);

  model_file(model_file&& other) noexcept;
  model_file& operator=(model_file&&) = delete;
  ~model_file();

  std::uint64_t size() const { return size_; }
  /// A path that names this very file, whatever happens to its name.
  std::string pinned_path() const;

  /// The whole content; for small files.
  result<std::string> read_all() const;
  /// torchscript_model or aot_inductor_model, by content; anything else is refused by what it is.
  result<std::string> kind() const;
  /// 64 lower-case hex digits.
  result<std::string> sha256() const;
  /// Kind and hash are the manifest's.
  result<void> matches(const model_manifest&) const;
  /// Nobody has written to the file since it was opened.
  bool unchanged() const;

 private:
  explicit model_file(int descriptor) : descriptor_(descriptor) {}

  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  std::timespec modified_{};
  std::timespec changed_{};
};

} // namespace tayfa
