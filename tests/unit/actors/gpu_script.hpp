// A gpu_worker under test: stand-ins for the actors around it, and an engine process that does what
// the script says. All that happens around the worker is one list of texts, in order.
#pragma once

#include "actors/gpu_worker.hpp"
#include "tests/unit/actors/actor_script.hpp"

#include <csignal>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace tayfa::testing {

using texts = std::vector<std::string>;

/// Starts no process: the script plays it.
class played_engine final : public engine_host {
 public:
  explicit played_engine(texts& seen) : seen_(seen) {}
  void start(engine_spec spec, engine_sink to) override {
    seen_.push_back("process: start " + to_string(spec.worker));
    sink = std::move(to);
  }
  void send(const worker_ref&, protocol::downstream message) override {
    std::visit(
        [this](const auto& m) {
          std::string text = "engine: " + std::string{protocol::to_string(m.id)};
          if constexpr (requires { m.attempt; }) {
            text += " " + to_string(m.attempt);
          }
          if constexpr (requires { m.model; }) {
            text += " " + m.model;
          }
          seen_.push_back(text);
        },
        message);
  }
  void kill(const worker_ref&, int signal) override {
    seen_.push_back(signal == SIGTERM   ? "process: SIGTERM"
                    : signal == SIGKILL ? "process: SIGKILL"
                                        : "process: signal " + std::to_string(signal));
  }
  engine_sink sink;

 private:
  texts& seen_;
};

/// Stands for queue, loader, health or supervisor, under that name.
class worker_peer : public caf::event_based_actor {
 public:
  struct script {
    texts& seen;
    bool grants = true; ///< the loader answers
    std::string grants_model{"m"};
    slot_status status{}; ///< the latest
    worker_facts facts{}; ///< offered to the queue
  };
  worker_peer(caf::actor_config& cfg, std::string name, script& s)
      : caf::event_based_actor(cfg), name_(std::move(name)), script_(s) {
    set_down_handler([this](const caf::down_msg& m) {
      static constexpr const char* ends[] = {"?",      "as_asked", "refresh",
                                             "failed", "in_job",   "in_later_job"};
      say(std::string{"ended "} + ends[static_cast<int>(worker_end_from(m.reason))]);
    });
  }

  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    return {[this](const worker_ready& m) {
              script_.facts = m.facts;
              say("worker_ready");
            },
            [this](const drain_worker&) { say("drain_worker"); },
            [this](const attempt_reported& m) { reported(m); },
            [this](const worker_gone& m) {
              say("worker_gone" + reason(m.why) + (m.from_outside ? " from outside" : ""));
            },
            [this](const want_model& m) -> caf::result<model_granted> {
              say("want_model " + m.model);
              if (!script_.grants) {
                unanswered_.push_back(make_response_promise<model_granted>());
                return unanswered_.back();
              }
              model_granted answer;
              answer.load.model = script_.grants_model;
              return answer;
            },
            [this](const model_loaded& m) { say("model_loaded " + m.model); },
            [this](const model_refused& m) { say("model_refused " + m.model + reason(m.why)); },
            [this](const engine_moved& m) {
              say("moved " + std::string{to_string(m.state)} + " " + std::string{to_string(m.why)} +
                  reason(m.reason));
            },
            [this](const slot_status& m) { script_.status = m; },
            [this](const worker_drained&) { say("worker_drained"); },
            [this](const engine_beat& m) { say("engine_beat " + std::to_string(m.body.sequence)); },
            [this](const caf::actor_addr& whom) { monitor(whom); }};
  }

 private:
  void say(const std::string& text) { script_.seen.push_back(name_ + ": " + text); }
  static std::string reason(const error& why) {
    return why.code == errc::internal ? "" : " " + std::string{to_string(why.code)};
  }
  void reported(const attempt_reported& m) {
    std::visit(
        [this](const auto& body) {
          if constexpr (requires { body.attempt; }) {
            say(std::string{protocol::to_string(body.id)} + " " + to_string(body.attempt));
          }
        },
        m.body);
  }

  std::string name_;
  script& script_;
  std::vector<caf::typed_response_promise<model_granted>> unanswered_;
};

