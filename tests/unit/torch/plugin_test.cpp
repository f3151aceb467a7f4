// The real plugin with small real models: every element type, several inputs and outputs, and
// models that fail.
#include "tests/unit/model/model_folder.hpp"
#include "tests/unit/torch/plugin.hpp"

#include "runtime/model/base64.hpp"
#include "runtime/model/picture.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>

namespace tayfa::engine {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

TEST(Plugin, TellsItsKindAndDeviceBeforeAnythingIsLoaded) {
  const auto model = make_model();
  EXPECT_EQ(model->kind(), "torch");
  EXPECT_TRUE(model->device() == "cpu" || model->device().starts_with("cuda:0")) << model->device();
}

TEST(Plugin, IsOfTheVersionThatTheEngineProgramHas) {
  auto* const version =
      reinterpret_cast<plugin_version_fn>(::dlsym(plugin_library(), plugin_version_symbol));
  ASSERT_NE(version, nullptr);
  EXPECT_EQ(version(), plugin_version);
}

TEST(Plugin, CarriesEveryElementTypeInAndOut) {
  json::object input;
  for (const char* type : {"uint8", "int8", "int16", "int32", "int64"}) {
    input["in_" + std::string{type}] = {{1, 2, 100}};
  }
  for (const char* type : {"float16", "bfloat16", "float32", "float64"}) {
    input["in_" + std::string{type}] = {{0.5, -3, 1.25}};
  }
  input["in_int64"] = json::value{{std::int64_t{9007199254740993}, -5, 0}};
  input["in_bool"] = {{true, false, true}};
  const auto output = run("types.pt", "types", json::serialize(input));
  ASSERT_TRUE(output) << output.error().str();
  const auto got = json::parse(*output).as_object();
  ASSERT_EQ(got.size(), 10u);
  for (const char* type : {"uint8", "int8", "int16", "int32"}) {
    EXPECT_EQ(got.at("out_" + std::string{type}), (json::value{{2, 3, 101}})) << type;
  }
  EXPECT_EQ(got.at("out_int64"), (json::value{{std::int64_t{9007199254740994}, -4, 1}}));
  for (const char* type : {"float16", "bfloat16", "float32", "float64"}) {
    EXPECT_EQ(json::serialize(got.at("out_" + std::string{type})), "[[1.5E0,-2,2.25E0]]") << type;
  }
  EXPECT_EQ(got.at("out_bool"), (json::value{{false, true, false}}));
}

TEST(Plugin, PutsOutputsByNameIntoTheManifestsOrderAndKnowsScalars) {
  const auto output = run("named.pt", "named", R"({"weights":[2,3],"table":[[1,2],[3,4]]})");
  ASSERT_TRUE(output) << output.error().str();
  EXPECT_EQ(*output, R"({"rows":[[2,4],[9,12]],"mean":6.75})");
}

TEST(Plugin, RefusesBatchesThatDiffer) {
  const auto output = run("named.pt", "named", R"({"weights":[2,3,4],"table":[[1,2],[3,4]]})");
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().code, errc::bad_input);
  EXPECT_THAT(output.error().text, HasSubstr("weights"));
}

TEST(Plugin, LargeTensorsTravelAsBase64BothWays) {
  json::array table;
  for (int row = 0; row < 50; ++row) {
    json::array columns;
    for (int column = 0; column < 100; ++column) {
      columns.emplace_back(row * 100 + column);
    }
    table.push_back(std::move(columns));
  }
  json::array weights;
  for (int row = 0; row < 50; ++row) {
    weights.emplace_back(2);
  }
  const auto output = run("named.pt", "named",
                          json::serialize(json::object{{"table", table}, {"weights", weights}}));
  ASSERT_TRUE(output) << output.error().str();
  const auto rows = json::parse(*output).at("rows").as_object();
  EXPECT_EQ(rows.at("dtype"), "float32");
  EXPECT_EQ(rows.at("shape"), (json::value{50, 100}));
  const auto bytes = base64_decode(json::value_to<std::string>(rows.at("data")));
  ASSERT_TRUE(bytes);
  ASSERT_EQ(bytes->size(), 5000 * sizeof(float));
  for (std::size_t i = 0; i < 5000; ++i) {
    float value = 0;
    std::memcpy(&value, bytes->data() + i * sizeof value, sizeof value);
    ASSERT_EQ(value, static_cast<float>(2 * i));
  }
  // The output is valid as an input again.
  const auto again = run("named.pt", "named",
                         json::serialize(json::object{{"table", rows}, {"weights", weights}}));
  ASSERT_TRUE(again) << again.error().str();
}

TEST(Plugin, FloatPicturesWithAlphaAreScaledBothWays) {
  picture in{3, 2, 4, {}};
  for (std::uint8_t i = 0; i < 24; ++i) {
    in.pixels.push_back(static_cast<std::uint8_t>(i * 10));
  }
  const auto text = base64_encode(encode_png(in).value());
  const auto output = run("negative.pt", "negative", R"({"picture":")" + text + R"("})");
  ASSERT_TRUE(output) << output.error().str();
  const auto parsed = json::parse(*output);
  const auto png = base64_decode(json::value_to<std::string>(parsed.at("negative")));
  ASSERT_TRUE(png);
  const auto got = decode_picture(*png, 4, [](auto, auto) { return result<void>{}; });
  ASSERT_TRUE(got);
  ASSERT_EQ(got->pixels.size(), in.pixels.size());
  double bright = 0;
  for (std::size_t i = 0; i < in.pixels.size(); ++i) {
    const bool alpha = i % 4 == 3;
    EXPECT_EQ(got->pixels[i], alpha ? in.pixels[i] : 255 - in.pixels[i]) << i;
    bright += alpha ? 0 : in.pixels[i] / 255.0 / 18.0;
  }
  EXPECT_NEAR(parsed.at("brightness").at(0).to_number<double>(), bright, 1e-6);
}

