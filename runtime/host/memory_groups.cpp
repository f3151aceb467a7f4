#include "runtime/host/memory_groups.hpp"

#include <fstream>

namespace tayfa {

namespace {

/// The number behind a word of a file of "word number" lines.
std::optional<std::uint64_t> number_in(const std::string& path, const std::string& word) {
  std::ifstream file{path};
  std::string key;
  std::uint64_t value = 0;
  while (file >> key >> value) {
    if (key == word) {
      return value;
    }
  }
  return std::nullopt;
}

} // namespace

std::vector<memory_group> memory_groups(const std::string& proc, const std::string& cgroups) {
  std::vector<memory_group> out;
  std::ifstream groups{proc + "/self/cgroup"};
  std::string line;
  while (std::getline(groups, line)) {
    // "0::/path" of version 2, "9:memory:/path" of version 1
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string kinds = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool unified = kinds == ",,";
    if (!unified && kinds.find(",memory,") == std::string::npos) {
      continue;
    }
    const std::string root = cgroups + (unified ? "" : "/memory");
    std::string path = line.substr(second + 1);
    while (path.size() > 1) {
      out.push_back({root + path, unified});
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
    out.push_back({root, unified});
  }
  return out;
}

std::optional<std::uint64_t> oom_kills(const std::string& proc, const std::string& cgroups) {
  for (const auto& group : memory_groups(proc, cgroups)) {
    const auto file = group.folder + (group.unified ? "/memory.events" : "/memory.oom_control");
    if (const auto kills = number_in(file, "oom_kill")) {
      return kills; // the own group's, or of the nearest one that can be seen
    }
  }
  return number_in(proc + "/vmstat", "oom_kill");
}

} // namespace tayfa
