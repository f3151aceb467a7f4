#include "runtime/link/worker_session.hpp"

#include <algorithm>
#include <utility>

namespace tayfa {

namespace {

/// "cuda:0 NVIDIA H200" -> "NVIDIA H200": what devices of one kind have in common.
std::string kind_of_device(const std::string& device) {
  const auto space = device.find(' ');
  const bool numbered = space != std::string::npos && device.find(':') < space;
  return numbered ? device.substr(space + 1) : device;
}

} // namespace

bool worker_session::on_hello(const protocol::hello& m) {
  if (said_hello_ || m.capacity == 0 || m.capacity > limits_.capacity_most || m.batch_max == 0 ||
      m.batch_max > m.capacity) {
    return false;
  }
  said_hello_ = true;
  facts_.capacity = m.capacity;
  facts_.model_kinds = limits_.model_kinds;
  facts_.batch_max = m.batch_max;
  facts_.continuous = m.continuous;
  facts_.steps = m.steps;
  facts_.device = kind_of_device(m.device);
  facts_.memory_bytes = m.memory_bytes;
  batches_ = m.batch_max > 1;
  return true;
}

void worker_session::load_sent(const std::string& model) {
  load_sent_ = true;
  model_ = model;
}

worker_session::load_answer worker_session::on_load_finished(const protocol::load_finished& m) {
  if (!load_sent_ || loaded_) {
    return load_answer::unexpected;
  }
  if (!m.ok) {
    return load_answer::failed;
  }
  loaded_ = true;
  if (m.batch_max != 0) {
    facts_.batch_max = std::min(facts_.batch_max, m.batch_max);
  }
  if (batches_ && !facts_.continuous) {
    facts_.capacity = facts_.batch_max; // one run at a time
  }
  facts_.model = model_;
  facts_.can_change = !model_.empty();
  return load_answer::loaded;
}

void worker_session::assign(protocol::assign& m) {
  held_.insert(m.attempt);
  m.model = model_;
}

void worker_session::finished(const attempt_ref& attempt) {
  held_.erase(attempt);
  revoked_.erase(attempt);
}

bool worker_session::can_revoke(const attempt_ref& attempt) const {
  return holds(attempt) && !revoked_.contains(attempt);
}

void worker_session::revoked(const attempt_ref& attempt, std::uint64_t ticket) {
  revoked_.emplace(attempt, ticket);
}

bool worker_session::grace_is_over(std::uint64_t ticket) const {
  return std::any_of(revoked_.begin(), revoked_.end(),
                     [&](const auto& each) { return each.second == ticket; });
}

void worker_session::end() {
  held_.clear();
  revoked_.clear();
}

bool worker_session::check_silence() {
  misses_ = std::exchange(heard_, false) ? 0 : misses_ + 1;
  return misses_ > limits_.misses_most;
}

} // namespace tayfa
