// The job register by itself: who is found under what, when a job is due, whose jobs are forgotten
// first, and which rows have changed.
#include "runtime/core/jobs/job_register.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

struct script {
  explicit script(job_limits l = {}) : limits(std::move(l)) {}
  ~script() {
    std::vector<std::string> broken;
    jobs.audit(broken);
    EXPECT_THAT(broken, ElementsAre());
  }
  script(const script&) = delete;
  script& operator=(const script&) = delete;

  job_limits limits;
  deliveries tried{{}};
  job_register jobs{limits, tried};
  moment now{std::chrono::hours{1}};
  std::uint64_t orders = 0;

  static job_request request(const char* tenant = "", const char* model = "m") {
    job_request r;
    r.endpoint = "e";
    r.model = model;
    r.policy.tenant = tenant;
    r.input = shared_text{"1234"};
    return r;
  }
  job_record& add(const char* id, job_request r = request()) {
    auto& job = jobs.add(job_id{id});
    job.order = ++orders;
    job.request = std::move(r);
    job.input_bytes = job.request.input.size();
    job.submitted = job.life_began = now;
    jobs.enlist(job);
    jobs.account(job);
    jobs.mark_changed(job, store::part_request);
    return job;
  }
  void end(job_record& job, std::string output = "12", bool dead = false) {
    const auto step = [&job, this](job_state to, cause why) {
      jobs.change_state(job, *job.state.move_to(to, why), to);
    };
    step(job_state::IN_PROGRESS, cause::assigned);
    if (dead) {
      step(job_state::FAILED, cause::attempts_exhausted);
      jobs.mark_dead(job, true);
    } else {
      step(job_state::COMPLETED, cause::finished);
      job_register::set_output(job, shared_text{std::move(output)});
    }
    job.past().ended = now;
    jobs.count_live(job, false);
    jobs.account(job);
    jobs.put_among_ended(job);
    jobs.schedule(job);
    jobs.mark_changed(job, store::part_state | store::part_output);
    jobs.trim(&job);
  }
  std::string all() const {
    std::string out;
    for (auto next = jobs.orders().above(0); next; next = jobs.orders().above(*next)) {
      out += jobs.at(*next).id->str();
    }
    return out;
  }
};

// ---- which there are ----------------------------------------------------------------------------

TEST(job_register, a_job_is_found_under_everything_that_it_is) {
  script s;
  auto r = script::request("t");
  r.policy.idempotency_key = "k";
  auto& a = s.add("a", r);
  s.add("b", script::request("u", "other"));
  EXPECT_EQ(s.jobs.find(job_id{"a"}), &a);
  EXPECT_EQ(&s.jobs.at(1), &a);
  EXPECT_EQ(s.jobs.same_key(r), &a);
  EXPECT_TRUE(s.jobs.of_tenant("t").contains(1));
  EXPECT_FALSE(s.jobs.of_tenant("u").contains(1));
  EXPECT_TRUE(s.jobs.of_model("other").contains(2));
  EXPECT_EQ(s.jobs.of_endpoint("e").size(), 2U);
  EXPECT_EQ(s.jobs.of_endpoint("none").size(), 0U);
  EXPECT_EQ(s.jobs.of_state(job_state::IN_QUEUE).size(), 2U);
  EXPECT_EQ(s.jobs.live_of("t"), 1U);
  s.jobs.change_model(a, "other");
  EXPECT_EQ(s.jobs.of_model("m").size(), 0U);
  EXPECT_EQ(s.jobs.of_model("other").size(), 2U);
  s.jobs.uncount(a);
  s.jobs.remove(a);
  EXPECT_EQ(s.jobs.find(job_id{"a"}), nullptr);
  EXPECT_EQ(s.jobs.same_key(r), nullptr);
  EXPECT_EQ(s.jobs.of_tenant("t").size(), 0U);
  EXPECT_EQ(s.jobs.live_bytes(), 4U);
}

TEST(job_register, a_job_is_hidden_from_those_that_may_not_see_it) {
  script s;
  s.add("a", script::request("t"));
  job_access other;
  other.tenant = "u";
  EXPECT_TRUE(s.jobs.hidden(job_id{"a"}, other));
  EXPECT_EQ(s.jobs.find_kept(s.now, job_id{"a"}, other), nullptr);
  EXPECT_NE(s.jobs.find_kept(s.now, job_id{"a"}, {}), nullptr);
  EXPECT_FALSE(s.jobs.hidden(job_id{"none"}, other));
}

// ---- times --------------------------------------------------------------------------------------

