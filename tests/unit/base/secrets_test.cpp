// What must not be guessed: where it comes from, and that nothing else can stand in for it.
#include "runtime/base/secrets.hpp"

#include "runtime/base/random.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <system_error>
#include <type_traits>
#include <vector>

namespace tayfa {
namespace {

// A generator whose next number follows from those before it makes no secret: it does not compile.
static_assert(!std::is_convertible_v<seeded_random&, secret_source&>);
static_assert(!std::is_convertible_v<random_source&, secret_source&>);
static_assert(!std::is_base_of_v<random_source, system_secrets>);

/// Says always the same byte: the fixed bits of a UUID must not depend on luck.
struct constant_secrets final : secret_source {
  explicit constant_secrets(unsigned char b) : byte(b) {}
  void fill(std::span<std::byte> bytes) override {
    std::fill(bytes.begin(), bytes.end(), std::byte{byte});
  }
  unsigned char byte;
};

TEST(secret_source, a_uuid_is_of_version_4_whatever_the_bytes) {
  EXPECT_EQ(constant_secrets{0x00}.uuid(), "00000000-0000-4000-8000-000000000000");
  EXPECT_EQ(constant_secrets{0xff}.uuid(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
  EXPECT_EQ(constant_secrets{0x5a}.uuid(), "5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a");
}

TEST(secret_source, every_byte_of_a_uuid_is_drawn) {
  struct counting final : secret_source {
    void fill(std::span<std::byte> bytes) override {
      drawn += bytes.size();
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(i * 16 + i);
      }
    }
    std::size_t drawn = 0;
  } source;
  EXPECT_EQ(source.uuid(), "00112233-4455-4677-8899-aabbccddeeff");
  EXPECT_EQ(source.drawn, 16U);
}

TEST(system_secrets, uuids_have_the_form_and_differ) {
  system_secrets secrets;
  std::set<std::string> seen;
  for (int i = 0; i < 2'000; ++i) {
    seen.insert(secrets.uuid());
  }
  EXPECT_EQ(seen.size(), 2'000U);
  EXPECT_THAT(*seen.begin(), ::testing::MatchesRegex(
                                 "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]"
                                 "{12}"));
}

TEST(system_secrets, every_bit_changes_also_beyond_what_one_call_gives) {
  system_secrets secrets;
  std::vector<std::byte> both(100'000); // more than getrandom() promises at a time
  std::vector<std::byte> ones(both.size());
  std::vector<std::byte> zeros(both.size());
  for (int i = 0; i < 64; ++i) {
    secrets.fill(both);
    for (std::size_t at = 0; at < both.size(); ++at) {
      ones[at] |= both[at];
      zeros[at] |= ~both[at];
    }
  }
  EXPECT_EQ(std::count(ones.begin(), ones.end(), std::byte{0xff}), 100'000);
  EXPECT_EQ(std::count(zeros.begin(), zeros.end(), std::byte{0xff}), 100'000);
}

TEST(try_secrets, says_so_where_there_are_none) {
  system_secrets secrets;
  EXPECT_TRUE(try_secrets(secrets));
  struct broken final : secret_source {
    void fill(std::span<std::byte>) override {
      throw std::system_error{ENOSYS, std::generic_category(), "getrandom"};
    }
  } none;
  const auto tried = try_secrets(none);
  ASSERT_FALSE(tried);
  EXPECT_EQ(tried.error().code, errc::io_error);
}

} // namespace
} // namespace tayfa
