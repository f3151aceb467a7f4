// Memory per waiting job, and a check that no command looks at all of them.
#include "runtime/core/job_ids.hpp"
#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <malloc.h>
#include <map>
#include <string>
#include <vector>

namespace tayfa {
namespace {

job_request request(const shared_text& input) {
  job_request r;
  r.endpoint = "tayfa";
  r.input = input;
  return r;
}

TEST(job_table_size, a_waiting_job_costs_at_most_a_kibibyte_beside_its_input) {
  if (mallinfo2().uordblks == 0) {
    GTEST_SKIP() << "this allocator does not tell what is in use";
  }
  constexpr std::size_t jobs = 100'000;
  job_limits limits;
  limits.queue_max = jobs;
  const shared_text input{"{}"};
  system_secrets secrets;
  const moment now{};
  const auto before = mallinfo2().uordblks;
  job_table table{limits};
  for (std::size_t i = 0; i < jobs; ++i) {
    ASSERT_TRUE(table.submit(now, make_job_id(secrets, true), request(input), false));
  }
  const auto each = (mallinfo2().uordblks - before) / jobs;
  RecordProperty("bytes_per_waiting_job", static_cast<int>(each));
  std::printf("%zu bytes per waiting job\n", each);
  EXPECT_LE(each, 1024u);
}

TEST(job_table_size, a_hundred_thousand_jobs_go_through_and_the_audit_is_clean) {
  constexpr std::size_t jobs = 100'000;
  job_limits limits;
  limits.queue_max = jobs;
  const shared_text input{"{}"};
  const moment now{};
  job_table table{limits};
  for (std::size_t i = 0; i < jobs; ++i) {
    ASSERT_TRUE(table.submit(now, job_id{std::to_string(i)}, request(input), false));
  }
  auto consequences = table.worker_joined(now, worker_ref{slot_id{0}, 1}, worker_facts{});
  std::size_t done = 0;
  while (!consequences.empty()) {
    const auto* next = std::get_if<assign_attempt>(&consequences.back());
    if (next == nullptr) {
      break;
    }
    EXPECT_EQ(next->message.attempt.job.str(), std::to_string(done)) << "first come, first served";
    protocol::finished f;
    f.attempt = next->message.attempt;
    consequences = table.finished(now, worker_ref{slot_id{0}, 1}, f).consequences;
    ++done;
  }
  EXPECT_EQ(done, jobs);
  EXPECT_EQ(table.counts().completed, jobs);
  EXPECT_EQ(table.audit(), std::vector<std::string>{});
}

/// No bound: a machine's speed is not what a test may judge. TAYFA_SIZE_MOST=1000000 goes on to
/// a million.
TEST(job_table_size, tells_what_a_decision_takes_beside_how_many_wait) {
  const char* const wanted = std::getenv("TAYFA_SIZE_MOST");
  const std::size_t most = wanted == nullptr ? 100'000 : std::stoull(wanted);
  constexpr std::size_t decisions = 2'000;
  const shared_text input{"{}"};
  const moment now{};
  for (std::size_t jobs = 1'000; jobs <= most; jobs *= 10) {
    job_limits limits;
    limits.queue_max = jobs + decisions;
    job_table table{limits};
    for (std::size_t i = 0; i < jobs + decisions; ++i) {
      auto r = request(input);
      r.policy.tenant = "t" + std::to_string(i % 16);
      r.policy.priority = static_cast<std::uint8_t>(i % 10);
      r.shape = i % 3 == 0 ? "large" : "";
      ASSERT_TRUE(table.submit(now, job_id{std::to_string(i)}, std::move(r), false));
    }
    const worker_ref worker{slot_id{0}, 1};
    auto done = table.worker_joined(now, worker, worker_facts{});
    const auto began = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < decisions; ++i) {
      ASSERT_FALSE(done.empty());
      const auto* g = std::get_if<assign_attempt>(&done.back());
      ASSERT_NE(g, nullptr);
      protocol::finished f;
      f.attempt = g->message.attempt;
      done = table.finished(now, worker, f).consequences;
    }
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
    std::printf("%8zu jobs wait: %.2f us to end one and give out the next\n", jobs,
                took.count() / decisions);
    EXPECT_EQ(table.counts().completed, decisions);
  }
}

/// Measures the longest wait for the table while another tenant makes its most expensive calls.
/// Prints only, no limit: a call's time next to one submission and cancel at the same size.
TEST(job_table_size, tells_what_the_dearest_call_of_another_takes_at_a_hundred_thousand_jobs) {
  constexpr std::size_t jobs = 100'000;
  using clock = std::chrono::steady_clock;
  const auto us_since = [](clock::time_point began) {
    return std::chrono::duration<double, std::micro>(clock::now() - began).count();
  };
  job_limits limits;
  limits.queue_max = 2 * jobs;
  limits.kept_jobs_max = jobs;
  const shared_text input{"{}"};
  moment now{};
  job_table table{limits};
  for (std::size_t i = 0; i < 2 * jobs; ++i) { // half of them ended
    auto r = request(input);
    r.policy.tenant = "t" + std::to_string(i % 16);
    const job_id id{std::to_string(i)};
    ASSERT_TRUE(table.submit(now, id, std::move(r), false));
    if (i % 2 == 0) {
      ASSERT_TRUE(table.cancel(now, id));
    }
  }
  std::map<std::string, std::vector<double>> took;
  const auto measured = [&](const char* what, const auto& call) {
    const auto began = clock::now();
    call();
    took[what].push_back(us_since(began));
  };
  for (int i = 0; i < 50; ++i) {
    const job_id id{"n" + std::to_string(i)};
    measured("submit and cancel", [&] {
      ASSERT_TRUE(table.submit(now, id, request(input), false));
      ASSERT_TRUE(table.cancel(now, id));
    });
    job_filter none;
    none.state = job_state::FAILED;
    measured("list, an index fits nothing",
             [&] { EXPECT_TRUE(table.list(now, none).jobs.empty()); });
    job_filter rare;
    rare.tenant = "t1"; // all of its jobs wait
    rare.state = job_state::CANCELLED;
    measured("list, no job fits", [&] { EXPECT_TRUE(table.list(now, rare).jobs.empty()); });
    job_filter most;
    most.limit = job_filter::limit_max;
    measured("list of a thousand", [&] { EXPECT_EQ(table.list(now, most).jobs.size(), 1'000u); });
  }
  std::size_t steps = 0;
  measured("purge, a step", [&] { table.purge(now); });
  while (table.counts().in_queue > 0) {
    measured("purge, a step", [&] { table.expire(now); });
    ++steps;
  }
  EXPECT_EQ(steps, jobs / limits.step_rows) << "and one at once";
  now += limits.keep_async;
  while (table.counts().kept > 0) {
    measured("forgetting, a step", [&] { table.expire(now); });
  }
  for (auto& [what, all] : took) { // the longest ones are the scheduler's
    std::sort(all.begin(), all.end());
    std::printf("%6.0f us, nine in ten below %.0f: %s\n", all[all.size() / 2],
                all[all.size() * 9 / 10], what.c_str());
  }
}

} // namespace
} // namespace tayfa
