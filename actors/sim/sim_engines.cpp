#include "actors/sim/sim_engines.hpp"

#include "runtime/engine/session.hpp"

#include <algorithm>
#include <csignal>
#include <deque>
#include <memory>

namespace tayfa::sim {

struct process_frame {
  std::string bytes;
};
struct process_signal {
  int number = 0;
};
struct process_wake {
  std::uint64_t ticket = 0;
};
struct process_boot {};
/// A frame arrives at the runtime; `death`: the process's end arrives.
struct process_arrival {
  std::string bytes;
  bool death = false;
};

} // namespace tayfa::sim

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_frame)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_signal)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_wake)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_boot)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_arrival)

namespace tayfa::sim {

/// A simulated process.
class sim_process : public caf::event_based_actor, private engine::link {
 public:
  sim_process(caf::actor_config& cfg, sim_engine_host& host, engine_spec spec, std::uint32_t pid,
              engine_sink sink)
      : caf::event_based_actor(cfg), host_(host), spec_(std::move(spec)), sink_(std::move(sink)) {
    const auto found = host_.behaviors.find(spec_.worker.slot);
    const auto behavior = found == host_.behaviors.end()
                              ? engine::scripted_behavior{}
                              : found->second.for_incarnation(spec_.worker.incarnation);
    engine::session_options options;
    options.pid = pid;
    engine::add_faults(behavior, options);
    options.on_crash = [this] { die(engine_exited{spec_.worker, true, 0, SIGABRT, "signal 6"}); };
    session_ = std::make_unique<engine::session>(
        spec_.worker,
        [this, behavior](engine::sink& out) {
          engine::scripted_options o;
          o.behavior = behavior;
          return std::make_unique<engine::scripted_engine>(out, host_.time_, o);
        },
        static_cast<engine::link&>(*this), host_.time_, options);
  }

  const char* name() const override { return "sim_process"; }

  caf::behavior make_behavior() override {
    return {[this](const process_boot&) {
              if (!exit_) {
                session_->open();
                after();
              }
            },
            [this](const process_frame& m) { received(m.bytes); },
            [this](const process_signal& m) { signalled(m.number); },
            [this](const process_wake& m) {
              if (m.ticket == ticket_ && !exit_ && !frozen_) {
                session_->wake(host_.time_.now());
                after();
              }
            },
            [this](const process_arrival& m) { arrived(m); }};
  }

  void on_exit() override { sink_ = nullptr; }

 private:
  void send(std::string frame) override { travel(process_arrival{std::move(frame), false}); }

  /// Schedules an arrival at the runtime behind everything that is already under way.
  void travel(process_arrival what) {
    const auto now = host_.time_.now();
    last_arrival_ = std::max(last_arrival_, now + host_.latency());
    delayed_send(this, caf::timespan{last_arrival_ - now}, std::move(what));
  }

  void arrived(const process_arrival& m) {
    if (const auto now = host_.time_.now(); now < host_.reads_again) {
      const auto late = std::chrono::nanoseconds{static_cast<std::int64_t>(
          host_.random_.unit() * 1e6 * static_cast<double>(host_.reading_takes.count()))};
      last_arrival_ = std::max(last_arrival_, host_.reads_again + late);
      delayed_send(this, caf::timespan{last_arrival_ - now}, m);
      return;
    }
    if (m.death) {
      const auto exit = *exit_;
      host_.ended(spec_.worker);
      sink_(exit);
      quit();
      return;
    }
    if (exit_ && lose_rest_) {
      return;
    }
    auto frame = protocol::decode_upstream(m.bytes);
    if (frame && frame->worker == spec_.worker) {
      sink_(engine_frame{spec_.worker, std::move(frame->body)});
    } else {
      sink_(engine_nonsense{spec_.worker,
                            frame ? error{errc::bad_frame, "another worker's"} : frame.error()});
    }
  }

  void received(const std::string& bytes) {
    if (exit_) {
      return;
    }
    if (frozen_) {
      held_.push_back(bytes);
      return;
    }
    session_->on_frame(bytes);
    after();
  }

  void signalled(int number) {
    if (exit_) {
      return;
    }
    switch (number) {
    case sim_engine_host::babble: send("\xc1 no frame"); break;
    case SIGSTOP: frozen_ = true; break;
    case SIGCONT: thaw(); break;
    case SIGTERM:
      if (!frozen_) {
        die(engine_exited{spec_.worker, true, 0, 0, "exit 0"});
      }
      break;
    default: die(engine_exited{spec_.worker, true, 0, number, "signal " + std::to_string(number)});
    }
  }

  void thaw() {
    frozen_ = false;
    auto held = std::move(held_);
    held_.clear();
    for (const auto& bytes : held) {
      received(bytes);
    }
    if (!exit_) {
      session_->wake(host_.time_.now());
      after();
    }
  }

  void after() {
    if (exit_) {
      return;
    }
    if (session_->done()) {
      die(engine_exited{spec_.worker, true, session_->exit_code(), 0, "exit 0"});
      return;
    }
    if (const auto next = session_->next_wakeup()) {
      const auto now = host_.time_.now();
      delayed_send(this, caf::timespan{*next <= now ? std::chrono::nanoseconds{0} : *next - now},
                   process_wake{++ticket_});
    }
  }

  void die(engine_exited how) {
    if (!exit_) {
      exit_ = std::move(how);
      lose_rest_ = exit_->signal != 0 && host_.random_.unit() < 0.5;
      travel(process_arrival{{}, true});
    }
  }

  sim_engine_host& host_;
  engine_spec spec_;
  engine_sink sink_;
  std::unique_ptr<engine::session> session_;
  std::optional<engine_exited> exit_;
  std::deque<std::string> held_;
  moment last_arrival_{};
  std::uint64_t ticket_ = 0;
  bool frozen_ = false;
  bool lose_rest_ = false;
};

std::chrono::nanoseconds sim_engine_host::latency() {
  return std::chrono::nanoseconds{
      static_cast<std::int64_t>(random_.unit() * static_cast<double>(latency_max.count()))};
}

void sim_engine_host::start(engine_spec spec, engine_sink sink) {
  const auto worker = spec.worker;
  if (stuck) {
    return;
  }
  if (cannot_start) {
    sink(engine_exited{worker, false, 0, 0, "the engine program is missing"});
    return;
  }
  const auto pid = ++pids_;
  auto process = system_.spawn<sim_process>(*this, std::move(spec), pid, sink);
  processes_[worker] = process;
  sink(engine_spawned{worker, pid});
  caf::anon_send(process, process_boot{});
}

void sim_engine_host::send(const worker_ref& worker, protocol::downstream message) {
  if (const auto it = processes_.find(worker); it != processes_.end()) {
    caf::anon_send(it->second, process_frame{protocol::encode(worker, message)});
  }
}

void sim_engine_host::kill(const worker_ref& worker, int signal) {
  if (const auto it = processes_.find(worker); it != processes_.end()) {
    caf::anon_send(it->second, process_signal{signal});
  }
}

std::set<worker_ref> sim_engine_host::alive() const {
  std::set<worker_ref> out;
  for (const auto& [worker, process] : processes_) {
    out.insert(worker);
  }
  return out;
}

void sim_engine_host::ended(const worker_ref& worker) {
  processes_.erase(worker);
}

void sim_engine_host::forget() {
  for (const auto& [worker, process] : processes_) {
    caf::anon_send_exit(process, caf::exit_reason::kill);
  }
  processes_.clear();
}

} // namespace tayfa::sim
