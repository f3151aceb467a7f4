#include "runtime/engine/plugin.hpp"

#include "runtime/host/fitness.hpp"

#include <array>
#include <dlfcn.h>
#include <unistd.h>

namespace tayfa::engine {

namespace {

std::string folder_of_this_program() {
  std::array<char, 4096> path{};
  const auto length = ::readlink("/proc/self/exe", path.data(), path.size());
  const std::string whole(path.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  return whole.substr(0, whole.rfind('/'));
}

struct entry {
  void* address = nullptr;
  std::string why_not;
};

/// The handle is never closed: libtorch cannot be unloaded safely.
entry find_entry(const char* symbol) {
  const auto path = folder_of_this_program() + "/" + torch_plugin_name;
  if (::access(path.c_str(), F_OK) != 0) {
    return {nullptr, std::string{torch_plugin_name} + " is not beside the engine program"};
  }
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* address = handle == nullptr ? nullptr : ::dlsym(handle, symbol);
  if (address == nullptr) {
    const char* why = ::dlerror();
    return {nullptr, why == nullptr ? "the plugin could not be opened" : why};
  }
  return {address, {}};
}

class absent_model final : public blocking_model {
 public:
  explicit absent_model(std::string why) : why_(std::move(why)) {}
  std::string kind() const override { return "torch"; }
  std::string device() const override { return "none"; }
  result<load_report> load(const protocol::load_model&) override {
    return fail(errc::no_torch, why_);
  }
  result<std::string> run(std::string_view, std::string_view, const cancel_token&,
                          run_events&) override {
    return fail(errc::no_torch, why_);
  }

 private:
  std::string why_;
};

fitness_report unfit_libtorch(std::string value) {
  fitness_report report;
  add_row(report, {"libtorch", fitness::unfit, std::move(value),
                   "install libtorch and build again, or use --engine scripted", 0});
  return report;
}

} // namespace

std::unique_ptr<blocking_model> open_torch_model() {
  auto found = find_entry(make_blocking_model_symbol);
  if (found.address == nullptr) {
    return std::make_unique<absent_model>(std::move(found.why_not));
  }
  std::unique_ptr<blocking_model> model{reinterpret_cast<make_blocking_model_fn>(found.address)()};
  if (!model) {
    return std::make_unique<absent_model>("the plugin made no model");
  }
  return model;
}

fitness_report check_torch() {
  const auto found = find_entry(check_machine_symbol);
  if (found.address == nullptr) {
    return unfit_libtorch(error{errc::no_torch, found.why_not}.str());
  }
  std::string text;
  reinterpret_cast<check_machine_fn>(found.address)(text);
  auto report = parse_fitness(text);
  return report ? std::move(*report) : unfit_libtorch(report.error().str());
}

} // namespace tayfa::engine
