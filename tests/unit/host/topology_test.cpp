#include "runtime/machine/topology.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <sched.h>
#include <set>
#include <thread>

namespace tayfa {
namespace {

using near = std::vector<std::optional<std::uint32_t>>;

/// A machine of so many nodes, cores per node, and CPUs per core, numbered as Linux does: first one
/// CPU of every core, then the second ones.
machine_shape machine(std::uint32_t nodes, std::uint32_t cores, std::uint32_t threads = 1) {
  machine_shape out;
  for (std::uint32_t t = 0; t < threads; ++t) {
    for (std::uint32_t c = 0; c < nodes * cores; ++c) {
      out.cpus.push_back({t * nodes * cores + c, c, c / cores});
    }
  }
  return out;
}
near anywhere(std::size_t slots) {
  return near(slots);
}
std::vector<std::string> lists(const std::vector<slot_place>& places) {
  std::vector<std::string> out;
  for (const auto& place : places) {
    out.push_back(cpu_list(place.cpus) +
                  (place.node ? " node " + std::to_string(*place.node) : ""));
  }
  return out;
}
using testing::Each;
using testing::ElementsAre;

TEST(plan_slots, off_pins_no_slot) {
  EXPECT_THAT(lists(plan_slots(machine(1, 16), anywhere(2), pinning::off)), Each(""));
}

TEST(plan_slots, slots_share_the_cores_evenly_and_leave_the_first_to_the_runtime) {
  EXPECT_THAT(lists(plan_slots(machine(1, 9), anywhere(4), pinning::automatic)),
              ElementsAre("1-2", "3-4", "5-6", "7-8"));
}

TEST(plan_slots, the_first_core_is_used_when_the_others_are_too_few) {
  EXPECT_THAT(lists(plan_slots(machine(1, 8), anywhere(4), pinning::automatic)),
              ElementsAre("0-1", "2-3", "4-5", "6-7"));
}

TEST(plan_slots, a_core_is_not_split_between_slots_while_there_are_enough) {
  // 5 cores of 2 CPUs: n and n + 5. Core 0 is the runtime's.
  EXPECT_THAT(lists(plan_slots(machine(1, 5, 2), anywhere(2), pinning::automatic)),
              ElementsAre("1-2,6-7", "3-4,8-9"));
}

TEST(plan_slots, automatic_pins_no_slot_when_one_would_have_less_than_two) {
  EXPECT_THAT(lists(plan_slots(machine(1, 2), anywhere(2), pinning::automatic)), Each(""));
  EXPECT_THAT(lists(plan_slots(machine(1, 2), anywhere(1), pinning::automatic)),
              ElementsAre("0-1"));
}

TEST(plan_slots, eight_gpus_on_two_nodes_get_the_cpus_of_their_own_node) {
  auto box = machine(2, 32, 2);
  const near gpus{0, 0, 0, 0, 1, 1, 1, 1};
  const auto places = plan_slots(box, gpus, pinning::automatic);
  std::set<std::uint32_t> taken;
  for (std::size_t i = 0; i < places.size(); ++i) {
    EXPECT_EQ(places[i].node, gpus[i]);
    EXPECT_GE(places[i].cpus.size(), 14u);
    for (const auto cpu : places[i].cpus) {
      EXPECT_EQ(cpu % 64 / 32, *gpus[i]) << "slot " << i << " cpu " << cpu;
      EXPECT_TRUE(taken.insert(cpu).second) << cpu << " is taken twice";
    }
  }
  EXPECT_FALSE(taken.contains(0) || taken.contains(64)) << "the first core is the runtime's";
  EXPECT_EQ(taken.size(), 126u);
}

TEST(plan_slots, slots_whose_gpu_is_at_no_known_node_go_where_most_is_left) {
  const near gpus{1, 1, 1, std::nullopt, std::nullopt, std::nullopt};
  const auto places = plan_slots(machine(2, 16), gpus, pinning::on);
  EXPECT_THAT(places, testing::SizeIs(6));
  for (std::size_t i = 0; i < places.size(); ++i) {
    EXPECT_EQ(places[i].node, i < 3 ? 1u : 0u);
  }
  EXPECT_EQ(plan_slots(machine(2, 16), near{7}, pinning::on)[0].node, 1u) << "node 0 lost a core";
}

TEST(plan_slots, one_node_is_no_reason_to_bind_memory) {
  for (const auto& place : plan_slots(machine(1, 16), near{0, 0}, pinning::on)) {
    EXPECT_FALSE(place.node);
    EXPECT_FALSE(place.cpus.empty());
  }
}

TEST(plan_slots, sixty_four_slots_on_two_cpus) {
  EXPECT_THAT(lists(plan_slots(machine(1, 2), anywhere(64), pinning::automatic)), Each(""));
  const auto places = lists(plan_slots(machine(1, 2), anywhere(64), pinning::on));
  ASSERT_EQ(places.size(), 64u);
  EXPECT_EQ(std::count(places.begin(), places.end(), "0"), 32);
  EXPECT_EQ(std::count(places.begin(), places.end(), "1"), 32);
}

TEST(plan_slots, every_slot_gets_something_whatever_the_machine) {
  for (std::uint32_t nodes = 1; nodes <= 3; ++nodes) {
    for (std::uint32_t cores = 1; cores <= 5; ++cores) {
      for (std::uint32_t threads = 1; threads <= 2; ++threads) {
        for (std::size_t slots = 1; slots <= 20; ++slots) {
          const auto box = machine(nodes, cores, threads);
          const auto places = plan_slots(box, anywhere(slots), pinning::on);
          ASSERT_EQ(places.size(), slots);
          for (const auto& place : places) {
            EXPECT_FALSE(place.cpus.empty());
            EXPECT_TRUE(std::is_sorted(place.cpus.begin(), place.cpus.end()));
            for (const auto cpu : place.cpus) {
              EXPECT_LT(cpu, box.cpus.size());
            }
          }
        }
      }
    }
  }
  EXPECT_THAT(lists(plan_slots({}, anywhere(3), pinning::on)), Each("")) << "nothing is known";
  EXPECT_TRUE(plan_slots(machine(1, 4), {}, pinning::on).empty());
}

TEST(cpu_lists, are_written_and_read) {
  const std::vector<std::uint32_t> cpus{0, 1, 2, 5, 7, 8};
  EXPECT_EQ(cpu_list(cpus), "0-2,5,7-8");
  EXPECT_EQ(parse_cpu_list("0-2,5,7-8").value(), cpus);
  EXPECT_EQ(parse_cpu_list("8,7,5,0-2,1").value(), cpus);
  EXPECT_TRUE(parse_cpu_list("").value().empty());
  for (const char* wrong : {",", "1,", ",1", "1-", "-1", "2-1", "a", "1 ", "1-2-3", "65536", "0x1",
                            "99999999999", "0-99999999999"}) {
    EXPECT_FALSE(parse_cpu_list(wrong)) << wrong;
  }
}

TEST(slot_pinners, know_which_gpu_a_slot_has) {
  auto box = machine(2, 16);
  box.gpu_nodes = {0, 1};
  const auto node = [&](std::optional<std::string> visible, std::uint32_t slot) {
    return slot_pinner{box, pinning::on, std::move(visible)}.place(slot_id{slot}, 4).node;
  };
  EXPECT_EQ(node({}, 0), 0u);
  EXPECT_EQ(node({}, 1), 1u);
  EXPECT_EQ(node({}, 2), 0u) << "it shares the first GPU";
  EXPECT_EQ(node("1", 0), 1u);
  EXPECT_EQ(node("1,0", 1), 0u);
  EXPECT_EQ(slot_pinner{}.place(slot_id{0}, 4), slot_place{});
  EXPECT_EQ((slot_pinner{box, pinning::on, {}}.place(slot_id{4}, 4)), slot_place{});
}

TEST(this_machine, is_described_and_obeys) {
  const auto here = read_machine();
  cpu_set_t allowed;
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  ASSERT_EQ(here.cpus.size(), static_cast<std::size_t>(CPU_COUNT(&allowed)));
  for (const auto& cpu : here.cpus) {
    EXPECT_TRUE(CPU_ISSET(cpu.number, &allowed)) << cpu.number;
  }
  std::thread{[&here] { // the calls are about the calling thread
    const auto last = here.cpus.back().number;
    EXPECT_EQ(go_to({{last}, std::nullopt}), "");
    cpu_set_t now;
    ASSERT_EQ(::sched_getaffinity(0, sizeof now, &now), 0);
    EXPECT_EQ(CPU_COUNT(&now), 1);
    EXPECT_TRUE(CPU_ISSET(last, &now));
    EXPECT_NE(go_to({{65'535}, std::nullopt}), "") << "no such CPU";
  }}
      .join();
}

} // namespace
} // namespace tayfa
