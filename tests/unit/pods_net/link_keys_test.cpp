#include "runtime/pods_net/link_keys.hpp"

#include "runtime/pods_net/curve.hpp"
#include "tests/unit/pods_net/scratch.hpp"

#include <gtest/gtest.h>
#include <set>

namespace tayfa::pods::test {
namespace {

TEST(curve, keys_are_z85_of_32_bytes) {
  system_secrets secrets;
  const auto pair = make_key_pair(secrets);
  ASSERT_TRUE(pair.has_value());
  EXPECT_EQ(pair->public_key.size(), curve_key_text);
  EXPECT_EQ(pair->secret_key.size(), curve_key_text);
  EXPECT_EQ(key_bytes(pair->public_key)->size(), curve_key_bytes);
  EXPECT_EQ(z85_of(*key_bytes(pair->public_key)), pair->public_key);
  EXPECT_EQ(pair_of(pair->secret_key)->public_key, pair->public_key);
  EXPECT_NE(make_key_pair(secrets)->public_key, pair->public_key);
  for (const auto& none :
       {std::string{}, std::string(39, 'a'), std::string(41, 'a'), std::string(40, '~'),
        std::string(40, '\0'), std::string(40, ' '), std::string(40, '#')}) {
    EXPECT_FALSE(key_bytes(none).has_value()) << none;
    EXPECT_FALSE(pair_of(secret_text{none}).has_value()) << none;
  }
}

TEST(curve, keys_are_those_of_the_known_vector) {
  // RFC 7748, 6.1: Alice's pair.
  const std::string secret{"\x77\x07\x6d\x0a\x73\x18\xa5\x7d\x3c\x16\xc1\x72\x51\xb2\x66\x45"
                           "\xdf\x4c\x2f\x87\xeb\xc0\x99\x2a\xb1\x77\xfb\xa5\x1d\xb9\x2c\x2a"};
  const std::string open{"\x85\x20\xf0\x09\x89\x30\xa7\x54\x74\x8b\x7d\xdc\xb4\x3e\xf7\x5a"
                         "\x0d\xbf\x3a\x0d\x26\x38\x1a\xf4\xeb\xa4\xa9\x8e\xaa\x9b\x4e\x6a"};
  EXPECT_EQ(pair_of(secret_text{z85_of(secret)})->public_key, z85_of(open));
}

TEST(curve, no_key_is_made_without_random_numbers) {
  counted_secrets secrets;
  secrets.broken = true;
  EXPECT_EQ(make_key_pair(secrets).error().code, errc::io_error);
}

TEST(link_keys, a_pod_keeps_its_key_and_counts_its_starts) {
  const scratch_folder here;
  system_secrets secrets;
  EXPECT_FALSE(has_pod_keys(here.path()));
  const auto first = start_pod(here.path(), secrets);
  ASSERT_TRUE(first.has_value()) << first.error().str();
  EXPECT_EQ(first->incarnation, 1U);
  EXPECT_TRUE(has_pod_keys(here.path()));
  const auto second = start_pod(here.path(), secrets);
  EXPECT_EQ(second->incarnation, 2U);
  EXPECT_EQ(second->keys.public_key, first->keys.public_key);
  EXPECT_TRUE(second->keys.secret_key.matches(first->keys.secret_key.reveal()));
  EXPECT_EQ(mode_of(here / "pod.key"), 0600U);
  EXPECT_EQ(mode_of(here / "pod.starts"), 0600U);
  EXPECT_EQ(content_of(here / "pod.starts").find(first->keys.secret_key.reveal()),
            std::string::npos);
}

TEST(link_keys, a_head_keeps_its_id_and_counts_its_boots) {
  const scratch_folder here;
  system_secrets secrets;
  const auto first = start_head(here.path(), secrets);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->id.size(), 32U);
  EXPECT_EQ(first->boot, 1U);
  for (std::uint64_t boot = 2; boot < 5; ++boot) {
    const auto next = start_head(here.path(), secrets);
    EXPECT_EQ(next->boot, boot);
    EXPECT_EQ(next->id, first->id);
    EXPECT_EQ(next->keys.public_key, first->keys.public_key);
  }
  const auto pod_here = start_pod(here.path(), secrets);
  EXPECT_NE(pod_here->keys.public_key, first->keys.public_key) << "both may live in one folder";
}

TEST(link_keys, are_read_without_a_start) {
  const scratch_folder here;
  system_secrets secrets;
  EXPECT_EQ(read_keys(here.path(), "head").error().code, errc::not_found);
  const auto started = start_head(here.path(), secrets);
  EXPECT_EQ(read_keys(here.path(), "head")->public_key, started->keys.public_key);
  EXPECT_EQ(read_keys(here.path(), "pod").error().code, errc::not_found);
  EXPECT_EQ(start_head(here.path(), secrets)->boot, 2U);
}

TEST(link_keys, a_counter_is_on_the_disk_before_it_is_used) {
  const scratch_folder here;
  system_secrets secrets;
  ASSERT_TRUE(start_pod(here.path(), secrets).has_value());
  std::filesystem::create_directory(here / "pod.starts.new"); // the next write fails
  EXPECT_EQ(start_pod(here.path(), secrets).error().code, errc::io_error);
  std::filesystem::remove(here / "pod.starts.new");
  EXPECT_EQ(start_pod(here.path(), secrets)->incarnation, 2U);
}

TEST(link_keys, a_first_start_that_was_interrupted_goes_on) {
  const scratch_folder here;
  counted_secrets secrets;
  std::filesystem::create_directory(here / "pod.key.new");
  EXPECT_FALSE(start_pod(here.path(), secrets).has_value());
  std::filesystem::remove(here / "pod.key.new");
  const auto made = start_pod(here.path(), secrets);
  ASSERT_TRUE(made.has_value()) << made.error().str();
  EXPECT_EQ(made->incarnation, 2U) << "a number is never used twice";
}

TEST(link_keys, files_that_are_damaged_or_open_to_others_are_refused) {
  const scratch_folder here;
  system_secrets secrets;
  const auto pair = start_pod(here.path(), secrets)->keys;
  const auto key = content_of(here / "pod.key");
  const auto starts = content_of(here / "pod.starts");
  const auto expect_refused = [&](const std::string& named) {
    const auto started = start_pod(here.path(), secrets);
    ASSERT_FALSE(started.has_value()) << named;
    EXPECT_EQ(started.error().code, errc::bad_config);
    EXPECT_NE(started.error().text.find(here / named), std::string::npos) << started.error().text;
    EXPECT_EQ(started.error().text.find(pair.secret_key.reveal()), std::string::npos);
  };
  for (std::size_t size = 1; size < key.size(); size += 7) {
    put(here / "pod.key", key.substr(0, size));
    expect_refused("pod.key");
  }
  for (std::size_t at = 0; at < key.size(); ++at) {
    auto other = key;
    other[at] = static_cast<char>(other[at] ^ 4);
    put(here / "pod.key", other);
    expect_refused("pod.key");
  }
  put(here / "pod.key", key, 0644);
  expect_refused("pod.key");
  put(here / "pod.key", key);
  for (const std::string& bad :
       {std::string{"tayfa link starts 1\nid x\nstarts 1\n"}, starts + "x",
        starts.substr(0, starts.size() - 2), starts.substr(0, starts.find("starts 1\n", 20)),
        starts.substr(0, starts.rfind(' ')) + " 18446744073709551615\n",
        starts.substr(0, starts.rfind(' ')) + " -1\n"}) {
    put(here / "pod.starts", bad);
    expect_refused("pod.starts");
  }
  std::filesystem::remove(here / "pod.starts");
  expect_refused("pod.starts");
  EXPECT_FALSE(std::filesystem::exists(here / "pod.starts")) << "none is made beside an old key";
}

TEST(link_keys, a_new_key_takes_the_place_of_the_old_one_when_it_is_used) {
  const scratch_folder here;
  system_secrets secrets;
  const auto old = start_pod(here.path(), secrets)->keys;
  EXPECT_EQ(take_new_keys(here.path(), "pod").error().code, errc::not_found);
  const auto made = make_new_keys(here.path(), "pod", secrets);
  ASSERT_TRUE(made.has_value()) << made.error().str();
  EXPECT_NE(made->public_key, old.public_key);
  EXPECT_EQ(make_new_keys(here.path(), "pod", secrets)->public_key, made->public_key)
      << "one that was made before a crash is used";
  EXPECT_EQ(start_pod(here.path(), secrets)->keys.public_key, old.public_key);
  EXPECT_EQ(take_new_keys(here.path(), "pod")->public_key, made->public_key);
  const auto after = start_pod(here.path(), secrets);
  EXPECT_EQ(after->keys.public_key, made->public_key);
  EXPECT_EQ(after->incarnation, 3U) << "the counter goes on";
}

} // namespace
} // namespace tayfa::pods::test
