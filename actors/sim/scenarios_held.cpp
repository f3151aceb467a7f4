// Scenarios about calls that the pod holds: clients that wait for the end of a job or for its next
// chunk, as RunPod's JavaScript and Go clients do, while engines, actors and the process die.
#include "actors/sim/scenario_lists.hpp"

namespace tayfa::sim {

namespace {

using what = incident::what;
using namespace std::chrono_literals;

scenario held(std::string name, std::string text) {
  scenario s;
  s.name = "held_" + std::move(name);
  s.text = std::move(text);
  s.slots = 2;
  s.work = workload_options{};
  s.work->jobs = 30;
  s.work->gap_max = 700ms;
  s.work->mix.stream = 8;
  s.work->mix.slow = 8;
  s.work->held = true;
  return s;
}

} // namespace

void add_held(std::vector<scenario>& list) {
  list.push_back(
      held("calls", "clients wait for ends and chunks, some leave; nothing else befalls"));

  auto crashing = held("while_engines_die", "clients wait for jobs whose engines are killed");
  crashing.work->mix.crash = 2;
  crashing.work->held_where.runs_again = true;
  crashing.random_faults = true;
  crashing.faulty = true;
  list.push_back(crashing);

  for (const auto& [name, act] : {std::pair{"while_the_queue_dies", what::kill_queue},
                                  std::pair{"while_the_ingress_dies", what::kill_ingress}}) {
    auto dying = held(name, "clients wait while an actor that holds or answers their calls dies");
    dying.work->held_where = {.actors_die = true, .runs_again = true};
    dying.incidents = {incident{"pod", "RUNNING", 700ms, act, 0},
                       incident{"pod", "RUNNING", 3'500ms, act, 0}};
    dying.faulty = true;
    list.push_back(dying);
  }

  auto killed = held("while_the_runtime_dies", "the process is killed while clients wait");
  killed.work->persistent = true;
  killed.work->held_where = {.actors_die = true, .runs_again = true};
  killed.random_crashes = true;
  killed.restarts = 50;
  killed.faulty = true;
  list.push_back(killed);

  auto stopped = held("while_it_stops",
                      "SIGTERM while clients wait: jobs that end are answered, the rest get 503");
  stopped.work->held_where = {.actors_die = true, .runs_again = true};
  stopped.incidents = {incident{"pod", "RUNNING", 2s, what::sigterm, 0}};
  stopped.faulty = true;
  list.push_back(stopped);
}

} // namespace tayfa::sim
