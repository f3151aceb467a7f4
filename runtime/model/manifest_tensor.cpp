// Reads one tensor of a manifest: its type, axes, form and values.
#include "runtime/model/manifest_fields.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cmath>
#include <utility>

namespace tayfa::manifest_fields {

namespace json = boost::json;

namespace {

constexpr std::size_t rank_max = 8;
constexpr std::uint64_t smallest_elements_max = std::uint64_t{1} << 28;

result<std::int64_t> read_size(const json::value& value, const std::string& where) {
  if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > axis_max) {
    return broken(where, "must be a whole number from 0 to 2147483647");
  }
  return value.get_int64();
}

/// Reads bounds, or the name of a declared axis.
result<axis_bounds> read_axis(const json::value& value, const std::string& where,
                              const named_axes& axes) {
  const auto* name = value.if_string();
  if (name == nullptr) {
    return read_bounds(value, where);
  }
  const auto found = axes.find(std::string_view{name->data(), name->size()});
  if (found == axes.end()) {
    return broken(where, "names an axis that \"axes\" does not declare");
  }
  return found->second;
}

result<void> read_shape(const json::object& object, const std::string& where,
                        const named_axes& axes, tensor_spec& spec) {
  const auto* found = object.if_contains("shape");
  if (found == nullptr || !found->is_array() || found->get_array().size() > rank_max) {
    return broken(where + "shape", "must be a list of at most 8 axes");
  }
  std::uint64_t smallest = 1;
  for (const auto& axis : found->get_array()) {
    const auto at = where + "shape[" + std::to_string(spec.shape.size()) + "]";
    auto bounds = read_axis(axis, at, axes);
    if (!bounds) {
      return fail(bounds.error());
    }
    smallest *= static_cast<std::uint64_t>(std::max<std::int64_t>(1, bounds->min));
    spec.shape.push_back(std::move(*bounds));
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

result<void> check_image(const std::string& where, const tensor_spec& spec) {
  if (spec.type != dtype::u8 && !is_float(spec.type)) {
    return broken(where + "dtype", "of an image must be uint8 or a float");
  }
  if (spec.type == dtype::u8 && spec.scale != 1.0) {
    return broken(where + "scale", "of a uint8 image must be 1");
  }
  if (spec.shape.size() != 4) {
    return broken(where + "shape", "of an image must be [N, C, H, W]");
  }
  const auto& channels = spec.shape[1];
  if (channels.min != channels.max ||
      (channels.min != 1 && channels.min != 3 && channels.min != 4)) {
    return broken(where + "shape[1]", "of an image must be 1, 3 or 4");
  }
  if (spec.shape[2].min < 1 || spec.shape[3].min < 1) {
    return broken(where + "shape", "of an image must have a height and a width from 1");
  }
  if (spec.batch_axis.value_or(0) != 0) {
    return broken(where + "batch_axis", "of an image must be 0");
  }
  return {};
}

result<void> check_text(const std::string& where, const tensor_spec& spec) {
  if (spec.type != dtype::u8) {
    return broken(where + "dtype", "of a text must be uint8: its UTF-8 bytes");
  }
  if (spec.shape.empty() || spec.shape.size() > 2) {
    return broken(where + "shape", "of a text must be [bytes], or [texts, bytes] for a list");
  }
  if (spec.batch_axis && (spec.shape.size() != 2 || *spec.batch_axis != 0)) {
    return broken(where + "batch_axis", "of texts must be 0, and of one text there is none");
  }
  return {};
}

result<void> read_form(const json::object& object, const std::string& where, tensor_spec& spec) {
  if (object.contains("form")) {
    const auto form = text(object, where, "form");
    if (!form || (*form != "any" && *form != "image" && *form != "text")) {
      return broken(where + "form", "must be \"any\", \"image\" or \"text\"");
    }
    spec.form = *form == "image"  ? tensor_form::image
                : *form == "text" ? tensor_form::text
                                  : tensor_form::any;
  }
  if (const auto* scale = object.if_contains("scale")) {
    const double value = scale->is_number() ? scale->to_number<double>() : 0.0;
    if (!std::isfinite(value) || value < 1e-12 || value > 1e12) {
      return broken(where + "scale", "must be a number from 1e-12 to 1e12");
    }
    spec.scale = value;
  }
  if (spec.form == tensor_form::image) {
    return check_image(where, spec);
  }
  if (spec.scale != 1.0) {
    return broken(where + "scale", "is for images only");
  }
  return spec.form == tensor_form::text ? check_text(where, spec) : result<void>{};
}

result<void> read_values(const json::object& object, const std::string& where, tensor_spec& spec) {
  const auto* found = object.if_contains("values");
  if (found == nullptr) {
    return {};
  }
  const auto* both = found->if_array();
  if (both == nullptr || both->size() != 2 || !(*both)[0].is_number() || !(*both)[1].is_number()) {
    return broken(where + "values", "must be [smallest, largest]");
  }
  const value_bounds bounds{(*both)[0].to_number<double>(), (*both)[1].to_number<double>()};
  if (!(bounds.min <= bounds.max)) {
    return broken(where + "values", "has a smallest above its largest");
  }
  if (spec.form != tensor_form::any || spec.type == dtype::boolean) {
    return broken(where + "values", "is for numbers only");
  }
  spec.values = bounds;
  return {};
}

} // namespace

result<axis_bounds> read_bounds(const json::value& value, const std::string& where) {
  if (value.is_int64() && value.get_int64() == -1) {
    return axis_bounds{1, axis_max};
  }
  const auto* both = value.if_array();
  if (both == nullptr) {
    const auto size = read_size(value, where);
    if (!size) {
      return broken(where, "must be a whole number from 0 to 2147483647, [min, max], -1 for any "
                           "size, or the name of one of the \"axes\"");
    }
    return axis_bounds{*size, *size};
  }
  if (both->size() != 2) {
    return broken(where, "must be one number or [min, max]");
  }
  const auto least = read_size((*both)[0], where + "[0]");
  const auto& last = (*both)[1];
  const bool open = last.is_int64() && last.get_int64() == -1;
  const auto most = open ? result<std::int64_t>{axis_max} : read_size(last, where + "[1]");
  if (!least || !most) {
    return fail(!least ? least.error() : most.error());
  }
  if (*least > *most) {
    return broken(where, "has a minimum above its maximum");
  }
  return axis_bounds{*least, *most};
}

result<tensor_spec> read_tensor(const json::value& value, const std::string& where,
                                const named_axes& axes) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return broken(where, "must be an object");
  }
  const auto at = where + ".";
  if (auto known =
          only(*object, at, {"name", "dtype", "shape", "batch_axis", "form", "scale", "values"});
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
  if (auto shape = read_shape(*object, at, axes, spec); !shape) {
    return fail(shape.error());
  }
  if (auto form = read_form(*object, at, spec); !form) {
    return fail(form.error());
  }
  if (auto values = read_values(*object, at, spec); !values) {
    return fail(values.error());
  }
  return spec;
}

} // namespace tayfa::manifest_fields
