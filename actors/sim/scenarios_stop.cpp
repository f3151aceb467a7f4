// Scenarios about the pod's stop: each phase of STOPPING ended by its deadline, by a second request
// and by a core that is given up. Data only.
#include "actors/sim/scenario_lists.hpp"

namespace tayfa::sim {

namespace {

using what = incident::what;
using namespace std::chrono_literals;

incident in_phase(std::string phase, what act, std::chrono::milliseconds after = 0ms) {
  return incident{"stop", std::move(phase), after, act, 0};
}

/// Jobs that end only by their time-out, and hold up their engine's drain.
scenario hung(std::string name, std::string text) {
  scenario s;
  s.name = "stop_" + std::move(name);
  s.text = std::move(text);
  s.slots = 2;
  s.work = workload_options{};
  s.work->jobs = 4;
  s.work->gap_max = 10ms;
  s.work->mix = job_mix{0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0};
  s.faulty = true;
  s.incidents = {incident{"pod", "RUNNING", 300ms, what::sigterm, 0}};
  return s;
}

/// A worker of RunPod's platform with jobs that run when the stop begins. What a forced end leaves
/// in the store is for the next process.
scenario platform_worker(std::string name, std::string text) {
  scenario s;
  s.name = "stop_runpod_" + std::move(name);
  s.text = std::move(text);
  s.slots = 2;
  s.platform = platform_options{};
  s.platform->gap_max = 50ms;
  s.restarts = 3;
  s.faulty = true;
  s.incidents = {incident{"pod", "RUNNING", 500ms, what::sigterm, 0}};
  return s;
}

/// Its results do not arrive.
scenario deaf_platform(std::string name, std::string text) {
  auto s = platform_worker(std::move(name), std::move(text));
  s.platform->lost_requests = 0.9;
  s.knobs = [](config& c) { c.pod_drain_budget = 1s; };
  return s;
}

void allow(scenario& s, std::chrono::milliseconds drain, std::chrono::milliseconds stopping) {
  s.knobs = [drain, stopping](config& c) {
    c.pod_drain_budget = drain;
    c.pod_stopping_budget = stopping;
  };
}

/// The core dies until it is given up, while the pod is in this phase. The pauses between the
/// deaths are those before its restarts.
void lose_core(scenario& s, const std::string& phase) {
  for (const auto after : {0ms, 130ms, 400ms, 900ms}) {
    s.incidents.push_back(in_phase(phase, what::kill_ingress, after));
  }
}

/// Delays every operation of the store: jobs are handed back, or taken, only after it.
void slow_disk(scenario& s, std::chrono::milliseconds most) {
  s.disk_latency_max = most;
}

void add_second_requests(std::vector<scenario>& list) {
  for (const auto* phase : {"DRAINING_QUEUE", "HANDING_BACK", "STOPPING_CORE"}) {
    auto s = hung(std::string{"twice_in_"} + phase, "a second SIGTERM in this phase");
    allow(s, 1s, 30s);
    s.incidents.push_back(in_phase(phase, what::sigterm));
    list.push_back(s);
  }
  auto frozen = hung("twice_in_STOPPING_WORKERS", "a second SIGTERM while an engine does not end");
  frozen.work.reset();
  frozen.incidents = {incident{"pod", "READY", 100ms, what::freeze_engine, 0},
                      incident{"pod", "READY", 110ms, what::sigterm, 0},
                      in_phase("STOPPING_WORKERS", what::sigterm, 500ms)};
  list.push_back(frozen);
  for (const auto* phase : {"DRAINING_ORIGIN", "FINISHING_ORIGIN"}) {
    auto s = platform_worker(std::string{"twice_in_"} + phase, "a second SIGTERM in this phase");
    s.incidents.push_back(in_phase(phase, what::sigterm));
    list.push_back(s);
  }
  auto posts = deaf_platform("twice_in_DELIVERING", "a second SIGTERM while results are posted");
  posts.incidents.push_back(in_phase("DELIVERING", what::sigterm));
  list.push_back(posts);
}

void add_deadlines(std::vector<scenario>& list) {
  auto drain = hung("deadline_of_DRAINING_QUEUE", "the budget of STOPPING ends in the drain");
  allow(drain, 20s, 1s);
  list.push_back(drain);
  auto back = hung("deadline_of_HANDING_BACK", "it ends while jobs are handed back");
  allow(back, 1s, 1'200ms);
  slow_disk(back, 2s);
  list.push_back(back);
  auto late = hung("slow_disk", "a queue that takes long to hand its jobs back is not waited for");
  allow(late, 1s, 30s);
  slow_disk(late, 2s);
  list.push_back(late);
  auto frozen = hung("deadline_of_STOPPING_WORKERS", "it ends while an engine does not end");
  frozen.work.reset();
  frozen.knobs = [](config& c) { c.pod_stopping_budget = 1s; };
  frozen.incidents = {incident{"pod", "READY", 100ms, what::freeze_engine, 0},
                      incident{"pod", "READY", 110ms, what::sigterm, 0}};
  list.push_back(frozen);

  auto core = hung("deadline_of_STOPPING_CORE", "it ends while the queue waits for the store");
  allow(core, 1s, 1'700ms);
  slow_disk(core, 2s);
  list.push_back(core);
  auto origin = platform_worker("deadline_of_DRAINING_ORIGIN", "it ends while jobs are taken");
  allow(origin, 1s, 10ms);
  slow_disk(origin, 200ms);
  list.push_back(origin);
  auto jobs = platform_worker("deadline_of_FINISHING_ORIGIN", "it ends while jobs run");
  allow(jobs, 20s, 200ms);
  list.push_back(jobs);
  auto posts = deaf_platform("deadline_of_DELIVERING", "it ends while results are posted");
  allow(posts, 1s, 3s);
  list.push_back(posts);
  auto early = platform_worker("drain_ends_in_DRAINING_ORIGIN", "no time for jobs being taken");
  allow(early, 10ms, 30s);
  slow_disk(early, 200ms);
  list.push_back(early);
  list.push_back(deaf_platform("results_arrive_late", "the next process posts them"));
}

void add_lost_cores(std::vector<scenario>& list) {
  auto drain = hung("core_lost_in_DRAINING_QUEUE", "the core is given up while the queue drains");
  drain.work->jobs = 12;
  lose_core(drain, "DRAINING_QUEUE");
  list.push_back(drain);
  auto back = hung("core_lost_in_HANDING_BACK", "it is given up while jobs are handed back");
  allow(back, 1s, 30s);
  slow_disk(back, 2s);
  lose_core(back, "DRAINING_QUEUE");
  // The queue itself: it would answer, and end, only when its commit is durable.
  back.incidents.back() = in_phase("HANDING_BACK", what::kill_queue, 10ms);
  list.push_back(back);
  auto take =
      platform_worker("core_lost_in_DRAINING_ORIGIN", "it is given up while jobs are taken");
  slow_disk(take, 200ms);
  take.incidents.front().after = 1'500ms;
  for (const auto after : {100ms, 400ms, 900ms}) { // the restarts that it may have
    take.incidents.push_back(incident{"pod", "RUNNING", after, what::kill_ingress, 0});
  }
  take.incidents.push_back(in_phase("DRAINING_ORIGIN", what::kill_ingress));
  list.push_back(take);
  auto jobs = platform_worker("core_lost_in_FINISHING_ORIGIN", "it is given up while jobs run");
  jobs.slots = 1;
  jobs.knobs = [](config& c) { c.runpod_concurrency = 8; };
  lose_core(jobs, "FINISHING_ORIGIN");
  list.push_back(jobs);
  auto posts = deaf_platform("core_lost_in_DELIVERING", "it is given up while results are posted");
  lose_core(posts, "DELIVERING");
  list.push_back(posts);
}

void add_failed_starts(std::vector<scenario>& list) {
  auto unfit = platform_worker("unfit_machine", "the compatibility test says unfit");
  unfit.probe = sim_probe::mood::unfit;
  unfit.exit_code = 69;
  auto mute = platform_worker("probe_hangs", "the compatibility test never answers");
  mute.probe = sim_probe::mood::silent;
  mute.exit_code = 69;
  auto model = platform_worker("broken_model", "the model file differs from its manifest");
  model.broken_model = true;
  model.exit_code = 65;
  for (auto* s : {&unfit, &mute, &model}) {
    s->platform->jobs = 0;
    s->restarts = 0;
    s->incidents.clear();
    list.push_back(*s);
  }
}

} // namespace

void add_stops(std::vector<scenario>& list) {
  add_second_requests(list);
  add_deadlines(list);
  add_lost_cores(list);
  add_failed_starts(list);
}

} // namespace tayfa::sim
