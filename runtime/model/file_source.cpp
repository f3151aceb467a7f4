#include "runtime/model/file_source.hpp"

#include <system_error>

namespace tayfa {

namespace {

result<std::vector<model_entry>> inspect_all(const std::vector<std::string>& paths,
                                             const engine_kind& engine) {
  std::vector<model_entry> entries;
  for (const auto& path : paths) {
    auto entry = inspect_model(path);
    if (!entry) {
      return fail(entry.error());
    }
    if (!engine.runs(entry->kind)) {
      return fail(errc::model_invalid, path + ": the " + std::string{engine.name} +
                                           " engine runs no model of kind \"" + entry->kind +
                                           "\"; it runs " + model_kind_names(engine));
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
        [this, paths = std::move(paths), done] { done(inspect_all(paths, engine_)); });
  } catch (const std::system_error& e) {
    done(fail(errc::unavailable, std::string{"no thread to check the models: "} + e.what()));
  }
}

} // namespace tayfa
