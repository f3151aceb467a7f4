// Conversion between plain tensors and libtorch's: choice of device, copies to it and back, and
// translation of libtorch's exceptions. For the plugin's files only.
#pragma once

#include "runtime/engine/torch/program.hpp"

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>
#include <functional>

namespace tayfa::engine {

/// The device for the manifest's "cpu", "cuda" or "any"; errc::unfit when it needs a GPU that this
/// machine lacks.
result<c10::Device> choose_device(const std::string& wanted);

/// On the CPU the result shares the host tensors' memory, which must outlive it.
std::vector<at::Tensor> to_device(std::vector<host_tensor>&, c10::Device);

at::Tensor one_to_device(host_tensor&, c10::Device);

/// Checks tensors against the specs, then copies them.
result<std::vector<host_tensor>> to_host(const std::vector<at::Tensor>&,
                                         const std::vector<tensor_spec>&);

/// Runs `body`; an exception becomes gpu_oom or `otherwise` with a short text. Throws device_lost
/// when the device no longer answers afterwards.
using outputs_or_error = result<std::vector<host_tensor>>;
outputs_or_error guarded(c10::Device, errc otherwise,
                         const std::function<outputs_or_error()>& body);

result<loaded_program> load_torchscript(model_manifest&, const model_file&);
result<loaded_program> load_aot_inductor(model_manifest&, const model_file&);

c10::ScalarType to_scalar(dtype);

} // namespace tayfa::engine
