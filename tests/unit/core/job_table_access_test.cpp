// For a caller who may see only some jobs, the others do not exist.
#include "tests/unit/core/job_script.hpp"

#include <gmock/gmock.h>

namespace tayfa::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const auto w0 = job_script::worker(0);
const auto attempt = &job_script::attempt;

job_request of(std::string endpoint, std::string tenant) {
  auto r = job_script::request();
  r.endpoint = std::move(endpoint);
  r.policy.tenant = std::move(tenant);
  return r;
}

const job_access everything{};
const job_access alice{{}, "alice"};
const job_access bob{{}, "bob"};
const job_access alice_elsewhere{{"other"}, "alice"};
const job_access other{{"other"}, std::nullopt};
const job_access tayfa{{"tayfa", "more"}, std::nullopt};

std::vector<std::string> ids(const job_list& list) {
  std::vector<std::string> out;
  for (const auto& line : list.jobs) {
    out.push_back(line.id.str());
  }
  return out;
}

/// The refusal of each command on this job by this caller; "" where it is served.
std::string words(job_script& s, const std::string& name, const job_access& who) {
  const job_id id{name};
  std::string out;
  const auto add = [&out](const char* what, const auto& answer) {
    out +=
        answer ? "" : std::string{what} + "=" + std::string{to_string(answer.error().code)} + " ";
  };
  add("find", s.table.find(s.now, id, who));
  add("inspect", s.table.inspect(s.now, id, who));
  add("stream", s.table.read_stream(s.now, id, who));
  add("retry", s.table.retry(s.now, id, who));
  add("drop", s.table.drop(s.now, id, who));
  add("cancel", s.table.cancel(s.now, id, false, who));
  return out;
}

constexpr std::string_view nothing =
    "find=job_not_found inspect=job_not_found stream=job_not_found retry=job_not_found "
    "drop=job_not_found cancel=job_not_found ";

TEST(job_table_access, a_strangers_job_is_not_there_whatever_its_state) {
  job_script s;
  s.submit("waits", of("tayfa", "alice"));
  s.submit("ends", of("tayfa", "alice"));
  const auto try_all = [&s](const std::string& id) {
    for (const auto& stranger : {bob, alice_elsewhere, other, job_access{{}, ""}}) {
      EXPECT_EQ(words(s, id, stranger), nothing) << id;
      EXPECT_TRUE(s.table.hidden(job_id{id}, stranger));
      s.table.keep(s.now, job_id{id}, job_policy::ttl_max, stranger);
    }
    EXPECT_FALSE(s.table.hidden(job_id{id}, alice));
    EXPECT_FALSE(s.table.hidden(job_id{id}, tayfa));
  };
  try_all("waits");
  s.join(0);
  try_all("waits"); // runs now
  EXPECT_EQ(s.table.find(s.now, job_id{"waits"}, alice)->state, job_state::IN_PROGRESS)
      << "no stranger has cancelled it";
  s.complete(w0, attempt("waits", 1));
  try_all("waits");
  EXPECT_EQ(s.table.find(s.now, job_id{"waits"}, alice)->state, job_state::COMPLETED);
  s.failed(w0, attempt("ends", 1), errc::job_failed);
  try_all("ends"); // FAILED: could be retried or dropped
  EXPECT_EQ(s.table.find(s.now, job_id{"ends"}, alice)->state, job_state::FAILED);
  EXPECT_EQ(words(s, "never-was", bob), nothing) << "the two answers do not differ";
  EXPECT_FALSE(s.table.hidden(job_id{"never-was"}, bob));
}

TEST(job_table_access, a_strangers_ttl_keeps_no_result) {
  job_script s;
  s.join(0);
  s.submit("a", of("tayfa", "alice"));
  s.complete(w0, attempt("a", 1));
  const auto before = s.next();
  s.table.keep(s.now, job_id{"a"}, job_policy::ttl_max, bob);
  EXPECT_EQ(s.next(), before);
  s.table.keep(s.now, job_id{"a"}, job_policy::ttl_max, alice);
  EXPECT_NE(s.next(), before);
}

