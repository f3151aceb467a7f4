#include "runtime/base/byte_budget.hpp"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace tayfa {

struct byte_budget::books {
  explicit books(std::size_t bound) : most(bound) {}

  const std::size_t most;
  mutable std::mutex mutex; // guards the members below
  std::size_t used = 0;
  std::unordered_map<const void*, std::weak_ptr<const void>> shared; ///< by the text's identity
  std::function<void()> pressed;

  bool add(std::size_t bytes, std::size_t headroom) {
    const std::size_t bound = most - std::min(headroom, most);
    if (used > bound || bytes > bound - used) {
      return false;
    }
    used += bytes;
    return true;
  }
};

namespace {

/// A place; returns its bytes when destroyed.
template <class Books>
struct taken {
  taken(std::shared_ptr<Books> of, shared_text what)
      : books(std::move(of)), text(std::move(what)) {}
  taken(const taken&) = delete;
  taken& operator=(const taken&) = delete;
  ~taken() {
    const std::lock_guard lock{books->mutex};
    books->used -= bytes;
    if (!text.empty()) {
      const auto entry = books->shared.find(text.identity());
      if (entry != books->shared.end() && entry->second.expired()) {
        books->shared.erase(entry);
      }
    }
  }

  std::shared_ptr<Books> books;
  shared_text text; ///< of a shared place
  std::size_t bytes = 0;
};

} // namespace

byte_budget::byte_budget(std::size_t most) : books_(std::make_shared<books>(most)) {}

byte_budget::place byte_budget::take(std::size_t bytes, std::size_t headroom) {
  const auto made = std::make_shared<taken<books>>(books_, shared_text{});
  std::function<void()> pressed;
  {
    const std::lock_guard lock{books_->mutex};
    if (books_->add(bytes, headroom)) {
      made->bytes = bytes;
      return made;
    }
    pressed = books_->pressed;
  }
  if (pressed) {
    pressed();
  }
  return nullptr;
}

byte_budget::place byte_budget::force(std::size_t bytes) {
  auto made = std::make_shared<taken<books>>(books_, shared_text{});
  const std::lock_guard lock{books_->mutex};
  books_->used += bytes;
  made->bytes = bytes;
  return made;
}

byte_budget::place byte_budget::share(const shared_text& text) {
  auto made = std::make_shared<taken<books>>(books_, text);
  if (text.empty() || text.counted()) {
    return made; // of no bytes; it only holds the text
  }
  std::function<void()> pressed;
  {
    const std::lock_guard lock{books_->mutex};
    auto& known = books_->shared[text.identity()];
    if (auto has = known.lock()) {
      return has; // `made` is let go without the lock, by the caller's frame
    }
    if (books_->add(text.size(), 0)) {
      made->bytes = text.size();
      known = made;
      return made;
    }
    books_->shared.erase(text.identity());
    pressed = books_->pressed;
  }
  if (pressed) {
    pressed();
  }
  return nullptr;
}

std::size_t byte_budget::used() const {
  const std::lock_guard lock{books_->mutex};
  return books_->used;
}

std::size_t byte_budget::most() const {
  return books_->most;
}

void byte_budget::on_refusal(std::function<void()> pressed) {
  const std::lock_guard lock{books_->mutex};
  books_->pressed = std::move(pressed);
}

} // namespace tayfa
