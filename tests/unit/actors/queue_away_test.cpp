// The queue while the store's database is away: what was not kept is refused and can be asked for
// again, and no client waits for what may last.
#include "actors/queue_limits.hpp"
#include "actors/queue_state.hpp"
#include "tests/unit/actors/actor_script.hpp"
#include "tests/unit/actors/held_store.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace tayfa::testing {
namespace {

struct away_script : actor_script {
  away_script() {
    directory.supervisor = stand_in<supervisor_actor>(others);
    directory.ingress = stand_in<ingress_actor>(others);
    tested =
        spawn_queue(system, pod_context{pod_world, knobs}, make_queue_state(limits_from(knobs)));
    tell(tested, directory);
  }
  ~away_script() {
    caf::anon_send_exit(tested, caf::exit_reason::kill);
    settle();
    directory = {};
  }

  static error away() { return {errc::unavailable, "db.example.org: no route"}; }

  /// The outcome comes into `answers`.
  void submit(const std::string& id) {
    submit_job m;
    m.id = job_id{id};
    m.request.endpoint = "tayfa";
    m.request.input = shared_text{"1"};
    ask(id, m);
  }
  void cancel(const std::string& id) { ask("cancel " + id, cancel_job{job_access{}, job_id{id}}); }
  template <class Message>
  void ask(const std::string& name, const Message& m) {
    system.spawn([this, name, m](caf::event_based_actor* self) {
      self->request(tested, caf::infinite, m).then([this, name](const job_answer& answer) {
        answers[name] = answer.value ? "yes" : answer.value.error().str();
      });
    });
    settle();
  }
  std::string answer(const std::string& name) const {
    const auto found = answers.find(name);
    return found == answers.end() ? "none yet" : found->second;
  }

  held_store pod_store;
  world pod_world{time,  random, secrets,   log,  meters, engines, http,
                  probe, models, pod_store, post, feed,   platform};
  stand_in_actor::seen others;
  actor_directory directory;
  queue_actor tested;
  std::map<std::string, std::string> answers;
};

TEST(queue_away, a_job_that_was_not_kept_is_refused_and_may_be_sent_again) {
  away_script s;
  s.submit("a");
  ASSERT_TRUE(s.pod_store.answer(fail(away_script::away())));
  s.settle();
  EXPECT_TRUE(s.answer("a").starts_with("unavailable: ")) << s.answer("a");
  EXPECT_EQ(s.answer("a").find("db.example.org"), std::string::npos) << "hosts are for the log";
  s.submit("b");
  EXPECT_TRUE(s.answer("b").starts_with("unavailable: ")) << "until the store is asked again";
  s.pass(milliseconds{600});
  EXPECT_EQ(s.pod_store.waiting(), 2U) << "what is left of the group, and whether it takes jobs";
  while (s.pod_store.answer()) {
    s.settle();
  }
  s.submit("a");
  ASSERT_TRUE(s.pod_store.answer());
  s.settle();
  EXPECT_EQ(s.answer("a"), "yes");
}

TEST(queue_away, a_change_that_was_not_kept_is_undone) {
  away_script s;
  s.submit("a");
  ASSERT_TRUE(s.pod_store.answer());
  s.settle();
  s.cancel("a");
  s.pod_store.in_trouble = away_script::away();
  ASSERT_TRUE(s.pod_store.answer(fail(away_script::away())));
  s.settle();
  EXPECT_TRUE(s.answer("cancel a").starts_with("unavailable: ")) << s.answer("cancel a");
  // The store is back: the job still waits, and can be cancelled.
  s.pod_store.in_trouble.reset();
  s.pass(milliseconds{600});
  while (s.pod_store.answer()) {
    s.settle();
  }
  EXPECT_EQ(s.pod_store.row("a")->state, job_state::IN_QUEUE);
  s.cancel("a");
  ASSERT_TRUE(s.pod_store.answer());
  s.settle();
  EXPECT_EQ(s.answer("cancel a"), "yes");
  EXPECT_EQ(s.pod_store.row("a")->state, job_state::CANCELLED);
}

TEST(queue_away, no_client_waits_behind_a_commit_whose_end_is_not_known) {
  away_script s;
  s.submit("a"); // its commit is under way, and the connection is cut
  s.pod_store.in_trouble = away_script::away();
  s.submit("b");
  EXPECT_TRUE(s.answer("b").starts_with("unavailable: ")) << s.answer("b");
  s.cancel("a");
  EXPECT_TRUE(s.answer("cancel a").starts_with("unavailable: ")) << s.answer("cancel a");
  EXPECT_EQ(s.answer("a"), "none yet") << "it may be durable";
  s.pod_store.in_trouble.reset();
  ASSERT_TRUE(s.pod_store.answer());
  s.settle();
  EXPECT_EQ(s.answer("a"), "yes");
  s.submit("b");
  ASSERT_TRUE(s.pod_store.answer());
  s.settle();
  EXPECT_EQ(s.answer("b"), "yes");
}

TEST(queue_away, a_lost_head_ends_the_queue_as_a_failed_disk_does) {
  away_script s;
  s.submit("a");
  ASSERT_TRUE(s.pod_store.answer(fail(errc::store_failed, "another process has taken over")));
  s.settle();
  EXPECT_TRUE(s.answer("a").starts_with("unavailable: ")) << s.answer("a");
  s.submit("b");
  s.pass(milliseconds{600});
  EXPECT_TRUE(s.answer("b").starts_with("unavailable: ")) << s.answer("b");
  EXPECT_EQ(s.pod_store.waiting(), 0U) << "nothing more is asked of it";
}

} // namespace
} // namespace tayfa::testing
