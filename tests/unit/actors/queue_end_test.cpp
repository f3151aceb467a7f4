// The queue's end: asked to end, it ends when all that it decided is durable. So nothing that was
// settled before a stop (a result that the platform has, a job that it stopped) is done again by
// the next process.
#include "actors/queue_limits.hpp"
#include "actors/queue_state.hpp"
#include "tests/unit/actors/actor_script.hpp"
#include "tests/unit/actors/held_store.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* hook_url = "http://receiver.example/done";

/// A queue over a store that the script answers, with stand-ins for its peers. Nothing runs here.
struct queue_script : actor_script {
  queue_script() {
    directory.supervisor = stand_in<supervisor_actor>(supervisor);
    directory.ingress = stand_in<ingress_actor>(others);
    directory.runpod = stand_in<runpod_worker_actor>(others);
    tested = spawn_queue();
    tell(tested, directory);
  }
  ~queue_script() { directory = {}; }

  queue_actor spawn_queue() {
    const auto one = tayfa::spawn_queue(system, pod_context{pod_world, knobs},
                                        make_queue_state(limits_from(knobs)));
    caf::actor_cast<caf::strong_actor_ptr>(one)->get()->attach_functor([this] { ended = true; });
    return one;
  }
  /// A job of the platform, durable.
  void platform_job(const std::string& id) {
    submit_job m = job(id);
    m.request.origin = id;
    tell(tested, std::move(m));
    store_answers();
  }
  /// A job with a webhook, durable.
  void job_with_webhook(const std::string& id) {
    submit_job m = job(id);
    m.request.webhook = hook_url;
    tell(tested, std::move(m));
    store_answers();
  }
  static submit_job job(const std::string& id) {
    submit_job m;
    m.id = job_id{id};
    m.request.endpoint = "tayfa";
    m.request.input = shared_text{"1"};
    return m;
  }
  /// The pod stops and nobody here runs the platform's jobs any more: they have FAILED, durably,
  /// and their results are being delivered.
  void hand_back() {
    tell(tested, drain_queue{});
    tell(tested, hand_back_jobs{});
    store_answers();
  }
  void platform_has(const std::string& id) {
    tell(tested, result_posted{job_id{id}, delivery::delivered, milliseconds{0}, "status 200"});
  }
  void cancel(const std::string& id, bool by_origin = false) {
    tell(tested, cancel_job{job_access{}, job_id{id}, by_origin});
  }
  void ask_to_end() {
    caf::anon_send_exit(tested, caf::exit_reason::user_shutdown);
    settle();
  }
  void store_answers(result<void> how = {}) {
    ASSERT_TRUE(pod_store.answer(std::move(how))) << "no commit waits";
    settle();
  }
  bool delivery_pends(const std::string& id) const { return pod_store.row(id)->hook_open; }

  held_store pod_store;
  scripted_poster hooks;
  world pod_world{time,  random, secrets,   log,   meters, engines, http,
                  probe, models, pod_store, hooks, feed,   platform};
  stand_in_actor::seen supervisor, others;
  actor_directory directory;
  queue_actor tested;
  bool ended = false;
};

TEST(queue_end, a_queue_whose_decisions_are_durable_ends_at_once) {
  queue_script s;
  s.platform_job("a");
  s.ask_to_end();
  EXPECT_TRUE(s.ended);
}

TEST(queue_end, a_settled_delivery_is_durable_before_the_queue_ends) {
  queue_script s;
  s.platform_job("a");
  s.hand_back();
  ASSERT_EQ(s.pod_store.row("a")->state, job_state::FAILED);
  s.platform_has("a");
  s.ask_to_end();
  EXPECT_FALSE(s.ended);
  ASSERT_TRUE(s.delivery_pends("a")) << "the next process would deliver it once more";
  s.store_answers();
  EXPECT_FALSE(s.delivery_pends("a"));
  EXPECT_TRUE(s.ended);
}

TEST(queue_end, what_is_settled_during_a_commit_is_stored_by_one_more) {
  queue_script s;
  s.platform_job("a");
  s.platform_job("b");
  s.hand_back();
  s.platform_has("a");
  s.platform_has("b");
  s.ask_to_end();
  s.store_answers();
  EXPECT_FALSE(s.delivery_pends("a"));
  EXPECT_TRUE(s.delivery_pends("b"));
  EXPECT_FALSE(s.ended);
  s.store_answers();
  EXPECT_FALSE(s.delivery_pends("b"));
  EXPECT_TRUE(s.ended);
  EXPECT_EQ(s.pod_store.waiting(), 0U);
}

