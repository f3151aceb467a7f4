#include "actors/child_keeper.hpp"

#include <algorithm>

namespace tayfa {

child_keeper::child_keeper(caf::local_actor* owner, pod_context ctx, supervision::policy policy,
                           std::vector<supervision::child_spec> specs, hooks h, judge j)
    : owner_(owner), ctx_(ctx), group_(policy, specs, ctx.outside.random), hooks_(std::move(h)),
      judge_(std::move(j)), children_(specs.size()) {}

void child_keeper::start() {
  execute(group_.start(now()));
}

void child_keeper::stop() {
  execute(group_.stop(now()));
}

void child_keeper::kill_all() {
  for (const auto& child : children_) {
    kill(child);
  }
}

bool child_keeper::down(const caf::down_msg& m) {
  const auto it = std::find_if(children_.begin(), children_.end(), [&](const auto& child) {
    return child && child->address() == m.source;
  });
  if (it == children_.end()) {
    return false;
  }
  const auto index = static_cast<std::size_t>(it - children_.begin());
  *it = nullptr;
  const auto how = judge_(m.reason);
  if (how != end::normal && how != end::refresh) {
    ctx_.outside.log.warn("child_failed", {{"child", group_.children()[index].name},
                                           {"reason", caf::to_string(m.reason)}});
  }
  switch (how) {
  case end::refresh: execute(group_.refreshed(now(), index)); break;
  case end::excused: execute(group_.excused(now(), index, false)); break;
  case end::excused_after_work: execute(group_.excused(now(), index, true)); break;
  case end::normal: execute(group_.ended(now(), index, true)); break;
  case end::failed: execute(group_.ended(now(), index, false)); break;
  }
  return true;
}

void child_keeper::timed(std::uint64_t ticket) {
  const auto node = alarms_.extract(ticket);
  if (node.empty()) {
    return;
  }
  const auto& a = node.mapped();
  if (!a.victim) {
    execute(group_.due(now(), a.index, a.order_ticket));
  } else if (children_[a.index] == a.victim) {
    ctx_.outside.log.warn("child_killed", {{"child", group_.children()[a.index].name}});
    kill(a.victim);
  }
}

void child_keeper::replace(const std::string& name) {
  for (std::size_t i = 0; i < children_.size(); ++i) {
    if (children_[i] && group_.children()[i].name == name) {
      ctx_.outside.log.error("child_stuck", {{"child", name}});
      kill(children_[i]);
    }
  }
}

void child_keeper::execute(supervision::commands all) {
  for (const auto& command : all) {
    std::visit([this](const auto& one) { execute_one(one); }, command);
  }
  if (std::exchange(fresh_, false)) {
    hooks_.started();
  }
}

void child_keeper::execute_one(const supervision::start_child& o) {
  children_[o.index] = hooks_.start(o.index);
  if (!children_[o.index]) {
    execute(group_.ended(now(), o.index, false));
    return;
  }
  owner_->monitor(children_[o.index]);
  fresh_ = true;
}

void child_keeper::execute_one(const supervision::start_later& o) {
  ctx_.outside.log.info("child_restart", {{"child", group_.children()[o.index].name},
                                          {"in_ms", o.after.count()},
                                          {"restarts", group_.restarts()}});
  alarms_[++next_alarm_] = alarm{o.index, o.ticket, nullptr};
  hooks_.later(o.after, next_alarm_);
}

void child_keeper::execute_one(const supervision::stop_child& o) {
  const auto& child = children_[o.index];
  if (!child) {
    return; // its down message is on the way
  }
  caf::anon_send_exit(child, caf::exit_reason::user_shutdown);
  alarms_[++next_alarm_] = alarm{o.index, 0, child};
  hooks_.later(o.timeout, next_alarm_);
}

void child_keeper::execute_one(const supervision::gave_up& o) {
  hooks_.gave_up(o.index, o.why);
}

void child_keeper::execute_one(const supervision::quarantined& o) {
  hooks_.quarantined(o.index, o.why, o.time);
}

void child_keeper::execute_one(const supervision::all_stopped&) {
  hooks_.all_stopped();
}

void child_keeper::kill(const caf::strong_actor_ptr& child) {
  if (child) {
    // High priority: an exit of normal priority waits behind everything in the mailbox.
    caf::anon_send<caf::message_priority::high>(
        caf::actor_cast<caf::actor>(child),
        caf::exit_msg{child->address(), caf::exit_reason::kill});
  }
}

} // namespace tayfa
