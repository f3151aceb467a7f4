#include "tests/bench/queue_actors.hpp"

#include "actors/gpu_worker.hpp"
#include "actors/ingress.hpp"
#include "actors/model_loader.hpp"
#include "actors/queue_limits.hpp"
#include "actors/queue_state.hpp"
#include "actors/supervisor.hpp"
#include "runtime/store/memory_store.hpp"
#include "runtime/store/sqlite_store.hpp"
#include "tests/bench/queue_clients.hpp"

#include <cstdio>
#include <future>
#include <stdexcept>

namespace tayfa::bench {

namespace {

constexpr std::size_t threads = 2; ///< as pod.threads

// ---- unused parts of the environment ------------------------------------------------------------

class no_engines final : public engine_host {
  void start(engine_spec, engine_sink) override {}
  void send(const worker_ref&, protocol::downstream) override {}
  void kill(const worker_ref&, int) override {}
};
class no_http final : public http_gateway {
  void open(call_sink, std::function<void(result<std::string>)>) override {}
  void redirect(call_sink) override {}
  void close(std::function<void()>) override {}
};
class no_probe final : public machine_probe {
  void run(const std::string&, std::function<void(fitness_report)>) override {}
};
class no_models final : public model_source {
  void inspect(std::vector<std::string>,
               std::function<void(result<std::vector<model_entry>>)>) override {}
};
class no_poster final : public http_poster {
  call_ticket send(outgoing_call, std::function<void(result<outgoing_answer>)>) override {
    return 0;
  }
  void drop(call_ticket, std::chrono::milliseconds) override {}
};
/// Prints warnings and errors, as with `--log.level warn`.
class warnings final : public event_log {
 public:
  bool enabled(log_level level) const override { return level >= log_level::warn; }
  void write(log_level level, std::string_view event, std::span<const log_field> fields) override {
    const auto line = format_line(log_format::text, {{}, level, event, fields});
    std::fprintf(stderr, "bench_queue: %s\n", line.c_str());
  }
};

// ---- the actors --------------------------------------------------------------------------------

/// Takes one attempt at a time and immediately sends an engine's messages for a job without work.
class instant_worker final : public gpu_worker_actor::base {
 public:
  instant_worker(caf::actor_config& c, worker_ref me, queue_actor jobs)
      : gpu_worker_actor::base(c), me_(me), queue_(std::move(jobs)) {}

  behavior_type make_behavior() override {
    worker_facts facts;
    facts.device = "cpu";
    send(queue_, worker_ready{me_, std::move(facts)});
    return {ignore<engine_reported>(),
            ignore<model_granted>(),
            [this](const assign_attempts& m) { assigned(m); },
            ignore<revoke_attempt>(),
            ignore<change_worker_model>(),
            ignore<drain_engine>(),
            ignore<actor_directory>(),
            ignore<timer>()};
  }
  void on_exit() override { queue_ = nullptr; }

 private:
  void assigned(const assign_attempts& m) {
    for (const auto& body : m.bodies) {
      send(queue_, attempt_reported{me_, protocol::started{body.attempt}});
      protocol::finished said;
      said.attempt = body.attempt;
      said.output = output_;
      send(queue_, attempt_reported{me_, std::move(said)});
    }
  }

  const worker_ref me_;
  queue_actor queue_;
  const shared_text output_{"1"};
};

/// Receives the queue's messages to the supervisor, and ignores them.
class idle_supervisor final : public supervisor_actor::base {
 public:
  using supervisor_actor::base::base;
  behavior_type make_behavior() override {
    return state_of<behavior_type>(
        std::tuple{},
        ignored<start_pod, stop_pod, http_bound, http_closed, machine_checked, catalogue_checked,
                engine_moved, load_changed, queue_drained, origin_drained, part_stuck, store_opened,
                store_closed, slot_status, worker_drained, link_failed, timer>(),
        [](const store_failed& m) { give_up("the store failed: " + m.why.str()); },
        [](const list_slots&) { return slots_answer{}; },
        [](const drain_slot&) { return slots_answer{}; },
        [](const resize_slots&) { return slots_answer{}; });
  }
};

// ---- the store ---------------------------------------------------------------------------------

/// A store that is open as long as this object lives.
class opened_store {
 public:
  explicit opened_store(std::unique_ptr<job_store> store) : store_(std::move(store)) {
    std::promise<result<job_store::recovered>> answer;
    store_->open([&answer](auto found) { answer.set_value(std::move(found)); });
    if (const auto found = answer.get_future().get(); !found) {
      throw std::runtime_error{found.error().str()};
    }
  }
  ~opened_store() {
    std::promise<void> answer;
    store_->close([&answer] { answer.set_value(); });
    answer.get_future().wait();
  }
  opened_store(const opened_store&) = delete;
  opened_store& operator=(const opened_store&) = delete;
  job_store& operator*() { return *store_; }

