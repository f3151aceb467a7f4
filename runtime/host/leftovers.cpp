#include "runtime/host/leftovers.hpp"

#include "runtime/base/unique_fd.hpp"
#include "runtime/host/descendants.hpp"
#include "runtime/host/process_facts.hpp"
#include "runtime/host/temporary_folder.hpp"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <unistd.h>

namespace tayfa {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t pid_lines_max = 4096;
constexpr std::string_view temporary_word = "temporary ";

struct pid_entry {
  pid_t pid = 0;
  std::uint64_t start = 0;
};

struct pid_file {
  pid_entry runtime;
  std::vector<pid_entry> engines;
  std::string temporary; ///< empty: beside the socket
};

/// The readable part of the file; a torn or foreign file yields fewer entries, never a wrong one.
pid_file read_pid_file(const fs::path& path) {
  pid_file out;
  std::ifstream file{path};
  std::string line;
  for (std::size_t i = 0; i < pid_lines_max && std::getline(file, line); ++i) {
    std::istringstream words{line};
    std::string what;
    pid_entry entry;
    if (line.starts_with(temporary_word)) {
      out.temporary = line.substr(temporary_word.size());
      continue;
    }
    if (!(words >> what >> entry.pid >> entry.start) || entry.pid <= 1) {
      continue;
    }
    if (what == "runtime") {
      out.runtime = entry;
    } else if (what == "engine") {
      out.engines.push_back(entry);
    }
  }
  return out;
}

bool lives(const pid_entry& entry) {
  return start_time_of(entry.pid) == entry.start;
}

/// True when the process was started with our socket's name: an engine, not an unrelated process.
bool mentions(pid_t pid, const std::string& word) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary};
  std::string text(4096, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text.find(word) != std::string::npos;
}

/// Recognizes an engine without a readable mark (or from before marks) by its pid and command line.
bool is_listed(pid_t pid, const process_facts& facts, const pid_file& listed,
               const std::string& socket) {
  return std::any_of(listed.engines.begin(), listed.engines.end(), [&](const pid_entry& engine) {
    return engine.pid == pid && engine.start == facts.start && mentions(pid, socket);
  });
}

/// True for a process whose mark names a runtime of this folder that is gone.
bool is_left(pid_t pid, const std::string& home) {
  const auto mark = read_mark(environment_of(pid, child_mark_variable));
  return mark.owner != 0 && mark.home == home && start_time_of(mark.owner) != mark.owner_start;
}

/// Extracts the pid from "engines-<pid>.sock" and "engines-<pid>-<n>.sock".
std::optional<pid_t> pid_in_name(std::string_view stem) {
  constexpr std::string_view prefix = "engines-";
  if (!stem.starts_with(prefix)) {
    return std::nullopt;
  }
  stem.remove_prefix(prefix.size());
  pid_t pid = 0;
  const auto [end, failed] = std::from_chars(stem.data(), stem.data() + stem.size(), pid);
  const bool whole = end == stem.data() + stem.size() || *end == '-';
  return failed == std::errc{} && whole && pid > 0 ? std::optional{pid} : std::nullopt;
}

void remove_temporary(const fs::path& stem, const std::string& elsewhere, event_log& log) {
  auto beside = stem;
  beside.replace_extension(".tmp");
  const bool named = fs::path{elsewhere}.is_absolute() &&
                     fs::path{elsewhere}.filename().string().starts_with(temporary_prefix);
  for (const auto& folder : {beside.string(), named ? elsewhere : std::string{}}) {
    if (!folder.empty() && !remove_tree(folder)) {
      log.warn("temporary_folder_left", {{"folder", folder}});
    }
  }
}

} // namespace

void write_pid_file(const std::string& path, const std::vector<pid_t>& engines,
                    const std::string& temporary, event_log& log) {
  const auto fresh = path + ".new";
  // Creates the file for this user alone, under any umask, and never through another user's link.
  ::unlink(fresh.c_str());
  unique_fd{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)}.reset();
  std::ofstream file{fresh, std::ios::trunc};
  const auto put = [&](const char* what, pid_t pid) {
    if (const auto start = start_time_of(pid)) {
      file << what << ' ' << pid << ' ' << *start << '\n';
    }
  };
  put("runtime", ::getpid());
  for (const auto pid : engines) {
    put("engine", pid);
  }
  if (!temporary.empty()) {
    file << temporary_word << temporary << '\n';
  }
  file.close();
  std::error_code failed;
  fs::rename(fresh, path, failed);
  if (!file || failed) {
    log.warn("pid_file_failed", {{"path", path}});
  }
}

void remove_leftovers(const std::string& run_folder, event_log& log) {
  std::error_code failed;
  std::vector<fs::path> paths;
  for (auto it = fs::directory_iterator{run_folder, failed};
       !failed && it != fs::directory_iterator{}; it.increment(failed)) {
    paths.push_back(it->path());
  }
  for (const auto& path : paths) {
    const auto pid = pid_in_name(path.stem().string());
    const bool ours =
        path.extension() == ".sock" || path.extension() == ".pids" || path.extension() == ".tmp";
    if (!pid || !ours || !fs::exists(path, failed)) {
      continue;
    }
    auto pids = path;
    pids.replace_extension(".pids");
    const auto listed = read_pid_file(pids);
    const bool owner_lives =
        listed.runtime.pid != 0 ? lives(listed.runtime) : start_time_of(*pid).has_value();
    if (owner_lives) {
      continue;
    }
    const auto socket_name = path.stem().string() + ".sock";
    const auto home = home_of(run_folder);
    const auto killed = kill_wherever([&](pid_t left, const process_facts& facts) {
      return is_left(left, home) || is_listed(left, facts, listed, socket_name);
    });
    if (killed > 0) {
      log.warn("engine_leftover_killed", {{"processes", killed}});
    }
    auto sock = path;
    sock.replace_extension(".sock");
    fs::remove(sock, failed);
    fs::remove(pids, failed);
    fs::remove(pids.string() + ".new", failed);
    remove_temporary(path, listed.temporary, log);
    log.info("leftovers_removed", {{"socket", sock.string()}});
  }
}

} // namespace tayfa
