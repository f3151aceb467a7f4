// Tensors as JSON: converts a job's input to plain tensors in host memory, and a model's outputs to
// the job's output.
//
//   in   {"<input name>": value, …, "options": {"output_format": "numbers" | "base64"}}
//        value of an image:  base64 of a picture (a data: URL may stand around it), or a list
//                            of such texts, one per batch member, all of one size
//        value of a text:    a text, or a list of texts
//        any other value:    nested lists of numbers (booleans for bool), or {"dtype":
//                            "float32", "shape": [1, 3], "data": base64, little-endian}
//   out  {"<output name>": value, …}
//        an image:           a base64 PNG of 8 bits, a list of them when the batch is not 1
//        a text:             a text, or a list of texts
//        any other tensor:   numbers up to 4096 elements, else the object with base64,
//                            unless output_format says which
//
// All input is untrusted: names, types, shapes and sizes are checked against the manifest before
// memory is allocated, and each error (errc::bad_input) names its input. Values convert only where
// they keep their meaning: whole numbers within the type's range, finite floats (from double to the
// nearest, ties to even).
#pragma once

#include "messages/error.hpp"
#include "runtime/model/catalogue.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// Dense, row-major, in the host's memory.
struct host_tensor {
  dtype type = dtype::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;

  bool operator==(const host_tensor&) const = default;
};

enum class output_format : std::uint8_t { by_size, numbers, base64 };

struct tensor_limits {
  std::uint64_t tensor_bytes = std::uint64_t{2}
                               << 30;             ///< all inputs together; all outputs together
  std::size_t json_bytes = std::size_t{64} << 20; ///< the output's text
  std::size_t numbers_max = 4096;                 ///< elements written as numbers by_size
};

struct decoded_input {
  std::vector<host_tensor> tensors; ///< in the manifest's order
  output_format format = output_format::by_size;
  std::optional<std::int64_t> batch; ///< size of the batch axes, if the manifest has any
};

result<decoded_input> decode_inputs(const model_manifest&, std::string_view json,
                                    const tensor_limits& = {});

/// Outputs in the manifest's order, already checked by check_outputs. errc::job_failed when they
/// cannot be encoded.
///
/// An image's pixel is value / scale, cut to 0..255 and rounded to nearest, halves away from zero.
result<std::string> encode_outputs(const model_manifest&, std::span<const host_tensor>,
                                   output_format, const tensor_limits& = {});

/// The number of elements; empty when a size is negative or the product is out of range.
std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape);

/// Checks type and every axis against the spec; the error's text names the tensor, `broken` is its
/// code.
result<void> check_tensor(const tensor_spec&, dtype, std::span<const std::int64_t> shape,
                          errc broken);

/// The size of a named axis, and the tensor's axis where it was found.
struct axis_size {
  std::int64_t size = 0;
  std::string where;
};
using axis_sizes = std::map<std::string, axis_size, std::less<>>;

/// Checks that each named axis has one size; `known` holds sizes found before and receives new
/// ones.
result<void> check_axes(std::span<const tensor_spec>,
                        std::span<const std::vector<std::int64_t>> shapes, axis_sizes& known,
                        errc broken);

/// Checks that the tensors' batch axes have one size (`expected`, when that is known), and returns
/// it.
result<std::optional<std::int64_t>> check_batch(std::span<const tensor_spec>,
                                                std::span<const std::vector<std::int64_t>> shapes,
                                                std::optional<std::int64_t> expected, errc broken);

std::vector<std::vector<std::int64_t>> shapes_of(std::span<const host_tensor>);

/// Non-empty tensors of the smallest legal shapes, with every element `value` (a letter in a text):
/// a warm-up's input when the manifest has no example. A value outside of the manifest's bounds
/// becomes the nearest allowed one.
std::vector<host_tensor> made_up_inputs(const model_manifest&, double value);

} // namespace tayfa
