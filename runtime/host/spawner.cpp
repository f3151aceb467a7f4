#include "runtime/host/spawner.hpp"

#include "runtime/host/leftovers.hpp"
#include "runtime/host/temporary_folder.hpp"
#include "runtime/machine/container.hpp"
#include "runtime/machine/thread_share.hpp"

#include <algorithm>
#include <csignal>
#include <unistd.h>

namespace tayfa {

namespace {

constexpr std::size_t output_per_round = std::size_t{64} << 10;
constexpr std::size_t output_at_end = std::size_t{1} << 20;
constexpr std::chrono::milliseconds retry_pause{200};
constexpr std::chrono::milliseconds retry_for{15'000}; ///< below engine.hello_timeout's default

} // namespace

spawner::spawner(options o, events e, event_log& log)
    : options_(std::move(o)), events_(std::move(e)), log_(log),
      oom_kills_(oom_kills().value_or(0)) {
  write_pids();
  thread_ = std::thread([this] { loop(); });
}

spawner::~spawner() {
  stop();
}

// ---- any thread -----------------------------------------------------------------------------

void spawner::start(engine_spec spec) {
  {
    const std::lock_guard guard{mutex_};
    const auto worker = spec.worker;
    engine asked;
    asked.spec = std::move(spec);
    engines_.emplace(worker, std::move(asked));
    waiting_.push_back(worker);
  }
  wake_up(wakeup_);
}

void spawner::kill(const worker_ref& worker, int signal) {
  const std::lock_guard guard{mutex_};
  const auto found = engines_.find(worker);
  if (found == engines_.end()) {
    return;
  }
  auto& e = found->second;
  if (e.process.pid == 0) {
    e.wanted_signal = e.wanted_signal == SIGKILL ? SIGKILL : signal;
    e.due = moment{}; // a start that is being retried is given up
    wake_up(wakeup_);
  } else {
    signal_group(e.process, signal);
  }
}

void spawner::stop() {
  if (!thread_.joinable()) {
    return;
  }
  {
    const std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  wake_up(wakeup_);
  thread_.join();
}

// ---- the spawner's thread -------------------------------------------------------------------

void spawner::loop() {
  for (;;) {
    if (begin_stop()) {
      const std::lock_guard guard{mutex_};
      if (engines_.empty()) {
        return;
      }
    } else if (start_waiting()) {
      write_pids();
    }
    if (give_up_ && time_.now() >= *give_up_) {
      abandon_rest();
      return;
    }
    if (watch()) {
      write_pids();
    }
  }
}

/// True while stopping. The first call kills all, and reports those that never began as ended.
bool spawner::begin_stop() {
  std::vector<engine_exited> ended;
  {
    const std::lock_guard guard{mutex_};
    if (!stopping_) {
      return false;
    }
    for (auto it = engines_.begin(); it != engines_.end();) {
      if (it->second.process.pid == 0) {
        ended.push_back({it->first, false, 0, 0, "the host is closing"});
        it = engines_.erase(it);
      } else {
        signal_group(it->second.process, SIGKILL);
        ++it;
      }
    }
    waiting_.clear();
  }
  if (!give_up_) {
    give_up_ = time_.now() + options_.end_wait;
  }
  for (const auto& event : ended) {
    events_.exited(event);
  }
  return true;
}

/// True when processes were started.
bool spawner::start_waiting() {
  std::deque<worker_ref> due;
  std::deque<worker_ref> later;
  {
    const std::lock_guard guard{mutex_};
    const auto now = time_.now();
    for (const auto& worker : waiting_) {
      (engines_.at(worker).due <= now ? due : later).push_back(worker);
    }
    waiting_ = std::move(later);
  }
  bool any = false;
  for (const auto& worker : due) {
    any = start_one(worker) || any;
  }
  return any;
}

/// Called when the system was short of something: true when the start will be retried.
bool spawner::delay(const worker_ref& worker, const error& why) {
  bool first = false;
  {
    const std::lock_guard guard{mutex_};
    auto& e = engines_.at(worker);
    const auto now = time_.now();
    first = !e.delayed;
    e.delayed = e.delayed.value_or(now);
    if (why.code != errc::unavailable || now - *e.delayed >= retry_for || e.wanted_signal != 0) {
      return false;
    }
    e.due = now + retry_pause;
    waiting_.push_back(worker);
  }
  if (first) {
    log_.warn("engine_start_delayed", {{"worker", worker}, {"why", why.text}});
  }
  return true;
}

void spawner::never_began(const worker_ref& worker, std::string why) {
  {
    const std::lock_guard guard{mutex_};
    engines_.erase(worker);
  }
  events_.exited({worker, false, 0, 0, std::move(why)});
}

spawn_request spawner::request_for(const engine_spec& spec, const slot_place& place,
                                   std::uint32_t threads) const {
  spawn_request request;
  request.arguments = {options_.program,
                       "--endpoint",
                       options_.endpoint,
                       "--slot",
                       std::to_string(spec.worker.slot.value),
                       "--incarnation",
                       std::to_string(spec.worker.incarnation),
                       "--engine",
                       spec.engine,
                       "--parent",
                       std::to_string(::getpid())};
  if (const auto pinned = cpu_list(place.cpus); !pinned.empty()) {
    request.arguments.insert(request.arguments.end(), {"--cpus", pinned});
  }
  if (place.node) {
    request.arguments.insert(request.arguments.end(),
                             {"--memory-node", std::to_string(*place.node)});
  }
  request.environment = spec.environment;
  request.passed = options_.passed;
  if (threads > 0) {
    for (auto& variable : thread_variables(threads, own_environment(), options_.passed)) {
      request.environment.push_back(std::move(variable));
    }
  }
  return request;
}

/// The engine's own temporary folder; an empty path where none is configured.
result<std::string> spawner::make_temporary(const worker_ref& worker) const {
  if (options_.temporary.empty()) {
    return std::string{};
  }
  auto folder = options_.temporary + "/" + std::to_string(worker.slot.value) + "." +
                std::to_string(worker.incarnation);
  auto made = make_private_folder(folder);
  if (!made && made.error().code == errc::storage_full) {
    // Most engines write nothing there, and jobs continue on a full disk: use the parent folder.
    log_.warn("temporary_folder_failed", {{"worker", worker}, {"text", made.error().text}});
    return options_.temporary;
  }
  return made ? result<std::string>{std::move(folder)} : fail(std::move(made.error()));
}

void spawner::remove_temporary(const std::string& folder) {
  const bool own = !folder.empty() && folder != options_.temporary;
  if (own && !remove_tree(folder)) {
    log_.warn("temporary_folder_left", {{"folder", folder}});
  }
}

/// True when it runs.
bool spawner::start_one(const worker_ref& worker) {
  engine_spec spec;
  bool given_up = false;
  {
    const std::lock_guard guard{mutex_};
    const auto& e = engines_.at(worker);
    spec = e.spec;
    given_up = e.delayed && e.wanted_signal != 0;
  }
  if (given_up) {
    never_began(worker, "was stopped before it could be started");
    return false;
  }
  const auto place = options_.pinner.place(worker.slot, spec.slots);
  const auto cpus = static_cast<std::uint32_t>(place.cpus.size());
  const auto threads = options_.threads ? options_.threads(spec, cpus) : 0;
  auto request = request_for(spec, place, threads);
  auto temporary = make_temporary(worker);
  if (temporary && !temporary->empty()) {
    request.environment.emplace_back("TMPDIR", *temporary);
  }
  // Takes a few milliseconds: not under the mutex.
  auto process = temporary ? spawn(request) : result<child_process>{fail(temporary.error())};
  if (!process) {
    remove_temporary(temporary.value_or(std::string{}));
    if (!delay(worker, process.error())) {
      never_began(worker, process.error().text);
    }
    return false;
  }
  const auto pid = process->pid;
  {
    const std::lock_guard guard{mutex_};
    auto& e = engines_.at(worker);
    e.process = std::move(*process);
    e.temporary = std::move(*temporary);
    e.output = std::make_unique<output_log>(log_, worker, pid);
    if (e.wanted_signal != 0) {
      signal_group(e.process, e.wanted_signal);
    }
  }
  events_.spawned({worker, static_cast<std::uint32_t>(pid), cpu_list(place.cpus), threads});
  return true;
}

/// Waits for events and handles them; true when an engine ended.
bool spawner::watch() {
  std::vector<pollfd> polled{{wakeup_.get(), POLLIN, 0}};
  std::vector<engine*> outputs{nullptr};
  std::vector<worker_ref> workers{worker_ref{}};
  {
    const std::lock_guard guard{mutex_};
    for (auto& [worker, e] : engines_) {
      if (e.process.pid == 0) {
        continue;
      }
      polled.push_back({e.process.pidfd.get(), POLLIN, 0});
      outputs.push_back(nullptr);
      workers.push_back(worker);
      if (e.process.output) {
        polled.push_back({e.process.output.get(), POLLIN, 0});
        outputs.push_back(&e); // a stable address: only this thread erases
        workers.push_back(worker);
      }
    }
  }
  if (::poll(polled.data(), polled.size(), wait_ms()) <= 0) {
    return false;
  }
  settle_down(wakeup_);
  std::vector<worker_ref> ended;
  for (std::size_t i = 1; i < polled.size(); ++i) {
    if (polled[i].revents == 0) {
      continue;
    }
    if (outputs[i] != nullptr) {
      read_output(*outputs[i]);
    } else {
      ended.push_back(workers[i]);
    }
  }
  for (const auto& worker : ended) {
    bury(worker);
  }
  return !ended.empty();
}

/// Time until the next retry of a start, or until killed processes are given up; -1: neither.
int spawner::wait_ms() {
  std::optional<moment> until = give_up_;
  {
    const std::lock_guard guard{mutex_};
    for (const auto& worker : waiting_) {
      const auto due = engines_.at(worker).due;
      until = std::min(until.value_or(due), due);
    }
  }
  if (!until) {
    return -1;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - time_.now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

void spawner::read_output(engine& e) {
  if (!e.output->read_from(e.process.output.get(), output_per_round, time_.now())) {
    e.process.output.reset();
  }
}

/// After the process has ended: logs its last output, reports its end, and erases it.
void spawner::bury(const worker_ref& worker) {
  engine dead;
  child_end end;
  child_process* process = nullptr;
  {
    const std::lock_guard guard{mutex_};
    process = &engines_.at(worker).process; // a stable address: only this thread erases
  }
  end_descendants(*process); // takes a moment: not under the mutex
  {
    const std::lock_guard guard{mutex_};
    const auto found = engines_.find(worker);
    end = reap(found->second.process); // under the mutex: kill() must not signal a reaped pid
    dead = std::move(found->second);
    engines_.erase(found);
  }
  if (dead.process.output) {
    dead.output->read_from(dead.process.output.get(), output_at_end, time_.now());
  }
  dead.output->finish();
  remove_temporary(dead.temporary); // before the end is reported: the next engine needs the space
  const bool short_of_memory = end.signal == SIGKILL && oom_kills().value_or(0) > oom_kills_;
  oom_kills_ += short_of_memory ? 1 : 0;
  if (short_of_memory) {
    end.text += ", out of memory";
  }
  events_.exited({worker, true, end.code, end.signal, std::move(end.text), short_of_memory});
}

void spawner::abandon_rest() {
  const std::lock_guard guard{mutex_};
  for (const auto& [worker, e] : engines_) {
    log_.error("engine_not_killable", {{"worker", worker}, {"pid", e.process.pid}});
    events_.exited({worker, true, 0, SIGKILL, "killed; the kernel has not let go of it yet"});
  }
  engines_.clear();
}

void spawner::write_pids() {
  std::vector<pid_t> pids;
  {
    const std::lock_guard guard{mutex_};
    for (const auto& [worker, e] : engines_) {
      if (e.process.pid != 0) {
        pids.push_back(e.process.pid);
      }
    }
  }
  write_pid_file(options_.pid_file, pids, options_.temporary, log_);
}

} // namespace tayfa
