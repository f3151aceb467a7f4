// Scenarios about what must survive: the process killed, power lost, disks that fill up or fail.
#include "actors/sim/scenario_lists.hpp"

namespace tayfa::sim {

namespace {

using what = incident::what;
using namespace std::chrono_literals;

/// Jobs that take their time on two slots, so that some wait and some run when it happens.
scenario busy(std::string name, std::string text) {
  scenario s;
  s.name = std::move(name);
  s.text = std::move(text);
  s.slots = 2;
  s.work = workload_options{};
  s.work->jobs = 30;
  s.work->gap_max = 300ms;
  s.work->persistent = true;
  s.restarts = 20;
  s.faulty = true;
  return s;
}

} // namespace

void add_crashes(std::vector<scenario>& list) {
  for (const auto& [word, act] :
       {std::pair{"kill_runtime", what::kill_runtime}, std::pair{"lose_power", what::lose_power}}) {
    for (const auto* state :
         {"STARTING", "CONFIGURING", "LAUNCHING", "READY", "RUNNING", "STOPPING"}) {
      auto s = busy(std::string{word} + "_in_" + state,
                    std::string{"the process meets "} + word + " while the pod is " + state);
      s.incidents = {incident{"pod", state, 30ms, act, 0}};
      list.push_back(std::move(s));
    }
    auto often = busy(std::string{word} + "_often",
                      std::string{"the process meets "} + word + " whenever jobs run");
    often.incidents = {incident{"pod", "RUNNING", 400ms, act, 0, true}};
    list.push_back(std::move(often));
  }
  auto crashes = busy("random_crashes", "the process is killed and power is lost, by the seed");
  crashes.slots = 3;
  crashes.random_crashes = true;
  crashes.disk_latency_max = 30ms;
  crashes.random_faults = true;
  crashes.work->mix.crash = 1;
  list.push_back(std::move(crashes));

  auto commits = busy("crashes_in_commits", "the process dies in, before and after disk calls");
  commits.random_crashes = true;
  commits.disk_latency_max = 30ms;
  commits.work->gap_max = 100ms;
  commits.work->jobs = 60;
  list.push_back(std::move(commits));

  auto again = busy("stop_and_start", "SIGTERM with jobs waiting: the next process ends them");
  again.incidents = {incident{"pod", "RUNNING", 300ms, what::sigterm, 0}};
  list.push_back(std::move(again));
}

void add_disk_faults(std::vector<scenario>& list) {
  auto full = busy("disk_full", "no byte more fits for a while: refused, nothing lost, no restart");
  full.restarts = 0;
  full.incidents = {incident{"pod", "RUNNING", 200ms, what::fill_disk, 0},
                    incident{"pod", "RUNNING", 5s, what::free_disk, 0}};
  full.work->gap_max = 600ms;
  full.work->mix.cancelled = 6;
  full.work->padding = 6'000; // each job needs pages of its own
  full.events = {"storage_full", "storage_again"};
  list.push_back(full);
  full.name = "disk_overfull";
  full.text = "not even the reserve helps: a refused cancel is no cancel, and nothing is lost";
  full.incidents[0].act = what::overfill_disk;
  list.push_back(full);
  auto purged = full;
  purged.name = "purges_on_an_overfull_disk";
  purged.text = "a purge that the disk cuts short says how many jobs it has cancelled";
  purged.slots = 1;
  purged.work->jobs = 200; // more than a step
  purged.work->gap_max = 10ms;
  purged.work->mix = {.echo = 0, .slow = 1, .error = 0, .progress = 0, .stream = 0, .cancelled = 0};
  purged.work->purged = true;
  purged.disk_latency_max = 20ms;
  purged.purges = purger_options{.calls = 30, .first_after = 2s, .gap_max = 400ms};
  purged.incidents[0].after = 2'200ms; // before, in the midst of, or after the first purge
  purged.events = {};
  list.push_back(std::move(purged));
  full.name = "stop_on_an_overfull_disk";
  full.text = "SIGTERM while nothing can be written: it stops soon, the next process has it all";
  full.restarts = 1;
  full.events = {"storage_full"};
  full.incidents.insert(full.incidents.begin() + 1,
                        incident{"pod", "RUNNING", 3s, what::sigterm, 0});
  list.push_back(std::move(full));

  auto flush = busy("flush_fails", "a flush fails: nothing more is acknowledged, exit, recover");
  flush.incidents = {incident{"pod", "RUNNING", 200ms, what::break_flush, 0}};
  list.push_back(std::move(flush));

  auto slow = busy("slow_disk", "a disk that takes up to 200 ms for a flush");
  slow.restarts = 0;
  slow.disk_latency_max = 200ms;
  list.push_back(std::move(slow));
}

void add_policies(std::vector<scenario>& list) {
  auto batches = busy("batches", "an engine that takes eight at once, with jobs that kill it");
  batches.restarts = 0;
  for (std::uint32_t slot = 0; slot < 2; ++slot) {
    batches.behaviors[slot].device.capacity = 8;
    batches.behaviors[slot].device.batch_max = 8;
  }
  batches.work->jobs = 120;
  batches.work->gap_max = 30ms;
  batches.work->mix.crash = 1;
  batches.work->mix.oom = 1;
  list.push_back(std::move(batches));

  auto models = busy("three_models", "three models on two slots: engines change between them");
  models.restarts = 0;
  models.models = {"alpha", "beta", "gamma"};
  models.behaviors[0].load_delay = 500ms;
  models.behaviors[1].load_delay = 500ms;
  models.work->models = models.models;
  list.push_back(std::move(models));

  auto tenants = busy("tenants", "three tenants, one of them greedy, one with a quota");
  tenants.restarts = 0;
  tenants.work->tenants = {"greedy", "greedy", "greedy", "small", "bounded"};
  tenants.knobs = [](config& c) { c.queue_tenants = string_list{"small=2,bounded=1:1"}; };
  list.push_back(std::move(tenants));

  auto strangers = busy("strangers", "others know every id, ask for each job and try to end it, "
                                     "while engines die and the process is killed");
  strangers.work->tenants = {"alice", "bob"};
  strangers.work->strangers = true;
  strangers.random_faults = true;
  strangers.random_crashes = true;
  strangers.disk_latency_max = 30ms;
  list.push_back(std::move(strangers));

  auto hooks = busy("webhooks", "webhooks to receivers that answer, fail, and answer now and then");
  hooks.work->webhooks = true;
  hooks.knobs = [](config& c) { c.webhook_pause = 200ms; };
  hooks.incidents = {incident{"pod", "RUNNING", 900ms, what::kill_runtime, 0}};
  list.push_back(std::move(hooks));
}

} // namespace tayfa::sim
