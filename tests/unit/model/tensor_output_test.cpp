#include "runtime/model/picture.hpp"
#include "runtime/model/tensor_json.hpp"
#include "tests/unit/model/pictures.hpp"
#include "tests/unit/model/tensors.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <rapidcheck/gtest.h>

namespace tayfa {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

constexpr dtype all_types[] = {dtype::u8,  dtype::i8,   dtype::i16, dtype::i32, dtype::i64,
                               dtype::f16, dtype::bf16, dtype::f32, dtype::f64, dtype::boolean};

// ---- out --------------------------------------------------------------------------------------

std::string encode_one(const tensor_spec& what, const host_tensor& value,
                       output_format format = output_format::by_size, tensor_limits limits = {}) {
  const auto got = encode_outputs(manifest_of({what}), std::span{&value, 1}, format, limits);
  return got ? *got : got.error().str();
}

TEST(TensorOutputs, SmallOnesAreNumbers) {
  EXPECT_EQ(encode_one(spec("x", dtype::i64, {{1, 3}, {1, 3}}),
                       tensor<std::int64_t>(dtype::i64, {2, 2}, {1, -2, 9007199254740993, 4})),
            R"({"x":[[1,-2],[9007199254740993,4]]})");
  EXPECT_EQ(encode_one(spec("x", dtype::f32, {}), tensor<float>(dtype::f32, {}, {0.1f})),
            R"({"x":0.1})");
  EXPECT_EQ(encode_one(spec("x", dtype::f64, {{1, 3}}),
                       tensor<double>(dtype::f64, {3}, {0.1, 1e300, -5e-324})),
            R"({"x":[0.1,1e+300,-5e-324]})");
  EXPECT_EQ(encode_one(spec("x", dtype::f16, {{1, 3}}),
                       tensor<std::uint16_t>(dtype::f16, {2}, {0x3c00, 0x2e66})),
            R"({"x":[1,0.099975586]})");
  EXPECT_EQ(encode_one(spec("x", dtype::boolean, {{1, 3}}),
                       tensor<std::uint8_t>(dtype::boolean, {2}, {1, 0})),
            R"({"x":[true,false]})");
}

TEST(TensorOutputs, TheFormatFollowsSizeOrWish) {
  const auto what = spec("x", dtype::u8, {{1, 5000}});
  const auto small = tensor<std::uint8_t>(dtype::u8, {4096}, std::vector<std::uint8_t>(4096, 7));
  const auto large = tensor<std::uint8_t>(dtype::u8, {4097}, std::vector<std::uint8_t>(4097, 7));
  EXPECT_TRUE(json::parse(encode_one(what, small)).at("x").is_array());
  EXPECT_TRUE(json::parse(encode_one(what, large)).at("x").is_object());
  EXPECT_TRUE(json::parse(encode_one(what, small, output_format::base64)).at("x").is_object());
  EXPECT_EQ(json::parse(encode_one(what, large, output_format::numbers)).at("x").as_array().size(),
            4097u);
}

TEST(TensorOutputs, PackedOnesNameTypeAndShape) {
  EXPECT_EQ(encode_one(spec("x", dtype::i16, {{1, 1}, {2, 2}}),
                       tensor<std::int16_t>(dtype::i16, {1, 2}, {1, -1}), output_format::base64),
            R"({"x":{"dtype":"int16","shape":[1,2],"data":"AQD//w=="}})");
}

TEST(TensorOutputs, WhatIsNotFiniteIsPackedOrRefusedNeverInvalidJson) {
  const auto what = spec("x", dtype::f32, {{1, 3}});
  for (const float value :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const auto odd = tensor<float>(dtype::f32, {2}, {1.0f, value});
    EXPECT_TRUE(json::parse(encode_one(what, odd)).at("x").is_object());
    EXPECT_THAT(encode_one(what, odd, output_format::numbers), HasSubstr("job_failed"));
  }
}

picture picture_in(const json::value& text, std::uint32_t channels) {
  const auto png = base64_decode(json::value_to<std::string>(text));
  EXPECT_TRUE(png);
  return decode_picture(*png, channels, [](auto, auto) { return result<void>{}; }).value();
}

TEST(TensorOutputs, ImagesArePngsAndABatchIsAList) {
  const auto what = image(dtype::u8, 3);
  const auto one = tensor<std::uint8_t>(dtype::u8, {1, 3, 1, 2}, {1, 4, 2, 5, 3, 6});
  EXPECT_EQ(picture_in(json::parse(encode_one(what, one)).at("x"), 3).pixels,
            (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}));
  const auto two =
      tensor<std::uint8_t>(dtype::u8, {2, 3, 1, 2}, {1, 4, 2, 5, 3, 6, 7, 8, 9, 10, 11, 12});
  const auto list = json::parse(encode_one(what, two)).at("x").as_array();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(picture_in(list[1], 3).pixels, (std::vector<std::uint8_t>{7, 9, 11, 8, 10, 12}));
}

TEST(TensorOutputs, FloatImagesAreUnscaledCutAndRounded) {
  const auto levels = [](const tensor_spec& what, const host_tensor& value) {
    return picture_in(json::parse(encode_one(what, value)).at("x"), 1).pixels;
  };
  EXPECT_EQ(levels(image(dtype::f64, 1),
                   tensor<double>(dtype::f64, {1, 1, 1, 8},
                                  {-3, 0.49, 0.5, 1.5, 254.49, 254.5, 300, HUGE_VAL})),
            (std::vector<std::uint8_t>{0, 0, 1, 2, 254, 255, 255, 255}));
  EXPECT_EQ(levels(image(dtype::f32, 1, 1.0 / 255),
                   tensor<float>(dtype::f32, {1, 1, 1, 3}, {0.0f, 0.5f, 1.0f})),
            (std::vector<std::uint8_t>{0, 128, 255}));
  const auto nan = tensor<float>(dtype::f32, {1, 1, 1, 2}, {0, std::nanf("")});
  EXPECT_THAT(encode_one(image(dtype::f32, 1), nan), HasSubstr("not a number"));
}

TEST(TensorOutputs, AreCheckedAndBounded) {
  const auto what = spec("x", dtype::f32, {{1, 100}});
  const auto floats = [](std::size_t n) {
    return tensor<float>(dtype::f32, {static_cast<std::int64_t>(n)},
                         std::vector<float>(n, 0.123456f));
  };
  EXPECT_THAT(encode_one(what, tensor<double>(dtype::f64, {1}, {1})), HasSubstr("float64"));
  EXPECT_THAT(encode_one(what, floats(101)), HasSubstr("axis 0 is 101"));
  auto torn = floats(3);
  torn.bytes.pop_back();
  EXPECT_THAT(encode_one(what, torn), HasSubstr("internal"));
  for (const auto format : {output_format::numbers, output_format::base64}) {
    EXPECT_THAT(encode_one(what, floats(100), format, {1000, 300, 10}),
                HasSubstr("larger than 300 bytes"));
  }
  const auto noise = tensor<std::uint8_t>(dtype::u8, {1, 1, 20, 20}, pictures::noise(400));
  EXPECT_THAT(encode_one(image(dtype::u8, 1), noise, output_format::by_size, {1000, 300, 10}),
              HasSubstr("larger than 300 bytes"));
  EXPECT_FALSE(encode_outputs(manifest_of({what}), {}, output_format::by_size));
}

// ---- both ways --------------------------------------------------------------------------------

/// Any finite values of any type and shape.
rc::Gen<host_tensor> any_tensor() {
  return rc::gen::exec([] {
    host_tensor out;
    out.type = *rc::gen::elementOf(std::vector<dtype>(std::begin(all_types), std::end(all_types)));
    out.shape = *rc::gen::resize(
        4, rc::gen::container<std::vector<std::int64_t>>(rc::gen::inRange<std::int64_t>(1, 6)));
    const auto count = element_count(out.shape).value();
    const auto raw =
        *rc::gen::container<std::vector<std::uint64_t>>(count, rc::gen::arbitrary<std::uint64_t>());
    for (auto bits : raw) {
      std::uint64_t exponent = 0;
      switch (out.type) {
      case dtype::f16: exponent = 0x7c00; break;
      case dtype::bf16: exponent = 0x7f80; break;
      case dtype::f32: exponent = 0x7f800000; break;
      case dtype::f64: exponent = 0x7ff0000000000000; break;
      case dtype::boolean: bits &= 1; break;
      case dtype::u8:
      case dtype::i8:
      case dtype::i16:
      case dtype::i32:
      case dtype::i64: break;
      }
      // An exponent of all ones is an infinity or no number: clear its lowest bit.
      if (exponent != 0 && (bits & exponent) == exponent) {
        bits &= ~(exponent & (~exponent + 1));
      }
      const auto* const bytes = reinterpret_cast<const std::byte*>(&bits);
      out.bytes.insert(out.bytes.end(), bytes, bytes + size_of(out.type));
    }
    return out;
  });
}

RC_GTEST_PROP(TensorJson, EveryTensorComesBackBitForBit, ()) {
  const auto value = *any_tensor();
  const auto format =
      *rc::gen::element(output_format::by_size, output_format::numbers, output_format::base64);
  std::vector<axis_bounds> bounds;
  for (const auto size : value.shape) {
    bounds.push_back({1, size});
  }
  const auto manifest = manifest_of({spec("x", value.type, bounds)});
  const auto text = encode_outputs(manifest, std::span{&value, 1}, format);
  RC_ASSERT(text.has_value());
  const auto back = decode_inputs(manifest, *text);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->tensors.at(0) == value);
}

