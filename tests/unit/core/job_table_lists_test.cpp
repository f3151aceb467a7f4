// Lists are found through indexes: what a filter fits is exactly what a look at every job finds,
// in pages that each look at a bounded number of jobs.
#include "runtime/base/random.hpp"
#include "tests/unit/core/job_script.hpp"

#include <algorithm>

namespace tayfa::testing {
namespace {

using std::chrono::seconds;

template <class T>
bool fits(const std::optional<T>& wanted, const T& is) {
  return !wanted || *wanted == is;
}

/// All pages of a list.
std::vector<job_summary> all_of(const job_script& s, job_filter f, const job_access& who,
                                std::size_t& pages) {
  std::vector<job_summary> all;
  pages = 0;
  do {
    auto page = s.table.list(s.now, f, who);
    EXPECT_LE(page.jobs.size(), f.limit);
    all.insert(all.end(), page.jobs.begin(), page.jobs.end());
    EXPECT_TRUE(page.next == 0 || f.after == 0 || page.next < f.after) << "it goes on";
    f.after = page.next;
    ++pages;
  } while (f.after != 0 && pages < 10'000);
  return all;
}

struct kind {
  std::string tenant, model, endpoint;
};

TEST(job_table_lists, every_filter_finds_what_a_look_at_every_job_finds) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    seeded_random random{seed};
    const auto below = [&random](std::uint64_t n) { return random.next() % n; };
    const auto name = [&](const char* of) { return of + std::to_string(below(3)); };
    job_limits l;
    l.max_attempts = 1;
    job_script s{l};
    std::map<std::string, kind> kinds;
    s.join(job_script::worker(0), 4);
    for (int i = 0; i < 200; ++i) {
      const auto id = "j" + std::to_string(i);
      auto r = job_script::of_tenant(name("t").c_str());
      r.model = name("m");
      r.endpoint = name("e");
      kinds[id] = {r.policy.tenant, r.model, r.endpoint};
      ASSERT_TRUE(s.table.submit(s.now, job_id{id}, r, false));
      const auto old = "j" + std::to_string(below(i + 1U));
      const auto a = attempt_ref{job_id{old}, 1};
      switch (below(6)) {
      case 0: s.table.cancel(s.now, a.job); break;
      case 1: s.complete(job_script::worker(0), a); break;
      case 2: s.failed(job_script::worker(0), a, errc::not_ready); break;
      case 3: s.failed(job_script::worker(0), a, errc::job_failed); break;
      case 4: s.table.retry(s.now, a.job); break;
      default: s.table.drop(s.now, a.job); break;
      }
    }
    for (int i = 0; i < 60; ++i) {
      job_filter f;
      job_access who;
      f.limit = 1 + below(30);
      f.dead = below(8) == 0;
      f.state = below(2) == 0 ? std::optional{static_cast<job_state>(below(6))} : std::nullopt;
      f.tenant = below(3) == 0 ? std::optional{name("t")} : std::nullopt;
      f.model = below(3) == 0 ? std::optional{name("m")} : std::nullopt;
      f.endpoint = below(3) == 0 ? std::optional{name("e")} : std::nullopt;
      who.tenant = below(3) == 0 ? std::optional{name("t")} : std::nullopt;
      for (auto n = below(3); n > 0; --n) {
        who.endpoints.push_back(name("e"));
      }
      std::string expected;
      for (int j = 199; j >= 0; --j) {
        const auto id = "j" + std::to_string(j);
        const auto found = s.table.inspect(s.now, job_id{id});
        const auto& k = kinds.at(id);
        const bool seen = who.endpoints.empty() ||
                          std::count(who.endpoints.begin(), who.endpoints.end(), k.endpoint) > 0;
        if (found && seen && fits(who.tenant, k.tenant) && fits(f.tenant, k.tenant) &&
            fits(f.model, k.model) && fits(f.endpoint, k.endpoint) &&
            fits(f.state, found->view.state) && (!f.dead || found->dead)) {
          expected += id + " ";
        }
      }
      std::string got;
      std::size_t pages = 0;
      for (const auto& line : all_of(s, f, who, pages)) {
        got += line.id.str() + " ";
      }
      EXPECT_EQ(got, expected) << "seed " << seed;
    }
  }
}

TEST(job_table_lists, a_filter_that_fits_nothing_looks_at_few_jobs_a_call) {
  job_limits l;
  l.queue_max = 20'000;
  job_script s{l};
  for (int i = 0; i < 10'000; ++i) {
    auto r = job_script::of_tenant(i % 2 == 0 ? "a" : "b");
    r.model = i % 2 == 0 ? "m" : "n";
    ASSERT_TRUE(s.table.submit(s.now, job_id{std::to_string(i)}, r, false));
  }
  std::size_t pages = 0;
  job_filter f;
  f.state = job_state::FAILED;
  EXPECT_TRUE(all_of(s, f, {}, pages).empty());
  EXPECT_EQ(pages, 1u) << "an index says so";
  f = {};
  f.tenant = "a";
  f.model = "n";
  EXPECT_TRUE(all_of(s, f, {}, pages).empty());
  EXPECT_EQ(pages, 3u) << "5,000 jobs, at most 2,000 a call";
  f.limit = 10;
  f.model = "m";
  EXPECT_EQ(all_of(s, f, {}, pages).size(), 5'000u);
  EXPECT_EQ(pages, 500u);
}

} // namespace
} // namespace tayfa::testing
