// Selects the environment variables that a child process inherits: a fixed list, plus the
// operator's additions (engine.environment). Pure.
//
// A pod's environment holds secrets: keys of RunPod's API, of clouds and of model hubs. An engine
// runs other people's models, and cannot leak what it does not get.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tayfa {

/// True for variables that a child inherits by default. Names that look like a secret's never match
/// a prefix of the list.
bool is_passed_on(std::string_view name);

/// A child's environment, as "NAME=value": entries of `ours` selected by is_passed_on or by an item
/// of `passed`; then values given in `passed`; `added` overrides both. Items of `passed` are NAME,
/// PREFIX* and NAME=VALUE.
std::vector<std::string>
child_environment(std::span<const std::string> ours, std::span<const std::string> passed,
                  std::span<const std::pair<std::string, std::string>> added);

} // namespace tayfa
