#include "runtime/engine/scripted.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace tayfa::engine {

namespace {

using std::chrono::nanoseconds;

/// In a script's own time, before the device's time_factor.
constexpr nanoseconds step_of_progress = std::chrono::milliseconds{100};

std::uint32_t to_ms(nanoseconds time) {
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
  const auto& bad = options_.behavior.bad_models;
  const bool faulty = bad.empty() || std::find(bad.begin(), bad.end(), asked->model) != bad.end();
  if (faulty && options_.behavior.load_hang) {
    return;
  }
  if (faulty && options_.behavior.load_crash) {
    dead_ = true;
    out_.crash();
    return;
  }
  protocol::load_finished answer;
  answer.model = asked->model;
  answer.load_ms = to_ms(now - asked->asked);
  answer.ok = !faulty || !options_.behavior.load_error.has_value();
  if (!answer.ok) {
    answer.code = static_cast<std::uint16_t>(errc::model_invalid);
    answer.text = *options_.behavior.load_error;
  }
  out_.emit(std::move(answer));
}

void scripted_engine::start(const protocol::assign& message) {
  start_batch({message});
}

void scripted_engine::start_batch(const std::vector<protocol::assign>& members) {
  const auto now = time_.now();
  if (is().one_run_at_a_time()) {
    queue_.push_back(members);
    begin_waiting(now);
  } else {
    begin(members, now);
  }
  wake(now);
}

void scripted_engine::begin_waiting(moment now) {
  while (is().one_run_at_a_time() && runs_.empty() && !queue_.empty()) {
    const auto members = std::move(queue_.front());
    queue_.pop_front();
    begin(members, now);
  }
}

void scripted_engine::begin(const batch_of& members, moment now) {
  ++batches_;
  std::vector<scripted_plan> plans;
  std::vector<attempt_ref> planned;
  for (const auto& member : members) {
    out_.emit(protocol::started{member.attempt});
    auto plan = plan_script(member.input.view());
    if (plan) {
      plans.push_back(std::move(*plan));
      planned.push_back(member.attempt);
    } else {
      refuse(member.attempt, std::move(plan.error()));
    }
  }
  if (is().oom_above != 0 && planned.size() > is().oom_above) {
    for (const auto& attempt : planned) {
      refuse(attempt, {errc::gpu_oom, "no memory for " + std::to_string(planned.size())});
    }
    return;
  }
  if (plans.size() > 1) {
    end_together(plans);
  }
  const double more = plans.empty() ? 0 : static_cast<double>(plans.size() - 1);
  const double factor = is().time_factor * (1 + is().member_cost * more);
  const auto stretched = [factor](nanoseconds time) {
    return nanoseconds{std::llround(static_cast<double>(time.count()) * factor)};
  };
  for (std::size_t i = 0; i < plans.size(); ++i) {
    for (auto& step : plans[i].steps) {
      step.after = stretched(step.after);
    }
    const auto first = now + plans[i].steps.front().after;
    runs_.push_back(run{planned[i], std::move(plans[i]), 0, now, first, batches_,
                        stretched(step_of_progress), nanoseconds{0}});
  }
}

void scripted_engine::refuse(const attempt_ref& attempt, error why) {
  protocol::finished refused;
  refused.attempt = attempt;
  refused.how = protocol::outcome::failed;
  refused.code = static_cast<std::uint16_t>(why.code);
  refused.text = std::move(why.text);
  out_.emit(std::move(refused));
}

void scripted_engine::cancel(const attempt_ref& attempt) {
  protocol::finished last;
  last.attempt = attempt;
  last.how = protocol::outcome::cancelled;
  for (auto& waiting : queue_) {
    if (std::erase_if(waiting, [&](const auto& m) { return m.attempt == attempt; }) != 0) {
      out_.emit(std::move(last));
      return;
    }
  }
  const auto found =
      std::find_if(runs_.begin(), runs_.end(), [&](const run& r) { return r.attempt == attempt; });
  if (found == runs_.end() || !found->plan.obeys_cancel) {
    return;
  }
  const auto now = time_.now();
  finish(static_cast<std::size_t>(found - runs_.begin()), now, std::move(last));
  wake(now);
}

std::uint32_t scripted_engine::running() const {
  auto count = runs_.size();
  for (const auto& waiting : queue_) {
    count += waiting.size();
  }
  return static_cast<std::uint32_t>(count);
}

// ---- progress -------------------------------------------------------------------------------

std::uint64_t scripted_engine::steps_of(const run& r, moment now) const {
  auto done = r.done;
  if (r.next < r.plan.steps.size()) {
    const auto& step = r.plan.steps[r.next];
    done += std::clamp<nanoseconds>(now - (r.due - step.after), nanoseconds{0}, step.after);
  }
  return static_cast<std::uint64_t>(done / std::max(r.step, nanoseconds{1}));
}

std::uint64_t scripted_engine::steps_of(const attempt_ref& attempt) const {
  for (const auto& r : runs_) {
    if (r.attempt == attempt) {
      return steps_of(r, time_.now());
    }
  }
  return 0;
}

std::uint64_t scripted_engine::steps() const {
  const auto now = time_.now();
  auto sum = steps_done_;
  for (const auto& r : runs_) {
    sum += steps_of(r, now);
  }
  return sum;
}

// ---- time -----------------------------------------------------------------------------------

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
    // Steps of different attempts run in the order of their times, so a late wake() only delays
    // them.
    std::optional<std::size_t> first;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const bool ready = runs_[i].next < runs_[i].plan.steps.size() && runs_[i].due <= now;
      if (ready && (!first || runs_[i].due < runs_[*first].due)) {
        first = i;
      }
    }
    if (first) {
      do_step(*first, now);
    } else if (runs_.empty() && !queue_.empty()) {
      begin_waiting(now);
    } else {
      return;
    }
  }
}

void scripted_engine::do_step(std::size_t index, moment now) {
  auto& r = runs_[index];
  auto step = std::move(r.plan.steps[r.next]);
  ++r.next;
  r.done += step.after;
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
    if (step.code == errc::gpu_oom) {
      fail_batch(r.batch, now, step);
      return;
    }
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
  steps_done_ += steps_of(runs_[index], now);
  runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(index));
  out_.emit(std::move(last));
}

/// The device lacked memory for the batch: no member gets a result.
void scripted_engine::fail_batch(std::uint64_t batch, moment now, const scripted_step& step) {
  for (std::size_t i = 0; i < runs_.size();) {
    if (runs_[i].batch != batch) {
      ++i;
      continue;
    }
    protocol::finished last;
    last.how = protocol::outcome::failed;
    last.code = static_cast<std::uint16_t>(step.code);
    last.text = step.text;
    last.refresh_worker = runs_[i].plan.refresh_worker;
    finish(i, now, std::move(last));
  }
}

} // namespace tayfa::engine
