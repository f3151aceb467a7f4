// A loaded model as the torch engine sees it: plain host tensors in and out. It hides the backend
// (TorchScript, AOTInductor), so that all surrounding code is built and tested without libtorch.
#pragma once

#include "runtime/model/model_file.hpp"
#include "runtime/model/tensor_json.hpp"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace tayfa::engine {

/// The device is in a state that only a new process repairs (a sticky CUDA error). Never caught in
/// the engine.
class device_lost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class program {
 public:
  virtual ~program() = default;
  /// Runs one pass. Outputs are in the manifest's order, and checked against it before they are
  /// copied to the host. errc::job_failed, bad_input, gpu_oom; throws device_lost.
  virtual result<std::vector<host_tensor>> forward(std::vector<host_tensor> inputs) = 0;
  /// True when the last pass failed by an exception of the model's own code, not of an operator.
  virtual bool raised() const { return false; }
};

struct loaded_program {
  std::unique_ptr<program> code;
  std::vector<std::string> warnings{}; ///< remarks about the model for the operator
};

class backend {
 public:
  virtual ~backend() = default;
  virtual std::string device() const = 0;                  ///< "cpu", "cuda:0 NVIDIA H200"
  virtual std::uint64_t memory_bytes() const { return 0; } ///< of the device; 0 = unknown
  virtual void use_threads(std::uint32_t) {}               ///< for operators, including the caller
  /// Precondition: the file matches the manifest. Axes without a name may get one where the file
  /// shows equal sizes. errc::model_invalid, gpu_oom, unfit, bad_config.
  virtual result<loaded_program> load(model_manifest&, const model_file&) = 0;
};

/// The part of a library's exception text for a client: one line without traces, at most 300
/// printable characters.
std::string brief_message(std::string_view what);

} // namespace tayfa::engine
