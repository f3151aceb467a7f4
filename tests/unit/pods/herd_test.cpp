// A thousand pods at one head: they come, and come back to a restarted head, without a peak of
// connections.
#include "tests/unit/pods/pod_world.hpp"

#include <algorithm>
#include <chrono>
#include <gtest/gtest.h>
#include <vector>

namespace tayfa::pods::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t herd = 1'000;

struct arrivals {
  std::vector<std::uint64_t> tries; ///< connections begun, in each second
  std::vector<std::uint64_t> links; ///< pods welcomed, in each second
  std::chrono::seconds took{0};
};

std::uint64_t linked(const pod_world& w) {
  return static_cast<std::uint64_t>(
      std::count_if(w.pods.begin(), w.pods.end(),
                    [&w](const auto& p) { return p->session->status(w.now).linked; }));
}

/// Until all are linked, or a minute has passed.
arrivals come(pod_world& w) {
  arrivals out;
  const auto begin = w.now;
  auto tries = w.connections();
  auto links = linked(w);
  while (linked(w) < herd && w.now - begin < 60s) {
    w.step();
    const auto second = static_cast<std::size_t>((w.now - begin) / 1s);
    out.tries.resize(std::max(out.tries.size(), second + 1));
    out.links.resize(out.tries.size());
    out.tries[second] += w.connections() - std::exchange(tries, w.connections());
    out.links[second] += linked(w) - std::exchange(links, linked(w));
  }
  out.took = std::chrono::ceil<std::chrono::seconds>(w.now - begin);
  return out;
}

double peak_to_mean(const std::vector<std::uint64_t>& each) {
  std::uint64_t sum = 0;
  for (const auto n : each) {
    sum += n;
  }
  const auto peak = *std::max_element(each.begin(), each.end());
  return static_cast<double>(peak) * static_cast<double>(each.size()) / static_cast<double>(sum);
}

void expect_no_peak(pod_world& w) {
  const auto came = come(w);
  ASSERT_EQ(linked(w), herd);
  EXPECT_LE(came.took, 20s);
  EXPECT_LT(peak_to_mean(came.tries), 3.0);
  EXPECT_LT(peak_to_mean(came.links), 3.0);
  // A second of the head may begin within one of ours.
  EXPECT_LE(*std::max_element(came.links.begin(), came.links.end()),
            2U * registry_limits{}.hellos_per_second);
}

TEST(herd, a_thousand_pods_that_start_together_are_linked_without_a_peak) {
  world_options o;
  o.pods = herd;
  o.slots = 1;
  o.jobs = 0;
  o.faults = false;
  o.group_commits = true;
  pod_world w{o};
  expect_no_peak(w);
}

TEST(herd, a_thousand_pods_come_back_to_a_restarted_head_without_a_peak) {
  world_options o;
  o.seed = 2;
  o.pod.welcome_holds = 2s;
  o.pods = herd;
  o.slots = 1;
  o.jobs = 0;
  o.faults = false;
  o.group_commits = true;
  pod_world w{o};
  come(w);
  const auto until = w.now + 3s; // long sessions, by the option above
  while (w.now < until) {
    w.step();
  }
  ASSERT_EQ(linked(w), herd);
  w.restart_head();
  for (const auto& p : w.pods) {
    w.cut(*p); // all hear of it at once, as when its process ends
  }
  w.step();
  ASSERT_LT(linked(w), herd / 2);
  expect_no_peak(w);
}

} // namespace
} // namespace tayfa::pods::testing
