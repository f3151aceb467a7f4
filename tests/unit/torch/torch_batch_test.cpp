// The torch engine's batches around a program that is not libtorch.
#include "runtime/engine/torch/torch_model.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <deque>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>

namespace tayfa::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Doubles x; the passes that it saw, by batch size. A negative number fails the pass, a size above
/// `room` has no memory.
class doubling final : public program {
 public:
  doubling(std::vector<std::int64_t>& passes, std::int64_t& room) : passes_(passes), room_(room) {}
  result<std::vector<host_tensor>> forward(std::vector<host_tensor> inputs) override {
    passes_.push_back(inputs[0].shape[0]);
    if (passes_.back() > room_) {
      return fail(errc::gpu_oom, "too many");
    }
    auto* numbers = reinterpret_cast<float*>(inputs[0].bytes.data());
    for (std::size_t i = 0; i < inputs[0].bytes.size() / sizeof(float); ++i) {
      if (numbers[i] < 0) {
        return fail(errc::job_failed, "a negative number");
      }
      numbers[i] *= 2;
    }
    inputs.resize(1);
    return inputs;
  }

 private:
  std::vector<std::int64_t>& passes_;
  std::int64_t& room_;
};

class doubling_backend final : public backend {
 public:
  doubling_backend(std::vector<std::int64_t>& passes, std::int64_t& room)
      : passes_(passes), room_(room) {}
  std::string device() const override { return "abacus"; }
  result<loaded_program> load(model_manifest&, const model_file&) override {
    return loaded_program{std::make_unique<doubling>(passes_, room_)};
  }

 private:
  std::vector<std::int64_t>& passes_;
  std::int64_t& room_;
};

class frozen_time final : public time_source {
 public:
  moment now() const override { return {}; }
  std::chrono::system_clock::time_point wall() const override { return {}; }
};

class kept_log final : public run_events {
 public:
  void progress(std::string) override {}
  void partial(std::string) override {}
  void log(std::uint8_t, std::string text) override { lines.push_back(std::move(text)); }
  std::vector<std::string> lines;
};

class TorchBatch : public testing::Test {
 protected:
  void load(const std::string& manifest = R"(
      "inputs":[{"name":"x","dtype":"float32","shape":[[1,8],[1,4]],"batch_axis":0},
                {"name":"by","dtype":"float32","shape":[1]}],
      "outputs":[{"name":"y","dtype":"float32","shape":[[1,8],[1,4]],"batch_axis":0}])") {
    const auto path = folder.script("echo", manifest);
    ASSERT_TRUE(model.load({"echo", path, folder.manifest_of(path)}));
    passes.clear();
  }
  std::vector<std::string> run(const std::vector<std::string>& inputs) {
    std::deque<cancel_token> tokens(inputs.size());
    if (cancelled) {
      tokens[*cancelled].request();
    }
    std::vector<run_member> members;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      members.push_back({inputs[i], tokens[i], events});
    }
    std::vector<std::string> out;
    for (const auto& one : model.run_batch("echo", members)) {
      out.push_back(one ? *one : std::string{to_string(one.error().code)});
    }
    return out;
  }

  model_folder folder;
  std::vector<std::int64_t> passes;
  std::int64_t room = 100;
  torch_model model{std::make_unique<doubling_backend>(passes, room),
                    std::make_unique<frozen_time>()};
  kept_log events;
  std::optional<std::size_t> cancelled;
};

std::string x(const std::string& rows, int by = 0) {
  return R"({"x":)" + rows + R"(,"by":[)" + std::to_string(by) + "]}";
}

TEST_F(TorchBatch, SaysHowManyMembersTheLoadedModelTakes) {
  EXPECT_EQ(model.batch_max(), 256u);
  load();
  EXPECT_EQ(model.batch_max(), 8u);
}

