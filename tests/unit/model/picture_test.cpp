#include "runtime/model/picture.hpp"

#include "runtime/model/base64.hpp"
#include "tests/unit/model/pictures.hpp"

#include <array>
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
  EXPECT_THAT(pixels_of(*bytes, 3), ElementsAre(255, 128, 128)) << "as a viewer shows it: on white";
  EXPECT_THAT(pixels_of(*bytes, 1), ElementsAre(166)) << "BT.601 of what is seen";
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
  // A bit per pixel, palette of two, the second half transparent.
  const pictures::png_kind two{PNG_COLOR_TYPE_PALETTE, 1, false, palette, {255, 128}};
  EXPECT_THAT(pixels_of(pictures::png(2, 1, two, {0b01000000}), 4),
              ElementsAre(1, 2, 3, 255, 40, 50, 60, 128));
  EXPECT_THAT(pixels_of(pictures::png(2, 1, two, {0b01000000}), 3),
              ElementsAre(1, 2, 3, 147, 152, 157));
  const pictures::png_kind grey_alpha{PNG_COLOR_TYPE_GRAY_ALPHA, 8};
  const auto one = pictures::png(1, 1, grey_alpha, {77, 5});
  EXPECT_THAT(pixels_of(one, 1), ElementsAre(252));
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
  using namespace std::string_view_literals;
  for (const auto& [text, why] : {std::pair{"GIF89a\x08\0\x08\0\0\0\0more"sv, "GIF is damaged"},
                                  {"BM and more"sv, "BMP is cut off"},
                                  {"RIFF\x04\0\0\0WEBPVP8 "sv, "WebP"},
                                  {"\0\0\0\x18"
                                   "ftypheic\0\0"sv,
                                   "HEIC"},
                                  {"\0\0\0\x18"
                                   "ftypavif\0\0"sv,
                                   "AVIF"},
                                  {"II*\0\x08\0\0\0"sv, "TIFF"},
                                  {"%PDF-1.7"sv, "PDF"},
                                  {"<svg xmlns="sv, "SVG"},
                                  {"hello"sv, "neither"}}) {
    expect_refused(std::as_bytes(std::span{text}), why);
  }
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
    // A JPEG without its end mark (2 bytes) has lost no pixel, and cameras write such.
    const auto end = whole.size() - (whole[0] == std::byte{0xff} ? 2 : 0);
    for (std::size_t length = 0; length < end; ++length) {
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

// ---- as people have them ------------------------------------------------------------------------

/// A JPEG with bytes put in right after its first two.
pictures::bytes with_segment(pictures::bytes jpeg, std::string_view segment) {
  const auto bytes = std::as_bytes(std::span{segment});
  jpeg.insert(jpeg.begin() + 2, bytes.begin(), bytes.end());
  return jpeg;
}

/// An EXIF block that says nothing but the orientation, in either order of bytes.
std::string exif(char orientation, bool little) {
  using namespace std::string_literals;
  const auto o = std::string(1, orientation);
  return little ? "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"s + o + "\0\0\0\0\0\0\0"s
                : "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"s + o + "\0\0\0\0\0\0"s;
}

std::string app1(const std::string& block) {
  const auto size = block.size() + 8;
  return std::string{"\xff\xe1", 2} + static_cast<char>(size >> 8) + static_cast<char>(size & 255) +
         std::string{"Exif\0\0", 6} + block;
}

TEST(Picture, StandsUprightAsItsCameraSays) {
  // 16 x 8: the left half dark, the right half bright, the lower half of the left one white.
  std::vector<std::uint8_t> rows;
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 32; ++x) {
      rows.push_back(static_cast<std::uint8_t>(x >= 16 ? 128 : y >= 8 ? 255 : 0));
    }
  }
  const auto stored = pictures::jpeg(32, 16, JCS_GRAYSCALE, 1, rows);
  // Corners in which the dark, the bright and the white part appear, by their centres.
  struct seen {
    char orientation;
    std::uint32_t width;
    std::pair<int, int> dark;
    std::pair<int, int> white;
  };
  for (const auto& want : {seen{1, 32, {4, 4}, {4, 12}}, seen{2, 32, {28, 4}, {28, 12}},
                           seen{3, 32, {28, 12}, {28, 4}}, seen{4, 32, {4, 12}, {4, 4}},
                           seen{5, 16, {4, 4}, {12, 4}}, seen{6, 16, {12, 4}, {4, 4}},
                           seen{7, 16, {12, 28}, {4, 28}}, seen{8, 16, {4, 28}, {12, 28}}}) {
    for (const bool little : {true, false}) {
      std::uint32_t asked = 0;
      const auto got = decode_picture(with_segment(stored, app1(exif(want.orientation, little))), 1,
                                      [&asked](std::uint32_t width, std::uint32_t) {
                                        asked = width;
                                        return result<void>{};
                                      });
      ASSERT_TRUE(got) << int{want.orientation};
      EXPECT_EQ(got->width, want.width) << int{want.orientation};
      EXPECT_EQ(asked, want.width) << "the check sees the size that comes out";
      const auto at = [&](std::pair<int, int> where) {
        return int{got->pixels[static_cast<std::size_t>(where.second) * got->width +
                               static_cast<std::size_t>(where.first)]};
      };
      EXPECT_NEAR(at(want.dark), 0, 8) << int{want.orientation};
      EXPECT_NEAR(at(want.white), 255, 8) << int{want.orientation};
    }
  }
}

