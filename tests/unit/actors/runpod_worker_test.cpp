// The actor around the session of RunPod's worker protocol: its calls, timers and requests, and how
// it dies. What the session decides is tested in tests/unit/runpod_worker.
#include "actors/runpod_worker.hpp"

#include "tests/unit/actors/actor_script.hpp"
#include "tests/unit/actors/stand_in_queue.hpp"
#include "tests/unit/runpod_worker/samples.hpp"

#include <gtest/gtest.h>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;
using runpod::samples::answer;
using texts = std::vector<std::string>;

constexpr const char* take_url = "/job-take";
constexpr const char* stop_url = "/job-stop/";
constexpr const char* done_url = "/job-done/";

/// The actor, a queue and a supervisor that stand in, and a platform that the script plays.
struct worker_script : actor_script {
  explicit worker_script(std::uint32_t capacity = 2) : capacity_(capacity) {
    terms.platform = runpod::samples::settings_of(runpod::samples::environment());
    directory.supervisor = stand_in<supervisor_actor>(supervisor);
    new_queue();
    new_worker();
  }
  ~worker_script() { directory = {}; }

  void new_queue() { directory.queue = stand_in<queue_actor, stand_in_queue>(queue); }
  void new_worker() {
    tested = spawn<runpod_worker, runpod_worker_actor>(terms);
    directory.runpod = tested;
    settle();
  }
  template <class Answer>
  void queue_says(Answer a) {
    settle();
    caf::anon_send(caf::actor_cast<caf::actor>(directory.queue), std::move(a));
    settle();
  }
  /// The pod serves, and its queue has these jobs of the platform.
  void start(const texts& jobs = {}) {
    tell(tested, directory);
    queue_says(known(jobs));
    tell(tested, slots_ready{capacity_});
    tell(tested, pod_moved{pod_state::READY, true});
    messages();
  }
  static origin_jobs known(const texts& jobs) {
    origin_jobs all;
    for (const auto& each : jobs) {
      all.live.emplace_back(runpod::local_id(each), each);
    }
    return all;
  }
  void platform_says(const std::string& url, result<outgoing_answer> a) {
    ASSERT_TRUE(platform.answer(url, std::move(a))) << url;
    settle();
  }
  void gives(const std::string& job) {
    platform_says(take_url, answer(200, R"([{"id":")" + job + R"(","input":1}])"));
  }
  void ends(const std::string& job) {
    job_view v;
    v.id = runpod::local_id(job);
    v.state = job_state::COMPLETED;
    v.output = shared_text{"1"};
    tell(tested, deliver_result{v, job});
  }
  void kill() {
    caf::anon_send_exit(tested, caf::exit_reason::kill);
    settle();
  }
  /// The messages that the queue got since the last call.
  texts messages() { return std::exchange(queue.messages, {}); }
  std::size_t takes() const { return platform.count(take_url); }
  std::string take_call() { return platform.latest(take_url)->call.url; }

  stand_in_queue::seen queue;
  stand_in_actor::seen supervisor;
  runpod_terms terms;
  actor_directory directory;
  runpod_worker_actor tested;

 private:
  std::uint32_t capacity_;
};

job_answer accepted(const std::string& job, job_state as = job_state::IN_QUEUE) {
  job_view v;
  v.id = runpod::local_id(job);
  v.state = as;
  return {v};
}

TEST(runpod_worker_actor, takes_nothing_before_the_queue_has_named_its_jobs) {
  worker_script s;
  s.tell(s.tested, slots_ready{2});
  s.tell(s.tested, pod_moved{pod_state::READY, true});
  s.tell(s.tested, s.directory);
  EXPECT_EQ(s.messages(), texts{"ask for jobs"});
  s.pass(10s);
  EXPECT_EQ(s.takes(), 0U);
  s.queue_says(worker_script::known({"a"}));
  EXPECT_EQ(s.takes(), 1U);
  EXPECT_NE(s.take_call().find("/job-take/w1?gpu=RTX&job_in_progress=1"), std::string::npos)
      << s.take_call() << ": one of two places is free";
}

