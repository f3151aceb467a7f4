// Permissions of the data folder: what is refused and what is corrected.
#include "runtime/host/data_folder.hpp"
#include "runtime/host/leftovers.hpp"
#include "runtime/host/signals.hpp"
#include "tests/unit/host/fixture.hpp"

#include <gmock/gmock.h>
#include <sys/wait.h>

namespace tayfa::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct data_folder_test : testing::Test {
  folder home;
  std::string data = home.path() + "/data";

  void make(mode_t mode) { make_folder(data, mode); }
  static void make_folder(const std::string& path, mode_t mode) {
    ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }
  static void make_file(const std::string& path, mode_t mode) {
    std::ofstream{path} << "x";
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }
  static mode_t mode_of(const std::string& path) {
    struct stat about {};
    EXPECT_EQ(::lstat(path.c_str(), &about), 0) << path;
    return about.st_mode & 07777;
  }
};

TEST_F(data_folder_test, a_folder_of_ones_own_is_taken_without_a_word) {
  for (const mode_t mode : {0700U, 0750U, 0755U}) {
    make(mode);
    const auto said = secure_data_folder(data, false);
    ASSERT_TRUE(said.has_value()) << said.error().str();
    EXPECT_THAT(*said, IsEmpty());
    EXPECT_EQ(mode_of(data), mode) << "who may look at the names is the owner's affair";
    ::rmdir(data.c_str());
  }
}

TEST_F(data_folder_test, a_folder_that_every_user_may_write_to_is_refused) {
  make(0777);
  const auto refused = data_folder_lock::acquire(data);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::bad_config);
  EXPECT_THAT(refused.error().text, HasSubstr("0777"));
  EXPECT_THAT(refused.error().text, HasSubstr("pod.allow_shared_data"));
  EXPECT_NE(::access((data + "/lock").c_str(), F_OK), 0) << "nothing was made in it";
}

TEST_F(data_folder_test, when_it_is_allowed_it_is_said) {
  make(0777);
  const auto lock = data_folder_lock::acquire(data, true);
  ASSERT_TRUE(lock.has_value()) << lock.error().str();
  EXPECT_THAT(lock->remarks(), ElementsAre(HasSubstr("others may change")));
}

TEST_F(data_folder_test, a_group_that_may_write_is_said) {
  make(0770);
  const auto said = secure_data_folder(data, false);
  ASSERT_TRUE(said.has_value()) << said.error().str();
  EXPECT_THAT(*said, ElementsAre(HasSubstr("its group may replace")));
}

TEST_F(data_folder_test, with_the_sticky_bit_others_may_only_add) {
  make(01777);
  const auto said = secure_data_folder(data, false);
  ASSERT_TRUE(said.has_value()) << said.error().str();
  EXPECT_THAT(*said, ElementsAre(HasSubstr("every user may make files")));
}

TEST_F(data_folder_test, loose_modes_inside_are_put_right_and_said) {
  make(0755);
  make_folder(data + "/store", 0755);
  make_folder(data + "/run", 0777);
  make_file(data + "/lock", 0644);
  make_file(data + "/keys", 0644);
  make_file(data + "/store/jobs.sqlite", 0666);
  const auto said = secure_data_folder(data, false);
  ASSERT_TRUE(said.has_value()) << said.error().str();
  EXPECT_EQ(said->size(), 4U);
  EXPECT_EQ(mode_of(data + "/store"), 0700U);
  EXPECT_EQ(mode_of(data + "/run"), 0700U);
  EXPECT_EQ(mode_of(data + "/lock"), 0600U);
  EXPECT_EQ(mode_of(data + "/keys"), 0644U) << "whose owner must know that others could read it";
  EXPECT_EQ(mode_of(data + "/store/jobs.sqlite"), 0600U);
  EXPECT_THAT(*secure_data_folder(data, false), IsEmpty()) << "once is enough";
}

TEST_F(data_folder_test, a_link_inside_is_not_followed) {
  make(0700);
  make_file(home.path() + "/elsewhere", 0644);
  ASSERT_EQ(::symlink((home.path() + "/elsewhere").c_str(), (data + "/lock").c_str()), 0);
  ASSERT_TRUE(secure_data_folder(data, false).has_value());
  EXPECT_EQ(mode_of(home.path() + "/elsewhere"), 0644U);
}

TEST_F(data_folder_test, a_folder_above_that_others_may_rename_in_is_said) {
  ASSERT_EQ(::chmod(home.path().c_str(), 0777), 0);
  make(0700);
  const auto said = secure_data_folder(data, false);
  ASSERT_TRUE(said.has_value()) << said.error().str();
  EXPECT_THAT(*said, ElementsAre(HasSubstr("may be replaced by others")));
}

TEST_F(data_folder_test, what_another_user_has_laid_ready_is_refused) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root, to be two users";
  }
  make(01777);
  make_folder(data + "/store", 0755);
  ASSERT_EQ(::chown((data + "/store").c_str(), 23'456, 23'456), 0);
  const auto child = [&](uid_t user) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::chmod(home.path().c_str(), 0755);
      const bool changed = user == 0 || ::setuid(user) == 0;
      ::_exit(!changed ? 2 : secure_data_folder(data, false).has_value() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(child(23'457), 1);
  EXPECT_EQ(child(23'456), 0) << "its own";
  EXPECT_EQ(child(0), 0) << "root has chosen it: said only";
}

TEST_F(data_folder_test, the_list_of_engines_is_for_its_owner_alone) {
  make(0700);
  const auto before = ::umask(0);
  remembering_log log;
  write_pid_file(data + "/engines-1.pids", {}, {}, log);
  ::umask(before);
  EXPECT_EQ(mode_of(data + "/engines-1.pids"), 0600U);
}

} // namespace
} // namespace tayfa::test
