#include "runtime/engine/torch/unpack_folder.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tayfa::engine {
namespace {

namespace fs = std::filesystem;

class UnpackFolder : public testing::Test {
 protected:
  UnpackFolder() {
    std::string pattern = testing::TempDir() + "tayfa-unpack-test-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
    ::setenv("TMPDIR", root_.c_str(), 1);
  }
  ~UnpackFolder() override {
    ::unsetenv("TMPDIR");
    fs::remove_all(root_);
  }
  std::size_t folders() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator{root_}, fs::directory_iterator{}));
  }
  std::string root_;
};

TEST_F(UnpackFolder, GoesWithItsOwnerAndWhatIsInIt) {
  {
    const auto folder = unpack_folder::make();
    ASSERT_TRUE(folder) << folder.error().str();
    folder->lend([&] { EXPECT_EQ(::getenv("TMPDIR"), folder->path()); });
    EXPECT_EQ(::getenv("TMPDIR"), root_);
    fs::create_directories(folder->path() + "/a/b");
    std::ofstream{folder->path() + "/a/b/c"} << "x";
    EXPECT_EQ(folders(), 1u);
  }
  EXPECT_EQ(folders(), 0u);
}

TEST_F(UnpackFolder, WhatAKilledProcessLeftIsRemovedAndWhatALivingOneHoldsIsNot) {
  const auto held = unpack_folder::make();
  ASSERT_TRUE(held);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto folder = unpack_folder::make();
    std::ofstream{folder->path() + "/left"} << "x";
    ::_exit(folder ? 0 : 1); // as by a kill: nothing is cleared
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(folders(), 2u);
  fs::create_directory(root_ + "/tayfa-other");
  const auto next = unpack_folder::make();
  ASSERT_TRUE(next);
  EXPECT_EQ(folders(), 3u) << "the one held, the new one, and what is none of ours";
  EXPECT_TRUE(fs::exists(held->path()));
}

TEST_F(UnpackFolder, APlaceThatCannotBeWrittenIsAnError) {
  ::setenv("TMPDIR", (root_ + "/nowhere").c_str(), 1);
  const auto folder = unpack_folder::make();
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, errc::unfit);
}

TEST_F(UnpackFolder, TheVariableIsPutBackWhenTheBodyThrows) {
  const auto folder = unpack_folder::make();
  EXPECT_THROW(folder->lend([] { throw 1; }), int);
  EXPECT_EQ(::getenv("TMPDIR"), root_);
}

} // namespace
} // namespace tayfa::engine
