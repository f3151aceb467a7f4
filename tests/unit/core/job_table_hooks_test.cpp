// Webhooks of ended jobs: when they are called, which one goes first, what costs a try; and what a
// queue that begins anew delivers.
#include "tests/unit/core/job_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

job_limits one_place() {
  job_limits limits;
  limits.hook_calls = {1, 1, 1};
  limits.hook_tries = 2;
  return limits;
}

job_request hooked(const char* url, const char* tenant = "") {
  auto r = job_script::request();
  r.webhook = url;
  r.policy.tenant = tenant;
  return r;
}

/// Ends the job at once; returns the effects.
std::string ends(job_script& s, const char* id, const char* url = "https://h/",
                 const char* tenant = "") {
  s.submit(id, hooked(url, tenant));
  return s.cancel(id);
}

TEST(job_table_hooks, one_without_a_place_waits_at_no_cost_of_its_tries) {
  job_script s{one_place()};
  EXPECT_THAT(ends(s, "a"), HasSubstr("notify https://h/ of a CANCELLED try 1"));
  EXPECT_THAT(ends(s, "b"), Not(HasSubstr("notify")));
  EXPECT_TRUE(s.table.webhook_is_pending(job_id{"b"}));
  EXPECT_EQ(s.table.hook_call(job_id{"b"}), 0u);
  s.pass(hours{5});
  EXPECT_EQ(s.expire(), "") << "neither is forgotten, and nothing is due";
  EXPECT_EQ(s.notified("a", true), "notify https://h/ of b CANCELLED try 1");
}

TEST(job_table_hooks, a_try_that_failed_makes_room_and_comes_again) {
  job_script s{one_place()};
  ends(s, "a");
  ends(s, "b");
  EXPECT_EQ(s.notified("a", false), "notify https://h/ of b CANCELLED try 1");
  s.pass(seconds{10});
  EXPECT_EQ(s.expire(), "") << "its turn is after b's call";
  EXPECT_EQ(s.notified("b", true), "notify https://h/ of a CANCELLED try 2");
}

TEST(job_table_hooks, a_tenant_whose_receivers_hang_holds_up_no_other) {
  job_script s;
  for (int i = 0; i < 200; ++i) {
    const auto id = "b" + std::to_string(i);
    const auto url = "https://h" + std::to_string(i) + "/";
    ends(s, id.c_str(), url.c_str(), "bob");
  }
  EXPECT_THAT(ends(s, "a", "https://her/", "alice"), HasSubstr("notify https://her/ of a"));
}

TEST(job_table_hooks, a_job_that_is_dropped_leaves_its_turn_and_its_call_frees_its_place) {
  job_script s{one_place()};
  ends(s, "a");
  ends(s, "b");
  ends(s, "c");
  const auto call = s.table.hook_call(job_id{"a"});
  EXPECT_TRUE(s.table.drop(s.now, job_id{"a"}));
  EXPECT_TRUE(s.table.drop(s.now, job_id{"b"}));
  EXPECT_EQ(text_of(s.table.notified(s.now, job_id{"a"}, call, hook_answer::delivered)),
            "notify https://h/ of c CANCELLED try 1");
}

TEST(job_table_hooks, the_answer_to_a_call_of_an_earlier_life_settles_nothing) {
  job_limits limits;
  limits.max_attempts = 1;
  job_script s{limits};
  s.join(0);
  s.submit("a", hooked("https://h/"));
  EXPECT_THAT(s.failed(job_script::worker(0), job_script::attempt("a", 1), errc::job_failed),
              HasSubstr("notify"));
  const auto first = s.table.hook_call(job_id{"a"});
  EXPECT_TRUE(s.table.retry(s.now, job_id{"a"}));
  EXPECT_THAT(s.complete(job_script::worker(0), job_script::attempt("a", 2)),
              HasSubstr("notify https://h/ of a COMPLETED try 1"));
  s.table.notified(s.now, job_id{"a"}, first, hook_answer::delivered);
  EXPECT_TRUE(s.table.webhook_is_pending(job_id{"a"})) << "that call was about the first life";
  s.notified("a", true);
  EXPECT_FALSE(s.table.webhook_is_pending(job_id{"a"}));
}

TEST(job_table_hooks, a_call_that_was_not_made_costs_no_try) {
  job_script s{one_place()};
  ends(s, "a");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(text_of(s.table.notified(s.now, job_id{"a"}, s.table.hook_call(job_id{"a"}),
                                       hook_answer::not_made)),
              "");
    s.pass(seconds{10});
    EXPECT_EQ(s.expire(), "notify https://h/ of a CANCELLED try 1");
  }
}

TEST(job_table_hooks, a_job_that_is_withdrawn_gives_its_place_back) {
  auto limits = one_place();
  limits.durable = true;
  job_script s{limits};
  ends(s, "a");
  s.table.take_changes();
  const auto fresh = s.table.not_committed();
  EXPECT_EQ(fresh, std::vector{job_id{"a"}});
  ends(s, "b");
  EXPECT_EQ(text_of(s.table.withdraw(s.now, fresh)), "notify https://h/ of b CANCELLED try 1");
}

TEST(job_table_hooks, a_queue_that_begins_anew_calls_what_the_last_one_was_calling_and_no_more) {
  job_script s{one_place()};
  ends(s, "a");
  ends(s, "b");
  const auto then =
      s.table.lose_all_workers(s.now, error{errc::unavailable, "the queue was restarted"});
  EXPECT_EQ(text_of(then), "notify https://h/ of b CANCELLED try 1");
  EXPECT_EQ(s.expire(), "");
  EXPECT_EQ(s.notified("b", true), "notify https://h/ of a CANCELLED try 2");
}

TEST(job_table_hooks, a_job_that_ends_as_the_queue_begins_anew_is_called_once) {
  job_limits limits;
  limits.max_attempts = 1;
  job_script s{limits};
  s.join(0);
  s.submit("a", hooked("https://h/"));
  const auto then = s.table.lose_all_workers(s.now, error{errc::engine_crash, "signal 11"});
  EXPECT_THAT(text_of(then), HasSubstr("notify https://h/ of a FAILED try 1"));
  EXPECT_EQ(s.expire(), "") << "the call is under way";
  EXPECT_EQ(s.notified("a", true), "");
  EXPECT_FALSE(s.table.webhook_is_pending(job_id{"a"})) << "the answer to it counts";
}

TEST(job_table_hooks, a_platform_s_job_that_ends_as_the_queue_begins_anew_is_posted_once) {
  job_limits limits;
  limits.max_attempts = 1;
  job_script s{limits};
  s.join(0);
  s.submit("a", job_script::taken("a"));
  const auto then = s.table.lose_all_workers(s.now, error{errc::engine_crash, "signal 11"});
  EXPECT_THAT(text_of(then), HasSubstr("deliver p-a of a FAILED try 1"));
  EXPECT_EQ(s.expire(), "") << "the post is under way";
}

} // namespace
} // namespace tayfa::testing
