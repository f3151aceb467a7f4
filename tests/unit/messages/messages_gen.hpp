// Random messages of the worker protocol, and their comparison. Both follow fields(), so that a new
// message or field is covered without a change here.
#pragma once

#include "messages/protocol.hpp"

#include "tests/support/property.hpp"

#include <limits>
#include <type_traits>

namespace tayfa::testing {

/// Any number of its type, edges more often than luck has them.
template <class Int>
Int any_int() {
  using limits = std::numeric_limits<Int>;
  if constexpr (std::is_same_v<Int, bool>) {
    return *rc::gen::arbitrary<bool>();
  } else {
    return *rc::gen::oneOf(rc::gen::element<Int>(0, 1, 127, 128, limits::max()),
                           rc::gen::arbitrary<Int>());
  }
}

/// Bytes of any value, lengths around msgpack's own steps included.
inline std::string any_text() {
  if (*rc::gen::weightedElement<bool>({{9, false}, {1, true}})) {
    const auto size = *rc::gen::element<std::size_t>(0, 31, 32, 255, 256, 65'535, 65'536);
    return std::string(size, *rc::gen::arbitrary<char>());
  }
  return *rc::gen::arbitrary<std::string>();
}

inline job_id any_job_id() {
  const std::string allowed = "ABCXYZabcxyz0189._-";
  auto text = *rc::gen::container<std::string>(rc::gen::elementOf(allowed));
  text.resize(std::min(text.size(), job_id::max_length));
  return job_id{text}; // may be empty: a log line may be about no job
}

template <class T>
void fill(T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    value = any_text();
  } else if constexpr (std::is_same_v<T, shared_text>) {
    value = shared_text{any_text()};
  } else if constexpr (std::is_same_v<T, attempt_ref>) {
    value = attempt_ref{any_job_id(), any_int<std::uint32_t>()};
  } else if constexpr (std::is_same_v<T, protocol::outcome>) {
    value = *rc::gen::element(protocol::outcome::completed, protocol::outcome::failed,
                              protocol::outcome::cancelled);
  } else {
    value = any_int<T>();
  }
}

template <class Body>
Body any_body() {
  Body body;
  std::apply([&body](const auto&... f) { (fill(body.*(f.member)), ...); }, Body::fields());
  return body;
}

/// A message of the variant's alternative `index`.
template <class Variant, std::size_t I = 0>
Variant any_message(std::size_t index) {
  if constexpr (I + 1 < std::variant_size_v<Variant>) {
    if (index != I) {
      return any_message<Variant, I + 1>(index);
    }
  }
  return any_body<std::variant_alternative_t<I, Variant>>();
}

template <class Variant>
bool same_message(const Variant& a, const Variant& b) {
  return a.index() == b.index() &&
         std::visit(
             [&b]<class Body>(const Body& left) {
               const auto& right = std::get<Body>(b);
               return std::apply(
                   [&](const auto&... f) {
                     return ((left.*(f.member) == right.*(f.member)) && ...);
                   },
                   Body::fields());
             },
             a);
}

} // namespace tayfa::testing
