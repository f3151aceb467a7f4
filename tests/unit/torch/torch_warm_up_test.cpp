// The torch engine's steps before a model counts as loaded: choice of file and of inputs.
#include "tests/unit/torch/scripted_program.hpp"

#include <gmock/gmock.h>

namespace tayfa::engine {
namespace {

using outputs = std::vector<host_tensor>;
using testing::HasSubstr;

class WarmUp : public torch_model_case {
 protected:
  /// The same model with other tensors or more members in its manifest.
  void with(const std::string& members) {
    path = folder.script("echo", members);
    order = {"echo", path, folder.manifest_of(path)};
  }
  static bool is_zero(const host_tensor& tensor) {
    return std::all_of(tensor.bytes.begin(), tensor.bytes.end(),
                       [](std::byte b) { return b == std::byte{0}; });
  }
  /// Behaves like an operator that rejects zeros (lengths, probabilities).
  void refuse_zeros() {
    how.forward = [](outputs inputs) -> result<outputs> {
      return is_zero(inputs[0]) ? result<outputs>{fail(errc::job_failed, "a length of 0")} : inputs;
    };
  }
};

TEST_F(WarmUp, OnesAreTriedWhereAnOperatorTakesNoZeros) {
  refuse_zeros();
  ASSERT_TRUE(model.load(order));
  EXPECT_EQ(how.seen.back(), std::vector{floats({2, 3}, std::vector<float>(6, 1.0f))});
}

TEST_F(WarmUp, NothingElseIsTriedWhereTheModelItselfRaises) {
  refuse_zeros();
  how.raised = true;
  const auto loaded = model.load(order);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, errc::model_invalid);
  EXPECT_THAT(loaded.error().text, HasSubstr("a length of 0"));
  EXPECT_THAT(loaded.error().text, HasSubstr("\"example\" in the manifest"));
  EXPECT_EQ(how.seen.size(), 1u);
}

TEST_F(WarmUp, TheManifestsExampleIsTheInput) {
  refuse_zeros();
  how.raised = true;
  with(std::string{manifest} + R"(,"example":{"x":[[1,2,3],[4,5,6]]})");
  ASSERT_TRUE(model.load(order));
  for (const auto& inputs : how.seen) {
    EXPECT_EQ(inputs, std::vector{floats({2, 3}, {1, 2, 3, 4, 5, 6})});
  }
}

TEST_F(WarmUp, AnExampleThatTheManifestItselfRefusesIsAFaultOfTheManifest) {
  with(std::string{manifest} + R"(,"example":{"x":[[1,2,3]]})");
  const auto loaded = model.load(order);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, errc::model_invalid);
  EXPECT_THAT(loaded.error().text, HasSubstr("example: tensor \"x\": axis 0 is 1"));
}

TEST_F(WarmUp, WhatTheBackendWarnsOfIsReportedWithTheModelsName) {
  how.warnings = {"it writes to itself"};
  const auto loaded = model.load(order);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->warnings, std::vector<std::string>{"model \"echo\": it writes to itself"});
}

TEST_F(WarmUp, AFileThatWasReplacedWithItsManifestIsTakenOver) {
  ASSERT_TRUE(model.load(order));
  folder.model("echo", "torchscript", zip::archive({"m/constants.pkl", "m/code/new.py"}),
               R"("inputs":[{"name":"z","dtype":"float32","shape":[1]}],
                  "outputs":[{"name":"y","dtype":"float32","shape":[1]}])");
  ASSERT_TRUE(model.load(order)) << "order still holds the manifest of the pod's start";
  EXPECT_EQ(run(R"({"z":[7]})"), R"({"y":[7]})");
  // A different name is a different model, which was not requested.
  const auto other = folder.model("other", "torchscript",
                                  zip::archive({"m/constants.pkl", "m/code/other.py"}), manifest);
  folder.write("echo.pt", model_folder::read(other));
  folder.write("echo.pt.manifest.json", folder.manifest_of(other));
  EXPECT_THAT(model.load(order).error().text, HasSubstr("SHA-256"));
}

TEST_F(WarmUp, NamedAxesAreOneSizeInInputsAndOutputsTogether) {
  with(R"("axes":{"n":[1,9]},
          "inputs":[{"name":"x","dtype":"float32","shape":["n"]},
                    {"name":"m","dtype":"float32","shape":["n"]}],
          "outputs":[{"name":"y","dtype":"float32","shape":["n"]}])");
  how.forward = [](outputs inputs) -> result<outputs> {
    inputs.resize(1);
    return inputs;
  };
  ASSERT_TRUE(model.load(order));
  EXPECT_EQ(run(R"({"x":[1,2],"m":[1,1]})"), R"({"y":[1,2]})");
  const auto passes = how.seen.size();
  EXPECT_EQ(run(R"({"x":[1,2],"m":[1]})").error().code, errc::bad_input);
  EXPECT_EQ(how.seen.size(), passes) << "no pass for inputs that do not belong together";
  how.forward = [](outputs) -> result<outputs> { return outputs{floats({3}, {1, 2, 3})}; };
  const auto wrong = run(R"({"x":[1,2],"m":[1,1]})");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, errc::job_failed);
  EXPECT_THAT(wrong.error().text, HasSubstr("axis 0 is 3, but axis 0 of \"x\" is 2"));
}

TEST_F(WarmUp, NoRowsGoInAndComeOut) {
  with(R"("inputs":[{"name":"x","dtype":"float32","shape":[[0,4],3],"batch_axis":0}],
          "outputs":[{"name":"y","dtype":"float32","shape":[[0,4],3],"batch_axis":0}])");
  ASSERT_TRUE(model.load(order));
  EXPECT_EQ(how.seen.front(), std::vector{floats({1, 3}, std::vector<float>(3))})
      << "a warm-up with nothing would warm nothing up";
  EXPECT_EQ(run(R"({"x":[]})"), R"({"y":[]})");
  EXPECT_EQ(how.seen.back()[0].shape, (std::vector<std::int64_t>{0, 3}));
}

} // namespace
} // namespace tayfa::engine
