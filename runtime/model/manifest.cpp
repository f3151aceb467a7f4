#include "messages/engine_kind.hpp"
#include "runtime/model/exact_json.hpp"
#include "runtime/model/manifest_fields.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

namespace tayfa {

namespace json = boost::json;

namespace manifest_fields {

tl::unexpected<error> broken(const std::string& field, std::string_view rule) {
  return fail(errc::model_invalid, "manifest: " + field + " " + std::string{rule});
}

result<void> only(const json::object& object, const std::string& where,
                  std::initializer_list<std::string_view> known) {
  for (const auto& member : object) {
    const std::string_view key{member.key().data(), member.key().size()};
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      // The key is untrusted text: shown only when it is printable ASCII.
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

} // namespace manifest_fields

namespace {

using namespace manifest_fields;

constexpr std::size_t manifest_bytes_max = std::size_t{256} << 10;
constexpr std::size_t axes_declared_max = 256;
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

result<named_axes> read_axes(const json::object& object) {
  named_axes axes;
  const auto* found = object.if_contains("axes");
  if (found == nullptr) {
    return axes;
  }
  if (!found->is_object() || found->get_object().size() > axes_declared_max) {
    return broken("axes", "must be an object of at most 256 names with their sizes");
  }
  for (const auto& member : found->get_object()) {
    const std::string_view name{member.key().data(), member.key().size()};
    if (!is_name(name)) {
      return broken("axes", "has a name that is not 1 to 64 characters out of A-Z a-z 0-9 . _ -");
    }
    auto bounds = read_bounds(member.value(), "axes." + std::string{name});
    if (!bounds) {
      return fail(bounds.error());
    }
    bounds->name = name;
    axes.emplace(name, std::move(*bounds));
  }
  return axes;
}

result<std::vector<tensor_spec>> read_tensors(const json::object& object, const std::string& key,
                                              const named_axes& axes) {
  const auto* found = object.if_contains(key);
  if (found == nullptr || !found->is_array() || found->get_array().empty() ||
      found->get_array().size() > tensors_max) {
    return broken(key, "must be a list of 1 to 512 tensors");
  }
  std::vector<tensor_spec> specs;
  for (const auto& value : found->get_array()) {
    const auto where = key + "[" + std::to_string(specs.size()) + "]";
    auto spec = read_tensor(value, where, axes);
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

/// Checks that all batch axes can have one size, and that outputs have one only if an input does.
result<void> check_batch(const model_manifest& manifest) {
  axis_bounds common{0, axis_max};
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
      const auto& bounds = spec.shape[*spec.batch_axis];
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
  const auto name = text(object, "", "name");
  if (!name || !is_model_name(*name)) {
    return broken("name", "must be " + std::string{model_name_rule});
  }
  manifest.name = *name;
  const auto kind = text(object, "", "kind");
  if (!kind || !is_model_kind(*kind)) {
    return broken("kind", "must be " + model_kind_names());
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
  if (auto known = only(
          *object, "",
          {"format", "name", "kind", "sha256", "device", "axes", "inputs", "outputs", "example"});
      !known) {
    return fail(known.error());
  }
  model_manifest manifest;
  if (auto head = read_head(*object, manifest); !head) {
    return fail(head.error());
  }
  const auto axes = read_axes(*object);
  if (!axes) {
    return fail(axes.error());
  }
  auto inputs = read_tensors(*object, "inputs", *axes);
  if (!inputs) {
    return fail(inputs.error());
  }
  manifest.inputs = std::move(*inputs);
  auto outputs = read_tensors(*object, "outputs", *axes);
  if (!outputs) {
    return fail(outputs.error());
  }
  manifest.outputs = std::move(*outputs);
  if (auto batch = check_batch(manifest); !batch) {
    return fail(batch.error());
  }
  if (const auto* example = object->if_contains("example")) {
    if (!example->is_object()) {
      return broken("example", "must be an object: the input of a job");
    }
    manifest.example = json::serialize(*example);
  }
  return manifest;
}

} // namespace tayfa
