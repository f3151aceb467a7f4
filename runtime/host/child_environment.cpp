#include "runtime/host/child_environment.hpp"

#include "messages/engine_kind.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace tayfa {

namespace {

constexpr auto names = std::to_array<std::string_view>({
    // paths of programs, libraries, temporary files and caches
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LD_BIND_NOW",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    // language, time zone, certificates
    "LANG",
    "LANGUAGE",
    "TZ",
    "TZDIR",
    "TERM",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    // Python programs
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED",
    "PYTHONNOUSERSITE",
    "PYTHONWARNINGS",
    "PYTHONFAULTHANDLER",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    // model caches, but not the tokens next to them
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "HF_DATASETS_CACHE",
    "HF_DATASETS_OFFLINE",
    "HF_ENDPOINT",
    "HUGGINGFACE_HUB_CACHE",
    "TRANSFORMERS_CACHE",
    "TRANSFORMERS_OFFLINE",
    "DIFFUSERS_CACHE",
    "TOKENIZERS_PARALLELISM",
    // allocators, sanitizers, coverage
    "GLIBC_TUNABLES",
    "ASAN_OPTIONS",
    "LSAN_OPTIONS",
    "TSAN_OPTIONS",
    "UBSAN_OPTIONS",
    "MSAN_OPTIONS",
    "ASAN_SYMBOLIZER_PATH",
    "LLVM_PROFILE_FILE",
    "GCOV_PREFIX",
    "GCOV_PREFIX_STRIP",
});

constexpr auto prefixes = std::to_array<std::string_view>({
    "LC_",
    // devices and compute libraries
    "CUDA_",
    "CUDNN_",
    "CUBLAS_",
    "NCCL_",
    "NVIDIA_",
    "HIP_",
    "HSA_",
    "ROCR_",
    "ROCM_",
    "MIOPEN_",
    "TRITON_",
    "ATEN_",
    "XFORMERS_",
    // threads and memory
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "DNNL_",
    "ONEDNN_",
    "OPENBLAS_",
    "GOTO_",
    "BLIS_",
    "MALLOC_",
    "TCMALLOC_",
    "MIMALLOC_",
    "JEMALLOC_",
});

constexpr auto secretive = std::to_array<std::string_view>({"TOKEN", "SECRET", "PASSWORD", "PASSWD",
                                                            "PASSPHRASE", "CREDENTIAL", "API_KEY",
                                                            "APIKEY", "ACCESS_KEY", "PRIVATE_KEY"});

bool looks_secret(std::string_view name) {
  return name.ends_with("_KEY") || std::any_of(secretive.begin(), secretive.end(), [&](auto word) {
           return name.find(word) != std::string_view::npos;
         });
}

std::string_view name_of(std::string_view entry) {
  return entry.substr(0, entry.find('='));
}

bool is_named(std::string_view name, std::span<const std::string> passed) {
  return std::any_of(passed.begin(), passed.end(), [&](std::string_view item) {
    return item.ends_with('*') && item.find('=') == std::string_view::npos
               ? name.starts_with(item.substr(0, item.size() - 1))
               : item == name;
  });
}

} // namespace

bool is_passed_on(std::string_view name) {
  if (std::find(names.begin(), names.end(), name) != names.end() || is_engine_variable(name)) {
    return true;
  }
  return !looks_secret(name) && (has_engine_prefix(name) ||
                                 std::any_of(prefixes.begin(), prefixes.end(), [&](auto prefix) {
                                   return name.starts_with(prefix);
                                 }));
}

std::vector<std::string>
child_environment(std::span<const std::string> ours, std::span<const std::string> passed,
                  std::span<const std::pair<std::string, std::string>> added) {
  std::map<std::string, std::string, std::less<>> values;
  for (const std::string_view entry : ours) {
    const auto name = name_of(entry);
    // The first of two entries with one name counts, as for getenv.
    if (name.size() < entry.size() && (is_passed_on(name) || is_named(name, passed))) {
      values.emplace(name, entry.substr(name.size() + 1));
    }
  }
  for (const std::string_view item : passed) {
    if (const auto name = name_of(item); name.size() < item.size()) {
      values.insert_or_assign(std::string{name}, std::string{item.substr(name.size() + 1)});
    }
  }
  for (const auto& [name, value] : added) {
    values.insert_or_assign(name, value);
  }
  std::vector<std::string> out;
  out.reserve(values.size());
  for (const auto& [name, value] : values) {
    out.push_back(name + "=" + value);
  }
  return out;
}

} // namespace tayfa
