// The models that a pod may run: found, checked and named before any engine sees them.
//
// A model file is untrusted. TorchScript (.pt) and AOTInductor (.pt2) files are programs: loading
// one runs its code. So each needs a manifest next to it (`<file>.manifest.json`) that the operator
// vouches for and that holds the file's SHA-256; a file that differs is refused
// (errc::model_invalid) before libtorch opens it. The kind is determined by content (zip magic and
// members), never by the file's name alone.
#pragma once

#include "messages/error.hpp"
#include "messages/model_name.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

enum class dtype : std::uint8_t { u8, i8, i16, i32, i64, f16, bf16, f32, f64, boolean };
std::string_view to_string(dtype);
std::optional<dtype> dtype_from(std::string_view); ///< "uint8", "float32", … (torch's own names)
std::size_t size_of(dtype);                        ///< bytes

/// Size of one axis: fixed when min == max. -1 in a request's shape is never allowed.
struct axis_bounds {
  std::int64_t min = 1;
  std::int64_t max = 1;
  std::string name{}; ///< axes of one name have one size, in a job's inputs and outputs together
};

/// JSON representation of a tensor.
enum class tensor_form : std::uint8_t {
  any,   ///< numbers (nested arrays) or {"dtype","shape","data": base64 of little-endian bytes}
  image, ///< base64 of a picture; the tensor is uint8 or float [N,C,H,W], C = 1, 3 or 4
  text,  ///< a text, or a list of texts; the tensor is uint8 [bytes] or [texts, bytes]: UTF-8,
         ///< shorter texts of a list padded with zeros
};

/// Range of the elements' values.
struct value_bounds {
  double min = 0;
  double max = 0;
};

struct tensor_spec {
  std::string name;
  dtype type = dtype::f32;
  std::vector<axis_bounds> shape;
  std::optional<std::size_t> batch_axis; ///< the axis that counts batch members
  tensor_form form = tensor_form::any;
  double scale = 1.0; ///< image only: the model gets pixel value * scale (1/255 for floats)
  std::optional<value_bounds> values{};
};

/// `<model>.manifest.json`, format 1. Parsed with bounds; unknown keys are errors.
struct model_manifest {
  std::string name;
  std::string kind;   ///< one that an engine runs (messages/engine_kind.hpp)
  std::string sha256; ///< of the model file, 64 lower-case hex digits
  std::string device; ///< "cpu", "cuda" or "any": the device that the file was made for
  std::vector<tensor_spec> inputs;
  std::vector<tensor_spec> outputs;
  std::string example{}; ///< JSON of a valid job input; empty = none given
};

struct model_entry {
  std::string name;
  std::string path;     ///< absolute
  std::string manifest; ///< its JSON text, unchanged
  std::uint64_t bytes = 0;
  std::string kind{}; ///< of its manifest
};

result<model_manifest> parse_manifest(std::string_view json);

/// Checks one file and its manifest: exists, a regular file (possibly behind symbolic links, as in
/// caches and mounted volumes), within bounds, kind by content, hash.
result<model_entry> inspect_model(const std::string& path);

} // namespace tayfa
