#include "runtime/engine/torch/at_tensors.hpp"

#include <c10/core/InferenceMode.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

namespace tayfa::engine {

namespace {

using package = torch::inductor::AOTIModelPackageLoader;

/// A package does not check the sizes and types it was exported with; the manifest's checks before
/// and after it do.
class aot_program final : public program {
 public:
  aot_program(std::unique_ptr<package> code, c10::Device device, std::vector<tensor_spec> outputs)
      : code_(std::move(code)), device_(device), outputs_(std::move(outputs)) {}

  result<std::vector<host_tensor>> forward(std::vector<host_tensor> inputs) override {
    return guarded(device_, errc::job_failed, [this, &inputs] {
      const c10::InferenceMode no_autograd;
      return to_host(code_->boxed_run(to_device(inputs, device_)), outputs_);
    });
  }

 private:
  std::unique_ptr<package> code_;
  c10::Device device_;
  std::vector<tensor_spec> outputs_;
};

} // namespace

result<std::unique_ptr<program>> load_aot_inductor(const model_manifest& manifest,
                                                   const model_file& file) {
  // A package holds machine code for one kind of device: "any" is what it says itself.
  auto device = choose_device(manifest.device == "any" ? "cpu" : manifest.device);
  if (!device) {
    return fail(device.error());
  }
  std::unique_ptr<program> made;
  const auto loaded = guarded(*device, errc::model_invalid, [&]() -> outputs_or_error {
    const c10::InferenceMode no_autograd;
    auto code = std::make_unique<package>(file.pinned_path());
    const auto made_for = code->get_metadata()["AOTI_DEVICE_KEY"];
    const auto real = choose_device(made_for == "cuda" ? "cuda" : "cpu");
    if (!real) {
      return fail(real.error());
    }
    if (manifest.device != "any" && real->type() != device->type()) {
      return fail(errc::model_invalid, "the package is made for " + brief_message(made_for) +
                                           ", the manifest says " + manifest.device);
    }
    device = *real;
    made = std::make_unique<aot_program>(std::move(code), *real, manifest.outputs);
    return std::vector<host_tensor>{};
  });
  if (!loaded) {
    return fail(loaded.error());
  }
  return made;
}

} // namespace tayfa::engine
