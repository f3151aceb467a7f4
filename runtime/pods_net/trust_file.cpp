#include "runtime/pods_net/trust_file.hpp"

#include <utility>

namespace tayfa::pods {

std::string allow_list_path(const std::string& data_folder) {
  return data_folder + "/pods";
}

wall_seconds wall_of(const time_source& time) {
  const auto since =
      std::chrono::duration_cast<std::chrono::seconds>(time.wall().time_since_epoch());
  return since.count() < 0 ? 0 : static_cast<wall_seconds>(since.count());
}

trust_file::trust_file(const time_source& time, std::string path,
                       std::chrono::milliseconds look_pause)
    : time_(time), path_(std::move(path)), thread_([this] { look(); }, look_pause) {}

void trust_file::watch(std::function<void(result<std::shared_ptr<const admitted>>)> changed) {
  {
    const std::lock_guard guard{mutex_};
    changed_ = std::move(changed);
  }
  thread_.post([this] { read_ = false; });
}

void trust_file::stop() {
  const std::lock_guard guard{mutex_};
  changed_ = nullptr;
}

void trust_file::report(result<std::shared_ptr<const admitted>> list) {
  const std::lock_guard guard{mutex_};
  if (changed_) {
    changed_(std::move(list));
  }
}

void trust_file::look() {
  const auto now = wall_of(time_);
  const auto stamp = stamp_of(path_);
  const bool same = read_ && stamp == seen_;
  if (same && (!expiry_ || now < *expiry_)) {
    return;
  }
  if (!same) {
    read_ = true;
    seen_ = stamp;
    auto list = read_allow_list(path_);
    if (!list) {
      report(fail(list.error()));
      return;
    }
    list_ = std::move(*list);
  }
  expiry_ = list_.next_expiry(now);
  report(list_.admitted_at(now));
}

void trust_file::join(std::string token, std::string key, std::string name,
                      std::function<void(result<void>)> done) {
  thread_.post([this, token = std::move(token), key = std::move(key), name = std::move(name),
                done = std::move(done)] {
    const auto changed = change_allow_list(
        path_, [&](allow_list& list) { return list.join(token, key, name, wall_of(time_)); });
    look(); // the pod may come with its own key before its answer is read
    done(changed ? result<void>{} : fail(changed.error()));
  });
}

} // namespace tayfa::pods
