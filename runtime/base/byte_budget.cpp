#include "runtime/base/byte_budget.hpp"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace tayfa {

struct byte_budget::account {
  explicit account(std::size_t bound) : most(bound) {}

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
template <class Account>
struct taken {
  taken(std::shared_ptr<Account> of, shared_text what)
      : account(std::move(of)), text(std::move(what)) {}
  taken(const taken&) = delete;
  taken& operator=(const taken&) = delete;
  ~taken() {
    const std::lock_guard lock{account->mutex};
    account->used -= bytes;
    if (!text.empty()) {
      const auto entry = account->shared.find(text.identity());
      if (entry != account->shared.end() && entry->second.expired()) {
        account->shared.erase(entry);
      }
    }
  }

  std::shared_ptr<Account> account;
  shared_text text; ///< of a shared place
  std::size_t bytes = 0;
};

} // namespace

byte_budget::byte_budget(std::size_t most) : account_(std::make_shared<account>(most)) {}

byte_budget::place byte_budget::take(std::size_t bytes, std::size_t headroom) {
  const auto made = std::make_shared<taken<account>>(account_, shared_text{});
  std::function<void()> pressed;
  {
    const std::lock_guard lock{account_->mutex};
    if (account_->add(bytes, headroom)) {
      made->bytes = bytes;
      return made;
    }
    pressed = account_->pressed;
  }
  if (pressed) {
    pressed();
  }
  return nullptr;
}

byte_budget::place byte_budget::force(std::size_t bytes) {
  auto made = std::make_shared<taken<account>>(account_, shared_text{});
  const std::lock_guard lock{account_->mutex};
  account_->used += bytes;
  made->bytes = bytes;
  return made;
}

byte_budget::place byte_budget::share(const shared_text& text) {
  auto made = std::make_shared<taken<account>>(account_, text);
  if (text.empty() || text.counted()) {
    return made; // of no bytes; it only holds the text
  }
  std::function<void()> pressed;
  {
    const std::lock_guard lock{account_->mutex};
    auto& known = account_->shared[text.identity()];
    if (auto has = known.lock()) {
      return has; // `made` is let go without the lock, by the caller's frame
    }
    if (account_->add(text.size(), 0)) {
      made->bytes = text.size();
      known = made;
      return made;
    }
    account_->shared.erase(text.identity());
    pressed = account_->pressed;
  }
  if (pressed) {
    pressed();
  }
  return nullptr;
}

std::size_t byte_budget::used() const {
  const std::lock_guard lock{account_->mutex};
  return account_->used;
}

std::size_t byte_budget::most() const {
  return account_->most;
}

void byte_budget::on_refusal(std::function<void()> pressed) {
  const std::lock_guard lock{account_->mutex};
  account_->pressed = std::move(pressed);
}

} // namespace tayfa
