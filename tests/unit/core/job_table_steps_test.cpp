// What concerns many jobs at once goes in steps: purges, time-outs, forgetting. Between two steps
// everything else goes on, and means what it meant.
#include "runtime/base/random.hpp"
#include "tests/unit/core/durable_script.hpp"

#include <algorithm>
#include <map>

namespace tayfa::testing {
namespace {

using std::chrono::seconds;

const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;

job_limits in_steps_of(std::size_t rows) {
  job_limits l;
  l.step_rows = rows;
  return l;
}

void submit_many(job_script& s, int n, const char* prefix = "j", const char* tenant = "") {
  for (int i = 0; i < n; ++i) {
    s.submit((prefix + std::to_string(i)).c_str(), job_script::of_tenant(tenant));
  }
}

job_access of(const char* tenant) {
  job_access who;
  who.tenant = tenant;
  return who;
}

TEST(job_table_steps, a_purge_goes_in_steps_and_says_at_the_end_how_many) {
  job_script s{in_steps_of(2)};
  submit_many(s, 5);
  EXPECT_EQ(s.purge(), "j0 CANCELLED (cancel_requested); j1 CANCELLED (cancel_requested)");
  EXPECT_EQ(s.next(), milliseconds{0});
  EXPECT_EQ(s.expire(), "j2 CANCELLED (cancel_requested); j3 CANCELLED (cancel_requested)");
  EXPECT_EQ(s.expire(), "j4 CANCELLED (cancel_requested); purged 5");
  EXPECT_EQ(s.expire(), "");
}

TEST(job_table_steps, a_purge_of_nothing_is_over_at_once) {
  job_script s;
  EXPECT_EQ(s.purge(), "purged 0");
}

TEST(job_table_steps, what_is_to_be_purged_is_not_given_out_and_what_comes_after_is) {
  job_script s{in_steps_of(1)};
  submit_many(s, 4);
  s.purge();
  s.submit("after");
  EXPECT_EQ(s.join(0), "after IN_PROGRESS (assigned); give after#1 to 0#1");
  std::string all;
  for (int i = 0; i < 4; ++i) {
    all += s.expire();
  }
  EXPECT_EQ(s.state("after"), "IN_PROGRESS");
  EXPECT_NE(all.find("purged 4"), std::string::npos);
}

TEST(job_table_steps, what_its_client_cancels_first_is_not_counted_as_purged) {
  job_script s{in_steps_of(1)};
  submit_many(s, 3);
  s.purge();
  EXPECT_EQ(s.cancel("j2"), "j2 CANCELLED (cancel_requested)");
  EXPECT_EQ(s.expire(), "j1 CANCELLED (cancel_requested); purged 2");
}

TEST(job_table_steps, what_began_to_wait_again_after_the_purge_was_asked_for_is_spared) {
  job_script s{in_steps_of(1)};
  s.submit("fails");
  s.join(0);
  s.failed(w0, attempt("fails", 1), errc::job_failed);
  s.submit("lost");
  submit_many(s, 2);
  EXPECT_EQ(s.purge(), "j0 CANCELLED (cancel_requested)");
  s.lose(0, {errc::not_ready, ""});
  s.submit("new");
  EXPECT_EQ(s.retry("fails"), "");
  EXPECT_EQ(s.expire(), "j1 CANCELLED (cancel_requested); purged 2");
  EXPECT_EQ(s.state("lost"), "IN_QUEUE") << "it ran when the purge was asked for";
  EXPECT_EQ(s.state("fails"), "IN_QUEUE");
  EXPECT_EQ(s.state("new"), "IN_QUEUE");
}

TEST(job_table_steps, a_purge_ends_only_what_its_caller_may_see) {
  job_script s{in_steps_of(1)};
  submit_many(s, 2, "a", "alice");
  submit_many(s, 2, "b", "bob");
  EXPECT_EQ(s.purge(of("bob")), "b0 CANCELLED (cancel_requested)");
  EXPECT_EQ(s.join(0), "a0 IN_PROGRESS (assigned); give a0#1 to 0#1");
  EXPECT_EQ(s.expire(), "b1 CANCELLED (cancel_requested); purged 2");
  EXPECT_EQ(s.state("a1"), "IN_QUEUE");
  job_access elsewhere;
  elsewhere.endpoints = {"other"};
  EXPECT_EQ(s.purge(elsewhere), "purged 0");
}

TEST(job_table_steps, purges_at_the_same_time_end_one_after_the_other) {
  job_script s{in_steps_of(2)};
  submit_many(s, 3, "a", "alice");
  submit_many(s, 3, "b", "bob");
  s.purge(of("alice"));
  EXPECT_EQ(s.purge(), "");
  EXPECT_EQ(s.expire(),
            "a2 CANCELLED (cancel_requested); purged 3; b0 CANCELLED (cancel_requested)");
  EXPECT_EQ(s.expire(),
            "b1 CANCELLED (cancel_requested); b2 CANCELLED (cancel_requested); purged 3");
}

TEST(job_table_steps, a_stop_ends_a_purge_where_it_is_and_says_so) {
  job_script s{in_steps_of(2)};
  submit_many(s, 5);
  s.purge();
  EXPECT_EQ(s.hand_back(), "purged 2 of more");
  EXPECT_EQ(s.state("j2"), "IN_QUEUE");
}

TEST(job_table_steps, the_next_step_waits_until_the_rows_of_the_last_are_durable) {
  durable_script s{in_steps_of(2)};
  submit_many(s, 6);
  s.commit();
  s.purge();
  EXPECT_EQ(s.expire(), "") << "its rows are not even on their way";
  auto batch = s.table.take_changes();
  EXPECT_EQ(batch.size(), 2u);
  EXPECT_EQ(s.expire(), "");
  s.disk.apply(batch);
  s.table.not_committed();
  EXPECT_EQ(s.expire(), "") << "the disk is full";
  s.commit();
  EXPECT_EQ(s.next(), milliseconds{0});
  EXPECT_EQ(s.expire(), "j2 CANCELLED (cancel_requested); j3 CANCELLED (cancel_requested)");
}

TEST(job_table_steps, jobs_that_time_out_together_end_in_steps) {
  auto l = in_steps_of(2);
  l.ttl = seconds{1};
  durable_script s{l};
  submit_many(s, 5);
  s.commit();
  s.pass(seconds{1});
  for (const std::size_t left : {3, 1, 0}) {
    s.expire();
    EXPECT_EQ(s.table.counts().in_queue, left);
    EXPECT_LE(s.commit(), 2u);
  }
}

TEST(job_table_steps, ended_jobs_are_forgotten_in_steps_and_none_is_seen_after_its_time) {
  auto l = in_steps_of(2);
  l.keep_async = seconds{1};
  durable_script s{l};
  submit_many(s, 5);
  for (int i = 0; i < 5; ++i) {
    s.cancel(("j" + std::to_string(i)).c_str());
  }
  s.commit();
  s.pass(seconds{1});
  EXPECT_EQ(s.state("j4"), "job_not_found");
  EXPECT_TRUE(s.table.list(s.now, {}).jobs.empty());
  for (const std::size_t left : {3, 1, 0}) {
    s.expire();
    EXPECT_EQ(s.table.counts().kept, left);
    s.commit();
  }
}

TEST(job_table_steps, a_job_that_wakes_does_not_stand_behind_what_is_to_be_forgotten) {
  auto l = in_steps_of(1);
  l.keep_async = seconds{1};
  durable_script s{l};
  submit_many(s, 5);
  for (int i = 0; i < 5; ++i) {
    s.cancel(("j" + std::to_string(i)).c_str());
  }
  auto later = job_script::request();
  later.policy.delay = seconds{2};
  s.submit("sleeps", later);
  s.join(0);
  s.commit();
  s.pass(seconds{2});
  EXPECT_EQ(s.expire(), "sleeps IN_PROGRESS (assigned); give sleeps#1 to 0#1");
}

TEST(job_table_steps, many_that_time_out_at_the_head_of_the_line_do_not_make_one_decision_long) {
  auto l = in_steps_of(1);
  job_script s{l};
  auto brief = job_script::request();
  brief.policy.ttl = seconds{10};
  brief.policy.priority = job_policy::priority_max;
  for (int i = 0; i < 9; ++i) {
    s.submit(("j" + std::to_string(i)).c_str(), brief);
  }
  s.submit("waits");
  s.pass(seconds{10});
  const auto first = s.join(0);
  EXPECT_EQ(std::count(first.begin(), first.end(), ';') + 1, 4) << first;
  EXPECT_EQ(s.next(), milliseconds{0});
  std::string then;
  for (int i = 0; i < 9 && then.find("give") == std::string::npos; ++i) {
    then = s.expire();
  }
  EXPECT_NE(then.find("give waits#1"), std::string::npos);
}

/// Random clients, one worker and commits beside purges of random scope.
struct purge_world {
  explicit purge_world(std::uint64_t seed)
      : random{seed}, rows{1 + below(4)}, s{in_steps_of(rows)} {
    see(s.table.worker_joined(s.now, w0, job_script::facts(2)));
  }