TEST(TensorJson, MutantsNeverCrash) {
  auto batch = spec("a", dtype::f16, {{1, 3}, {2, 2}});
  batch.batch_axis = 0;
  const auto manifest = manifest_of({batch, spec("b", dtype::i8, {{1, 4}}), image(dtype::u8, 3)});
  const auto png = encode_png({2, 1, 3, {1, 2, 3, 4, 5, 6}}).value();
  const auto good = R"({"a":[[1,2.5]],"b":{"dtype":"int8","shape":[4],"data":"AQIDBA=="},"x":)" +
                    base64_of(png) + R"(,"options":{"output_format":"base64"}})";
  ASSERT_TRUE(decode_inputs(manifest, good));
  const std::string pieces[] = {"[", "]", "{", "}", "-1", "1e400", "null", "\"", "[[[[[[[[[[", ","};
  std::mt19937_64 random{7};
  for (int i = 0; i < 20'000; ++i) {
    auto mutant = good;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      const auto at = random() % mutant.size();
      switch (random() % 4) {
      case 0: mutant[at] = static_cast<char>(random()); break;
      case 1: mutant.erase(at, random() % 8); break;
      case 2: mutant.insert(at, pieces[random() % std::size(pieces)]); break;
      default: mutant[at] = good[random() % good.size()]; break;
      }
    }
    const auto got = decode_inputs(manifest, mutant);
    if (!got) {
      ASSERT_EQ(got.error().code, errc::bad_input) << mutant;
    }
  }
}

