// The torch engine around a program that is not libtorch: what is checked before, between and
// after.
#include "runtime/engine/torch/torch_model.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::engine {
namespace {

using testing::HasSubstr;
using testing::Not;

/// What the program under the engine does; the test keeps it and changes it between calls.
struct behaviour {
  std::function<result<std::vector<host_tensor>>(std::vector<host_tensor>)> forward;
  std::function<void()> on_load = [] {};
  std::vector<std::vector<host_tensor>> seen;
  std::vector<std::string> warnings;
  bool raised = false;
};

class scripted_program final : public program {
 public:
  explicit scripted_program(behaviour& how) : how_(how) {}
  result<std::vector<host_tensor>> forward(std::vector<host_tensor> inputs) override {
    how_.seen.push_back(inputs);
    return how_.forward(std::move(inputs));
  }
  bool raised() const override { return how_.raised; }

 private:
  behaviour& how_;
};

class scripted_backend final : public backend {
 public:
  explicit scripted_backend(behaviour& how) : how_(how) {}
  std::string device() const override { return "abacus"; }
  result<loaded_program> load(model_manifest&, const model_file&) override {
    how_.on_load();
    return loaded_program{std::make_unique<scripted_program>(how_), how_.warnings};
  }

 private:
  behaviour& how_;
};

class frozen_time final : public time_source {
 public:
  moment now() const override { return {}; }
  std::chrono::system_clock::time_point wall() const override { return {}; }
};

class silent_events final : public run_events {
 public:
  void progress(std::string) override {}
  void partial(std::string) override {}
  void log(std::uint8_t, std::string) override {}
};

host_tensor floats(std::vector<std::int64_t> shape, std::vector<float> values) {
  host_tensor tensor{dtype::f32, std::move(shape), {}};
  const auto bytes = std::as_bytes(std::span{values});
  tensor.bytes.assign(bytes.begin(), bytes.end());
  return tensor;
}

class TorchModel : public testing::Test {
 protected:
  TorchModel() {
    how.forward = [](std::vector<host_tensor> inputs) -> result<std::vector<host_tensor>> {
      return inputs;
    };
    path = folder.script("echo", manifest);
    order = {"echo", path, folder.manifest_of(path)};
  }

  result<std::string> run(std::string_view input) {
    silent_events events;
    return model.run("echo", input, cancel, events);
  }

  // x goes in and comes out: two to four batch members of three numbers.
  static constexpr const char* manifest = R"(
    "inputs":[{"name":"x","dtype":"float32","shape":[[2,4],3],"batch_axis":0}],
    "outputs":[{"name":"y","dtype":"float32","shape":[[2,4],3],"batch_axis":0}])";

  model_folder folder;
  behaviour how;
  torch_model model{std::make_unique<scripted_backend>(how), std::make_unique<frozen_time>()};
  cancel_token cancel;
  std::string path;
  protocol::load_model order;
};

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
