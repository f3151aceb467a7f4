// Scenarios about a process that does not run for a while: stopped, frozen with its container, or
// moved with its machine. The world around it goes on, or stands still with it; nothing that it
// finds afterwards may be charged to an engine, a worker or a job.
#include "actors/sim/scenario_lists.hpp"

namespace tayfa::sim {

namespace {

using what = incident::what;
using namespace std::chrono_literals;

scenario paused(std::string name, std::string text) {
  scenario s;
  s.name = "paused_" + std::move(name);
  s.text = std::move(text);
  s.slots = 2;
  s.work = workload_options{};
  s.work->jobs = 40;
  s.work->gap_max = 900ms;
  s.unharmed = true;
  return s;
}

incident pause_after(std::chrono::milliseconds after, std::chrono::milliseconds lasts) {
  incident x{"pod", "RUNNING", after, what::pause_runtime, 0};
  x.lasts = lasts;
  return x;
}

void add_local(std::vector<scenario>& list) {
  auto random = paused("at_random", "the runtime is stopped for up to 15 s, again and again");
  random.random_pauses = true;
  list.push_back(random);

  auto often = paused("again_and_again", "short pauses, many within one job");
  often.work->mix.slow = 20;
  for (int i = 0; i < 12; ++i) {
    often.incidents.push_back(pause_after(i * 1'300ms, 700ms + i * 50ms));
  }
  list.push_back(often);

  auto budgets = paused("longer_than_every_budget", "an hour passes while jobs run");
  budgets.work->mix.slow = 20;
  budgets.incidents = {pause_after(700ms, 3'600'000ms)};
  list.push_back(budgets);

  auto start = paused("at_the_start", "the runtime is stopped in every state of its start");
  start.behaviors[0].load_delay = 20s;
  for (const auto* state : {"STARTING", "CONFIGURING", "LAUNCHING"}) {
    incident x{"pod", state, 1ms, what::pause_runtime, 0};
    x.lasts = 130s;
    start.incidents.push_back(x);
  }
  list.push_back(start);

  auto stop = paused("while_it_stops", "it is stopped while it drains, longer than its budget");
  stop.work->mix.slow = 20;
  stop.incidents = {incident{"pod", "RUNNING", 2s, what::sigterm, 0}, pause_after(2'100ms, 60s)};
  list.push_back(stop);

  auto real = paused("and_a_frozen_engine", "an engine that does hang is found all the same");
  real.unharmed = false;
  real.faulty = true;
  real.incidents = {pause_after(1s, 9s), incident{"pod", "RUNNING", 5s, what::freeze_engine, 0},
                    pause_after(12s, 3s)};
  real.events = {"child_failed"};
  list.push_back(real);
}

void add_others(std::vector<scenario>& list) {
  auto remote = paused("with_remote_workers", "pings and results wait in the sockets meanwhile");
  remote.slots = 0;
  remote.remote = remote_options{};
  remote.remote->workers = 4;
  remote.random_pauses = true;
  remote.pause_max = 120s;
  list.push_back(remote);

  auto platform = paused("with_the_platform", "answers to takes wait in the sockets meanwhile");
  platform.work.reset();
  platform.platform = platform_options{};
  platform.random_pauses = true;
  platform.pause_max = 20s; // the platform gives up on a silent worker after 35 s, with reason
  list.push_back(platform);

  auto crashes = paused("and_killed", "pauses, and kill -9 in between");
  crashes.unharmed = false;
  crashes.faulty = true;
  crashes.random_pauses = true;
  crashes.random_crashes = true;
  crashes.restarts = 1'000;
  crashes.work->persistent = true;
  list.push_back(crashes);
}

} // namespace

void add_pauses(std::vector<scenario>& list) {
  add_local(list);
  add_others(list);
}

} // namespace tayfa::sim
