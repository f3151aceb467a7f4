#include "runtime/model/tensor_json.hpp"

#include "runtime/model/base64.hpp"
#include "runtime/model/picture.hpp"
#include "tests/unit/model/pictures.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <cmath>
#include <cstring>
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

model_manifest manifest_of(std::vector<tensor_spec> inputs) {
  model_manifest manifest;
  manifest.inputs = inputs;
  manifest.outputs = std::move(inputs);
  return manifest;
}

tensor_spec spec(std::string name, dtype type, std::vector<axis_bounds> shape) {
  return {std::move(name), type, std::move(shape), std::nullopt, tensor_form::any, 1.0};
}

tensor_spec image(dtype type, std::int64_t channels, double scale = 1.0) {
  return {"x",  type, {{1, 4}, {channels, channels}, {1, 64}, {2, 64}}, 0, tensor_form::image,
          scale};
}

template <class T>
host_tensor tensor(dtype type, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  host_tensor out{type, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
  std::memcpy(out.bytes.data(), values.data(), out.bytes.size());
  return out;
}

template <class T>
std::vector<T> values_of(const host_tensor& from) {
  std::vector<T> out(from.bytes.size() / sizeof(T));
  std::memcpy(out.data(), from.bytes.data(), from.bytes.size());
  return out;
}

result<host_tensor> decode_one(const tensor_spec& what, const std::string& value) {
  auto got = decode_inputs(manifest_of({what}), R"({"x":)" + value + "}");
  if (!got) {
    return fail(got.error());
  }
  return std::move(got->tensors.at(0));
}

void expect_refused(const tensor_spec& what, const std::string& value, const char* why) {
  const auto got = decode_one(what, value);
  ASSERT_FALSE(got) << value;
  EXPECT_EQ(got.error().code, errc::bad_input) << value;
  EXPECT_THAT(got.error().text, HasSubstr(why)) << value;
  EXPECT_THAT(got.error().text, HasSubstr("\"x\"")) << "the input is named";
}

std::string base64_of(const std::vector<std::byte>& bytes) {
  return "\"" + base64_encode(bytes) + "\"";
}

std::string packed(const char* type, const char* shape, const host_tensor& data) {
  return std::string{R"({"dtype":")"} + type + R"(","shape":)" + shape + R"(,"data":)" +
         base64_of(data.bytes) + "}";
}

// ---- which inputs
// --------------------------------------------------------------------------------

TEST(TensorInputs, ComeInTheManifestsOrderWhateverTheJsonsIs) {
  const auto manifest = manifest_of({spec("a", dtype::u8, {}), spec("b", dtype::i8, {})});
  const auto got = decode_inputs(manifest, R"({"b":-1,"a":1})");
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->tensors[0], tensor<std::uint8_t>(dtype::u8, {}, {1}));
  EXPECT_EQ(got->tensors[1], tensor<std::int8_t>(dtype::i8, {}, {-1}));
  EXPECT_EQ(got->batch, std::nullopt);
}

TEST(TensorInputs, AMissingUnknownOrDoubledOneIsNamed) {
  const auto manifest = manifest_of({spec("a", dtype::u8, {})});
  const auto text = [&manifest](std::string_view input) {
    const auto got = decode_inputs(manifest, input);
    EXPECT_FALSE(got) << input;
    EXPECT_EQ(got.error().code, errc::bad_input);
    return got.error().text;
  };
  EXPECT_THAT(text("{}"), HasSubstr("\"a\" is missing"));
  EXPECT_THAT(text(R"({"a":1,"b":2})"), HasSubstr("no input \"b\""));
  EXPECT_THAT(text(R"({"a":1,"a":2})"), HasSubstr("twice"));
  EXPECT_THAT(text("[1]"), HasSubstr("object"));
  EXPECT_THAT(text("1"), HasSubstr("object"));
  EXPECT_THAT(text("{"), HasSubstr("JSON"));
  EXPECT_THAT(text(R"({"a":1,"e\u0001\"il":2})"), HasSubstr("\"e??il\"")) << "shown harmlessly";
  EXPECT_LT(text(R"({"a":1,")" + std::string(2000, 'k') + R"(":2})").size(), 120u);
}

