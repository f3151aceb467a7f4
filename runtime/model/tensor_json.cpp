#include "runtime/model/tensor_json.hpp"

#include "runtime/model/small_float.hpp"
#include "runtime/model/tensor_element.hpp"

#include <algorithm>
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
    // Beyond 2^53 a double may stand for a whole number that it cannot hold. NaN fails the
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
    // Beyond this the nearest float is an infinity; the conversion itself would be undefined.
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
    const auto [least, most] = spec.shape[axis];
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

std::vector<host_tensor> smallest_inputs(const model_manifest& manifest) {
  std::int64_t batch = 1;
  for (const auto* specs : {&manifest.inputs, &manifest.outputs}) {
    for (const auto& spec : *specs) {
      if (spec.batch_axis) {
        batch = std::max(batch, spec.shape[*spec.batch_axis].min);
      }
    }
  }
  std::vector<host_tensor> tensors;
  for (const auto& spec : manifest.inputs) {
    host_tensor tensor{spec.type, {}, {}};
    for (std::size_t axis = 0; axis < spec.shape.size(); ++axis) {
      tensor.shape.push_back(spec.batch_axis == axis ? batch : spec.shape[axis].min);
    }
    tensor.bytes.resize(element_count(tensor.shape).value_or(0) * size_of(spec.type));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

} // namespace tayfa