TEST(Picture, BrokenExifIsNoOrientation) {
  const auto stored = pictures::jpeg(16, 8, JCS_GRAYSCALE, 1, std::vector<std::uint8_t>(128, 9));
  const auto whole = exif(6, true);
  for (std::size_t length = 0; length < 22; ++length) {
    const auto got =
        decode_picture(with_segment(stored, app1(whole.substr(0, length))), 1, any_size);
    ASSERT_TRUE(got) << length;
    EXPECT_EQ(got->width, 16u) << length;
  }
  for (auto mutant : {exif(9, true), exif(0, false), "XX" + whole.substr(2)}) {
    EXPECT_EQ(decode_picture(with_segment(stored, app1(mutant)), 1, any_size)->width, 16u);
  }
}

TEST(Picture, InksBecomeLight) {
  // libjpeg writes Adobe's mark for these, and with it the inks are stored the other way round.
  const auto solid = [](std::vector<std::uint8_t> pixel) {
    std::vector<std::uint8_t> rows;
    for (int i = 0; i < 64; ++i) {
      rows.insert(rows.end(), pixel.begin(), pixel.end());
    }
    return rows;
  };
  for (const auto& [inks, light] :
       {std::pair{std::vector<std::uint8_t>{255, 255, 255, 255}, std::array<int, 3>{255, 255, 255}},
        {{255, 255, 255, 0}, {0, 0, 0}},
        {{0, 255, 255, 255}, {0, 255, 255}},
        {{255, 128, 255, 128}, {128, 64, 128}}}) {
    const auto got = pixels_of(pictures::jpeg(8, 8, JCS_CMYK, 4, solid(inks)), 3);
    ASSERT_EQ(got.size(), 192u);
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(got[c], light[c], 6);
    }
  }
  const auto grey = pixels_of(pictures::jpeg(8, 8, JCS_CMYK, 4, solid({255, 255, 255, 128})), 1);
  ASSERT_EQ(grey.size(), 64u);
  EXPECT_NEAR(grey[0], 128, 6);
}

TEST(Picture, WhatCamerasWriteBesideTheRulesIsNoDamage) {
  const auto rows = pictures::gradient(24, 16);
  const auto whole = pictures::jpeg(24, 16, JCS_RGB, 3, rows);
  const auto pixels = pixels_of(whole, 3);
  auto endless = whole;
  endless.resize(endless.size() - 2);
  EXPECT_EQ(pixels_of(endless, 3), pixels) << "no end mark";
  auto more = whole;
  more.insert(more.end(), 1000, std::byte{'x'});
  EXPECT_EQ(pixels_of(more, 3), pixels) << "a film or a second picture behind it";
  EXPECT_EQ(pixels_of(with_segment(whole, std::string{"\xff\xe2\0\x08MPF\0\0\0xx", 12}), 3), pixels)
      << "bytes between segments";
}

std::string little(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) {
    out += i < 8 ? static_cast<char>(value >> (8 * i) & 255) : '\0';
  }
  return out;
}

std::string bmp(std::int32_t width, std::int32_t height, int bits, const std::string& palette,
                const std::string& rows, std::uint32_t coding = 0, const std::string& masks = "") {
  const auto start = static_cast<std::uint32_t>(54 + masks.size() + palette.size());
  return "BM" + little(0, 8) + little(start, 4) + little(40, 4) +
         little(static_cast<std::uint32_t>(width), 4) +
         little(static_cast<std::uint32_t>(height), 4) + little(1, 2) +
         little(static_cast<std::uint32_t>(bits), 2) + little(coding, 4) + little(0, 12) +
         little(static_cast<std::uint32_t>(palette.size() / 4), 4) + little(0, 4) + masks +
         palette + rows;
}

