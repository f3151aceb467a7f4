#include "runtime/engine/torch/at_tensors.hpp"
#include "runtime/engine/torch/binding.hpp"
#include "runtime/engine/torch/package_signature.hpp"
#include "runtime/engine/torch/unpack_folder.hpp"

#include <c10/core/InferenceMode.h>
#include <caffe2/serialize/inline_container.h>
#include <cstdlib>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

namespace tayfa::engine {

namespace {

using package = torch::inductor::AOTIModelPackageLoader;

constexpr const char* own_checks = "AOTI_RUNTIME_CHECK_INPUTS";
constexpr std::size_t source_bytes_max = std::size_t{512} << 20;

/// Mapping between a job's tensors and the package's.
struct routes {
  std::vector<std::size_t> inputs;  ///< for each place of the package the manifest's input
  std::vector<std::size_t> outputs; ///< for each of the manifest's outputs the package's place
  std::size_t given = 0;            ///< number of tensors that the package returns
};

class aot_program final : public program {
 public:
  aot_program(std::unique_ptr<package> code, c10::Device device, const model_manifest& manifest,
              std::optional<package_signature> signature, routes ways,
              std::optional<unpack_folder> folder)
      : folder_(std::move(folder)), code_(std::move(code)), device_(device),
        inputs_(manifest.inputs), outputs_(manifest.outputs), signature_(std::move(signature)),
        ways_(std::move(ways)) {}

  result<std::vector<host_tensor>> forward(std::vector<host_tensor> inputs) override {
    std::vector<host_tensor> ordered;
    std::vector<const tensor_spec*> specs;
    for (const auto from : ways_.inputs) {
      ordered.push_back(std::move(inputs[from]));
      specs.push_back(&inputs_[from]);
    }
    if (signature_) {
      if (auto right = signature_->check(specs, shapes_of(ordered)); !right) {
        return fail(std::move(right.error()));
      }
    }
    return guarded(device_, errc::job_failed, [&, this]() -> outputs_or_error {
      const c10::InferenceMode no_autograd;
      const auto given = code_->boxed_run(to_device(ordered, device_));
      if (given.size() != ways_.given) {
        return fail(errc::job_failed, "the package gave another number of outputs than it says");
      }
      std::vector<at::Tensor> wanted;
      for (const auto at : ways_.outputs) {
        wanted.push_back(given[at]);
      }
      return to_host(wanted, outputs_);
    });
  }

