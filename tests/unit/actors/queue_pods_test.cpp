// Hellos of pods at the queue: answered when the decisions are durable, and not before the queue
// serves.
#include "actors/queue_limits.hpp"
#include "actors/queue_state.hpp"
#include "tests/unit/actors/actor_script.hpp"
#include "tests/unit/actors/held_store.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::testing {
namespace {

using messages = std::vector<std::string>;

constexpr node_id node{2};
constexpr worker_ref first{slot_id{0}, 1, node};

/// Stands for the actor of all pods: asks what it is sent, and keeps what it gets.
class stand_in_pods : public caf::event_based_actor {
 public:
  struct seen {
    queue_actor queue;
    messages all;
  };
  stand_in_pods(caf::actor_config& cfg, seen& all) : caf::event_based_actor(cfg), seen_(all) {}

  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    return {
        [this](const pods::reconcile_pod& m) {
          request(seen_.queue, caf::infinite, m).then([this](const pods::pod_reconciled& answer) {
            std::string text = "session " + std::to_string(answer.session);
            for (const auto& each : answer.decisions) {
              text += each.verdict == pod_protocol::verdict::keep     ? " keep"
                      : each.verdict == pod_protocol::verdict::report ? " report"
                                                                      : " drop";
            }
            seen_.all.push_back(text);
          });
        },
        [this](const attempt_reported& m) { send(seen_.queue, m); },
        [this](const assign_attempts& m) {
          for (const auto& body : m.bodies) {
            seen_.all.push_back("run " + to_string(body.attempt));
          }
        },
        [this](const revoke_attempt& m) { seen_.all.push_back("revoke " + to_string(m.attempt)); }};
  }

 private:
  seen& seen_;
};

struct pods_script : actor_script {
  pods_script() {
    directory.supervisor = stand_in<supervisor_actor>(supervisor);
    directory.ingress = stand_in<ingress_actor>(others);
    tested =
        spawn_queue(system, pod_context{pod_world, knobs}, make_queue_state(limits_from(knobs)));
    pods.queue = tested;
    pod = stand_in<caf::actor, stand_in_pods>(pods);
    tell(tested, directory);
  }
  ~pods_script() {
    caf::anon_send_exit(tested, caf::exit_reason::kill);
    directory = {};
    pods.queue = queue_actor{};
  }

  static pods::reconcile_pod hello(std::uint64_t session) {
    pods::reconcile_pod m;
    m.node = node;
    m.session = session;
    m.key = "key";
    worker_ready ready{first, {}};
    ready.facts.capacity = 1;
    ready.facts.elastic = ready.facts.forgotten_when_gone = true;
    m.workers.push_back(std::move(ready));
    return m;
  }
  void submit(const std::string& id) {
    submit_job m;
    m.id = job_id{id};
    m.request.endpoint = "tayfa";
    m.request.input = shared_text{"1"};
    tell(tested, std::move(m));
  }
  void ready() { tell(tested, pod_moved{pod_state::READY, true}); }
  void store_answers() {
    while (pod_store.answer()) {
      settle();
    }
  }
  messages take() { return std::exchange(pods.all, {}); }

  held_store pod_store;
  scripted_poster hooks;
  world pod_world{time,  random, secrets,   log,   meters, engines, http,
                  probe, models, pod_store, hooks, feed,   platform};
  stand_in_actor::seen supervisor, others;
  stand_in_pods::seen pods;
  actor_directory directory;
  queue_actor tested;
  caf::actor pod;
};

const attempt_ref a1{job_id{"a"}, 1};

TEST(queue_pods, a_hello_waits_until_the_queue_serves) {
  pods_script s;
  s.tell(s.pod, s.hello(1));
  s.store_answers();
  EXPECT_EQ(s.take(), messages{});
  s.ready();
  s.store_answers();
  EXPECT_EQ(s.take(), messages{"session 1"});
}

TEST(queue_pods, decisions_leave_when_they_are_durable) {
  pods_script s;
  s.ready();
  s.tell(s.pod, s.hello(1));
  s.submit("a");
  s.store_answers();
  EXPECT_EQ(s.take(), (messages{"session 1", "run a#1"}));
  auto again = s.hello(2); // "a" never came to the pod
  again.absent.push_back({a1, first, pods::head_view::held_sent});
  s.tell(s.pod, again);
  EXPECT_EQ(s.take(), messages{}) << "a is given again by a commit";
  s.store_answers();
  EXPECT_EQ(s.take(), (messages{"run a#2", "session 2"}));
}

TEST(queue_pods, what_a_pod_kept_is_reported_by_its_keeper) {
  pods_script s;
  s.ready();
  s.tell(s.pod, s.hello(1));
  s.submit("a");
  s.store_answers();
  s.take();
  auto again = s.hello(2);
  again.workers.clear();
  again.gone.push_back(first);
  const worker_ref keeper{pods::kept_slot, 2, node};
  again.claims.push_back({a1, pods::pod_view::finished, keeper});
  s.tell(s.pod, again);
  s.store_answers();
  EXPECT_EQ(s.take(), messages{"session 2 report"});
  protocol::finished last;
  last.attempt = a1;
  last.output = shared_text{"42"};
  s.tell(s.pod, attempt_reported{keeper, last});
  s.store_answers();
  EXPECT_EQ(s.pod_store.row("a")->state, job_state::COMPLETED);
}

TEST(queue_pods, a_cancel_reaches_the_pod_after_its_hello) {
  pods_script s;
  s.ready();
  s.tell(s.pod, s.hello(1));
  s.submit("a");
  s.store_answers();
  s.take();
  auto again = s.hello(2);
  again.claims.push_back({a1, pods::pod_view::running, first});
  s.tell(s.pod, again);
  s.store_answers();
  EXPECT_EQ(s.take(), messages{"session 2 keep"});
  s.tell(s.tested, cancel_job{job_access{}, job_id{"a"}, false});
  s.store_answers();
  EXPECT_EQ(s.take(), messages{"revoke a#1"});
}

} // namespace
} // namespace tayfa::testing