TEST_F(TorchBatch, MembersShareAPassAndGetTheirOwnRows) {
  load();
  EXPECT_THAT(run({x("[[1]]"), x("[[2],[3]]"), x("[[4]]")}),
              ElementsAre(R"({"y":[[2]]})", R"({"y":[[4],[6]]})", R"({"y":[[8]]})"));
  EXPECT_THAT(passes, ElementsAre(4));
  EXPECT_THAT(events.lines, testing::Each(HasSubstr("together=3")));
}

TEST_F(TorchBatch, MembersOfOtherShapesOrOtherCommonInputsHaveTheirOwnPass) {
  load();
  EXPECT_THAT(
      run({x("[[1]]"), x("[[1,2]]"), x("[[3]]", 7), x("[[4]]")}),
      ElementsAre(R"({"y":[[2]]})", R"({"y":[[2,4]]})", R"({"y":[[6]]})", R"({"y":[[8]]})"));
  EXPECT_THAT(passes, ElementsAre(2, 1, 1));
}

TEST_F(TorchBatch, APassNeverHasMoreThanTheManifestAllows) {
  load();
  std::vector<std::string> many(8, x("[[1],[1],[1]]"));
  for (const auto& output : run(many)) {
    EXPECT_EQ(output, R"({"y":[[2],[2],[2]]})");
  }
  EXPECT_THAT(passes, ElementsAre(6, 6, 6, 6));
}

TEST_F(TorchBatch, ABadInputFailsAloneBeforeThePass) {
  load();
  EXPECT_THAT(run({x("[[1]]"), R"({"x":"no"})", x("[[3]]")}),
              ElementsAre(R"({"y":[[2]]})", "bad_input", R"({"y":[[6]]})"));
  EXPECT_THAT(passes, ElementsAre(2));
}

TEST_F(TorchBatch, WhenAPassFailsItsMembersRunAloneAndTheOneAtFaultFails) {
  load();
  EXPECT_THAT(run({x("[[1]]"), x("[[-1]]"), x("[[3]]")}),
              ElementsAre(R"({"y":[[2]]})", "job_failed", R"({"y":[[6]]})"));
  EXPECT_THAT(passes, ElementsAre(3, 1, 1, 1));
}

TEST_F(TorchBatch, WithoutMemoryForAllOfThemEveryMemberSaysSo) {
  load();
  room = 2;
  EXPECT_THAT(run({x("[[1]]"), x("[[2]]"), x("[[3]]")}),
              ElementsAre("gpu_oom", "gpu_oom", "gpu_oom"));
  EXPECT_THAT(passes, ElementsAre(3)) << "the dispatcher decides how to split them";
  EXPECT_THAT(run({x("[[1]]"), x("[[2]]")}), ElementsAre(R"({"y":[[2]]})", R"({"y":[[4]]})"));
}

TEST_F(TorchBatch, ACancelledMemberIsLeftOut) {
  load();
  cancelled = 1;
  EXPECT_THAT(run({x("[[1]]"), x("[[2]]"), x("[[3]]")}),
              ElementsAre(R"({"y":[[2]]})", "cancelled", R"({"y":[[6]]})"));
  EXPECT_THAT(passes, ElementsAre(2));
}

TEST_F(TorchBatch, AModelWithoutBatchAxesRunsThemOneByOne) {
  load(R"("inputs":[{"name":"x","dtype":"float32","shape":[1,1]},
                    {"name":"by","dtype":"float32","shape":[1]}],
          "outputs":[{"name":"y","dtype":"float32","shape":[1,1]}])");
  EXPECT_EQ(model.batch_max(), 1u);
  EXPECT_THAT(run({x("[[1]]"), x("[[2]]")}), ElementsAre(R"({"y":[[2]]})", R"({"y":[[4]]})"));
  EXPECT_THAT(passes, ElementsAre(1, 1));
}

TEST_F(TorchBatch, AModelThatIsNotLoadedIsToldToEveryMember) {
  EXPECT_THAT(run({"{}", "{}"}), ElementsAre("model_not_found", "model_not_found"));
}

} // namespace
} // namespace tayfa::engine
