#include "actors/sim/fleet_run.hpp"

#include <algorithm>
#include <array>

namespace tayfa::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t steps_max = 3'000'000;
constexpr auto virtual_time_max = 2h;
/// How long pods may take, after the last job has ended, to learn that the head has its result:
/// longer than a path is lost.
constexpr auto results_patience = 5min;
constexpr const char* head_address = "tcp://head:5555";

caf::actor_system_config& testing(caf::actor_system_config& c) {
  c.set("scheduler.policy", caf::atom("testing"));
  return c;
}

store::sim_disk::options disk_options(std::uint64_t seed) {
  store::sim_disk::options o;
  o.seed = seed;
  return o;
}

std::string padded(std::string text) {
  text.resize(pod_protocol::key_length, '.');
  return text;
}

pods::key_pair keys_named(const std::string& name) {
  return {padded(name), secret_text{padded("secret of " + name)}};
}

} // namespace

void named_log::write(log_level level, std::string_view event, std::span<const log_field> fields) {
  std::vector<log_field> all{{"process", name_}};
  all.insert(all.end(), fields.begin(), fields.end());
  lines_.write(level, event, all);
}

fleet_run::node::node(fleet_run& run, std::string called, std::optional<std::size_t> number,
                      std::uint64_t seed)
    : name(std::move(called)), pod(number), time(run.time_), log(run.lines_, name),
      engines(run.system_, run.time_, run.random_), disk(disk_options(seed)),
      results(run.agenda_, run.random_) {}

fleet_run::fleet_run(const fleet_scenario& plan, std::uint64_t seed)
    : plan_(plan), system_(testing(system_config_)),
      scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
      random_(seed), secrets_(seed ^ 0xbf58476d1ce4e5b9ULL), order_(seed ^ 0x9e3779b97f4a7c15ULL),
      time_(scheduler_),
      lines_(time_, memory_log::options{log_level::debug, log_format::text, 1'000'000}),
      agenda_(time_), network_(agenda_, random_, plan.pods), trust_(agenda_) {
  scheduler_.clock().current_time += 1h; // CAF gives the zero time point a meaning of its own
  begin_ = time_.now();
  nodes_.push_back(std::make_unique<node>(*this, "head", std::nullopt, seed));
  for (std::size_t i = 0; i < plan.pods; ++i) {
    nodes_.push_back(std::make_unique<node>(*this, "pod-" + std::to_string(i), i, seed + 1 + i));
  }
  pods::admitted list;
  for (const auto& each : nodes_) {
    if (each->pod) {
      list.keys.emplace(key_of(*each), "");
    }
  }
  trust_.set(std::move(list));
}

outcome fleet_run::go() {
  draw_faults();
  draw_operators();
  for (auto& each : nodes_) {
    start(*each);
  }
  while (!is_over()) {
    if (result_.steps > steps_max || time_.now() - begin_ > virtual_time_max) {
      violated("the fleet did not end within its virtual time");
      break;
    }
    follow();
    if (!step()) {
      next_moment();
    }
  }
  check();
  clean_up();
  result_.log = lines_.text();
  result_.virtual_time =
      std::chrono::duration_cast<std::chrono::milliseconds>(time_.now() - begin_);
  return std::move(result_);
}

// ---- processes ---------------------------------------------------------------------------------

std::string fleet_run::key_of(const node& n) const {
  return padded(n.name);
}

