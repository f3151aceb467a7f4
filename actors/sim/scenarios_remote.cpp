// Scenarios about remote workers: they pull jobs over HTTP, and everything between them and the pod
// goes wrong.
#include "actors/sim/scenario_lists.hpp"

namespace tayfa::sim {

namespace {

using what = incident::what;
using namespace std::chrono_literals;

/// A pod without engines of its own, and workers that pull its jobs.
scenario pulling(std::string name, std::string text) {
  scenario s;
  s.name = "remote_" + std::move(name);
  s.text = std::move(text);
  s.slots = 0;
  s.work = workload_options{};
  s.work->jobs = 60;
  s.work->gap_max = 400ms;
  s.remote = remote_options{};
  s.remote->workers = 4;
  s.events = {"remote_worker_came"};
  return s;
}

remote_options all_faults() {
  remote_options o;
  o.workers = 5;
  o.unsent = 0.05;
  o.lost = 0.03;
  o.left_polls = 0.1;
  o.lost_posts = 0.04;
  o.twice = 0.1;
  o.lost_pings = 0.2;
  o.missed_stops = 0.3;
  o.dies = 0.05;
  o.freezes = 0.08;
  o.unfit = 0.01;
  return o;
}

void add_calm(std::vector<scenario>& list) {
  auto four = pulling("calm", "four workers, nothing goes wrong");
  four.remote->calm = true;
  list.push_back(std::move(four));

  auto batches = pulling("batches", "workers that ask for one job, or for up to sixteen, at once");
  batches.remote->workers = 6;
  batches.remote->concurrency_max = 16;
  batches.remote->calm = true;
  batches.work->jobs = 300;
  batches.work->gap_max = 40ms;
  batches.disk_latency_max = 30ms;
  list.push_back(std::move(batches));

  auto mixed = pulling("and_local", "an engine of the pod and three workers share the queue");
  mixed.slots = 1;
  mixed.remote->workers = 3;
  list.push_back(std::move(mixed));

  // These faults cost no attempt, so every job must end as it should.
  auto unsent = pulling("unsent_answers", "answers that do not leave, polls whose clients go away");
  unsent.remote->unsent = 0.25;
  unsent.remote->left_polls = 0.4;
  unsent.remote->twice = 0.3;
  list.push_back(std::move(unsent));

  auto stops = pulling("stops", "many jobs are cancelled, some workers do not obey");
  stops.work->mix.cancelled = 12;
  stops.remote->missed_stops = 0.3;
  list.push_back(std::move(stops));
}

void add_losses(std::vector<scenario>& list) {
  auto lost = pulling("lost_answers", "answers and results are lost on their way");
  lost.remote->lost = 0.1;
  lost.remote->lost_posts = 0.1;
  lost.faulty = true;
  list.push_back(std::move(lost));

  auto kills = pulling("kills", "workers are killed all the time");
  kills.remote->dies = 0.3;
  kills.work->mix.crash = 1;
  kills.faulty = true;
  kills.work->jobs = 120;
  list.push_back(std::move(kills));

  auto late = pulling("late_results", "workers freeze, lose their jobs and bring results too late");
  late.remote->freezes = 0.5;
  late.work->mix.slow = 20;
  late.faulty = true;
  list.push_back(std::move(late));

  auto faulty = pulling("faults", "everything that can happen to a worker, and nasty jobs");
  faulty.remote = all_faults();
  faulty.work->mix.crash = 1;
  faulty.work->mix.hang = 1;
  faulty.work->mix.garbage = 1;
  faulty.faulty = true;
  list.push_back(std::move(faulty));

  auto mixed = pulling("faults_and_local", "the same with engines of the pod that are killed");
  mixed.slots = 2;
  mixed.remote = all_faults();
  mixed.work->mix.crash = 1;
  mixed.random_faults = true;
  mixed.faulty = true;
  list.push_back(std::move(mixed));
}

/// No job that a worker has begun is begun again, whatever part of the pod is started anew.
void add_restarts(std::vector<scenario>& list) {
  const auto anew = [](const char* name, const char* text) {
    auto s = pulling(name, text);
    s.remote->once = true;
    s.work->mix.slow = 30;
    s.work->mix.stream = 0; // chunks end with the process
    s.work->persistent = true;
    s.faulty = true; // clients are cut off
    return s;
  };
  auto killed = anew("restart", "the process is killed while workers run jobs, which go on");
  killed.incidents = {incident{"pod", "RUNNING", 2s, what::kill_runtime, 0},
                      incident{"pod", "RUNNING", 9s, what::kill_runtime, 0}};
  killed.restarts = 4;
  list.push_back(std::move(killed));

  auto asked = anew("restart_by_sigterm", "the pod is asked to stop while workers run long jobs");
  asked.incidents = {incident{"pod", "RUNNING", 2s, what::sigterm, 0}};
  asked.knobs = [](config& c) { c.pod_drain_budget = 1s; };
  asked.restarts = 4;
  list.push_back(std::move(asked));

  auto actors = anew("restart_of_actors", "the queue and the gateway of workers die in turn");
  actors.incidents = {incident{"pod", "RUNNING", 2s, what::kill_queue, 0},
                      incident{"pod", "RUNNING", 7s, what::kill_remote_workers, 0}};
  list.push_back(std::move(actors));
}

void add_ends(std::vector<scenario>& list) {
  const std::pair<const char*, what> actors[] = {{"remote_workers_die", what::kill_remote_workers},
                                                 {"queue_dies", what::kill_queue},
                                                 {"ingress_dies", what::kill_ingress}};
  for (const auto& [name, act] : actors) {
    auto s = pulling(name, "an actor of the core group dies while workers run jobs");
    s.work->mix.slow = 20;
    s.incidents = {incident{"pod", "RUNNING", 900ms, act, 0},
                   incident{"pod", "RUNNING", 9s, act, 0}};
    s.faulty = true;
    list.push_back(std::move(s));
  }

  auto stop = pulling("sigterm", "SIGTERM while workers run jobs");
  stop.work->mix.slow = 20;
  stop.incidents = {incident{"pod", "RUNNING", 2s, what::sigterm, 0}};
  stop.faulty = true;
  list.push_back(std::move(stop));

  add_restarts(list);

  auto crash =
      pulling("crashes", "the pod's process is killed and started again under its workers");
  crash.remote = all_faults();
  crash.work->persistent = true;
  crash.random_crashes = true;
  crash.restarts = 1'000;
  crash.disk_latency_max = 30ms;
  crash.faulty = true;
  list.push_back(std::move(crash));
}

} // namespace

void add_remote(std::vector<scenario>& list) {
  add_calm(list);
  add_losses(list);
  add_ends(list);
}

} // namespace tayfa::sim