TEST(runpod_worker_actor, brings_a_job_from_the_platform_to_the_queue_and_its_result_back) {
  worker_script s{1};
  s.start();
  s.gives("a");
  EXPECT_EQ(s.messages(), texts{"submit a"});
  s.queue_says(accepted("a"));
  EXPECT_EQ(s.takes(), 1U) << "its place is used";
  s.tell(s.tested, origin_progress{runpod::local_id("a"), "a", true, shared_text{"7"}});
  EXPECT_EQ(s.platform.latest("/job-stream/")->call.body, R"({"output": 7})");
  s.ends("a");
  EXPECT_EQ(s.platform.latest(done_url), nullptr) << "behind the chunk";
  s.platform_says("/job-stream/", answer(200, ""));
  EXPECT_EQ(s.platform.latest(done_url)->call.body, R"({"output": []})");
  EXPECT_EQ(s.takes(), 2U);
  s.platform_says(done_url, answer(200, ""));
  EXPECT_EQ(s.messages(), texts{"posted a delivered"});
}

TEST(runpod_worker_actor, writes_its_lines_and_counts) {
  worker_script s;
  s.start();
  s.gives("a");
  EXPECT_EQ(s.log.count("job_taken"), 1U);
  EXPECT_EQ(s.log.count("job=a bytes=1"), 1U) << s.log.text();
  EXPECT_EQ(s.meters.value(meter::platform_takes), 1);
  s.platform_says(take_url, fail(errc::unavailable, "refused"));
  EXPECT_EQ(s.log.count("take_failed"), 1U);
  EXPECT_EQ(s.meters.value(meter::platform_troubles), 1);
}

