#include "runtime/core/supervision.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::supervision {

namespace {

constexpr milliseconds excused_pause_least{1};

/// base * 2^times, at most `most`.
milliseconds doubled(milliseconds base, std::uint32_t times, milliseconds most) {
  auto delay = base;
  for (std::uint32_t i = 0; i < times && delay < most && delay.count() > 0; ++i) {
    delay = std::min(delay * 2, most);
  }
  return std::clamp(delay, milliseconds{0}, std::max(most, milliseconds{0}));
}

} // namespace

milliseconds backoff(const policy& p, std::uint32_t attempt, random_source& random) {
  const auto delay = doubled(p.backoff_base, attempt, p.backoff_max);
  const double spread = 1.0 + p.jitter * (2.0 * random.unit() - 1.0);
  return milliseconds{
      static_cast<milliseconds::rep>(static_cast<double>(delay.count()) * std::max(spread, 0.0))};
}

group::group(policy p, std::vector<child_spec> children, random_source& random)
    : policy_(p), specs_(std::move(children)), random_(random), children_(specs_.size()) {}

child_state group::state(std::size_t index) const {
  return children_.at(index).state;
}

commands group::start(moment now) {
  commands out;
  if (phase_ != phase::fresh) {
    return out;
  }
  phase_ = phase::up;
  for (std::size_t i = 0; i < children_.size(); ++i) {
    run(now, i, out);
  }
  return out;
}

commands group::ended(moment now, std::size_t index, bool normal) {
  commands out;
  if (index >= children_.size()) {
    return out;
  }
  child& c = children_[index];
  if (c.state != child_state::running && c.state != child_state::stopping) {
    return out;
  }
  const bool was_asked = c.state == child_state::stopping;
  switch (phase_) {
  case phase::fresh:
  case phase::done: break; // no child runs
  case phase::up:
  case phase::pausing:
    if (wants_restart(index, normal)) {
      fail(now, index, out);
    } else {
      c.state = child_state::stopped;
    }
    break;
  case phase::clearing:
    if (was_asked) {
      c.state = specs_[index].kind == restart::temporary ? child_state::stopped
                                                         : child_state::backing_off;
      clear_next(out);
    } else if (!wants_restart(index, normal)) {
      c.state = child_state::stopped;
    } else if (index >= first_) {
      c.state = child_state::backing_off;
    } else {
      fail(now, index, out);
    }
    break;
  case phase::abandoning:
  case phase::stopping:
    c.state = child_state::stopped;
    stop_next(out);
    break;
  }
  return out;
}

commands group::refreshed(moment now, std::size_t index) {
  commands out;
  if (index >= children_.size() || !alone() || phase_ != phase::up ||
      children_[index].state != child_state::running) {
    return ended(now, index, true);
  }
  ++restarts_;
  run(now, index, out);
  return out;
}

commands group::excused(moment now, std::size_t index, bool worked) {
  commands out;
  if (index >= children_.size() || !alone() || phase_ != phase::up ||
      children_[index].state != child_state::running || !wants_restart(index, false)) {
    return ended(now, index, false);
  }
  child& c = children_[index];
  record_life(now, c, c.past);
  c.past.excuses = worked ? 0 : c.past.excuses + 1;
  if (c.past.excuses <= policy_.intensity) {
    ++restarts_;
    run(now, index, out);
    return out;
  }
  c.state = child_state::backing_off;
  const auto life = std::chrono::ceil<milliseconds>(now - c.started);
  later(index,
        std::clamp(life, excused_pause_least,
                   std::max(excused_pause_least, backoff(policy_, 0, random_))),
        out);
  return out;
}

commands group::due(moment now, std::size_t index, std::uint64_t ticket) {
  commands out;
  if (index >= children_.size() || children_[index].ticket != ticket ||
      (children_[index].state != child_state::backing_off &&
       children_[index].state != child_state::quarantined)) {
    return out;
  }
  if (alone() && phase_ == phase::up) {
    ++restarts_;
    run(now, index, out);
  } else if (phase_ == phase::pausing && ticket == tickets_) { // a widened restart has a newer one
    ++restarts_;
    phase_ = phase::up;
    for (std::size_t i = 0; i < children_.size(); ++i) {
      if (children_[i].state == child_state::backing_off) {
        run(now, i, out);
      }
    }
  }
  return out;
}

commands group::stop(moment) {
  commands out;
  if (phase_ == phase::stopping) {
    return out;
  }
  if (phase_ == phase::done) {
    out.emplace_back(all_stopped{});
    return out;
  }
  phase_ = phase::stopping;
  for (auto& c : children_) {
    if (c.state == child_state::backing_off || c.state == child_state::waiting ||
        c.state == child_state::quarantined) {
      c.state = child_state::stopped;
    }
  }
  stop_next(out);
  return out;
}