TEST(job_table_access, a_strangers_read_takes_no_chunk) {
  job_script s;
  s.join(0);
  s.submit("a", of("tayfa", "alice"));
  protocol::partial chunk;
  chunk.attempt = attempt("a", 1);
  chunk.sequence = 1;
  chunk.payload = shared_text{"1"};
  ASSERT_TRUE(s.table.streamed(s.now, w0, chunk).current);
  EXPECT_FALSE(s.table.read_stream(s.now, job_id{"a"}, bob));
  EXPECT_EQ(s.table.read_stream(s.now, job_id{"a"}, alice)->chunks.size(), 1U);
}

TEST(job_table_access, lists_and_purges_reach_what_is_seen) {
  job_script s;
  s.submit("a1", of("tayfa", "alice"));
  s.submit("a2", of("other", "alice"));
  s.submit("b1", of("tayfa", "bob"));
  s.submit("n1", of("other", ""));
  const auto list = [&s](const job_access& who) { return ids(s.table.list(s.now, {}, who)); };
  EXPECT_THAT(list(everything), ElementsAre("n1", "b1", "a2", "a1"));
  EXPECT_THAT(list(alice), ElementsAre("a2", "a1"));
  EXPECT_THAT(list(other), ElementsAre("n1", "a2"));
  EXPECT_THAT(list(alice_elsewhere), ElementsAre("a2"));
  job_filter of_bob;
  of_bob.tenant = "bob";
  EXPECT_THAT(ids(s.table.list(s.now, of_bob, alice)), IsEmpty()) << "a filter widens nothing";
  EXPECT_EQ(s.table.counts(alice).in_queue, 2U);
  EXPECT_EQ(s.table.counts(alice_elsewhere).in_queue, 1U);
  EXPECT_EQ(s.purge(alice_elsewhere), "a2 CANCELLED (cancel_requested); purged 1");
  EXPECT_EQ(s.purge({{"nowhere"}, std::nullopt}), "purged 0");
  EXPECT_EQ(s.table.counts().in_queue, 3U);
  EXPECT_EQ(s.table.counts(alice).cancelled, 1U);
  EXPECT_EQ(s.table.counts(bob).cancelled, 0U);
  EXPECT_THAT(s.purge(), ::testing::HasSubstr("purged 3"));
  EXPECT_EQ(s.table.audit(), std::vector<std::string>{});
}

TEST(job_table_access, numbers_follow_a_job_through_its_lives) {
  job_script s;
  const auto numbers = [&s](const job_access& who) {
    const auto c = s.table.counts(who);
    return std::to_string(c.in_queue) + " wait, " + std::to_string(c.in_progress) + " run, " +
           std::to_string(c.completed) + " done, " + std::to_string(c.failed) + " failed";
  };
  s.submit("a", of("tayfa", "alice"));
  EXPECT_EQ(numbers(alice), "1 wait, 0 run, 0 done, 0 failed");
  s.join(0);
  EXPECT_EQ(numbers(alice), "0 wait, 1 run, 0 done, 0 failed");
  s.failed(w0, attempt("a", 1), errc::job_failed);
  EXPECT_EQ(numbers(alice), "0 wait, 0 run, 0 done, 1 failed");
  ASSERT_TRUE(s.table.retry(s.now, job_id{"a"}, alice));
  EXPECT_EQ(numbers(alice), "0 wait, 1 run, 0 done, 1 failed");
  s.complete(w0, attempt("a", 2));
  EXPECT_EQ(numbers(alice), "0 wait, 0 run, 1 done, 1 failed");
  EXPECT_EQ(numbers(bob), "0 wait, 0 run, 0 done, 0 failed");
  EXPECT_EQ(s.table.audit(), std::vector<std::string>{});
}

} // namespace
} // namespace tayfa::testing
