// Short names for specs and tensors in tests.
#pragma once

#include "runtime/model/base64.hpp"
#include "runtime/model/tensor_json.hpp"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {

inline model_manifest manifest_of(std::vector<tensor_spec> inputs) {
  model_manifest manifest;
  manifest.inputs = inputs;
  manifest.outputs = std::move(inputs);
  return manifest;
}

inline tensor_spec spec(std::string name, dtype type, std::vector<axis_bounds> shape) {
  return {std::move(name), type, std::move(shape), std::nullopt, tensor_form::any, 1.0};
}

inline tensor_spec image(dtype type, std::int64_t channels, double scale = 1.0) {
  return {"x",  type, {{1, 4}, {channels, channels}, {1, 64}, {2, 64}}, 0, tensor_form::image,
          scale};
}

template <class T>
host_tensor tensor(dtype type, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  host_tensor out{type, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
  if (!values.empty()) {
    std::memcpy(out.bytes.data(), values.data(), out.bytes.size());
  }
  return out;
}

inline std::string base64_of(const std::vector<std::byte>& bytes) {
  return "\"" + base64_encode(bytes) + "\"";
}

} // namespace tayfa
