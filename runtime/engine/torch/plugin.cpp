// libtayfa-engine-torch.so: the entry points that runtime/engine/engine.hpp names.
#include "messages/engine_kind.hpp"
#include "runtime/engine/torch/at_tensors.hpp"
#include "runtime/engine/torch/check.hpp"
#include "runtime/engine/torch/cuda_driver.hpp"
#include "runtime/engine/torch/torch_model.hpp"

#include <algorithm>
#include <ATen/Context.h>
#include <ATen/Parallel.h>

namespace tayfa::engine {

namespace {

class torch_backend final : public backend {
 public:
  torch_backend() {
    bound_forks();
    if (at::hasCUDA()) {
      const auto report = ask_driver();
      device_ = report.gpus.empty() ? "cuda:0" : "cuda:0 " + report.gpus.front().name;
      memory_bytes_ = report.gpus.empty() ? 0 : report.gpus.front().total_bytes;
    }
  }

  std::string device() const override { return device_; }
  std::uint64_t memory_bytes() const override { return memory_bytes_; }
  void use_threads(std::uint32_t count) override {
    at::set_num_threads(static_cast<int>(std::min<std::uint32_t>(count, threads_most)));
  }

  result<loaded_program> load(model_manifest& manifest, const model_file& file) override {
    return manifest.kind == torchscript_model ? load_torchscript(manifest, file)
                                              : load_aot_inductor(manifest, file);
  }

 private:
  /// Operators use the threads that OMP_NUM_THREADS allows. The additional pool, for programs that
  /// fork, would have one thread per CPU of the machine. libtorch accepts its size only once.
  static void bound_forks() {
    static const bool done = [] {
      at::set_num_interop_threads(1);
      return true;
    }();
    (void)done;
  }

  static constexpr std::uint32_t threads_most = 1'024;

  std::string device_ = "cpu";
  std::uint64_t memory_bytes_ = 0;
};

} // namespace

} // namespace tayfa::engine

extern "C" [[gnu::visibility("default")]] std::uint32_t tayfa_plugin_version() {
  return tayfa::engine::plugin_version;
}

extern "C" [[gnu::visibility("default")]] tayfa::engine::blocking_model*
tayfa_make_blocking_model() {
  using namespace tayfa::engine;
  return new torch_model(std::make_unique<torch_backend>(), std::make_unique<tayfa::system_time>());
}

extern "C" [[gnu::visibility("default")]] void tayfa_check_machine(std::string& out) {
  out = tayfa::engine::check_machine();
}
