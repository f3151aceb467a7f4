// The scripted engine's batches, and the progress that it counts.
#include "tests/unit/engine/scripted_fixture.hpp"

#include <gmock/gmock.h>

namespace tayfa::engine::test {
namespace {

// ---- batches --------------------------------------------------------------------------------

constexpr const char* batches_of_4 = R"({"batch_max":4})";

TEST_F(scripted, a_batch_takes_as_long_as_its_longest_member) {
  auto e = make(device(batches_of_4));
  e.start_batch({assign("a", R"({"mock_delay":1,"mock_return":1})"),
                 assign("b", R"({"mock_delay":3,"mock_return":2})"),
                 assign("c", R"({"mock_error":"c is at fault"})")});
  EXPECT_EQ(all<protocol::started>(out.said).size(), 3U);
  time.advance(2999ms);
  e.wake(time.now());
  EXPECT_TRUE(all<protocol::finished>(out.said).empty());
  time.advance(1ms);
  e.wake(time.now());
  const auto done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 3U);
  for (const auto& last : done) {
    EXPECT_EQ(last.run_ms, 3000U);
    const bool at_fault = last.attempt == attempt("c");
    EXPECT_EQ(last.how, at_fault ? protocol::outcome::failed : protocol::outcome::completed);
  }
}

TEST_F(scripted, a_device_may_be_slow_and_each_member_may_cost) {
  auto e = make(device(R"({"batch_max":4,"time_factor":2,"member_cost":0.5})"));
  e.start(assign("alone", R"({"mock_delay":1})"));
  EXPECT_EQ(e.next_wakeup(), time.now() + 2s);
  run_to_next(e);
  e.start_batch({assign("a", R"({"mock_delay":1})"), assign("b", R"({"mock_delay":1})"),
                 assign("c", R"({"mock_delay":1})")});
  EXPECT_EQ(e.next_wakeup(), time.now() + 4s);
}

TEST_F(scripted, runs_wait_for_each_other_where_batches_are_made) {
  auto e = make(device(batches_of_4));
  e.start_batch({assign("a", R"({"mock_delay":1})"), assign("b", R"({"mock_delay":2})")});
  e.start(assign("c", R"({"mock_delay":1})"));
  e.start(assign("d", "1"));
  EXPECT_EQ(all<protocol::started>(out.said).size(), 2U);
  EXPECT_EQ(e.running(), 4U);
  run_to_next(e);
  EXPECT_EQ(all<protocol::finished>(out.said).size(), 2U);
  EXPECT_EQ(all<protocol::started>(out.said).back().attempt, attempt("c"));
  run_to_next(e);
  EXPECT_EQ(all<protocol::finished>(out.said).size(), 4U);
  EXPECT_EQ(e.running(), 0U);
}

TEST_F(scripted, an_attempt_is_cancelled_out_of_the_line_and_out_of_a_batch) {
  auto e = make(device(batches_of_4));
  e.start_batch({assign("a", R"({"mock_delay":1})"), assign("b", R"({"mock_delay":1})")});
  e.start(assign("c", R"({"mock_delay":1})"));
  e.cancel(attempt("c"));
  e.cancel(attempt("a"));
  const auto done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(done[0].attempt, attempt("c"));
  EXPECT_EQ(done[1].attempt, attempt("a"));
  run_to_next(e);
  EXPECT_EQ(all<protocol::finished>(out.said).back().attempt, attempt("b"));
  EXPECT_EQ(all<protocol::started>(out.said).size(), 2U) << "c never ran";
}

TEST_F(scripted, attempts_of_a_continuous_engine_run_side_by_side) {
  auto e = make(device(R"({"continuous":true,"capacity":4,"batch_max":4})"));
  e.start(assign("a", R"({"mock_delay":2})"));
  e.start(assign("b", R"({"mock_delay":1})"));
  EXPECT_EQ(all<protocol::started>(out.said).size(), 2U);
  run_to_next(e);
  EXPECT_EQ(all<protocol::finished>(out.said).back().attempt, attempt("b"));
}

TEST_F(scripted, a_batch_without_memory_fails_as_a_whole) {
  auto e = make(device(batches_of_4));
  e.start_batch({assign("a", R"({"mock_delay":2})"), assign("b", R"({"mock_oom":true})")});
  const auto done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 2U);
  for (const auto& last : done) {
    EXPECT_EQ(errc_from(last.code), errc::gpu_oom);
  }
  EXPECT_EQ(e.running(), 0U);
}

TEST_F(scripted, a_device_may_have_memory_for_so_many_members_only) {
  auto e = make(device(R"({"batch_max":4,"oom_above":2})"));
  e.start_batch({assign("a", "1"), assign("b", "2"), assign("c", "3")});
  auto done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 3U);
  EXPECT_EQ(errc_from(done[0].code), errc::gpu_oom);
  out.said.clear();
  e.start_batch({assign("a", "1", 2), assign("b", "2", 2)});
  done = all<protocol::finished>(out.said);
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(done[1].output.view(), "2");
}

TEST_F(scripted, a_crash_in_a_batch_takes_all_of_it) {
  auto e = make(device(batches_of_4));
  e.start_batch({assign("a", "1"), assign("b", R"({"mock_crash":true})")});
  EXPECT_EQ(out.crashes, 1);
}

TEST_F(scripted, a_member_that_hangs_holds_the_others_until_they_are_cancelled) {
  auto e = make(device(batches_of_4));
  e.start_batch({assign("a", R"({"mock_delay":1})"), assign("b", R"({"mock_hang":true})")});
  time.advance(24h);
  e.wake(time.now());
  EXPECT_TRUE(all<protocol::finished>(out.said).empty());
  e.cancel(attempt("a"));
  e.cancel(attempt("b"));
  ASSERT_EQ(all<protocol::finished>(out.said).size(), 1U);
  EXPECT_EQ(e.running(), 1U);
}

// ---- progress -------------------------------------------------------------------------------

TEST_F(scripted, steps_are_counted_while_a_delay_runs_and_not_while_it_hangs) {
  auto e = make();
  e.start(assign("a", R"({"mock_delay":1,"mock_hang":true})"));
  EXPECT_EQ(e.steps_of(attempt("a")), 0U);
  time.advance(350ms);
  EXPECT_EQ(e.steps_of(attempt("a")), 3U);
  time.advance(10s);
  e.wake(time.now());
  EXPECT_EQ(e.steps_of(attempt("a")), 10U);
  time.advance(10s);
  EXPECT_EQ(e.steps_of(attempt("a")), 10U);
  EXPECT_EQ(e.steps(), 10U);
}

TEST_F(scripted, steps_of_all_attempts_only_grow) {
  auto e = make(device(R"({"capacity":2,"time_factor":2})"));
  e.start(assign("a", R"({"mock_delay":1})"));
  e.start(assign("b", R"({"mock_delay":5})"));
  time.advance(1s);
  EXPECT_EQ(e.steps(), 10U) << "half as fast, two attempts";
  time.advance(1s);
  e.wake(time.now());
  EXPECT_EQ(e.steps(), 20U);
  EXPECT_EQ(e.steps_of(attempt("a")), 0U) << "it has ended";
  e.cancel(attempt("b"));
  EXPECT_EQ(e.steps(), 20U);
}

} // namespace
} // namespace tayfa::engine::test
