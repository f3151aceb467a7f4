#include "runtime/engine/scripted.hpp"

#include <algorithm>
#include <limits>

namespace tayfa::engine {

namespace {

std::uint32_t to_ms(std::chrono::nanoseconds time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(ms, 0, std::numeric_limits<std::uint32_t>::max()));
}

} // namespace

void scripted_engine::load(const protocol::load_model& message) {
  const auto now = time_.now();
  load_ = pending_load{message.model, now, now + options_.behavior.load_delay};
  wake(now);
}

void scripted_engine::answer_load(moment now) {
  const auto asked = std::exchange(load_, std::nullopt);
  if (options_.behavior.load_hang) {
    return;
  }
  if (options_.behavior.load_crash) {
    dead_ = true;
    out_.crash();
    return;
  }
  protocol::load_finished answer;
  answer.model = asked->model;
  answer.load_ms = to_ms(now - asked->asked);
  answer.ok = !options_.behavior.load_error.has_value();
  if (!answer.ok) {
    answer.code = static_cast<std::uint16_t>(errc::model_invalid);
    answer.text = *options_.behavior.load_error;
  }
  out_.emit(std::move(answer));
}

void scripted_engine::start(const protocol::assign& message) {
  const auto now = time_.now();
  out_.emit(protocol::started{message.attempt});
  auto plan = plan_script(message.input.view());
  if (!plan) {
    protocol::finished refused;
    refused.attempt = message.attempt;
    refused.how = protocol::outcome::failed;
    refused.code = static_cast<std::uint16_t>(plan.error().code);
    refused.text = std::move(plan.error().text);
    out_.emit(std::move(refused));
    return;
  }
  const auto first = now + plan->steps.front().after;
  runs_.push_back(run{message.attempt, std::move(*plan), 0, now, first});
  wake(now);
}

void scripted_engine::cancel(const attempt_ref& attempt) {
  const auto found =
      std::find_if(runs_.begin(), runs_.end(), [&](const run& r) { return r.attempt == attempt; });
  if (found == runs_.end() || !found->plan.obeys_cancel) {
    return;
  }
  protocol::finished last;
  last.how = protocol::outcome::cancelled;
  finish(static_cast<std::size_t>(found - runs_.begin()), time_.now(), std::move(last));
}

std::optional<moment> scripted_engine::next_wakeup() const {
  std::optional<moment> earliest;
  const auto consider = [&](moment due) {
    if (!earliest || due < *earliest) {
      earliest = due;
    }
  };
  if (load_) {
    consider(load_->due);
  }
  for (const auto& r : runs_) {
    if (r.next < r.plan.steps.size()) {
      consider(r.due);
    }
  }
  return earliest;
}

void scripted_engine::wake(moment now) {
  if (!dead_ && load_ && load_->due <= now) {
    answer_load(now);
  }
  while (!dead_) {
    // Steps of different attempts happen in the order of their times, so a late wake() changes
    // nothing but lateness.
    std::optional<std::size_t> first;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const bool ready = runs_[i].next < runs_[i].plan.steps.size() && runs_[i].due <= now;
      if (ready && (!first || runs_[i].due < runs_[*first].due)) {
        first = i;
      }
    }
    if (!first) {
      return;
    }
    do_step(*first, now);
  }
}

void scripted_engine::do_step(std::size_t index, moment now) {
  auto& r = runs_[index];
  auto step = std::move(r.plan.steps[r.next]);
  ++r.next;
  if (r.next < r.plan.steps.size()) {
    r.due += r.plan.steps[r.next].after;
  }
  protocol::finished last;
  switch (step.what) {
  case scripted_step::action::log:
    out_.emit(protocol::log{r.attempt, step.level, std::move(step.text)});
    return;
  case scripted_step::action::progress:
    out_.emit(protocol::progress{r.attempt, 0, shared_text{std::move(step.text)}});
    return;
  case scripted_step::action::partial:
    out_.emit(protocol::partial{r.attempt, 0, shared_text{std::move(step.text)}});
    return;
  case scripted_step::action::complete:
    last.output = shared_text{std::move(step.text)};
    last.refresh_worker = r.plan.refresh_worker;
    finish(index, now, std::move(last));
    return;
  case scripted_step::action::fail:
    last.how = protocol::outcome::failed;
    last.code = static_cast<std::uint16_t>(step.code);
    last.text = std::move(step.text);
    last.refresh_worker = r.plan.refresh_worker;
    finish(index, now, std::move(last));
    return;
  case scripted_step::action::crash:
    dead_ = true;
    out_.crash();
    return;
  case scripted_step::action::garbage: out_.emit_raw(std::move(step.text)); return;
  case scripted_step::action::hang: return;
  }
}

void scripted_engine::finish(std::size_t index, moment now, protocol::finished last) {
  last.attempt = runs_[index].attempt;
  last.run_ms = to_ms(now - runs_[index].begun);
  runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(index));
  out_.emit(std::move(last));
}

} // namespace tayfa::engine
