#include "runtime/link/worker_session.hpp"

#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

using answer = worker_session::load_answer;

attempt_ref attempt(const char* job, std::uint32_t number = 1) {
  return {job_id{job}, number};
}

protocol::hello hello(std::uint32_t capacity, std::uint32_t batch_max) {
  protocol::hello m;
  m.device = "cpu";
  m.capacity = capacity;
  m.batch_max = batch_max;
  return m;
}

protocol::load_finished loaded(std::uint32_t batch_max = 0, bool ok = true) {
  protocol::load_finished m;
  m.ok = ok;
  m.batch_max = batch_max;
  return m;
}

worker_session ready(protocol::hello h = hello(4, 1)) {
  worker_session s{{8, 2}};
  EXPECT_TRUE(s.on_hello(h));
  s.load_sent("m");
  EXPECT_EQ(s.on_load_finished(loaded()), answer::loaded);
  return s;
}

TEST(worker_session, hello_comes_once_and_within_the_limits_of_its_kind) {
  for (const auto& [capacity, batch_max, good] :
       {std::tuple{8U, 1U, true}, std::tuple{8U, 8U, true}, std::tuple{9U, 1U, false},
        std::tuple{0U, 1U, false}, std::tuple{4U, 0U, false}, std::tuple{4U, 5U, false}}) {
    worker_session s{{8, 2}};
    EXPECT_EQ(s.on_hello(hello(capacity, batch_max)), good) << capacity << " " << batch_max;
    EXPECT_EQ(s.wants_model(), good);
  }
  worker_session s{{8, 2}};
  EXPECT_TRUE(s.on_hello(hello(1, 1)));
  EXPECT_FALSE(s.on_hello(hello(1, 1)));
}

TEST(worker_session, load_finished_comes_once_and_after_load_model) {
  worker_session s{{8, 2}};
  EXPECT_EQ(s.on_load_finished(loaded()), answer::unexpected);
  EXPECT_TRUE(s.on_hello(hello(1, 1)));
  EXPECT_EQ(s.on_load_finished(loaded()), answer::unexpected);
  s.load_sent("m");
  EXPECT_FALSE(s.wants_model());
  EXPECT_EQ(s.on_load_finished(loaded(0, false)), answer::failed);
  EXPECT_EQ(s.on_load_finished(loaded()), answer::loaded);
  EXPECT_EQ(s.on_load_finished(loaded()), answer::unexpected);
}

TEST(worker_session, the_facts_are_those_of_the_engine_and_its_model) {
  const auto facts = [](protocol::hello h, std::uint32_t batch_max) {
    worker_session s{{8, 2}};
    EXPECT_TRUE(s.on_hello(h));
    s.load_sent("m");
    EXPECT_EQ(s.on_load_finished(loaded(batch_max)), answer::loaded);
    return s.facts();
  };
  EXPECT_EQ(facts(hello(4, 1), 0).capacity, 4U) << "it makes no batches";
  EXPECT_EQ(facts(hello(4, 4), 0).capacity, 4U);
  EXPECT_EQ(facts(hello(4, 4), 2).batch_max, 2U) << "the model allows fewer";
  EXPECT_EQ(facts(hello(4, 4), 2).capacity, 2U) << "one run at a time";
  EXPECT_EQ(facts(hello(4, 2), 8).batch_max, 2U) << "a model cannot allow more";
  auto continuous = hello(4, 4);
  continuous.continuous = true;
  EXPECT_EQ(facts(continuous, 2).capacity, 4U) << "it batches by itself";
  auto gpu = hello(1, 1);
  for (const auto& [device, kind] :
       {std::pair{"cuda:0 NVIDIA H200", "NVIDIA H200"}, std::pair{"cpu", "cpu"},
        std::pair{"AMD EPYC 7:3", "AMD EPYC 7:3"}}) {
    gpu.device = device;
    EXPECT_EQ(facts(gpu, 0).device, kind);
  }
}

TEST(worker_session, an_attempt_is_held_from_its_assignment_to_its_end) {
  auto s = ready();
  protocol::assign body{attempt("a"), "", shared_text{"{}"}};
  s.assign(body);
  EXPECT_EQ(body.model, "m");
  EXPECT_TRUE(s.holds(attempt("a")));
  EXPECT_FALSE(s.holds(attempt("a", 2)));
  EXPECT_FALSE(s.idle());
  s.finished(attempt("a"));
  EXPECT_FALSE(s.holds(attempt("a")));
  EXPECT_TRUE(s.idle());
}

TEST(worker_session, a_cancel_is_sent_once_and_its_grace_ends_with_the_attempt) {
  auto s = ready();
  EXPECT_FALSE(s.can_revoke(attempt("a")));
  protocol::assign body{attempt("a"), "", shared_text{"{}"}};
  s.assign(body);
  EXPECT_TRUE(s.can_revoke(attempt("a")));
  s.revoked(attempt("a"), 5);
  EXPECT_FALSE(s.can_revoke(attempt("a")));
  EXPECT_TRUE(s.grace_is_over(5));
  EXPECT_FALSE(s.grace_is_over(4)) << "another timer";
  s.finished(attempt("a"));
  EXPECT_FALSE(s.grace_is_over(5));
  s.assign(body);
  s.revoked(attempt("a"), 6);
  s.end();
  EXPECT_TRUE(s.idle());
  EXPECT_FALSE(s.grace_is_over(6));
}

TEST(worker_session, silence_is_counted_in_checks_in_a_row) {
  worker_session s{{8, 2}};
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(s.check_silence());
    EXPECT_FALSE(s.check_silence());
    s.heard();
    EXPECT_FALSE(s.check_silence()) << "a frame clears the count";
  }
  EXPECT_FALSE(s.check_silence());
  EXPECT_FALSE(s.check_silence());
  EXPECT_TRUE(s.check_silence());
}

} // namespace
} // namespace tayfa::testing
