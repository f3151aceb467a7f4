// The worker pool by itself: capabilities, several runs in one worker, when a worker is free.
#include "tests/unit/core/pool_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

double ms_to(moment from, moment to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}
const pool_worker& at(const pool_script& s, std::uint32_t slot) {
  return *s.pool.find(worker_place{slot_id{slot}});
}

// ---- identities ---------------------------------------------------------------------------------

TEST(worker_pool, the_same_slot_of_two_nodes_is_two_places) {
  pool_script s;
  s.join(0);
  const auto far = s.join(worker_place{node_id{2}, slot_id{0}});
  EXPECT_EQ(s.pool.all().size(), 2U);
  s.pool.lost(s.now, *s.pool.present(far), {}, s.lines);
  EXPECT_EQ(s.decide(), "0");
  EXPECT_EQ(s.pool.local_capacity(), 1U) << "of this pod's own";
}

TEST(worker_pool, one_that_is_forgotten_when_gone_leaves_nothing) {
  pool_script s;
  const worker_place at{pull_node, slot_id{0}};
  const auto ref = s.join(at, pulling());
  s.pool.forget(at);
  EXPECT_NE(s.pool.find(at), nullptr) << "it is there";
  s.pool.lost(s.now, *s.pool.present(ref), {}, s.lines);
  s.pool.forget(at);
  EXPECT_EQ(s.pool.find(at), nullptr);
  const auto local = s.join(0);
  s.pool.lost(s.now, *s.pool.present(local), {}, s.lines);
  s.pool.forget(worker_place{slot_id{0}});
  EXPECT_EQ(s.pool.arrives(worker_ref{slot_id{0}, 1}), worker_pool::arrival::stale)
      << "an older process of a slot is recognised";
}

// ---- capabilities -------------------------------------------------------------------------------

TEST(worker_pool, only_an_elastic_worker_changes_its_capacity) {
  pool_script s;
  const auto w = s.join(0, pool_script::facts(1));
  auto f = pool_script::facts(3);
  s.pool.updated(s.now, w, f);
  EXPECT_EQ(at(s, 0).facts.capacity, 1U);
  f.elastic = true;
  const auto x = s.join(1, f);
  f.capacity = 0;
  s.pool.updated(s.now, x, f);
  EXPECT_EQ(at(s, 1).facts.capacity, 0U);
  EXPECT_EQ(s.decide(), "0");
}

TEST(worker_pool, no_job_waits_for_a_pulling_worker_that_does_not_ask) {
  pool_script s;
  auto f = pulling(pool_script::facts(1));
  const auto ref = s.join(worker_place{slot_id{4}}, f);
  EXPECT_EQ(s.decide(), "4");
  EXPECT_EQ(s.decide(), "workers_busy") << "it does not reserve it";
  EXPECT_FALSE(s.pool.look_again());
  s.complete(4);
  EXPECT_EQ(s.decide(), "workers_busy") << "room is no call";
  f.hand_overs = 1;
  s.pool.updated(s.now, ref, f);
  EXPECT_EQ(s.decide(), "4");
}

TEST(worker_pool, workers_that_run_other_kinds_of_models_are_no_options) {
  pool_script s;
  s.pool.models().replace({{"a", 1, 0, 0, "torchscript"}, {"b", 1, 0, 0, "gguf"}});
  auto f = pool_script::facts();
  f.model_kinds = {"gguf", "ggml"};
  EXPECT_EQ(s.decide(pool_job{.model = "a"}), "no_worker") << "no engine of any kind is ready";
  s.join(0, f);
  EXPECT_EQ(s.decide(pool_job{.model = "a"}), "no_engine");
  EXPECT_EQ(s.decide(pool_job{.model = "b"}), "0");
  f.model_kinds = {"torchscript"};
  s.join(1, f);
  EXPECT_EQ(s.decide(pool_job{.model = "a"}), "1");
}

TEST(worker_pool, a_worker_of_another_endpoint_is_no_engine_that_is_missing) {
  pool_script s;
  s.pool.models().replace({{"a", 1, 0, 0, "torchscript"}});
  auto f = pool_script::facts();
  f.endpoint = "other";
  f.model_kinds = {"torchscript"};
  s.join(0, f);
  EXPECT_EQ(s.decide(pool_job{.model = "a"}), "no_worker");
}

