#include "runtime/pods_net/delivery_budget.hpp"

namespace tayfa::pods {

struct delivery_budget::permit {
  permit(std::shared_ptr<delivery_budget> from, std::size_t size)
      : budget(std::move(from)), bytes(size) {}
  ~permit() { budget->give_back(bytes); }
  permit(const permit&) = delete;
  permit& operator=(const permit&) = delete;

  const std::shared_ptr<delivery_budget> budget;
  const std::size_t bytes;
};

std::shared_ptr<const void> delivery_budget::take(std::size_t bytes) {
  auto out = std::make_shared<const permit>(shared_from_this(), bytes);
  const std::lock_guard guard{mutex_};
  ++messages_;
  bytes_ += bytes;
  full_ = full_ || messages_ >= limits_.messages || bytes_ >= limits_.bytes;
  return out;
}

bool delivery_budget::full() const {
  const std::lock_guard guard{mutex_};
  return full_;
}

void delivery_budget::close() {
  const std::lock_guard guard{mutex_};
  has_room_ = nullptr;
}

void delivery_budget::give_back(std::size_t bytes) {
  const std::lock_guard guard{mutex_};
  --messages_;
  bytes_ -= bytes;
  if (full_ && messages_ <= limits_.messages / 2 && bytes_ <= limits_.bytes / 2) {
    full_ = false;
    if (has_room_) {
      has_room_();
    }
  }
}

} // namespace tayfa::pods
