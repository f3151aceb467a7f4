// The sizes and types that an AOTInductor package was exported with. A package's machine code does
// not check the sizes of its arguments: a tensor shorter than exported is read past its end. The
// checks that torch generates with the code are off unless the environment enables them, and then
// they also refuse size 1 for every exported dynamic size, although the code accepts it. So their
// content is read from the package's generated source and checked here. Pure, without libtorch.
//
// Owner: the program that runs the package. Immutable.
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
  /// Parses the package's wrapper.cpp. Empty when it does not specify every input.
  static std::optional<package_signature> read(std::string_view source);

  std::size_t inputs() const { return inputs_.size(); }

  /// Checks that the manifest's inputs, in the package's order, allow nothing that the package was
  /// not exported for; errc::model_invalid names the first that does. Axes of equal size in the
  /// package get its name in the manifest where the manifest has none.
  result<void> adopt(std::span<tensor_spec* const> inputs) const;

  /// True when the package's own checks, which never accept size 1, would refuse nothing that the
  /// manifest allows.
  bool own_checks_fit(std::span<const tensor_spec* const> inputs) const;

  /// Checks one pass's shapes, in the package's order. errc::bad_input names the tensor.
  result<void> check(std::span<const tensor_spec* const> inputs,
                     std::span<const std::vector<std::int64_t>> shapes) const;

 private:
  struct axis {
    std::int64_t least = 0;
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
    std::optional<size_expression> size{}; ///< its expression, if the source has one
  };
  struct input {
    std::string type{}; ///< torch's C++ name: "Float"
    std::vector<axis> axes{};
    std::vector<size_expression> strides{};
  };

  bool read_checks(std::string_view source);
  void read_asserts(std::string_view source);
  static std::int64_t least_taken(const axis&);

  std::vector<input> inputs_;
};

} // namespace tayfa::engine