TEST(Picture, BmpsOfEveryDepthAreRead) {
  const auto read = [](const std::string& text) {
    return pixels_of(std::as_bytes(std::span{text}), 3);
  };
  using namespace std::string_literals;
  // Two rows of one pixel, the lower one first: blue, green, red and a filling byte.
  EXPECT_THAT(read(bmp(1, 2, 24, "", "\1\2\3\0\4\5\6\0"s)), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(read(bmp(1, -2, 24, "", "\1\2\3\0\4\5\6\0"s)), ElementsAre(3, 2, 1, 6, 5, 4));
  EXPECT_THAT(read(bmp(2, 1, 32, "", "\1\2\3\0\4\5\6\0"s)), ElementsAre(3, 2, 1, 6, 5, 4));
  const auto palette = "\1\2\3\0\4\5\6\0"s;
  EXPECT_THAT(read(bmp(2, 1, 8, palette, "\1\0\0\0"s)), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(read(bmp(2, 1, 4, palette, "\x10\0\0\0"s)), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(read(bmp(2, 1, 1, palette, "\x80\0\0\0"s)), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(read(bmp(2, 1, 16, "", little(0x7c00, 2) + little(0x001f, 2))),
              ElementsAre(255, 0, 0, 0, 0, 255));
  const auto masks = little(0xf800, 4) + little(0x07e0, 4) + little(0x001f, 4);
  EXPECT_THAT(read(bmp(2, 1, 16, "", little(0x07e0, 2) + little(0xffff, 2), 3, masks)),
              ElementsAre(0, 255, 0, 255, 255, 255));
  const auto whole = bmp(2, 1, 8, palette, "\1\0\0\0"s);
  for (std::size_t length = 2; length < whole.size(); ++length) {
    const auto cut = std::as_bytes(std::span{whole}).first(length);
    EXPECT_FALSE(decode_picture(cut, 3, any_size)) << length;
  }
  const auto index = bmp(2, 1, 8, palette, "\1\7\0\0"s);
  EXPECT_FALSE(decode_picture(std::as_bytes(std::span{index}), 3, any_size));
  const auto packed = bmp(2, 1, 8, palette, "\1\0\0\0"s, 1);
  EXPECT_THAT(decode_picture(std::as_bytes(std::span{packed}), 3, any_size).error().text,
              HasSubstr("compressed"));
}

TEST(Picture, TheFirstPictureOfAGifIsRead) {
  // 3 x 2 of four colours, the fourth transparent.
  const auto bytes =
      base64_decode("R0lGODlhAwACAKEAAP8AAAD/AAAA/wAAACH5BAEAAAMALAAAAAADAAIAAAIERDQCBQA7");
  ASSERT_TRUE(bytes);
  EXPECT_THAT(pixels_of(*bytes, 4), ElementsAre(255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, //
                                                0, 0, 0, 0, 0, 0, 255, 255, 255, 0, 0, 255));
  for (std::size_t length = 6; length < bytes->size() - 3; ++length) {
    EXPECT_FALSE(decode_picture(std::span{*bytes}.first(length), 3, any_size)) << length;
  }
}

TEST(Picture, MutantsOfOtherFormatsNeverCrash) {
  std::mt19937_64 random{5};
  using namespace std::string_literals;
  const auto gif =
      base64_decode("R0lGODlhAwACAKEAAP8AAAD/AAAA/wAAACH5BAEAAAMALAAAAAADAAIAAAIERDQCBQA7");
  const auto bitmap = bmp(2, 1, 8, "\1\2\3\0\4\5\6\0"s, "\1\0\0\0"s);
  const auto* const first = reinterpret_cast<const std::byte*>(bitmap.data());
  const auto small = [](std::uint32_t width, std::uint32_t height) {
    return width <= 256 && height <= 256 ? result<void>{} : fail(errc::bad_input, "large");
  };
  for (const auto& whole : {*gif, pictures::bytes(first, first + bitmap.size())}) {
    for (int i = 0; i < 5'000; ++i) {
      auto mutant = whole;
      for (auto changes = 1 + random() % 5; changes > 0; --changes) {
        mutant[2 + random() % (mutant.size() - 2)] = static_cast<std::byte>(random());
      }
      const auto got = decode_picture(mutant, 3, small);
      if (!got) {
        ASSERT_EQ(got.error().code, errc::bad_input);
      }
    }
  }
}

} // namespace
} // namespace tayfa