  seeded_random random;
  std::size_t rows;
  durable_script s;
  std::map<std::string, std::uint64_t> doomed; ///< and by which purge
  std::map<std::uint64_t, std::size_t> expected, got;
  std::vector<attempt_ref> out;
  std::uint64_t purges = 0, cancelled = 0, steps = 0;

  std::uint64_t below(std::uint64_t n) { return random.next() % n; }

  void see(const effects& done) {
    std::size_t ends = 0;
    for (const auto& e : done) {
      if (const auto* g = std::get_if<assign_attempt>(&e)) {
        EXPECT_FALSE(doomed.contains(g->message.attempt.job.str()));
        out.push_back(g->message.attempt);
      } else if (const auto* p = std::get_if<purged>(&e)) {
        EXPECT_TRUE(p->whole);
        EXPECT_EQ(p->removed, got[p->number]);
        EXPECT_EQ(p->removed, expected[p->number]);
      } else if (const auto* m = std::get_if<moved>(&e);
                 m != nullptr && m->view.state == job_state::CANCELLED) {
        ++ends;
        const auto by = doomed.find(m->view.id.str());
        ASSERT_NE(by, doomed.end()) << m->view.id.str() << " was not to be purged";
        ++got[by->second];
        doomed.erase(by);
        ++cancelled;
      }
    }
    EXPECT_LE(ends, rows);
  }

