// Every cell of the table: what the head thinks, what the pod says, what both do.
#include "messages/pod_claims.hpp"

#include <gtest/gtest.h>
#include <string>

namespace tayfa::pods::testing {
namespace {

std::string text_of(head_step step) {
  switch (step) {
  case head_step::nothing: return "nothing";
  case head_step::hold: return "hold";
  case head_step::lose: return "lose";
  case head_step::give_back: return "give back";
  case head_step::wait: return "wait";
  case head_step::end_cancelled: return "end cancelled";
  case head_step::count_fenced: return "count fenced";
  }
  return "?";
}

std::string text_of(pod_protocol::verdict v) {
  switch (v) {
  case pod_protocol::verdict::keep: return "keep";
  case pod_protocol::verdict::report: return "report";
  case pod_protocol::verdict::cancel: return "cancel";
  case pod_protocol::verdict::drop: return "drop";
  case pod_protocol::verdict::forget: return "forget";
  }
  return "?";
}

std::string cell(head_view head, pod_view pod) {
  const auto c = reconcile(head, pod);
  return text_of(c.head) + (c.pod ? "/" + text_of(*c.pod) : "");
}

std::string row(head_view head) {
  return cell(head, pod_view::absent) + ", " + cell(head, pod_view::waiting) + ", " +
         cell(head, pod_view::running) + ", " + cell(head, pod_view::finished);
}

TEST(reconcile, an_attempt_that_the_pod_holds_goes_on_and_its_result_is_taken) {
  const std::string goes_on = ", hold/keep, hold/keep, hold/report";
  EXPECT_EQ(row(head_view::held_accepted), "lose" + goes_on);
  EXPECT_EQ(row(head_view::held_sent), "give back" + goes_on);
  EXPECT_EQ(row(head_view::held_earlier), "lose" + goes_on);
}

TEST(reconcile, after_a_restart_of_the_head_a_claim_saves_the_work) {
  EXPECT_EQ(row(head_view::unclaimed), "wait, hold/keep, hold/keep, hold/report");
}

TEST(reconcile, an_attempt_that_was_requeued_and_not_handed_out_is_worth_more_than_a_new_one) {
  EXPECT_EQ(row(head_view::queued), "nothing, hold/keep, hold/keep, hold/report");
}

TEST(reconcile, what_another_has_or_nobody_wants_is_dropped) {
  EXPECT_EQ(row(head_view::elsewhere), "nothing, nothing/drop, nothing/drop, count fenced/drop");
  EXPECT_EQ(row(head_view::ended), "nothing, nothing/drop, nothing/drop, nothing/forget");
  EXPECT_EQ(row(head_view::unknown), "nothing, nothing/drop, nothing/drop, nothing/drop");
}

TEST(reconcile, a_cancelled_job_gets_no_result) {
  EXPECT_EQ(row(head_view::cancelling),
            "end cancelled, hold/cancel, hold/cancel, end cancelled/forget");
}

TEST(reconcile, every_cell_says_what_the_pod_does_with_what_it_has) {
  for (std::size_t head = 0; head < head_views; ++head) {
    const auto view = static_cast<head_view>(head);
    EXPECT_NE(to_string(view), "?");
    EXPECT_EQ(reconcile(view, pod_view::absent).pod, std::nullopt) << to_string(view);
    for (const auto pod : {pod_view::waiting, pod_view::running, pod_view::finished}) {
      EXPECT_TRUE(reconcile(view, pod).pod.has_value()) << to_string(view) << to_string(pod);
    }
    // Only a result is asked for or forgotten; only what goes on is kept.
    EXPECT_NE(reconcile(view, pod_view::running).pod, pod_protocol::verdict::report);
    EXPECT_NE(reconcile(view, pod_view::finished).pod, pod_protocol::verdict::keep);
  }
}

} // namespace
} // namespace tayfa::pods::testing
