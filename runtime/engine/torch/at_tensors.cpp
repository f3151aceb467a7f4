#include "runtime/engine/torch/at_tensors.hpp"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <c10/util/Exception.h>
#include <cstring>
#include <new>

namespace tayfa::engine {

c10::ScalarType to_scalar(dtype type) {
  switch (type) {
  case dtype::u8: return c10::ScalarType::Byte;
  case dtype::i8: return c10::ScalarType::Char;
  case dtype::i16: return c10::ScalarType::Short;
  case dtype::i32: return c10::ScalarType::Int;
  case dtype::i64: return c10::ScalarType::Long;
  case dtype::f16: return c10::ScalarType::Half;
  case dtype::bf16: return c10::ScalarType::BFloat16;
  case dtype::f32: return c10::ScalarType::Float;
  case dtype::f64: return c10::ScalarType::Double;
  case dtype::boolean: return c10::ScalarType::Bool;
  }
  return c10::ScalarType::Undefined;
}

namespace {

constexpr std::uint64_t output_bytes_max = tensor_limits{}.tensor_bytes;

std::optional<dtype> from_scalar(c10::ScalarType type) {
  for (const auto ours : {dtype::u8, dtype::i8, dtype::i16, dtype::i32, dtype::i64, dtype::f16,
                          dtype::bf16, dtype::f32, dtype::f64, dtype::boolean}) {
    if (to_scalar(ours) == type) {
      return ours;
    }
  }
  return std::nullopt;
}

/// A context that has met a fatal error fails every later call, so a small operation detects it.
bool answers(c10::Device device) {
  try {
    const auto options = at::TensorOptions().device(device).dtype(at::kFloat);
    return at::ones({8}, options).sum().item<float>() == 8.0f;
  } catch (const c10::OutOfMemoryError&) {
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

bool is_out_of_memory(std::string_view what) {
  for (const std::string_view mark : {"out of memory", "not enough memory", "can't allocate memory",
                                      "annot allocate memory", "std::bad_alloc"}) {
    if (what.find(mark) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

/// True for texts of temporary system faults, which do not concern the model's file.
bool is_of_the_system(std::string_view what) {
  for (const std::string_view mark : {"Too many open files", "No space left on device",
                                      "Disk quota exceeded", "Resource temporarily unavailable"}) {
    if (what.find(mark) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

errc code_of(std::string_view what, errc otherwise) {
  if (is_out_of_memory(what)) {
    return errc::gpu_oom;
  }
  return otherwise == errc::model_invalid && is_of_the_system(what) ? errc::unavailable : otherwise;
}

/// To be called outside of the handler, after the tensors of the failed pass are freed.
void after_failure(c10::Device device) {
  if (device.is_cpu()) {
    return;
  }
  if (!answers(device)) {
    throw device_lost("the device does not answer after an error");
  }
  at::accelerator::emptyCache();
}

} // namespace

result<c10::Device> choose_device(const std::string& wanted) {
  const bool there = at::hasCUDA();
  if (wanted == "cpu" || (wanted == "any" && !there)) {
    return c10::Device{c10::DeviceType::CPU};
  }
  if (!there) {
    return fail(errc::unfit, "the model is made for a GPU and none is here");
  }
  return c10::Device{c10::DeviceType::CUDA, 0};
}

at::Tensor one_to_device(host_tensor& tensor, c10::Device device) {
  const auto options = at::TensorOptions().dtype(to_scalar(tensor.type));
  // A tensor without elements has no memory to share.
  return tensor.bytes.empty()
             ? at::empty(tensor.shape, options.device(device))
             : at::from_blob(tensor.bytes.data(), tensor.shape, options).to(device);
}

std::vector<at::Tensor> to_device(std::vector<host_tensor>& tensors, c10::Device device) {
  std::vector<at::Tensor> out;
  for (auto& tensor : tensors) {
    out.push_back(one_to_device(tensor, device));
  }
  return out;
}

result<std::vector<host_tensor>> to_host(const std::vector<at::Tensor>& tensors,
                                         const std::vector<tensor_spec>& specs) {
  if (tensors.size() != specs.size()) {
    return fail(errc::job_failed, "the model gave " + std::to_string(tensors.size()) +
                                      " outputs, its manifest promises " +
                                      std::to_string(specs.size()));
  }
  std::vector<host_tensor> out;
  std::uint64_t budget = output_bytes_max;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& tensor = tensors[i];
    if (!tensor.defined() || tensor.layout() != c10::kStrided) {
      return fail(errc::job_failed, "output \"" + specs[i].name + "\" is no dense tensor");
    }
    const auto type = from_scalar(tensor.scalar_type());
    if (!type) {
      return fail(errc::job_failed, "output \"" + specs[i].name + "\" has the type " +
                                        c10::toString(tensor.scalar_type()) +
                                        ", which cannot be sent");
    }
    host_tensor host{*type, tensor.sizes().vec(), {}};
    if (auto right = check_tensor(specs[i], *type, host.shape, errc::job_failed); !right) {
      return fail(std::move(right.error()));
    }
    const std::uint64_t bytes = static_cast<std::uint64_t>(tensor.numel()) * size_of(*type);
    if (bytes > budget) {
      return fail(errc::job_failed, "the model's outputs are larger than can be sent");
    }
    budget -= bytes;
    const auto dense = tensor.to(c10::kCPU).resolve_conj().resolve_neg().contiguous();
    host.bytes.resize(bytes);
    if (bytes > 0) {
      std::memcpy(host.bytes.data(), dense.const_data_ptr(), bytes);
    }
    out.push_back(std::move(host));
  }
  return out;
}

outputs_or_error guarded(c10::Device device, errc otherwise,
                         const std::function<outputs_or_error()>& body) {
  error why;
  try {
    return body();
  } catch (const c10::OutOfMemoryError&) {
    why = {errc::gpu_oom, device.is_cpu() ? "the host has not enough memory for this job" : ""};
  } catch (const std::bad_alloc&) {
    why = {errc::gpu_oom, "the host has not enough memory for this job"};
  } catch (const c10::Error& e) {
    const std::string_view what = e.what_without_backtrace();
    why = {code_of(what, otherwise), brief_message(what)};
  } catch (const std::exception& e) {
    why = {code_of(e.what(), otherwise), brief_message(e.what())};
  }
  after_failure(device);
  return fail(std::move(why));
}

} // namespace tayfa::engine
