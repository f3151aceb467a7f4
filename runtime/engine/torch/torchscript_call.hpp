// Calling convention of a TorchScript program: makes forward()'s arguments from a job's tensors by
// their types (Tensor, int, float, bool, str, None, and tuples, lists and dictionaries of them),
// and extracts tensors from its result. For the plugin's files only.
//
// Owner: the program. Made once, when the model is loaded; immutable.
#pragma once

#include "runtime/engine/torch/binding.hpp"
#include "runtime/engine/torch/program.hpp"

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <c10/core/Device.h>

namespace tayfa::engine {

class torchscript_call {
 public:
  /// errc::model_invalid names an argument whose type holds no tensor, or that the manifest lacks.
  static result<torchscript_call> plan(const c10::FunctionSchema&, const model_manifest&);

  /// The tensors' memory must outlive the call.
  std::vector<c10::IValue> arguments(std::vector<host_tensor>& inputs, c10::Device) const;
  /// In the manifest's order. Throws c10::Error for a value that is not a tensor.
  static result<std::vector<at::Tensor>> outputs(const c10::IValue&, const model_manifest&);

 private:
  enum class form : std::uint8_t {
    tensor,
    whole,
    real,
    number,
    truth,
    text,
    wholes,
    reals,
    truths,
    texts,
    tuple,
    list,
    dictionary,
  };
  struct node {
    form is = form::tensor;
    std::string name{};
    std::vector<node> children{};
    std::vector<std::string> keys{};    ///< of a dictionary, one per child
    std::optional<std::size_t> input{}; ///< index in the manifest
    c10::TupleTypePtr type{};           ///< of a tuple with named fields
    c10::IValue otherwise{};            ///< the value when no input is bound
  };
  class planner;

  c10::IValue value(const node&, std::vector<host_tensor>&, c10::Device) const;

  std::vector<node> arguments_;
};

} // namespace tayfa::engine
