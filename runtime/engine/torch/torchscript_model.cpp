#include "runtime/engine/torch/at_tensors.hpp"

#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/script.h>

namespace tayfa::engine {

namespace {

/// Tensors out of what forward() returned: one, a tuple or list of them, or a dictionary by the
/// outputs' names.
std::vector<at::Tensor> collect(const c10::IValue& value, const std::vector<tensor_spec>& specs) {
  std::vector<at::Tensor> tensors;
  if (value.isTensor()) {
    tensors.push_back(value.toTensor());
  } else if (value.isTensorList()) {
    tensors = value.toTensorVector();
  } else if (value.isTuple()) {
    for (const auto& member : value.toTupleRef().elements()) {
      TORCH_CHECK(member.isTensor(), "the model's output holds something that is no tensor");
      tensors.push_back(member.toTensor());
    }
  } else if (value.isGenericDict()) {
    const auto dictionary = value.toGenericDict();
    TORCH_CHECK(dictionary.size() == specs.size(), "the model gave ", dictionary.size(),
                " outputs, its manifest promises ", specs.size());
    for (const auto& spec : specs) {
      const auto found = dictionary.find(spec.name);
      TORCH_CHECK(found != dictionary.end() && found->value().isTensor(),
                  "the model gave no output named ", spec.name);
      tensors.push_back(found->value().toTensor());
    }
  } else {
    TORCH_CHECK(false, "the model's output is no tensor, and no tuple, list or dictionary of them");
  }
  return tensors;
}

class torchscript_program final : public program {
 public:
  torchscript_program(torch::jit::Module module, c10::Device device,
                      std::vector<tensor_spec> outputs)
      : module_(std::move(module)), device_(device), outputs_(std::move(outputs)) {}

  result<std::vector<host_tensor>> forward(std::vector<host_tensor> inputs) override {
    return guarded(device_, errc::job_failed, [this, &inputs] {
      const c10::InferenceMode no_autograd;
      std::vector<c10::IValue> values;
      for (auto& tensor : to_device(inputs, device_)) {
        values.emplace_back(std::move(tensor));
      }
      const auto value = module_.forward(std::move(values));
      return to_host(collect(value, outputs_), outputs_);
    });
  }

 private:
  torch::jit::Module module_;
  c10::Device device_;
  std::vector<tensor_spec> outputs_;
};

torch::jit::Module open_module(const std::string& path, c10::Device device) {
  auto module = torch::jit::load(path, device);
  module.eval();
  try {
    return torch::jit::freeze(module);
  } catch (const c10::Error&) {
    // Some programs cannot be frozen (they write to their own attributes); they run all the same.
    return module;
  }
}

} // namespace

result<std::unique_ptr<program>> load_torchscript(const model_manifest& manifest,
                                                  const model_file& file) {
  const auto device = choose_device(manifest.device);
  if (!device) {
    return fail(device.error());
  }
  // Without it the interpreter turns every exception into one type, and out of memory could not be
  // told apart.
  FLAGS_torch_jit_enable_rethrow_caught_exception = true;
  std::unique_ptr<program> made;
  const auto loaded = guarded(*device, errc::model_invalid, [&]() -> outputs_or_error {
    const c10::InferenceMode no_autograd;
    made = std::make_unique<torchscript_program>(open_module(file.pinned_path(), *device), *device,
                                                 manifest.outputs);
    return std::vector<host_tensor>{};
  });
  if (!loaded) {
    return fail(loaded.error());
  }
  return made;
}

} // namespace tayfa::engine