 private:
  std::unique_ptr<job_store> store_;
};

config knobs_for(const actors_plan& plan) {
  config c;
  c.store_kind = plan.durable ? "sqlite" : "memory";
  // Reached early: from then on each ended job erases another, as in steady state.
  c.queue_keep_jobs = 1'000;
  return c;
}

/// Those actors of a pod that jobs pass through.
class pod {
 public:
  pod(world& outside, const config& knobs, const actors_plan& plan)
      : context_{outside, knobs}, system_(scheduled(system_config_)) {
    auto state = make_queue_state(limits_from(knobs));
    directory_.queue = spawn_queue(system_, context_, std::move(state));
    directory_.dispatcher = directory_.queue;
    directory_.ingress = system_.spawn<runpod_ingress>(context_);
    directory_.supervisor = system_.spawn<idle_supervisor>();
    caf::anon_send(directory_.queue, directory_);
    caf::anon_send(directory_.ingress, directory_);
    for (std::uint32_t i = 0; i < plan.workers; ++i) {
      workers_.push_back(
          system_.spawn<instant_worker>(worker_ref{slot_id{i}, 1}, directory_.queue));
    }
    caf::anon_send(directory_.queue, pod_moved{pod_state::READY, true});
    caf::anon_send(directory_.ingress, pod_moved{pod_state::READY, true});
  }
  ~pod() {
    for (const auto& worker : workers_) {
      end(worker);
    }
    end(directory_.ingress);
    end(directory_.queue);
    end(directory_.supervisor);
    directory_ = actor_directory{};
    workers_.clear();
    system_.await_all_actors_done();
  }
  pod(const pod&) = delete;
  pod& operator=(const pod&) = delete;

  caf::actor_system& system() { return system_; }
  const ingress_actor& ingress() const { return directory_.ingress; }

 private:
  template <class Actor>
  static void end(const Actor& who) {
    caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
  }
  /// The scheduler settings of serve.cpp.
  static caf::actor_system_config& scheduled(caf::actor_system_config& c) {
    c.set("scheduler.policy", caf::atom("sharing"));
    c.set("scheduler.max-threads", threads);
    c.set("scheduler.max-throughput", std::size_t{50});
    return c;
  }

  pod_context context_;
  caf::actor_system_config system_config_;
  caf::actor_system system_;
  actor_directory directory_;
  std::vector<gpu_worker_actor> workers_;
};

} // namespace

measured measure_actors(const actors_plan& plan) {
  system_time time;
  seeded_random random;
  system_secrets secrets;
  warnings log;
  metrics meters;
  no_engines engines;
  no_http http;
  no_probe probe;
  no_models models;
  no_poster post;
  event_feed feed;
  store::sqlite_store* disk = nullptr;
  std::unique_ptr<job_store> chosen = std::make_unique<store::memory_store>();
  if (plan.durable) {
    store::sqlite_store_options options;
    options.folder = plan.folder;
    auto file = std::make_unique<store::sqlite_store>(time, std::move(options));
    disk = file.get();
    chosen = std::move(file);
  }
  opened_store jobs{std::move(chosen)};
  world outside{time,  random, secrets, log,  meters, engines, http,
                probe, models, *jobs,   post, feed,   post};
  const auto knobs = knobs_for(plan);
  pod running{outside, knobs, plan};
  bench_clients clients{running.system(), running.ingress(), plan.clients, plan.payload};
  clients.warm_up();
  const auto flushes = disk != nullptr ? disk->transactions() : 0;
  const double cpu = cpu_seconds();
  auto out = clients.run(plan.seconds);
  out.cpu_seconds = cpu_seconds() - cpu;
  out.flushes = disk != nullptr ? static_cast<double>(disk->transactions() - flushes) : 0;
  return out;
}

} // namespace tayfa::bench