// The queue tries again what it decided before it asks the store for space, and the database may
// come back between both.
TEST(queue_end, what_was_settled_is_stored_when_the_store_comes_back_between_two_questions) {
  queue_script s;
  s.platform_job("a");
  s.hand_back();
  s.platform_has("a");
  s.store_answers(fail(errc::unavailable, "no route"));
  s.pass(600ms);
  ASSERT_EQ(s.pod_store.waiting(), 2U) << "what was settled, and whether there is space";
  s.store_answers(fail(errc::unavailable, "no route"));
  s.store_answers();
  EXPECT_TRUE(s.delivery_pends("a"));
  s.store_answers();
  EXPECT_FALSE(s.delivery_pends("a"));
}

TEST(queue_end, a_settlement_that_waits_for_its_commit_to_begin_is_stored) {
  queue_script s;
  s.platform_job("a");
  s.hand_back();
  // Both are in the mailbox before the queue's message to itself that begins the commit.
  caf::anon_send(s.tested,
                 result_posted{job_id{"a"}, delivery::delivered, milliseconds{0}, "status 200"});
  s.ask_to_end();
  EXPECT_FALSE(s.ended);
  s.store_answers();
  EXPECT_FALSE(s.delivery_pends("a"));
  EXPECT_TRUE(s.ended);
}

TEST(queue_end, a_job_that_the_platform_stopped_is_not_run_by_the_next_process) {
  queue_script s;
  s.platform_job("a");
  s.cancel("a", true);
  s.ask_to_end();
  EXPECT_FALSE(s.ended);
  EXPECT_EQ(s.pod_store.row("a")->state, job_state::IN_QUEUE);
  s.store_answers();
  EXPECT_EQ(s.pod_store.row("a")->state, job_state::CANCELLED);
  EXPECT_TRUE(s.ended);
}

TEST(queue_end, webhooks_are_left_to_the_next_process) {
  const auto calls = [](bool ends_first) {
    queue_script s;
    s.job_with_webhook("a");
    s.cancel("a");
    if (ends_first) {
      s.ask_to_end();
    }
    s.store_answers();
    EXPECT_EQ(s.ended, ends_first);
    EXPECT_TRUE(s.delivery_pends("a"));
    return s.hooks.count(hook_url);
  };
  EXPECT_EQ(calls(true), 0U) << "its answer would not be stored";
  EXPECT_EQ(calls(false), 1U);
}

TEST(queue_end, an_answer_that_comes_after_the_request_is_not_waited_for) {
  queue_script s;
  s.job_with_webhook("a");
  s.platform_job("b");
  s.cancel("a");
  s.store_answers();
  ASSERT_EQ(s.hooks.count(hook_url), 1U);
  s.cancel("b", true);
  s.ask_to_end();
  ASSERT_TRUE(s.hooks.answer(hook_url, outgoing_answer{200, {}, {}}));
  s.pass(1h);
  EXPECT_FALSE(s.ended);
  s.store_answers();
  EXPECT_TRUE(s.ended) << "answers could come one after the other for ever";
  EXPECT_TRUE(s.delivery_pends("a")) << "it is called at least once";
}

TEST(queue_end, a_store_that_takes_nothing_more_is_not_waited_for) {
  const auto ends_after = [](error why) {
    queue_script s;
    s.platform_job("a");
    s.cancel("a", true);
    s.ask_to_end();
    EXPECT_FALSE(s.ended);
    s.store_answers(fail(std::move(why)));
    EXPECT_EQ(s.pod_store.waiting(), 0U);
    return s.ended;
  };
  EXPECT_TRUE(ends_after({errc::store_failed, "the disk is gone"}));
  EXPECT_TRUE(ends_after({errc::storage_full, "no space"}));
}

TEST(queue_end, a_kill_ends_it_at_once) {
  queue_script s;
  s.platform_job("a");
  s.cancel("a", true);
  s.ask_to_end();
  EXPECT_FALSE(s.ended);
  caf::anon_send_exit(s.tested, caf::exit_reason::kill);
  s.settle();
  EXPECT_TRUE(s.ended);
}

} // namespace
} // namespace tayfa::testing
