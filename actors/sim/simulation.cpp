#include "actors/sim/run.hpp"

#include <algorithm>
#include <csignal>

namespace tayfa::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t steps_max = 3'000'000;
constexpr auto virtual_time_max = 2h;
constexpr auto quiet_before_stop =
    30s; ///< virtual time without an event before a run without work is stopped

/// CAF's configuration for a simulation: its test scheduler runs nothing by itself.
caf::actor_system_config& testing(caf::actor_system_config& c) {
  c.set("scheduler.policy", caf::atom("testing"));
  return c;
}

store::sim_disk::options disk_options(std::uint64_t seed) {
  store::sim_disk::options o;
  o.seed = seed;
  return o;
}

} // namespace

run::run(const scenario& plan, std::uint64_t seed)
    : plan_(plan), system_(testing(system_config_)),
      scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
      random_(seed), secrets_(seed ^ 0xbf58476d1ce4e5b9ULL), order_(seed ^ 0x9e3779b97f4a7c15ULL),
      time_(scheduler_), pod_time_(time_),
      lines_(time_, memory_log::options{log_level::debug, log_format::text, 1'000'000}),
      log_(lines_), engines_(system_, time_, random_), disk_(disk_options(seed)) {
  scheduler_.clock().current_time += 1h; // CAF gives the zero time point a meaning of its own
  pod_time_.restart();
  begin_ = time_.now();
}

outcome run::go() {
  prepare();
  moved("pod", "CREATED", {});
  due_incidents();
  pod_->start();
  steps();
  settle();
  check();
  clean_up();
  result_.log = lines_.text();
  result_.virtual_time =
      std::chrono::duration_cast<std::chrono::milliseconds>(time_.now() - begin_);
  return std::move(result_);
}

void run::prepare() {
  http_.port_in_use = plan_.port_in_use;
  http_.silent = plan_.port_silent;
  engines_.cannot_start = plan_.engine_missing;
  engines_.stuck = plan_.spawner_stuck;
  probe_.how = plan_.probe;
  models_.broken = plan_.broken_model;
  knobs_.engine_slots = plan_.slots;
  for (const auto& [slot, behavior] : plan_.behaviors) {
    engines_.behaviors[slot_id{slot}] = behavior;
  }
  if (plan_.knobs) {
    plan_.knobs(knobs_);
  }
  log_.observe([this](std::string_view machine, std::string_view to, std::string_view who) {
    moved(machine, to, who);
  });
  for (const auto& i : plan_.incidents) {
    waiting_.push_back(i);
  }
  if (plan_.platform) {
    platform_ = std::make_unique<sim_platform>(system_, time_, random_, *plan_.platform,
                                               [this] { all_done(); });
  }
  if (plan_.random_faults) {
    draw_faults();
  }
  if (plan_.random_crashes) {
    draw_crashes();
  }
  if (plan_.random_pauses) {
    draw_pauses();
  }
  make_pod();
}

void run::make_pod() {
  models_.entries.clear();
  const bool later = result_.lives > 1 && !plan_.models_later.empty();
  for (const auto& name : later ? plan_.models_later : plan_.models) {
    const auto kind = plan_.model_kinds.find(name);
    models_.entries.push_back(model_entry{name, "/models/" + name, "{}", 1'000'000,
                                          kind == plan_.model_kinds.end() ? "" : kind->second});
  }
  pod_ = std::make_unique<sim_pod>(surroundings{system_, pod_time_, random_, secrets_, log_,
                                                meters_, engines_, http_, probe_, models_, post_,
                                                feed_, disk_, platform_.get()},
                                   knobs_, [this](pod_exit e) { stopped(std::move(e)); });
}

/// The platform starts a pod that ended again, while there is work left and it was not asked to
/// end.
void run::stopped(pod_exit e) {
  const bool work_left = (plan_.work || plan_.platform) && !work_done_;
  if (work_left && restarts_ < plan_.restarts) {
    ++restarts_;
    crash(false);
    return;
  }
  exit_ = std::move(e);
}

