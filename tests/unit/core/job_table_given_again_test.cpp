// A job that its platform gives again: a live one is left alone, a COMPLETED one is reported again,
// any other one is run again.
#include "tests/unit/core/job_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;

job_limits short_lived() {
  job_limits l;
  l.ttl = seconds{60};
  return l;
}

/// The delivery among these effects; there must be one.
deliver_result delivery_of(const effects& all) {
  for (const auto& e : all) {
    if (const auto* o = std::get_if<deliver_result>(&e)) {
      return *o;
    }
  }
  ADD_FAILURE() << "nothing is delivered: " << text_of(all);
  return {};
}

TEST(job_table_given_again, a_live_job_that_is_given_again_is_left_as_it_is) {
  job_script s;
  s.take("a");
  EXPECT_EQ(s.take("a"), "again a");
  s.join(0);
  EXPECT_EQ(s.take("a", true), "again a");
  EXPECT_EQ(s.detail("a").lives, 1u);
  EXPECT_THAT(s.complete(w0, attempt("a", 1)), HasSubstr("a COMPLETED (finished) watched"))
      << "the second asker is notified as well";
}

TEST(job_table_given_again, a_completed_job_that_is_given_again_has_its_result_brought_again) {
  job_script s{short_lived()};
  s.join(0);
  s.take("a");
  s.complete(w0, attempt("a", 1), "42");
  EXPECT_EQ(s.take("a"), "again a") << "it is on its way";
  s.posted("a", true);
  s.pass(minutes{20});
  auto again = s.table.submit(s.now, job_id{"a"}, job_script::taken("a"), false);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->fresh);
  const auto o = delivery_of(again->then);
  EXPECT_EQ(o.view.output.view(), "42");
  EXPECT_EQ(o.number, 1u);
  EXPECT_EQ(o.left, minutes{10}) << "a client that asks for it gets it, whenever it ended";
  s.posted("a", false);
  EXPECT_EQ(s.next(), milliseconds{500}) << "and it is tried like the first time";
}

TEST(job_table_given_again, a_job_given_again_during_a_pause_is_posted_at_once) {
  job_script s;
  s.join(0);
  s.take("a");
  s.failed(w0, attempt("a", 1), errc::job_failed, "no");
  s.posted("a", false, hours{1});
  EXPECT_EQ(s.take("a"), "again a; deliver p-a of a FAILED try 2")
      << "it runs again only when its last result was delivered";
  EXPECT_EQ(s.detail("a").lives, 1u);
}

TEST(job_table_given_again,
     what_did_not_complete_runs_again_with_its_input_when_it_is_given_again) {
  job_script s{short_lived()};
  s.join(0);
  s.submit("fails", job_script::taken("fails", "[1]"));
  s.failed(w0, attempt("fails", 1), errc::job_failed, "no");
  s.submit("stops", job_script::taken("stops", "[2]"));
  s.stop("stops");
  s.stopped(w0, attempt("stops", 1));
  s.submit("cancelled", job_script::taken("cancelled", "[3]"));
  s.cancel("cancelled");
  s.stopped(w0, attempt("cancelled", 1));
  s.submit("late", job_script::taken("late", "[4]"));
  s.pass(seconds{60});
  s.expire();
  s.stopped(w0, attempt("late", 1));
  const char* inputs[] = {"[1]", "[2]", "[3]", "[4]"};
  const auto* input = std::begin(inputs);
  for (const auto* id : {"fails", "stops", "cancelled", "late"}) {
    s.posted(id, true);
    auto again = s.table.submit(s.now, job_id{id}, job_script::taken(id, *input), false);
    ASSERT_TRUE(again) << id;
    EXPECT_EQ(text_of(again->then),
              std::string{id} + " IN_PROGRESS (assigned); give " + id + "#2 to 0#1");
    EXPECT_EQ(std::get<assign_attempt>(again->then.at(1)).message.input.view(), *input++);
    EXPECT_EQ(s.detail(id).lives, 2u);
    EXPECT_FALSE(s.view(id).failure) << id;
    EXPECT_EQ(s.complete(w0, attempt(id, 1)), "stale") << "of its first life";
    EXPECT_EQ(s.complete(w0, attempt(id, 2)), std::string{id} +
                                                  " COMPLETED (finished); deliver p-" + id +
                                                  " of " + id + " COMPLETED try 1");
  }
}

TEST(job_table_given_again, a_new_life_is_bounded_like_a_new_job) {
  job_limits limits;
  limits.queue_max = 1;
  job_script s{limits};
  s.take("a");
  s.cancel("a");
  s.posted("a", true);
  s.submit("b");
  EXPECT_EQ(s.take("a"), "queue_full");
  s.cancel("b");
  s.table.stop_taking();
  EXPECT_EQ(s.take("a"), "stopping");
  EXPECT_EQ(s.state("a"), "CANCELLED");
}

TEST(job_table_given_again, an_id_of_somebody_else_is_refused) {
  job_script s;
  s.take("a");
  EXPECT_EQ(s.submit("a", job_script::taken("b")), "bad_request") << "another job of the platform";
  EXPECT_EQ(s.submit("a"), "bad_request");
  s.submit("c");
  EXPECT_EQ(s.take("c"), "bad_request");
}

TEST(job_table_given_again, a_forgotten_job_that_is_given_again_does_not_use_a_number_again) {
  job_limits limits;
  limits.keep_async = seconds{1};
  job_script s{limits};
  s.join(w0, 2);
  s.take("a");
  s.stop("a"); // and its engine does not stop
  s.pass(seconds{2});
  s.expire();
  EXPECT_EQ(s.state("a"), "job_not_found");
  EXPECT_EQ(s.take("a"), "a IN_PROGRESS (assigned); give a#2 to 0#1");
  EXPECT_EQ(s.table.held(slot_id{0}), 2u);
  EXPECT_EQ(s.complete(w0, attempt("a", 1), "old"), "stale");
  EXPECT_EQ(s.state("a"), "IN_PROGRESS");
}

} // namespace
} // namespace tayfa::testing
