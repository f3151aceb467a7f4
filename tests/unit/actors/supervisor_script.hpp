// The supervisor under test, with the actors that it really starts, over simulated services: one
// message at a time and virtual time. Its children are known by name, so that one can be killed.
#pragma once

#include "actors/queue_limits.hpp"
#include "actors/sim/sim_platform.hpp"
#include "actors/supervisor.hpp"
#include "tests/unit/actors/actor_script.hpp"
#include "tests/unit/actors/held_store.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace tayfa::testing {

using namespace std::chrono_literals;

/// RunPod's platform never answers: the script says what its worker reports.
class silent_poster final : public http_poster {
 public:
  call_ticket send(outgoing_call, std::function<void(result<outgoing_answer>)>) override {
    return ++tickets_;
  }
  void drop(call_ticket, std::chrono::milliseconds) override {}

 private:
  call_ticket tickets_ = 0;
};

struct supervisor_script : actor_script {
  explicit supervisor_script(std::uint32_t slots = 1, bool on_runpod = false) {
    knobs.engine_slots = slots;
    pod_store.holds = false;
    if (on_runpod) {
      terms.runpod = runpod_terms{sim::sim_platform::settings()};
    }
  }
  ~supervisor_script() {
    if (tested) {
      caf::anon_send_exit(std::exchange(tested, nullptr), caf::exit_reason::kill);
    }
    settle();
    for (const auto& [name, lives] : born) {
      for (const auto& weak : lives) {
        if (const auto one = caf::actor_cast<caf::actor>(weak)) {
          caf::anon_send_exit(one, caf::exit_reason::kill);
        }
      }
    }
    settle();
    engines.forget();
    settle();
  }

  /// After this the knobs have their effect.
  void create() {
    terms.engines.usual = engine_rows::scripted.name;
    terms.queue = make_queue_state(limits_from(knobs));
    terms.stopped = [this](pod_exit e) {
      ++ends;
      exit = std::move(e);
    };
    terms.born = [this](const caf::strong_actor_ptr& child) {
      const auto* const actor = dynamic_cast<caf::local_actor*>(child->get());
      born[actor->name()].push_back(caf::actor_cast<caf::weak_actor_ptr>(child));
    };
    tested = system.spawn<supervisor>(pod_context{pod_world, knobs}, terms);
  }
  void start() {
    create();
    tell(tested, start_pod{});
  }
  /// Started, and every engine is READY.
  void run() {
    start();
    pass(1s);
    ASSERT_EQ(pod(), "READY") << log.text();
  }
  void stop() { tell(tested, stop_pod{"SIGTERM"}); }

  void kill(const std::string& name) { end(name, caf::exit_reason::kill); }
  template <class Reason>
  void end(const std::string& name, Reason reason) {
    const auto one = caf::actor_cast<caf::actor>(born.at(name).back());
    ASSERT_TRUE(one) << name << " is dead already";
    caf::anon_send<caf::message_priority::high>(one, caf::exit_msg{one.address(), reason});
    settle();
  }
  std::size_t lives(const std::string& name) const {
    const auto it = born.find(name);
    return it == born.end() ? 0 : it->second.size();
  }

  /// A job that runs for so long; `origin`: one of the platform, under its own id there.
  void submit(const std::string& id, double seconds, const std::string& origin = {}) {
    submit_job job;
    job.id = job_id{id};
    job.request.endpoint = "tayfa";
    job.request.origin = origin;
    job.request.input = shared_text{"{\"mock_delay\":" + std::to_string(seconds) + "}"};
    notify_queue(std::move(job));
    pass(100ms);
  }
  template <class Message>
  void notify_queue(Message m) {
    tell(caf::actor_cast<queue_actor>(
             caf::actor_cast<caf::strong_actor_ptr>(born.at("queue").back())),
         std::move(m));
  }

  template <class Request>
  slots_answer ask(Request m) {
    caf::scoped_actor self{system};
    auto answer = self->request(tested, caf::infinite, std::move(m));
    settle();
    slots_answer out{std::vector<slot_summary>{}};
    answer.receive([&](slots_answer& a) { out = std::move(a); },
                   [](const caf::error& e) { ADD_FAILURE() << caf::to_string(e); });
    return out;
  }
  slot_summary slot(std::uint32_t number) {
    const auto answer = ask(list_slots{});
    for (const auto& line : *answer.value) {
      if (line.slot.value == number) {
        return line;
      }
    }
    ADD_FAILURE() << "no slot " << number;
    return {};
  }

  /// The states that a machine has moved to: "STARTING CONFIGURING".
  std::string moves(const std::string& machine) const {
    std::string out;
    for (const auto& line : log.lines()) {
      if (line.find(" state machine=" + machine + " ") != std::string::npos) {
        const auto begin = line.find(" to=") + 4;
        out += (out.empty() ? "" : " ") + line.substr(begin, line.find(' ', begin) - begin);
      }
    }
    return out;
  }
  std::string phases() const { return moves("stop"); }
  std::string pod() const { return last_of(moves("pod")); }
  std::string phase() const { return last_of(phases()); }
  /// moved("stop", "CLOSING_STORE", "DONE", "closed")
  bool moved(const std::string& machine, const std::string& from, const std::string& to,
             const std::string& why) const {
    return log.count(" state machine=" + machine + " from=" + from + " to=" + to + " cause=" + why +
                     " ") == 1;
  }
  static std::string last_of(const std::string& words) {
    return words.substr(words.rfind(' ') + 1);
  }

  silent_poster platform;
  held_store pod_store;
  world pod_world{time,  random, secrets,   log,  meters, engines, http,
                  probe, models, pod_store, post, feed,   platform};
  pod_terms terms;
  supervisor_actor tested;
  std::map<std::string, std::vector<caf::weak_actor_ptr>> born; ///< by the actor's name
  std::uint32_t ends = 0;
  pod_exit exit{-1, {}, true};
};

/// The phases of a stop after the drain.
inline const std::string after_the_drain =
    "STOPPING_WORKERS STOPPING_CORE CLOSING_PORT CLOSING_STORE DONE";
inline const std::string killed = "KILLING CLOSING_PORT CLOSING_STORE DONE";

} // namespace tayfa::testing
