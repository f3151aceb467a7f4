// Calls of clients: passed on, held, and answered exactly once, whatever happens meanwhile.
#include "tests/unit/actors/ingress_script.hpp"

#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;
using texts = std::vector<std::string>;

bool says(const client_ptr& client, const std::string& part) {
  return client->text().find(part) != std::string::npos;
}

TEST(ingress_actor, postpones_calls_until_recovery_has_finished) {
  ingress_script s;
  const auto first = s.runsync();
  const auto second = s.status_sync("a");
  s.pass(10s);
  EXPECT_EQ(s.messages(), texts{}) << "the directory comes when the store has recovered";
  EXPECT_EQ(first->text() + second->text(), "");
  s.tell(s.tested, s.directory);
  EXPECT_EQ(s.messages(), (texts{"submit watched", "find a watched"})) << "in their order";
}

TEST(ingress_actor, readiness_needs_a_pod_that_serves_and_a_worker) {
  ingress_script s;
  s.tell(s.tested, s.directory);
  EXPECT_EQ(s.calls(api::ping{})->text(), "204 ");
  EXPECT_TRUE(says(s.calls(api::ready{}), "it is starting"));
  s.start();
  EXPECT_EQ(s.calls(api::ping{})->answer->status, 200U);
  const auto served = s.calls(api::ready{});
  s.queue_says(intake_answer{{}, 2});
  EXPECT_EQ(served->answer->status, 200U);
  const auto refused = s.calls(api::ready{});
  s.queue_says(intake_answer{fail(errc::queue_full, "full"), 2});
  EXPECT_TRUE(says(refused, "queue_full"));
}

TEST(ingress_actor, the_wait_of_runsync_begins_before_the_queue_answers) {
  ingress_script s;
  s.start();
  const auto client = s.runsync();
  const auto job = s.queue.submitted;
  EXPECT_EQ(job.str().rfind("sync-", 0), 0U);
  s.tell(s.tested, job_ended{ingress_script::view(job, job_state::COMPLETED)});
  EXPECT_TRUE(says(client, R"("status":"COMPLETED")")) << client->text();
  s.queue_says(job_answer{ingress_script::view(job, job_state::IN_QUEUE)});
  EXPECT_EQ(s.meters.value(meter::calls_held), 0);
}

