#include "actors/health.hpp"

namespace tayfa {

health::health(caf::actor_config& cfg, pod_context ctx) : health_actor::base(cfg), ctx_(ctx) {
  guard(this, ctx_.outside.log);
}

health::behavior_type health::make_behavior() {
  return {[this](const engine_moved& m) { engine(m); },
          [this](const engine_beat& m) { beat(m); },
          [this](const slot_left& m) { engines_.erase(m.slot); },
          [this](const pod_moved& m) { ctx_.outside.meters.set(meter::ready, m.ready ? 1 : 0); },
          [this](const crew& m) { met(m); },
          [this](const timer&) { tick(); },
          [this](const ask_health&) { return answer(); }};
}

void health::engine(const engine_moved& m) {
  auto& seen = engines_[m.worker.slot];
  if (m.worker.incarnation >= seen.incarnation) {
    seen.incarnation = m.worker.incarnation;
    seen.state = m.state;
  }
  const auto now = answer();
  ctx_.outside.meters.set(meter::engines_ready, now.idle + now.running);
}

void health::beat(const engine_beat& m) {
  auto& seen = engines_[m.worker.slot];
  if (m.worker.incarnation == seen.incarnation) {
    seen.last = m.body;
  }
}

void health::met(const crew& m) {
  crew_ = m;
  if (!ticking_) {
    ticking_ = true;
    tick();
  }
}

void health::tick() {
  ctx_.outside.meters.set(meter::resident_bytes,
                          static_cast<double>(ctx_.outside.probe.resident_bytes()));
  ask(crew_.queue, "queue");
  ask(crew_.ingress, "ingress");
  ask(crew_.loader, "model_loader");
  ask(crew_.remote, "remote_workers");
  send_timer(this, round, 0);
}

template <class Actor>
void health::ask(const Actor& whom, std::string name) {
  request(whom, caf::timespan{patience}, are_you_there{})
      .then([](const here_i_am&) {},
            [this, name](const caf::error& e) {
              if (e ==
                  caf::sec::request_timeout) { // a dead one is the supervisor's business already
                send(crew_.supervisor, part_stuck{name});
              }
            });
}

health_answer health::answer() const {
  health_answer a;
  for (const auto& [slot, seen] : engines_) {
    switch (seen.state) {
    case engine_state::NOT_STARTED:
    case engine_state::INITIALIZING:
    case engine_state::LOADING_MODEL: ++a.initializing; break;
    case engine_state::READY: ++a.idle; break;
    case engine_state::PROCESSING: ++a.running; break;
    case engine_state::SHUTDOWN: ++a.unhealthy; break;
    }
  }
  return a;
}

} // namespace tayfa
