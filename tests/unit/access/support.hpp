// A clock that stands still until it is advanced, and a folder that is removed with its test.
#pragma once

#include "runtime/access/keys.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/secrets.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdlib.h>
#include <string>
#include <string_view>
#include <sys/stat.h>

namespace tayfa::access {

class manual_time final : public time_source {
 public:
  moment now() const override { return now_; }
  std::chrono::system_clock::time_point wall() const override { return {}; }
  void pass(std::chrono::nanoseconds time) { now_ += time; }

 private:
  moment now_{std::chrono::hours{1}};
};

class scratch_folder {
 public:
  scratch_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tayfa-access-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~scratch_folder() { std::filesystem::remove_all(folder_); }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;

  std::string operator/(const std::string& name) const { return (folder_ / name).string(); }
  const std::filesystem::path& path() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

/// 32 ones for the first key, 32 twos for the second, and so on.
class counted_secrets final : public secret_source {
 public:
  void fill(std::span<std::byte> bytes) override {
    ++made_;
    std::fill(bytes.begin(), bytes.end(), std::byte{made_});
  }

 private:
  unsigned char made_ = 0;
};

/// Always a new file, as an editor and `tayfa key` make one.
inline void write_private(const std::string& path, std::string_view text, unsigned mode = 0600) {
  const std::string fresh = path + ".test";
  std::ofstream{fresh, std::ios::binary} << text;
  ::chmod(fresh.c_str(), mode);
  std::filesystem::rename(fresh, path);
}

inline std::string line_of(const std::string& fields, std::string_view key) {
  access_key only;
  only.name = "x";
  only.client = true;
  only.digest = *digest_of(key);
  const auto line = *key_line(only);
  return fields + line.substr(line.find(" sha256=")) + "\n";
}

} // namespace tayfa::access