TEST(ingress_actor, a_runsync_that_has_waited_long_enough_shows_how_the_job_stands) {
  ingress_script s;
  s.start();
  const auto client = s.runsync(5s);
  const auto job = s.queue.submitted;
  s.queue_says(job_answer{ingress_script::view(job, job_state::IN_QUEUE)});
  s.messages();
  s.pass(4'900ms);
  EXPECT_EQ(s.messages(), texts{});
  s.pass(200ms);
  EXPECT_EQ(s.messages(), texts{"find " + job.str()}) << "no call waits for its end any more";
  EXPECT_EQ(s.queue.who.endpoints, texts{"tayfa"});
  s.queue_says(job_answer{ingress_script::view(job, job_state::IN_PROGRESS)});
  EXPECT_TRUE(says(client, R"("status":"IN_PROGRESS")")) << client->text();
  EXPECT_EQ(s.meters.value(meter::calls_held), 0);
}

TEST(ingress_actor, a_refused_runsync_is_held_no_longer) {
  ingress_script s;
  s.start();
  const auto client = s.runsync();
  EXPECT_EQ(s.meters.value(meter::calls_held), 1);
  s.queue_says(job_answer{fail(errc::queue_full, "full")});
  EXPECT_TRUE(says(client, "queue_full"));
  EXPECT_EQ(s.meters.value(meter::calls_held), 0);
  s.messages();
  s.pass(10s);
  EXPECT_EQ(s.messages(), texts{}) << "no look at the end of its wait";
}

TEST(ingress_actor, a_runsync_whose_key_names_an_earlier_job_waits_for_that) {
  ingress_script s;
  s.start();
  const auto client = s.runsync();
  s.queue_says(job_answer{ingress_script::view("earlier", job_state::IN_PROGRESS)});
  s.tell(s.tested, job_ended{ingress_script::view(s.queue.submitted, job_state::COMPLETED)});
  EXPECT_EQ(client->text(), "") << "not its job";
  s.tell(s.tested, job_ended{ingress_script::view("earlier", job_state::COMPLETED)});
  EXPECT_TRUE(says(client, "earlier")) << client->text();

  const auto late = s.runsync();
  s.messages();
  s.queue_says(job_answer{ingress_script::view("earlier", job_state::COMPLETED)});
  EXPECT_EQ(s.messages(), texts{"find earlier"}) << "it has ended, nothing will report its end";
}

TEST(ingress_actor, a_client_that_leaves_is_answered_with_what_there_is) {
  ingress_script s;
  s.start();
  const auto client = s.status_sync("a");
  s.queue_says(job_answer{ingress_script::view("a", job_state::IN_QUEUE)});
  EXPECT_EQ(client->text(), "") << "its job has not ended";
  s.messages();
  s.leaves(client);
  EXPECT_EQ(s.messages(), texts{"find a"});
  EXPECT_EQ(s.queue.who.endpoints, texts{"tayfa"}) << "with the access that it came with";
  s.queue_says(job_answer{ingress_script::view("a", job_state::IN_QUEUE)});
  EXPECT_TRUE(says(client, "IN_QUEUE"));
}

TEST(ingress_actor, all_that_wait_for_a_job_are_answered_by_its_end) {
  ingress_script s;
  s.start();
  const auto first = s.status_sync("a");
  const auto second = s.status_sync("a");
  const auto other = s.status_sync("b");
  for (const auto* job : {"a", "a", "b"}) {
    s.queue_says(job_answer{ingress_script::view(job, job_state::IN_PROGRESS)});
  }
  s.tell(s.tested, job_ended{ingress_script::view("a", job_state::COMPLETED)});
  EXPECT_TRUE(says(first, "COMPLETED"));
  EXPECT_TRUE(says(second, "COMPLETED"));
  EXPECT_EQ(other->text(), "");
}

TEST(ingress_actor, a_client_that_may_not_know_the_end_is_not_answered_at_once) {
  ingress_script s;
  s.start();
  const auto client = s.status_sync("a");
  s.queue_says(job_answer{ingress_script::view("a", job_state::CANCELLED)});
  EXPECT_EQ(client->text(), "") << "RunPod's Go client would ask again at once";
  s.pass(500ms);
  s.queue_says(job_answer{ingress_script::view("a", job_state::CANCELLED)});
  EXPECT_TRUE(says(client, "CANCELLED"));
}

TEST(ingress_actor, chunks_that_were_received_are_read_and_others_are_not) {
  ingress_script s;
  s.start();
  const auto lost = s.stream("a");
  s.pass(200ms);
  s.queue_says(ingress_script::unread("a", job_state::IN_PROGRESS, {"1", "2"}, 2));
  EXPECT_TRUE(says(lost, R"("stream":[{"output":1},{"output":2}])")) << lost->text();
  s.messages();
  s.receives(lost, false);
  EXPECT_EQ(s.messages(), texts{}) << "the chunks stay";
  const auto again = s.stream("a");
  s.pass(200ms);
  s.queue_says(ingress_script::unread("a", job_state::IN_PROGRESS, {"1", "2"}, 2));
  EXPECT_TRUE(says(again, R"({"output":1})"));
  s.messages();
  s.receives(again);
  EXPECT_EQ(s.messages(), texts{"received a 2"});
}

TEST(ingress_actor, the_next_reader_waits_for_the_receipt_of_the_last) {
  ingress_script s;
  s.start();
  const auto first = s.stream("a");
  s.pass(200ms);
  s.queue_says(ingress_script::unread("a", job_state::IN_PROGRESS, {"1"}, 1));
  const auto second = s.stream("a");
  s.pass(200ms);
  s.queue_says(ingress_script::unread("a", job_state::IN_PROGRESS, {"1"}, 1));
  EXPECT_EQ(second->text(), "") << "the first one may have it";
  s.messages();
  s.receives(first);
  EXPECT_EQ(s.messages(), (texts{"received a 1", "read a watched"}));
  s.queue_says(ingress_script::unread("a", job_state::IN_PROGRESS, {"2"}, 2));
  EXPECT_TRUE(says(second, R"([{"output":2}])")) << second->text();
}

TEST(ingress_actor, an_answer_of_the_queue_that_is_older_than_the_receipt_is_dropped) {
  ingress_script s;
  s.start();
  const auto first = s.stream("a");
  s.pass(200ms);
  s.queue_says(ingress_script::unread("a", job_state::IN_PROGRESS, {"1"}, 1));
  const auto second = s.stream("a");
  s.pass(200ms);
  s.receives(first); // the queue has not answered the second one yet
  s.queue_says(ingress_script::unread("a", job_state::IN_PROGRESS, {"1"}, 1));
  EXPECT_EQ(second->text(), "") << "that is what the first one has received";
  s.queue_says(ingress_script::unread("a", job_state::IN_PROGRESS, {"2"}, 2));
  EXPECT_TRUE(says(second, R"([{"output":2}])")) << second->text();
}

TEST(ingress_actor, a_dead_queue_is_named_and_a_new_one_is_asked_about_the_held_calls) {
  ingress_script s;
  s.start();
  const auto waits = s.status_sync("a");
  s.queue_says(job_answer{ingress_script::view("a", job_state::IN_PROGRESS)});
  s.queue_dies();
  EXPECT_TRUE(says(s.runsync(), "the queue is restarting"));
  EXPECT_TRUE(says(s.status_sync("b"), "the queue is restarting"));
  EXPECT_TRUE(says(s.stream("b"), "the queue is restarting"));
  EXPECT_EQ(waits->text(), "") << "it has asked already";
  s.messages();
  s.new_queue();
  s.tell(s.tested, s.directory);
  EXPECT_EQ(s.messages(), texts{"find a"}) << "its end may have been reported by the dead one";
  s.queue_says(job_answer{ingress_script::view("a", job_state::IN_PROGRESS)});
  EXPECT_TRUE(says(waits, "IN_PROGRESS"));
}

TEST(ingress_actor, names_the_part_that_does_not_answer) {
  ingress_script s;
  s.start();
  caf::anon_send_exit(s.directory.supervisor, caf::exit_reason::kill);
  caf::anon_send_exit(s.directory.remote, caf::exit_reason::kill);
  caf::anon_send_exit(s.directory.health, caf::exit_reason::kill);
  s.settle();
  EXPECT_TRUE(says(s.calls(list_slots{}), "the supervisor is restarting"));
  EXPECT_TRUE(says(s.calls(list_workers{}), "the gateway of remote workers is restarting"));
  const auto health = s.calls(api::health{});
  s.queue_says(counts_answer{});
  EXPECT_TRUE(says(health, "health is restarting")) << health->text();
}

TEST(ingress_actor, a_pod_that_stops_accepts_no_job_and_still_answers_about_those_it_has) {
  ingress_script s;
  s.start();
  s.tell(s.tested, pod_moved{pod_state::STOPPING, false});
  EXPECT_TRUE(says(s.runsync(), R"("code":"stopping")"));
  EXPECT_TRUE(says(s.calls(api::ready{}), R"("code":"stopping")"));
  EXPECT_EQ(s.messages(), texts{});
  api::status call;
  call.ask.id = ingress_script::id("a");
  const auto client = s.calls(call);
  s.queue_says(job_answer{ingress_script::view("a", job_state::COMPLETED)});
  EXPECT_TRUE(says(client, "COMPLETED"));
  EXPECT_EQ(s.meters.value(meter::jobs_refused), 1);
}

TEST(ingress_actor, answers_every_held_call_when_it_ends) {
  ingress_script s;
  s.start();
  const auto waits = s.status_sync("a");
  const auto submitted = s.runsync();
  s.ends(caf::exit_reason::user_shutdown);
  EXPECT_TRUE(says(waits, R"("code":"stopping")")) << waits->text();
  EXPECT_TRUE(says(waits, "job a has not ended"));
  EXPECT_TRUE(says(submitted, R"("code":"stopping")"));
}

TEST(ingress_actor, a_held_call_is_answered_when_the_ingress_is_killed) {
  ingress_script s;
  s.start();
  const auto waits = s.status_sync("a");
  s.ends(caf::exit_reason::kill);
  EXPECT_EQ(waits->answer->status, 503U);
}

TEST(ingress_actor, is_processing_while_the_queue_has_work) {
  ingress_script s;
  s.tell(s.tested, s.directory);
  s.tell(s.tested, load_changed{true, false, false});
  EXPECT_EQ(s.log.count("to=PROCESSING"), 0U) << "the pod is not READY";
  s.tell(s.tested, pod_moved{pod_state::READY, true});
  EXPECT_EQ(s.log.count("to=PROCESSING"), 1U);
  s.tell(s.tested, load_changed{false, false, false});
  EXPECT_EQ(s.log.count("from=PROCESSING to=READY"), 1U);
}

} // namespace
} // namespace tayfa::testing
