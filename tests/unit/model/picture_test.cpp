#include "runtime/model/picture.hpp"

#include "runtime/model/base64.hpp"
#include "tests/unit/model/pictures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <rapidcheck/gtest.h>

namespace tayfa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

result<void> any_size(std::uint32_t, std::uint32_t) {
  return {};
}

std::vector<std::uint8_t> pixels_of(std::span<const std::byte> bytes, std::uint32_t channels) {
  auto got = decode_picture(bytes, channels, any_size);
  EXPECT_TRUE(got) << got.error().str();
  return got ? std::move(got->pixels) : std::vector<std::uint8_t>{};
}

TEST(Picture, ReadsAPngThatOthersWrote) {
  const auto bytes =
      base64_decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQ"
                    "DwAEhQGAhKmMIQAAAABJRU5ErkJggg==");
  ASSERT_TRUE(bytes);
  const auto rgba = pixels_of(*bytes, 4);
  EXPECT_THAT(rgba, ElementsAre(255, 0, 0, 127));
  EXPECT_THAT(pixels_of(*bytes, 3), ElementsAre(255, 0, 0)) << "alpha is dropped, not mixed in";
  EXPECT_THAT(pixels_of(*bytes, 1), ElementsAre(76)) << "BT.601: 0.299 * 255";
}

RC_GTEST_PROP(Picture, EveryPixelComesBackFromPng, ()) {
  picture from;
  from.width = *rc::gen::inRange(1u, 40u);
  from.height = *rc::gen::inRange(1u, 40u);
  from.channels = *rc::gen::element(1u, 3u, 4u);
  const auto count = std::size_t{from.width} * from.height * from.channels;
  from.pixels =
      *rc::gen::container<std::vector<std::uint8_t>>(count, rc::gen::arbitrary<std::uint8_t>());
  const auto png = encode_png(from);
  RC_ASSERT(png.has_value());
  const auto back = decode_picture(*png, from.channels, any_size);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->width == from.width);
  RC_ASSERT(back->height == from.height);
  RC_ASSERT(back->pixels == from.pixels);
}

TEST(Picture, ChannelsBecomeThoseThatAreWanted) {
  const auto grey = encode_png({2, 1, 1, {10, 200}}).value();
  EXPECT_THAT(pixels_of(grey, 3), ElementsAre(10, 10, 10, 200, 200, 200));
  EXPECT_THAT(pixels_of(grey, 4), ElementsAre(10, 10, 10, 255, 200, 200, 200, 255));
  const auto rgb = encode_png({2, 1, 3, {255, 255, 255, 0, 0, 0}}).value();
  EXPECT_THAT(pixels_of(rgb, 1), ElementsAre(255, 0));
  EXPECT_THAT(pixels_of(rgb, 4), ElementsAre(255, 255, 255, 255, 0, 0, 0, 255));
}

TEST(Picture, EveryKindOfPngIsRead) {
  const std::vector<png_color> palette{{1, 2, 3}, {40, 50, 60}};
  // One bit per pixel, palette of two, the second half transparent.
  const pictures::png_kind two{PNG_COLOR_TYPE_PALETTE, 1, false, palette, {255, 128}};
  EXPECT_THAT(pixels_of(pictures::png(2, 1, two, {0b01000000}), 4),
              ElementsAre(1, 2, 3, 255, 40, 50, 60, 128));
  EXPECT_THAT(pixels_of(pictures::png(2, 1, two, {0b01000000}), 3),
              ElementsAre(1, 2, 3, 40, 50, 60));
  const pictures::png_kind grey_alpha{PNG_COLOR_TYPE_GRAY_ALPHA, 8};
  const auto one = pictures::png(1, 1, grey_alpha, {77, 5});
  EXPECT_THAT(pixels_of(one, 1), ElementsAre(77));
  EXPECT_THAT(pixels_of(one, 4), ElementsAre(77, 77, 77, 5));
  // 16 bits are scaled, not cut: 0x8080 is exactly 128 of 255, and 0xfffe is nearest to 255.
  const auto deep = pictures::png(2, 1, {PNG_COLOR_TYPE_GRAY, 16}, {0x80, 0x80, 0xff, 0xfe});
  EXPECT_THAT(pixels_of(deep, 1), ElementsAre(128, 255));
  const auto bits = pictures::png(4, 1, {PNG_COLOR_TYPE_GRAY, 2}, {0b00011011});
  EXPECT_THAT(pixels_of(bits, 1), ElementsAre(0, 85, 170, 255));
  const auto rows = pictures::noise(std::size_t{19} * 13 * 3);
  EXPECT_EQ(pixels_of(pictures::png(19, 13, {PNG_COLOR_TYPE_RGB, 8, true}, rows), 3), rows);
}

