#include "runtime/base/base64url.hpp"

#include "runtime/base/checksum.hpp"

#include <gtest/gtest.h>
#include <random>
#include <span>
#include <string>

namespace tayfa {
namespace {

std::string encoded(const std::string& bytes) {
  return base64url_encode(std::as_bytes(std::span{bytes}));
}

TEST(base64url, has_the_vectors_of_rfc_4648_without_padding) {
  for (const auto& [bytes, text] : {std::pair{"", ""},
                                    {"f", "Zg"},
                                    {"fo", "Zm8"},
                                    {"foo", "Zm9v"},
                                    {"foob", "Zm9vYg"},
                                    {"fooba", "Zm9vYmE"},
                                    {"foobar", "Zm9vYmFy"},
                                    {"\xfb\xff", "-_8"}}) {
    EXPECT_EQ(encoded(bytes), text);
    EXPECT_EQ(base64url_decode(text), bytes);
  }
}

TEST(base64url, reads_only_what_it_writes) {
  for (const char* none : {"Z", "Zm9vY", "Zh", "Zm9", "Zg==", "Zm9v\n", "Zm+v", "Zm/v", " Zg"}) {
    EXPECT_EQ(base64url_decode(none), std::nullopt) << none;
  }
  EXPECT_EQ(base64url_first_foreign("Zm+v"), 2U);
  EXPECT_EQ(base64url_first_foreign("Zm-v"), std::string::npos);
  std::mt19937 random{4648};
  for (int i = 0; i < 300; ++i) {
    std::string bytes(random() % 50, '\0');
    for (auto& c : bytes) {
      c = static_cast<char>(random());
    }
    EXPECT_EQ(base64url_decode(encoded(bytes)), bytes);
  }
}

TEST(crc32, has_the_check_value_of_its_definition) {
  EXPECT_EQ(crc32_of("123456789"), 0xCBF43926U);
  EXPECT_EQ(crc32_of(""), 0U);
  EXPECT_EQ(crc32_of(std::string{"\0", 1}), 0xD202EF8DU);
}

} // namespace
} // namespace tayfa
