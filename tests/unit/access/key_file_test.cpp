#include "runtime/access/key_file.hpp"

#include "tests/unit/access/support.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace tayfa::access {
namespace {

errc code_of(const std::string& path) {
  const auto file = read_key_file(path);
  return file ? errc::internal : file.error().code;
}

TEST(read_key_file, refuses_what_others_may_see) {
  const scratch_folder here;
  const auto path = here / "keys";
  write_private(path, "text");
  EXPECT_EQ(read_key_file(path)->text, "text");
  EXPECT_EQ(read_key_file(path)->stamp, stamp_of(path));
  write_private(path, "text", 0400);
  EXPECT_TRUE(read_key_file(path));
  for (const unsigned mode : {0640U, 0604U, 0620U, 0602U, 0610U, 0644U, 0666U}) {
    write_private(path, "text", mode);
    EXPECT_EQ(code_of(path), errc::bad_config) << mode;
    EXPECT_NE(read_key_file(path).error().text.find("chmod 600 " + path), std::string::npos);
  }
}

TEST(read_key_file, refuses_what_is_no_keys_file) {
  const scratch_folder here;
  EXPECT_EQ(code_of(here / "nothing"), errc::not_found);
  EXPECT_EQ(code_of(here.path().string()), errc::bad_config);
  ASSERT_EQ(::mkfifo((here / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(code_of(here / "pipe"), errc::bad_config); // and does not wait for a writer
  write_private(here / "large", std::string(keys_bytes_max + 1, '#'));
  EXPECT_EQ(code_of(here / "large"), errc::bad_config);
  write_private(here / "largest", std::string(keys_bytes_max, '#'));
  EXPECT_EQ(read_key_file(here / "largest")->text.size(), keys_bytes_max);
  std::filesystem::create_symlink(here / "largest", here / "link"); // how secrets are mounted
  EXPECT_TRUE(read_key_file(here / "link"));
}

/// A volume of Kubernetes: what is there is swapped as a whole by one link.
struct secret_volume {
  const scratch_folder& here;
  void put(const std::string& version, const std::string& text, unsigned mode) const {
    std::filesystem::create_directories(here / version);
    write_private(here / (version + "/keys"), text, mode);
    std::filesystem::remove(here / "..fresh");
    std::filesystem::create_symlink(version, here / "..fresh");
    std::filesystem::rename(here / "..fresh", here / "..data");
  }
};

TEST(read_key_file, a_mounted_secret_may_be_read_by_others_and_is_remarked_on) {
  const scratch_folder here;
  const secret_volume volume{here};
  volume.put("..2026_1", "one", 0644); // defaultMode
  std::filesystem::create_symlink("..data/keys", here / "keys");
  const auto first = read_key_file(here / "keys");
  ASSERT_TRUE(first) << first.error().str();
  EXPECT_EQ(first->text, "one");
  EXPECT_NE(first->remark.find("may be read by other users"), std::string::npos);
  volume.put("..2026_2", "two", 0440); // with an fsGroup
  EXPECT_NE(stamp_of(here / "keys"), first->stamp);
  EXPECT_EQ(read_key_file(here / "keys")->text, "two");
  volume.put("..2026_3", "three", 0400);
  EXPECT_EQ(read_key_file(here / "keys")->remark, "");
  for (const unsigned mode : {0664U, 0646U, 0666U, 0420U}) {
    volume.put("..2026_4", "four", mode);
    EXPECT_EQ(code_of(here / "keys"), errc::bad_config) << "others may write it: " << mode;
  }
}

TEST(read_key_file, a_file_without_write_permission_counts_as_mounted_too) {
  const scratch_folder here;
  for (const unsigned mode : {0444U, 0440U}) { // a secret of Docker
    write_private(here / "keys", "text", mode);
    ASSERT_TRUE(read_key_file(here / "keys")) << mode;
    EXPECT_NE(read_key_file(here / "keys")->remark, "") << mode;
  }
}

TEST(read_key_file, of_another_user_only_root_takes_what_is_mounted) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root, to give a file away";
  }
  const scratch_folder here;
  write_private(here / "keys", "text", 0600);
  ASSERT_EQ(::chown((here / "keys").c_str(), 23'460, 23'460), 0);
  EXPECT_EQ(code_of(here / "keys"), errc::bad_config);
  std::filesystem::create_symlink("keys", here / "mounted");
  ASSERT_TRUE(read_key_file(here / "mounted"));
  EXPECT_NE(read_key_file(here / "mounted")->remark, "");
}

TEST(read_key_file, a_byte_order_mark_is_no_part_of_it_and_utf16_is_named) {
  const scratch_folder here;
  write_private(here / "keys", "\xef\xbb\xbfname=a");
  EXPECT_EQ(read_key_file(here / "keys")->text, "name=a");
  write_private(here / "keys", std::string{"\xff\xfen\0a\0", 6});
  const auto wide = read_key_file(here / "keys");
  ASSERT_FALSE(wide);
  EXPECT_EQ(wide.error().code, errc::bad_config);
  EXPECT_NE(wide.error().text.find("it is UTF-16; save it as UTF-8"), std::string::npos);
}

TEST(change_key_file, makes_it_for_the_owner_alone) {
  const scratch_folder here;
  const auto path = here / "made/for/it/keys";
  ASSERT_TRUE(change_key_file(path, [](const std::string& before) -> result<std::string> {
    EXPECT_EQ(before, "");
    return "one\n";
  }));
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
  ASSERT_TRUE(change_key_file(
      path, [](const std::string& before) -> result<std::string> { return before + "two\n"; }));
  EXPECT_EQ(read_key_file(path)->text, "one\ntwo\n");
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST(change_key_file, changes_nothing_when_it_may_not) {
  const scratch_folder here;
  const auto path = here / "keys";
  write_private(path, "text");
  const auto before = stamp_of(path);
  const auto refused = change_key_file(
      path, [](const std::string&) -> result<std::string> { return fail(errc::bad_usage, "no"); });
  EXPECT_EQ(refused.error().text, "no");
  EXPECT_EQ(stamp_of(path), before);
  write_private(path, "text", 0644);
  EXPECT_EQ(
      change_key_file(path, [](std::string t) -> result<std::string> { return t; }).error().code,
      errc::bad_config);
  // A file left by an interrupted change, readable by all.
  write_private(path, "text");
  write_private(path + ".new", "rest", 0666);
  ASSERT_TRUE(change_key_file(path, [](std::string t) -> result<std::string> { return t; }));
  EXPECT_EQ(read_key_file(path)->text, "text");
}

TEST(change_key_file, two_changes_at_a_time_are_both_there) {
  const scratch_folder here;
  const auto path = here / "keys";
  std::vector<std::thread> writers;
  std::atomic<int> failures{0};
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&path, &failures] {
      for (int n = 0; n < 5; ++n) {
        const auto changed = change_key_file(
            path, [](const std::string& t) -> result<std::string> { return t + "x\n"; });
        failures += changed ? 0 : 1;
      }
    });
  }
  for (auto& each : writers) {
    each.join();
  }
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(read_key_file(path)->text.size(), 40U);
}

} // namespace
} // namespace tayfa::access
