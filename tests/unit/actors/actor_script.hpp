// Actors under test, one message at a time: CAF's deterministic scheduler, virtual time, and the
// simulated services of the pod. Nothing runs and no time passes but by settle() and pass().
#pragma once

#include "actors/sim/sim_engines.hpp"
#include "actors/sim/sim_secrets.hpp"
#include "actors/sim/sim_world.hpp"
#include "runtime/store/memory_store.hpp"
#include "tests/unit/actors/scripted_poster.hpp"

#include <caf/all.hpp>
#include <deque>
#include <string>
#include <vector>

namespace tayfa::testing {

/// Stands for an actor that the one under test talks to: keeps what it gets, as text, and answers a
/// liveness probe unless it is stuck.
class stand_in_actor : public caf::event_based_actor {
 public:
  struct seen {
    bool stuck = false;
    std::vector<std::string> messages; ///< "part_stuck queue"
  };
  stand_in_actor(caf::actor_config& cfg, seen& all) : caf::event_based_actor(cfg), all_(all) {}

  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    return {[this](const liveness_probe&) -> caf::result<liveness_answer> {
              all_.messages.emplace_back("liveness_probe");
              if (all_.stuck) {
                unanswered_.push_back(make_response_promise<liveness_answer>());
                return unanswered_.back();
              }
              return liveness_answer{};
            },
            [this](const part_stuck& m) { all_.messages.push_back("part_stuck " + m.name); },
            [this](const origin_drained&) { all_.messages.emplace_back("origin_drained"); },
            [this](const stop_pod& m) { all_.messages.push_back("stop_pod " + m.reason); }};
  }

 private:
  seen& all_;
  std::deque<caf::typed_response_promise<liveness_answer>> unanswered_;
};

struct actor_script {
  actor_script()
      : system(testing(system_config)),
        scheduler(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())) {
    scheduler.clock().current_time += std::chrono::hours{1}; // CAF gives time point 0 a meaning
  }
  ~actor_script() {
    for (const auto& each : born_) {
      caf::anon_send_exit(each, caf::exit_reason::kill);
    }
    scheduler.run();
    scheduler.clock().cancel_all();
    scheduler.run();
  }
  actor_script(const actor_script&) = delete;
  actor_script& operator=(const actor_script&) = delete;

  template <class Handle, class StandIn = stand_in_actor>
  Handle stand_in(typename StandIn::seen& all) {
    const auto one = system.spawn<StandIn>(all);
    born_.push_back(one);
    return caf::actor_cast<Handle>(one);
  }
  /// The actor under test.
  template <class Actor, class Handle, class... Arguments>
  Handle spawn(Arguments&&... arguments) {
    const Handle one = system.spawn<Actor>(context(), std::forward<Arguments>(arguments)...);
    born_.push_back(caf::actor_cast<caf::actor>(one));
    return one;
  }
  pod_context context() { return {outside, knobs}; }

  /// Until every mailbox is empty.
  void settle() { scheduler.run(); }
  template <class Handle, class Message>
  void tell(const Handle& to, Message m) {
    caf::anon_send(to, std::move(m));
    settle();
  }
  /// Time passes, in steps of 100 ms.
  void pass(milliseconds span) {
    settle();
    for (milliseconds gone{0}; gone < span; gone += milliseconds{100}) {
      scheduler.advance_time(milliseconds{100});
      settle();
    }
  }

  static caf::actor_system_config& testing(caf::actor_system_config& c) {
    c.set("scheduler.policy", caf::atom("testing"));
    return c;
  }

  caf::actor_system_config system_config;
  caf::actor_system system;
  caf::scheduler::test_coordinator& scheduler;
  sim::virtual_time time{scheduler};
  seeded_random random{7};
  sim::seeded_secrets secrets{7};
  memory_log log{time, memory_log::options{log_level::debug, log_format::text, 10'000}};
  metrics meters;
  sim::sim_engine_host engines{system, time, random};
  sim::sim_gateway http;
  sim::sim_probe probe;
  sim::sim_models models;
  store::memory_store store;
  sim::sim_poster post;
  scripted_poster platform;
  event_feed feed;
  config knobs;
  world outside{time,  random, secrets, log,  meters, engines, http,
                probe, models, store,   post, feed,   platform};

 private:
  std::vector<caf::actor> born_;
};

} // namespace tayfa::testing
