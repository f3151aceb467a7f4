#include "runtime/engine/torch/at_tensors.hpp"
#include "runtime/engine/torch/torchscript_call.hpp"
#include "runtime/engine/torch/torchscript_state.hpp"

#include <ATen/Parallel.h>
#include <future>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/csrc/jit/runtime/jit_exception.h>
#include <torch/script.h>

namespace tayfa::engine {

namespace {

class torchscript_program final : public program {
 public:
  torchscript_program(torch::jit::Module module, torchscript_state state, torchscript_call call,
                      c10::Device device, const model_manifest& manifest)
      : module_(std::move(module)), state_(std::move(state)), call_(std::move(call)),
        device_(device), manifest_(manifest) {}

  result<std::vector<host_tensor>> forward(std::vector<host_tensor> inputs) override {
    raised_ = false;
    return guarded(device_, errc::job_failed, [this, &inputs]() -> outputs_or_error {
      const c10::InferenceMode no_autograd;
      state_.restore();
      const auto value = run(call_.arguments(inputs, device_));
      const auto tensors = torchscript_call::outputs(value, manifest_);
      if (!tensors) {
        return fail(tensors.error());
      }
      return to_host(*tensors, manifest_.outputs);
    });
  }

  bool raised() const override { return raised_; }

 private:
  c10::IValue run(std::vector<c10::IValue> arguments) {
    try {
      return module_.forward(std::move(arguments));
    } catch (const torch::jit::JITException&) {
      raised_ = true;
      throw;
    }
  }

  torch::jit::Module module_;
  torchscript_state state_;
  torchscript_call call_;
  c10::Device device_;
  model_manifest manifest_;
  bool raised_ = false;
};

/// Frozen unless that changes behaviour: some programs cannot be frozen (they write to their own
/// attributes), and freezing would make constants of some attributes that are written.
torch::jit::Module frozen(const torch::jit::Module& module) {
  try {
    auto out = torch::jit::freeze(module);
    return torchscript_state::hides_in_constants(out) ? module : out;
  } catch (const c10::Error&) {
    return module;
  }
}

bool has_forks(const torch::jit::Block& block) {
  for (const auto* const node : block.nodes()) {
    if (node->kind() == c10::prim::fork) {
      return true;
    }
    for (const auto* const inner : node->blocks()) {
      if (has_forks(*inner)) {
        return true;
      }
    }
  }
  return false;
}

/// Forks run on the single thread of libtorch's inter-op pool; without this, operators on it would
/// use as many threads again as the compute thread does.
void bound_forks_of(const torch::jit::Module& module) {
  const auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  if (!has_forks(*graph->block())) {
    return;
  }
  static const bool done = [] {
    at::get_num_threads(); // fixes this thread's number from here on
    std::promise<void> bounded;
    at::launch([&bounded] {
      at::set_num_threads(1);
      bounded.set_value();
    });
    bounded.get_future().wait();
    return true;
  }();
  (void)done;
}

} // namespace

result<loaded_program> load_torchscript(model_manifest& manifest, const model_file& file) {
  const auto device = choose_device(manifest.device);
  if (!device) {
    return fail(device.error());
  }
  // Without it the interpreter turns every exception into one type, and out of memory could not be
  // recognized.
  FLAGS_torch_jit_enable_rethrow_caught_exception = true;
  loaded_program made;
  const auto loaded = guarded(*device, errc::model_invalid, [&]() -> outputs_or_error {
    const c10::InferenceMode no_autograd;
    auto module = torch::jit::load(file.pinned_path(), *device);
    module.eval();
    auto call =
        torchscript_call::plan(module.get_method("forward").function().getSchema(), manifest);
    if (!call) {
      return fail(std::move(call.error()));
    }
    bound_forks_of(module);
    auto ready = frozen(module);
    auto state = torchscript_state::of(ready);
    if (!state.empty()) {
      made.warnings.push_back("the model writes to its own attributes (" + state.names() +
                              "); every job begins with them as they were loaded");
    }
    made.code = std::make_unique<torchscript_program>(std::move(ready), std::move(state),
                                                      std::move(*call), *device, manifest);
    return std::vector<host_tensor>{};
  });
  if (!loaded) {
    return fail(loaded.error());
  }
  return made;
}

} // namespace tayfa::engine
