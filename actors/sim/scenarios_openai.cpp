// Scenarios with clients of OpenAI's API beside the others.
#include "actors/sim/scenario_lists.hpp"

namespace tayfa::sim {

namespace {

using namespace std::chrono_literals;
using what = incident::what;

scenario read(std::string name, std::string text) {
  scenario s;
  s.name = "openai_" + std::move(name);
  s.text = std::move(text);
  s.slots = 3;
  s.work = workload_options{};
  s.work->jobs = 60;
  s.readers = reader_options{};
  return s;
}

} // namespace

void add_openai(std::vector<scenario>& list) {
  auto quiet = read("quiet", "calls of OpenAI's API, nothing goes wrong");
  quiet.readers->quiet = true;
  quiet.readers->slow = 0.2;
  list.push_back(std::move(quiet));

  auto leaves =
      read("leaves", "clients leave at any time: their jobs end, the others notice nothing");
  leaves.readers->leaves = 0.6;
  leaves.readers->slow = 0.3;
  list.push_back(std::move(leaves));

  auto kills = read("kills", "engines are killed and freeze under streams");
  kills.readers->leaves = 0.1;
  kills.random_faults = true;
  kills.faulty = true;
  list.push_back(std::move(kills));

  const std::pair<const char*, what> actors[] = {{"queue_dies", what::kill_queue},
                                                 {"ingress_dies", what::kill_ingress}};
  for (const auto& [name, act] : actors) {
    auto s = read(name, "an actor of the core group dies under streams");
    s.incidents = {incident{"pod", "RUNNING", 900ms, act, 0},
                   incident{"pod", "RUNNING", 9s, act, 0}};
    s.faulty = true;
    list.push_back(std::move(s));
  }

  auto crash = read("crashes", "the pod's process is killed and started again under its clients");
  crash.readers->leaves = 0.2;
  crash.work->persistent = true;
  crash.random_crashes = true;
  crash.restarts = 1'000;
  crash.disk_latency_max = 30ms;
  crash.faulty = true;
  list.push_back(std::move(crash));
}

} // namespace tayfa::sim
