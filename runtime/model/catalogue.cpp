#include "runtime/model/catalogue.hpp"

#include "runtime/model/model_file.hpp"

#include <filesystem>

namespace tayfa {

namespace {

constexpr std::uint64_t manifest_file_max = std::uint64_t{256} << 10;

/// Error texts name the file without its folders, which clients must not see.
error about(const std::string& name, error why) {
  why.text = name + ": " + why.text;
  return why;
}

} // namespace

result<model_entry> inspect_model(const std::string& path) {
  std::error_code ec;
  const auto absolute = std::filesystem::absolute(path, ec);
  if (path.empty() || path.find('\0') != std::string::npos || ec) {
    return fail(errc::model_invalid, "the path of a model must not be empty");
  }
  const auto name = absolute.filename().string();
  const auto file = model_file::open(absolute.string());
  if (!file) {
    return fail(about(name, file.error()));
  }
  const auto beside = model_file::open(absolute.string() + ".manifest.json", manifest_file_max);
  if (!beside) {
    auto why = about(name + ".manifest.json", beside.error());
    if (!std::filesystem::exists(absolute.string() + ".manifest.json", ec) && !ec) {
      why.text += "; a model needs its manifest beside it, which tayfa_manifest.py writes "
                  "(docs/models.md)";
    }
    return fail(std::move(why));
  }
  auto text = beside->read_all();
  if (!text) {
    return fail(about(name + ".manifest.json", text.error()));
  }
  const auto manifest = parse_manifest(*text);
  if (!manifest) {
    return fail(about(name, manifest.error()));
  }
  if (const auto checked = file->matches(*manifest); !checked) {
    return fail(about(name, checked.error()));
  }
  return model_entry{manifest->name, absolute.string(), std::move(*text), file->size(),
                     manifest->kind};
}

} // namespace tayfa