TEST(runpod_worker_actor, a_take_is_dropped_when_it_was_held_for_its_time) {
  worker_script s;
  s.start();
  s.pass(89'900ms);
  EXPECT_FALSE(s.platform.latest(take_url)->dropped.has_value());
  s.pass(200ms);
  EXPECT_EQ(s.platform.latest(take_url)->dropped, s.knobs.runpod_stop_linger);
  s.platform_says(take_url, fail(errc::cancelled, "dropped"));
  EXPECT_EQ(s.takes(), 2U);
}

TEST(runpod_worker_actor, many_takes_leave_no_timer_each) {
  worker_script s;
  s.start();
  for (int i = 0; i < 200; ++i) {
    s.pass(100ms);
    s.platform_says(take_url, answer(204, ""));
  }
  EXPECT_EQ(s.takes(), 201U);
  EXPECT_LE(s.scheduler.clock().schedule().size(), 4U) << "of the take, the stop poll, the ping";
}

TEST(runpod_worker_actor, a_failed_take_waits_for_its_pause_only) {
  worker_script s;
  s.start();
  s.platform_says(take_url, answer(500, ""));
  EXPECT_EQ(s.takes(), 1U);
  s.pass(100ms);
  EXPECT_EQ(s.takes(), 2U) << "the timer of the take, in 90 s, is not the next";
}

TEST(runpod_worker_actor, the_answer_of_a_dead_actors_take_is_taken_by_the_next) {
  worker_script s;
  s.start();
  s.kill();
  EXPECT_TRUE(s.platform.latest(take_url)->dropped.has_value());
  EXPECT_TRUE(s.platform.latest(stop_url)->dropped.has_value());
  s.gives("a"); // it was under way
  s.new_worker();
  EXPECT_EQ(s.queue.submitted.str(), "") << "the new actor has no queue yet";
  s.start();
  EXPECT_EQ(s.queue.submitted.str(), "a");
}

TEST(runpod_worker_actor, the_late_answer_of_an_earlier_take_ends_none_of_the_next_actors) {
  worker_script s;
  s.start();
  auto old = std::exchange(s.platform.latest(take_url)->done, nullptr);
  s.kill();
  s.new_worker();
  s.start();
  ASSERT_EQ(s.takes(), 2U);
  old(answer(204, ""));
  s.settle();
  s.pass(1s);
  EXPECT_EQ(s.takes(), 2U) << "its own take is still open";
}

TEST(runpod_worker_actor, a_new_queue_is_asked_for_its_jobs_and_the_same_one_is_not) {
  worker_script s;
  s.start();
  s.tell(s.tested, s.directory);
  EXPECT_EQ(s.messages(), texts{});
  s.new_queue();
  s.tell(s.tested, s.directory);
  EXPECT_EQ(s.messages(), texts{"ask for jobs"});
  s.gives("a");
  EXPECT_EQ(s.messages(), texts{}) << "the job waits until the new queue has answered";
  s.queue_says(worker_script::known({"b"}));
  EXPECT_EQ(s.messages(), texts{"submit a"});
}

TEST(runpod_worker_actor, a_job_whose_queue_dies_is_not_reported_as_refused) {
  worker_script s{1};
  s.start();
  caf::anon_send_exit(s.directory.queue, caf::exit_reason::kill);
  s.settle();
  s.gives("a"); // to a queue that is dead: the next one knows whether it has the job
  EXPECT_EQ(s.platform.count(done_url), 0U);
  EXPECT_EQ(s.log.count("job_refused"), 0U);
}

TEST(runpod_worker_actor, a_stop_cancels_the_job_and_frees_its_place) {
  worker_script s{1};
  s.start({"a"});
  EXPECT_EQ(s.takes(), 0U);
  s.platform_says(stop_url, answer(200, R"({"jobsToStop":["a"]})"));
  EXPECT_EQ(s.messages(), texts{"cancel a"});
  EXPECT_TRUE(s.queue.who.endpoints.empty()) << "the platform owns the job, whatever its endpoint";
  s.queue_says(accepted("a", job_state::CANCELLED));
  EXPECT_EQ(s.takes(), 1U);
  EXPECT_EQ(s.platform.count(stop_url), 2U);
}

TEST(runpod_worker_actor, drains_when_its_take_has_ended_and_the_queue_has_all) {
  worker_script s;
  s.start();
  s.tell(s.tested, drain_origin{});
  EXPECT_EQ(s.platform.latest(take_url)->dropped, s.knobs.runpod_stop_linger);
  EXPECT_EQ(s.supervisor.messages, texts{});
  s.gives("a");
  EXPECT_EQ(s.messages(), texts{"submit a"});
  EXPECT_EQ(s.supervisor.messages, texts{});
  s.queue_says(accepted("a"));
  EXPECT_EQ(s.supervisor.messages, texts{"origin_drained"});
  EXPECT_EQ(s.takes(), 1U);
}

TEST(runpod_worker_actor, a_pod_that_does_not_serve_takes_nothing) {
  for (const auto& moved :
       {pod_moved{pod_state::READY, false}, pod_moved{pod_state::STOPPING, true},
        pod_moved{pod_state::LAUNCHING, true}}) {
    worker_script s;
    s.tell(s.tested, s.directory);
    s.queue_says(worker_script::known({}));
    s.tell(s.tested, slots_ready{2});
    s.tell(s.tested, moved);
    s.pass(5s);
    EXPECT_EQ(s.takes(), 0U) << to_string(moved.state);
  }
}

TEST(runpod_worker_actor, pings_begin_with_the_service_and_go_on_without_it) {
  worker_script s;
  s.pass(30s);
  EXPECT_EQ(s.platform.count("/ping/"), 0U);
  s.start({"a"});
  EXPECT_EQ(s.platform.count("/ping/"), 1U);
  EXPECT_NE(s.platform.latest("/ping/")->call.url.find("job_id=a"), std::string::npos);
  s.tell(s.tested, pod_moved{pod_state::STOPPING, false});
  s.tell(s.tested, pod_moved{pod_state::READY, true});
  EXPECT_EQ(s.platform.count("/ping/"), 1U) << "no second series of them";
  s.pass(12s);
  EXPECT_EQ(s.platform.count("/ping/"), 4U) << "every 4 s";
  s.platform_says("/ping/", answer(500, ""));
  EXPECT_EQ(s.meters.value(meter::platform_troubles), 1);
}

TEST(runpod_worker_actor, a_refresh_worker_stops_the_pod_after_its_job) {
  worker_script s;
  s.kill();
  s.knobs.runpod_refresh_worker = true;
  s.new_worker();
  s.start();
  s.gives("a");
  s.queue_says(accepted("a"));
  s.ends("a");
  EXPECT_EQ(s.supervisor.messages, texts{});
  s.platform_says(done_url, answer(200, ""));
  EXPECT_EQ(s.supervisor.messages, texts{"stop_pod refresh_worker"});
}

} // namespace
} // namespace tayfa::testing
