#include "runtime/engine/torch/unpack_folder.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tayfa::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kib = 1'024;

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
  /// Result of `body` (0: as expected) in a process where TMPDIR is a tmpfs of its own.
  int on_tmpfs(unsigned long flags, const char* options, const std::function<int()>& body) {
    return in_a_fork([&] {
      const bool mounted = ::unshare(CLONE_NEWNS) == 0 &&
                           ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                           ::mount("tmpfs", root_.c_str(), "tmpfs", flags, options) == 0;
      return mounted ? body() : 99;
    });
  }
  static int in_a_fork(const std::function<int()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::_exit(body());
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  /// 0 when making it fails with this code and a text with these words.
  static int refused(std::uint64_t bytes, errc code, const std::string& words) {
    const auto folder = unpack_folder::make(bytes);
    if (folder) {
      return 1;
    }
    const auto& why = folder.error();
    std::fprintf(stderr, "%s\n", why.str().c_str());
    const bool no_path = why.text.find("/") == std::string::npos; // clients read it
    return why.code == code && why.text.find(words) != std::string::npos && no_path ? 0 : 2;
  }
  std::string root_;
};

#define NEEDS_ROOT()                                                                               \
  if (::geteuid() != 0) {                                                                          \
    GTEST_SKIP() << "needs root, to mount a file system";                                          \
  }

TEST_F(UnpackFolder, GoesWithItsOwnerAndWhatIsInIt) {
  {
    const auto folder = unpack_folder::make(1);
    ASSERT_TRUE(folder) << folder.error().str();
    folder->lend([&] { EXPECT_EQ(::getenv("TMPDIR"), folder->path()); });
    EXPECT_EQ(::getenv("TMPDIR"), root_);
    fs::create_directories(folder->path() + "/a/b");
    std::ofstream{folder->path() + "/a/b/c"} << "x";
    EXPECT_EQ(folders(), 1u);
  }
  EXPECT_EQ(folders(), 0u);
}

TEST_F(UnpackFolder, APlaceThatIsNotThereIsUnfit) {
  ::setenv("TMPDIR", (root_ + "/nowhere").c_str(), 1);
  EXPECT_EQ(refused(1, errc::unfit, "No such file"), 0);
}

TEST_F(UnpackFolder, TheVariableIsPutBackWhenTheBodyThrows) {
  const auto folder = unpack_folder::make(1);
  EXPECT_THROW(folder->lend([] { throw 1; }), int);
  EXPECT_EQ(::getenv("TMPDIR"), root_);
}

TEST_F(UnpackFolder, NoRoomPassesAndIsToldInNumbers) {
  NEEDS_ROOT();
  EXPECT_EQ(on_tmpfs(0, "size=1024k",
                     [] {
                       return refused(4'096 * kib, errc::unavailable, "4 MiB are needed") +
                              (unpack_folder::make(100 * kib) ? 0 : 4);
                     }),
            0);
  EXPECT_EQ(refused(std::uint64_t{1} << 60, errc::unavailable, "no room"), 0);
}

TEST_F(UnpackFolder, RoomThatIsUsedUpMeanwhileIsFoundAfterwards) {
  NEEDS_ROOT();
  EXPECT_EQ(on_tmpfs(0, "size=2048k",
                     [this] {
                       const auto folder = unpack_folder::make(1'000 * kib);
                       if (!folder) {
                         return 1;
                       }
                       // Half of it is unpacked, and then another process uses the rest.
                       std::ofstream{folder->path() + "/half"} << std::string(500 * kib, 'x');
                       if (!folder->check()) {
                         return 2;
                       }
                       std::ofstream{root_ + "/other"} << std::string(1'300 * kib, 'x');
                       const auto now = folder->check();
                       return !now && now.error().code == errc::unavailable ? 0 : 3;
                     }),
            0);
}

TEST_F(UnpackFolder, NoInodesAreNoRoom) {
  NEEDS_ROOT();
  const int how =
      on_tmpfs(0, "nr_inodes=12", [] { return refused(1, errc::unavailable, "inodes"); });
  if (how == 1) {
    GTEST_SKIP() << "this system does not count inodes";
  }
  EXPECT_EQ(how, 0);
}

TEST_F(UnpackFolder, AFileSystemWithoutProgramsIsUnfitByName) {
  NEEDS_ROOT();
  EXPECT_EQ(on_tmpfs(MS_NOEXEC, "", [] { return refused(1, errc::unfit, "noexec"); }), 0);
}

TEST_F(UnpackFolder, AReadOnlyOneIsUnfit) {
  NEEDS_ROOT();
  EXPECT_EQ(on_tmpfs(MS_RDONLY, "", [] { return refused(1, errc::unfit, "Read-only"); }), 0);
}

TEST_F(UnpackFolder, AWantOfDescriptorsPasses) {
  EXPECT_EQ(in_a_fork([] {
              const rlimit none{3, 3};
              ::setrlimit(RLIMIT_NOFILE, &none);
              return refused(1, errc::unavailable, "Too many open files");
            }),
            0);
}

} // namespace
} // namespace tayfa::engine