void fleet_run::start(node& n) {
  n.born_again.reset();
  n.disk_due.reset();
  n.process.reset();
  n.time.restart();
  ++n.starts;
  n.knobs.engine_slots = n.pod ? plan_.slots : plan_.head_slots;
  n.knobs.queue_max_attempts = 50; // what the faults cost is not what is looked at
  surroundings around{system_, n.time,  random_,  secrets_, n.log,  n.meters, n.engines,
                      n.http,  n.probe, n.models, n.post,   n.feed, n.disk,   nullptr};
  if (n.pod) {
    around.connector = &network_.pod(*n.pod);
    around.results = &n.results;
    pods::pod_identity self;
    self.incarnation = n.starts;
    self.name = n.name;
    self.release = "simulated";
    around.link = link_terms{{}, self, {{head_address, padded("head")}}, keys_named(n.name)};
  } else {
    around.listener = &network_.head();
    around.trust = &trust_;
    pods::head_identity self;
    self.id = "the head";
    self.boot = n.starts;
    around.head = head_terms{{}, self, {head_address, keys_named("head")}};
  }
  n.process =
      std::make_unique<sim_pod>(around, n.knobs, [&n](pod_exit e) { n.exit = std::move(e); });
  n.process->start();
  if (!n.pod && !std::exchange(work_begun_, true)) {
    agenda_.later(1s, [this] { begin_work(); });
  }
  if (n.pod ? pods_stop_ : head_stops_) {
    stop(n);
  }
}

void fleet_run::kill(node& n) {
  if (n.born_again || n.exit) {
    return;
  }
  lines_.info("sim_incident", {{"kill", n.name}});
  n.process->kill();
  n.results.process_died();
  n.disk_due.reset();
  const auto pause = std::chrono::milliseconds{static_cast<std::int64_t>(random_.unit() * 5'000)};
  n.born_again = time_.now() + 1ms + pause;
  ++result_.lives;
}

void fleet_run::stop(node& n) {
  caf::anon_send(n.process->root(), stop_pod{"the work is done"});
}

void fleet_run::draw_faults() {
  const auto some = [this](std::chrono::milliseconds most) {
    return std::chrono::milliseconds{
        static_cast<std::int64_t>(random_.unit() * static_cast<double>(most.count()))};
  };
  const auto any_pod = [this] { return static_cast<std::size_t>(random_.next() % plan_.pods); };
  const auto when = [&] { return 2s + some(plan_.faults_within); };
  for (std::uint32_t i = 0; i < plan_.head_kills; ++i) {
    agenda_.later(when(), [this] { kill(head()); });
  }
  for (std::uint32_t i = 0; i < plan_.pod_kills; ++i) {
    agenda_.later(when(), [this, pod = any_pod()] { kill(*nodes_[1 + pod]); });
  }
  for (std::uint32_t i = 0; i < plan_.cuts; ++i) {
    agenda_.later(when(), [this, pod = any_pod()] {
      lines_.info("sim_incident", {{"cut", pod}});
      network_.cut(pod);
    });
  }
  for (std::uint32_t i = 0; i < plan_.losses; ++i) {
    const auto from = when();
    const auto ways = random_.next() % 3;
    const auto pod = any_pod();
    agenda_.later(from, [this, pod, ways] {
      lines_.info("sim_incident", {{"lose", pod}, {"ways", ways}});
      network_.lose(pod, ways != 1, ways != 0);
    });
    agenda_.later(from + some(plan_.loss_max), [this, pod] {
      lines_.info("sim_incident", {{"mend", pod}});
      network_.mend(pod);
    });
  }
}

void fleet_run::draw_operators() {
  const auto some = [this](std::chrono::milliseconds most) {
    return std::chrono::milliseconds{
        static_cast<std::int64_t>(random_.unit() * static_cast<double>(most.count()))};
  };
  constexpr std::array modes{pod_drain::graceful, pod_drain::quick, pod_drain::fast};
  for (std::uint32_t i = 0; i < plan_.drains; ++i) {
    const auto key = key_of(*nodes_[1 + random_.next() % plan_.pods]);
    const auto mode = modes[random_.next() % modes.size()];
    const auto from = 2s + some(plan_.faults_within);
    agenda_.later(from, [this, key, mode] { operate(drain_pod{key, mode}, "drain"); });
    agenda_.later(from + some(40s), [this, key] {
      operate(drain_pod{key, pod_drain::off}, "undrain");
    });
  }
  for (std::uint32_t i = 0; i < plan_.revokes; ++i) {
    const auto key = key_of(*nodes_[1 + random_.next() % plan_.pods]);
    const auto from = 2s + some(plan_.faults_within);
    agenda_.later(from, [this, key] { operate(change_trust{key, false, {}, {}}, "revoke"); });
    // As `tayfa link trust --data` does it: the head may not be there.
    agenda_.later(from + some(40s), [this, key] {
      trust_.change(change_trust{key, true, {}, {}}, [](const result<trust_list>&) {});
    });
  }
}

void fleet_run::operate(api::call call, std::string about) {
  lines_.info("sim_incident", {{"operator", about}});
  head().http.call(
      std::move(call),
      std::make_shared<reply>(
          [this, about](const api::response& answer, const receipt&) {
            lines_.info("sim_operator_answered", {{"about", about}, {"status", answer.status}});
          },
          std::make_shared<presence>()));
}

// ---- work --------------------------------------------------------------------------------------

void fleet_run::begin_work() {
  clients_ = spawn_workload(system_, head().http, random_, plan_.work, seen_,
                            [this] { work_done_ = time_.now(); });
}

/// Processes that have died are started again; pods that keep no result any more are stopped, and
/// then the head.
void fleet_run::follow() {
  for (auto& each : nodes_) {
    auto& n = *each;
    if (n.born_again && *n.born_again <= time_.now() && n.process->alive() == 0 &&
        n.engines.alive().empty()) {
      start(n);
    }
  }
  if (!work_done_ || head_stops_) {
    return;
  }
  const auto of_pods = [this](auto&& holds) {
    return std::all_of(nodes_.begin() + 1, nodes_.end(), [&](const auto& n) { return holds(*n); });
  };
  // Until each path is mended, and pods that were cut off have said what they still had.
  const auto calm = plan_.losses > 0 ? plan_.loss_max + 30s : 0ms;
  const bool settled = time_.now() - *work_done_ >= calm &&
                       of_pods([](const node& n) { return n.results.size() == 0; });
  if (!pods_stop_ && (settled || time_.now() - *work_done_ > results_patience)) {
    pods_stop_ = true;
    for (auto& each : nodes_) {
      if (each->pod && !each->born_again && !each->exit) {
        stop(*each);
      }
    }
  }
  if (pods_stop_ && of_pods([](const node& n) { return n.exit.has_value(); })) {
    head_stops_ = true;
    if (!head().born_again && !head().exit) {
      stop(head());
    }
  }
}

bool fleet_run::is_over() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& n) {
    return n->exit && n->process->alive() == 0 && n->engines.alive().empty();
  });
}

