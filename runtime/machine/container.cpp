#include "runtime/machine/container.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <limits>
#include <sched.h>
#include <sstream>
#include <thread>

namespace tayfa {

namespace {

constexpr std::string_view usual_mount = "/sys/fs/cgroup";

/// The kernel reports "no limit" as a number of this size or above.
constexpr std::uint64_t no_limit = std::uint64_t{1} << 60;

std::string first_line(const std::string& path) {
  std::ifstream file{path};
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  const bool whole = read.ec == std::errc{} && (read.ptr == end || *read.ptr == ' ');
  return whole ? std::optional{value} : std::nullopt; // "max" and "-1" are not numbers: no limit
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  return number_of(first_line(path));
}

std::optional<std::uint64_t> limit_in(const std::string& path) {
  const auto number = number_in(path);
  return number && *number < no_limit ? number : std::nullopt;
}

void keep_least(std::optional<std::uint64_t>& least, std::optional<std::uint64_t> other) {
  if (other) {
    least = std::min(least.value_or(*other), *other);
  }
}

/// The number after a word in a file of "word number" lines.
std::optional<std::uint64_t> number_behind(const std::string& path, std::string_view word) {
  std::ifstream file{path};
  std::string key;
  std::uint64_t value = 0;
  while (file >> key >> value) {
    if (key == word) {
      return value;
    }
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n'); // a unit may follow
  }
  return std::nullopt;
}

// ---- location of the control groups ------------------------------------------------------------

bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == word) {
      return true;
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

/// This process's own groups, by cgroup version.
struct own_groups {
  std::optional<std::string> unified;
  std::optional<std::string> first; ///< of version 1
};

own_groups read_own(std::string_view controller, const std::string& proc) {
  own_groups out;
  std::ifstream file{proc + "/self/cgroup"};
  std::string line;
  while (std::getline(file, line)) {
    // "0::/path" of version 2, "9:cpu,cpuacct:/path" of version 1
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const auto kinds = std::string_view{line}.substr(first + 1, second - first - 1);
    if (kinds.empty()) {
      out.unified = line.substr(second + 1);
    } else if (has_word(kinds, controller)) {
      out.first = line.substr(second + 1);
    }
  }
  return out;
}

struct group_mount {
  std::string point; ///< the mount point
  std::string root;  ///< the group mounted there
  bool unified = true;
};

/// Decodes mountinfo's escapes: "\040" is a blank.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    const auto digits = text.substr(std::min(i + 1, text.size()), 3);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), code, 8);
    if (text[i] == '\\' && digits.size() == 3 && read.ptr == digits.data() + 3) {
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// "31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"
std::optional<group_mount> mount_in(const std::string& line, std::string_view controller) {
  std::istringstream text{line};
  const std::vector<std::string> words{std::istream_iterator<std::string>{text}, {}};
  const auto dash = std::find(words.begin(), words.end(), "-");
  if (words.size() < 6 || std::distance(dash, words.end()) < 4) {
    return std::nullopt;
  }
  const bool unified = dash[1] == "cgroup2";
  if (!unified && !(dash[1] == "cgroup" && has_word(dash[3], controller))) {
    return std::nullopt;
  }
  return group_mount{unescaped(words[4]), unescaped(words[3]), unified};
}

/// The mounts listed by the kernel, plus the usual folders: a folder with limit files is read even
/// if it is not a cgroup mount.
std::vector<group_mount> mounts_of(std::string_view controller, const container_paths& paths) {
  std::vector<group_mount> out;
  std::ifstream file{paths.proc + "/self/mountinfo"};
  std::string line;
  while (std::getline(file, line)) {
    if (auto found = mount_in(line, controller)) {
      if (std::string_view{found->point}.starts_with(usual_mount)) {
        found->point = paths.cgroups + found->point.substr(usual_mount.size());
      }
      out.push_back(std::move(*found));
    }
  }
  const std::string name{controller}; // cpu and cpuacct usually share one mount
  for (const auto& folder : {name, name + "," + name + "acct", name + "acct," + name}) {
    out.push_back({paths.cgroups + "/" + folder, "/", false});
  }
  out.push_back({paths.cgroups, "/", true});
  out.push_back({paths.cgroups + "/unified", "/", true});
  return out;
}

/// The group's path relative to a mount's root.
std::string below(const std::string& root, const std::string& group) {
  const bool inside = root.size() > 1 && group.starts_with(root) &&
                      (group.size() == root.size() || group[root.size()] == '/');
  return inside ? group.substr(root.size()) : group;
}

void add_up_to_root(const group_mount& mount, const std::string& own,
                    std::vector<control_group>& out) {
  const auto add = [&](std::string folder) {
    const bool known = std::any_of(out.begin(), out.end(), [&](const control_group& group) {
      return group.folder == folder && group.unified == mount.unified;
    });
    if (!known) {
      out.push_back({std::move(folder), mount.unified});
    }
  };
  std::string path = below(mount.root, own);
  while (path.size() > 1) {
    add(mount.point + path);
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
  add(mount.point);
}

// ---- CPU ---------------------------------------------------------------------------------------

std::uint32_t usable_cpus() {
  for (std::size_t most = 1'024; most <= 1U << 20; most *= 2) {
    const auto size = CPU_ALLOC_SIZE(most);
    cpu_set_t* const set = CPU_ALLOC(most);
    if (set == nullptr) {
      break;
    }
    const bool known = ::sched_getaffinity(0, size, set) == 0;
    const int count = known ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (count > 0) {
      return static_cast<std::uint32_t>(count);
    }
  }
  return std::max(1U, std::thread::hardware_concurrency());
}

std::optional<std::uint64_t> milli_of(std::optional<std::uint64_t> quota,
                                      std::optional<std::uint64_t> period) {
  constexpr std::uint64_t sane = std::uint64_t{1} << 50;
  if (!quota || !period || *period == 0 || *quota == 0 || *quota > sane) {
    return std::nullopt;
  }
  return std::max<std::uint64_t>(*quota * 1'000 / *period, 1);
}

std::optional<std::uint64_t> quota_of(const control_group& group) {
  if (!group.unified) {
    return milli_of(number_in(group.folder + "/cpu.cfs_quota_us"),
                    number_in(group.folder + "/cpu.cfs_period_us"));
  }
  const std::string line = first_line(group.folder + "/cpu.max"); // "150000 100000", "max 100000"
  const auto blank = line.find(' ');
  constexpr std::uint64_t usual_period = 100'000;
  return milli_of(number_of(line), blank == std::string::npos
                                       ? usual_period
                                       : number_of(std::string_view{line}.substr(blank + 1)));
}

// ---- memory ------------------------------------------------------------------------------------

struct group_memory {
  std::optional<std::uint64_t> limit;
  std::optional<std::uint64_t> left;
};

/// Memory that can be reclaimed at once: pages of files, active or not, except dirty ones, and the
/// kernel's own caches (which version 1 does not report).
std::uint64_t reclaimable(const std::string& stat, bool unified) {
  const auto value = [&](const char* second, const char* first) {
    return number_behind(stat, unified ? second : first).value_or(0);
  };
  const auto files =
      value("inactive_file", "total_inactive_file") + value("active_file", "total_active_file");
  const auto unwritten =
      value("file_dirty", "total_dirty") + value("file_writeback", "total_writeback");
  return files - std::min(files, unwritten) + (unified ? value("slab_reclaimable", "") : 0);
}

group_memory memory_of(const control_group& group) {
  const auto file = [&group](const char* second, const char* first) {
    return group.folder + "/" + (group.unified ? second : first);
  };
  const std::string stat = group.folder + "/memory.stat";
  group_memory out;
  out.limit = limit_in(file("memory.max", "memory.limit_in_bytes"));
  if (!group.unified) { // includes groups above that are not visible here
    const auto above = number_behind(stat, "hierarchical_memory_limit");
    keep_least(out.limit, above && *above < no_limit ? above : std::nullopt);
  }
  const auto used = number_in(file("memory.current", "memory.usage_in_bytes"));
  if (out.limit && used) {
    const auto back = reclaimable(stat, group.unified);
    const auto busy = *used - std::min(*used, back);
    out.left = *out.limit - std::min(*out.limit, busy);
  }
  return out;
}

} // namespace

std::vector<control_group> control_groups(std::string_view controller,
                                          const container_paths& paths) {
  const auto own = read_own(controller, paths.proc);
  const auto mounts = mounts_of(controller, paths);
  std::vector<control_group> out;
  for (const bool unified : {false, true}) {
    for (const auto& mount : mounts) {
      if (mount.unified == unified) {
        add_up_to_root(mount, (unified ? own.unified : own.first).value_or("/"), out);
      }
    }
  }
  return out;
}

cpu_room read_cpu_room(const container_paths& paths) {
  cpu_room out;
  out.usable = usable_cpus();
  std::optional<std::uint64_t> least;
  for (const auto& group : control_groups("cpu", paths)) {
    keep_least(least, quota_of(group));
  }
  if (least) {
    out.quota_milli = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(*least, std::numeric_limits<std::uint32_t>::max()));
  }
  return out;
}

std::uint64_t milli_cpus(const cpu_room& room) {
  const std::uint64_t usable = std::uint64_t{room.usable} * 1'000;
  return room.quota_milli ? std::min<std::uint64_t>(usable, *room.quota_milli) : usable;
}

std::uint32_t compute_threads(const cpu_room& room, std::uint32_t slots, std::uint32_t pinned) {
  const auto share = milli_cpus(room) / std::max(slots, 1U) / 1'000;
  const auto most = pinned > 0 ? std::min<std::uint64_t>(share, pinned) : share;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(most, 1));
}

memory_room read_memory_room(const container_paths& paths) {
  constexpr std::uint64_t kib = 1'024;
  const std::string facts = paths.proc + "/meminfo";
  memory_room out;
  if (const auto total = number_behind(facts, "MemTotal:")) {
    out.total = *total * kib;
  }
  if (const auto available = number_behind(facts, "MemAvailable:")) {
    out.available = *available * kib;
  }
  for (const auto& group : control_groups("memory", paths)) {
    const auto of_group = memory_of(group);
    keep_least(out.container_limit, of_group.limit);
    keep_least(out.container_left, of_group.left);
  }
  return out;
}

std::optional<std::uint64_t> oom_kills(const container_paths& paths) {
  for (const auto& group : control_groups("memory", paths)) {
    const auto* const file = group.unified ? "/memory.events" : "/memory.oom_control";
    if (const auto kills = number_behind(group.folder + file, "oom_kill")) {
      return kills; // of the own group, or of the nearest visible one
    }
  }
  return number_behind(paths.proc + "/vmstat", "oom_kill");
}

std::optional<std::uint64_t> process_limit(const container_paths& paths) {
  std::optional<std::uint64_t> least;
  for (const auto& group : control_groups("pids", paths)) {
    keep_least(least, limit_in(group.folder + "/pids.max"));
  }
  return least;
}

} // namespace tayfa
