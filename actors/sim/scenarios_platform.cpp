// The pod as a worker of RunPod's platform: with and without faults, stopped, killed and born
// again. Data only.
#include "actors/sim/scenario_lists.hpp"

namespace tayfa::sim {

namespace {

using what = incident::what;
using namespace std::chrono_literals;

scenario worker(std::string name, std::string text) {
  scenario s;
  s.name = "runpod_" + std::move(name);
  s.text = std::move(text);
  s.slots = 3;
  s.platform = platform_options{};
  return s;
}

scenario crashing(std::string name, std::string text) {
  auto s = worker(std::move(name), std::move(text));
  s.random_crashes = true;
  s.restarts = 40;
  s.faulty = true;
  return s;
}

void add_faults(platform_options& p) {
  p.lost_requests = 0.1;
  p.lost_answers = 0.1;
  p.malformed = 0.1;
  p.twice = 0.2;
  p.stops = 0.1;
}

void add_service(std::vector<scenario>& list) {
  list.push_back(worker("no_faults", "jobs of RunPod's platform, and nothing goes wrong"));
  auto one = worker("one_place", "one job at a time");
  one.slots = 1;
  one.knobs = [](config& c) { c.runpod_concurrency = 1; };
  list.push_back(one);
  auto stops = worker("stops", "half of the jobs are stopped by the platform");
  stops.platform->stops = 0.5;
  list.push_back(stops);
  auto faulty = worker("faults", "lost calls and answers, nonsense, storms, jobs given twice");
  add_faults(*faulty.platform);
  list.push_back(faulty);
  auto silent = worker("lost_answers", "every third answer of the platform gets lost");
  silent.platform->lost_answers = 0.3;
  list.push_back(silent);
  auto mixed = worker("and_clients", "the platform's jobs and those of clients of this pod");
  mixed.work = workload_options{};
  list.push_back(mixed);
}

void add_ends(std::vector<scenario>& list) {
  for (const auto after : {0ms, 40ms, 700ms, 3'000ms}) {
    auto stop = worker("sigterm_after_" + std::to_string(after.count()) + "ms",
                       "SIGTERM while takes are open and jobs run: nothing that came is lost");
    stop.platform->gap_max = 100ms;
    stop.incidents = {incident{"pod", "RUNNING", after, what::sigterm, 0}};
    list.push_back(stop);
  }
  auto early = worker("sigterm_in_LAUNCHING", "SIGTERM before the first take");
  early.incidents = {incident{"pod", "LAUNCHING", 0ms, what::sigterm, 0}};
  list.push_back(early);
  auto hasty =
      worker("drain_too_short", "what does not end in the drain budget is reported failed");
  hasty.knobs = [](config& c) { c.pod_drain_budget = 100ms; };
  hasty.incidents = {incident{"pod", "RUNNING", 500ms, what::sigterm, 0}};
  list.push_back(hasty);
  auto full = worker("drain_too_short_for_a_line",
                     "jobs that still wait at the end of the drain budget are reported failed");
  full.slots = 1;
  full.platform->gap_max = 20ms;
  full.knobs = [](config& c) {
    c.runpod_concurrency = 8;
    c.pod_drain_budget = 100ms;
  };
  full.incidents = {incident{"pod", "RUNNING", 500ms, what::sigterm, 0}};
  list.push_back(full);
}

void add_deaths(std::vector<scenario>& list) {
  auto dying = worker("kill_runpod_worker", "the actor dies with takes, posts and stops under way");
  dying.platform->stops = 0.2;
  dying.incidents = {incident{"pod", "RUNNING", 30ms, what::kill_runpod_worker, 0},
                     incident{"pod", "RUNNING", 900ms, what::kill_runpod_worker, 0},
                     incident{"pod", "RUNNING", 1'800ms, what::kill_runpod_worker, 0}};
  list.push_back(dying);
  auto queue = worker("kill_queue", "the queue dies under the platform's jobs");
  queue.faulty = true;
  queue.incidents = {incident{"pod", "RUNNING", 200ms, what::kill_queue, 0}};
  list.push_back(queue);
  auto engines = worker("kill_engines", "engines die under the platform's jobs");
  engines.random_faults = true;
  engines.faulty = true;
  list.push_back(engines);
  list.push_back(crashing("crashes", "the runtime is killed and loses power at any moment"));
  auto all = crashing("crashes_and_faults", "crashes of the runtime, and the platform's faults");
  add_faults(*all.platform);
  list.push_back(all);
}

} // namespace

void add_platform(std::vector<scenario>& list) {
  add_service(list);
  add_ends(list);
  add_deaths(list);
}

} // namespace tayfa::sim
