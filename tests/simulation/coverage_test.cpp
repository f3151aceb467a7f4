// Checks that some scenario takes every edge of every lifecycle table, except those listed below
// with a reason.
#include "actors/sim/simulation.hpp"

#include <gtest/gtest.h>
#include <map>
#include <set>

namespace tayfa::sim {
namespace {

std::string line_of(std::string_view machine, std::string_view from, std::string_view to,
                    std::string_view why) {
  return std::string{machine} + " " + std::string{from} + " " + std::string{to} + " " +
         std::string{why};
}

std::string value(const std::string& line, const std::string& key) {
  const auto at = line.find(" " + key + "=");
  if (at == std::string::npos) {
    return {};
  }
  const auto begin = at + key.size() + 2;
  return line.substr(begin, line.find(' ', begin) - begin);
}

std::set<std::string> taken() {
  std::set<std::string> seen;
  for (const auto& s : scenarios()) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      const auto log = simulate(s, seed).log;
      for (std::size_t at = 0; at < log.size();) {
        const auto end = std::min(log.find('\n', at), log.size());
        const auto line = log.substr(at, end - at);
        if (line.find(" state machine=") != std::string::npos) {
          seen.insert(line_of(value(line, "machine"), value(line, "from"), value(line, "to"),
                              value(line, "cause")));
        }
        at = end + 1;
      }
    }
  }
  return seen;
}

template <class State>
void add_edges(std::set<std::string>& all) {
  for (const auto& e : machine_traits<State>::edges) {
    all.insert(
        line_of(machine_traits<State>::name, to_string(e.from), to_string(e.to), to_string(e.why)));
  }
}

/// Edges that no scenario takes, with the reason.
const std::map<std::string, std::string>& exceptions() {
  static const std::map<std::string, std::string> list{
      {"ingress NOT_STARTED SHUTDOWN stop_requested",
       "the supervisor sends a new ingress the directory before anything else"},
      {"stop NOT_STOPPING CLOSING_STORE part_failed", "the simulated store can be opened"},
      {"stop NOT_STOPPING CLOSING_STORE state_timeout", "the simulated store answers"},
      {"stop DRAINING_QUEUE DELIVERING jobs_done",
       "the queue is asked to drain when the platform has every result"},
  };
  return list;
}

TEST(coverage, every_edge_of_every_lifecycle_is_taken) {
  std::set<std::string> all;
  add_edges<pod_state>(all);
  add_edges<stop_state>(all);
  add_edges<engine_state>(all);
  add_edges<ingress_state>(all);
  add_edges<job_state>(all);
  const auto seen = taken();
  for (const auto& edge : all) {
    if (exceptions().contains(edge)) {
      EXPECT_FALSE(seen.contains(edge)) << edge << " is taken after all: strike it from the list";
    } else {
      EXPECT_TRUE(seen.contains(edge)) << edge << " is never taken";
    }
  }
  for (const auto& edge : seen) {
    EXPECT_TRUE(all.contains(edge)) << edge << " was taken and is in no table";
  }
}

} // namespace
} // namespace tayfa::sim
