#include "actors/health.hpp"

namespace tayfa {

health::health(caf::actor_config& cfg, pod_context ctx) : health_actor::base(cfg), ctx_(ctx) {
  guard(this, ctx_.outside.log);
}

health::behavior_type health::make_behavior() {
  return {[this](const engine_moved& m) { engine(m); },
          [this](const engine_beat& m) { beat(m); },
          [this](const slot_left& m) {
            engines_.erase(m.slot);
            set_gauges();
          },
          [this](const pod_moved& m) { ctx_.outside.meters.set(meter::ready, m.ready ? 1 : 0); },
          [this](const actor_directory& m) { on_directory(m); },
          when_due(this, ctx_.outside.time, [this](const due_timer& m) { timed(m); }),
          [this](const ask_health&) { return answer(); }};
}

void health::engine(const engine_moved& m) {
  auto& seen = engines_[m.worker.slot];
  if (m.worker.incarnation >= seen.incarnation) {
    if (m.worker.incarnation > seen.incarnation || m.state == engine_state::SHUTDOWN) {
      seen.last = {};
    }
    seen.incarnation = m.worker.incarnation;
    seen.state = m.state;
  }
  set_gauges();
}

void health::beat(const engine_beat& m) {
  auto& seen = engines_[m.worker.slot];
  if (m.worker.incarnation == seen.incarnation && seen.state != engine_state::SHUTDOWN) {
    seen.last = m.body;
    set_gauges();
  }
}

void health::set_gauges() {
  const auto now = answer();
  double resident = 0;
  double device = 0;
  for (const auto& [slot, seen] : engines_) {
    resident += static_cast<double>(seen.last.rss_bytes);
    device += static_cast<double>(seen.last.device_bytes);
  }
  auto& meters = ctx_.outside.meters;
  meters.set(meter::engines_ready, now.idle + now.running);
  meters.set(meter::engine_resident_bytes, resident);
  meters.set(meter::engine_device_bytes, device);
}

void health::on_directory(const actor_directory& m) {
  directory_ = m;
  if (!ticking_) {
    ticking_ = true;
    tick();
  }
}

void health::timed(const due_timer& m) {
  switch (static_cast<topic>(m.topic)) {
  case next_round: tick(); break;
  case patience_over: judge(); break;
  }
}

void health::tick() {
  ctx_.outside.meters.set(meter::resident_bytes,
                          static_cast<double>(ctx_.outside.probe.resident_bytes()));
  ++round_;
  unanswered_.clear();
  ask(directory_.dispatcher, directory_.queue ? "queue" : "head_link");
  ask(directory_.pods, "pod_gateway");
  ask(directory_.ingress, "ingress");
  ask(directory_.loader, "model_loader");
  ask(directory_.remote, "remote_workers");
  ask(directory_.runpod, "runpod_worker");
  send_timer(this, ctx_.outside.time, patience, round_, patience_over);
  send_timer(this, ctx_.outside.time, round, round_, next_round);
}

/// The time for an answer is a timer of the pod's clock and not the request's own, which a pause of
/// the pod would use up.
template <class Actor>
void health::ask(const Actor& whom, std::string name) {
  if (!whom) {
    return; // this pod has no such part
  }
  unanswered_.insert(name);
  const auto answered = [this, name = std::move(name), number = round_] {
    if (number == round_) {
      unanswered_.erase(name);
    }
  };
  request(whom, caf::infinite, liveness_probe{})
      .then([answered](const liveness_answer&) { answered(); },
            [answered](const caf::error&) { // a dead one is the supervisor's business already
              answered();
            });
}

void health::judge() {
  for (const auto& name : unanswered_) {
    send(directory_.supervisor, part_stuck{name});
  }
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
