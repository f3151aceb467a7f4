// The simulated side of the world: virtual time, one seed, no sockets, no processes. Everything
// here runs on the thread that steps the simulation, so nothing is locked.
#pragma once

#include "actors/common.hpp"
#include "runtime/base/active_time.hpp"
#include "runtime/telemetry/memory_log.hpp"

#include <caf/scheduler/test_coordinator.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tayfa::sim {

/// CAF's virtual clock as a time source. The wall clock starts at a fixed date, so that logs repeat
/// byte for byte.
class virtual_time final : public time_source {
 public:
  explicit virtual_time(caf::scheduler::test_coordinator& scheduler) : scheduler_(scheduler) {}
  moment now() const override { return moment{scheduler_.clock().now().time_since_epoch()}; }
  std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::time_point{
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            std::chrono::hours{24 * 365 * 50} + now().time_since_epoch())};
  }

 private:
  caf::scheduler::test_coordinator& scheduler_;
};

/// The clock of the pod's process: virtual time without the pauses of the process.
class process_time final : public time_source {
 public:
  explicit process_time(virtual_time& outside) : outside_(outside), active_(outside.now()) {}
  moment now() const override { return running().at(outside_.now()); }
  std::chrono::system_clock::time_point wall() const override { return outside_.wall(); }
  std::chrono::nanoseconds until(moment due) const override {
    return running().until(due, outside_.now());
  }

  void stop() {
    running();
    stopped_ = true;
  }
  /// As after SIGCONT: the process finds that much time has passed.
  void go_on() {
    active_.tick(outside_.now());
    stopped_ = false;
  }
  /// A new process takes its place.
  void restart() {
    active_ = active_time{outside_.now()};
    stopped_ = false;
  }

 private:
  /// A process that is not stopped counts as running all the time.
  active_time& running() const {
    if (!stopped_) {
      active_.ran(outside_.now());
    }
    return active_;
  }

  virtual_time& outside_;
  mutable active_time active_;
  bool stopped_ = false;
};

/// A log that also passes every lifecycle move to an observer, so that scenarios can act on "the
/// pod is LAUNCHING".
class observed_log final : public event_log {
 public:
  /// `who` is the worker ("0#1") where the machine is an engine's.
  using observer =
      std::function<void(std::string_view machine, std::string_view to, std::string_view who)>;
  explicit observed_log(event_log& lines) : lines_(lines) {}
  void observe(observer o) { observer_ = std::move(o); }
  bool enabled(log_level) const override { return true; }
  void write(log_level level, std::string_view event, std::span<const log_field> fields) override;

 private:
  event_log& lines_;
  observer observer_;
};

class sim_gateway final : public http_gateway {
 public:
  bool port_in_use = false;
  bool silent = false; ///< open() never calls back

  void open(call_sink sink, std::function<void(result<std::string>)> done) override;
  void redirect(call_sink sink) override { sink_ = std::move(sink); }
  void close(std::function<void()> done) override;
  /// A client's call; answered 503 at once when no pod listens.
  void call(api::call, reply_ptr);
  /// The process does not run: what comes waits in its sockets. After that they are read in an
  /// order that `random` draws.
  void stop() { stopped_ = true; }
  void go_on(random_source& random);

 private:
  call_sink sink_;
  bool stopped_ = false;
  std::vector<std::pair<api::call, reply_ptr>> unread_;
};

class sim_probe final : public machine_probe {
 public:
  enum class mood : std::uint8_t { fit, unfit, silent };
  mood how = mood::fit;
  void run(const std::string& engine, std::function<void(fitness_report)> done) override;
};

/// Receivers of webhooks, by what their URL's path says: /ok, /fail, /flaky (every other call), and
/// how often each was called.
class sim_poster final : public http_poster {
 public:
  std::map<std::string, std::uint32_t> calls;          ///< by URL
  std::map<std::string, std::vector<std::string>> got; ///< bodies answered with 200, by URL
  call_ticket send(outgoing_call, std::function<void(result<outgoing_answer>)> done) override;
  void drop(call_ticket, std::chrono::milliseconds) override {} // every call has ended at once

 private:
  call_ticket tickets_ = 0;
};

class sim_models final : public model_source {
 public:
  bool broken = false;
  std::vector<model_entry> entries; ///< the catalogue; empty = models are not distinguished
  void inspect(std::vector<std::string> paths,
               std::function<void(result<std::vector<model_entry>>)> done) override;
};

} // namespace tayfa::sim
