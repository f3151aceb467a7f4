#include "runtime/model/catalogue.hpp"
#include "runtime/model/exact_json.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <initializer_list>
#include <utility>

namespace tayfa {

namespace {

namespace json = boost::json;

constexpr std::size_t manifest_bytes_max = std::size_t{256} << 10;
constexpr std::size_t tensors_max = 64;
constexpr std::size_t rank_max = 8;
constexpr std::int64_t axis_max = (std::int64_t{1} << 31) - 1;
constexpr std::uint64_t smallest_elements_max = std::uint64_t{1} << 28;

constexpr std::array<std::pair<dtype, std::string_view>, 10> dtype_names{{
    {dtype::u8, "uint8"},
    {dtype::i8, "int8"},
    {dtype::i16, "int16"},
    {dtype::i32, "int32"},
    {dtype::i64, "int64"},
    {dtype::f16, "float16"},
    {dtype::bf16, "bfloat16"},
    {dtype::f32, "float32"},
    {dtype::f64, "float64"},
    {dtype::boolean, "bool"},
}};

auto broken(const std::string& field, std::string_view rule) {
  return fail(errc::model_invalid, "manifest: " + field + " " + std::string{rule});
}

/// Every member of the object is in `known`.
result<void> only(const json::object& object, const std::string& where,
                  std::initializer_list<std::string_view> known) {
  for (const auto& member : object) {
    const std::string_view key{member.key().data(), member.key().size()};
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      // The key is the file's own text: shown only when it is plain.
      const bool plain = key.size() <= 64 && std::all_of(key.begin(), key.end(),
                                                         [](char c) { return c > ' ' && c < 127; });
      return broken(where + (plain ? std::string{key} : "(a key that cannot be shown)"),
                    "is not a known key");
    }
  }
  return {};
}

result<std::string_view> text(const json::object& object, const std::string& where,
                              std::string_view key) {
  const auto* found = object.if_contains(json::string_view{key.data(), key.size()});
  if (found == nullptr || !found->is_string()) {
    return broken(where + std::string{key}, "must be a text");
  }
  const auto& value = found->get_string();
  return std::string_view{value.data(), value.size()};
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

result<std::string> read_name(const json::object& object, const std::string& where) {
  const auto found = text(object, where, "name");
  if (!found) {
    return fail(found.error());
  }
  if (!is_name(*found)) {
    return broken(where + "name", "must be 1 to 64 characters out of A-Z a-z 0-9 . _ -");
  }
  return std::string{*found};
}

result<std::int64_t> read_size(const json::value& value, const std::string& where) {
  if (!value.is_int64() || value.get_int64() < 1 || value.get_int64() > axis_max) {
    return broken(where, "must be a whole number from 1 to 2147483647");
  }
  return value.get_int64();
}

result<axis_bounds> read_axis(const json::value& value, const std::string& where) {
  const auto* both = value.if_array();
  if (both == nullptr) {
    const auto size = read_size(value, where);
    if (!size) {
      return fail(size.error());
    }
    return axis_bounds{*size, *size};
  }
  if (both->size() != 2) {
    return broken(where, "must be one number or [min, max]");
  }
  const auto least = read_size((*both)[0], where + "[0]");
  const auto most = read_size((*both)[1], where + "[1]");
  if (!least || !most) {
    return fail(!least ? least.error() : most.error());
  }
  if (*least > *most) {
    return broken(where, "has a minimum above its maximum");
  }
  return axis_bounds{*least, *most};
}

result<void> read_shape(const json::object& object, const std::string& where, tensor_spec& spec) {
  const auto* found = object.if_contains("shape");
  if (found == nullptr || !found->is_array() || found->get_array().size() > rank_max) {
    return broken(where + "shape", "must be a list of at most 8 axes");
  }
  std::uint64_t smallest = 1;
  for (const auto& axis : found->get_array()) {
    const auto at = where + "shape[" + std::to_string(spec.shape.size()) + "]";
    const auto bounds = read_axis(axis, at);
    if (!bounds) {
      return fail(bounds.error());
    }
    spec.shape.push_back(*bounds);
    smallest *= static_cast<std::uint64_t>(bounds->min);
    if (smallest > smallest_elements_max) {
      return broken(where + "shape", "is too large even at its smallest");
    }
  }
  const auto* batch = object.if_contains("batch_axis");
  if (batch != nullptr) {
    if (!batch->is_int64() || batch->get_int64() < 0 ||
        static_cast<std::uint64_t>(batch->get_int64()) >= spec.shape.size()) {
      return broken(where + "batch_axis", "must be the number of one of the axes");
    }
    spec.batch_axis = static_cast<std::size_t>(batch->get_int64());
  }
  return {};
}

bool is_float(dtype type) {
  return type == dtype::f16 || type == dtype::bf16 || type == dtype::f32 || type == dtype::f64;
}

result<void> read_form(const json::object& object, const std::string& where, tensor_spec& spec) {
  if (object.contains("form")) {
    const auto form = text(object, where, "form");
    if (!form || (*form != "any" && *form != "image")) {
      return broken(where + "form", "must be \"any\" or \"image\"");
    }
    spec.form = *form == "image" ? tensor_form::image : tensor_form::any;
  }
  if (const auto* scale = object.if_contains("scale")) {
    const double value = scale->is_number() ? scale->to_number<double>() : 0.0;
    if (!std::isfinite(value) || value < 1e-12 || value > 1e12) {
      return broken(where + "scale", "must be a number from 1e-12 to 1e12");
    }
    spec.scale = value;
  }
  if (spec.form == tensor_form::any) {
    return spec.scale == 1.0 ? result<void>{} : broken(where + "scale", "is for images only");
  }
  if (spec.type != dtype::u8 && !is_float(spec.type)) {
    return broken(where + "dtype", "of an image must be uint8 or a float");
  }
  if (spec.type == dtype::u8 && spec.scale != 1.0) {
    return broken(where + "scale", "of a uint8 image must be 1");
  }
  if (spec.shape.size() != 4) {
    return broken(where + "shape", "of an image must be [N, C, H, W]");
  }
  const auto channels = spec.shape[1];
  if (channels.min != channels.max ||
      (channels.min != 1 && channels.min != 3 && channels.min != 4)) {
    return broken(where + "shape[1]", "of an image must be 1, 3 or 4");
  }
  if (spec.batch_axis.value_or(0) != 0) {
    return broken(where + "batch_axis", "of an image must be 0");
  }
  return {};
}

result<tensor_spec> read_tensor(const json::value& value, const std::string& where) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return broken(where, "must be an object");
  }
  const auto at = where + ".";
  if (auto known = only(*object, at, {"name", "dtype", "shape", "batch_axis", "form", "scale"});
      !known) {
    return fail(known.error());
  }
  tensor_spec spec;
  auto name = read_name(*object, at);
  if (!name) {
    return fail(name.error());
  }
  spec.name = std::move(*name);
  const auto type = text(*object, at, "dtype");
  const auto known_type = type ? dtype_from(*type) : std::nullopt;
  if (!known_type) {
    return broken(at + "dtype", "must be one of uint8 int8 int16 int32 int64 float16 bfloat16 "
                                "float32 float64 bool");
  }
  spec.type = *known_type;
  if (auto shape = read_shape(*object, at, spec); !shape) {
    return fail(shape.error());
  }
  if (auto form = read_form(*object, at, spec); !form) {
    return fail(form.error());
  }
  return spec;
}