 private:
  std::optional<unpack_folder> folder_; ///< outlives the code, which may read from it
  std::unique_ptr<package> code_;
  c10::Device device_;
  std::vector<tensor_spec> inputs_;
  std::vector<tensor_spec> outputs_;
  std::optional<package_signature> signature_;
  routes ways_;
};

/// The generated source stored in the package next to its machine code; empty when there is none.
std::string source_of(const std::string& path) {
  caffe2::serialize::PyTorchStreamReader archive{path};
  for (const auto& name : archive.getAllRecords()) {
    if (name.starts_with("data/aotinductor/model/") && name.ends_with(".wrapper.cpp") &&
        archive.getRecordSize(name) <= source_bytes_max) {
      const auto [data, size] = archive.getRecord(name);
      return {static_cast<const char*>(data.get()), size};
    }
  }
  return {};
}

/// Size of all its files when unpacked.
std::uint64_t unpacked_bytes(const std::string& path) {
  caffe2::serialize::PyTorchStreamReader archive{path};
  std::uint64_t sum = 0;
  for (const auto& name : archive.getAllRecords()) {
    sum += archive.getRecordSize(name);
  }
  return sum;
}

/// The places of the call spec; unnamed ones when the spec cannot be read or has another number (it
/// also contains arguments that are not tensors).
std::vector<place> places(const std::string& spec, std::size_t count) {
  auto named = places_of_call_spec(spec);
  return named && named->size() == count ? std::move(*named) : std::vector<place>(count);
}

result<routes> routes_of(package& code, const model_manifest& manifest, std::size_t inputs) {
  const auto spec = code.get_call_spec();
  if (spec.size() != 2) {
    return fail(errc::model_invalid, "the package's call spec cannot be read");
  }
  const auto bound = bind_inputs(places(spec[0], inputs), manifest.inputs);
  if (!bound) {
    return fail(bound.error());
  }
  routes out;
  for (const auto& from : *bound) {
    out.inputs.push_back(*from); // every place of a package is required
  }
  const auto given =
      places_of_call_spec(spec[1]).value_or(std::vector<place>(manifest.outputs.size()));
  auto outputs = bind_outputs(given, manifest.outputs);
  if (!outputs) {
    return fail(std::move(outputs.error()));
  }
  out.outputs = std::move(*outputs);
  out.given = given.size();
  return out;
}

/// Switches the package's own checks: each package reads the environment once, at its first pass.
/// The operator's own setting is kept.
void set_own_checks(bool on) {
  static const bool set_by_operator = std::getenv(own_checks) != nullptr;
  if (set_by_operator) {
    return;
  }
  if (on) {
    ::setenv(own_checks, "1", 1);
  } else {
    ::unsetenv(own_checks);
  }
}

result<std::unique_ptr<program>> make_program(std::unique_ptr<package> code, c10::Device device,
                                              model_manifest& manifest, const model_file& file,
                                              std::optional<unpack_folder> folder) {
  auto signature = package_signature::read(source_of(file.pinned_path()));
  auto ways = routes_of(*code, manifest, signature ? signature->inputs() : manifest.inputs.size());
  if (!ways) {
    return fail(std::move(ways.error()));
  }
  std::vector<tensor_spec*> specs;
  for (const auto from : ways->inputs) {
    specs.push_back(&manifest.inputs[from]);
  }
  if (signature) {
    if (auto right = signature->adopt(specs); !right) {
      return fail(std::move(right.error()));
    }
  }
  const std::vector<const tensor_spec*> fixed{specs.begin(), specs.end()};
  set_own_checks(!signature || signature->own_checks_fit(fixed));
  return std::make_unique<aot_program>(std::move(code), device, manifest, std::move(signature),
                                       std::move(*ways), std::move(folder));
}

} // namespace

result<loaded_program> load_aot_inductor(model_manifest& manifest, const model_file& file) {
  // A package holds machine code for one kind of device: for "any" the package itself decides.
  auto device = choose_device(manifest.device == "any" ? "cpu" : manifest.device);
  if (!device) {
    return fail(device.error());
  }
  loaded_program made;
  std::optional<unpack_folder> folder;
  auto loaded = guarded(*device, errc::model_invalid, [&]() -> outputs_or_error {
    const c10::InferenceMode no_autograd;
    auto place = unpack_folder::make(unpacked_bytes(file.pinned_path()));
    if (!place) {
      return fail(std::move(place.error()));
    }
    folder.emplace(std::move(*place));
    std::unique_ptr<package> code;
    folder->lend([&] { code = std::make_unique<package>(file.pinned_path()); });
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
    // A CPU's code is fully in memory now; a GPU's kernels are read when they first run.
    std::optional<unpack_folder> kept;
    if (real->is_cuda()) {
      kept.emplace(std::move(*folder));
    }
    auto ready = make_program(std::move(code), *real, manifest, file, std::move(kept));
    if (!ready) {
      return fail(std::move(ready.error()));
    }
    made.code = std::move(*ready);
    return std::vector<host_tensor>{};
  });
  if (!loaded && loaded.error().code == errc::model_invalid && folder && !folder->path().empty()) {
    if (auto fit = folder->check(); !fit) { // the folder has failed, not the package
      return fail(std::move(fit.error()));
    }
  }
  if (!loaded) {
    return fail(std::move(loaded.error()));
  }
  return made;
}

} // namespace tayfa::engine