// ---- steps -------------------------------------------------------------------------------------

/// Does what is due of the network and the disks, else one message of an actor that the seed
/// chooses.
bool fleet_run::step() {
  if (agenda_.step() || disk_step()) {
    ++result_.steps;
    return true;
  }
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

/// The next operation of the head's store, when its time has come.
bool fleet_run::disk_step() {
  auto& n = head();
  if (n.born_again || n.process->disk_store().pending() == 0) {
    return false;
  }
  if (!n.disk_due) {
    n.disk_due = time_.now() +
                 std::chrono::nanoseconds{static_cast<std::int64_t>(random_.unit() * 2'000'000.0)};
  }
  if (*n.disk_due > time_.now()) {
    return false;
  }
  n.disk_due.reset();
  n.process->disk_store().step();
  return true;
}

void fleet_run::next_moment() {
  auto& clock = scheduler_.clock();
  const auto now = time_.now();
  std::optional<moment> next;
  const auto consider = [&](std::optional<moment> due) {
    if (due && *due > now) {
      next = next ? std::min(*next, *due) : *due;
    }
  };
  if (!clock.schedule().empty()) {
    const moment due{clock.schedule().begin()->first.time_since_epoch()};
    next = std::max(due, now);
  }
  consider(agenda_.next());
  consider(head().disk_due);
  for (const auto& each : nodes_) {
    consider(each->born_again);
  }
  const std::chrono::nanoseconds span = next ? *next - now : std::chrono::nanoseconds{1s};
  scheduler_.advance_time(span);
}

// ---- the oracle --------------------------------------------------------------------------------

void fleet_run::check() {
  for (const auto& each : nodes_) {
    const auto& n = *each;
    if (!n.exit) {
      violated(n.name + " never stopped");
    } else if (n.exit->code != 0) {
      violated(n.name + " ended with exit code " + std::to_string(n.exit->code) + " (" +
               n.exit->reason + ")");
    }
    if (n.results.size() > 0) {
      violated(n.name + " still keeps " + std::to_string(n.results.size()) + " results");
    }
  }
  for (const char* const event : {"illegal_transition", "actor_failed", "unexpected_message",
                                  "actor_error", "pod_bad_frame", "pod_cloned"}) {
    if (lines_.count(event) > 0) {
      violated(std::string{"the log says "} + event);
    }
  }
  // A pod that is cut off again and again, or whose path brings nothing, seems to take no attempts.
  if (plan_.losses + plan_.cuts == 0 && lines_.count("pod_unfit") > 0) {
    violated("the log says pod_unfit");
  }
  for (const auto& event : plan_.events) {
    if (lines_.count(event) == 0) {
      violated("the log never said " + event);
    }
  }
  double given = 0; // to workers of pods
  for (const auto& each : nodes_) {
    given += each->pod ? each->meters.value(meter::attempts_started) : 0;
  }
  if (plan_.runs_once && given != static_cast<double>(seen_->size())) {
    violated(std::to_string(seen_->size()) + " jobs were given " +
             std::to_string(static_cast<std::uint64_t>(given)) + " times");
  }
  for (auto& broken : head().process->audit()) {
    violated("job table at the end: " + broken);
  }
  if (!work_done_) {
    violated("the clients never had all that they wanted");
  }
  for (std::size_t i = 0; i < seen_->size(); ++i) {
    check_job(i, (*seen_)[i]);
  }
}

void fleet_run::check_job(std::size_t index, const job_history& job) {
  const auto who = "job " + std::to_string(index) + " (" + job.kind + " " + job.accepted_id + ")";
  ++result_
        .ends[job.final_state.empty() ? (job.refused ? "refused" : "unfinished") : job.final_state];
  if (job.accepted_id.empty() || job.lost || job.final_state.empty()) {
    violated(who + (job.lost ? " was accepted and is unknown now" : " has not ended"));
    return;
  }
  for (const auto& later : job.later_bodies) {
    if (later != job.final_body) {
      violated(who + " changed after its end: " + job.final_body + " became " + later);
    }
  }
  if (std::find(job.allowed.begin(), job.allowed.end(), job.final_state) == job.allowed.end()) {
    violated(who + " ended " + job.final_state + ": " + job.final_body);
  }
  if (job.final_state == "COMPLETED" &&
      job.final_body.find(job.expected_output) == std::string::npos) {
    violated(who + " got a result that is not its own: " + job.final_body.substr(0, 400));
  }
}

void fleet_run::clean_up() {
  caf::anon_send_exit(std::exchange(clients_, nullptr), caf::exit_reason::kill);
  for (auto& each : nodes_) {
    each->http.redirect(nullptr);
    result_.commits += each->process->disk_store().transactions();
    each->process->kill();
    each->engines.forget();
  }
  scheduler_.run();
  scheduler_.clock().cancel_all(); // timers hold strong references
  scheduler_.run();
  for (auto& each : nodes_) {
    each->process.reset();
  }
  if (system_.registry().running() != 0) {
    violated(std::to_string(system_.registry().running()) + " actors outlive their processes");
  }
}

outcome simulate_fleet(const fleet_scenario& plan, std::uint64_t seed) {
  return fleet_run{plan, seed}.go();
}

} // namespace tayfa::sim
