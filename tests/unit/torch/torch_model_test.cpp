// The torch engine around a program that is not libtorch: what is checked before, between and
// after.
#include "tests/unit/torch/scripted_program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::engine {
namespace {

using testing::HasSubstr;
using testing::Not;

class TorchModel : public torch_model_case {};

constexpr const char* two_rows = R"({"x":[[1,2,3],[4,5,6]]})";

TEST_F(TorchModel, WarmsUpWithTheSmallestShapesBeforeItCountsAsLoaded) {
  ASSERT_TRUE(model.load(order));
  ASSERT_GE(how.seen.size(), 1u);
  for (const auto& inputs : how.seen) {
    EXPECT_EQ(inputs, std::vector{floats({2, 3}, std::vector<float>(6))});
  }
}

TEST_F(TorchModel, RunsAJobFromJsonToJson) {
  ASSERT_TRUE(model.load(order));
  EXPECT_EQ(run(two_rows), R"({"y":[[1,2,3],[4,5,6]]})");
}

TEST_F(TorchModel, AModelWhoseWarmUpFailsIsNotLoaded) {
  how.forward = [](auto) -> result<std::vector<host_tensor>> {
    return fail(errc::job_failed, "no kernel");
  };
  const auto loaded = model.load(order);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, errc::model_invalid);
  EXPECT_THAT(loaded.error().text, HasSubstr("the warm-up failed: no kernel"));
  EXPECT_EQ(run(two_rows).error().code, errc::model_not_found);
}

TEST_F(TorchModel, OutOfMemoryInTheWarmUpStaysOutOfMemory) {
  how.forward = [](auto) -> result<std::vector<host_tensor>> { return fail(errc::gpu_oom); };
  EXPECT_EQ(model.load(order).error().code, errc::gpu_oom);
}

TEST_F(TorchModel, AWarmUpWhoseOutputIsNotThePromisedOneIsRefused) {
  using outputs = std::vector<host_tensor>;
  const outputs wrong_sets[] = {
      {},                                                        // too few
      {floats({2, 3}, std::vector<float>(6)), floats({1}, {0})}, // too many
      {floats({2, 4}, std::vector<float>(8))},                   // shape
      {floats({6}, std::vector<float>(6))},                      // rank
      {floats({3, 3}, std::vector<float>(9))},                   // another batch than the input's
      {{dtype::i32, {2, 3}, std::vector<std::byte>(24)}},        // type
  };
  for (const auto& wrong : wrong_sets) {
    how.forward = [&wrong](auto) -> result<outputs> { return wrong; };
    const auto loaded = model.load(order);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, errc::model_invalid);
  }
}

TEST_F(TorchModel, AJobWhoseOutputIsNotThePromisedOneFailsAlone) {
  ASSERT_TRUE(model.load(order));
  const auto good = how.forward;
  how.forward = [](auto) -> result<std::vector<host_tensor>> {
    return std::vector{floats({4, 3}, std::vector<float>(12))};
  };
  EXPECT_EQ(run(two_rows).error().code, errc::job_failed);
  how.forward = good;
  EXPECT_TRUE(run(two_rows));
}

TEST_F(TorchModel, BadInputNeverReachesTheProgram) {
  ASSERT_TRUE(model.load(order));
  const auto passes = how.seen.size();
  for (const char* input : {"", "[]", "{}", R"({"x":[[1,2,3]]})", R"({"z":1})"}) {
    EXPECT_EQ(run(input).error().code, errc::bad_input) << input;
  }
  EXPECT_EQ(how.seen.size(), passes);
}

TEST_F(TorchModel, ACancelBeforeOrDuringThePassEndsTheJobCancelled) {
  ASSERT_TRUE(model.load(order));
  const auto passes = how.seen.size();
  how.forward = [this](std::vector<host_tensor> inputs) -> result<std::vector<host_tensor>> {
    cancel.request();
    return inputs;
  };
  EXPECT_EQ(run(two_rows).error().code, errc::cancelled);
  EXPECT_EQ(how.seen.size(), passes + 1);
  EXPECT_EQ(run(two_rows).error().code, errc::cancelled) << "the token still asks";
  EXPECT_EQ(how.seen.size(), passes + 1) << "a cancelled job is not started";
}

TEST_F(TorchModel, ALostDeviceIsNotSwallowed) {
  ASSERT_TRUE(model.load(order));
  how.forward = [](auto) -> result<std::vector<host_tensor>> { throw device_lost("gone"); };
  EXPECT_THROW((void)run(two_rows), device_lost);
}

TEST_F(TorchModel, AFileThatIsNotTheManifestsIsNeverOpenedByTheBackend) {
  bool opened = false;
  how.on_load = [&opened] { opened = true; };
  folder.append(path, "x");
  EXPECT_EQ(model.load(order).error().code, errc::model_invalid);
  EXPECT_FALSE(opened);
}

TEST_F(TorchModel, AFileThatChangesWhileItIsLoadedIsRefused) {
  how.on_load = [this] { folder.append(path, "x"); };
  EXPECT_THAT(model.load(order).error().text, HasSubstr("changed while it was loaded"));
}

TEST_F(TorchModel, AManifestOfAnotherModelIsRefused) {
  order.model = "other";
  EXPECT_EQ(model.load(order).error().code, errc::model_invalid);
  order.manifest = "{}";
  EXPECT_EQ(model.load(order).error().code, errc::model_invalid);
}

TEST(BriefMessage, IsOnePrintableLineOfBoundedLength) {
  EXPECT_EQ(brief_message("shapes differ\nException raised from x at /src/y.cpp"), "shapes differ");
  EXPECT_EQ(brief_message("\n  \nlate"), "late");
  EXPECT_EQ(brief_message("a\tb\x01\xff"), "a?b??");
  EXPECT_EQ(brief_message(""), "no reason given");
  EXPECT_EQ(brief_message(std::string(5000, 'x')).size(), 300u);
}

TEST(BriefMessage, TakesTheReasonOutOfAnInterpretersTrace) {
  const auto brief =
      brief_message("The following operation failed in the TorchScript interpreter.\n"
                    "Traceback of TorchScript (most recent call last):\n"
                    "  File \"/home/someone/model.py\", line 3, in forward\n"
                    "RuntimeError: sizes must match\nmore");
  EXPECT_EQ(brief, "sizes must match");
  EXPECT_THAT(brief, Not(HasSubstr("/home")));
}

} // namespace
} // namespace tayfa::engine