  void submit() {
    auto r = job_script::of_tenant(below(2) == 0 ? "alice" : "bob");
    r.policy.delay = milliseconds{below(3) == 0 ? static_cast<int>(below(50)) : 0};
    see(s.table.submit(s.now, job_id{std::to_string(steps)}, r, false)->then);
  }

  void purge() {
    const auto scope = below(3);
    const auto who = scope == 0 ? job_access{} : of(scope == 1 ? "alice" : "bob");
    job_filter waiting;
    waiting.state = job_state::IN_QUEUE;
    ++purges;
    for (const auto& line : s.table.list(s.now, waiting, who).jobs) {
      expected[purges] += doomed.emplace(line.id.str(), purges).second ? 1 : 0;
    }
    auto [number, done] = s.table.purge(s.now, who);
    ASSERT_EQ(number, purges);
    see(done);
  }

  void finish() {
    if (!out.empty()) {
      protocol::finished f;
      f.attempt = out.back();
      out.pop_back();
      see(s.table.finished(s.now, w0, f).consequences);
    }
  }

  void step() {
    ++steps;
    switch (below(8)) {
    case 0:
    case 1:
    case 2: submit(); break;
    case 3: purge(); break;
    case 4: finish(); break;
    case 5: s.commit(); break;
    default:
      s.pass(milliseconds{static_cast<int>(below(20))});
      see(s.table.expire(s.now));
      break;
    }
    EXPECT_EQ(s.table.audit(), std::vector<std::string>{});
  }
};

/// Jobs that waited when a purge was requested never run after that and end CANCELLED; no others
/// do; the numbers add up; no call ends more than a step allows.
TEST(job_table_steps, purges_end_exactly_what_waited) {
  for (std::uint64_t seed = 1; seed <= 60 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    purge_world world{seed};
    while (world.steps < 300 && !::testing::Test::HasFailure()) {
      world.step();
    }
    for (int i = 0; i < 400 && !world.doomed.empty(); ++i) {
      world.s.commit();
      world.see(world.s.table.expire(world.s.now));
    }
    EXPECT_TRUE(world.doomed.empty());
    EXPECT_GT(world.cancelled, 0u);
  }
}

} // namespace
} // namespace tayfa::testing
