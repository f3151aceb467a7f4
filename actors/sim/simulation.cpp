#include "actors/sim/simulation.hpp"

#include "actors/sim/sim_engines.hpp"

#include <algorithm>
#include <csignal>

namespace tayfa::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t steps_max = 3'000'000;
constexpr auto virtual_time_max = 2h;
constexpr auto quiet_before_stop =
    30s; ///< virtual time without news before a run without work is stopped

/// CAF's configuration for a simulation: its test scheduler runs nothing by itself.
caf::actor_system_config& testing(caf::actor_system_config& c) {
  c.set("scheduler.policy", caf::atom("testing"));
  return c;
}

class run {
 public:
  run(const scenario& plan, std::uint64_t seed)
      : plan_(plan), system_(testing(system_config_)),
        scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
        random_(seed), order_(seed ^ 0x9e3779b97f4a7c15ULL), time_(scheduler_),
        lines_(time_, memory_log::options{log_level::debug, log_format::text, 1'000'000}),
        log_(lines_), engines_(system_, time_, random_) {
    scheduler_.clock().current_time += 1h; // CAF gives the zero time point a meaning of its own
    begin_ = time_.now();
  }

  outcome go() {
    prepare();
    moved("pod", "CREATED", {});
    due_incidents();
    caf::anon_send(supervisor_, start_pod{});
    steps();
    settle();
    check();
    clean_up();
    result_.log = lines_.text();
    result_.virtual_time =
        std::chrono::duration_cast<std::chrono::milliseconds>(time_.now() - begin_);
    return std::move(result_);
  }

 private:
  void prepare();
  void start_work();
  void settle();
  void steps();
  bool step();
  void next_moment();
  void moved(std::string_view machine, std::string_view to, std::string_view who);
  void check_honest();
  void due_incidents();
  void carry_out(const incident&);
  void draw_faults();
  void check();
  void check_job(std::size_t index, const job_history&);
  void check_pod_states();
  void clean_up();
  void violated(std::string text) { result_.violations.push_back(std::move(text)); }

  const scenario& plan_;
  caf::actor_system_config system_config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  seeded_random random_;
  seeded_random order_; ///< only for the order of steps
  virtual_time time_;
  memory_log lines_;
  observed_log log_;
  metrics meters_;
  sim_engine_host engines_;
  sim_gateway http_;
  sim_probe probe_;
  sim_models models_;
  config knobs_;
  std::shared_ptr<job_table> jobs_;
  std::optional<world> world_;
  supervisor_actor supervisor_;
  std::vector<caf::actor> others_;
  std::shared_ptr<history> seen_ = std::make_shared<history>();
  std::multimap<moment, incident> incidents_;
  std::vector<incident> waiting_;
  std::map<std::string, std::string> engine_states_; ///< by worker
  std::optional<pod_exit> exit_;
  bool asked_to_stop_ = false;
  moment begin_;
  outcome result_;
};

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
  jobs_ = std::make_shared<job_table>(limits_from(knobs_));
  world_.emplace(world{time_, random_, log_, meters_, engines_, http_, probe_, models_});
  log_.observe([this](std::string_view machine, std::string_view to, std::string_view who) {
    moved(machine, to, who);
  });
  for (const auto& i : plan_.incidents) {
    waiting_.push_back(i);
  }
  if (plan_.random_faults) {
    draw_faults();
  }
  supervisor_ = system_.spawn<supervisor>(
      pod_context{*world_, knobs_},
      pod_terms{"scripted", jobs_, [this](pod_exit e) { exit_ = std::move(e); }});
}

void run::start_work() {
  others_.push_back(spawn_workload(system_, http_, random_, *plan_.work, seen_, [this] {
    asked_to_stop_ = true;
    caf::anon_send(supervisor_, stop_pod{"the work is done"});
  }));
}

