// Folders that go as a whole, whatever is in them.
#include "runtime/host/temporary_folder.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tayfa {
namespace {

namespace fs = std::filesystem;

struct temporary_folder_test : testing::Test {
  fs::path root = fs::temp_directory_path() / ("tayfa-temporary-" + std::to_string(::getpid()));
  std::string folder = root / "base" / "0.1";

  temporary_folder_test() { fs::create_directories(root); }
  ~temporary_folder_test() override { fs::remove_all(root); }
  static void write(const fs::path& path) { std::ofstream{path} << "text"; }
};

TEST_F(temporary_folder_test, is_made_for_this_user_alone) {
  ::umask(0);
  ASSERT_TRUE(make_private_folder(folder));
  struct stat about {};
  ASSERT_EQ(::stat(folder.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
  ::chmod(folder.c_str(), 0777);
  ASSERT_TRUE(make_private_folder(folder)) << "it may be there";
  ::stat(folder.c_str(), &about);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
  ::umask(022);
}

TEST_F(temporary_folder_test, never_is_a_folder_that_another_user_has_put_in_its_place) {
  fs::create_directories(root / "elsewhere");
  fs::create_directories(root / "base");
  fs::create_symlink(root / "elsewhere", folder);
  EXPECT_FALSE(make_private_folder(folder)) << "a link";
  fs::remove(folder);
  write(folder);
  const auto made = make_private_folder(folder);
  ASSERT_FALSE(made) << "a file";
  EXPECT_NE(made.error().text.find(folder), std::string::npos);
  EXPECT_EQ(made.error().code, errc::io_error);
}

TEST_F(temporary_folder_test, links_are_removed_and_not_followed) {
  ASSERT_TRUE(make_private_folder(folder));
  fs::create_directories(root / "mine/deeper");
  write(root / "mine/file");
  write(root / "mine/deeper/file");
  fs::create_directory_symlink(root / "mine", fs::path{folder} / "link");
  fs::create_symlink(root / "mine/file", fs::path{folder} / "file-link");
  fs::create_directories(fs::path{folder} / "inner");
  fs::create_directory_symlink("../../..", fs::path{folder} / "inner/up");
  ASSERT_EQ(::mkfifo((folder + "/pipe").c_str(), 0600), 0);
  EXPECT_TRUE(remove_tree(folder));
  EXPECT_FALSE(fs::exists(folder));
  EXPECT_TRUE(fs::exists(root / "mine/file"));
  EXPECT_TRUE(fs::exists(root / "mine/deeper/file"));
}

TEST_F(temporary_folder_test, a_link_in_the_folders_own_place_is_left_alone) {
  fs::create_directories(root / "mine");
  write(root / "mine/file");
  fs::create_directories(root / "base");
  fs::create_directory_symlink(root / "mine", folder);
  EXPECT_FALSE(remove_tree(folder));
  EXPECT_TRUE(fs::exists(root / "mine/file"));
}

TEST_F(temporary_folder_test, depth_and_closed_folders_are_no_hindrance) {
  ASSERT_TRUE(make_private_folder(folder));
  int at = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < 1'000; ++i) { // longer than any path
    ASSERT_EQ(::mkdirat(at, "deep", 0700), 0);
    const int next = ::openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ::close(at);
    at = next;
  }
  ::close(at);
  fs::create_directories(folder + "/moved-1/x"); // a name that the remover uses itself
  const pid_t child = ::fork();
  if (child == 0) { // as a user to whom modes apply
    if (::geteuid() == 0 && (::chown(root.c_str(), 23'459, 23'459) != 0 ||
                             ::chown((root / "base").c_str(), 23'459, 23'459) != 0 ||
                             ::chown(folder.c_str(), 23'459, 23'459) != 0 ||
                             ::setgid(23'459) != 0 || ::setuid(23'459) != 0)) {
      ::_exit(2);
    }
    const std::string other = (root / "base" / "0.2").string();
    const bool made =
        ::mkdir(other.c_str(), 0700) == 0 && ::mkdir((other + "/closed").c_str(), 0700) == 0;
    write(other + "/closed/file");
    ::chmod((other + "/closed").c_str(), 0);
    ::chmod(other.c_str(), 0500);
    ::_exit(made && remove_tree(other) && !fs::exists(other) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(remove_tree(folder));
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(temporary_folder_test, what_is_not_there_is_gone) {
  EXPECT_TRUE(remove_tree(folder));
}

} // namespace
} // namespace tayfa
