#include "runtime/model/picture.hpp"
#include "runtime/model/tensor_json.hpp"
#include "tests/unit/model/pictures.hpp"
#include "tests/unit/model/tensors.hpp"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

namespace tayfa {
namespace {

using testing::HasSubstr;

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

std::string packed(const char* type, const char* shape, const host_tensor& data) {
  return std::string{R"({"dtype":")"} + type + R"(","shape":)" + shape + R"(,"data":)" +
         base64_of(data.bytes) + "}";
}

// ---- which inputs -----------------------------------------------------------------------------

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
  EXPECT_THAT(text(R"({"openai_route":"/v1/models","openai_input":{}})"),
              HasSubstr("does not answer OpenAI's API"));
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

// ---- nested lists -----------------------------------------------------------------------------

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
  expect_refused(what, "[]", "axis 0 is 0");
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

// ---- {"dtype", "shape", "data"} ---------------------------------------------------------------

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
  expect_refused(what, packed("uint8", "[3]", two), "bytes, its dtype and shape ask for");
  expect_refused(what, packed("uint8", "[1]", two), "bytes, its dtype and shape ask for");
  expect_refused(what, packed("int16", "[2]", two), "bytes, its dtype and shape ask for");
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

// ---- pictures ---------------------------------------------------------------------------------

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
  expect_refused(what, "[]", "axis 0 is 0");
  expect_refused(what, "[" + a + ",1]", "list must hold");
  expect_refused(what, "[[" + a + "]]", "list must hold");
}

TEST(TensorImage, ADataUrlMayStandAroundIt) {
  const auto png = encode_png({2, 1, 1, {1, 2}}).value();
  const auto plain = decode_one(image(dtype::u8, 1), base64_of(png));
  ASSERT_TRUE(plain);
  for (const char* type : {"image/png", "image/jpeg", "image/jpg", "image/x-png;charset=utf-8",
                           "application/octet-stream", ""}) {
    const auto url = std::string{"\"data:"} + type + ";base64," + base64_encode(png) + "\"";
    EXPECT_EQ(decode_one(image(dtype::u8, 1), url), plain)
        << "recognised by content, not by its name";
  }
  expect_refused(image(dtype::u8, 1), "\"data:image/png," + base64_encode(png) + "\"", "base64");
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

TEST(TensorImage, AnEmptyListIsABatchOfNone) {
  auto what = image(dtype::u8, 3);
  what.shape[0].min = 0;
  const auto got = decode_one(what, "[]");
  ASSERT_TRUE(got) << got.error().str();
  EXPECT_EQ(got->shape, (std::vector<std::int64_t>{0, 3, 1, 2}));
}

// ---- empty, tied and bounded --------------------------------------------------------------------

TEST(TensorEmpty, ListsHaveTheSizesThatCannotBeSeen) {
  const auto boxes = spec("x", dtype::f32, {{0, 9}, {4, 4}});
  EXPECT_EQ(decode_one(boxes, "[]"), tensor<float>(dtype::f32, {0, 4}, {}));
  EXPECT_EQ(decode_one(boxes, R"({"dtype":"float32","shape":[0,4],"data":""})"),
            tensor<float>(dtype::f32, {0, 4}, {}));
  EXPECT_EQ(decode_one(spec("x", dtype::f32, {{1, 9}, {0, 4}}), "[[],[]]"),
            tensor<float>(dtype::f32, {2, 0}, {}));
  expect_refused(boxes, R"({"dtype":"float32","shape":[0,3],"data":""})", "axis 1 is 3");
  expect_refused(boxes, "[[]]", "axis 1 is 0");
  expect_refused(spec("x", dtype::f32, {{1, 9}, {0, 4}}), "[[],[1]]", "ragged");
}

axis_bounds named(const char* name, std::int64_t min, std::int64_t max) {
  return {min, max, name};
}

TEST(TensorAxes, OfOneNameAreOfOneSize) {
  const auto manifest = manifest_of({spec("a", dtype::u8, {named("n", 0, 9), named("m", 1, 9)}),
                                     spec("b", dtype::u8, {named("m", 1, 9)})});
  EXPECT_TRUE(decode_inputs(manifest, R"({"a":[[1,2]],"b":[3,4]})"));
  const auto bad = decode_inputs(manifest, R"({"a":[[1,2]],"b":[3,4,5]})");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, errc::bad_input);
  EXPECT_THAT(bad.error().text, HasSubstr("\"b\": axis 0 is 3, but axis 1 of \"a\" is 2"));
  const auto empty = decode_inputs(manifest, R"({"a":[],"b":[3,4,5]})");
  ASSERT_TRUE(empty) << empty.error().str();
  EXPECT_EQ(empty->tensors[0].shape, (std::vector<std::int64_t>{0, 3})) << "b says how wide";
  EXPECT_FALSE(
      decode_inputs(manifest, R"({"a":{"dtype":"uint8","shape":[0,2],"data":""},"b":[3,4,5]})"));
}

TEST(TensorValues, OutsideTheirBoundsAreRefusedInEveryForm) {
  auto ids = spec("x", dtype::i64, {{1, 9}});
  ids.values = value_bounds{0, 99};
  EXPECT_TRUE(decode_one(ids, "[0,99]"));
  expect_refused(ids, "[1,100]", "element 1 is out of the range from 0 to 99");
  expect_refused(ids, "[-1]", "element 0");
  expect_refused(ids, packed("int32", "[2]", tensor<std::int32_t>(dtype::i32, {2}, {5, 1 << 30})),
                 "element 1");
}

TEST(TensorText, IsItsBytesAndAListIsFilledUp) {
  auto one = spec("x", dtype::u8, {{0, 5}});
  one.form = tensor_form::text;
  EXPECT_EQ(decode_one(one, R"("h\u00e9")"),
            tensor<std::uint8_t>(dtype::u8, {3}, {'h', 0xc3, 0xa9}));
  EXPECT_EQ(decode_one(one, R"("")"), tensor<std::uint8_t>(dtype::u8, {0}, {}));
  expect_refused(one, R"("too long")", "axis 0 is 8");
  expect_refused(one, R"("a\u0000b")", "U+0000");
  expect_refused(one, R"(["a"])", "must be a text");
  expect_refused(one, "1", "must be a text");
  auto several = spec("x", dtype::u8, {{0, 3}, {2, 5}});
  several.form = tensor_form::text;
  EXPECT_EQ(decode_one(several, R"(["a","bcd"])"),
            tensor<std::uint8_t>(dtype::u8, {2, 3}, {'a', 0, 0, 'b', 'c', 'd'}));
  EXPECT_EQ(decode_one(several, R"("a")"), tensor<std::uint8_t>(dtype::u8, {1, 2}, {'a', 0}))
      << "never narrower than the model takes";
  EXPECT_EQ(decode_one(several, "[]")->shape, (std::vector<std::int64_t>{0, 2}));
  expect_refused(several, R"(["a",1])", "must hold texts");
}

} // namespace
} // namespace tayfa
