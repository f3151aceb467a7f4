// Scenarios about models that there are not: one that engines cannot load, one that an operator
// took out between two starts. Jobs of the others are served as if nothing were.
#include "actors/sim/scenario_lists.hpp"

namespace tayfa::sim {

namespace {

using what = incident::what;
using namespace std::chrono_literals;

scenario with_models(std::string name, std::string text) {
  scenario s;
  s.name = std::move(name);
  s.text = std::move(text);
  s.slots = 2;
  s.models = {"alpha", "bad"};
  s.work = workload_options{};
  s.work->jobs = 40;
  s.work->gap_max = 500ms;
  s.work->models = {"alpha", "alpha", "bad"};
  return s;
}

} // namespace

void add_models(std::vector<scenario>& list) {
  auto refused = with_models("second_model_refused", "the second of two models cannot be loaded");
  auto crashes = with_models("second_model_crashes", "engines die when they load the second model");
  auto hangs = with_models("second_model_hangs", "engines never finish loading the second model");
  hangs.knobs = [](config& c) { c.engine_load_timeout = 5s; };
  for (std::uint32_t slot = 0; slot < 2; ++slot) {
    for (auto* s : {&refused, &crashes, &hangs}) {
      s->behaviors[slot].bad_models = {"bad"};
    }
    refused.behaviors[slot].load_error = "warm-up: an empty picture";
    crashes.behaviors[slot].load_crash = true;
    hangs.behaviors[slot].load_hang = true;
  }
  for (auto* s : {&refused, &crashes, &hangs}) {
    s->events = {"model_refused"};
    list.push_back(*s);
  }

  auto gone = with_models("model_taken_out", "the next start has one model less: its jobs wait");
  gone.models_later = {"alpha"};
  gone.work->persistent = true;
  gone.restarts = 3;
  gone.faulty = true;
  gone.behaviors[0].load_delay = 500ms;
  gone.behaviors[1].load_delay = 500ms;
  gone.incidents = {incident{"pod", "RUNNING", 2s, what::kill_runtime, 0}};
  gone.knobs = [](config& c) { c.queue_ttl = 40s; };
  list.push_back(std::move(gone));
}

} // namespace tayfa::sim