TEST(TensorJson, WarmUpInputsAreTheSmallestThatAreLegal) {
  auto a = spec("a", dtype::f16, {{2, 3}, {4, 9}});
  auto b = spec("b", dtype::i64, {{1, 8}});
  a.batch_axis = 0;
  b.batch_axis = 0;
  const auto inputs = made_up_inputs(manifest_of({a, b, spec("c", dtype::u8, {})}), 0);
  ASSERT_EQ(inputs.size(), 3u);
  EXPECT_EQ(inputs[0], (host_tensor{dtype::f16, {2, 4}, std::vector<std::byte>(16)}));
  EXPECT_EQ(inputs[1], (host_tensor{dtype::i64, {2}, std::vector<std::byte>(16)}))
      << "one batch size";
  EXPECT_EQ(inputs[2], (host_tensor{dtype::u8, {}, std::vector<std::byte>(1)}));
}

TEST(TensorJson, WarmUpInputsAgreeInNamedAxesAndAreNotEmptyWhereTheyNeedNotBe) {
  auto a = spec("a", dtype::f32, {{0, 4, "b"}, {0, 9, "n"}, {0, 0}});
  a.batch_axis = 0;
  auto c = spec("c", dtype::u8, {{0, 4}, {1, 9, "n"}, {0, 3}});
  c.batch_axis = 0;
  const auto inputs =
      made_up_inputs(manifest_of({a, c, spec("d", dtype::u8, {{3, 9, "n"}, {2, 4, "b"}})}), 0);
  EXPECT_EQ(inputs[0].shape, (std::vector<std::int64_t>{2, 3, 0}));
  EXPECT_EQ(inputs[1].shape, (std::vector<std::int64_t>{2, 3, 1}));
  EXPECT_EQ(inputs[2].shape, (std::vector<std::int64_t>{3, 2}));
}

