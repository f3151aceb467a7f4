#include "actors/health.hpp"

#include "tests/unit/actors/actor_script.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;

/// Health and stand-ins for all that it asks.
struct health_script : actor_script {
  explicit health_script(bool with_runpod = true) {
    directory.queue = stand_in<queue_actor>(queue);
    directory.dispatcher = directory.queue;
    directory.ingress = stand_in<ingress_actor>(ingress);
    directory.loader = stand_in<model_loader_actor>(loader);
    directory.remote = stand_in<remote_workers_actor>(remote);
    directory.supervisor = stand_in<supervisor_actor>(supervisor);
    if (with_runpod) {
      directory.runpod = stand_in<runpod_worker_actor>(runpod);
    }
    tested = spawn<health, health_actor>();
    directory.health = tested;
  }
  ~health_script() { directory = {}; }

  void moved(std::uint32_t slot, std::uint64_t incarnation, engine_state to) {
    tell(tested, engine_moved{{slot_id{slot}, incarnation}, to, cause::start_requested, {}});
  }
  void beats(std::uint32_t slot, std::uint64_t incarnation, std::uint64_t rss,
             std::uint64_t device) {
    protocol::heartbeat body;
    body.rss_bytes = rss;
    body.device_bytes = device;
    tell(tested, engine_beat{{slot_id{slot}, incarnation}, body});
  }
  std::size_t probes(const stand_in_actor::seen& of) const {
    return static_cast<std::size_t>(
        std::count(of.messages.begin(), of.messages.end(), "liveness_probe"));
  }

  stand_in_actor::seen queue, ingress, loader, remote, runpod, supervisor;
  actor_directory directory;
  health_actor tested;
};

using texts = std::vector<std::string>;

TEST(health_actor, asks_every_part_once_a_round) {
  health_script s;
  s.tell(s.tested, s.directory);
  s.pass(12s);
  for (const auto* part : {&s.queue, &s.ingress, &s.loader, &s.remote, &s.runpod}) {
    EXPECT_EQ(s.probes(*part), 3U) << "at 0, 5 and 10 s";
  }
  EXPECT_EQ(s.supervisor.messages, texts{}) << "all of them answer";
}

TEST(health_actor, reports_a_part_that_does_not_answer_in_time_and_no_other) {
  const auto stuck = [](stand_in_actor::seen health_script::*part) {
    health_script s;
    (s.*part).stuck = true;
    s.tell(s.tested, s.directory);
    s.pass(3'900ms);
    EXPECT_EQ(s.supervisor.messages, texts{}) << "it has 4 s";
    s.pass(200ms);
    return s.supervisor.messages;
  };
  EXPECT_EQ(stuck(&health_script::queue), texts{"part_stuck queue"});
  EXPECT_EQ(stuck(&health_script::ingress), texts{"part_stuck ingress"});
  EXPECT_EQ(stuck(&health_script::loader), texts{"part_stuck model_loader"});
  EXPECT_EQ(stuck(&health_script::remote), texts{"part_stuck remote_workers"});
  EXPECT_EQ(stuck(&health_script::runpod), texts{"part_stuck runpod_worker"});
}

TEST(health_actor, reports_it_again_each_round) {
  health_script s;
  s.runpod.stuck = true;
  s.tell(s.tested, s.directory);
  s.pass(10s);
  EXPECT_EQ(s.supervisor.messages, (texts{"part_stuck runpod_worker", "part_stuck runpod_worker"}));
}

TEST(health_actor, a_pod_that_is_no_worker_of_the_platform_has_no_such_part) {
  health_script s{false};
  s.tell(s.tested, s.directory);
  s.pass(12s);
  EXPECT_EQ(s.probes(s.queue), 3U);
  EXPECT_EQ(s.supervisor.messages, texts{});
}

TEST(health_actor, a_new_directory_does_not_begin_a_second_round) {
  health_script s;
  s.tell(s.tested, s.directory);
  s.tell(s.tested, s.directory);
  s.pass(4s);
  EXPECT_EQ(s.probes(s.queue), 1U);
}

TEST(health_actor, the_gauges_count_engines_by_state) {
  health_script s;
  s.moved(0, 1, engine_state::READY);
  s.moved(1, 1, engine_state::PROCESSING);
  s.moved(2, 1, engine_state::LOADING_MODEL);
  EXPECT_EQ(s.meters.value(meter::engines_ready), 2);
  s.moved(1, 1, engine_state::SHUTDOWN);
  EXPECT_EQ(s.meters.value(meter::engines_ready), 1);
  s.tell(s.tested, slot_left{slot_id{0}});
  EXPECT_EQ(s.meters.value(meter::engines_ready), 0) << "the slot has no engine any more";
}

TEST(health_actor, the_gauges_add_the_memory_of_the_engines) {
  health_script s;
  s.moved(0, 1, engine_state::READY);
  s.moved(1, 4, engine_state::READY);
  s.beats(0, 1, 100, 7);
  s.beats(1, 4, 20, 1);
  EXPECT_EQ(s.meters.value(meter::engine_resident_bytes), 120);
  EXPECT_EQ(s.meters.value(meter::engine_device_bytes), 8);
  s.beats(1, 4, 30, 2);
  EXPECT_EQ(s.meters.value(meter::engine_resident_bytes), 130) << "the latest heartbeat counts";
  s.beats(1, 3, 999, 999);
  EXPECT_EQ(s.meters.value(meter::engine_resident_bytes), 130) << "not an earlier engine's";
  s.moved(0, 1, engine_state::SHUTDOWN);
  EXPECT_EQ(s.meters.value(meter::engine_resident_bytes), 30) << "its process has ended";
  s.beats(0, 1, 999, 999);
  EXPECT_EQ(s.meters.value(meter::engine_resident_bytes), 30) << "a late one";
  s.moved(1, 5, engine_state::INITIALIZING);
  EXPECT_EQ(s.meters.value(meter::engine_device_bytes), 0) << "the next engine has said nothing";
  s.beats(1, 5, 5, 5);
  s.tell(s.tested, slot_left{slot_id{1}});
  EXPECT_EQ(s.meters.value(meter::engine_resident_bytes), 0);
}

TEST(health_actor, the_pods_readiness_is_a_gauge) {
  health_script s;
  s.tell(s.tested, pod_moved{pod_state::RUNNING, true});
  EXPECT_EQ(s.meters.value(meter::ready), 1);
  s.tell(s.tested, pod_moved{pod_state::STOPPING, false});
  EXPECT_EQ(s.meters.value(meter::ready), 0);
}

} // namespace
} // namespace tayfa::testing
