#include "runtime/access/key_ring.hpp"

#include "runtime/telemetry/memory_log.hpp"
#include "tests/unit/access/support.hpp"

#include <gtest/gtest.h>

namespace tayfa::access {
namespace {

class ring_test : public testing::Test {
 protected:
  key_ring open() {
    auto ring = key_ring::open(path, time, log);
    EXPECT_TRUE(ring) << ring.error().text;
    return std::move(*ring);
  }
  void look_again(key_ring& ring) {
    time.pass(std::chrono::seconds{1});
    ring.refresh();
  }
  std::string owner_of(const key_ring& ring, std::string_view key) {
    const auto* const found = ring.find(key);
    return found == nullptr ? "nobody" : found->name;
  }

  scratch_folder here;
  manual_time time;
  memory_log log{time};
  std::string path = here / "keys";
  const std::string alice = line_of("name=alice scope=client", "key-a");
  const std::string bob = line_of("name=bob scope=client", "key-b");
};

TEST_F(ring_test, knows_its_keys) {
  write_private(path, alice + bob);
  const auto ring = open();
  EXPECT_TRUE(ring.in_force());
  EXPECT_EQ(owner_of(ring, "key-a"), "alice");
  EXPECT_EQ(owner_of(ring, "key-b"), "bob");
  for (const std::string key : {"", "key-", "key-A", "key-a ", "key-aa"}) {
    EXPECT_EQ(owner_of(ring, key), "nobody") << key;
  }
  EXPECT_EQ(owner_of(ring, std::string(key_bytes_max + 1, 'k')), "nobody");
}

TEST_F(ring_test, a_broken_file_at_the_start_is_an_error) {
  write_private(path, alice + "name=b\n");
  const auto ring = key_ring::open(path, time, log);
  ASSERT_FALSE(ring);
  EXPECT_EQ(ring.error().code, errc::bad_config);
  EXPECT_EQ(ring.error().text, path + ", line 2: scope is missing");
  write_private(path, alice, 0644);
  EXPECT_FALSE(key_ring::open(path, time, log));
}

TEST_F(ring_test, looks_no_more_often_than_the_pause) {
  write_private(path, alice);
  auto ring = open();
  write_private(path, bob);
  time.pass(key_ring::look_pause - std::chrono::milliseconds{1});
  ring.refresh();
  EXPECT_EQ(owner_of(ring, "key-a"), "alice");
  time.pass(std::chrono::milliseconds{1});
  ring.refresh();
  EXPECT_EQ(owner_of(ring, "key-a"), "nobody");
  EXPECT_EQ(owner_of(ring, "key-b"), "bob");
  EXPECT_EQ(log.count("keys_read"), 1U);
  EXPECT_EQ(ring.version(), 1U);
  look_again(ring);
  EXPECT_EQ(log.count("keys_read"), 1U); // nothing has changed
  EXPECT_EQ(ring.version(), 1U);
}

TEST_F(ring_test, a_broken_new_version_changes_nothing) {
  write_private(path, alice);
  auto ring = open();
  for (const auto& [text, mode] :
       {std::pair<std::string, unsigned>{"nonsense\n", 0600}, {bob, 0644}}) {
    write_private(path, text, mode);
    log.clear();
    look_again(ring);
    EXPECT_EQ(owner_of(ring, "key-a"), "alice");
    EXPECT_EQ(owner_of(ring, "key-b"), "nobody");
    look_again(ring);
    EXPECT_EQ(log.count("keys_refused"), 1U) << "complained of once";
  }
  ::chmod(path.c_str(), 0600);
  look_again(ring);
  EXPECT_EQ(owner_of(ring, "key-b"), "bob");
}

TEST_F(ring_test, a_file_that_goes_takes_no_key_with_it) {
  write_private(path, alice);
  auto ring = open();
  std::filesystem::remove(path);
  look_again(ring);
  look_again(ring);
  EXPECT_TRUE(ring.in_force());
  EXPECT_EQ(owner_of(ring, "key-a"), "alice");
  EXPECT_EQ(log.count("keys_gone"), 1U);
  write_private(path, bob);
  look_again(ring);
  EXPECT_EQ(owner_of(ring, "key-a"), "nobody");
}

TEST_F(ring_test, the_last_key_that_goes_opens_nothing) {
  write_private(path, alice);
  auto ring = open();
  write_private(path, "");
  look_again(ring);
  EXPECT_TRUE(ring.in_force());
  EXPECT_EQ(ring.size(), 0U);
}

TEST_F(ring_test, a_file_that_comes_later_is_in_force) {
  auto ring = open();
  EXPECT_FALSE(ring.in_force());
  look_again(ring);
  EXPECT_FALSE(ring.in_force());
  write_private(path, alice);
  look_again(ring);
  EXPECT_TRUE(ring.in_force());
  EXPECT_EQ(owner_of(ring, "key-a"), "alice");
}

TEST_F(ring_test, a_file_that_comes_later_and_is_broken_locks_everything) {
  auto ring = open();
  write_private(path, alice, 0644);
  look_again(ring);
  EXPECT_TRUE(ring.in_force());
  EXPECT_EQ(owner_of(ring, "key-a"), "nobody");
  EXPECT_EQ(log.count("keys_refused"), 1U);
}

} // namespace
} // namespace tayfa::access
