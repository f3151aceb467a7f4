#include "messages/engine_kind.hpp"

#include <vector>

namespace tayfa {

namespace {

constexpr std::size_t defaults(bool with_models) {
  return static_cast<std::size_t>(
      std::count_if(engine_kinds.begin(), engine_kinds.end(), [&](const engine_kind& kind) {
        return kind.by_default && kind.runs_models() == with_models;
      }));
}
static_assert(defaults(true) == 1, "one kind is the default for model files");
static_assert(defaults(false) == 1, "one kind is the default without model files");
static_assert(default_engine(false).built_in(), "the default without model files is always there");

constexpr bool names_differ() {
  for (std::size_t i = 0; i < engine_choices.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (engine_choices[i] == engine_choices[k]) {
        return false;
      }
    }
  }
  return true;
}
static_assert(names_differ(), "each kind has a name of its own, and none is called auto");

constexpr bool is_kind_of_file(std::string_view name) {
  return std::any_of(engine_kinds.begin(), engine_kinds.end(), [&](const engine_kind& kind) {
    return std::find(kind.model_kinds.begin(), kind.model_kinds.end(), name) !=
           kind.model_kinds.end();
  });
}
static_assert(std::none_of(engine_kinds.begin(), engine_kinds.end(),
                           [](const engine_kind& kind) { return is_kind_of_file(kind.name); }),
              "an engine's name is not a kind of model files: see engine_kind::entry_kinds");

std::string quoted_list(const std::vector<std::string_view>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    out += i == 0 ? "\"" : i + 1 == words.size() ? "\" or \"" : "\", \"";
    out += words[i];
  }
  return out.empty() ? "none" : out + "\"";
}

template <class Match>
bool any_variable(Match match) {
  return std::any_of(engine_kinds.begin(), engine_kinds.end(), [&](const engine_kind& kind) {
    return std::any_of(kind.variables.begin(), kind.variables.end(), match);
  });
}

} // namespace

std::string engine_names() {
  std::string out;
  for (const auto& kind : engine_kinds) {
    out += out.empty() ? "" : ", ";
    out += kind.name;
  }
  return out;
}

bool is_model_kind(std::string_view name) {
  return std::any_of(engine_kinds.begin(), engine_kinds.end(),
                     [&](const engine_kind& kind) { return kind.runs(name); });
}

std::string model_kind_names(const engine_kind& kind) {
  return quoted_list({kind.model_kinds.begin(), kind.model_kinds.end()});
}

std::string model_kind_names() {
  std::vector<std::string_view> all;
  for (const auto& kind : engine_kinds) {
    for (const auto name : kind.model_kinds) {
      if (std::find(all.begin(), all.end(), name) == all.end()) {
        all.push_back(name);
      }
    }
  }
  return quoted_list(all);
}

bool is_engine_variable(std::string_view name) {
  return any_variable([&](std::string_view variable) { return variable == name; });
}

bool has_engine_prefix(std::string_view name) {
  return any_variable([&](std::string_view variable) {
    return variable.ends_with('*') && name.starts_with(variable.substr(0, variable.size() - 1));
  });
}

} // namespace tayfa
