// The scenarios of fleets that ship.
#include "actors/sim/fleet.hpp"

namespace tayfa::sim {

using namespace std::chrono_literals;

const std::vector<fleet_scenario>& fleet_scenarios() {
  static const std::vector<fleet_scenario> all = [] {
    const auto fleet = [](std::string name, std::string text) {
      fleet_scenario s;
      s.name = std::move(name);
      s.text = std::move(text);
      s.work.jobs = 45;
      s.work.persistent = true; // a head that is away refuses, and is asked again
      return s;
    };
    std::vector<fleet_scenario> list;
    auto quiet = fleet("fleet", "one head and two pods with two slots each, and nothing fails");
    quiet.events = {"pod_linked", "head_linked"};
    list.push_back(std::move(quiet));
    auto mixed = fleet("fleet_head_has_slots", "the head runs jobs itself beside its pods");
    mixed.head_slots = 1;
    list.push_back(std::move(mixed));
    auto heads = fleet("fleet_kill_head", "the head is killed and started again");
    heads.head_kills = 2;
    heads.work.mix.cancelled = 0;
    heads.runs_once = true;
    list.push_back(std::move(heads));
    auto pods = fleet("fleet_kill_pods", "pods are killed and started again");
    pods.pod_kills = 4;
    list.push_back(std::move(pods));
    auto cuts = fleet("fleet_cut_links", "connections end again and again");
    cuts.cuts = 12;
    cuts.events = {"pod_cut", "head_cut"};
    list.push_back(std::move(cuts));
    auto losses =
        fleet("fleet_lose_paths", "paths pass nothing, one way or both ways, for up to 90 seconds");
    losses.losses = 3;
    list.push_back(std::move(losses));
    auto drained = fleet("fleet_drain_pods", "operators drain pods, in each way");
    drained.drains = 5;
    drained.events = {"pod_drain"};
    list.push_back(std::move(drained));
    auto revoked = fleet("fleet_revoke_pods", "pods are revoked, and trusted again later");
    revoked.revokes = 3;
    revoked.events = {"pod_revoked"};
    list.push_back(std::move(revoked));
    auto storm = fleet("fleet_storm", "all of it at once, on three pods");
    storm.pods = 3;
    storm.head_kills = 2;
    storm.pod_kills = 3;
    storm.cuts = 6;
    storm.losses = 2;
    storm.drains = 2;
    storm.revokes = 1;
    storm.work.gap_max = 1'500ms;
    storm.work.jobs = 60;
    storm.faults_within = 35s;
    list.push_back(std::move(storm));
    return list;
  }();
  return all;
}

} // namespace tayfa::sim
