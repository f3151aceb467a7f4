#include "runtime/engine/torch/batching.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <string>

namespace tayfa::engine {

namespace {

/// Memory layout of a dense tensor, seen from one axis: `outer` runs, each of the axis's size times
/// `inner` bytes.
struct layout {
  std::size_t outer = 1;
  std::size_t inner = 1;
};

layout layout_of(const host_tensor& tensor, std::size_t axis) {
  layout out;
  out.inner = size_of(tensor.type);
  for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
    const auto size = static_cast<std::size_t>(tensor.shape[i]);
    if (i < axis) {
      out.outer *= size;
    } else if (i > axis) {
      out.inner *= size;
    }
  }
  return out;
}

void copy_bytes(std::byte* to, const std::byte* from, std::size_t count) {
  if (count != 0) {
    std::memcpy(to, from, count);
  }
}

/// True when another axis also has the batch's size (an all-to-all matrix): members cannot be
/// separated along that axis.
bool counted_elsewhere(const model_manifest& manifest) {
  std::set<std::string> names;
  for (const auto* specs : {&manifest.inputs, &manifest.outputs}) {
    for (const auto& spec : *specs) {
      if (spec.batch_axis && !spec.shape[*spec.batch_axis].name.empty()) {
        names.insert(spec.shape[*spec.batch_axis].name);
      }
    }
  }
  for (const auto* specs : {&manifest.inputs, &manifest.outputs}) {
    for (const auto& spec : *specs) {
      for (std::size_t axis = 0; axis < spec.shape.size(); ++axis) {
        if (axis != spec.batch_axis && names.contains(spec.shape[axis].name)) {
          return true;
        }
      }
    }
  }
  return false;
}

} // namespace

batch_bounds bounds_of_batch(const model_manifest& manifest) {
  batch_bounds out{1, std::numeric_limits<std::int64_t>::max()};
  bool given = false;
  for (const auto* specs : {&manifest.inputs, &manifest.outputs}) {
    for (const auto& spec : *specs) {
      if (!spec.batch_axis) {
        if (specs == &manifest.outputs) {
          return {};
        }
        continue;
      }
      given = true;
      const auto& axis = spec.shape[*spec.batch_axis];
      out.least = std::max(out.least, axis.min);
      out.most = std::min(out.most, axis.max);
    }
  }
  return given && out.least <= out.most && !counted_elsewhere(manifest) ? out : batch_bounds{};
}

bool fit_together(const std::vector<tensor_spec>& specs, const std::vector<host_tensor>& a,
                  const std::vector<host_tensor>& b) {
  if (a.size() != specs.size() || b.size() != specs.size()) {
    return false;
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto& axis = specs[i].batch_axis;
    if (!axis) {
      if (a[i] != b[i]) {
        return false;
      }
      continue;
    }
    auto shape = b[i].shape;
    if (a[i].type != b[i].type || a[i].shape.size() != shape.size()) {
      return false;
    }
    shape[*axis] = a[i].shape[*axis];
    if (a[i].shape != shape) {
      return false;
    }
  }
  return true;
}

host_tensor join(std::span<const host_tensor* const> parts, std::size_t axis) {
  host_tensor whole{parts.front()->type, parts.front()->shape, {}};
  std::size_t bytes = 0;
  whole.shape[axis] = 0;
  for (const auto* part : parts) {
    whole.shape[axis] += part->shape[axis];
    bytes += part->bytes.size();
  }
  whole.bytes.resize(bytes);
  const auto [outer, inner] = layout_of(whole, axis);
  auto* to = whole.bytes.data();
  for (std::size_t run = 0; run < outer; ++run) {
    for (const auto* part : parts) {
      const auto length = static_cast<std::size_t>(part->shape[axis]) * inner;
      copy_bytes(to, part->bytes.data() + run * length, length);
      to += length;
    }
  }
  return whole;
}

std::vector<host_tensor> split(const host_tensor& whole, std::size_t axis,
                               std::span<const std::int64_t> sizes) {
  const auto [outer, inner] = layout_of(whole, axis);
  std::vector<host_tensor> parts;
  for (const auto size : sizes) {
    host_tensor part{whole.type, whole.shape, {}};
    part.shape[axis] = size;
    part.bytes.resize(outer * static_cast<std::size_t>(size) * inner);
    parts.push_back(std::move(part));
  }
  const auto* from = whole.bytes.data();
  for (std::size_t run = 0; run < outer; ++run) {
    for (auto& part : parts) {
      const auto length = static_cast<std::size_t>(part.shape[axis]) * inner;
      copy_bytes(part.bytes.data() + run * length, from, length);
      from += length;
    }
  }
  return parts;
}

} // namespace tayfa::engine
