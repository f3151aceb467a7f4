// Batches through the real plugin: what members get together is what each gets alone.
#include "tests/unit/torch/plugin.hpp"

#include "runtime/model/base64.hpp"
#include "runtime/model/picture.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <gmock/gmock.h>

namespace tayfa::engine {
namespace {

namespace json = boost::json;

std::vector<result<std::string>> run_together(const std::string& file, const std::string& name,
                                              const std::vector<std::string>& inputs) {
  static kept_events events;
  const cancel_token nobody;
  std::vector<run_member> members;
  for (const auto& input : inputs) {
    members.push_back({input, nobody, events});
  }
  return loaded(file).run_batch(name, members);
}

/// A picture of this size whose pixels follow from `seed`, as base64 of a PNG.
std::string picture_text(std::uint32_t width, std::uint32_t height, std::uint32_t channels,
                         std::uint32_t seed) {
  picture image{width, height, channels, {}};
  std::uint32_t state = seed * 2654435761u + 1;
  for (std::size_t i = 0; i < std::size_t{width} * height * channels; ++i) {
    state = state * 1664525u + 1013904223u;
    image.pixels.push_back(static_cast<std::uint8_t>(state >> 24));
  }
  const auto png = encode_png(image);
  EXPECT_TRUE(png);
  return base64_encode(*png);
}

std::string upscale_input(std::uint32_t side, std::uint32_t seed) {
  return json::serialize(json::object{{"image", picture_text(side, side, 3, seed)}});
}

TEST(PluginBatch, PicturesTogetherAreTheSameToTheBitAsAlone) {
  std::vector<std::string> inputs;
  for (std::uint32_t i = 0; i < 7; ++i) {
    inputs.push_back(upscale_input(i == 3 ? 48 : 32, i)); // one of another size
  }
  inputs.push_back(R"({"image":"no picture"})");
  const auto together = run_together("upscale4x.pt", "upscale4x", inputs);
  ASSERT_EQ(together.size(), inputs.size());
  for (std::size_t i = 0; i + 1 < inputs.size(); ++i) {
    ASSERT_TRUE(together[i]) << together[i].error().str();
    EXPECT_EQ(*together[i], *run("upscale4x.pt", "upscale4x", inputs[i])) << i;
  }
  EXPECT_EQ(together.back().error().code, errc::bad_input);
}

TEST(PluginBatch, SeveralOutputsAreTakenApartMemberByMember) {
  std::vector<std::string> inputs;
  for (std::uint32_t i = 0; i < 3; ++i) {
    inputs.push_back(json::serialize(json::object{{"picture", picture_text(8, 6, 4, i)}}));
  }
  const auto together = run_together("negative.pt", "negative", inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_TRUE(together[i]) << together[i].error().str();
    const auto here = json::parse(*together[i]).as_object();
    const auto alone = json::parse(*run("negative.pt", "negative", inputs[i])).as_object();
    EXPECT_EQ(here.at("negative"), alone.at("negative"));
    // A mean may be summed in another order.
    const auto mean = [](const json::object& o) {
      return json::value_to<std::vector<double>>(o.at("brightness"));
    };
    ASSERT_EQ(mean(here).size(), 1u);
    EXPECT_NEAR(mean(here)[0], mean(alone)[0], 1e-6);
  }
}

TEST(PluginBatch, EveryElementTypeComesBackToItsMember) {
  const auto input = [](int n) {
    json::object out;
    for (const char* type : {"uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16",
                             "float32", "float64"}) {
      out["in_" + std::string{type}] = json::value{{n, n + 1, n + 2}};
    }
    out["in_bool"] = json::value{{n % 2 == 0, true, false}};
    return json::serialize(out);
  };
  const auto together = run_together("types.pt", "types", {input(1), input(20), input(40)});
  int n[] = {1, 20, 40};
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(together[i]) << together[i].error().str();
    EXPECT_EQ(*together[i], *run("types.pt", "types", input(n[i])));
  }
}

TEST(PluginBatch, OnlyWhatTheManifestAllowsIsOffered) {
  EXPECT_EQ(loaded("upscale4x.pt").batch_max(), 8u);
  EXPECT_EQ(loaded("types.pt").batch_max(), 4u);
  EXPECT_EQ(loaded("named.pt").batch_max(), 1u) << "its mean is of the whole batch";
  EXPECT_EQ(loaded("moody.pt").batch_max(), 1u);
}

std::string wide_input(int seed) {
  json::array row;
  for (int i = 0; i < 16; ++i) {
    row.emplace_back(0.125 * ((seed * 37 + i * 11) % 17 - 8));
  }
  return json::serialize(json::object{{"x", json::array{row}}});
}

TEST(PluginBatch, SumsInAnotherOrderStayWithinATolerance) {
  std::vector<std::string> inputs;
  for (int i = 0; i < 32; ++i) {
    inputs.push_back(wide_input(i));
  }
  const auto together = run_together("wide.pt", "wide", inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_TRUE(together[i]) << together[i].error().str();
    const auto numbers = [](const std::string& text) {
      return json::value_to<std::vector<double>>(json::parse(text).at("y").at(0));
    };
    const auto here = numbers(*together[i]);
    const auto alone = numbers(*run("wide.pt", "wide", inputs[i]));
    ASSERT_EQ(here.size(), 4u);
    for (std::size_t k = 0; k < here.size(); ++k) {
      EXPECT_NEAR(here[k], alone[k], 1e-5) << i;
    }
  }
}

/// Runs per second of `inputs` alone and together, by the clock, after a first round that is not
/// counted.
void print_what_a_batch_saves(const std::string& name, const std::vector<std::string>& inputs,
                              int rounds) {
  using clock = std::chrono::steady_clock;
  const auto file = name + ".pt";
  clock::duration alone{0};
  clock::duration together{0};
  for (int i = 0; i <= rounds; ++i) {
    const auto begun = clock::now();
    for (const auto& input : inputs) {
      ASSERT_TRUE(run(file, name, input));
    }
    const auto between = clock::now();
    for (const auto& output : run_together(file, name, inputs)) {
      ASSERT_TRUE(output);
    }
    if (i > 0) {
      alone += between - begun;
      together += clock::now() - between;
    }
  }
  const auto per_second = [&](clock::duration time) {
    return rounds * static_cast<double>(inputs.size()) /
           std::chrono::duration<double>(time).count();
  };
  std::printf("%s: alone %.0f runs/s, in batches of %zu %.0f runs/s\n", name.c_str(),
              per_second(alone), inputs.size(), per_second(together));
}

/// Prints; asserts nothing about time.
TEST(PluginBatch, PrintsWhatABatchSaves) {
  std::vector<std::string> pictures;
  std::vector<std::string> rows;
  for (int i = 0; i < 32; ++i) {
    rows.push_back(wide_input(i));
    if (i < 8) {
      pictures.push_back(upscale_input(32, static_cast<std::uint32_t>(i)));
    }
  }
  print_what_a_batch_saves("upscale4x", pictures, 4);
  print_what_a_batch_saves("wide", rows, 8);
}

} // namespace
} // namespace tayfa::engine
