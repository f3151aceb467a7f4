#include "runtime/model/tensor_json.hpp"

#include "runtime/model/small_float.hpp"
#include "runtime/model/tensor_element.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace tayfa {

static_assert(std::endian::native == std::endian::little,
              "tensor bytes travel little-endian and are used as they are");

namespace {

template <class T>
T read_as(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
bool write_as(T value, std::byte* to) {
  std::memcpy(to, &value, sizeof value);
  return true;
}

element whole(std::int64_t value) {
  return {element::form::whole, value, 0};
}
element real(double value) {
  return {element::form::real, 0, value};
}

template <class T>
bool store_whole(const element& e, std::byte* to) {
  std::int64_t value = e.whole;
  if (e.is == element::form::real) {
    // Above 2^53 a double may have been rounded from another whole number. NaN fails the
    // comparison.
    if (!(std::abs(e.real) <= 0x1p53) || std::trunc(e.real) != e.real) {
      return false;
    }
    value = static_cast<std::int64_t>(e.real);
  }
  if (value < std::int64_t{std::numeric_limits<T>::min()} ||
      value > std::int64_t{std::numeric_limits<T>::max()}) {
    return false;
  }
  return write_as(static_cast<T>(value), to);
}

bool store_real(dtype type, const element& e, std::byte* to) {
  const double value = e.is == element::form::real ? e.real : static_cast<double>(e.whole);
  if (!std::isfinite(value)) {
    return false;
  }
  if (type == dtype::f64) {
    return write_as(value, to);
  }
  if (type == dtype::f32) {
    // Above this the nearest float is an infinity; the conversion itself would be undefined.
    constexpr double limit = 0x1.ffffffp127;
    return std::abs(value) < limit && write_as(static_cast<float>(value), to);
  }
  const bool half = type == dtype::f16;
  const std::uint16_t bits = half ? binary16::narrow(value) : bfloat16::narrow(value);
  const std::uint32_t infinity = half ? binary16::infinity : bfloat16::infinity;
  return (bits & 0x7fffu) != infinity && write_as(bits, to);
}

std::string named(const tensor_spec& spec) {
  return "tensor \"" + spec.name + "\": ";
}

} // namespace

element load_element(dtype type, const std::byte* from) {
  switch (type) {
  case dtype::u8: return whole(read_as<std::uint8_t>(from));
  case dtype::i8: return whole(read_as<std::int8_t>(from));
  case dtype::i16: return whole(read_as<std::int16_t>(from));
  case dtype::i32: return whole(read_as<std::int32_t>(from));
  case dtype::i64: return whole(read_as<std::int64_t>(from));
  case dtype::f16: return real(binary16::widen(read_as<std::uint16_t>(from)));
  case dtype::bf16: return real(bfloat16::widen(read_as<std::uint16_t>(from)));
  case dtype::f32: return real(read_as<float>(from));
  case dtype::f64: return real(read_as<double>(from));
  case dtype::boolean: return {element::form::truth, read_as<std::uint8_t>(from), 0};
  }
  return {};
}

bool store_element(dtype type, const element& e, std::byte* to) {
  if (type == dtype::boolean) {
    return (e.is != element::form::real && (e.whole == 0 || e.whole == 1)) &&
           write_as(static_cast<std::uint8_t>(e.whole), to);
  }
  if (e.is == element::form::truth) {
    return false;
  }
  switch (type) {
  case dtype::u8: return store_whole<std::uint8_t>(e, to);
  case dtype::i8: return store_whole<std::int8_t>(e, to);
  case dtype::i16: return store_whole<std::int16_t>(e, to);
  case dtype::i32: return store_whole<std::int32_t>(e, to);
  case dtype::i64: return store_whole<std::int64_t>(e, to);
  case dtype::f16:
  case dtype::bf16:
  case dtype::f32:
  case dtype::f64: return store_real(type, e, to);
  case dtype::boolean: break;
  }
  return false;
}

std::optional<std::uint64_t> element_count(std::span<const std::int64_t> shape) {
  std::uint64_t count = 1;
  for (const auto size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count) ||
        count > std::uint64_t{1} << 48) {
      return std::nullopt;
    }
  }
  return count;
}

result<void> check_tensor(const tensor_spec& spec, dtype type, std::span<const std::int64_t> shape,
                          errc broken) {
  if (type != spec.type) {
    return fail(broken, named(spec) + "its type is " + std::string{to_string(type)} +
                            ", it must be " + std::string{to_string(spec.type)});
  }
  if (shape.size() != spec.shape.size()) {
    return fail(broken, named(spec) + "it has " + std::to_string(shape.size()) +
                            " axes, it must have " + std::to_string(spec.shape.size()));
  }
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const auto least = spec.shape[axis].min;
    const auto most = spec.shape[axis].max;
    if (shape[axis] < least || shape[axis] > most) {
      return fail(broken, named(spec) + "axis " + std::to_string(axis) + " is " +
                              std::to_string(shape[axis]) + ", it must be " +
                              (least == most ? std::to_string(least)
                                             : "from " + std::to_string(least) + " to " +
                                                   std::to_string(most)));
    }
  }
  return {};
}

