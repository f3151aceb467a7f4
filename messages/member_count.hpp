// How many members an aggregate has: for lists that must have an entry for each member.
#pragma once

#include <cstddef>
#include <utility>

namespace tayfa {

namespace counting {

struct any_value {
  template <class T>
  operator T() const; // NOLINT(google-explicit-constructor): it stands for every member
};
template <class Record, std::size_t... I>
constexpr bool takes(std::index_sequence<I...>) {
  return requires { Record{(static_cast<void>(I), any_value{})...}; };
}

} // namespace counting

template <class Record, std::size_t Most = 64>
constexpr std::size_t member_count() {
  if constexpr (counting::takes<Record>(std::make_index_sequence<Most>{})) {
    return Most;
  } else {
    return member_count<Record, Most - 1>();
  }
}

} // namespace tayfa
