// Which of a manifest's tensors is which of a program's. A job names its tensors, a program takes
// them by place, so the names that the program itself carries decide wherever it carries some; a
// manifest whose names contradict them is refused rather than served with tensors swapped. Pure
// functions, without libtorch.
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

/// A place in what a program takes or gives.
struct place {
  std::string name{};   ///< the program's own; empty when it has none
  bool required = true; ///< false: the program has a value of its own for it
};

/// For each place the manifest's tensor that belongs there, or nothing (a place that is not
/// required).
using binding = std::vector<std::optional<std::size_t>>;

/// Inputs: every tensor of the manifest has a place. Names that agree are bound first; what is left
/// of both is bound by order, but only where that cannot be wrong by the names: one of each is
/// left, the places have no names, or each tensor stands where its place is. errc::model_invalid
/// names the program's names.
result<binding> bind_inputs(std::span<const place>, std::span<const tensor_spec>);

/// Outputs: for each of the manifest's tensors its place; a program may give more than the manifest
/// names. By name when any of the manifest's names is one of the program's (then all must be) or
/// when every place has a name; else by order.
result<std::vector<std::size_t>> bind_outputs(std::span<const place>, std::span<const tensor_spec>);

/// The tensors of one side of an AOTInductor package's call spec (torch.utils._pytree's JSON), in
/// the order in which the package takes or gives them. Keys of dictionaries, keyword arguments and
/// fields are names, with dots between the levels; places in tuples and lists have none. Nothing
/// when it cannot be read.
std::optional<std::vector<place>> places_of_call_spec(std::string_view json);

} // namespace tayfa::engine
