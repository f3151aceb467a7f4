// Attributes that a TorchScript program writes when it runs (a recurrent state, a counter, a
// cache). A job must not see what another has left there, so each begins with them as they were
// loaded. For the files of the plugin only.
//
// Owner: the program. Not thread safe.
#pragma once

#include <ATen/core/ivalue.h>
#include <string>
#include <torch/csrc/jit/api/module.h>
#include <vector>

namespace tayfa::engine {

class torchscript_state {
 public:
  /// Finds what forward() may write, and keeps it as it is now. Where calls cannot be followed,
  /// everything counts as written.
  static torchscript_state of(const torch::jit::Module&);

  /// Freezing has made constants of attributes that the program writes (statistics of a
  /// normalisation in training mode, tensors in a list): the unfrozen module must run.
  static bool hides_in_constants(const torch::jit::Module& frozen);

  bool empty() const { return slots_.empty(); }
  /// Their names, for the operator: at most a few.
  std::string names() const;
  /// Everything as it was when it was found.
  void restore() const;

 private:
  struct slot {
    c10::intrusive_ptr<c10::ivalue::Object> object;
    std::size_t index = 0;
    std::string name;
    c10::IValue pristine;
  };
  class finder;

  std::vector<slot> slots_;
};

} // namespace tayfa::engine
