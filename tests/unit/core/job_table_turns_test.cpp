// Order of service: no tenant starves (I18), and shares are as configured.
#include "tests/unit/core/job_script.hpp"

#include <map>

namespace tayfa::testing {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const auto w0 = job_script::worker(0);

/// A worker that is always busy: each run takes a second, and the next job follows at once.
struct busy_worker {
  explicit busy_worker(job_limits l = {}) : s(std::move(l)) { s.join(w0); }

  job_script s;
  std::uint64_t ids = 0;
  std::vector<std::string> served;

  void add(const job_request& r) { s.submit(("j" + std::to_string(++ids)).c_str(), r); }
  /// Ends the running jobs and records those that follow.
  void second() {
    s.pass(seconds{1});
    job_filter running;
    running.state = job_state::IN_PROGRESS;
    for (const auto& line : s.table.list(s.now, running).jobs) {
      s.complete(w0, {line.id, line.attempts});
    }
    for (const auto& line : s.table.list(s.now, running).jobs) {
      served.push_back(line.id.str());
    }
  }
};

job_request with(std::uint8_t priority, const char* tenant = "") {
  auto r = job_script::of_tenant(tenant);
  r.policy.priority = priority;
  return r;
}

TEST(job_table_turns, the_least_urgent_job_waits_no_longer_than_its_nine_steps) {
  job_limits l;
  l.priority_step = seconds{20};
  busy_worker w{l};
  w.add(with(9));
  w.add(with(9));
  w.add(with(0));
  const std::string low = "j3";
  const auto submitted = w.s.now;
  while (w.s.state(low.c_str()) == "IN_QUEUE" && w.s.now < submitted + minutes{60}) {
    w.add(with(9)); // as many as there is time for, for ever
    w.second();
  }
  EXPECT_EQ(w.s.state(low.c_str()), "IN_PROGRESS");
  EXPECT_LE(w.s.now - submitted, 9 * l.priority_step + seconds{4});
  EXPECT_GE(w.s.now - submitted, 9 * l.priority_step - seconds{4}) << "and no earlier either";
}

TEST(job_table_turns, a_tenant_that_floods_the_queue_does_not_hold_up_another) {
  busy_worker w;
  for (int i = 0; i < 500; ++i) {
    w.add(with(9, "flood"));
  }
  w.second();
  w.add(with(0, "light"));
  w.second();
  EXPECT_EQ(w.s.state("j501"), "IN_PROGRESS") << "priorities order one tenant's jobs only";
}

TEST(job_table_turns, shares_follow_the_weights_while_all_want_more) {
  job_limits l;
  l.tenants["heavy"] = {.weight = 3, .running_max = 0};
  l.tenants["light"] = {.weight = 1, .running_max = 0};
  busy_worker w{l};
  std::map<std::string, std::string> owner;
  for (int i = 0; i < 400; ++i) {
    w.add(with(5, i % 2 == 0 ? "heavy" : "light"));
    owner["j" + std::to_string(w.ids)] = i % 2 == 0 ? "heavy" : "light";
  }
  for (int i = 0; i < 200; ++i) {
    w.second();
  }
  const auto heavy = std::count_if(w.served.begin(), w.served.end(),
                                   [&](const auto& id) { return owner[id] == "heavy"; });
  EXPECT_NEAR(static_cast<double>(heavy), 150, 4);
}

TEST(job_table_turns, a_tenant_that_was_idle_has_saved_nothing_up) {
  busy_worker w;
  for (int i = 0; i < 100; ++i) {
    w.add(with(5, "early"));
  }
  for (int i = 0; i < 50; ++i) {
    w.second();
  }
  for (int i = 0; i < 40; ++i) {
    w.add(with(5, "late")); // j101 and on
  }
  w.served.clear();
  for (int i = 0; i < 40; ++i) {
    w.second();
  }
  const auto late = std::count_if(w.served.begin(), w.served.end(),
                                  [](const auto& id) { return std::stoi(id.substr(1)) > 100; });
  EXPECT_NEAR(static_cast<double>(late), 20, 2);
}

/// Each job forms a group that no worker serves. A decision that looked at all of them would be as
/// long as the queue, and beyond its limit no job would be served.
TEST(job_table_turns, many_shapes_that_no_worker_serves_do_not_stand_before_others) {
  job_limits limits;
  limits.queue_max = 5'000;
  job_script s{limits};
  s.join(job_script::remote(0), job_script::asking(1, "served"));
  for (int i = 0; i < 2'000; ++i) {
    auto r = job_script::request();
    r.endpoint = "unserved";
    r.shape = "s" + std::to_string(i);
    ASSERT_TRUE(s.table.submit(s.now, job_id{"u" + std::to_string(i)}, r, false));
  }
  auto r = job_script::request();
  r.endpoint = "served";
  r.policy.priority = 0;
  EXPECT_NE(s.submit("a", r).find("give a#1"), std::string::npos);
  EXPECT_EQ(s.why("u1999"), "no_worker");
}

} // namespace
} // namespace tayfa::testing