void run::crash(bool power) {
  if (paused_until_) {
    go_on(); // SIGKILL ends a stopped process as well
  }
  log_.info("sim_incident", {{"kill", power ? "power" : "runtime"}});
  result_.commits += pod_->disk_store().transactions();
  pod_->kill();
  if (power) {
    if (disk_.has_power()) {
      disk_.power_loss();
    }
    disk_.power_on();
  }
  disk_due_.reset();
  const auto pause = std::chrono::milliseconds{static_cast<std::int64_t>(random_.unit() * 2'000)};
  born_again_ = time_.now() + std::chrono::milliseconds{1} + pause;
}

/// Starts the next process once all actors of the last one are dead.
void run::reborn() {
  while (pod_->alive() > 0 || !engines_.alive().empty()) {
    due_incidents();
    if (!step()) {
      next_moment();
    }
  }
  born_again_.reset();
  pod_time_.restart();
  pod_.reset();
  engine_states_.clear();
  ++result_.lives;
  make_pod();
  pod_->start();
  asked_to_stop_ = work_done_;
  if (work_done_) {
    caf::anon_send(pod_->root(), stop_pod{"the work is done"});
  }
}

void run::start_work() {
  works_ += plan_.platform ? 1 : 0;
  others_.push_back(
      spawn_workload(system_, http_, random_, *plan_.work, seen_, [this] { all_done(); }));
  if (plan_.remote) {
    const auto workers =
        spawn_remote_workers(system_, http_, random_, *plan_.remote, remote_faults_);
    others_.insert(others_.end(), workers.begin(), workers.end());
  }
  if (plan_.purges) {
    others_.push_back(spawn_purger(system_, http_, random_, *plan_.purges, purges_));
  }
  if (plan_.readers) {
    const auto workers =
        spawn_openai_readers(system_, http_, random_, *plan_.readers, reader_faults_);
    others_.insert(others_.end(), workers.begin(), workers.end());
  }
}

/// The clients, or the platform, have all they wanted.
void run::all_done() {
  if (--works_ > 0) {
    return;
  }
  work_done_ = true;
  // A second stop would force the first one, and kill what has not ended yet.
  const bool asked_before = std::exchange(asked_to_stop_, true);
  if (!born_again_ && !asked_before) {
    caf::anon_send(pod_->root(), stop_pod{"the work is done"});
  }
}

void run::moved(std::string_view machine, std::string_view to, std::string_view who) {
  if (machine == "engine") {
    engine_states_[std::string{who}] = to;
  }
  if (machine == "pod" && to == "READY") {
    check_honest();
  }
  if (machine == "pod" && platform_) {
    platform_->stopping_since(to == "STOPPING" ? std::optional{time_.now()} : std::nullopt);
  }
  if (machine == "pod" && to != "CREATED") {
    result_.pod_states.emplace_back(to);
    if (to == "CONFIGURING" && plan_.work && !std::exchange(work_begun_, true)) {
      start_work(); // the port is open from here on
    }
  }
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    const bool this_one = machine != "engine" || who.starts_with(std::to_string(it->slot) + "#");
    if (it->machine == machine && it->state == to && this_one) {
      incidents_.emplace(time_.now() + it->after, *it);
      it = it->always ? it + 1 : waiting_.erase(it);
    } else {
      ++it;
    }
  }
}

void run::carry_out(const incident& x) {
  using what = incident::what;
  const auto hit = [&](int signal) {
    for (const auto& worker : engines_.alive()) {
      if (worker.slot.value == x.slot) {
        engines_.kill(worker, signal);
      }
    }
  };
  const auto end_actor = [&](const char* name) {
    log_.info("sim_incident", {{"kill", name}});
    caf::anon_send(pod_->root(), part_stuck{name}); // the supervisor kills and replaces it
  };
  switch (x.act) {
  case what::sigterm:
    asked_to_stop_ = true;
    caf::anon_send(pod_->root(), stop_pod{"SIGTERM"});
    break;
  case what::kill_runtime:
  case what::lose_power:
    if (!born_again_ && !exit_) {
      crash(x.act == what::lose_power);
    }
    break;
  case what::pause_runtime: pause(x.lasts); break;
  case what::fill_disk: disk_.set_limit(disk_.bytes_used()); break;
  case what::overfill_disk: disk_.set_limit(0); break;
  case what::free_disk: disk_.set_limit(std::nullopt); break;
  case what::break_flush: disk_.plan_fault(store::disk_call::sync, 1, EIO); break;
  case what::drain_slot:
  case what::undrain_slot:
    caf::anon_send(pod_->root(), drain_slot{slot_id{x.slot}, x.act == what::drain_slot});
    break;
  case what::resize: caf::anon_send(pod_->root(), resize_slots{x.slot}); break;
  case what::kill_engine: hit(SIGKILL); break;
  case what::freeze_engine: hit(SIGSTOP); break;
  case what::babble_engine: hit(sim_engine_host::babble); break;
  case what::cut_link: hit(sim_engine_host::cut_link); break;
  case what::kill_queue: end_actor("queue"); break;
  case what::kill_ingress: end_actor("ingress"); break;
  case what::kill_loader: end_actor("model_loader"); break;
  case what::kill_runpod_worker: end_actor("runpod_worker"); break;
  case what::kill_remote_workers: end_actor("remote_workers"); break;
  }
}

/// READY is never said before an engine has passed its warm-up (I9).
void run::check_honest() {
  const auto up = [](const auto& engine) {
    return engine.second == "READY" || engine.second == "PROCESSING";
  };
  const bool first = std::count(result_.pod_states.begin(), result_.pod_states.end(), "READY") == 0;
  if (first && plan_.slots > 0 && std::none_of(engine_states_.begin(), engine_states_.end(), up)) {
    violated("the pod said READY while no engine had passed its warm-up (I9)");
  }
}

void run::due_incidents() {
  while (!incidents_.empty() && incidents_.begin()->first <= time_.now()) {
    const auto x = incidents_.begin()->second;
    incidents_.erase(incidents_.begin());
    carry_out(x);
  }
}

/// Runs one message of one runnable actor, chosen by the seed.
bool run::step() {
  auto& jobs = scheduler_.jobs;
  if (disk_step()) {
    return true;
  }
  // Actors of a stopped process cannot run.
  const auto can_run = [this](const caf::resumable* one) {
    return !paused_until_ || !pod_->runs(one);
  };
  const auto some =
      static_cast<std::uint64_t>(paused_until_ ? std::count_if(jobs.begin(), jobs.end(), can_run)
                                               : static_cast<std::ptrdiff_t>(jobs.size()));
  if (some == 0) {
    return false;
  }
  auto i = static_cast<std::ptrdiff_t>(order_.next() % some);
  if (paused_until_) {
    auto chosen = std::find_if(jobs.begin(), jobs.end(), can_run);
    for (; i > 0; --i) {
      chosen = std::find_if(chosen + 1, jobs.end(), can_run);
    }
    i = chosen - jobs.begin();
  }
  std::rotate(jobs.begin(), jobs.begin() + i, jobs.begin() + i + 1);
  scheduler_.try_run_once();
  ++result_.steps;
  return true;
}

/// The store's next operation, when its time has come.
bool run::disk_step() {
  if (born_again_ || paused_until_ || pod_->disk_store().pending() == 0) {
    return false;
  }
  if (!disk_due_) {
    const auto takes = random_.unit() * static_cast<double>(plan_.disk_latency_max.count());
    disk_due_ = time_.now() + std::chrono::nanoseconds{static_cast<std::int64_t>(takes)};
  }
  if (*disk_due_ > time_.now()) {
    return false;
  }
  disk_due_.reset();
  ++result_.steps;
  const bool crashes = crash_at_.contains(++disk_steps_);
  const bool before = random_.unit() < 0.5;
  if (crashes && before) {
    crash(random_.unit() < 0.5);
    return true;
  }
  pod_->disk_store().step();
  if (random_.unit() < 0.1) {
    pod_->disk_store().rest();
  }
  if (crashes || !disk_.has_power()) {
    crash(!disk_.has_power() || random_.unit() < 0.5);
  }
  return true;
}

/// Nothing can run: time passes until the next timer or incident.
void run::next_moment() {
  auto& clock = scheduler_.clock();
  const auto now = time_.now();
  std::optional<moment> next;
  if (!clock.schedule().empty()) {
    next = moment{clock.schedule().begin()->first.time_since_epoch()};
  }
  if (!incidents_.empty()) {
    next = next ? std::min(*next, incidents_.begin()->first) : incidents_.begin()->first;
  }
  const auto disk = paused_until_ ? std::nullopt : disk_due_;
  for (const auto& due : {disk, born_again_, paused_until_}) {
    if (due && *due > now) { // else it is being served
      next = next ? std::min(*next, *due) : *due;
    }
  }
  const bool idle_pod = !plan_.work && !plan_.platform && !asked_to_stop_ && plan_.exit_code == 0;
  if (idle_pod && (!next || *next > begin_ + quiet_before_stop)) {
    asked_to_stop_ = true;
    caf::anon_send(pod_->root(), stop_pod{"nothing to do"});
    return;
  }
  if (next) {
    scheduler_.advance_time(*next > now ? *next - now : std::chrono::nanoseconds{0});
  } else {
    scheduler_.advance_time(1s);
  }
}

void run::steps() {
  std::uint64_t since_audit = 0;
  while (!exit_) {
    if (result_.steps > steps_max || time_.now() - begin_ > virtual_time_max) {
      violated("the pod did not end within its virtual time (I15)");
      caf::anon_send(pod_->root(), stop_pod{"simulation limit"});
      caf::anon_send(pod_->root(), stop_pod{"simulation limit"});
      for (int i = 0; i < 200'000 && !exit_; ++i) {
        if (!step()) {
          next_moment();
        }
      }
      return;
    }
    due_incidents();
    if (born_again_ && *born_again_ <= time_.now()) {
      reborn();
    }
    if (paused_until_ && *paused_until_ <= time_.now()) {
      go_on();
    }
    if (!step()) {
      next_moment();
    }
    if (++since_audit >= 50 && !born_again_) {
      since_audit = 0;
      for (auto& broken : pod_->audit()) {
        violated("job table: " + broken);
      }
    }
  }
}

/// Answers that are under way still arrive, and what was killed at the very end still has to die:
/// the host of production waits for that, too.
void run::settle() {
  for (int i = 0; i < 100'000 && step(); ++i) {
  }
  const auto until = time_.now() + 1s;
  while (!engines_.alive().empty() && time_.now() < until) {
    if (!step()) {
      next_moment();
    }
  }
}

void run::clean_up() {
  http_.redirect(nullptr);
  for (const auto& actor : others_) {
    caf::anon_send_exit(actor, caf::exit_reason::kill);
  }
  others_.clear();
  result_.commits += pod_->disk_store().transactions();
  pod_->kill();
  if (platform_) {
    platform_->forget();
  }
  engines_.forget();
  scheduler_.run();
  scheduler_.clock().cancel_all(); // timers hold strong references
  scheduler_.run();
  pod_.reset();
  if (system_.registry().running() != 0) {
    violated(std::to_string(system_.registry().running()) + " actors outlive the pod (I10)");
  }
}

outcome simulate(const scenario& plan, std::uint64_t seed) {
  return run{plan, seed}.go();
}

} // namespace tayfa::sim
