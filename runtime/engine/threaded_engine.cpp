#include "runtime/engine/threaded_engine.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <stdexcept>

namespace tayfa::engine {

namespace {

constexpr std::size_t events_max = 1024;
constexpr std::uint8_t warn_level = 2;

std::uint32_t to_ms(std::chrono::nanoseconds time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(ms, 0, std::numeric_limits<std::uint32_t>::max()));
}

} // namespace

/// Forwards a run's reports as events of its attempt.
class threaded_engine::events_of_run final : public run_events {
 public:
  events_of_run(threaded_engine& owner, const member& m)
      : owner_(owner), attempt_(m.message.attempt), state_(*m.state) {}
  void progress(std::string json) override {
    owner_.push(protocol::progress{attempt_, 0, shared_text{std::move(json)}});
  }
  void partial(std::string json) override {
    owner_.push(protocol::partial{attempt_, 0, shared_text{std::move(json)}});
  }
  void log(std::uint8_t level, std::string text) override {
    owner_.push(protocol::log{attempt_, level, std::move(text)});
  }
  void step() override {
    state_.steps.fetch_add(1, std::memory_order_relaxed);
    owner_.steps_.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  threaded_engine& owner_;
  attempt_ref attempt_;
  attempt_state& state_;
};

threaded_engine::threaded_engine(sink& out, const time_source& time,
                                 std::unique_ptr<blocking_model> model)
    : out_(out), time_(time), model_(std::move(model)), kind_(model_->kind()),
      device_(model_->device()), memory_bytes_(model_->memory_bytes()),
      counts_steps_(model_->counts_steps()),
      batch_max_(std::max<std::uint32_t>(1, model_->batch_max())) {
  thread_ = std::thread([this] { compute(); });
}

threaded_engine::~threaded_engine() {
  for (const auto& [attempt, state] : attempts_) {
    state->cancelled.request();
  }
  {
    const std::lock_guard guard{mutex_};
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

// ---- the session's thread -------------------------------------------------------------------

void threaded_engine::give(command c) {
  {
    const std::lock_guard guard{mutex_};
    queue_.push_back(std::move(c));
  }
  changed_.notify_all();
}

void threaded_engine::load(const protocol::load_model& message) {
  give(message);
}

threaded_engine::member threaded_engine::take(const protocol::assign& message) {
  auto state = std::make_shared<attempt_state>();
  attempts_.insert_or_assign(message.attempt, state);
  return {message, std::move(state)};
}

void threaded_engine::start(const protocol::assign& message) {
  give(batch{take(message)});
}

void threaded_engine::start_batch(const std::vector<protocol::assign>& messages) {
  batch members;
  members.reserve(messages.size());
  for (const auto& message : messages) {
    members.push_back(take(message));
  }
  give(std::move(members));
}

void threaded_engine::cancel(const attempt_ref& attempt) {
  const auto found = attempts_.find(attempt);
  if (found == attempts_.end()) {
    return;
  }
  found->second->cancelled.request();
  if (withdraw(attempt)) {
    attempts_.erase(found);
    protocol::finished last;
    last.attempt = attempt;
    last.how = protocol::outcome::cancelled;
    out_.emit(std::move(last));
  }
}

/// Removes an attempt from the queue; false when its run has begun.
bool threaded_engine::withdraw(const attempt_ref& attempt) {
  const std::lock_guard guard{mutex_};
  for (auto& waiting : queue_) {
    auto* members = std::get_if<batch>(&waiting);
    if (members != nullptr && std::erase_if(*members, [&](const member& m) {
                                return m.message.attempt == attempt;
                              }) != 0) {
      return true;
    }
  }
  return false;
}

void threaded_engine::use_threads(std::uint32_t count) {
  give(protocol::use_threads{count});
}

std::uint64_t threaded_engine::steps_of(const attempt_ref& attempt) const {
  const auto found = attempts_.find(attempt);
  return found == attempts_.end() ? 0 : found->second->steps.load(std::memory_order_relaxed);
}

void threaded_engine::wake(moment) {
  settle_down(wakeup_);
  std::deque<protocol::upstream> events;
  {
    const std::lock_guard guard{mutex_};
    events.swap(events_);
  }
  changed_.notify_all();
  for (auto& event : events) {
    if (const auto* last = std::get_if<protocol::finished>(&event)) {
      attempts_.erase(last->attempt);
    } else if (const auto* load = std::get_if<protocol::load_finished>(&event);
               load != nullptr && load->ok) {
      batch_max_ = std::max<std::uint32_t>(1, load->batch_max);
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
    wake_up(wakeup_);
  }
}

void threaded_engine::compute() noexcept {
  try {
    for (;;) {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
      if (stop_) {
        return;
      }
      const auto next = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      if (const auto* load = std::get_if<protocol::load_model>(&next)) {
        do_load(*load);
      } else if (const auto* threads = std::get_if<protocol::use_threads>(&next)) {
        model_->use_threads(threads->count);
      } else {
        do_run(std::get<batch>(next));
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
    for (const auto& text : report->warnings) {
      push(protocol::log{{}, warn_level, text});
    }
    answer.load_ms = report->load_ms;
    answer.warm_up_ms = report->warm_up_ms;
    answer.batch_max = model_->batch_max();
  } else {
    answer.code = static_cast<std::uint16_t>(report.error().code);
    answer.text = report.error().text;
  }
  push(std::move(answer));
}

void threaded_engine::do_run(const batch& members) {
  if (members.empty()) {
    return; // all were cancelled while queued
  }
  const auto begun = time_.now();
  std::deque<events_of_run> events;
  std::vector<run_member> run;
  for (const auto& m : members) {
    push(protocol::started{m.message.attempt});
    run.push_back({m.message.input.view(), m.state->cancelled, events.emplace_back(*this, m)});
  }
  auto outputs = model_->run_batch(members.front().message.model, run);
  if (outputs.size() != members.size()) {
    throw std::logic_error{"a batch of " + std::to_string(members.size()) + " gave " +
                           std::to_string(outputs.size()) + " results"};
  }
  const auto run_ms = to_ms(time_.now() - begun);
  for (std::size_t i = 0; i < members.size(); ++i) {
    protocol::finished last;
    last.attempt = members[i].message.attempt;
    last.run_ms = run_ms;
    auto& output = outputs[i];
    if (output) {
      last.output = shared_text{std::move(*output)};
    } else if (output.error().code == errc::cancelled && members[i].state->cancelled.requested()) {
      last.how = protocol::outcome::cancelled;
    } else {
      last.how = protocol::outcome::failed;
      last.code = static_cast<std::uint16_t>(output.error().code);
      last.text = std::move(output.error().text);
    }
    push(std::move(last));
  }
}

} // namespace tayfa::engine
