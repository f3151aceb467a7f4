// A test's own folder, with archives that look like models: real zip files (stored, no compression)
// with the members that identify the kind, and manifests with the right hash.
#pragma once

#include "runtime/model/model_file.hpp"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

namespace zip {

inline void little(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out += static_cast<char>(i < 8 ? value >> (8 * i) & 255 : 0);
  }
}

/// A zip of empty members; with `wide`, a zip64 end record says where the directory is.
inline std::string archive(const std::vector<std::string>& names, bool wide = false,
                           const std::string& comment = "") {
  std::string out;
  std::string directory;
  for (const auto& name : names) {
    const auto offset = out.size();
    out += "PK\x03\x04";
    little(out, 0, 22);
    little(out, name.size(), 2);
    little(out, 0, 2);
    out += name;
    directory += "PK\x01\x02";
    little(directory, 0, 24);
    little(directory, name.size(), 2);
    little(directory, 0, 12);
    little(directory, offset, 4);
    directory += name;
  }
  const auto start = out.size();
  out += directory;
  if (wide) {
    const auto end64 = out.size();
    out += "PK\x06\x06";
    little(out, 44, 8);
    little(out, 0, 12);
    little(out, names.size(), 8);
    little(out, names.size(), 8);
    little(out, directory.size(), 8);
    little(out, start, 8);
    out += "PK\x06\x07";
    little(out, 0, 4);
    little(out, end64, 8);
    little(out, 1, 4);
  }
  out += "PK\x05\x06";
  little(out, 0, 4);
  little(out, wide ? 0xffff : names.size(), 2);
  little(out, wide ? 0xffff : names.size(), 2);
  little(out, wide ? 0xffffffff : directory.size(), 4);
  little(out, wide ? 0xffffffff : start, 4);
  little(out, comment.size(), 2);
  return out + comment;
}

inline std::string torchscript() {
  return archive({"m/data.pkl", "m/code/__torch__.py", "m/constants.pkl", "m/version"});
}

inline std::string aot_inductor() {
  return archive({"m/data/aotinductor/model/a.wrapper.so", "m/archive_format", "m/version"});
}

} // namespace zip

class model_folder {
 public:
  model_folder() {
    std::string pattern = testing::TempDir() + "tayfa-model-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
  }
  ~model_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  model_folder(const model_folder&) = delete;
  model_folder& operator=(const model_folder&) = delete;

  std::string path(const std::string& name) const { return root_ + "/" + name; }

  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream{path(name), std::ios::binary} << bytes;
    return path(name);
  }

  static void append(const std::string& file, std::string_view bytes) {
    std::ofstream{file, std::ios::binary | std::ios::app} << bytes;
  }

  static std::string read(const std::string& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  static std::string manifest_of(const std::string& model) {
    return read(model + ".manifest.json");
  }

  /// Writes the model's bytes and a manifest with their hash; `tensors` is the part with inputs and
  /// outputs.
  std::string model(const std::string& name, std::string_view kind, std::string_view bytes,
                    std::string_view tensors) const {
    const auto file = write(name + ".pt", bytes);
    const auto digest = model_file::open(file)->sha256().value();
    write(name + ".pt.manifest.json", R"({"format":1,"name":")" + name + R"(","kind":")" +
                                          std::string{kind} + R"(","sha256":")" + digest +
                                          R"(","device":"any",)" + std::string{tensors} + "}");
    return file;
  }
  std::string script(const std::string& name, std::string_view tensors) const {
    return model(name, "torchscript", zip::torchscript(), tensors);
  }

 private:
  std::string root_;
};

} // namespace tayfa
