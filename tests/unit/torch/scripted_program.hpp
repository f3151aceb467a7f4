// A torch engine around a program that does what the test says, in a folder of the test's own.
#pragma once

#include "runtime/engine/torch/torch_model.hpp"
#include "tests/unit/model/model_folder.hpp"

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::engine {

/// Behaviour of the program under the engine; the test keeps it and changes it between calls.
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

inline host_tensor floats(std::vector<std::int64_t> shape, std::vector<float> values) {
  host_tensor tensor{dtype::f32, std::move(shape), {}};
  const auto bytes = std::as_bytes(std::span{values});
  tensor.bytes.assign(bytes.begin(), bytes.end());
  return tensor;
}

class torch_model_case : public testing::Test {
 protected:
  torch_model_case() {
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

} // namespace tayfa::engine
