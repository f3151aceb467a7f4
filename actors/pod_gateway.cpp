#include "actors/pod_gateway.hpp"

#include <algorithm>
#include <limits>

namespace tayfa {

namespace {

enum topic : std::uint32_t { registry_deadline, listen_again, ask_again };

constexpr milliseconds listen_pause{1'000};
constexpr milliseconds ask_pause{1'000}; ///< until the queue is asked again about results

std::uint32_t whole_ms(milliseconds m) {
  constexpr milliseconds::rep most = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::clamp<milliseconds::rep>(m.count(), 0, most));
}

} // namespace

std::shared_ptr<pods::pod_registry> make_pod_registry(const head_terms& terms,
                                                      pods::pod_listener& listener) {
  return std::make_shared<pods::pod_registry>(
      terms.limits, terms.self,
      [&listener](pods::connection_id to, const link_message& m) { return listener.send(to, m); });
}

pod_gateway::pod_gateway(caf::actor_config& cfg, pod_context ctx, const head_terms& terms,
                         std::shared_ptr<pods::pod_registry> registry)
    : pod_gateway_actor::base(cfg), ctx_(ctx), terms_(terms), registry_(std::move(registry)),
      fenced_counted_(registry_->count().fenced) {
  guard(this, ctx_.outside.log);
}

pod_gateway::behavior_type pod_gateway::make_behavior() {
  return alone();
}

void pod_gateway::on_exit() {
  trust().stop();
  listener().close();
  directory_ = actor_directory{};
  lists_asked_.clear();
  texts_asked_.clear();
}

pod_gateway::behavior_type pod_gateway::alone() {
  return state_of<behavior_type>(
      std::tuple{},
      postponed<ask_health, list_pods, drain_pod, list_trust, change_trust, make_join_text>(),
      ignored<listener_reported, trust_reported, assign_attempts, revoke_attempt,
              change_worker_model, pod_moved, timer>(),
      [this](const actor_directory& m) {
        directory_ = m;
        become(open());
        listener().close(); // of an actor that ended before it could
        obey(registry_->queue_restarted(now()));
        trust().watch([me = caf::actor_cast<pod_gateway_actor>(this)](trust_reported::list list) {
          caf::anon_send(me, trust_reported{std::move(list)});
        });
        after();
      },
      present());
}

pod_gateway::behavior_type pod_gateway::open() {
  return state_of<behavior_type>(
      std::tuple{}, [this](const listener_reported& m) { on(m); },
      [this](const trust_reported& m) {
        std::visit([this](const auto& what) { on(what); }, m.what);
        after();
      },
      [this](const assign_attempts& m) {
        std::vector<pods::attempt_order> orders;
        orders.reserve(m.bodies.size());
        for (std::size_t i = 0; i < m.bodies.size(); ++i) {
          const auto terms = i < m.terms.size() ? m.terms[i] : attempt_terms{};
          orders.push_back({m.bodies[i], whole_ms(terms.timeout), terms.endpoint});
        }
        obey(registry_->assigned(now(), m.worker, orders));
        after();
      },
      [this](const revoke_attempt& m) {
        obey(registry_->revoked(now(), m.worker, m.attempt));
        after();
      },
      [this](const change_worker_model& m) {
        obey(registry_->change_model(now(), m.worker, m.model));
        after();
      },
      ignored<pod_moved>(), [this](const actor_directory& m) { directory_ = m; },
      when_due(this, ctx_.outside.time, [this](const due_timer& m) { timed(m); }),
      [this](const ask_health&) { return count(); },
      [this](const list_pods&) { return pods_answer{summaries()}; },
      [this](const drain_pod& m) { return drain(m); }, [this](const list_trust&) { return list(); },
      [this](const change_trust& m) { return change(m); },
      [this](const make_join_text& m) { return invite(m); }, present());
}

// ---- connections -------------------------------------------------------------------------------

void pod_gateway::on(const trust_reported::list& m) {
  if (!m) {
    ctx_.outside.log.error("pods_unknown", {{"code", m.error().code}, {"text", m.error().text}});
    if (!let_in_) {
      send(directory_.supervisor, link_failed{m.error()});
    }
    return;
  }
  const bool first = !let_in_;
  const auto before = std::exchange(let_in_, *m);
  listener().admit(let_in_);
  for (const auto& [key, token] : let_in_->keys) {
    if (token.empty() && (first || !before->keys.contains(key))) {
      registry_->trust(key);
    }
  }
  if (first) {
    open_listener();
    return;
  }
  for (const auto& [key, token] : before->keys) {
    if (token.empty() && !let_in_->keys.contains(key)) {
      obey(registry_->revoke(now(), key, "an operator trusts it no longer"));
    }
  }
}

void pod_gateway::on(const trust_reported::joined& m) {
  auto& log = ctx_.outside.log;
  if (m.how) {
    log.info("pod_joined", {{"pod", m.name}, {"key", m.key}});
  } else {
    log.warn("pod_not_joined", {{"pod", m.name}, {"text", m.how.error().str()}});
  }
  obey(registry_->joined(now(), m.connection, m.how));
}

void pod_gateway::open_listener() {
  auto bound = listener().open(
      terms_.listen, [me = caf::actor_cast<pod_gateway_actor>(this)](pods::listener_event what) {
        caf::anon_send(me, listener_reported{std::move(what)});
      });
  if (!bound) {
    send(directory_.supervisor, link_failed{bound.error()});
    return;
  }
  listens_ = *bound;
  ctx_.outside.log.info("listening_for_pods",
                        {{"address", *bound}, {"key", terms_.listen.keys.public_key}});
}

void pod_gateway::on(const listener_reported& m) {
  std::visit([this](const auto& what) { on(what); }, m.what);
  after();
}

void pod_gateway::on(const pods::received& m) {
  obey(registry_->on(now(), m));
}

void pod_gateway::on(const pods::gone& m) {
  obey(registry_->on(now(), m));
}

void pod_gateway::on(const pods::writable& m) {
  obey(registry_->on(now(), m));
}

void pod_gateway::on(const pods::refused_peer& m) {
  ctx_.outside.meters.add(meter::peers_refused);
  ctx_.outside.log.warn("peer_refused", {{"address", m.address}, {"text", m.why}});
}

/// Pods that are linked stay so to the registry until they are silent for too long.
void pod_gateway::on(const pods::listener_failed& m) {
  ctx_.outside.log.error("pod_listener_failed", {{"code", m.why.code}, {"text", m.why.text}});
  send_timer(this, ctx_.outside.time, listen_pause, 0, listen_again);
}

void pod_gateway::obey(pods::drop_connection& e) {
  listener().drop(e.connection);
}

// ---- the queue ---------------------------------------------------------------------------------

void pod_gateway::obey(worker_ready& m) {
  send(directory_.queue, std::move(m));
}

void pod_gateway::obey(worker_gone& m) {
  send(directory_.queue, std::move(m));
}

void pod_gateway::obey(model_refused& m) {
  send(directory_.queue, std::move(m));
}

void pod_gateway::obey(attempt_reported& m) {
  if (const auto* const last = std::get_if<protocol::finished>(&m.body)) {
    reported_.emplace_back(m.worker, last->attempt);
  }
  send(directory_.queue, std::move(m));
}

/// The answer comes when what the queue decided is durable. A queue that ends before that is
/// followed by another one, to which every pod says hello again.
void pod_gateway::obey(pods::reconcile_pod& m) {
  request(directory_.queue, caf::infinite, std::move(m))
      .then(
          [this](const pods::pod_reconciled& a) {
            obey(registry_->reconciled(now(), a.node, a.session, a.decisions));
            after();
          },
          [](const caf::error&) {});
}

/// Asks the queue once for all results that it has just been given.
void pod_gateway::settle_results() {
  if (reported_.empty()) {
    return;
  }
  request(directory_.queue, caf::infinite, await_durable{})
      .then(
          [this, asked = reported_](const durable_answer& a) {
            if (a.how) {
              for (const auto& [worker, attempt] : asked) {
                obey(registry_->settled(now(), worker, attempt));
              }
              after();
              return;
            }
            if (unsettled_.empty()) {
              send_timer(this, ctx_.outside.time, ask_pause, 0, ask_again);
            }
            unsettled_.insert(unsettled_.end(), asked.begin(), asked.end());
          },
          [](const caf::error&) { // the next queue knows no results; pods keep them
          });
  reported_.clear();
}

// ---- for people --------------------------------------------------------------------------------

void pod_gateway::obey(pods::noted& e) {
  using enum pods::noted::what;
  auto& log = ctx_.outside.log;
  const std::initializer_list<log_field> who{{"pod", e.name}, {"key", e.key}, {"text", e.text}};
  switch (e.kind) {
  case linked: log.info("pod_linked", who); break;
  case cut: log.info("pod_cut", who); break;
  case suspect: log.warn("pod_suspect", who); break;
  case heard: log.info("pod_heard", who); break;
  case lost: log.error("pod_lost", who); break;
  case refused: log.warn("pod_refused", who); break;
  case cloned: log.error("pod_cloned", who); break;
  case slow: log.warn("pod_slow", who); break;
  case bad_frame: log.warn("pod_bad_frame", who); break;
  case misbehaved: log.error("pod_misbehaved", who); break;
  case unfit: log.warn("pod_unfit", who); break;
  case drained: log.info("pod_drained", who); break;
  case revoked: log.warn("pod_revoked", who); break;
  }
}

void pod_gateway::obey(pods::pod_log& e) {
  ctx_.outside.log.info("pod_says",
                        {{"pod", e.name}, {"job", e.row.attempt.job}, {"text", e.row.text}});
}

void pod_gateway::obey(pods::join_asked& e) {
  trust().join(e.token, e.key, e.name,
               [me = caf::actor_cast<pod_gateway_actor>(this), connection = e.connection,
                key = e.key, name = e.name](result<void> how) {
                 caf::anon_send(me, trust_reported{trust_reported::joined{connection, key, name,
                                                                          std::move(how)}});
               });
}

void pod_gateway::obey(pods::key_announced& e) {
  ctx_.outside.log.error("pod_key_announced",
                         {{"key", e.key}, {"text", "rotation of keys is not supported"}});
}

health_answer pod_gateway::count() const {
  health_answer all;
  for (const auto& pod : registry_->lines(now())) {
    const auto busy = std::min(pod.slots, pod.attempts);
    if (pod.suspect) {
      all.unhealthy += pod.slots;
    } else {
      all.running += busy;
      all.idle += pod.slots - busy;
    }
  }
  return all;
}

void pod_gateway::obey(pods::effects all) {
  for (auto& each : all) {
    std::visit([this](auto& one) { obey(one); }, each);
  }
}

void pod_gateway::timed(const due_timer& m) {
  switch (static_cast<topic>(m.topic)) {
  case registry_deadline:
    if (m.ticket == ticket_) {
      armed_for_.reset();
      obey(registry_->expire(now()));
    }
    break;
  case listen_again:
    listener().close();
    open_listener();
    break;
  case ask_again:
    reported_.insert(reported_.end(), unsettled_.begin(), unsettled_.end());
    unsettled_.clear();
    break;
  }
  after();
}

void pod_gateway::after() {
  settle_results();
  auto& meters = ctx_.outside.meters;
  meters.set(meter::pods, static_cast<double>(registry_->size()));
  if (const auto fenced = registry_->count().fenced; fenced != fenced_counted_) {
    meters.add(meter::reports_fenced, static_cast<double>(fenced - fenced_counted_));
    fenced_counted_ = fenced;
  }
  const auto next = registry_->next_deadline();
  if (next && (!armed_for_ || *next < *armed_for_)) {
    armed_for_ = next;
    send_timer_at(this, ctx_.outside.time, *next, ++ticket_);
  }
}

} // namespace tayfa
