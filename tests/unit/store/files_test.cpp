// Large texts as files of the machine, and which file systems are refused.
#include "runtime/store/files.hpp"

#include "runtime/store/text_files.hpp"
#include "tests/unit/store/support.hpp"

#include <gtest/gtest.h>

namespace tayfa::store::testing {
namespace {

TEST(store_files, network_and_user_space_file_systems_are_unfit) {
  for (const unsigned long magic : {0x6969UL, 0x517bUL, 0xff534d42UL, 0xfe534d42UL, 0x65735546UL,
                                    0x01021997UL, 0x00c36400UL, 0x0bd00bd0UL}) {
    EXPECT_TRUE(why_unfit(magic)) << std::hex << magic;
  }
  constexpr unsigned long ext4 = 0xef53, xfs = 0x58465342, btrfs = 0x9123683e, zfs = 0x2fc12fc1,
                          tmpfs = 0x01021994, overlay = 0x794c7630;
  for (const unsigned long magic : {ext4, xfs, btrfs, zfs, tmpfs, overlay}) {
    EXPECT_FALSE(why_unfit(magic)) << std::hex << magic;
  }
}

TEST(store_files, a_folder_that_cannot_be_is_bad_configuration) {
  const temp_folder folder;
  local_files files;
  spill(folder.path() + "/file", "x");
  EXPECT_EQ(files.prepare(folder.path() + "/file").error().code, errc::bad_config);
  EXPECT_EQ(files.prepare(folder.path() + "/file/below").error().code, errc::bad_config);
  EXPECT_TRUE(files.prepare(folder.path() + "/new/deep"));
}

TEST(store_files, a_file_is_written_renamed_read_and_removed) {
  const temp_folder folder;
  local_files files;
  const auto name = folder.path() + "/a";
  ASSERT_TRUE(files.write_flushed(name, "longer text"));
  ASSERT_TRUE(files.write_flushed(name, "text"));
  ASSERT_TRUE(files.write_again(name));
  ASSERT_TRUE(files.rename(name, folder.path() + "/b"));
  ASSERT_TRUE(files.sync_folder(folder.path()));
  EXPECT_EQ(files.read(folder.path() + "/b", 100).value(), "text");
  EXPECT_EQ(files.read(folder.path() + "/b", 2).value(), "te");
  EXPECT_EQ(files.list(folder.path()).value(), std::vector<std::string>{"b"});
  EXPECT_EQ(files.read(name, 1).error().code, errc::not_found);
  EXPECT_TRUE(files.remove(folder.path() + "/b"));
  EXPECT_TRUE(files.remove(folder.path() + "/b"));
  EXPECT_EQ(files.list(folder.path() + "/none").error().code, errc::not_found);
}

TEST(store_files, a_large_file_is_written_again_as_it_was) {
  const temp_folder folder;
  local_files files;
  std::string bytes(3'000'001, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(i * 7 % 251);
  }
  spill(folder.path() + "/a", bytes);
  ASSERT_TRUE(files.write_again(folder.path() + "/a"));
  EXPECT_EQ(slurp(folder.path() + "/a"), bytes);
}

TEST(store_files, the_name_of_a_text_is_its_sha_256) {
  EXPECT_EQ(sha256_of("abc").value(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

} // namespace
} // namespace tayfa::store::testing
