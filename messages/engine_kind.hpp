// The engine kinds: one row for each. The knob engine.kind and its help, the relations between
// knobs, the start plan, the compatibility test, the kinds of model files, the variables that
// engines get, and every message that lists the kinds derive from these rows.
//
// Plain values for every room: no engine is made here. tayfa-engine has a factory for each kind
// that is built into it (runtime/engine/factories.cpp, compared with these rows by the compiler)
// and opens the library of each other kind (runtime/engine/plugin.hpp).
#pragma once

#include "messages/error.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

/// Kinds of model files, as a manifest's `kind` names them.
inline constexpr std::string_view torchscript_model = "torchscript";
inline constexpr std::string_view aot_inductor_model = "aot_inductor";

/// How long an engine may take by default; the knobs engine.check_budget, hello_timeout and
/// load_timeout say otherwise.
struct engine_budgets {
  std::chrono::milliseconds check{50'000}; ///< of the compatibility test
  std::chrono::milliseconds hello{20'000}; ///< from process start to its hello
  std::chrono::milliseconds load{110'000}; ///< from load_model to a passed warm-up
  bool operator==(const engine_budgets&) const = default;
};

/// The library that brings an engine which is not built into tayfa-engine.
struct engine_plugin {
  std::string_view library{};  ///< file beside tayfa-engine; empty: the engine is built in
  std::string_view built_on{}; ///< what it is built on; names the test's row when it cannot be used
  errc absent = errc::unfit;   ///< what a load answers when the library cannot be used
};

/// Each engine of every kind is a process of its own.
struct engine_kind {
  std::string_view name;
  std::string_view about; ///< for help and docs, after the name and a colon
  /// Manifest kinds that it runs. Empty: it runs no model files; else it needs one.
  std::span<const std::string_view> model_kinds{};
  /// `auto` stands for it, among the kinds that run model files or among those that run none.
  bool by_default = false;
  engine_plugin plugin{};
  bool one_gpu = false;              ///< its process sees the GPU of its slot and no other
  std::uint32_t capacity_most = 256; ///< attempts that its hello may offer; more is nonsense
  /// Variables of the environment that it reads, and gets from the pod's; `*` ends a prefix.
  std::span<const std::string_view> variables{};
  engine_budgets budgets{};

  constexpr bool runs_models() const { return !model_kinds.empty(); }
  constexpr bool built_in() const { return plugin.library.empty(); }
  bool runs(std::string_view model_kind) const {
    return std::find(model_kinds.begin(), model_kinds.end(), model_kind) != model_kinds.end();
  }
  /// Kinds of the catalogue's entries that it runs: those of its files; of a kind that runs no
  /// files, the entry that stands for the kind itself.
  std::vector<std::string> entry_kinds() const {
    return runs_models() ? std::vector<std::string>{model_kinds.begin(), model_kinds.end()}
                         : std::vector{std::string{name}};
  }
};

namespace engine_rows {

inline constexpr std::string_view scripted_variables[] = {"TAYFA_SCRIPTED"};
inline constexpr std::string_view torch_models[] = {torchscript_model, aot_inductor_model};
inline constexpr std::string_view torch_variables[] = {"TORCH_*", "TORCHINDUCTOR_*", "PYTORCH_*"};

inline constexpr engine_kind scripted{
    .name = "scripted",
    .about = "does what each job's input says, without a model or a GPU",
    .by_default = true,
    .capacity_most = 4'096,
    .variables = scripted_variables,
};
inline constexpr engine_kind torch{
    .name = "torch",
    .about = "runs TorchScript and AOTInductor files with libtorch",
    .model_kinds = torch_models,
    .by_default = true,
    .plugin = {.library = "libtayfa-engine-torch.so",
               .built_on = "libtorch",
               .absent = errc::no_torch},
    .one_gpu = true,
    .variables = torch_variables,
};

} // namespace engine_rows

/// Every kind, in the order in which they are listed.
inline constexpr std::array engine_kinds = {engine_rows::scripted, engine_rows::torch};

/// A value of engine.kind beside the kinds' names: the default kind, with or without model files.
inline constexpr std::string_view auto_engine_choice = "auto";

/// The default kind, among those that run model files or among those that run none.
constexpr const engine_kind& default_engine(bool with_models) {
  const auto found = std::find_if(engine_kinds.begin(), engine_kinds.end(), [&](const auto& kind) {
    return kind.by_default && kind.runs_models() == with_models;
  });
  return *found; // there is one of each: see engine_kind.cpp
}

/// Null: no such kind.
constexpr const engine_kind* find_engine(std::string_view name) {
  const auto found = std::find_if(engine_kinds.begin(), engine_kinds.end(),
                                  [&](const auto& kind) { return kind.name == name; });
  return found == engine_kinds.end() ? nullptr : &*found;
}

/// The kind that a setting names: find_engine, or default_engine for `auto`.
constexpr const engine_kind* chosen_engine(std::string_view setting, bool with_models) {
  return setting == auto_engine_choice ? &default_engine(with_models) : find_engine(setting);
}

/// The allowed values of a setting: auto, and each kind's name.
inline constexpr auto engine_choices = [] {
  std::array<std::string_view, engine_kinds.size() + 1> out{auto_engine_choice};
  std::transform(engine_kinds.begin(), engine_kinds.end(), out.begin() + 1,
                 [](const engine_kind& kind) { return kind.name; });
  return out;
}();

namespace engine_rows {

/// A text that the compiler joins; one that does not fit is a compile error.
struct joined_text {
  std::array<char, 2'048> bytes{};
  std::size_t size = 0;

  constexpr joined_text& operator+=(std::string_view words) {
    for (const char c : words) {
      bytes.at(size++) = c;
    }
    return *this;
  }
};

inline constexpr joined_text help = [] {
  joined_text out;
  for (const auto& kind : engine_kinds) {
    ((out += kind.name) += ": ") += kind.about;
    out += "; ";
  }
  ((out += auto_engine_choice) += ": ") += default_engine(true).name;
  (out += " with --model, else ") += default_engine(false).name;
  return out;
}();

} // namespace engine_rows

/// "scripted: …; torch: …; auto: torch with --model, else scripted".
inline constexpr std::string_view engine_help{engine_rows::help.bytes.data(),
                                              engine_rows::help.size};

/// "scripted, torch, …": every kind, for messages.
std::string engine_names();

/// True if some kind of engine runs model files of this kind.
bool is_model_kind(std::string_view);
/// `"torchscript" or "aot_inductor"`: those of one engine, or of all.
std::string model_kind_names(const engine_kind&);
std::string model_kind_names();

/// True if engines of some kind read this environment variable: by its name, or by its prefix.
bool is_engine_variable(std::string_view name);
bool has_engine_prefix(std::string_view name);

} // namespace tayfa
