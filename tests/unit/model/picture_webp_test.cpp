// WebP pictures, written by the encoder that lies in the same libwebp.
#include "runtime/model/picture.hpp"

#include <cstring>
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <string>

namespace tayfa {
namespace {

using testing::HasSubstr;

constexpr int width = 5;
constexpr int height = 3;

result<void> any_size(std::uint32_t, std::uint32_t) {
  return {};
}

std::vector<std::uint8_t> some_pixels() {
  std::vector<std::uint8_t> rgba;
  for (std::size_t i = 0; i < std::size_t{width} * height; ++i) {
    for (const auto part : {i * 7, i * 31, 255 - i}) {
      rgba.push_back(static_cast<std::uint8_t>(part));
    }
    rgba.push_back(i % 3 == 0 ? 40 : 255);
  }
  return rgba;
}

/// Little-endian, `bytes` of them.
std::string little(std::size_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) {
    text += static_cast<char>(value >> (8 * i) & 255);
  }
  return text;
}

class PictureWebp : public testing::Test {
 protected:
  /// Lossless, so every pixel has to come back. libwebp7 is among the packages of the set-up.
  void SetUp() override {
    void* const library = ::dlopen("libwebp.so.7", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      GTEST_SKIP() << "libwebp7 is not installed";
    }
    using encode = std::size_t (*)(const std::uint8_t*, int, int, int, std::uint8_t**);
    using release = void (*)(void*);
    const auto write = reinterpret_cast<encode>(::dlsym(library, "WebPEncodeLosslessRGBA"));
    const auto free = reinterpret_cast<release>(::dlsym(library, "WebPFree"));
    ASSERT_TRUE(write != nullptr && free != nullptr);
    pixels_ = some_pixels();
    for (std::size_t i = 0; i < pixels_.size(); i += 4) { // hidden colours are not kept
      opaque_.insert(opaque_.end(), {pixels_[i], pixels_[i + 1], pixels_[i + 2], 255});
    }
    std::uint8_t* made = nullptr;
    const auto size = write(opaque_.data(), width, height, 4 * width, &made);
    file_.assign(reinterpret_cast<const char*>(made), size);
    free(made);
    const auto seen_size = write(pixels_.data(), width, height, 4 * width, &made);
    seen_through_.assign(reinterpret_cast<const char*>(made), seen_size);
    free(made);
  }

  static auto decoded(const std::string& file, std::uint32_t channels) {
    return decode_picture(std::as_bytes(std::span{file}), channels, any_size);
  }
  /// The extended form, with a block of EXIF behind the picture.
  std::string with_exif(const std::string& block) const {
    using namespace std::string_literals;
    const auto picture = file_.substr(12);
    const auto padded = block + (block.size() % 2 == 0 ? ""s : "\0"s);
    const auto body = "WEBPVP8X"s + little(10, 4) + "\x08\0\0\0"s + little(width - 1, 3) +
                      little(height - 1, 3) + picture + "EXIF" + little(block.size(), 4) + padded;
    return "RIFF" + little(body.size(), 4) + body;
  }

  std::vector<std::uint8_t> pixels_;
  std::vector<std::uint8_t> opaque_;
  std::string file_;
  std::string seen_through_;
};

TEST_F(PictureWebp, EveryPixelComesBack) {
  const auto got = decoded(file_, 4);
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->width, std::uint32_t{width});
  EXPECT_EQ(got->height, std::uint32_t{height});
  EXPECT_EQ(got->pixels, opaque_);
}

TEST_F(PictureWebp, WhatIsSeenThroughStandsOnWhite) {
  const auto got = decoded(seen_through_, 3);
  ASSERT_TRUE(got) << got.error().str();
  for (int part = 0; part < 3; ++part) {
    const int colour = pixels_[static_cast<std::size_t>(part)];
    EXPECT_NEAR(got->pixels[static_cast<std::size_t>(part)], 255 - (255 - colour) * 40 / 255, 1);
  }
}

TEST_F(PictureWebp, StandsUprightAsItsCameraSays) {
  using namespace std::string_literals;
  const auto turned = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"s;
  for (const auto& block : {turned, "Exif\0\0"s + turned}) {
    const auto got = decoded(with_exif(block), 4);
    ASSERT_TRUE(got) << got.error().str();
    EXPECT_EQ(got->width, std::uint32_t{height});
    EXPECT_EQ(got->height, std::uint32_t{width});
    const auto last_row = std::size_t{4} * width * (height - 1); // its first pixel comes first
    EXPECT_TRUE(std::equal(got->pixels.begin(), got->pixels.begin() + 4,
                           opaque_.begin() + static_cast<std::ptrdiff_t>(last_row)));
  }
}

TEST_F(PictureWebp, CutOffOnesAreRefusedAtEveryLength) {
  for (std::size_t length = 12; length + 1 < file_.size(); ++length) {
    const auto got = decoded(file_.substr(0, length), 3);
    ASSERT_FALSE(got) << length;
    EXPECT_EQ(got.error().code, errc::bad_input);
    EXPECT_THAT(got.error().text, HasSubstr("WebP"));
  }
}

TEST_F(PictureWebp, MutantsNeverCrash) {
  std::mt19937_64 random{5};
  const auto small = [](std::uint32_t across, std::uint32_t down) {
    return across <= 256 && down <= 256 ? result<void>{} : fail(errc::bad_input, "large");
  };
  const auto whole = with_exif("II*");
  for (int i = 0; i < 5'000; ++i) {
    auto mutant = whole;
    for (auto changes = 1 + random() % 5; changes > 0; --changes) {
      mutant[12 + random() % (mutant.size() - 12)] = static_cast<char>(random());
    }
    const auto got = decode_picture(std::as_bytes(std::span{mutant}), 3, small);
    if (!got) {
      ASSERT_EQ(got.error().code, errc::bad_input);
    }
  }
}

} // namespace
} // namespace tayfa
