#include "runtime/store/sim_disk.hpp"

#include "runtime/store/sim_vfs.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <limits>
#include <utility>

namespace tayfa::store {

namespace {

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}

std::string next_vfs_name() {
  static std::atomic<std::uint64_t> made{0};
  return "tayfa-sim-" + std::to_string(++made);
}

} // namespace

int sim_disk::enter(disk_call kind, bool changing) {
  const auto index = static_cast<std::size_t>(kind);
  if (!power_) {
    return EIO;
  }
  const auto count = ++counts_[index];
  changing_ += changing ? 1 : 0;
  const auto& fault = plans_[index];
  if (fault && (count == fault->at || (fault->from_then_on && count > fault->at))) {
    return fault->number;
  }
  return 0;
}

/// Ends every changing call: a planned power loss may happen here.
int sim_disk::finish() {
  if (!power_goes()) {
    return 0;
  }
  lose();
  return EIO;
}

bool sim_disk::is_dead(const opened& by) const {
  return !power_ || by.life != life_ || !by.of;
}

std::size_t sim_disk::used() const {
  std::size_t sum = 0;
  for (const auto& [name, of] : names_) {
    sum += of->now.size();
  }
  return sum;
}

void sim_disk::change_folder(folder_change change) {
  switch (change.what) {
  case folder_change::kind::add: names_[change.name] = change.of; break;
  case folder_change::kind::remove: names_.erase(change.name); break;
  case folder_change::kind::rename:
    names_.erase(change.name);
    names_[change.to] = change.of;
    break;
  case folder_change::kind::folder: folders_.insert(change.name); break;
  }
  unflushed_.push_back(std::move(change));
}

void sim_disk::apply(const folder_change& change) {
  switch (change.what) {
  case folder_change::kind::add: flushed_names_[change.name] = change.of; break;
  case folder_change::kind::remove: flushed_names_.erase(change.name); break;
  case folder_change::kind::rename:
    flushed_names_.erase(change.name);
    flushed_names_[change.to] = change.of;
    break;
  case folder_change::kind::folder: flushed_folders_.insert(change.name); break;
  }
}

sim_disk::sim_disk(options wanted)
    : options_(wanted), vfs_name_(next_vfs_name()), random_(wanted.seed), limit_(wanted.limit),
      vfs_(std::make_unique<sim_vfs>(*this, vfs_name_)) {}
sim_disk::~sim_disk() = default;

int sim_disk::open_file(const std::string& path, bool make, opened& out, bool* made) {
  const std::lock_guard guard{mutex_};
  const auto found = names_.find(path);
  const bool makes = found == names_.end() && make;
  if (const int number = enter(disk_call::open, makes); number != 0) {
    return number;
  }
  if (found != names_.end()) {
    out = {found->second, life_};
    return 0;
  }
  if (!make || !folders_.contains(folder_of(path))) {
    return ENOENT;
  }
  auto fresh = std::make_shared<file>();
  fresh->number = ++made_;
  out = {fresh, life_};
  change_folder({folder_change::kind::add, folder_of(path), path, {}, std::move(fresh)});
  if (made != nullptr) {
    *made = true;
  }
  return finish();
}

int sim_disk::read(const opened& from, std::size_t at, std::size_t size, std::string& out) {
  const std::lock_guard guard{mutex_};
  if (is_dead(from)) {
    return EIO;
  }
  if (const int number = enter(disk_call::read, false); number != 0) {
    return number;
  }
  const auto& bytes = from.of->now;
  out = at < bytes.size() ? bytes.substr(at, size) : std::string{};
  return 0;
}

int sim_disk::write(const opened& to, std::size_t at, std::string_view bytes) {
  const std::lock_guard guard{mutex_};
  if (is_dead(to)) {
    return EIO;
  }
  int number = enter(disk_call::write, true);
  auto& of = *to.of;
  const auto end = at + bytes.size();
  if (number == 0 && limit_ && end > of.now.size() && used() + end - of.now.size() > *limit_) {
    number = ENOSPC;
  }
  if (number != 0 && !bytes.empty()) {
    bytes = bytes.substr(0, random_() % bytes.size()); // a part of it may have been written
    if (limit_ && at + bytes.size() > of.now.size()) {
      bytes = {};
    }
  }
  if (!bytes.empty()) {
    of.now.resize(std::max(of.now.size(), at + bytes.size()), '\0');
    of.now.replace(at, bytes.size(), bytes);
    for (auto sector = at / options_.sector; sector * options_.sector < at + bytes.size();
         ++sector) {
      of.dirty.insert(sector);
    }
  }
  const int end_of_power = finish();
  return number != 0 ? number : end_of_power;
}

