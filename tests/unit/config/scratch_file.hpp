// A configuration file of a test, in a folder of its own that goes with it.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdlib.h>
#include <string>
#include <string_view>

namespace tayfa {

class scratch_file {
 public:
  explicit scratch_file(std::string_view content) {
    std::string name = (std::filesystem::temp_directory_path() / "tayfa-config-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    std::ofstream{path(), std::ios::binary} << content;
  }
  ~scratch_file() { std::filesystem::remove_all(folder_); }
  scratch_file(const scratch_file&) = delete;
  scratch_file& operator=(const scratch_file&) = delete;

  std::string path() const { return (folder_ / "tayfa.toml").string(); }
  std::string folder() const { return folder_.string(); }

 private:
  std::filesystem::path folder_;
};

} // namespace tayfa
