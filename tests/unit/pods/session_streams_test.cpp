// Chunks of streams on the pod: their order, and what another session or another head gets of them.
#include "tests/unit/pods/session_script.hpp"

namespace tayfa::pods::testing {
namespace {

worker_ref first() {
  return session_script::worker(0, 1);
}

TEST(session_streams, parts_that_the_earlier_session_lost_are_sent_again) {
  session_script s;
  s.linked();
  s.assign("j");
  s.take();
  s.lost = true;
  s.report(first(), protocol::partial{s.attempt("j"), 1, shared_text{"1"}});
  s.cut();
  s.report(first(), protocol::partial{s.attempt("j"), 2, shared_text{"2"}});
  s.connect();
  s.report(first(), protocol::partial{s.attempt("j"), 3, shared_text{"3"}});
  s.take();
  s.welcome({pp::verdict::keep});
  EXPECT_EQ(s.take(), "partial j/1; partial j/1; partial j/1");
}

/// The latest hello said this of the attempt's chunks.
std::uint32_t chunks_from(const session_script& s) {
  std::uint32_t from = 99;
  for (const auto& m : s.inbox) {
    if (const auto* inventory = std::get_if<pp::inventory>(&m)) {
      from = inventory->entries.front().chunks_from;
    }
  }
  return from;
}

TEST(session_streams, a_new_head_is_said_all_chunks_before_the_result) {
  session_script s;
  s.linked();
  s.assign("j");
  s.report(first(), protocol::partial{s.attempt("j"), 1, shared_text{"1"}});
  s.report(first(), protocol::partial{s.attempt("j"), 2, shared_text{"2"}});
  EXPECT_EQ(s.take(), "accepted j/1; partial j/1; partial j/1");
  s.cut();
  s.report(first(), protocol::partial{s.attempt("j"), 3, shared_text{"3"}});
  s.finish(first(), "j");
  s.kept("j", fail(errc::storage_full, "full")); // so that it need not be read
  s.connect();
  EXPECT_EQ(chunks_from(s), 1U);
  s.take();
  s.welcome({pp::verdict::report});
  EXPECT_EQ(s.take(), "partial j/1; partial j/1; partial j/1; finished j/1");
  s.say(pp::forget{s.attempt("j")});
  EXPECT_TRUE(s.session.idle());
}

TEST(session_streams, a_result_waits_until_a_slow_head_has_taken_its_chunks) {
  session_limits limits;
  limits.stored_parts_max = std::size_t{64} << 20;
  session_script s{limits};
  s.linked();
  s.assign("j");
  s.take();
  s.lost = true; // the head acknowledges nothing
  for (std::uint32_t i = 1; i <= 200; ++i) {
    s.report(first(), protocol::partial{s.attempt("j"), i, shared_text{std::string(60'000, 'x')}});
  }
  s.finish(first(), "j");
  s.kept("j");
  s.lost = false;
  s.act({});
  ASSERT_FALSE(s.inbox.empty());
  std::uint32_t next = 1;
  for (const auto& m : s.inbox) {
    if (const auto* chunk = std::get_if<pp::partial>(&m)) {
      EXPECT_EQ(chunk->sequence, next++);
    }
    EXPECT_EQ(std::holds_alternative<pp::finished>(m), &m == &s.inbox.back());
  }
  EXPECT_EQ(next, 201U);
  EXPECT_EQ(s.session.count().dropped_parts, 0U);
}

TEST(session_streams, a_hello_says_from_which_chunk_on_the_pod_has_them) {
  session_limits limits;
  limits.stored_parts_max = 2'500;
  session_script s{limits};
  s.linked();
  s.assign("j");
  for (std::uint32_t i = 1; i <= 5; ++i) {
    s.report(first(), protocol::partial{s.attempt("j"), i, shared_text{std::string(900, 'x')}});
  }
  EXPECT_EQ(s.session.count().dropped_parts, 0U) << "the head has them";
  s.cut();
  s.connect();
  EXPECT_EQ(chunks_from(s), 4U);
  s.take();
  s.welcome({pp::verdict::keep});
  EXPECT_EQ(s.take(), "partial j/1; partial j/1");
}

TEST(session_streams, chunks_of_an_attempt_that_is_dropped_are_not_said) {
  session_script s;
  s.linked();
  s.assign("j");
  s.cut();
  s.connect();
  s.report(first(), protocol::partial{s.attempt("j"), 1, shared_text{"1"}}); // after the hello
  s.take();
  EXPECT_EQ(s.welcome({pp::verdict::drop}), "linked; revoke j/1");
  EXPECT_EQ(s.take(), "");
}

TEST(session_streams, an_attempt_whose_chunks_go_after_the_hello_has_offered_them_is_returned) {
  session_limits limits;
  limits.stored_parts_max = 2'500;
  for (const bool ended : {false, true}) {
    session_script s{limits};
    s.linked();
    s.assign("j");
    s.cut();
    s.connect();
    EXPECT_EQ(chunks_from(s), 1U);
    for (std::uint32_t i = 1; i <= 5; ++i) {
      s.report(first(), protocol::partial{s.attempt("j"), i, shared_text{std::string(900, 'x')}});
    }
    if (ended) {
      s.finish(first(), "j");
      s.kept("j");
    }
    s.take();
    EXPECT_EQ(s.welcome({pp::verdict::keep}), ended ? "linked; delete j/1" : "linked; revoke j/1");
    EXPECT_TRUE(s.take().starts_with("returned j/1"));
  }
}

TEST(session_streams, large_chunks_are_offered_again) {
  session_script s;
  s.linked();
  s.assign("j");
  s.report(first(), protocol::partial{s.attempt("j"), 1, shared_text{std::string(90'000, 'x')}});
  s.cut();
  s.connect();
  s.welcome({pp::verdict::keep});
  const auto blob = std::get<pp::partial>(s.inbox.back()).content.blob;
  s.say(pp::blob_need{blob, 0, blob.bytes});
  EXPECT_EQ(std::get<pp::chunk>(s.inbox.back()).bytes.size(), 90'000U);
}

TEST(session_streams, chunks_of_an_earlier_life_of_the_pod_are_gone) {
  session_script s{{}, {{session_script::attempt("old"), 10}}};
  s.connect();
  EXPECT_EQ(chunks_from(s), 0U);
}

TEST(session_streams, without_a_session_they_are_kept_within_bounds) {
  session_limits limits;
  limits.stored_parts_max = 10'000;
  session_script s{limits};
  s.linked();
  s.assign("j");
  s.cut();
  s.connect(); // greeting: no session yet
  for (std::uint32_t i = 1; i <= 100; ++i) {
    s.report(first(), protocol::partial{s.attempt("j"), i, shared_text{std::string(900, 'x')}});
  }
  EXPECT_GE(s.session.count().dropped_parts, 90U);
}

} // namespace
} // namespace tayfa::pods::testing