struct mood {
  int number;
  errc code;
  const char* text;
};

void PrintTo(const mood& m, std::ostream* out) {
  *out << m.number << " " << to_string(m.code);
}

class Moods : public testing::TestWithParam<mood> {};

TEST_P(Moods, AFailingJobIsAnErrorWithOneLineAndTheNextJobRuns) {
  const auto& [number, code, text] = GetParam();
  const auto failed = run("moody.pt", "moody", R"({"mood":[)" + std::to_string(number) + "]}");
  ASSERT_FALSE(failed) << *failed;
  EXPECT_EQ(failed.error().code, code) << failed.error().str();
  EXPECT_THAT(failed.error().text, HasSubstr(text));
  EXPECT_THAT(failed.error().text, Not(HasSubstr("\n")));
  EXPECT_THAT(failed.error().text, Not(HasSubstr("nobody's business")));
  EXPECT_THAT(failed.error().text, Not(HasSubstr(".py")));
  EXPECT_EQ(run("moody.pt", "moody", R"({"mood":[0]})"), R"({"answer":[1,1]})");
}

INSTANTIATE_TEST_SUITE_P(Table, Moods,
                         testing::Values(mood{1, errc::job_failed, "the mood is bad"},
                                         mood{2, errc::gpu_oom, ""},
                                         mood{3, errc::job_failed, "axis 0 is 7"},
                                         mood{4, errc::job_failed, "float64"},
                                         mood{6, errc::job_failed, "must match the size"}));

TEST(Plugin, ValuesThatAreNotFiniteComeAsBase64UnlessNumbersAreAskedFor) {
  const auto packed = run("moody.pt", "moody", R"({"mood":[5]})");
  ASSERT_TRUE(packed);
  EXPECT_TRUE(json::parse(*packed).at("answer").is_object());
  const auto numbers =
      run("moody.pt", "moody", R"({"mood":[5],"options":{"output_format":"numbers"}})");
  ASSERT_FALSE(numbers);
  EXPECT_EQ(numbers.error().code, errc::job_failed);
}

TEST(Plugin, AModelThatDoesNotKeepItsManifestIsNotLoaded) {
  const auto model = make_model();
  const auto report = model->load(model_in_build("liar.pt"));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, errc::model_invalid);
  EXPECT_THAT(report.error().text, HasSubstr("warm-up"));
}

TEST(Plugin, AModelForAGpuOnAMachineWithoutOneIsUnfit) {
  const auto model = make_model();
  if (model->device() != "cpu") {
    GTEST_SKIP() << "this machine has a GPU";
  }
  const auto report = model->load(model_in_build("needs_gpu.pt"));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, errc::unfit);
}

TEST(Plugin, AnArchiveThatOnlyLooksLikeAModelIsAnErrorAndNoCrash) {
  const auto model = make_model();
  auto order = model_in_build("moody.pt");
  const auto bytes = model_folder::read(order.path);
  // Cut inside the members, directory kept: what libtorch reads is nonsense.
  model_folder folder;
  auto broken = bytes;
  for (std::size_t i = 200; i < 600 && i < broken.size(); ++i) {
    broken[i] = static_cast<char>(broken[i] ^ 0x5a);
  }
  order.path = folder.model("moody", "torchscript", broken, R"(
    "inputs":[{"name":"mood","dtype":"int64","shape":[1]}],
    "outputs":[{"name":"answer","dtype":"float32","shape":[2]}])");
  order.manifest = folder.manifest_of(order.path);
  const auto report = model->load(order);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, errc::model_invalid) << report.error().str();
}

TEST(Plugin, TheCheckOfThisMachineIsWholeAndSaysWhatItComputed) {
  auto* const check =
      reinterpret_cast<check_machine_fn>(::dlsym(plugin_library(), check_machine_symbol));
  ASSERT_NE(check, nullptr);
  std::string text;
  check(text);
  std::map<std::string, std::string> verdicts;
  const auto report = json::parse(text);
  for (const auto& row : report.at("rows").as_array()) {
    ASSERT_EQ(row.as_object().size(), 5u);
    const auto verdict = json::value_to<std::string>(row.at("verdict"));
    EXPECT_TRUE(verdict == "fit" || !row.at("advice").as_string().empty()) << row;
    EXPECT_GE(row.at("ms").to_number<int>(), 0);
    verdicts[json::value_to<std::string>(row.at("name"))] = verdict;
  }
  EXPECT_EQ(verdicts["libtorch"], "fit");
  EXPECT_EQ(verdicts["tensor operation on cpu"], "fit");
  EXPECT_EQ(verdicts["attention on cpu"], "fit");
  EXPECT_EQ(verdicts.count("memory for models"), 1u);
  if (make_model()->device() == "cpu") {
    EXPECT_NE(verdicts["cuda"], "fit") << "no GPU is never called fit";
  }
}

} // namespace
} // namespace tayfa::engine