TEST(TensorInputs, BatchesMustAgree) {
  auto a = spec("a", dtype::u8, {{1, 9}});
  auto b = spec("b", dtype::u8, {{1, 9}, {1, 9}});
  a.batch_axis = 0;
  b.batch_axis = 1;
  const auto manifest = manifest_of({a, b, spec("c", dtype::u8, {{1, 9}})});
  const auto got = decode_inputs(manifest, R"({"a":[1,2],"b":[[1,2],[3,4],[5,6]],"c":[1,2,3]})");
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->batch, 2);
  const auto bad = decode_inputs(manifest, R"({"a":[1,2],"b":[[1,2,3]],"c":[1]})");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().text, HasSubstr("\"b\": its batch is 3, that of the others is 2"));
}

TEST(TensorInputs, OptionsAreFewAndStrict) {
  const auto manifest = manifest_of({spec("a", dtype::u8, {})});
  const auto format = [&manifest](const std::string& options) {
    return decode_inputs(manifest, R"({"a":1,"options":)" + options + "}");
  };
  EXPECT_EQ(format("{}")->format, output_format::by_size);
  EXPECT_EQ(format(R"({"output_format":"numbers"})")->format, output_format::numbers);
  EXPECT_EQ(format(R"({"output_format":"base64"})")->format, output_format::base64);
  for (const char* wrong : {"1", "[]", R"({"output_format":"png"})", R"({"output_format":1})",
                            R"({"format":"base64"})"}) {
    const auto got = format(wrong);
    ASSERT_FALSE(got) << wrong;
    EXPECT_THAT(got.error().text, HasSubstr("options"));
  }
}

TEST(TensorInputs, TakeNoMoreMemoryThanTheLimit) {
  const auto manifest =
      manifest_of({spec("a", dtype::f64, {{1, 100}}), spec("b", dtype::f64, {{1, 100}})});
  const tensor_limits limits{40, 1000, 10};
  EXPECT_TRUE(decode_inputs(manifest, R"({"a":[1,2],"b":[1,2,3]})", limits));
  const auto got = decode_inputs(manifest, R"({"a":[1,2],"b":[1,2,3,4]})", limits);
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().text, HasSubstr("\"b\": it is too large"));
}

// ---- nested lists
// --------------------------------------------------------------------------------