inline attempt_ref attempt(const std::string& job, std::uint32_t number = 1) {
  return {job_id{job}, number};
}

/// The worker 0#1 of a scripted engine, from its start.
struct gpu_script : actor_script {
  explicit gpu_script(const std::string& model = {}) {
    directory.dispatcher = peer<dispatcher_actor>("queue");
    directory.loader = peer<model_loader_actor>("loader");
    directory.health = peer<health_actor>("health");
    const auto watcher = peer<caf::actor>("supervisor");
    directory.supervisor = caf::actor_cast<supervisor_actor>(watcher);
    tested = system.spawn<gpu_worker>(pod_context{played, knobs},
                                      worker_terms{me, "scripted", directory, model, 1});
    caf::anon_send(watcher, caf::actor_cast<caf::actor_addr>(tested));
    settle();
  }
  ~gpu_script() {
    caf::anon_send_exit(tested, caf::exit_reason::kill);
    for (const auto& one : peers_) {
      caf::anon_send_exit(one, caf::exit_reason::kill);
    }
    directory = {};
    process.sink = nullptr;
    settle();
  }

  template <class Handle>
  Handle peer(const std::string& name) {
    peers_.push_back(system.spawn<worker_peer>(name, around));
    return caf::actor_cast<Handle>(peers_.back());
  }

  // Events of the process.
  void event(engine_event e) {
    process.sink(std::move(e));
    settle();
  }
  void spawned() { event(engine_spawned{me, 4'711, "0-3", 4}); }
  template <class Body>
  void says(Body body) {
    event(engine_frame{me, std::move(body)});
  }
  static protocol::hello a_hello(std::uint32_t capacity = 2, std::uint32_t batch_max = 1) {
    protocol::hello m;
    m.engine = "scripted";
    m.device = "cuda:0 NVIDIA H200";
    m.capacity = capacity;
    m.batch_max = batch_max;
    return m;
  }
  void loads() {
    protocol::load_finished m;
    m.model = around.grants_model;
    m.ok = true;
    says(m);
  }
  void refuses_load(errc code) {
    protocol::load_finished m;
    m.code = static_cast<std::uint16_t>(code);
    m.text = "no";
    says(m);
  }
  void finishes(const attempt_ref& which, bool refresh = false) {
    protocol::finished m;
    m.attempt = which;
    m.refresh_worker = refresh;
    says(m);
  }
  void exits(int code, int signal = 0) {
    event(engine_exited{me, true, code, signal, "how it ended"});
  }

  // Messages of other actors.
  void assign(const attempt_ref& which, worker_ref whom = me) {
    assign_attempts m;
    m.worker = whom;
    m.bodies.push_back({which, "", shared_text{"{}"}});
    tell(tested, std::move(m));
  }
  void revoke(const attempt_ref& which, worker_ref whom = me) {
    tell(tested, revoke_attempt{whom, which});
  }
  void stop() {
    caf::anon_send_exit(tested, caf::exit_reason::user_shutdown);
    settle();
  }

  void until_loading() {
    spawned();
    says(a_hello());
  }
  void until_ready() {
    until_loading();
    loads();
    seen.clear();
  }
  /// Everything that has happened since the last call.
  texts so_far() { return std::exchange(seen, {}); }

  static constexpr worker_ref me{slot_id{0}, 1};
  texts seen;
  worker_peer::script around{seen};
  played_engine process{seen};
  world played{time,  random, secrets, log,  meters, process, http,
               probe, models, store,   post, feed,   post};
  actor_directory directory;
  gpu_worker_actor tested;

 private:
  std::vector<caf::actor> peers_;
};

} // namespace tayfa::testing
