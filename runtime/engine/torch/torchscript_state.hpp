// Attributes that a TorchScript program writes when it runs (a recurrent state, a counter, a
// cache). A job must not see values left by another, so each begins with the attributes as loaded.
// For the plugin's files only.
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
  /// Finds all attributes that forward() may write, and saves their current values. Where calls
  /// cannot be followed, every attribute counts as written.
  static torchscript_state of(const torch::jit::Module&);

  /// True when freezing made constants of attributes that the program writes (statistics of a
  /// normalisation in training mode, tensors in a list): then the unfrozen module must run.
  static bool hides_in_constants(const torch::jit::Module& frozen);

  bool empty() const { return slots_.empty(); }
  /// The attributes' names for the operator, at most a few.
  std::string names() const;
  /// Restores all saved values.
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
