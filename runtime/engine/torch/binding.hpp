// Matches a manifest's tensors to a program's. A job names its tensors, a program takes them by
// position, so names carried by the program decide where there are any; a manifest whose names
// contradict them is refused rather than served with swapped tensors. Pure functions, without
// libtorch.
#pragma once

#include "messages/error.hpp"
#include "runtime/model/catalogue.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::engine {

/// A position among a program's arguments or results.
struct place {
  std::string name{};   ///< the program's own name; empty when it has none
  bool required = true; ///< false: the program has a default for it
};

/// For each place the index of the manifest's tensor for it, or empty (a place that is not
/// required).
using binding = std::vector<std::optional<std::size_t>>;

/// Inputs: every tensor of the manifest gets a place. Equal names are bound first; the rest of both
/// is bound by order, but only where the names leave no doubt: one of each is left, the places have
/// no names, or each tensor is at its place's position. errc::model_invalid lists the program's
/// names.
result<binding> bind_inputs(std::span<const place>, std::span<const tensor_spec>);

/// Outputs: the place of each of the manifest's tensors; a program may return more than the
/// manifest names. By name when any of the manifest's names is one of the program's (then all must
/// be) or when every place has a name; else by order.
result<std::vector<std::size_t>> bind_outputs(std::span<const place>, std::span<const tensor_spec>);

/// The tensors of one side of an AOTInductor package's call spec (torch.utils._pytree's JSON), in
/// the package's order. Keys of dictionaries, keyword arguments and fields are names, with dots
/// between the levels; places in tuples and lists have none. Empty when it cannot be read.
std::optional<std::vector<place>> places_of_call_spec(std::string_view json);

} // namespace tayfa::engine
