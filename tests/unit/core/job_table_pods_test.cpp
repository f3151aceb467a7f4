// The table decides when a pod says hello about all that the pod has, and what it should have.
#include "tests/unit/core/durable_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using pods::head_view;
using pods::pod_view;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using enum pod_protocol::verdict;

constexpr node_id node{2};
const attempt_ref a1{job_id{"a"}, 1};

constexpr worker_ref slot(std::uint32_t number, std::uint64_t incarnation = 1) {
  return {slot_id{number}, incarnation, node};
}
worker_facts facts_of_slot(std::uint32_t capacity) {
  worker_facts f;
  f.capacity = capacity;
  f.elastic = f.forgotten_when_gone = f.unavailable_is_free = true;
  return f;
}

struct pod_script : durable_script {
  using durable_script::durable_script;

  static pods::reconcile_pod of_session(std::uint64_t number) {
    pods::reconcile_pod m;
    m.node = node;
    m.session = number;
    m.key = "key";
    return m;
  }
  pods::reconcile_pod hello = of_session(1);
  std::vector<pods::claim_decision> decisions;

  pod_script& with(worker_ref w, std::uint32_t capacity = 1) {
    hello.workers.push_back({w, facts_of_slot(capacity)});
    return *this;
  }
  pod_script& has(const attempt_ref& a, pod_view at, worker_ref w) {
    hello.claims.push_back({a, at, w, 0});
    return *this;
  }
  /// The pod can say the chunks of the last claim again from this one on.
  pod_script& from_chunk(std::uint32_t number) {
    hello.claims.back().chunks_from = number;
    return *this;
  }
  pod_script& lacks(const attempt_ref& a, worker_ref w, head_view view) {
    hello.absent.push_back({a, w, view});
    return *this;
  }
  pod_script& without(worker_ref w) {
    hello.gone.push_back(w);
    return *this;
  }
  std::string says_hello() {
    auto done = table.reconcile(now, hello);
    EXPECT_THAT(table.audit(), IsEmpty());
    EXPECT_EQ(done.decisions.size(), hello.claims.size());
    decisions = std::move(done.decisions);
    hello = of_session(hello.session + 1);
    return text_of(done.then);
  }
  /// "a" runs on the pod's slot 0.
  void running() {
    with(slot(0)).says_hello();
    EXPECT_THAT(submit("a"), HasSubstr("give a#1 to 2/0#1"));
  }
};

/// "a" ran on the pod when the head ended.
struct restarted_head : pod_script {
  restarted_head() {
    pod_script before;
    before.running();
    before.commit();
    EXPECT_EQ(before.restart(*this), "");
  }
};

TEST(job_table_pods, a_running_attempt_goes_on_over_a_restart_of_the_head) {
  restarted_head s;
  EXPECT_EQ(s.with(slot(0, 5)).has(a1, pod_view::running, slot(0, 5)).says_hello(), "");
  EXPECT_EQ(s.decisions.at(0).verdict, keep);
  EXPECT_EQ(s.complete(slot(0, 5), a1), "a COMPLETED (finished)");
}

TEST(job_table_pods, a_result_that_was_kept_is_asked_for_whatever_became_of_its_worker) {
  restarted_head s;
  const worker_ref kept{pods::kept_slot, 9, node};
  s.has(a1, pod_view::finished, kept).says_hello();
  EXPECT_EQ(s.decisions.at(0).verdict, report);
  EXPECT_EQ(s.submit("b"), "") << "it is no worker for others";
  EXPECT_EQ(s.complete(kept, a1), "a COMPLETED (finished)");
}

TEST(job_table_pods, an_unclaimed_attempt_that_is_not_named_waits_for_the_window) {
  restarted_head s;
  EXPECT_EQ(s.with(slot(0, 5)).says_hello(), "");
  s.pass(seconds{60});
  EXPECT_THAT(s.expire(), HasSubstr("a IN_QUEUE (attempt_lost)"));
}

TEST(job_table_pods, a_job_that_waits_with_this_number_is_kept_where_it_was_begun) {
  restarted_head s;
  s.pass(seconds{60});
  s.expire();
  s.submit("b");
  EXPECT_EQ(s.with(slot(0, 5)).has(a1, pod_view::running, slot(0, 5)).says_hello(),
            "a IN_PROGRESS (assigned)");
  EXPECT_EQ(s.decisions.at(0).verdict, keep);
  EXPECT_EQ(s.state("b"), "IN_QUEUE") << "the slot is taken before anything is given out";
}