TEST(TensorNumbers, ShapesAreThoseOfTheLists) {
  const auto what = spec("x", dtype::i16, {{1, 3}, {2, 2}});
  EXPECT_EQ(decode_one(what, "[[1,2],[3,4],[5,6]]"),
            tensor<std::int16_t>(dtype::i16, {3, 2}, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(decode_one(spec("x", dtype::i16, {}), "7"), tensor<std::int16_t>(dtype::i16, {}, {7}));
}

TEST(TensorNumbers, WrongShapesAreRefused) {
  const auto what = spec("x", dtype::i16, {{1, 3}, {2, 2}});
  expect_refused(what, "1", "0 axes");
  expect_refused(what, "[1,2]", "1 axes");
  expect_refused(what, "[[[1,2]]]", "3 axes");
  expect_refused(what, "[]", "axes");
  expect_refused(what, "[[]]", "axis 1 is 0");
  expect_refused(what, "[[1,2,3]]", "axis 1 is 3, it must be 2");
  expect_refused(what, "[[1,2],[1,2],[1,2],[1,2]]", "axis 0 is 4, it must be from 1 to 3");
  expect_refused(what, "[[1,2],[3]]", "ragged");
  expect_refused(what, "[[1,2],[3,4,5]]", "ragged");
  expect_refused(what, "[[1,2],3]", "ragged");
  expect_refused(what, "[[1,[2]],[3,4]]", "ragged");
  expect_refused(what, "[[1,\"2\"]]", "nested lists of numbers");
  expect_refused(what, "[[1,null]]", "nested lists of numbers");
  expect_refused(what, "\"AAAA\"", "axes");
  expect_refused(what, std::string(20, '[') + "1" + std::string(20, ']'), "axes");
}

struct range {
  dtype type;
  std::vector<const char*> fit;
  std::vector<const char*> refused;
};
void PrintTo(const range& r, std::ostream* out) {
  *out << to_string(r.type);
}

class TensorRange : public testing::TestWithParam<range> {};

TEST_P(TensorRange, ValuesFitOrAreRefused) {
  const auto what = spec("x", GetParam().type, {});
  for (const char* value : GetParam().fit) {
    EXPECT_TRUE(decode_one(what, value)) << value;
  }
  for (const char* value : GetParam().refused) {
    expect_refused(what, value, "does not fit");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, TensorRange,
    testing::Values(
        range{dtype::u8, {"0", "255", "2.0", "1e2", "-0.0"}, {"-1", "256", "0.5", "true", "1e300"}},
        range{dtype::i8, {"-128", "127"}, {"-129", "128", "false"}},
        range{dtype::i16, {"-32768", "32767"}, {"-32769", "32768"}},
        range{dtype::i32, {"-2147483648", "2147483647"}, {"-2147483649", "2147483648", "1e10"}},
        range{dtype::i64,
              {"-9223372036854775808", "9223372036854775807", "9007199254740992.0", "9e15"},
              {"9223372036854775808", "-9223372036854775809", "18446744073709551615", "9.3e18",
               "-9.223372036854775808e18", "0.1"}},
        range{dtype::f16, {"65504", "65519.9", "-65504", "1e-30", "0"}, {"65520", "-1e9", "true"}},
        range{dtype::bf16, {"3.38e38", "1e-300"}, {"3.4e38", "-1e39"}},
        range{dtype::f32,
              {"3.4028235e38", "1e-300", "18446744073709551615"},
              {"3.4028236e38", "-1e39", "true"}},
        range{dtype::f64, {"1.7976931348623157e308", "-1"}, {"false"}},
        range{dtype::boolean, {"true", "false", "0", "1"}, {"2", "-1", "1.0", "0.5"}}));

TEST(TensorNumbers, AreStoredAsTheTypeSays) {
  const auto halves = decode_one(spec("x", dtype::f16, {{1, 9}}), "[1,-2,0.1,65504,1e-7]");
  ASSERT_TRUE(halves);
  EXPECT_THAT(values_of<std::uint16_t>(*halves),
              testing::ElementsAre(0x3c00, 0xc000, 0x2e66, 0x7bff, 0x0002));
  const auto brains = decode_one(spec("x", dtype::bf16, {{1, 9}}), "[1,-2,0.1]");
  ASSERT_TRUE(brains);
  EXPECT_THAT(values_of<std::uint16_t>(*brains), testing::ElementsAre(0x3f80, 0xc000, 0x3dcd));
  const auto floats = decode_one(spec("x", dtype::f32, {{1, 9}}), "[0.1,-0.0]");
  EXPECT_EQ(*floats, tensor<float>(dtype::f32, {2}, {0.1f, -0.0f}));
  const auto doubles = decode_one(spec("x", dtype::f64, {{1, 9}}), "[0.1,5e-324]");
  EXPECT_EQ(*doubles, tensor<double>(dtype::f64, {2}, {0.1, 5e-324}));
  const auto truths = decode_one(spec("x", dtype::boolean, {{1, 9}}), "[true,0,1,false]");
  EXPECT_EQ(*truths, tensor<std::uint8_t>(dtype::boolean, {4}, {1, 0, 1, 0}));
}

// ---- {"dtype", "shape", "data"}
// ------------------------------------------------------------------

TEST(TensorPacked, IsTakenAsItIsWhenTheTypesAreTheSame) {
  const auto data = tensor<float>(dtype::f32, {2, 1}, {1.5f, -2.25f});
  EXPECT_EQ(decode_one(spec("x", dtype::f32, {{1, 2}, {1, 1}}), packed("float32", "[2,1]", data)),
            data);
}

TEST(TensorPacked, ConvertsWhereTheMeaningIsKept) {
  const auto what = spec("x", dtype::f16, {{1, 9}});
  EXPECT_EQ(decode_one(what, packed("float64", "[2]", tensor<double>(dtype::f64, {2}, {1, 0.1}))),
            tensor<std::uint16_t>(dtype::f16, {2}, {0x3c00, 0x2e66}));
  EXPECT_EQ(decode_one(what, packed("int8", "[1]", tensor<std::int8_t>(dtype::i8, {1}, {-2}))),
            tensor<std::uint16_t>(dtype::f16, {1}, {0xc000}));
  EXPECT_EQ(decode_one(spec("x", dtype::u8, {{1, 9}}),
                       packed("float32", "[2]", tensor<float>(dtype::f32, {2}, {0.0f, 255.0f}))),
            tensor<std::uint8_t>(dtype::u8, {2}, {0, 255}));
}

TEST(TensorPacked, FaultsAreRefused) {
  const auto what = spec("x", dtype::u8, {{1, 4}});
  const auto two = tensor<std::uint8_t>(dtype::u8, {2}, {1, 2});
  expect_refused(what, packed("uint8", "[3]", two), "length");
  expect_refused(what, packed("uint8", "[1]", two), "length");
  expect_refused(what, packed("int16", "[2]", two), "length");
  expect_refused(what, packed("float", "[2]", two), "dtype");
  expect_refused(what, packed("uint8", "[5]", two), "axis 0 is 5");
  expect_refused(what, packed("uint8", "[-1]", two), "axis 0 is -1");
  expect_refused(what, packed("uint8", "[2,1]", two), "2 axes");
  expect_refused(what, packed("uint8", "2", two), "shape");
  expect_refused(what, packed("uint8", "[2.0]", two), "shape");
  expect_refused(what, packed("uint8", "[1,1,1,1,1,1,1,1,1]", two), "shape");
  expect_refused(what, R"({"dtype":"uint8","shape":[2]})", "data");
  expect_refused(what, R"({"dtype":"uint8","shape":[2],"data":[1,2]})", "data");
  expect_refused(what, R"({"dtype":"uint8","shape":[2],"data":"A?I="})", "base64");
  expect_refused(what, R"({"dtype":"uint8","shape":[2],"data":"AQI=","order":"C"})", "\"order\"");
  expect_refused(what, R"({"shape":[2],"data":"AQI="})", "dtype");
  expect_refused(what, R"({})", "dtype");
  expect_refused(what, packed("int8", "[1]", tensor<std::int8_t>(dtype::i8, {1}, {-1})), "fit");
  expect_refused(what, packed("float32", "[1]", tensor<float>(dtype::f32, {1}, {0.5f})), "fit");
  expect_refused(what, packed("bool", "[1]", tensor<std::uint8_t>(dtype::boolean, {1}, {1})),
                 "fit");
  const auto real = spec("x", dtype::f32, {{1, 4}});
  for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL, 1e300}) {
    expect_refused(real, packed("float64", "[1]", tensor<double>(dtype::f64, {1}, {value})), "fit");
  }
  const auto nan = tensor<float>(dtype::f32, {1}, {std::numeric_limits<float>::quiet_NaN()});
  expect_refused(real, packed("float32", "[1]", nan), "fit");
  expect_refused(spec("x", dtype::boolean, {{1, 4}}),
                 packed("bool", "[1]", tensor<std::uint8_t>(dtype::boolean, {1}, {2})), "fit");
}

// ---- pictures
// ------------------------------------------------------------------------------------

TEST(TensorImage, BecomesPlanes) {
  const auto png = encode_png({2, 1, 3, {1, 2, 3, 4, 5, 6}}).value();
  const auto got = decode_one(image(dtype::u8, 3), base64_of(png));
  EXPECT_EQ(got, tensor<std::uint8_t>(dtype::u8, {1, 3, 1, 2}, {1, 4, 2, 5, 3, 6}));
}

TEST(TensorImage, IsScaledForEveryFloatType) {
  const auto png = encode_png({2, 1, 1, {0, 51}}).value();
  const double scale = 1.0 / 255;
  EXPECT_EQ(decode_one(image(dtype::f32, 1, scale), base64_of(png)),
            tensor<float>(dtype::f32, {1, 1, 1, 2}, {0.0f, static_cast<float>(51 * scale)}));
  EXPECT_EQ(decode_one(image(dtype::f64, 1, scale), base64_of(png)),
            tensor<double>(dtype::f64, {1, 1, 1, 2}, {0.0, 51 * scale}));
  EXPECT_EQ(decode_one(image(dtype::f16, 1, scale), base64_of(png)),
            tensor<std::uint16_t>(dtype::f16, {1, 1, 1, 2}, {0, 0x3266}));
  EXPECT_EQ(decode_one(image(dtype::bf16, 1, scale), base64_of(png)),
            tensor<std::uint16_t>(dtype::bf16, {1, 1, 1, 2}, {0, 0x3e4d}));
}

TEST(TensorImage, AListIsABatchOfOneSize) {
  const auto what = image(dtype::u8, 1);
  const auto a = base64_of(encode_png({2, 1, 1, {1, 2}}).value());
  const auto b = base64_of(encode_png({2, 1, 1, {3, 4}}).value());
  const auto other = base64_of(encode_png({2, 2, 1, {3, 4, 5, 6}}).value());
  EXPECT_EQ(decode_one(what, "[" + a + "," + b + "]"),
            tensor<std::uint8_t>(dtype::u8, {2, 1, 1, 2}, {1, 2, 3, 4}));
  EXPECT_EQ(decode_one(what, "[" + a + "]"), decode_one(what, a));
  expect_refused(what, "[" + a + "," + other + "]", "one size");
  expect_refused(what, "[" + a + "," + a + "," + a + "," + a + "," + a + "]", "axis 0 is 5");
  expect_refused(what, "[]", "list of such texts");
  expect_refused(what, "[" + a + ",1]", "list must hold");
  expect_refused(what, "[[" + a + "]]", "list must hold");
}

TEST(TensorImage, ADataUrlMayStandAroundIt) {
  const auto png = encode_png({2, 1, 1, {1, 2}}).value();
  const auto plain = decode_one(image(dtype::u8, 1), base64_of(png));
  ASSERT_TRUE(plain);
  for (const char* type : {"png", "jpeg", "jpg"}) {
    const auto url = std::string{"\"data:image/"} + type + ";base64," + base64_encode(png) + "\"";
    EXPECT_EQ(decode_one(image(dtype::u8, 1), url), plain) << "told by content, not by its name";
  }
  expect_refused(image(dtype::u8, 1), "\"data:text/html;base64," + base64_encode(png) + "\"",
                 "base64");
}

TEST(TensorImage, SizesAreCheckedBeforePixelsAreDecoded) {
  const auto small = encode_png({2, 1, 1, {1, 2}}).value();
  const auto what = image(dtype::u8, 1);
  expect_refused(what, base64_of(pictures::claiming(small, 65, 1)), "axis 3 is 65");
  expect_refused(what, base64_of(pictures::claiming(small, 1, 1)), "axis 3 is 1,");
  expect_refused(what, base64_of(pictures::claiming(small, 8, 65)), "axis 2 is 65");
  expect_refused(what, base64_of(pictures::claiming(small, 1'000'000, 1'000'000)), "pixels");
  expect_refused(what, base64_of(pictures::claiming(small, 64, 64)), "damaged");
  expect_refused(what, "\"\"", "neither");
  expect_refused(what, "7", "base64 text");
  expect_refused(what, "null", "base64 text");
  expect_refused(what, "{}", "base64 text");
  expect_refused(what, "\"not base64\"", "base64");
}

TEST(TensorImage, JpegsAreTaken) {
  const auto jpeg = pictures::jpeg(24, 16, JCS_RGB, 3, pictures::gradient(24, 16));
  const auto got = decode_one(image(dtype::u8, 3), base64_of(jpeg));
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->shape, (std::vector<std::int64_t>{1, 3, 16, 24}));
  EXPECT_NEAR(std::to_integer<int>(got->bytes[0]), 40, 8);
}

// ---- out
// -----------------------------------------------------------------------------------------

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

// ---- both ways
// -----------------------------------------------------------------------------------

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
  const auto inputs = smallest_inputs(manifest_of({a, b, spec("c", dtype::u8, {})}));
  ASSERT_EQ(inputs.size(), 3u);
  EXPECT_EQ(inputs[0], (host_tensor{dtype::f16, {2, 4}, std::vector<std::byte>(16)}));
  EXPECT_EQ(inputs[1], (host_tensor{dtype::i64, {2}, std::vector<std::byte>(16)}))
      << "one batch size";
  EXPECT_EQ(inputs[2], (host_tensor{dtype::u8, {}, std::vector<std::byte>(1)}));
}

} // namespace
} // namespace tayfa
