// A tensor element, read from and written to memory with checks. Used by decoding and encoding
// only.
#pragma once

#include "runtime/model/catalogue.hpp"

#include <cstddef>
#include <cstdint>

namespace tayfa {

/// An element's value, without its type's width.
struct element {
  enum class form : std::uint8_t { truth, whole, real };
  form is = form::whole;
  std::int64_t whole = 0; ///< also 0 or 1 for a truth
  double real = 0;
};

element load_element(dtype, const std::byte* from);

/// False when the type cannot hold the value: out of range, a fraction for a whole number, not
/// finite, a truth value for a number.
bool store_element(dtype, const element&, std::byte* to);

} // namespace tayfa
