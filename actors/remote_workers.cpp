#include "actors/remote_workers.hpp"

namespace tayfa {

std::shared_ptr<remote::worker_registry> make_worker_registry(const config& knobs) {
  remote::registry_limits limits;
  limits.ping_interval = knobs.workers_ping_interval;
  limits.missed = knobs.workers_missed;
  limits.hold = knobs.workers_hold;
  limits.workers_max = knobs.workers_max;
  return std::make_shared<remote::worker_registry>(limits);
}

remote_workers::remote_workers(caf::actor_config& cfg, pod_context ctx,
                               std::shared_ptr<remote::worker_registry> registry)
    : remote_workers_actor::base(cfg), ctx_(ctx), registry_(std::move(registry)),
      refused_counted_(registry_->refused()) {
  guard(this, ctx_.outside.log);
  set_exit_handler([this](caf::exit_msg& m) {
    if (m.reason != caf::exit_reason::kill) {
      obey(registry_->close()); // no poll shall end with an error because the pod stops
    }
    quit(m.reason);
  });
}

remote_workers::behavior_type remote_workers::make_behavior() {
  left_over_ = registry_->owner_restarted(now());
  return alone();
}

void remote_workers::on_exit() {
  replies_.clear();
  directory_ = actor_directory{};
}

remote_workers::behavior_type remote_workers::alone() {
  return state_of<behavior_type>(
      std::tuple{}, postponed<worker_call, pod_moved, ask_health, list_workers>(),
      ignored<unclaimed_attempts, assign_attempts, revoke_attempt, change_worker_model,
              poll_settled, timer>(),
      [this](const actor_directory& m) { on_directory(m); }, present());
}

/// The queue is asked what the workers may still have: no call is served before that is known.
remote_workers::behavior_type remote_workers::asking() {
  return state_of<behavior_type>(
      std::tuple{},
      postponed<worker_call, pod_moved, ask_health, list_workers, assign_attempts, revoke_attempt,
                poll_settled, timer>(),
      ignored<change_worker_model>(), [this](const actor_directory& m) { on_directory(m); },
      [this](const unclaimed_attempts& m) {
        if (current_sender() == caf::actor_cast<caf::strong_actor_ptr>(directory_.queue)) {
          registry_->unclaimed(m.value);
          become(open());
          after();
        }
      },
      present());
}

remote_workers::behavior_type remote_workers::open() {
  return state_of<behavior_type>(
      std::tuple{}, [this](const worker_call& m) { serve(m); },
      [this](const assign_attempts& m) {
        obey(registry_->assigned(now(), m.worker, m.hand_over, m.bodies));
        after();
      },
      [this](const revoke_attempt& m) {
        obey(registry_->revoked(now(), m.worker, m.attempt));
        after();
      },
      [this](const unclaimed_attempts& m) {
        // Another head's jobs were adopted. An earlier queue's message means nothing.
        if (current_sender() == caf::actor_cast<caf::strong_actor_ptr>(directory_.queue)) {
          registry_->unclaimed(m.value);
          after();
        }
      },
      ignored<change_worker_model>(), // a remote worker chooses its own model
      [this](const poll_settled& m) { settled(m); }, [this](const pod_moved& m) { pod(m); },
      [this](const actor_directory& m) { on_directory(m); },
      when_due(this, ctx_.outside.time, [this](const due_timer& m) { timed(m); }),
      [this](const ask_health&) {
        const auto n = registry_->count();
        return health_answer{0, n.idle, n.running, n.unhealthy};
      },
      [this](const list_workers&) { return workers_answer{registry_->summaries(now())}; },
      present());
}

// ---- calls of the workers ----------------------------------------------------------------------

void remote_workers::serve(const worker_call& m) {
  std::visit([&](const auto& call) { on(call, m.answer); }, m.call);
  after();
}

void remote_workers::on(const api::take_jobs& call, const reply_ptr& answer) {
  const auto poll = ++polls_;
  replies_[poll] = answer;
  obey(registry_->take(now(), poll, call));
  wait_for_answer(poll);
}

void remote_workers::on(const api::poll_stops& call, const reply_ptr& answer) {
  const auto poll = ++polls_;
  replies_[poll] = answer;
  obey(registry_->poll_stops(now(), poll, call));
  wait_for_answer(poll);
}

/// Watches the client of a poll that is still open, so that its leaving is noticed.
void remote_workers::wait_for_answer(remote::poll_id poll) {
  const auto entry = replies_.find(poll);
  if (entry == replies_.end()) {
    return;
  }
  entry->second->when_gone([poll, me = caf::actor_cast<remote_workers_actor>(this)] {
    caf::anon_send(me, poll_settled{poll_settled::gone{poll}});
  });
}

void remote_workers::on(const api::worker_ping& call, const reply_ptr& answer) {
  auto v = registry_->ping(now(), call);
  obey(std::move(v.then));
  answer->send(v.answer || v.answer.error().code != errc::forbidden
                   ? api::noted()
                   : api::refuse(v.answer.error()));
}

void remote_workers::on(const api::worker_result& call, const reply_ptr& answer) {
  answer_post(call.from, call.job, registry_->posted(now(), call), answer);
}

void remote_workers::on(const api::worker_chunk& call, const reply_ptr& answer) {
  answer_post(call.from, call.job, registry_->streamed(now(), call), answer);
}

void remote_workers::answer_post(const api::worker_place& from, const std::string& job,
                                 remote::worker_registry::verdict v, const reply_ptr& answer) {
  obey(std::move(v.then));
  if (v.answer && v.when_durable) {
    const auto fail = [answer](const error& why) { answer->send(api::refuse(why)); };
    request(directory_.queue, caf::infinite, await_durable{})
        .then(
            [this, from, job, answer, fail](const durable_answer& m) {
              if (m.how) {
                registry_->settled(from, job);
                answer->send(api::noted());
              } else {
                fail(m.how.error());
              }
            },
            [fail](const caf::error&) {
              fail({errc::unavailable, "the result is not stored; send it again"});
            });
    return;
  }
  if (v.answer) {
    answer->send(api::noted());
    return;
  }
  ctx_.outside.log.info("remote_post_refused", {{"endpoint", from.endpoint},
                                                {"name", from.worker},
                                                {"job", job},
                                                {"text", v.answer.error().text}});
  answer->send(api::refuse(v.answer.error()));
}

void remote_workers::settled(const poll_settled& m) {
  if (const auto* left = std::get_if<poll_settled::left>(&m.what)) {
    obey(registry_->left(now(), left->poll, left->whole));
  } else {
    const auto poll = std::get<poll_settled::gone>(m.what).poll;
    replies_.erase(poll);
    obey(registry_->gone(now(), poll));
  }
  after();
}

// ---- the pod -----------------------------------------------------------------------------------

void remote_workers::pod(const pod_moved& m) {
  if (m.state == pod_state::READY || m.state == pod_state::RUNNING) {
    obey(registry_->serve(now()));
  } else if (m.state == pod_state::STOPPING) {
    obey(registry_->stop(now()));
  }
  after();
}

void remote_workers::on_directory(const actor_directory& m) {
  const bool first = !directory_.queue;
  const bool new_queue = m.queue != directory_.queue;
  directory_ = m;
  if (first) {
    obey(std::exchange(left_over_, {}));
  } else if (new_queue) {
    obey(registry_->queue_restarted(now()));
  }
  if (new_queue) {
    become(asking());
    send(directory_.queue, ask_unclaimed{});
  }
  after();
}

void remote_workers::timed(const due_timer& m) {
  if (m.ticket == ticket_) {
    armed_for_.reset();
    obey(registry_->expire(now()));
  }
  after();
}

void remote_workers::after() {
  auto& meters = ctx_.outside.meters;
  meters.set(meter::remote_workers, static_cast<double>(registry_->size()));
  if (const auto refused = registry_->refused(); refused != refused_counted_) {
    meters.add(meter::remote_posts_refused, static_cast<double>(refused - refused_counted_));
    refused_counted_ = refused;
  }
  const auto next = registry_->next_deadline();
  if (next && (!armed_for_ || *next < *armed_for_)) {
    armed_for_ = next;
    send_timer_at(this, ctx_.outside.time, *next, ++ticket_);
  }
}

// ---- effects of the registry -------------------------------------------------------------------

void remote_workers::obey(remote::effects all) {
  for (auto& each : all) {
    std::visit([this](auto& one) { obey(one); }, each);
  }
}

reply_ptr remote_workers::take_reply(remote::poll_id poll) {
  auto node = replies_.extract(poll);
  return node.empty() ? nullptr : std::move(node.mapped());
}

void remote_workers::send_watched(remote::poll_id poll, api::response answer) {
  if (const auto reply = take_reply(poll)) {
    reply->send(std::move(answer),
                [poll, me = caf::actor_cast<remote_workers_actor>(this)](bool whole) {
                  caf::anon_send(me, poll_settled{poll_settled::left{poll, whole}});
                });
  } else {
    caf::anon_send(caf::actor_cast<remote_workers_actor>(this),
                   poll_settled{poll_settled::left{poll, false}});
  }
}

void remote_workers::obey(remote::hand_out& h) {
  send_watched(h.poll, api::handed_out(h.jobs, h.batch));
}

void remote_workers::obey(remote::send_stops& t) {
  send_watched(t.poll, api::stops(t.jobs));
}

void remote_workers::obey(remote::nothing_yet& n) {
  if (const auto reply = take_reply(n.poll)) {
    reply->send(api::handed_out({}, false));
  }
}

void remote_workers::obey(remote::turn_away& t) {
  if (const auto reply = take_reply(t.poll)) {
    reply->send(api::refuse(t.why));
  }
}

void remote_workers::obey(remote::log_entry& n) {
  auto& log = ctx_.outside.log;
  const std::initializer_list<log_field> who{
      {"endpoint", n.endpoint}, {"name", n.name}, {"text", n.text}};
  switch (n.kind) {
  case remote::log_entry::what::came: log.info("remote_worker_came", who); break;
  case remote::log_entry::what::left: log.info("remote_worker_left", who); break;
  case remote::log_entry::what::unfit: log.warn("remote_worker_unfit", who); break;
  }
}

} // namespace tayfa
