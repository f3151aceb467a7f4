// Several jobs' tensors as one pass of a model, and back: joined along the batch axes that the
// manifest names, split by how much each job brought. Pure functions, without libtorch.
#pragma once

#include "runtime/model/tensor_json.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tayfa::engine {

/// The largest batch that all the batch axes of the manifest allow together, and the smallest. Both
/// are 1 when one job's part of an output could not be told from another's: an output without a
/// batch axis, no input with one, or the batch's size on another axis as well.
struct batch_bounds {
  std::int64_t least = 1;
  std::int64_t most = 1;
};
batch_bounds bounds_of_batch(const model_manifest&);

/// Whether two jobs can share a pass: all axes but the batch axes agree, and inputs without a batch
/// axis are the same to the byte.
bool fit_together(const std::vector<tensor_spec>&, const std::vector<host_tensor>& a,
                  const std::vector<host_tensor>& b);

/// The parts one after the other along `axis`. They agree in type and in every other axis.
host_tensor join(std::span<const host_tensor* const> parts, std::size_t axis);

/// What join() of parts of these sizes gave, taken apart. The sizes add up to the axis.
std::vector<host_tensor> split(const host_tensor& whole, std::size_t axis,
                               std::span<const std::int64_t> sizes);

} // namespace tayfa::engine