result<std::vector<tensor_spec>> read_tensors(const json::object& object, const std::string& key) {
  const auto* found = object.if_contains(key);
  if (found == nullptr || !found->is_array() || found->get_array().empty() ||
      found->get_array().size() > tensors_max) {
    return broken(key, "must be a list of 1 to 64 tensors");
  }
  std::vector<tensor_spec> specs;
  for (const auto& value : found->get_array()) {
    const auto where = key + "[" + std::to_string(specs.size()) + "]";
    auto spec = read_tensor(value, where);
    if (!spec) {
      return fail(spec.error());
    }
    for (const auto& other : specs) {
      if (other.name == spec->name) {
        return broken(where + ".name", "is the name of an earlier tensor");
      }
    }
    if (key == "inputs" && spec->name == "options") {
      return broken(where + ".name", "must not be \"options\", which a job's input uses itself");
    }
    specs.push_back(std::move(*spec));
  }
  return specs;
}

/// All batch axes can be of one size, and none counts what no input gives.
result<void> check_batch(const model_manifest& manifest) {
  axis_bounds common{1, axis_max};
  bool given = false;
  for (const auto* specs : {&manifest.inputs, &manifest.outputs}) {
    for (const auto& spec : *specs) {
      if (!spec.batch_axis) {
        continue;
      }
      if (specs == &manifest.outputs && !given) {
        return broken("outputs", "have a batch_axis but no input has one");
      }
      given = true;
      const auto bounds = spec.shape[*spec.batch_axis];
      common.min = std::max(common.min, bounds.min);
      common.max = std::min(common.max, bounds.max);
    }
  }
  if (common.min > common.max) {
    return broken("inputs and outputs", "have batch axes that no one batch size fits");
  }
  return {};
}

