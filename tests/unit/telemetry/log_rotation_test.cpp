// A log file whose name is given to another file, as logrotate does it.
#include "runtime/telemetry/line_sink.hpp"
#include "runtime/telemetry/log.hpp"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace tayfa {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

struct log_rotation : testing::Test {
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "tayfa-rotation-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    file = folder + "/pod.log";
    log = std::move(*make_log({log_level::info, log_format::text, file}));
  }
  ~log_rotation() override { fs::remove_all(folder); }

  static std::string read(const std::string& path) {
    std::ifstream in{path};
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  static mode_t mode_of(const std::string& path) {
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0 ? about.st_mode & 0777 : 0;
  }

  std::string folder;
  std::string file;
  std::unique_ptr<event_log> log;
};

TEST_F(log_rotation, asked_for_the_next_line_goes_to_a_new_file_of_the_old_name) {
  log->info("before");
  fs::rename(file, file + ".1");
  reopen_log_files();
  log->info("after");
  EXPECT_THAT(read(file + ".1"), HasSubstr("before"));
  EXPECT_THAT(read(file + ".1"), Not(HasSubstr("after")));
  EXPECT_THAT(read(file), HasSubstr("after"));
}

TEST_F(log_rotation, it_is_seen_by_itself_within_a_second_or_so) {
  fs::rename(file, file + ".1");
  for (int i = 0; i < 600 && !fs::exists(file); ++i) {
    log->info("line");
    ::poll(nullptr, 0, 100);
  }
  EXPECT_THAT(read(file), HasSubstr("line"));
}

TEST_F(log_rotation, a_file_that_was_made_ready_is_taken_as_it_is) {
  fs::rename(file, file + ".1");
  std::ofstream{file} << "ready\n"; // logrotate's "create"
  ::chmod(file.c_str(), 0604);
  reopen_log_files();
  log->info("after");
  EXPECT_THAT(read(file), HasSubstr("ready\n"));
  EXPECT_THAT(read(file), HasSubstr("after"));
  EXPECT_EQ(mode_of(file), 0604U);
}

TEST_F(log_rotation, the_new_file_has_the_old_ones_mode_whatever_the_umask) {
  ::chmod(file.c_str(), 0644);
  fs::remove(file);
  const auto before = ::umask(077);
  reopen_log_files();
  log->info("after");
  ::umask(before);
  EXPECT_EQ(mode_of(file), 0644U);
}

TEST_F(log_rotation, without_a_place_for_a_new_file_the_old_one_goes_on) {
  fs::rename(file, folder + "/kept.log");
  fs::create_directory(file); // the name is taken by what cannot be opened
  reopen_log_files();
  log->info("after");
  EXPECT_THAT(read(folder + "/kept.log"), HasSubstr("after"));
  fs::remove(file);
  reopen_log_files();
  log->info("later");
  EXPECT_THAT(read(file), HasSubstr("later"));
}

TEST_F(log_rotation, a_file_that_stays_is_not_opened_again) {
  struct stat first {};
  ASSERT_EQ(::stat(file.c_str(), &first), 0);
  reopen_log_files();
  log->info("one");
  log->info("two");
  struct stat now {};
  ASSERT_EQ(::stat(file.c_str(), &now), 0);
  EXPECT_EQ(now.st_ino, first.st_ino);
  EXPECT_THAT(read(file), HasSubstr("one"));
  EXPECT_THAT(read(file), HasSubstr("two"));
}

} // namespace
} // namespace tayfa
