// Random faults of a run: kills, freezes, power loss, pauses of the process.
#include "actors/sim/run.hpp"

namespace tayfa::sim {

/// Some at moments, some in the very call of the disk: before it, in it, and after it, when the
/// store has answered and no actor has received the answer yet.
void run::draw_crashes() {
  const auto count = 1 + random_.next() % 6;
  for (std::uint64_t i = 0; i < count; ++i) {
    incident x;
    x.act = random_.unit() < 0.5 ? incident::what::kill_runtime : incident::what::lose_power;
    const auto at = std::chrono::milliseconds{static_cast<std::int64_t>(random_.unit() * 30'000)};
    switch (random_.next() % 3) {
    case 0: incidents_.emplace(begin_ + at, x); break;
    case 1: crash_at_.insert(1 + random_.next() % 60); break;
    case 2: disk_.lose_power_at(1 + random_.next() % 600); break;
    }
  }
}

void run::draw_pauses() {
  const auto count = 1 + random_.next() % 6;
  for (std::uint64_t i = 0; i < count; ++i) {
    incident x;
    x.act = incident::what::pause_runtime;
    const double longest = static_cast<double>(plan_.pause_max.count());
    x.lasts = std::chrono::milliseconds{static_cast<std::int64_t>(random_.unit() * longest)};
    const auto at = std::chrono::milliseconds{static_cast<std::int64_t>(random_.unit() * 40'000)};
    incidents_.emplace(begin_ + at, x);
  }
}

/// Everything outside of the process goes on, and what it sends waits.
void run::pause(std::chrono::milliseconds lasts) {
  if (paused_until_ || born_again_ || exit_) {
    return;
  }
  log_.info("sim_incident", {{"pause_ms", lasts.count()}});
  paused_until_ = time_.now() + lasts;
  pod_time_.stop();
  http_.stop();
  engines_.reads_again = *paused_until_;
  if (platform_) {
    platform_->unread_until(*paused_until_);
  }
}

void run::go_on() {
  paused_until_.reset();
  engines_.reads_again = moment{};
  pod_time_.go_on();
  http_.go_on(order_);
}

void run::draw_faults() {
  const auto count = 1 + random_.next() % 8;
  for (std::uint64_t i = 0; i < count; ++i) {
    incident x;
    x.act = random_.unit() < 0.6 ? incident::what::kill_engine : incident::what::freeze_engine;
    x.slot = static_cast<std::uint32_t>(random_.next() % plan_.slots);
    const auto at = std::chrono::milliseconds{static_cast<std::int64_t>(random_.unit() * 60'000)};
    incidents_.emplace(begin_ + at, x);
  }
}

} // namespace tayfa::sim