result<std::optional<std::int64_t>> check_batch(std::span<const tensor_spec> specs,
                                                std::span<const std::vector<std::int64_t>> shapes,
                                                std::optional<std::int64_t> expected, errc broken) {
  for (std::size_t i = 0; i < specs.size() && i < shapes.size(); ++i) {
    if (!specs[i].batch_axis) {
      continue;
    }
    const std::int64_t size = shapes[i].at(*specs[i].batch_axis);
    if (expected && *expected != size) {
      return fail(broken, named(specs[i]) + "its batch is " + std::to_string(size) +
                              ", that of the others is " + std::to_string(*expected));
    }
    expected = size;
  }
  return expected;
}

result<void> check_axes(std::span<const tensor_spec> specs,
                        std::span<const std::vector<std::int64_t>> shapes, axis_sizes& known,
                        errc broken) {
  for (std::size_t i = 0; i < specs.size() && i < shapes.size(); ++i) {
    for (std::size_t axis = 0; axis < specs[i].shape.size(); ++axis) {
      const auto& name = specs[i].shape[axis].name;
      if (name.empty()) {
        continue;
      }
      const auto size = shapes[i].at(axis);
      const auto where = "axis " + std::to_string(axis) + " of \"" + specs[i].name + "\"";
      const auto [found, first] = known.try_emplace(name, axis_size{size, where});
      if (!first && found->second.size != size) {
        return fail(broken, named(specs[i]) + "axis " + std::to_string(axis) + " is " +
                                std::to_string(size) + ", but " + found->second.where + " is " +
                                std::to_string(found->second.size) +
                                ", and both are the model's one size \"" + name + "\"");
      }
    }
  }
  return {};
}

std::vector<std::vector<std::int64_t>> shapes_of(std::span<const host_tensor> tensors) {
  std::vector<std::vector<std::int64_t>> shapes;
  for (const auto& tensor : tensors) {
    shapes.push_back(tensor.shape);
  }
  return shapes;
}

namespace {

/// The smallest size of each named axis allowed at all its places, at least 1 where 1 is allowed;
/// batch axes use the empty name.
class smallest_sizes {
 public:
  explicit smallest_sizes(const model_manifest& manifest) {
    for (const auto* specs : {&manifest.inputs, &manifest.outputs}) {
      for (const auto& spec : *specs) {
        for (std::size_t axis = 0; axis < spec.shape.size(); ++axis) {
          auto& size = sizes_[key(spec, axis)];
          size = std::max(size, least(spec.shape[axis]));
        }
      }
    }
    // A named batch axis counts as both.
    for (const auto* name : batch_names(manifest)) {
      sizes_[""] = std::max(sizes_[""], sizes_[*name]);
    }
    for (const auto* name : batch_names(manifest)) {
      sizes_[*name] = sizes_[""];
    }
  }

  std::int64_t of(const tensor_spec& spec, std::size_t axis) const {
    const auto& bounds = spec.shape[axis];
    if (!bounds.name.empty()) {
      return sizes_.at(bounds.name);
    }
    return spec.batch_axis == axis ? sizes_.at("") : least(bounds);
  }

 private:
  static std::vector<const std::string*> batch_names(const model_manifest& manifest) {
    std::vector<const std::string*> names;
    for (const auto* specs : {&manifest.inputs, &manifest.outputs}) {
      for (const auto& spec : *specs) {
        if (spec.batch_axis && !spec.shape[*spec.batch_axis].name.empty()) {
          names.push_back(&spec.shape[*spec.batch_axis].name);
        }
      }
    }
    return names;
  }
  static std::int64_t least(const axis_bounds& bounds) {
    return std::min(std::max<std::int64_t>(1, bounds.min), bounds.max);
  }
  static std::string key(const tensor_spec& spec, std::size_t axis) {
    // An unnamed axis that counts no batch is independent; its key is never looked up.
    return spec.batch_axis == axis         ? std::string{}
           : spec.shape[axis].name.empty() ? "\n"
                                           : spec.shape[axis].name;
  }

  std::map<std::string, std::int64_t> sizes_;
};

double within(const tensor_spec& spec, double value) {
  if (spec.form == tensor_form::text) {
    return 'a';
  }
  return spec.values ? std::clamp(value, spec.values->min, spec.values->max) : value;
}

} // namespace

std::vector<host_tensor> made_up_inputs(const model_manifest& manifest, double value) {
  const smallest_sizes sizes{manifest};
  std::vector<host_tensor> tensors;
  for (const auto& spec : manifest.inputs) {
    host_tensor tensor{spec.type, {}, {}};
    for (std::size_t axis = 0; axis < spec.shape.size(); ++axis) {
      tensor.shape.push_back(sizes.of(spec, axis));
    }
    const auto width = size_of(spec.type);
    tensor.bytes.resize(element_count(tensor.shape).value_or(0) * width);
    const auto filling = within(spec, value);
    std::array<std::byte, 8> one{};
    const auto made = spec.type == dtype::boolean
                          ? element{element::form::truth, filling != 0 ? 1 : 0, 0}
                          : real(filling);
    if (filling != 0 && store_element(spec.type, made, one.data())) {
      for (std::size_t at = 0; at < tensor.bytes.size(); at += width) {
        std::memcpy(tensor.bytes.data() + at, one.data(), width);
      }
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

} // namespace tayfa
