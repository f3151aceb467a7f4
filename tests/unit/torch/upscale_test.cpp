// A real photograph through the real plugin, and every pixel of the answer against an independent
// computation in double precision, written from the definitions (Keys 1981; a sampled Gaussian) and
// not from libtorch.
#include "runtime/model/base64.hpp"
#include "tests/support/places.hpp"
#include "tests/unit/torch/plugin.hpp"

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <png.h>

namespace tayfa::engine {
namespace {

/// Interleaved 8-bit RGB, read by libpng's own simple interface.
struct rgb {
  std::size_t width = 0;
  std::size_t height = 0;
  std::vector<std::uint8_t> pixels;
};

rgb read_png(const void* bytes, std::size_t size) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  rgb out;
  if (png_image_begin_read_from_memory(&image, bytes, size) == 0) {
    ADD_FAILURE() << image.message;
    return out;
  }
  EXPECT_EQ(image.format, static_cast<unsigned>(PNG_FORMAT_RGB)) << "it must be 8-bit RGB as it is";
  image.format = PNG_FORMAT_RGB;
  out.width = image.width;
  out.height = image.height;
  out.pixels.resize(PNG_IMAGE_SIZE(image));
  EXPECT_NE(png_image_finish_read(&image, nullptr, out.pixels.data(), 0, nullptr), 0);
  return out;
}

std::string photo_bytes() {
  std::ifstream file{test::in_source("/runtime/demo/cat.png"), std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::string photo_base64() {
  const auto bytes = photo_bytes();
  return base64_encode(std::as_bytes(std::span{bytes}));
}

/// A plane of doubles whose edges repeat outwards.
struct plane {
  std::ptrdiff_t width = 0;
  std::ptrdiff_t height = 0;
  std::vector<double> values;

  double at(std::ptrdiff_t x, std::ptrdiff_t y) const {
    x = std::clamp<std::ptrdiff_t>(x, 0, width - 1);
    y = std::clamp<std::ptrdiff_t>(y, 0, height - 1);
    return values[static_cast<std::size_t>(y * width + x)];
  }
};

plane channel(const rgb& from, std::size_t c) {
  plane out{static_cast<std::ptrdiff_t>(from.width), static_cast<std::ptrdiff_t>(from.height), {}};
  for (std::size_t i = c; i < from.pixels.size(); i += 3) {
    out.values.push_back(from.pixels[i]);
  }
  return out;
}

/// Keys' cubic kernel with a = -0.75.
double keys(double distance) {
  constexpr double a = -0.75;
  const double t = std::abs(distance);
  if (t <= 1) {
    return (a + 2) * t * t * t - (a + 3) * t * t + 1;
  }
  return t < 2 ? a * t * t * t - 5 * a * t * t + 8 * a * t - 4 * a : 0.0;
}

plane upscaled(const plane& from, std::ptrdiff_t factor) {
  plane out{from.width * factor, from.height * factor, {}};
  const auto scale = static_cast<double>(factor);
  for (std::ptrdiff_t y = 0; y < out.height; ++y) {
    const double v = (static_cast<double>(y) + 0.5) / scale - 0.5;
    const auto top = static_cast<std::ptrdiff_t>(std::floor(v));
    for (std::ptrdiff_t x = 0; x < out.width; ++x) {
      const double u = (static_cast<double>(x) + 0.5) / scale - 0.5;
      const auto left = static_cast<std::ptrdiff_t>(std::floor(u));
      double sum = 0;
      for (std::ptrdiff_t j = top - 1; j <= top + 2; ++j) {
        for (std::ptrdiff_t i = left - 1; i <= left + 2; ++i) {
          sum +=
              from.at(i, j) * keys(u - static_cast<double>(i)) * keys(v - static_cast<double>(j));
        }
      }
      out.values.push_back(sum);
    }
  }
  return out;
}

plane blurred(const plane& from) {
  constexpr double sigma = 1.2;
  constexpr std::ptrdiff_t radius = 3;
  std::array<double, 2 * radius + 1> weights{};
  double total = 0;
  for (std::ptrdiff_t i = -radius; i <= radius; ++i) {
    const auto d = static_cast<double>(i);
    total += weights[static_cast<std::size_t>(i + radius)] = std::exp(-d * d / (2 * sigma * sigma));
  }
  plane out{from.width, from.height, {}};
  for (std::ptrdiff_t y = 0; y < from.height; ++y) {
    for (std::ptrdiff_t x = 0; x < from.width; ++x) {
      double sum = 0;
      for (std::ptrdiff_t j = -radius; j <= radius; ++j) {
        for (std::ptrdiff_t i = -radius; i <= radius; ++i) {
          sum += from.at(x + i, y + j) * weights[static_cast<std::size_t>(i + radius)] *
                 weights[static_cast<std::size_t>(j + radius)];
        }
      }
      out.values.push_back(sum / (total * total));
    }
  }
  return out;
}

std::vector<double> expected_channel(const rgb& photo, std::size_t c) {
  const auto up = upscaled(channel(photo, c), 4);
  const auto soft = blurred(up);
  std::vector<double> out;
  for (std::size_t i = 0; i < up.values.size(); ++i) {
    const double sharp = up.values[i] + 0.6 * (up.values[i] - soft.values[i]);
    out.push_back(std::clamp(sharp, 0.0, 255.0));
  }
  return out;
}

void expect_upscaled(const rgb& photo, const rgb& answer) {
  ASSERT_EQ(answer.width, photo.width * 4);
  ASSERT_EQ(answer.height, photo.height * 4);
  std::size_t wrong = 0;
  std::size_t rounded_otherwise = 0;
  double worst = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    const auto expected = expected_channel(photo, c);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double off = std::abs(answer.pixels[i * 3 + c] - expected[i]);
      worst = std::max(worst, off);
      // Half a level is rounding; what lies between is float against double at the border.
      wrong += off > 1.0 ? 1 : 0;
      rounded_otherwise += off > 0.501 ? 1 : 0;
    }
  }
  EXPECT_EQ(wrong, 0u) << "worst pixel is off by " << worst << " levels";
  EXPECT_LE(rounded_otherwise, answer.pixels.size() / 1000) << "worst " << worst;
}

std::string picture_of(const std::string& output) {
  return boost::json::value_to<std::string>(boost::json::parse(output).at("image"));
}

void run_photo(const std::string& file, const std::string& name) {
  const auto bytes = photo_bytes();
  const auto photo = read_png(bytes.data(), bytes.size());
  ASSERT_EQ(photo.width, 256u);
  ASSERT_EQ(photo.height, 192u);
  const auto output = run(file, name, R"({"image":")" + photo_base64() + R"("})");
  ASSERT_TRUE(output) << output.error().str();
  const auto png = base64_decode(picture_of(*output));
  ASSERT_TRUE(png);
  expect_upscaled(photo, read_png(png->data(), png->size()));
}

TEST(Upscale, EveryPixelOfTheRealPhotographIsAsComputedByHand) {
  run_photo("upscale4x.pt", "upscale4x");
}

TEST(UpscalePackage, EveryPixelOfTheRealPhotographIsAsComputedByHand) {
  run_photo("package/upscale4x.pt2", "upscale4x-aot");
}

TEST(UpscalePackage, ShapesOutsideOfTheManifestNeverReachThePackage) {
  const auto output = run("package/upscale4x.pt2", "upscale4x-aot", R"({"image":"iVBORw0KGgo="})");
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().code, errc::bad_input);
}

TEST(Upscale, ABatchGivesAListWhoseMembersAreThoseOfSingleJobs) {
  const auto photo = photo_base64();
  const auto one = run("upscale4x.pt", "upscale4x", R"({"image":")" + photo + R"("})");
  const auto two =
      run("upscale4x.pt", "upscale4x", R"({"image":[")" + photo + R"(",")" + photo + R"("]})");
  ASSERT_TRUE(one && two);
  const auto list = boost::json::parse(*two).at("image").as_array();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(boost::json::value_to<std::string>(list[0]), picture_of(*one));
  EXPECT_EQ(boost::json::value_to<std::string>(list[1]), picture_of(*one));
}

} // namespace
} // namespace tayfa::engine
