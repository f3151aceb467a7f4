// A loaded model as the torch engine sees it: plain host tensors in, plain host tensors out. What
// runs it (TorchScript, AOTInductor) is behind this, so that everything around it is built and
// tested without libtorch.
#pragma once

#include "runtime/model/model_file.hpp"
#include "runtime/model/tensor_json.hpp"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace tayfa::engine {

/// The device is in a state that only the end of the process repairs (a sticky CUDA error). Never
/// caught in the engine.
class device_lost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class program {
 public:
  virtual ~program() = default;
  /// One pass. Outputs come in the manifest's order, checked against it before they are copied to
  /// the host. errc::job_failed, bad_input, gpu_oom; throws device_lost.
  virtual result<std::vector<host_tensor>> forward(std::vector<host_tensor> inputs) = 0;
  /// The last pass failed because the model's own code raised an exception, not an operator.
  virtual bool raised() const { return false; }
};

struct loaded_program {
  std::unique_ptr<program> code;
  std::vector<std::string> warnings{}; ///< what the operator should know about the model
};

class backend {
 public:
  virtual ~backend() = default;
  virtual std::string device() const = 0;                  ///< "cpu", "cuda:0 NVIDIA H200"
  virtual std::uint64_t memory_bytes() const { return 0; } ///< of the device; 0 = unknown
  virtual void use_threads(std::uint32_t) {}               ///< for operators, the caller included
  /// The file has been checked against the manifest, which may get names for axes that the file
  /// knows to be one size. errc::model_invalid, gpu_oom, unfit, bad_config.
  virtual result<loaded_program> load(model_manifest&, const model_file&) = 0;
};

/// What a library's exception text tells a client: one line without traces, at most 300 printable
/// characters.
std::string brief_message(std::string_view what);

} // namespace tayfa::engine