TEST(TensorJson, WarmUpInputsMayBeOnes) {
  auto bounded = spec("v", dtype::i32, {});
  bounded.values = value_bounds{5, 9};
  auto text = spec("t", dtype::u8, {{2, 4}});
  text.form = tensor_form::text;
  const auto inputs = made_up_inputs(manifest_of({spec("f", dtype::f16, {{2, 4}}), bounded, text,
                                                  spec("b", dtype::boolean, {{1, 4}})}),
                                     1);
  EXPECT_EQ(inputs[0], tensor<std::uint16_t>(dtype::f16, {2}, {0x3c00, 0x3c00}));
  EXPECT_EQ(inputs[1], tensor<std::int32_t>(dtype::i32, {}, {5})) << "the nearest that is allowed";
  EXPECT_EQ(inputs[2], tensor<std::uint8_t>(dtype::u8, {2}, {'a', 'a'}));
  EXPECT_EQ(inputs[3], tensor<std::uint8_t>(dtype::boolean, {1}, {1}));
}

TEST(TensorOutputs, EmptyOnesAreEmptyLists) {
  EXPECT_EQ(
      encode_one(spec("x", dtype::f32, {{0, 3}, {4, 4}}), tensor<float>(dtype::f32, {0, 4}, {})),
      R"({"x":[]})");
  EXPECT_EQ(
      encode_one(spec("x", dtype::f32, {{2, 2}, {0, 4}}), tensor<float>(dtype::f32, {2, 0}, {})),
      R"({"x":[[],[]]})");
  EXPECT_EQ(encode_one(spec("x", dtype::f32, {{0, 3}}), tensor<float>(dtype::f32, {0}, {}),
                       output_format::base64),
            R"({"x":{"dtype":"float32","shape":[0],"data":""}})");
  auto pictures = image(dtype::u8, 3);
  pictures.shape[0].min = 0;
  EXPECT_EQ(encode_one(pictures, tensor<std::uint8_t>(dtype::u8, {0, 3, 8, 8}, {})), R"({"x":[]})");
}

TEST(TensorOutputs, TextsAreTextsUnlessTheirBytesAreNone) {
  auto several = spec("x", dtype::u8, {{0, 3}, {0, 9}});
  several.form = tensor_form::text;
  const auto two = tensor<std::uint8_t>(dtype::u8, {2, 3}, {'h', 0xc3, 0xa9, '"', 0, 0});
  EXPECT_EQ(json::parse(encode_one(several, two)).at("x"), (json::value{"h\u00e9", "\""}));
  EXPECT_EQ(encode_one(several, tensor<std::uint8_t>(dtype::u8, {0, 3}, {})), R"({"x":[]})");
  EXPECT_EQ(encode_one(several, tensor<std::uint8_t>(dtype::u8, {1, 0}, {})), R"({"x":[""]})");
  EXPECT_TRUE(json::parse(encode_one(several, two, output_format::base64)).at("x").is_object());
  auto one = spec("x", dtype::u8, {{0, 9}});
  one.form = tensor_form::text;
  EXPECT_EQ(encode_one(one, tensor<std::uint8_t>(dtype::u8, {2}, {'o', 'k'})), R"({"x":"ok"})");
  EXPECT_TRUE(json::parse(encode_one(one, tensor<std::uint8_t>(dtype::u8, {2}, {0xc3, 'k'})))
                  .at("x")
                  .is_array())
      << "as other small tensors are";
}

} // namespace
} // namespace tayfa