TEST(job_table_pods, another_pod_gets_nothing_of_it) {
  restarted_head s;
  s.hello.key = "other";
  s.with(slot(0, 5)).has(a1, pod_view::finished, slot(0, 5)).says_hello();
  EXPECT_EQ(s.decisions.at(0).verdict, drop);
  EXPECT_EQ(s.table.counts().stale, 1u);
  EXPECT_EQ(s.complete(slot(0, 5), a1), "stale");
  EXPECT_EQ(s.state("a"), "IN_PROGRESS");
}

TEST(job_table_pods, what_was_not_taken_yet_is_given_back_at_no_cost) {
  pod_script s;
  s.running();
  EXPECT_EQ(s.with(slot(0)).lacks(a1, slot(0), head_view::held_sent).says_hello(),
            "a IN_QUEUE (attempt_lost); a IN_PROGRESS (assigned); give a#2 to 2/0#1");
}

TEST(job_table_pods, what_was_taken_and_is_gone_costs_an_attempt) {
  job_limits l;
  l.max_attempts = 1;
  pod_script s{l};
  s.running();
  EXPECT_EQ(s.with(slot(0, 2)).lacks(a1, slot(0), head_view::held_earlier).says_hello(),
            "a FAILED (attempts_exhausted)");
}

TEST(job_table_pods, a_new_worker_in_the_slot_keeps_what_it_names) {
  pod_script s;
  s.running();
  EXPECT_EQ(s.with(slot(0, 2)).has(a1, pod_view::waiting, slot(0, 2)).without(slot(0)).says_hello(),
            "");
  EXPECT_EQ(s.decisions.at(0).verdict, keep);
  EXPECT_EQ(s.complete(slot(0), a1), "stale");
  EXPECT_EQ(s.complete(slot(0, 2), a1), "a COMPLETED (finished)");
}

TEST(job_table_pods, a_worker_that_is_gone_loses_what_was_not_claimed) {
  pod_script s;
  s.running();
  EXPECT_EQ(s.without(slot(0)).says_hello(), "a IN_QUEUE (attempt_lost)");
}

TEST(job_table_pods,
     what_never_came_to_a_worker_that_is_gone_runs_again_at_once_and_costs_nothing) {
  job_limits l;
  l.max_attempts = 1;
  for (const bool replaced : {false, true}) {
    pod_script s{l};
    s.running();
    if (replaced) {
      s.with(slot(0, 2));
    }
    EXPECT_THAT(s.without(slot(0)).says_hello(), HasSubstr("a IN_QUEUE (attempt_lost)"));
    EXPECT_EQ(s.state("a"), replaced ? "IN_PROGRESS" : "IN_QUEUE");
  }
}

TEST(job_table_pods, what_the_head_cancelled_is_dropped_and_makes_room) {
  pod_script s;
  s.running();
  s.cancel("a");
  s.submit("b");
  EXPECT_EQ(s.with(slot(0)).has(a1, pod_view::running, slot(0)).says_hello(),
            "b IN_PROGRESS (assigned); give b#1 to 2/0#1");
  EXPECT_EQ(s.decisions.at(0).verdict, drop);
}

TEST(job_table_pods, an_unknown_job_is_said_to_be_unknown) {
  pod_script s;
  s.with(slot(0)).has({job_id{"x"}, 1}, pod_view::running, slot(0)).says_hello();
  EXPECT_EQ(s.decisions.at(0).verdict, drop);
  EXPECT_TRUE(s.decisions.at(0).unknown);
}

// ---- streams ------------------------------------------------------------------------------------

TEST(job_table_pods, a_stream_goes_on_when_no_chunk_of_it_is_missing) {
  pod_script s;
  s.running();
  s.partial(slot(0), a1, 1, "x");
  s.partial(slot(0), a1, 2, "y");
  s.with(slot(0)).has(a1, pod_view::running, slot(0)).from_chunk(3);
  EXPECT_EQ(s.says_hello(), "");
  EXPECT_EQ(s.decisions.at(0).verdict, keep);
  s.with(slot(0)).has(a1, pod_view::running, slot(0)).from_chunk(2);
  EXPECT_EQ(s.says_hello(), "");
  EXPECT_EQ(s.partial(slot(0), a1, 2, "y"), "stale") << "said again";
  EXPECT_EQ(s.partial(slot(0), a1, 3, "z"), "");
}

