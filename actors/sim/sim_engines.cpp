#include "actors/sim/sim_engines.hpp"

#include "runtime/engine/session.hpp"

#include <algorithm>
#include <csignal>
#include <deque>
#include <memory>
#include <utility>

namespace tayfa::sim {

struct process_frame {
  std::string bytes; ///< with room for the link's header
};
struct process_signal {
  int number = 0;
};
struct process_wake {
  std::uint64_t ticket = 0;
};
struct process_boot {};
struct process_reconnect {};
/// A message arrives at the runtime; `death`: the process's end arrives.
struct process_arrival {
  link_message message;
  std::uint64_t connection = 0;
  bool death = false;
};

} // namespace tayfa::sim

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_frame)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_signal)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_wake)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_boot)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_reconnect)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::process_arrival)

namespace tayfa::sim {

/// A simulated process, its connection, and the runtime's end of its link.
class sim_process : public caf::event_based_actor, private engine::transport {
 public:
  sim_process(caf::actor_config& cfg, sim_engine_host& host, engine_spec spec, std::uint32_t pid,
              engine_sink sink)
      : caf::event_based_actor(cfg), host_(host), spec_(std::move(spec)), sink_(std::move(sink)),
        runtime_end_({.self = runtime_incarnation, .peer = spec_.worker.incarnation}) {
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
        static_cast<engine::transport&>(*this), host_.time_, options);
  }

  const char* name() const override { return "sim_process"; }

  caf::behavior make_behavior() override {
    return {[this](const process_boot&) {
              if (!exit_) {
                session_->open();
                after();
              }
            },
            [this](process_frame& m) {
              if (runtime_end_.send(std::move(m.bytes))) {
                flush_runtime_end();
              }
            },
            [this](process_reconnect) { connect_again(); },
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
  bool write(const link_message& message) override {
    if (connected_) {
      travel(process_arrival{message, connection_});
    } else if (socket_keeps_) {
      in_socket_.push_back(message);
    }
    return true;
  }

  void flush_runtime_end() {
    runtime_end_.flush(host_.time_.now(), [this](const link_message& message) {
      if (connected_) {
        received(message);
      }
      return true;
    });
  }

  /// Loses the messages under way, in both directions. A socket that reconnects by itself keeps the
  /// messages sent meanwhile, or loses them; each end may notice the loss or not.
  void lose_connection() {
    if (!connected_) {
      return;
    }
    connected_ = false;
    ++connection_;
    socket_keeps_ = host_.random_.unit() < 0.5;
    if (host_.random_.unit() < 0.5) {
      runtime_end_.disconnected();
    }
    const auto absent = host_.random_.unit() * static_cast<double>(host_.absent_max.count());
    delayed_send(this, caf::timespan{static_cast<std::int64_t>(absent)}, process_reconnect{});
  }

  void connect_again() {
    connected_ = true;
    for (auto& message : std::exchange(in_socket_, {})) {
      write(message);
    }
    if (host_.random_.unit() < 0.5 && !exit_ && !frozen_) {
      session_->connected();
      after();
    }
  }

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
    if ((exit_ && lose_rest_) || m.connection != connection_) {
      return;
    }
    const auto arrival = runtime_end_.receive(*m.message, host_.time_.now());
    if (!arrival) {
      sink_(protocol_violation{spec_.worker, arrival.error()});
      return;
    }
    if (!arrival->frame.empty()) {
      on_frame(arrival->frame);
    }
    flush_runtime_end();
  }

  void on_frame(std::span<const char> bytes) {
    auto frame = protocol::decode_upstream(bytes);
    if (frame && frame->worker == spec_.worker) {
      sink_(engine_frame{spec_.worker, std::move(frame->body)});
    } else {
      sink_(protocol_violation{spec_.worker,
                               frame ? error{errc::bad_frame, "another worker's"} : frame.error()});
    }
  }

  void received(const link_message& message) {
    if (exit_) {
      return;
    }
    if (frozen_) {
      held_.push_back(message);
      return;
    }
    session_->on_message(*message);
    after();
  }

  void signalled(int number) {
    if (exit_) {
      return;
    }
    switch (number) {
    case sim_engine_host::babble: write(std::make_shared<std::string>("\xc1 no frame")); break;
    case sim_engine_host::cut_link: lose_connection(); break;
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
    for (const auto& message : held) {
      received(message);
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
      die(engine_exited{spec_.worker, true, 0, 0, "exit 0"});
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
      travel(process_arrival{nullptr, connection_, true});
    }
  }

  sim_engine_host& host_;
  engine_spec spec_;
  engine_sink sink_;
  std::unique_ptr<engine::session> session_;
  std::optional<engine_exited> exit_;
  link_state runtime_end_;
  std::deque<link_message> held_;      ///< arrived while it is stopped
  std::deque<link_message> in_socket_; ///< written while there is no connection
  std::uint64_t connection_ = 0;
  bool connected_ = true;
  bool socket_keeps_ = false;
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
    caf::anon_send(it->second, process_frame{protocol::encode(worker, message, data_header_bytes)});
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
