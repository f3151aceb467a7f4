#include "runtime/model/model_file.hpp"

#include "runtime/model/catalogue.hpp"
#include "runtime/model/zip_listing.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace tayfa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* tensors = R"(
  "inputs":[{"name":"x","dtype":"float32","shape":[1]}],
  "outputs":[{"name":"y","dtype":"float32","shape":[1]}])";

class ModelFile : public testing::Test {
 protected:
  /// Refused as model_invalid with this reason, and without a word about where the file lies.
  void expect_refused(const std::string& path, const char* reason) const {
    const auto entry = inspect_model(path);
    ASSERT_FALSE(entry);
    EXPECT_EQ(entry.error().code, errc::model_invalid);
    EXPECT_THAT(entry.error().text, HasSubstr(reason));
    EXPECT_THAT(entry.error().text, Not(HasSubstr(folder.path(""))));
  }

  model_folder folder;
};

TEST_F(ModelFile, AGoodOneIsNamedAndMeasured) {
  const auto path = folder.script("good", tensors);
  const auto entry = inspect_model(path);
  ASSERT_TRUE(entry) << entry.error().str();
  EXPECT_EQ(entry->name, "good");
  EXPECT_EQ(entry->path, path);
  EXPECT_EQ(entry->manifest, folder.manifest_of(path));
  EXPECT_EQ(entry->bytes, zip::torchscript().size());
}

TEST_F(ModelFile, TheKindIsToldByContentWhateverTheName) {
  EXPECT_TRUE(inspect_model(folder.model("p", "aot_inductor", zip::aot_inductor(), tensors)));
  expect_refused(folder.model("q", "torchscript", zip::aot_inductor(), tensors),
                 "content is aot_inductor, the manifest says torchscript");
  expect_refused(folder.model("r", "aot_inductor", zip::torchscript(), tensors),
                 "content is torchscript, the manifest says aot_inductor");
}

TEST_F(ModelFile, OtherFormatsAreRefusedByWhatTheyAre) {
  const auto refused = [&](const std::string& bytes, const char* reason) {
    expect_refused(folder.model("other", "torchscript", bytes, tensors), reason);
  };
  const std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  std::string safetensors;
  zip::little(safetensors, header.size(), 8);
  refused(safetensors + header + "1234", "safetensors");
  refused(std::string("\x80\x02}q\x00.", 6), "pickle");
  refused(zip::archive({"w/data.pkl", "w/data/0", "w/version"}), "pickled weights");
  refused(zip::archive({"w/data.pkl", "w/data/0", "w/version"}), "torch.jit.script");
  // torch.export.save, of today and of older versions.
  for (const char* member : {"m/models/model.json", "m/serialized_exported_program.json"}) {
    refused(zip::archive({"m/archive_format", "m/data/weights/weight_0", member}),
            "aoti_compile_and_package(torch.export.load(FILE)");
  }
  refused("\x08\x0a\x12\x07pytorch and so on", "ONNX");
  refused(std::string("GGUF\x03\0\0\0 and so on", 18), "GGUF");
  refused("version https://git-lfs.github.com/spec/v1", "git lfs pull");
  refused(zip::archive({"word/document.xml"}), "no TorchScript or AOTInductor");
  refused(zip::archive({"constants.pkl", "code/x.py"}), "no TorchScript or AOTInductor");
  refused(zip::archive({"a/constants.pkl", "b/code/x.py"}), "no TorchScript or AOTInductor");
  refused(
      zip::archive({"m/constants.pkl", "m/code/x.py", "m/archive_format", "m/data/aotinductor/x"}),
      "at once");
  refused("\x7f"
          "ELF",
          "neither");
  refused("P", "neither");
}

TEST_F(ModelFile, AWrongHashIsRefused) {
  const auto path = folder.script("good", tensors);
  auto bytes = zip::torchscript();
  bytes[8] = 1;
  folder.write("good.pt", bytes);
  expect_refused(path, "SHA-256");
}

TEST_F(ModelFile, ACutOffOneIsRefusedAtEveryLength) {
  const auto path = folder.script("good", tensors);
  const auto bytes = zip::torchscript();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    folder.write("good.pt", bytes.substr(0, length));
    const auto entry = inspect_model(path);
    ASSERT_FALSE(entry) << length;
    ASSERT_EQ(entry.error().code, errc::model_invalid);
  }
}

