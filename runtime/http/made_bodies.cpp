#include "runtime/http/made_bodies.hpp"

#include <utility>

namespace tayfa {

/// Shared by all copies of one taker: says at its end that there is no body, unless there was one.
class made_bodies::ticket_holder {
 public:
  ticket_holder(std::shared_ptr<made_bodies> to, call_ticket ticket)
      : to_(std::move(to)), ticket_(ticket) {}
  ticket_holder(const ticket_holder&) = delete;
  ticket_holder& operator=(const ticket_holder&) = delete;
  ~ticket_holder() { answer(std::nullopt); }

  void answer(std::optional<outgoing_call::pieces> body) {
    if (const auto to = std::exchange(to_, nullptr)) {
      to->bring({ticket_, std::move(body)});
    }
  }

 private:
  std::shared_ptr<made_bodies> to_;
  call_ticket ticket_;
};

outgoing_call::body_taker made_bodies::taker(call_ticket ticket) {
  return [holder = std::make_shared<ticket_holder>(shared_from_this(), ticket)](
             outgoing_call::pieces body) { holder->answer(std::move(body)); };
}

void made_bodies::bring(made one) {
  const std::lock_guard lock{mutex_};
  if (wake_) {
    made_.push_back(std::move(one));
    wake_();
  }
}

std::vector<made_bodies::made> made_bodies::take() {
  const std::lock_guard lock{mutex_};
  return std::exchange(made_, {});
}

void made_bodies::close() {
  const std::lock_guard lock{mutex_};
  wake_ = nullptr;
  made_.clear();
}

} // namespace tayfa