void run::draw_faults() {
  const auto count = 1 + random_.next() % 8;
  for (std::uint64_t i = 0; i < count; ++i) {
    incident x;
    x.act = random_.unit() < 0.6 ? incident::what::kill_engine : incident::what::freeze_engine;
    x.slot = static_cast<std::uint32_t>(random_.next() % plan_.slots);
    const auto at = std::chrono::milliseconds{static_cast<std::int64_t>(random_.unit() * 60'000)};
    incidents_.emplace(begin_ + at, x);
  }
}

void run::moved(std::string_view machine, std::string_view to, std::string_view who) {
  if (machine == "engine") {
    engine_states_[std::string{who}] = to;
  }
  if (machine == "pod" && to == "READY") {
    check_honest();
  }
  if (machine == "pod" && to != "CREATED") {
    result_.pod_states.emplace_back(to);
    if (to == "CONFIGURING" && plan_.work) {
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
    caf::anon_send(supervisor_, part_stuck{name}); // the supervisor kills and replaces it
  };
  switch (x.act) {
  case what::sigterm:
    asked_to_stop_ = true;
    caf::anon_send(supervisor_, stop_pod{"SIGTERM"});
    break;
  case what::kill_engine: hit(SIGKILL); break;
  case what::freeze_engine: hit(SIGSTOP); break;
  case what::babble_engine: hit(sim_engine_host::babble); break;
  case what::kill_queue: end_actor("queue"); break;
  case what::kill_ingress: end_actor("ingress"); break;
  case what::kill_loader: end_actor("model_loader"); break;
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

/// One message of one runnable actor, chosen by the seed.
bool run::step() {
  auto& jobs = scheduler_.jobs;
  if (jobs.empty()) {
    return false;
  }
  const auto i = static_cast<std::ptrdiff_t>(order_.next() % jobs.size());
  std::rotate(jobs.begin(), jobs.begin() + i, jobs.begin() + i + 1);
  scheduler_.try_run_once();
  ++result_.steps;
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
  const bool idle_pod = !plan_.work && !asked_to_stop_ && plan_.exit_code == 0;
  if (idle_pod && (!next || *next > begin_ + quiet_before_stop)) {
    asked_to_stop_ = true;
    caf::anon_send(supervisor_, stop_pod{"nothing to do"});
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
      caf::anon_send(supervisor_, stop_pod{"simulation limit"});
      caf::anon_send(supervisor_, stop_pod{"simulation limit"});
      for (int i = 0; i < 200'000 && !exit_; ++i) {
        if (!step()) {
          next_moment();
        }
      }
      return;
    }
    due_incidents();
    if (!step()) {
      next_moment();
    }
    if (++since_audit >= 50) {
      since_audit = 0;
      for (auto& broken : jobs_->audit()) {
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

// ---- the oracle --------------------------------------------------------------------------------

void run::check() {
  if (!exit_) {
    violated("the pod never stopped");
    return;
  }
  result_.exit = *exit_;
  if (exit_->code != plan_.exit_code) {
    violated("exit code " + std::to_string(exit_->code) + " (" + exit_->reason + "), expected " +
             std::to_string(plan_.exit_code));
  }
  if (!engines_.alive().empty()) {
    violated(std::to_string(engines_.alive().size()) + " engine processes outlive the pod (I10)");
  }
  if (lines_.count("illegal_transition") > 0) {
    violated("an illegal transition was tried (I8)");
  }
  if (lines_.count("actor_failed") > 0 || lines_.count("unexpected_message") > 0) {
    violated("an actor failed or got a message that it does not know");
  }
  for (auto& broken : jobs_->audit()) {
    violated("job table at the end: " + broken);
  }
  check_pod_states();
  for (std::size_t i = 0; i < seen_->size(); ++i) {
    check_job(i, (*seen_)[i]);
  }
}

void run::check_pod_states() {
  const auto& states = result_.pod_states;
  if (states.empty() || states.back() != "STOPPED" ||
      std::count(states.begin(), states.end(), "STOPPED") != 1) {
    violated("the pod's life did not end in STOPPED exactly once (I8)");
  }
}

void run::check_job(std::size_t index, const job_history& job) {
  const auto who = "job " + std::to_string(index) + " (" + job.kind + " " + job.accepted_id + ")";
  ++result_
        .ends[job.final_state.empty() ? (job.refused ? "refused" : "unfinished") : job.final_state];
  const bool stopped_early =
      plan_.exit_code != 0 ||
      std::any_of(plan_.incidents.begin(), plan_.incidents.end(),
                  [](const auto& i) { return i.act == incident::what::sigterm; });
  if (job.accepted_id.empty()) {
    if (!job.refused || (!plan_.faulty && !stopped_early)) {
      violated(who + " was neither accepted nor refused, or refused without a reason");
    }
    return;
  }
  if (job.final_state.empty()) {
    if (!stopped_early) {
      violated(who + " was accepted and never ended (I1)");
    }
    return;
  }
  for (const auto& later : job.later_bodies) {
    if (later != job.final_body) {
      violated(who + " changed after its end (I2): " + job.final_body + " became " + later);
    }
  }
  if (job.cancel_acknowledged && job.final_state != "CANCELLED") {
    violated(who + " was acknowledged as CANCELLED and ended " + job.final_state + " (I4)");
  }
  const bool allowed =
      std::find(job.allowed.begin(), job.allowed.end(), job.final_state) != job.allowed.end();
  const bool attempts_lost = plan_.faulty && job.final_state == "FAILED" &&
                             job.final_body.find("max_attempts") != std::string::npos;
  if (!allowed && !attempts_lost) {
    violated(who + " ended " + job.final_state + ": " + job.final_body);
  }
  if (job.final_state == "COMPLETED" &&
      job.final_body.find(job.expected_output) == std::string::npos) {
    violated(who + " got a result that is not its own (I3): " + job.final_body);
  }
}

void run::clean_up() {
  http_.redirect(nullptr);
  for (const auto& actor : others_) {
    caf::anon_send_exit(actor, caf::exit_reason::kill);
  }
  others_.clear();
  caf::anon_send_exit(caf::actor_cast<caf::actor>(supervisor_), caf::exit_reason::kill);
  supervisor_ = nullptr;
  engines_.forget();
  scheduler_.run();
  scheduler_.clock().cancel_all(); // timers hold strong references
  scheduler_.run();
  if (system_.registry().running() != 0) {
    violated(std::to_string(system_.registry().running()) + " actors outlive the pod (I10)");
  }
}

} // namespace

outcome simulate(const scenario& plan, std::uint64_t seed) {
  return run{plan, seed}.go();
}

} // namespace tayfa::sim
