#include "runtime/model/file_source.hpp"

#include <system_error>

namespace tayfa {

namespace {

/// "the torch engine runs no model of kind "x"; it runs …", or the same of several.
std::string why_not(const std::vector<engine_kind>& engines, const std::string& kind) {
  std::string names;
  std::string runs;
  for (const auto& engine : engines) {
    names += (names.empty() ? "" : ", ") + std::string{engine.name};
    if (engine.runs_models() || engines.size() == 1) {
      runs += (runs.empty() ? "" : ", ") + model_kind_names(engine);
    }
  }
  const bool one = engines.size() == 1;
  return (one ? "the " + names + " engine runs" : "the engines " + names + " run") +
         " no model of kind \"" + kind + "\"; " + (one ? "it runs " : "they run ") + runs;
}

result<std::vector<model_entry>> inspect_all(const std::vector<std::string>& paths,
                                             const std::vector<engine_kind>& engines) {
  std::vector<model_entry> entries;
  for (const auto& path : paths) {
    auto entry = inspect_model(path);
    if (!entry) {
      return fail(entry.error());
    }
    const auto runs_it = [&](const engine_kind& engine) { return engine.runs(entry->kind); };
    if (std::none_of(engines.begin(), engines.end(), runs_it)) {
      return fail(errc::model_invalid, path + ": " + why_not(engines, entry->kind));
    }
    entries.push_back(std::move(*entry));
  }
  return entries;
}

} // namespace

void file_model_source::inspect(std::vector<std::string> paths,
                                std::function<void(result<std::vector<model_entry>>)> done) {
  const std::lock_guard guard{mutex_};
  try {
    threads_.emplace_back(
        [this, paths = std::move(paths), done] { done(inspect_all(paths, engines_)); });
  } catch (const std::system_error& e) {
    done(fail(errc::unavailable, std::string{"no thread to check the models: "} + e.what()));
  }
}

} // namespace tayfa
