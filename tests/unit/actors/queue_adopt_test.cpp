// The queue looks for heads that have died, and has what they had.
#include "actors/queue_limits.hpp"
#include "actors/queue_state.hpp"
#include "tests/unit/actors/actor_script.hpp"
#include "tests/unit/actors/held_store.hpp"
#include "tests/unit/actors/shared_stand_in.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace tayfa::testing {
namespace {

struct adopt_script : actor_script {
  adopt_script() {
    pod_store.with_others = &others_there;
    pod_store.holds = false;
    directory.supervisor = stand_in<supervisor_actor>(others);
    directory.ingress = stand_in<ingress_actor>(others);
    begin();
  }
  ~adopt_script() {
    end();
    directory = {};
  }
  void begin() {
    tested = spawn_queue(system, pod_context{pod_world, knobs}, state);
    tell(tested, directory);
  }
  void end() {
    caf::anon_send_exit(tested, caf::exit_reason::kill);
    settle();
    tested = queue_actor{};
  }
  void serve() { tell(tested, pod_moved{pod_state::READY, true}); }

  static store::adopted_jobs one(const std::string& id) {
    store::job_row row;
    row.order = (std::uint64_t{1} << 40) + 1;
    row.id = job_id{id};
    row.request.endpoint = "tayfa";
    row.request.input = shared_text{"1"};
    return {.from = "dead", .rows = {row}};
  }
  std::string state_of(const std::string& id) {
    std::string out;
    system.spawn([this, &out, id](caf::event_based_actor* self) {
      self->request(tested, caf::infinite, find_job{job_access{}, job_id{id}, std::nullopt, false})
          .then([&out](const job_answer& answer) {
            out = answer.value ? to_string(answer.value->state)
                               : to_string(answer.value.error().code);
          });
    });
    settle();
    return out;
  }

  held_store pod_store;
  shared_stand_in others_there;
  world pod_world{time,  random, secrets,   log,  meters, engines, http,
                  probe, models, pod_store, post, feed,   platform};
  stand_in_actor::seen others;
  actor_directory directory;
  std::shared_ptr<queue_state> state = make_queue_state(limits_from(knobs));
  queue_actor tested;
};

constexpr milliseconds look{1'001};

TEST(queue_adopt, a_queue_that_serves_looks_for_dead_heads_and_has_their_jobs) {
  adopt_script s;
  s.pass(look);
  EXPECT_TRUE(s.others_there.looks.empty()) << "the pod is not ready";
  s.serve();
  s.pass(look);
  ASSERT_EQ(s.others_there.looks.size(), 1U);
  s.pass(look);
  EXPECT_EQ(s.others_there.looks.size(), 1U) << "one look at a time";
  s.others_there.answer_look(adopt_script::one("theirs"));
  s.settle();
  EXPECT_EQ(s.state_of("theirs"), "IN_QUEUE");
  ASSERT_EQ(s.others_there.looks.size(), 1U) << "there may be more: at once";
  s.others_there.answer_look(store::adopted_jobs{});
  s.settle();
  EXPECT_TRUE(s.others_there.looks.empty());
  s.pass(look);
  EXPECT_EQ(s.others_there.looks.size(), 1U);
  s.others_there.answer_look(fail(errc::unavailable, "away"));
  s.pass(look);
  EXPECT_EQ(s.others_there.looks.size(), 1U) << "it goes on after an error";
}

TEST(queue_adopt, jobs_that_come_while_no_queue_lives_are_the_next_queues) {
  adopt_script s;
  s.serve();
  s.pass(look);
  s.end();
  s.others_there.answer_look(adopt_script::one("theirs"));
  s.begin();
  EXPECT_EQ(s.state_of("theirs"), "IN_QUEUE");
}

TEST(queue_adopt, a_queue_that_drains_takes_nothing_more) {
  adopt_script s;
  s.serve();
  s.tell(s.tested, drain_queue{});
  s.pass(look);
  EXPECT_TRUE(s.others_there.looks.empty());
}

} // namespace
} // namespace tayfa::testing
