// The sizes and types that an AOTInductor package was exported with. A package's machine code does
// not look at the sizes that it is given: a tensor that is shorter than it was exported for is read
// past its end. The checks that torch generates with the code are off unless the environment turns
// them on, and then they also refuse a size of 1 wherever a dynamic size was exported, although the
// code takes it. So what they know is read from the package's generated source and checked here.
// Pure, without libtorch.
//
// Owner: the program that runs the package. Never changed after it was made.
#pragma once

#include "messages/error.hpp"
#include "runtime/engine/torch/size_expression.hpp"
#include "runtime/model/catalogue.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::engine {

class package_signature {
 public:
  /// Out of the package's wrapper.cpp. Nothing when it does not say what every input must be.
  static std::optional<package_signature> read(std::string_view source);

  std::size_t inputs() const { return inputs_.size(); }

  /// Whether the manifest's inputs, in the package's order, promise nothing that the package was
  /// not exported for; errc::model_invalid names the first that does. Axes that are one size in the
  /// package get its name for it in the manifest where the manifest has none.
  result<void> adopt(std::span<tensor_spec* const> inputs) const;

  /// Whether the package's own checks, which know no size of 1, would refuse nothing that the
  /// manifest allows.
  bool own_checks_fit(std::span<const tensor_spec* const> inputs) const;

  /// One pass's shapes, in the package's order. errc::bad_input names the tensor.
  result<void> check(std::span<const tensor_spec* const> inputs,
                     std::span<const std::vector<std::int64_t>> shapes) const;

 private:
  struct axis {
    std::int64_t least = 0;
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
    std::optional<size_expression> size{}; ///< what it is made of, where the source says so
  };
  struct input {
    std::string type{}; ///< torch's name of it in C++: "Float"
    std::vector<axis> axes{};
    std::vector<size_expression> strides{};
  };

  bool read_checks(std::string_view source);
  void read_asserts(std::string_view source);
  static std::int64_t least_taken(const axis&);

  std::vector<input> inputs_;
};

} // namespace tayfa::engine