int sim_disk::truncate(const opened& to, std::size_t size) {
  const std::lock_guard guard{mutex_};
  if (is_dead(to)) {
    return EIO;
  }
  if (const int number = enter(disk_call::truncate, true); number != 0) {
    return number;
  }
  auto& of = *to.of;
  // The bytes cut off still differ from the flushed ones, should the file grow again.
  for (auto sector = size / options_.sector; sector * options_.sector < of.now.size(); ++sector) {
    of.dirty.insert(sector);
  }
  of.now.resize(size, '\0');
  return finish();
}

int sim_disk::sync(const opened& of) {
  const std::lock_guard guard{mutex_};
  if (is_dead(of)) {
    return EIO;
  }
  const int number = enter(disk_call::sync, true);
  if (power_goes()) {
    return finish(); // the unflushed bytes may be kept or lost
  }
  auto& to = *of.of;
  to.flushed.resize(to.now.size(), '\0');
  for (const auto sector : to.dirty) {
    const auto begin = sector * options_.sector;
    // A failed flush writes some sectors; the others count as clean from now on.
    if (begin < to.now.size() && (number == 0 || random_() % 2 == 0)) {
      const auto size = std::min(options_.sector, to.now.size() - begin);
      to.flushed.replace(begin, size, to.now, begin, size);
    }
  }
  to.dirty.clear();
  return number;
}

int sim_disk::size(const opened& of, std::size_t& out) const {
  const std::lock_guard guard{mutex_};
  if (is_dead(of)) {
    return EIO;
  }
  out = of.of->now.size();
  return 0;
}

int sim_disk::remove(const std::string& path) {
  const std::lock_guard guard{mutex_};
  if (const int number = enter(disk_call::remove, true); number != 0) {
    return number;
  }
  const auto found = names_.find(path);
  if (found == names_.end()) {
    return ENOENT;
  }
  change_folder({folder_change::kind::remove, folder_of(path), path, {}, {}});
  return finish();
}

int sim_disk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard guard{mutex_};
  if (const int number = enter(disk_call::rename, true); number != 0) {
    return number;
  }
  const auto found = names_.find(from);
  if (found == names_.end()) {
    return ENOENT;
  }
  if (folder_of(from) != folder_of(to)) {
    return EXDEV; // a single folder flush could not cover both
  }
  change_folder({folder_change::kind::rename, folder_of(from), from, to, found->second});
  return finish();
}

int sim_disk::make_folder(const std::string& path) {
  const std::lock_guard guard{mutex_};
  if (const int number = enter(disk_call::make_folder, true); number != 0) {
    return number;
  }
  if (!folders_.contains(path)) {
    change_folder({folder_change::kind::folder, folder_of(path), path, {}, {}});
  }
  return finish();
}

int sim_disk::sync_folder(const std::string& path) {
  const std::lock_guard guard{mutex_};
  if (const int number = enter(disk_call::sync_folder, true); number != 0) {
    return number;
  }
  if (power_goes()) {
    return finish();
  }
  if (!folders_.contains(path)) {
    return ENOENT;
  }
  std::vector<folder_change> rest;
  for (auto& change : unflushed_) {
    if (change.folder == path) {
      apply(change);
    } else {
      rest.push_back(std::move(change));
    }
  }
  unflushed_ = std::move(rest);
  return 0;
}

bool sim_disk::exists(const std::string& path) const {
  const std::lock_guard guard{mutex_};
  return names_.contains(path);
}

std::uint64_t sim_disk::number_of(const std::string& path) const {
  const std::lock_guard guard{mutex_};
  if (const auto found = names_.find(path); found != names_.end()) {
    return found->second->number;
  }
  return folders_.contains(path) ? std::numeric_limits<std::uint64_t>::max() : 0;
}

std::vector<std::string> sim_disk::list(const std::string& folder) const {
  const std::lock_guard guard{mutex_};
  std::vector<std::string> out;
  const auto add = [&](const std::string& path) {
    if (folder_of(path) == folder) {
      out.push_back(path.substr(folder.size() + 1));
    }
  };
  for (const auto& [name, of] : names_) {
    add(name);
  }
  for (const auto& name : folders_) {
    add(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

bool sim_disk::lock(const opened& of, const void* holder, int level) {
  const std::lock_guard guard{mutex_};
  if (is_dead(of)) {
    return level == 0;
  }
  // SQLite's levels: 1 shared, 2 reserved, 3 pending, 4 exclusive.
  const int most_of_others = level == 0 ? 4 : level == 1 ? 2 : level == 2 ? 1 : 0;
  for (const auto& [other, held] : of.of->locks) {
    if (other != holder && held > most_of_others) {
      return false;
    }
  }
  if (level == 0) {
    of.of->locks.erase(holder);
  } else {
    of.of->locks[holder] = level;
  }
  return true;
}

bool sim_disk::is_reserved(const opened& of) const {
  const std::lock_guard guard{mutex_};
  return !is_dead(of) && std::any_of(of.of->locks.begin(), of.of->locks.end(),
                                     [](const auto& lock) { return lock.second >= 2; });
}

} // namespace tayfa::store
