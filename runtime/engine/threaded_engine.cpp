#include "runtime/engine/threaded_engine.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace tayfa::engine {

namespace {

constexpr std::size_t events_max = 1024;

std::uint32_t to_ms(std::chrono::nanoseconds time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(ms, 0, std::numeric_limits<std::uint32_t>::max()));
}

} // namespace

/// What a run says, as events of its attempt.
class threaded_engine::events_of_run final : public run_events {
 public:
  events_of_run(threaded_engine& owner, attempt_ref attempt)
      : owner_(owner), attempt_(std::move(attempt)) {}
  void progress(std::string json) override {
    owner_.push(protocol::progress{attempt_, 0, shared_text{std::move(json)}});
  }
  void partial(std::string json) override {
    owner_.push(protocol::partial{attempt_, 0, shared_text{std::move(json)}});
  }
  void log(std::uint8_t level, std::string text) override {
    owner_.push(protocol::log{attempt_, level, std::move(text)});
  }

 private:
  threaded_engine& owner_;
  attempt_ref attempt_;
};

threaded_engine::threaded_engine(sink& out, const time_source& time,
                                 std::unique_ptr<blocking_model> model)
    : out_(out), time_(time), model_(std::move(model)), kind_(model_->kind()),
      device_(model_->device()), wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (wake_fd_ < 0) {
    throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  thread_ = std::thread([this] { compute(); });
}

threaded_engine::~threaded_engine() {
  if (current_cancel_) {
    current_cancel_->request();
  }
  {
    const std::lock_guard guard{mutex_};
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
  ::close(wake_fd_);
}

// ---- the session's thread -------------------------------------------------------------------

void threaded_engine::give(command c) {
  {
    const std::lock_guard guard{mutex_};
    command_ = std::move(c);
  }
  changed_.notify_all();
}

void threaded_engine::load(const protocol::load_model& message) {
  give(message);
}

void threaded_engine::start(const protocol::assign& message) {
  current_ = message.attempt;
  current_cancel_ = std::make_shared<cancel_token>();
  give(job{message, current_cancel_});
}

void threaded_engine::cancel(const attempt_ref& attempt) {
  if (current_ == attempt) {
    current_cancel_->request();
  }
}

void threaded_engine::wake(moment) {
  std::uint64_t count = 0;
  (void)!::read(wake_fd_, &count, sizeof count);
  std::deque<protocol::upstream> events;
  {
    const std::lock_guard guard{mutex_};
    events.swap(events_);
  }
  changed_.notify_all();
  for (auto& event : events) {
    if (std::holds_alternative<protocol::finished>(event)) {
      current_.reset();
      current_cancel_.reset();
    }
    out_.emit(std::move(event));
  }
}

// ---- the compute thread ---------------------------------------------------------------------

void threaded_engine::push(protocol::upstream event) {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return stop_ || events_.size() < events_max; });
  if (stop_) {
    return;
  }
  events_.push_back(std::move(event));
  const bool first = events_.size() == 1;
  lock.unlock();
  if (first) {
    const std::uint64_t one = 1;
    (void)!::write(wake_fd_, &one, sizeof one);
  }
}

void threaded_engine::compute() noexcept {
  try {
    for (;;) {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return stop_ || command_.has_value(); });
      if (stop_) {
        return;
      }
      const auto next = std::move(*command_);
      command_.reset();
      lock.unlock();
      if (const auto* load = std::get_if<protocol::load_model>(&next)) {
        do_load(*load);
      } else {
        do_run(std::get<job>(next));
      }
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "tayfa-engine: the model threw: %s\n", e.what());
  } catch (...) {
    std::fprintf(stderr, "tayfa-engine: the model threw something that is no std::exception\n");
  }
  std::abort();
}

void threaded_engine::do_load(const protocol::load_model& message) {
  const auto report = model_->load(message);
  protocol::load_finished answer;
  answer.model = message.model;
  answer.ok = report.has_value();
  if (report) {
    answer.load_ms = report->load_ms;
    answer.warm_up_ms = report->warm_up_ms;
  } else {
    answer.code = static_cast<std::uint16_t>(report.error().code);
    answer.text = report.error().text;
  }
  push(std::move(answer));
}

void threaded_engine::do_run(const job& j) {
  const auto begun = time_.now();
  const auto& attempt = j.message.attempt;
  push(protocol::started{attempt});
  events_of_run events{*this, attempt};
  auto output = j.cancelled->requested()
                    ? fail(errc::cancelled)
                    : model_->run(j.message.model, j.message.input.view(), *j.cancelled, events);
  protocol::finished last;
  last.attempt = attempt;
  last.run_ms = to_ms(time_.now() - begun);
  if (output) {
    last.output = shared_text{std::move(*output)};
  } else if (output.error().code == errc::cancelled && j.cancelled->requested()) {
    last.how = protocol::outcome::cancelled;
  } else {
    last.how = protocol::outcome::failed;
    last.code = static_cast<std::uint16_t>(output.error().code);
    last.text = std::move(output.error().text);
  }
  push(std::move(last));
}

} // namespace tayfa::engine
