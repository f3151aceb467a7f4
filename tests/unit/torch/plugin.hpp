// The plugin as tayfa-engine opens it, for tests: dlopen, the two entry points, and a model in the
// build tree.
#pragma once

#include "messages/engine_kind.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/model/catalogue.hpp"
#include "tests/support/places.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <cstdlib>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace tayfa::engine {

inline void* plugin_library() {
  // Never closed: libtorch does not survive it, and tayfa-engine does not do it either.
  static void* const library =
      ::dlopen((test::in_build("/") + std::string{engine_rows::torch.plugin.library}).c_str(),
               RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    ADD_FAILURE() << ::dlerror();
    std::abort();
  }
  return library;
}

inline std::unique_ptr<blocking_model> make_model() {
  auto* const make = reinterpret_cast<make_blocking_model_fn>(
      ::dlsym(plugin_library(), make_blocking_model_symbol));
  return std::unique_ptr<blocking_model>{make()};
}

class kept_events final : public run_events {
 public:
  void progress(std::string json) override { progressed.push_back(std::move(json)); }
  void partial(std::string json) override { partials.push_back(std::move(json)); }
  void log(std::uint8_t, std::string text) override { lines.push_back(std::move(text)); }

  std::vector<std::string> progressed;
  std::vector<std::string> partials;
  std::vector<std::string> lines;
};

/// A test model, by the name of its file; made by ctest's fixture torch_models.
inline protocol::load_model model_in_build(const std::string& file) {
  const auto entry = inspect_model(test::in_build("/tests/torch_models/") + file);
  if (!entry) {
    ADD_FAILURE() << entry.error().str() << "; run it through ctest, whose fixture makes it";
    return {};
  }
  return {entry->name, entry->path, entry->manifest};
}

/// A model that is loaded once per test program.
inline blocking_model& loaded(const std::string& file) {
  static std::map<std::string, std::unique_ptr<blocking_model>> models;
  auto& model = models[file];
  if (!model) {
    model = make_model();
    const auto report = model->load(model_in_build(file));
    if (!report) {
      ADD_FAILURE() << report.error().str();
    }
  }
  return *model;
}

inline result<std::string> run(const std::string& file, const std::string& name,
                               std::string_view input) {
  kept_events events;
  const cancel_token cancel;
  return loaded(file).run(name, input, cancel, events);
}

} // namespace tayfa::engine
