// A folder that is removed with its test, and secrets that are the same in each run.
#pragma once

#include "runtime/base/secrets.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdlib.h>
#include <string>
#include <sys/stat.h>
#include <system_error>

namespace tayfa::pods::test {

class scratch_folder {
 public:
  scratch_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tayfa-pods-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~scratch_folder() { std::filesystem::remove_all(path_); }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// 32 ones for the first secret, 32 twos for the second, and so on; none at all when it is broken.
class counted_secrets final : public secret_source {
 public:
  void fill(std::span<std::byte> bytes) override {
    if (broken) {
      throw std::system_error{std::make_error_code(std::errc::io_error)};
    }
    ++made_;
    std::fill(bytes.begin(), bytes.end(), std::byte{made_});
  }
  bool broken = false;

 private:
  unsigned char made_ = 0;
};

inline std::string content_of(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Writes it as an editor does, with a mode that only the owner may use.
inline void put(const std::string& path, const std::string& text, unsigned mode = 0600) {
  std::ofstream{path, std::ios::binary} << text;
  ::chmod(path.c_str(), mode);
}

inline unsigned mode_of(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 ? about.st_mode & 07777U : 0;
}

} // namespace tayfa::pods::test
