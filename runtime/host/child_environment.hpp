// Which of our environment's variables a child process gets: a closed list, and what the operator
// names (engine.environment). Pure.
//
// The environment of a pod holds what is for the pod alone: keys of RunPod's API, of clouds and of
// model hubs. An engine runs other people's models; what it does not get it cannot give away.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tayfa {

/// Whether a child gets the variable of this name without being asked to. Names that look like a
/// secret's are never passed by a prefix of the list.
bool is_passed_on(std::string_view name);

/// The environment of a child, as "NAME=value": from `ours` what is_passed_on or an item of
/// `passed` names; then the values that `passed` gives; `added` wins over both. Items of `passed`
/// are NAME, PREFIX* and NAME=VALUE.
std::vector<std::string>
child_environment(std::span<const std::string> ours, std::span<const std::string> passed,
                  std::span<const std::pair<std::string, std::string>> added);

} // namespace tayfa
