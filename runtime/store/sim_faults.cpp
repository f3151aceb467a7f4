#include "runtime/store/sim_disk.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::store {

namespace {

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}

} // namespace

void sim_disk::settle_content(file& of) {
  const auto sector = options_.sector;
  // A third of the power losses keeps nothing, a third everything, the others each sector by
  // chance.
  const auto mood = random_() % 3;
  const auto kept = [&] { return mood == 1 || (mood == 2 && random_() % 2 == 0); };
  std::string left = of.flushed;
  if (of.now.size() < left.size() && kept()) {
    left.resize(of.now.size());
  } else if (of.now.size() > left.size() && kept()) {
    left.resize(of.now.size(), '\0');
  }
  bool torn = false;
  for (const auto at : of.dirty) {
    const auto begin = at * sector;
    if (begin >= of.now.size() || !kept()) {
      continue;
    }
    auto size = std::min(sector, of.now.size() - begin);
    if (!torn && random_() % 4 == 0) {
      torn = true;
      size = random_() % size;
    }
    if (size > 0) {
      left.resize(std::max(left.size(), begin + size), '\0');
      left.replace(begin, size, of.now, begin, size);
    }
  }
  of.now = left;
  of.flushed = std::move(left);
  of.dirty.clear();
  of.locks.clear();
}

void sim_disk::lose() {
  power_ = false;
  power_at_ = 0;
  ++life_;
  const auto mood = random_() % 3;
  for (const auto& change : std::exchange(unflushed_, {})) {
    if (mood == 1 || (mood == 2 && random_() % 2 == 0)) {
      apply(change);
    }
  }
  folders_ = flushed_folders_;
  std::erase_if(flushed_names_,
                [&](const auto& entry) { return !folders_.contains(folder_of(entry.first)); });
  names_ = flushed_names_;
  for (const auto& [name, of] : names_) {
    settle_content(*of);
  }
}

void sim_disk::plan_fault(disk_call kind, std::uint64_t nth, int number, bool from_then_on) {
  const std::lock_guard guard{mutex_};
  const auto index = static_cast<std::size_t>(kind);
  plans_[index] = plan{counts_[index] + nth, number, from_then_on};
}
void sim_disk::heal() {
  const std::lock_guard guard{mutex_};
  plans_ = {};
  power_at_ = 0;
}
void sim_disk::set_limit(std::optional<std::size_t> bytes) {
  const std::lock_guard guard{mutex_};
  limit_ = bytes;
}
void sim_disk::lose_power_at(std::uint64_t nth) {
  const std::lock_guard guard{mutex_};
  power_at_ = changing_ + nth;
}
void sim_disk::power_loss() {
  const std::lock_guard guard{mutex_};
  if (power_) {
    lose();
  }
}
void sim_disk::power_on() {
  const std::lock_guard guard{mutex_};
  power_ = true;
}
bool sim_disk::has_power() const {
  const std::lock_guard guard{mutex_};
  return power_;
}
std::uint64_t sim_disk::calls(disk_call kind) const {
  const std::lock_guard guard{mutex_};
  return counts_[static_cast<std::size_t>(kind)];
}
std::uint64_t sim_disk::changing_calls() const {
  const std::lock_guard guard{mutex_};
  return changing_;
}
std::size_t sim_disk::bytes_used() const {
  const std::lock_guard guard{mutex_};
  return used();
}
std::uint64_t sim_disk::random() {
  const std::lock_guard guard{mutex_};
  return random_();
}

std::optional<std::string> sim_disk::peek(const std::string& path) const {
  const std::lock_guard guard{mutex_};
  const auto found = names_.find(path);
  return found == names_.end() ? std::nullopt : std::optional{found->second->now};
}
void sim_disk::replace(const std::string& path) {
  const std::lock_guard guard{mutex_};
  auto other = std::make_shared<file>(*names_.at(path));
  other->number = ++made_;
  other->locks.clear();
  flushed_names_[path] = other;
  names_[path] = std::move(other);
}
void sim_disk::poke(const std::string& path, std::size_t at, char value) {
  const std::lock_guard guard{mutex_};
  auto& of = *names_.at(path);
  of.now.at(at) = value;
  of.flushed.at(at) = value;
}
std::vector<std::string> sim_disk::paths() const {
  const std::lock_guard guard{mutex_};
  std::vector<std::string> out;
  for (const auto& [name, of] : names_) {
    out.push_back(name);
  }
  return out;
}

} // namespace tayfa::store
