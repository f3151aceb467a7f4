#include "runtime/http/gateway.hpp"

#include <exception>

namespace tayfa {

receipt& receipt::operator=(receipt&& other) noexcept {
  if (this != &other) {
    say(false);
    left_ = std::exchange(other.left_, nullptr);
    proof_ = other.proof_;
  }
  return *this;
}

void receipt::say(bool left) {
  if (const auto report = std::exchange(left_, nullptr)) {
    report(left);
  }
}

void presence::watch(std::function<void()> gone) {
  const std::lock_guard lock{mutex_};
  if (answered_) {
    return;
  }
  if (left_) {
    gone();
  } else {
    gone_ = std::move(gone);
  }
}

void presence::left() {
  std::function<void()> gone; // destroyed after the lock is released
  const std::lock_guard lock{mutex_};
  if (std::exchange(left_, true) || answered_) {
    return;
  }
  gone.swap(gone_);
  if (gone) {
    gone();
  }
}

void presence::answered() {
  std::function<void()> gone;
  const std::lock_guard lock{mutex_};
  answered_ = true;
  gone.swap(gone_);
}

reply::reply(transport t)
    : responder_([take = std::move(t)](api::response answer, receipt left) {
        take(std::move(answer));
        left.say(true);
      }) {}

reply::~reply() {
  if (sent_.load()) {
    return;
  }
  try {
    send(api::refuse({errc::unavailable, {}}));
  } catch (const std::exception&) { // no memory for a body
    if (!sent_.exchange(true)) {
      api::response bare;
      bare.status = 503;
      responder_(std::move(bare), {});
    }
  }
}

void reply::send(api::response answer) {
  send(std::move(answer), nullptr);
}

void reply::send(api::response answer, std::function<void(bool)> left, proof wanted) {
  receipt report{std::move(left), wanted};
  if (sent_.exchange(true)) {
    return;
  }
  if (client_) {
    client_->answered();
  }
  responder_(std::move(answer), std::move(report));
}

void reply::when_gone(std::function<void()> gone) {
  if (client_) {
    client_->watch(std::move(gone));
  }
}

} // namespace tayfa