// ---- several runs in one worker -----------------------------------------------------------------

TEST(worker_pool, each_attempt_of_a_continuous_engine_has_its_own_expectation) {
  pool_script s;
  s.join(0, pool_script::continuous(2));
  for (int i = 0; i < 8; ++i) {
    s.learn(0, 1'000, {.shape = "long"});
    s.learn(0, 100, {.shape = "short"});
  }
  s.pool.forget_look_again();
  EXPECT_EQ(s.decide(pool_job{.shape = "long"}), "0");
  s.pass(500);
  EXPECT_EQ(s.decide(pool_job{.shape = "short"}), "0");
  const auto& w = at(s, 0);
  ASSERT_EQ(w.holds.size(), 2U);
  const auto& first = w.holds.begin()->second;
  const auto& second = std::next(w.holds.begin())->second;
  EXPECT_EQ(ms_to(first.began, second.began), 500) << "the second changed nothing of the first";
  EXPECT_NEAR(first.expected.ms, 1'000, 1);
  const auto place = ms_to(s.now, w.free_at(s.now, false));
  EXPECT_NEAR(place, second.expected.ms, 1) << "a place is free when the first of them ends";
  EXPECT_NEAR(ms_to(s.now, w.free_at(s.now, true)), 500, 1) << "all of it when the last one does";
}

TEST(worker_pool, a_job_that_must_run_alone_waits_until_all_places_are_free) {
  pool_script s;
  s.join(0, pool_script::facts(2));
  s.learn(0, 400);
  EXPECT_EQ(s.decide(), "0");
  s.pass(100);
  EXPECT_EQ(s.decide(pool_job{.alone = true}), "worker_reserved");
  ASSERT_TRUE(s.pool.look_again());
  EXPECT_NEAR(ms_to(s.now, *s.pool.look_again()), 300, 1);
  EXPECT_EQ(s.decide(), "0") << "the reservation ended with its decision";
  s.complete(0);
  s.complete(0);
  EXPECT_EQ(s.decide(pool_job{.alone = true}), "0");
  EXPECT_EQ(s.decide(), "worker_reserved") << "it stays alone";
}

TEST(worker_pool, a_run_is_learned_with_the_number_of_those_that_shared_the_engine) {
  pool_script s;
  s.join(0, pool_script::continuous(4));
  for (int i = 0; i < 8; ++i) {
    s.learn(0, 100);
  }
  for (int i = 0; i < 16; ++i) { // four at once take 250 ms each
    EXPECT_THAT(s.decide_all(std::vector<pool_job>(4)), ElementsAre("0", "0", "0", "0"));
    s.pass(250);
    for (int each = 0; each < 4; ++each) {
      s.complete(0);
    }
  }
  EXPECT_NEAR(s.pool.times().expect({"", "", "d"}, 1).ms, 100, 5);
  EXPECT_NEAR(s.pool.times().expect({"", "", "d"}, 4).ms, 250, 5);
}

TEST(worker_pool, a_job_goes_to_the_emptier_of_two_shared_engines) {
  pool_script s;
  s.join(0, pool_script::continuous(4));
  s.join(1, pool_script::continuous(4));
  EXPECT_THAT(s.decide_all(std::vector<pool_job>(3)), ElementsAre("0", "1", "0"));
  s.complete(0);
  s.complete(0);
  EXPECT_EQ(s.decide(), "0");
}

TEST(worker_pool, members_of_a_batch_begin_and_end_together) {
  pool_script s{4};
  auto f = pool_script::facts(4);
  f.batch_max = 4;
  s.join(0, f);
  s.learn(0, 400);
  EXPECT_EQ(s.decide(), "0");
  const auto& w = at(s, 0);
  ASSERT_EQ(w.holds.size(), 4U);
  EXPECT_EQ(w.members, 4U);
  EXPECT_EQ(w.free_at(s.now, false), w.free_at(s.now, true));
  s.complete(0);
  EXPECT_EQ(s.decide(), "worker_reserved") << "the batch goes on";
}

// ---- when a worker is free ----------------------------------------------------------------------

TEST(worker_pool, an_overdue_run_is_put_off_and_never_comes_nearer) {
  pool_script s;
  s.join(0);
  s.learn(0, 100);
  s.decide();
  auto before = at(s, 0).free_at(s.now, false);
  EXPECT_NEAR(ms_to(s.now, before), 100, 0.001);
  for (int i = 0; i < 400; ++i) {
    s.pass(1);
    const auto free = at(s, 0).free_at(s.now, false);
    EXPECT_GE(free, before);
    EXPECT_GE(free, s.now + milliseconds{1});
    before = free;
  }
  EXPECT_GT(ms_to(s.now, before), 50) << "half of the time that it has taken";
}

TEST(worker_pool, a_job_waits_for_the_worker_that_is_free_first_although_others_were_put_off) {
  pool_script s;
  s.join(0);
  s.learn(0, 100);
  s.join(1);
  s.join(2);
  s.join(3, pool_script::facts(1, "slow"));
  s.learn(3, 10'000);
  EXPECT_EQ(s.decide(), "0");
  s.pass(60);
  EXPECT_EQ(s.decide(), "1");
  s.pass(30);
  EXPECT_EQ(s.decide(), "2");
  s.pass(60); // 0 should have ended long ago, 1 is late as well by half of what it has taken
  EXPECT_EQ(s.decide(), "worker_reserved") << "rather than the slow one";
  const auto& w = s.pool.all();
  moment first = moment::max();
  for (const auto& [place, worker] : w) {
    first = worker.facts.device == "d" ? std::min(first, worker.free_at(s.now, false)) : first;
  }
  EXPECT_NEAR(ms_to(s.now, *s.pool.look_again()), ms_to(s.now, first), 1);
}

// ---- what began before ------------------------------------------------------------------------

TEST(worker_pool, nothing_is_learned_of_a_run_whose_begin_was_not_seen) {
  for (const std::uint32_t capacity : {1U, 3U}) {
    pool_script s;
    s.join(0, pool_script::facts(capacity));
    auto& w = *s.pool.find(worker_place{slot_id{0}});
    s.pool.claim(s.now, w, pool_job{}.needs(), {job_id{"j"}, ++s.attempts});
    s.audited();
    s.pass(500);
    s.complete(0);
    EXPECT_EQ(s.pool.times().expect({"", "", "d"}).seen, 0U);
    s.learn(0, 100);
    EXPECT_EQ(s.pool.times().expect({"", "", "d"}).seen, 1U) << "the next one is seen whole";
  }
}

TEST(worker_pool, a_claimed_attempt_has_its_place) {
  pool_script s;
  s.join(0, pool_script::facts(2));
  auto& w = *s.pool.find(worker_place{slot_id{0}});
  s.pool.claim(s.now, w, pool_job{}.needs(), {job_id{"j"}, ++s.attempts});
  EXPECT_EQ(s.decide_all({{}, {}}), (std::vector<std::string>{"0", "worker_reserved"}));
  pool_script t;
  t.join(0, pool_script::facts(2));
  auto& alone = *t.pool.find(worker_place{slot_id{0}});
  t.pool.claim(t.now, alone, pool_job{.alone = true}.needs(), {job_id{"j"}, ++t.attempts});
  EXPECT_EQ(t.decide(), "worker_reserved") << "a suspect shares its worker with no other";
}

// ---- what is held -------------------------------------------------------------------------------

TEST(worker_pool, the_number_of_an_attempt_that_is_still_held_is_found) {
  pool_script s;
  s.join(0, pool_script::facts(3));
  s.decide();
  s.decide();
  EXPECT_EQ(s.pool.last_held_of(job_id{"j"}, 0), 2U);
  EXPECT_EQ(s.pool.last_held_of(job_id{"other"}, 0), 0U);
  s.pool.let_go(s.now, job_id{"j"});
  EXPECT_EQ(s.pool.last_held_of(job_id{"j"}, 0), 0U);
  s.audited();
}

} // namespace
} // namespace tayfa::testing