TEST(job_table_pods, a_stream_with_a_hole_is_made_again_at_no_cost) {
  pod_script s;
  s.running();
  s.partial(slot(0), a1, 1, "x");
  s.with(slot(0)).has(a1, pod_view::running, slot(0)).from_chunk(3);
  EXPECT_EQ(s.says_hello(),
            "a IN_QUEUE (attempt_lost); a IN_PROGRESS (assigned); give a#2 to 2/0#1");
  EXPECT_EQ(s.decisions.at(0).verdict, drop);
}

/// "a" had made two chunks when the head ended.
struct restarted_under_a_stream : pod_script {
  restarted_under_a_stream() {
    pod_script before;
    before.running();
    before.partial(slot(0), a1, 1, "x");
    before.partial(slot(0), a1, 2, "y");
    before.commit();
    EXPECT_EQ(before.restart(*this), "");
  }
};

TEST(job_table_pods, a_new_head_gets_a_stream_from_its_first_chunk_on) {
  restarted_under_a_stream s;
  s.with(slot(0, 5)).has(a1, pod_view::running, slot(0, 5));
  EXPECT_EQ(s.says_hello(), "");
  EXPECT_EQ(s.decisions.at(0).verdict, keep);
  EXPECT_EQ(s.partial(slot(0, 5), a1, 1, "x"), "");
}

TEST(job_table_pods, a_new_head_does_not_take_a_stream_that_begins_later) {
  restarted_under_a_stream s;
  s.with(slot(0, 5)).has(a1, pod_view::finished, slot(0, 5)).from_chunk(2);
  EXPECT_THAT(s.says_hello(), HasSubstr("a IN_QUEUE (attempt_lost)"));
  EXPECT_EQ(s.decisions.at(0).verdict, drop);
}

TEST(job_table_pods, a_result_whose_chunks_ended_with_its_pod_is_of_use_without_a_stream_only) {
  const worker_ref kept{pods::kept_slot, 9, node};
  restarted_head plain;
  plain.has(a1, pod_view::finished, kept).from_chunk(0).says_hello();
  EXPECT_EQ(plain.decisions.at(0).verdict, report);
  restarted_under_a_stream s;
  s.has(a1, pod_view::finished, kept).from_chunk(0).says_hello();
  EXPECT_EQ(s.decisions.at(0).verdict, drop);
}

/// "a" had made two chunks when its pod was lost.
struct lost_under_a_stream : pod_script {
  lost_under_a_stream() {
    running();
    partial(slot(0), a1, 1, "x");
    partial(slot(0), a1, 2, "y");
    lose(slot(0).place(), {errc::lease_expired, "silent"});
    EXPECT_EQ(state("a"), "IN_QUEUE");
  }
};

TEST(job_table_pods, a_stream_that_was_lost_with_its_pod_begins_anew) {
  lost_under_a_stream s;
  s.with(slot(0, 2)).has(a1, pod_view::running, slot(0, 2));
  EXPECT_EQ(s.says_hello(), "a IN_PROGRESS (assigned)");
  EXPECT_EQ(s.partial(slot(0, 2), a1, 1, "x"), "");
}

TEST(job_table_pods, a_stream_that_was_lost_with_its_pod_does_not_go_on_in_the_middle) {
  lost_under_a_stream s;
  s.with(slot(0, 2)).has(a1, pod_view::running, slot(0, 2)).from_chunk(3).says_hello();
  EXPECT_EQ(s.decisions.at(0).verdict, drop);
}

TEST(job_table_pods, a_job_that_waits_takes_its_stream_from_the_first_chunk_on) {
  for (const auto from : {1u, 2u}) {
    restarted_under_a_stream s;
    s.pass(seconds{60});
    s.expire();
    s.with(slot(0, 5)).has(a1, pod_view::running, slot(0, 5)).from_chunk(from).says_hello();
    EXPECT_EQ(s.decisions.at(0).verdict, from == 1 ? keep : drop);
    EXPECT_EQ(s.partial(slot(0, 5), a1, 1, "x"), from == 1 ? "" : "stale");
  }
}

} // namespace
} // namespace tayfa::testing
