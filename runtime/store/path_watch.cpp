#include "runtime/store/path_watch.hpp"

namespace tayfa::store {

result<void> path_watch::begin(file_system& files, const std::vector<std::string>& paths) {
  files_ = &files;
  entries_.clear();
  for (const auto& path : paths) {
    const auto now = files.identity(path);
    if (!now) {
      return fail(now.error());
    }
    entries_.push_back({path, *now});
  }
  return {};
}

result<void> path_watch::look() const {
  for (const auto& each : entries_) {
    const auto now = files_->identity(each.path);
    if (!now) {
      return fail(errc::store_failed,
                  each.path + " was removed while the store uses it: " + now.error().text);
    }
    if (*now != each.was) {
      return fail(errc::store_failed,
                  each.path + " is not what it was when the store was opened: it was moved, "
                              "replaced or mounted over");
    }
  }
  return {};
}

} // namespace tayfa::store
