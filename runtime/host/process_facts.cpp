#include "runtime/host/process_facts.hpp"

#include "runtime/base/variables.hpp"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

namespace tayfa {

namespace fs = std::filesystem;

namespace {

std::string folder_of(pid_t pid) {
  return "/proc/" + std::to_string(pid);
}

/// The numeric names in a folder of /proc.
std::vector<pid_t> numbers_in(const std::string& folder) {
  std::vector<pid_t> out;
  std::error_code failed;
  for (fs::directory_iterator at{folder, failed}, end; !failed && at != end; at.increment(failed)) {
    const auto name = at->path().filename().string();
    pid_t pid = 0;
    const auto [stop, wrong] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (wrong == std::errc{} && stop == name.data() + name.size() && pid > 0) {
      out.push_back(pid);
    }
  }
  return out;
}

} // namespace

std::optional<process_facts> facts_of(pid_t pid) {
  std::ifstream file{folder_of(pid) + "/stat"};
  std::string text;
  std::getline(file, text, '\0');        // a process name may contain a line end
  const auto name_end = text.rfind(')'); // and blanks and brackets
  if (name_end == std::string::npos) {
    return std::nullopt;
  }
  std::istringstream fields{text.substr(name_end + 1)};
  process_facts out;
  fields >> out.state >> out.parent >> out.group >> out.session;
  std::string skipped;
  for (int field = 7; field < 22; ++field) {
    fields >> skipped;
  }
  return fields >> out.start ? std::optional{out} : std::nullopt;
}

std::optional<std::uint64_t> start_time_of(pid_t pid) {
  const auto facts = facts_of(pid);
  return facts && !facts->ended() ? std::optional{facts->start} : std::nullopt;
}

std::string environment_of(pid_t pid, std::string_view variable) {
  std::ifstream file{folder_of(pid) + "/environ", std::ios::binary};
  std::string entry;
  while (std::getline(file, entry, '\0')) {
    if (const auto value = value_in(entry, variable)) {
      return std::string{*value};
    }
  }
  return {};
}

std::vector<pid_t> all_processes() {
  return numbers_in("/proc");
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> out;
  bool listed = false;
  for (const auto task : numbers_in(folder_of(pid) + "/task")) {
    std::ifstream file{folder_of(pid) + "/task/" + std::to_string(task) + "/children"};
    listed = listed || file.is_open();
    pid_t child = 0;
    while (file >> child) {
      out.push_back(child);
    }
  }
  if (listed) {
    return out;
  }
  for (const auto other : all_processes()) { // a kernel without CONFIG_PROC_CHILDREN
    const auto facts = facts_of(other);
    if (facts && facts->parent == pid) {
      out.push_back(other);
    }
  }
  return out;
}

} // namespace tayfa