// ---- failures -----------------------------------------------------------------------------------

bool group::wants_restart(std::size_t index, bool normal) const {
  switch (specs_[index].kind) {
  case restart::permanent: return true;
  case restart::transient: return !normal;
  case restart::temporary: return false;
  }
  return false;
}

bool group::within_intensity(moment now, history& past) {
  while (!past.restarts.empty() && now - past.restarts.front() >= policy_.period) {
    past.restarts.pop_front();
  }
  if (past.restarts.size() >= policy_.intensity) {
    return false;
  }
  past.restarts.push_back(now);
  return true;
}

error group::why_given_up(std::size_t index) const {
  return error{errc::restart_intensity, specs_[index].name + ": more than " +
                                            std::to_string(policy_.intensity) + " restarts in " +
                                            std::to_string(policy_.period.count()) + " ms"};
}

/// A child that is to be restarted has ended.
void group::fail(moment now, std::size_t index, commands& out) {
  child& c = children_[index];
  history& past = alone() ? c.past : past_;
  record_life(now, c, past);
  // After a quarantine there is one try.
  if (past.quarantines == 0 && within_intensity(now, past)) {
    c.state = child_state::backing_off;
    if (alone()) {
      restart_one(index, past, out);
      return;
    }
    // In a restart that is already under way only an earlier child can fail: it widens it.
    first_ = policy_.how == strategy::one_for_all ? 0 : index;
    phase_ = phase::clearing;
    clear_next(out);
    return;
  }
  if (alone() && policy_.quarantine_base.count() > 0) {
    quarantine(index, past, out);
    return;
  }
  c.state = child_state::given_up;
  if (alone()) {
    out.emplace_back(gave_up{index, why_given_up(index)});
    return;
  }
  abandoned_ = index;
  phase_ = phase::abandoning;
  for (auto& other : children_) {
    if (other.state == child_state::backing_off) {
      other.state = child_state::stopped;
    }
  }
  stop_next(out);
}

/// A child that lived healthy has shown that what was held against it is over.
void group::record_life(moment now, const child& c, history& past) const {
  if (now - c.started >= policy_.healthy_after) {
    past.failures = 0;
    past.quarantines = 0;
  }
}

void group::later(std::size_t index, milliseconds after, commands& out) {
  children_[index].ticket = ++tickets_;
  out.emplace_back(start_later{index, after, tickets_});
}

void group::restart_one(std::size_t index, history& past, commands& out) {
  later(index, backoff(policy_, past.failures++, random_), out);
}

void group::quarantine(std::size_t index, history& past, commands& out) {
  const auto time = doubled(policy_.quarantine_base, past.quarantines++, policy_.quarantine_max);
  children_[index].state = child_state::quarantined;
  out.emplace_back(quarantined{index, why_given_up(index), time});
  later(index, time, out);
}

void group::run(moment now, std::size_t index, commands& out) {
  children_[index].state = child_state::running;
  children_[index].started = now;
  out.emplace_back(start_child{index});
}

// ---- stopping in reverse order ------------------------------------------------------------------

bool group::awaits_end() const {
  return std::any_of(children_.begin(), children_.end(),
                     [](const child& c) { return c.state == child_state::stopping; });
}

/// The next step of a group restart: stop the last affected child that runs, or, when none does,
/// begin the backoff.
void group::clear_next(commands& out) {
  if (awaits_end()) {
    return;
  }
  for (std::size_t i = children_.size(); i-- > first_;) {
    if (children_[i].state == child_state::running) {
      children_[i].state = child_state::stopping;
      out.emplace_back(stop_child{i, specs_[i].stop_timeout});
      return;
    }
  }
  for (std::size_t i = first_; i < children_.size(); ++i) {
    if (children_[i].state == child_state::backing_off) {
      phase_ = phase::pausing;
      restart_one(i, past_, out);
      return;
    }
  }
  phase_ = phase::up; // no child is left to restart
}

/// The next step of stop(), or of giving up.
void group::stop_next(commands& out) {
  if (awaits_end()) {
    return;
  }
  for (std::size_t i = children_.size(); i-- > 0;) {
    if (children_[i].state == child_state::running) {
      children_[i].state = child_state::stopping;
      out.emplace_back(stop_child{i, specs_[i].stop_timeout});
      return;
    }
  }
  if (abandoned_) {
    out.emplace_back(gave_up{*abandoned_, why_given_up(*abandoned_)});
    abandoned_.reset();
  }
  if (phase_ == phase::stopping) {
    out.emplace_back(all_stopped{});
  }
  phase_ = phase::done;
}

} // namespace tayfa::supervision