result<void> read_head(const json::object& object, model_manifest& manifest) {
  const auto* format = object.if_contains("format");
  if (format == nullptr || !format->is_int64() || format->get_int64() != 1) {
    return broken("format", "must be 1");
  }
  auto name = read_name(object, "");
  if (!name) {
    return fail(name.error());
  }
  manifest.name = std::move(*name);
  const auto kind = text(object, "", "kind");
  if (!kind || (*kind != "torchscript" && *kind != "aot_inductor")) {
    return broken("kind", "must be \"torchscript\" or \"aot_inductor\"");
  }
  manifest.kind = *kind;
  const auto digest = text(object, "", "sha256");
  if (!digest || digest->size() != 64 ||
      digest->find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return broken("sha256", "must be 64 lower-case hex digits");
  }
  manifest.sha256 = *digest;
  const auto device = text(object, "", "device");
  if (!device || (*device != "cpu" && *device != "cuda" && *device != "any")) {
    return broken("device", "must be \"cpu\", \"cuda\" or \"any\"");
  }
  manifest.device = *device;
  return {};
}

} // namespace

std::string_view to_string(dtype type) {
  for (const auto& [value, name] : dtype_names) {
    if (value == type) {
      return name;
    }
  }
  return "unknown";
}

std::optional<dtype> dtype_from(std::string_view text) {
  for (const auto& [value, name] : dtype_names) {
    if (name == text) {
      return value;
    }
  }
  return std::nullopt;
}

std::size_t size_of(dtype type) {
  switch (type) {
  case dtype::u8:
  case dtype::i8:
  case dtype::boolean: return 1;
  case dtype::i16:
  case dtype::f16:
  case dtype::bf16: return 2;
  case dtype::i32:
  case dtype::f32: return 4;
  case dtype::i64:
  case dtype::f64: return 8;
  }
  return 1;
}

result<model_manifest> parse_manifest(std::string_view text) {
  const auto parsed = parse_json(text, {manifest_bytes_max, 16}, errc::model_invalid);
  if (!parsed) {
    return fail(errc::model_invalid, "manifest: " + parsed.error().text);
  }
  const auto* object = parsed->if_object();
  if (object == nullptr) {
    return fail(errc::model_invalid, "manifest: it must be a JSON object");
  }
  if (auto known =
          only(*object, "", {"format", "name", "kind", "sha256", "device", "inputs", "outputs"});
      !known) {
    return fail(known.error());
  }
  model_manifest manifest;
  if (auto head = read_head(*object, manifest); !head) {
    return fail(head.error());
  }
  auto inputs = read_tensors(*object, "inputs");
  if (!inputs) {
    return fail(inputs.error());
  }
  manifest.inputs = std::move(*inputs);
  auto outputs = read_tensors(*object, "outputs");
  if (!outputs) {
    return fail(outputs.error());
  }
  manifest.outputs = std::move(*outputs);
  if (auto batch = check_batch(manifest); !batch) {
    return fail(batch.error());
  }
  return manifest;
}

} // namespace tayfa