TEST(Picture, JpegsAreReadNearlyAsTheyWereWritten) {
  const auto rows = pictures::gradient(24, 16);
  const auto near = [&rows](const std::vector<std::uint8_t>& got) {
    ASSERT_EQ(got.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ASSERT_NEAR(got[i], rows[i], 8) << i;
    }
  };
  near(pixels_of(pictures::jpeg(24, 16, JCS_RGB, 3, rows), 3));
  const std::vector<jpeg_scan_info> two_passes{{3, {0, 1, 2}, 0, 0, 0, 0},
                                               {1, {0}, 1, 63, 0, 0},
                                               {1, {1}, 1, 63, 0, 0},
                                               {1, {2}, 1, 63, 0, 0}};
  near(pixels_of(pictures::jpeg(24, 16, JCS_RGB, 3, rows, two_passes), 3));
  const auto grey = pictures::jpeg(8, 8, JCS_GRAYSCALE, 1, std::vector<std::uint8_t>(64, 99));
  for (const auto value : pixels_of(grey, 3)) {
    EXPECT_NEAR(value, 99, 1);
  }
  const auto white = pictures::jpeg(8, 8, JCS_RGB, 3, std::vector<std::uint8_t>(192, 255));
  EXPECT_EQ(pixels_of(white, 1), std::vector<std::uint8_t>(64, 255));
  const auto opaque = pixels_of(white, 4);
  EXPECT_EQ(opaque, std::vector<std::uint8_t>(256, 255));
}

void expect_refused(std::span<const std::byte> bytes, const char* why) {
  const auto got = decode_picture(bytes, 3, any_size);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, errc::bad_input);
  EXPECT_THAT(got.error().text, HasSubstr(why));
}

TEST(Picture, WhatIsNoPictureIsRefused) {
  expect_refused({}, "neither");
  const std::string text = "GIF89a and more";
  expect_refused(std::as_bytes(std::span{text}), "neither");
  expect_refused(pictures::jpeg(8, 8, JCS_CMYK, 4, std::vector<std::uint8_t>(256, 9)),
                 "neither grey");
}

TEST(Picture, ClaimsOfEnormousSizesCostNothing) {
  const auto small = encode_png({1, 1, 3, {1, 2, 3}}).value();
  expect_refused(pictures::claiming(small, 8193, 8192), "67108864 pixels");
  expect_refused(pictures::claiming(small, 999'999, 999'999), "67108864 pixels");
  expect_refused(pictures::claiming(small, 0x7fffffff, 0x7fffffff), "damaged");
  expect_refused(pictures::claiming(small, 0, 1), "damaged");
  std::uint32_t seen = 0;
  const auto got = decode_picture(pictures::claiming(small, 5000, 7), 3,
                                  [&seen](std::uint32_t width, std::uint32_t height) {
                                    seen = width * height;
                                    return result<void>{fail(errc::bad_input, "not this size")};
                                  });
  EXPECT_EQ(seen, 35'000u);
  EXPECT_EQ(got.error().text, "not this size");
}

TEST(Picture, AJpegThatAsksForEndlessPassesIsRefused) {
  const auto rows = pictures::gradient(16, 16);
  expect_refused(pictures::jpeg(16, 16, JCS_RGB, 3, rows, pictures::endless_scans()), "damaged");
}

TEST(Picture, CutOffOnesAreRefusedAtEveryLength) {
  const auto rows = pictures::gradient(24, 16);
  for (const auto& whole :
       {pictures::png(24, 16, {}, rows), pictures::jpeg(24, 16, JCS_RGB, 3, rows)}) {
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const auto got = decode_picture(std::span{whole}.first(length), 3, any_size);
      ASSERT_FALSE(got) << length << " of " << whole.size();
      ASSERT_EQ(got.error().code, errc::bad_input);
    }
  }
}

TEST(Picture, MutantsNeverCrash) {
  std::mt19937_64 random{99};
  const auto rows = pictures::gradient(24, 16);
  const auto small = [](std::uint32_t width, std::uint32_t height) {
    return width <= 256 && height <= 256 ? result<void>{} : fail(errc::bad_input, "large");
  };
  for (const auto& whole : {pictures::png(24, 16, {PNG_COLOR_TYPE_RGB, 8, true}, rows),
                            pictures::jpeg(24, 16, JCS_RGB, 3, rows),
                            pictures::jpeg(24, 16, JCS_RGB, 3, rows, pictures::endless_scans())}) {
    for (int i = 0; i < 3'000; ++i) {
      auto mutant = whole;
      for (auto changes = 1 + random() % 6; changes > 0; --changes) {
        mutant[8 + random() % (mutant.size() - 8)] = static_cast<std::byte>(random());
      }
      const auto got =
          decode_picture(mutant, 1 + 2 * static_cast<std::uint32_t>(random() % 2), small);
      if (!got) {
        ASSERT_EQ(got.error().code, errc::bad_input);
      }
    }
  }
}

} // namespace
} // namespace tayfa
