// Joins several jobs' tensors for one pass of a model along the manifest's batch axes, and splits
// the outputs by each job's share. Pure functions, without libtorch.
#pragma once

#include "runtime/model/tensor_json.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tayfa::engine {

/// The smallest and largest batch allowed by all batch axes of the manifest together. Both are 1
/// when a job's part of an output could not be identified: an output without a batch axis, no input
/// with one, or the batch's size on another axis as well.
struct batch_bounds {
  std::int64_t least = 1;
  std::int64_t most = 1;
};
batch_bounds bounds_of_batch(const model_manifest&);

/// True when two jobs can share a pass: all axes except the batch axes agree, and inputs without a
/// batch axis are identical in every byte.
bool fit_together(const std::vector<tensor_spec>&, const std::vector<host_tensor>& a,
                  const std::vector<host_tensor>& b);

/// Concatenates the parts along `axis`. They agree in type and in every other axis.
host_tensor join(std::span<const host_tensor* const> parts, std::size_t axis);

/// Splits the result of join() into parts of these sizes, which add up to the axis.
std::vector<host_tensor> split(const host_tensor& whole, std::size_t axis,
                               std::span<const std::int64_t> sizes);

} // namespace tayfa::engine