TEST_F(ModelFile, OnlyRegularFilesAreOpened) {
  const auto target = folder.script("target", tensors);
  folder.write("link.pt.manifest.json", folder.manifest_of(target));
  ASSERT_EQ(::symlink(target.c_str(), folder.path("link.pt").c_str()), 0);
  const auto linked = inspect_model(folder.path("link.pt"));
  ASSERT_TRUE(linked) << linked.error().str();
  EXPECT_EQ(linked->bytes, zip::torchscript().size()) << "caches and mounted volumes hold links";
  ASSERT_EQ(::symlink("nowhere.pt", folder.path("lost.pt").c_str()), 0);
  expect_refused(folder.path("lost.pt"), "no such file");
  ASSERT_EQ(::symlink("round.pt", folder.path("round.pt").c_str()), 0);
  expect_refused(folder.path("round.pt"), "lead nowhere");
  ASSERT_EQ(::symlink("/dev/zero", folder.path("device.pt").c_str()), 0);
  expect_refused(folder.path("device.pt"), "not a regular file");
  ASSERT_EQ(::mkfifo(folder.path("pipe.pt").c_str(), 0600), 0);
  expect_refused(folder.path("pipe.pt"), "not a regular file");
  ASSERT_EQ(::mkdir(folder.path("folder.pt").c_str(), 0700), 0);
  expect_refused(folder.path("folder.pt"), "not a regular file");
  expect_refused("/dev/zero", "not a regular file");
  expect_refused(folder.path("none.pt"), "no such file");
  expect_refused(target + "/below", "no such file");
  expect_refused("", "path");
  expect_refused(std::string{"a\0b", 3}, "path");
}

TEST_F(ModelFile, TheManifestIsOpenedAsCarefully) {
  const auto path = folder.script("good", tensors);
  const auto beside = path + ".manifest.json";
  const auto text = folder.manifest_of(path);
  ::unlink(beside.c_str());
  expect_refused(path, "good.pt.manifest.json: there is no such file; a model needs its manifest "
                       "beside it, which tayfa_manifest.py writes (docs/models.md)");
  folder.write("real.json", text);
  ASSERT_EQ(::symlink(folder.path("real.json").c_str(), beside.c_str()), 0);
  EXPECT_TRUE(inspect_model(path));
  ::unlink(beside.c_str());
  ASSERT_EQ(::mkfifo(beside.c_str(), 0600), 0);
  expect_refused(path, "not a regular file");
  ::unlink(beside.c_str());
  folder.write("good.pt.manifest.json", std::string(300'000, ' ') + text);
  expect_refused(path, "larger than");
  folder.write("good.pt.manifest.json", "");
  expect_refused(path, "empty");
  folder.write("good.pt.manifest.json", "{}");
  expect_refused(path, "format");
}

TEST_F(ModelFile, IsPinnedAndAChangeIsNoticed) {
  const auto path = folder.script("good", tensors);
  const auto file = model_file::open(path);
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->unchanged());
  // Another file under the same name is not this file.
  folder.write("new.pt", "something else");
  ASSERT_EQ(::rename(folder.path("new.pt").c_str(), path.c_str()), 0);
  EXPECT_EQ(model_folder::read(file->pinned_path()), zip::torchscript());
  folder.append(file->pinned_path(), "x");
  EXPECT_FALSE(file->unchanged());
}

TEST_F(ModelFile, TheHashIsThatOfOthers) {
  EXPECT_EQ(model_file::open(folder.write("abc", "abc"))->sha256(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // Longer than one chunk of reading: 3 MiB of 'a'.
  const auto large = model_file::open(folder.write("a", std::string(std::size_t{3} << 20, 'a')));
  EXPECT_EQ(large->sha256(), "6f850bc94ae6f7de14297c01616c36d712d22864497b28a63b81d776b035e656");
}

// ---- the zip reader ---------------------------------------------------------------------------

struct listing {
  result<void> outcome;
  std::vector<std::string> names;
};

listing list(const std::string& bytes) {
  listing out;
  out.outcome = list_zip(
      bytes.size(),
      [&bytes](std::uint64_t offset, std::span<char> into) {
        if (offset > bytes.size() || into.size() > bytes.size() - offset) {
          return false;
        }
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
        return true;
      },
      [&out](std::string_view name) { out.names.emplace_back(name); });
  return out;
}

TEST(ZipListing, NamesMembersInOrderWithCommentsAndZip64) {
  for (const bool wide : {false, true}) {
    for (const std::string comment :
         {"", "PK\x05\x06 in a comment that is long enough to be one"}) {
      const auto found = list(zip::archive({"a", "b/c", ""}, wide, comment));
      EXPECT_TRUE(found.outcome) << found.outcome.error().str();
      EXPECT_THAT(found.names, ElementsAre("a", "b/c", ""));
    }
  }
  EXPECT_TRUE(list(zip::archive({})).outcome);
}

TEST(ZipListing, MutantsNeverReadOutsideOrCrash) {
  std::mt19937_64 random{4'711};
  for (const bool wide : {false, true}) {
    const auto good = zip::archive({"m/constants.pkl", "m/code/a.py", "m/data.pkl"}, wide, "note");
    for (int i = 0; i < 20'000; ++i) {
      auto mutant = good;
      for (auto changes = 1 + random() % 3; changes > 0; --changes) {
        mutant[random() % mutant.size()] = static_cast<char>(random() % 3 == 0 ? 0xff : random());
      }
      const auto found = list(mutant);
      ASSERT_LE(found.names.size(), 4u);
    }
  }
}

} // namespace
} // namespace tayfa
