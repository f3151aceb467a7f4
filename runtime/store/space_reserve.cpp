#include "runtime/store/space_reserve.hpp"

#include <algorithm>

namespace tayfa::store {

namespace {

constexpr std::size_t least = std::size_t{64} << 10; ///< a smaller one would be of no use
constexpr std::size_t page = 4096;

} // namespace

space_reserve::space_reserve(file_system& files, const std::string& folder, std::size_t bytes)
    : files_(&files), path_(folder + "/reserve") {
  const auto disk = files.disk_bytes(folder);
  if (bytes == 0 || !disk) {
    return;
  }
  wanted_ = std::min(bytes, *disk / 8) / page * page;
  const auto left = files.size(path_);
  held_ = left ? *left : 0;
  while (wanted_ >= least && !restore() && !left) {
    wanted_ /= 2; // a quota, perhaps
  }
  wanted_ = wanted_ < least ? 0 : wanted_;
}

void space_reserve::look() {
  const auto left = held_ > 0 ? files_->size(path_) : result<std::size_t>{0};
  held_ = left ? std::min(held_, *left) : 0;
}

bool space_reserve::restore() {
  if (held_ < wanted_ && files_->occupy(path_, wanted_ / page * page)) {
    held_ = wanted_;
  }
  return whole();
}

bool space_reserve::give() {
  if (held_ == 0) {
    return false;
  }
  const auto left = held_ - std::min(held_, std::max(least, wanted_ / 8));
  if (!files_->occupy(path_, left)) {
    return false;
  }
  held_ = left;
  return true;
}

} // namespace tayfa::store
