#include "runtime/engine/plugin.hpp"

#include "runtime/engine/threaded_engine.hpp"
#include "runtime/machine/fitness.hpp"

#include <dlfcn.h>
#include <memory>
#include <unistd.h>
#include <utility>

namespace tayfa::engine {

namespace {

template <class Function>
Function find_symbol(void* library, const char* symbol) {
  return reinterpret_cast<Function>(::dlsym(library, symbol));
}

/// Why a library that was opened cannot be used; empty when it can.
std::string why_unusable(void* library, const plugin& found) {
  if (found.make_engine == nullptr && found.make_model == nullptr) {
    return std::string{"it is no engine plugin: it has neither "} + make_engine_symbol + " nor " +
           make_blocking_model_symbol;
  }
  const auto version = find_symbol<plugin_version_fn>(library, plugin_version_symbol);
  if (version == nullptr) {
    constexpr bool may_leave_it_out = plugin_version == 1; // version 1 began without the number
    return may_leave_it_out && found.make_engine == nullptr
               ? std::string{}
               : std::string{"it does not say for which version of the interface it was built ("} +
                     plugin_version_symbol + ")";
  }
  if (const auto built_for = version(); built_for != plugin_version) {
    return "it was built for version " + std::to_string(built_for) +
           " of the interface, and this engine program has version " +
           std::to_string(plugin_version) + ": build it again";
  }
  return {};
}

class absent_model final : public blocking_model {
 public:
  absent_model(const engine_kind& kind, error why) : kind_(kind.name), why_(std::move(why)) {}
  std::string kind() const override { return kind_; }
  std::string device() const override { return "none"; }
  result<load_report> load(const protocol::load_model&) override { return fail(why_); }
  result<std::string> run(std::string_view, std::string_view, const cancel_token&,
                          run_events&) override {
    return fail(why_);
  }

 private:
  std::string kind_;
  error why_;
};

result<std::unique_ptr<engine>> make_engine(const engine_kind& kind, const std::string& folder,
                                            sink& out, const time_source& time) {
  const auto found = open_plugin(kind, folder);
  if (!found) {
    return fail(found.error());
  }
  const std::string library{kind.plugin.library};
  std::unique_ptr<engine> made;
  if (found->make_engine != nullptr) {
    made.reset(found->make_engine(out, time));
  } else if (std::unique_ptr<blocking_model> model{found->make_model()}; model) {
    made = std::make_unique<threaded_engine>(out, time, std::move(model));
  }
  if (!made) {
    return fail(kind.plugin.absent, library + " made no engine");
  }
  if (made->kind() != kind.name) {
    return fail(kind.plugin.absent, library + " brings the engine \"" + made->kind() +
                                        "\" and not \"" + std::string{kind.name} + "\"");
  }
  return made;
}

fitness_report unusable(const engine_kind& kind, const error& why) {
  const std::string needed{kind.plugin.built_on};
  fitness_report report;
  add_row(report, {needed, fitness::unfit, why.str(),
                   "install " + needed + " and build again, or use --engine " +
                       std::string{default_engine(false).name},
                   0});
  return report;
}

} // namespace

result<plugin> open_plugin(const engine_kind& kind, const std::string& folder) {
  const std::string name{kind.plugin.library};
  const auto path = folder + "/" + name;
  if (::access(path.c_str(), F_OK) != 0) {
    return fail(kind.plugin.absent, name + " is not beside the engine program");
  }
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    return fail(kind.plugin.absent, why == nullptr ? name + " could not be opened" : why);
  }
  const plugin found{find_symbol<make_engine_fn>(library, make_engine_symbol),
                     find_symbol<make_blocking_model_fn>(library, make_blocking_model_symbol),
                     find_symbol<check_machine_fn>(library, check_machine_symbol)};
  if (const auto why = why_unusable(library, found); !why.empty()) {
    return fail(kind.plugin.absent, name + " cannot be used: " + why);
  }
  return found;
}

engine_factory plugin_factory(const engine_kind& kind, const std::string& folder,
                              const time_source& time) {
  return [kind, folder, &time](sink& out) -> std::unique_ptr<engine> {
    auto made = make_engine(kind, folder, out, time);
    if (!made) {
      return std::make_unique<threaded_engine>(out, time,
                                               std::make_unique<absent_model>(kind, made.error()));
    }
    return std::move(*made);
  };
}

fitness_report check_plugin(const engine_kind& kind, const std::string& folder) {
  const auto found = open_plugin(kind, folder);
  if (!found) {
    return unusable(kind, found.error());
  }
  if (found->check == nullptr) {
    return unusable(kind,
                    {kind.plugin.absent, std::string{kind.plugin.library} +
                                             " cannot be used: it has no " + check_machine_symbol});
  }
  std::string text;
  found->check(text);
  auto report = parse_fitness(text);
  return report ? std::move(*report) : unusable(kind, report.error());
}

} // namespace tayfa::engine