TEST(job_register, a_job_has_one_deadline_that_follows_its_state) {
  job_limits limits;
  limits.ttl = seconds{100};
  limits.keep_async = seconds{50};
  script s{limits};
  auto& a = s.add("a");
  s.jobs.schedule(a);
  EXPECT_TRUE(s.jobs.urgent().empty()) << "that a waiting job times out is not urgent";
  EXPECT_EQ(s.jobs.slow().first().first, s.now + seconds{100});
  a.sleeping = true;
  a.not_before = s.now + seconds{7};
  s.jobs.schedule(a);
  EXPECT_TRUE(s.jobs.slow().empty());
  EXPECT_EQ(s.jobs.urgent().first().first, s.now + seconds{7}) << "that one wakes up is";
  a.sleeping = false;
  s.end(a);
  EXPECT_EQ(s.jobs.slow().first().first, s.now + seconds{50});
  EXPECT_TRUE(s.jobs.kept(s.now + seconds{49}, a));
  EXPECT_FALSE(s.jobs.kept(s.now + seconds{50}, a));
  a.keep_until = s.now + seconds{80};
  s.jobs.schedule(a);
  EXPECT_EQ(s.jobs.slow().first().first, s.now + seconds{80});
}

// ---- what is kept -------------------------------------------------------------------------------

TEST(job_register, the_tenant_that_has_most_loses_its_oldest_job_first) {
  job_limits limits;
  limits.kept_jobs_max = 3;
  script s{limits};
  for (const auto* id : {"a", "b"}) {
    s.end(s.add(id, script::request("many")));
    s.now += seconds{1};
  }
  s.end(s.add("c", script::request("one")));
  s.now += seconds{1};
  EXPECT_EQ(s.all(), "abc");
  s.end(s.add("d", script::request("one")));
  EXPECT_EQ(s.jobs.ended(), 3U);
  EXPECT_EQ(s.all().size(), 3U);
  EXPECT_NE(s.jobs.find(job_id{"d"}), nullptr) << "never the newest";
}

TEST(job_register, dead_jobs_have_a_bound_of_their_own) {
  job_limits limits;
  limits.dead_max = 1;
  script s{limits};
  s.end(s.add("a"), "", true);
  s.now += seconds{1};
  s.end(s.add("b"));
  s.now += seconds{1};
  s.end(s.add("c"), "", true);
  EXPECT_EQ(s.all(), "bc");
  EXPECT_EQ(s.jobs.newest_ended()->id->str(), "c");
}

TEST(job_register, bytes_move_from_the_live_to_the_kept_ones) {
  script s;
  auto& a = s.add("a");
  EXPECT_EQ(s.jobs.live_bytes(), 4U);
  s.end(a, "123456");
  EXPECT_EQ(s.jobs.live_bytes(), 0U);
  EXPECT_EQ(s.jobs.kept_bytes(), 10U);
  s.jobs.forget(a);
  EXPECT_EQ(s.jobs.kept_bytes(), 0U);
}

TEST(job_register, what_running_jobs_made_is_bounded_by_the_one_that_made_most) {
  job_limits limits;
  limits.made_bytes_max = 1'000;
  script s{limits};
  auto& a = s.add("a", script::request("t"));
  auto& b = s.add("b", script::request("u"));
  s.jobs.append_chunk(b, shared_text{std::string(300, 'x')});
  s.jobs.append_chunk(a, shared_text{std::string(300, 'x')});
  s.jobs.append_chunk(a, shared_text{std::string(300, 'y')});
  s.jobs.bound_made_bytes();
  EXPECT_EQ(a.past_->chunks.size(), 1U);
  EXPECT_EQ(a.past_->chunks.front().view().front(), 'y') << "the oldest goes";
  EXPECT_EQ(b.past_->chunks.size(), 1U);
  EXPECT_EQ(s.jobs.chunks_dropped(), 1U);
}

// ---- rows ---------------------------------------------------------------------------------------

job_limits durable() {
  job_limits limits;
  limits.durable = true;
  return limits;
}

TEST(job_register, a_changed_row_is_taken_once_and_again_when_it_could_not_be_stored) {
  script s{durable()};
  auto& a = s.add("a");
  EXPECT_FALSE(s.jobs.durable(job_id{"a"}));
  EXPECT_EQ(s.jobs.take_changes().size(), 1U);
  EXPECT_FALSE(s.jobs.has_changes());
  EXPECT_FALSE(s.jobs.durable(job_id{"a"})) << "it is in flight";
  const auto fresh = s.jobs.not_committed();
  EXPECT_THAT(fresh, ElementsAre(job_id{"a"}));
  const auto again = s.jobs.take_changes();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(std::get<store::put>(again.front()).row.id, job_id{"a"});
  s.jobs.committed();
  EXPECT_TRUE(s.jobs.durable(job_id{"a"}));
  EXPECT_TRUE(a.stored);
}

TEST(job_register, only_a_stored_row_is_erased) {
  script s{durable()};
  s.end(s.add("a"));
  s.jobs.forget(*s.jobs.find(job_id{"a"}));
  EXPECT_TRUE(s.jobs.take_changes().empty()) << "the store never had it";
  s.jobs.committed();
  s.end(s.add("b"));
  s.jobs.take_changes();
  s.jobs.committed();
  s.jobs.forget(*s.jobs.find(job_id{"b"}));
  const auto changes = s.jobs.take_changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(std::get<store::erase>(changes.front()).order, 2U);
  s.jobs.committed();
}

} // namespace
} // namespace tayfa::testing
