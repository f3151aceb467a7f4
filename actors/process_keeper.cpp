#include "actors/process_keeper.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

namespace tayfa {

namespace {
constexpr std::chrono::milliseconds signal_grace_least{100};
}

process_keeper::process_keeper(engine_host& host, worker_ref worker,
                               std::chrono::milliseconds stop_grace, arming arm)
    : host_(host), worker_(worker), grace_(stop_grace), arm_(std::move(arm)) {}

void process_keeper::start(engine_spec spec, engine_sink sink) {
  gone_ = false;
  host_.start(std::move(spec), std::move(sink));
}

void process_keeper::send(protocol::downstream message) {
  host_.send(worker_, std::move(message));
}

void process_keeper::limit(std::chrono::milliseconds span) {
  limit_ticket_ = arm_(span, timer::limit);
}

void process_keeper::end_politely(bool connected) {
  if (connected) {
    send(protocol::shutdown{});
    arm_(grace_, timer::stop_step);
  } else {
    step_down();
  }
}

void process_keeper::end_by_force() {
  next_ = step::kill;
  step_down();
}

bool process_keeper::step_down() {
  switch (next_) {
  case step::terminate:
    host_.kill(worker_, SIGTERM);
    next_ = step::kill;
    break;
  case step::kill:
    host_.kill(worker_, SIGKILL);
    next_ = step::give_up;
    break;
  case step::give_up: gone_ = true; return false;
  }
  arm_(std::max(grace_, signal_grace_least), timer::stop_step);
  return true;
}

void process_keeper::abandon() {
  if (!std::exchange(gone_, true)) {
    host_.kill(worker_, SIGKILL);
  }
}

} // namespace tayfa
