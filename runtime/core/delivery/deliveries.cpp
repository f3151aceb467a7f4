#include "runtime/core/delivery/deliveries.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace tayfa {

namespace {

using namespace std::chrono_literals;

constexpr milliseconds post_pause_first = 500ms;
constexpr milliseconds post_pause_most = 30s;

milliseconds post_pause(std::uint32_t tries) {
  auto pause = post_pause_first;
  for (std::uint32_t i = 1; i < tries && pause < post_pause_most; ++i) {
    pause *= 2;
  }
  return std::min(pause, post_pause_most);
}

} // namespace

void deliveries::set_out(std::uint64_t order, delivery_state& d, bool out) {
  if (std::exchange(d.out, out) != out) {
    out ? out_.insert(order) : out_.erase(order);
  }
}

void deliveries::open(delivery_state& d) {
  d.open = true;
  d.tries = 0;
}

void deliveries::close(std::uint64_t order, delivery_state& d) {
  d.open = false;
  set_out(order, d, false);
  if (std::exchange(d.waits, false)) {
    webhooks_.leave(order);
  }
}

void deliveries::wait(std::uint64_t order, delivery_state& d, const std::string& tenant,
                      const std::string& url, std::size_t bytes) {
  d.waits = true;
  webhooks_.wait(order, tenant, hook_target(url), bytes);
}

void deliveries::begin(std::uint64_t order, delivery_state& d, std::uint64_t call) {
  if (call != 0) {
    d.waits = false;
    d.call = call;
  }
  set_out(order, d, true);
  d.tries += d.tries < std::numeric_limits<std::uint8_t>::max() ? 1 : 0;
}

bool deliveries::answered(moment now, std::uint64_t call, hook_answer how, std::uint64_t order,
                          delivery_state* of) {
  webhooks_.ended(call, now); // also of a job that is forgotten, or has begun a new life
  if (of == nullptr || !of->out || of->undelivered || of->call != call) {
    return false;
  }
  set_out(order, *of, false);
  of->tries -= how == hook_answer::not_made && of->tries > 0 ? 1 : 0;
  of->open = how != hook_answer::delivered && of->tries < limits_.tries;
  return true;
}

std::optional<moment> deliveries::next_post(moment now, std::uint64_t order, delivery_state& d,
                                            milliseconds pause, moment until) {
  const auto soonest = now + post_pause(d.tries);
  const auto last = until - post_pause_first; // however long a pause is asked for
  if (soonest > last) {
    return {};
  }
  set_out(order, d, false);
  return std::clamp(now + std::min(pause, job_policy::ttl_max), soonest, last);
}

void deliveries::unmade(const delivery_state& d) {
  if (d.out && !d.undelivered) {
    webhooks_.unmade(d.call);
  }
}

std::uint8_t deliveries::tries_known(bool of_platform, std::uint32_t begun) const {
  const auto most = of_platform ? 1 : std::max<std::uint32_t>(limits_.tries, 1) - 1;
  return static_cast<std::uint8_t>(std::min(begun, most));
}

std::vector<std::uint64_t> deliveries::out() const {
  std::vector<std::uint64_t> orders;
  for (auto next = out_.above(0); next; next = out_.above(*next)) {
    orders.push_back(*next);
  }
  return orders;
}

} // namespace tayfa
