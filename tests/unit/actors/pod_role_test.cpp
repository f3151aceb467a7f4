// The roles of a process: a pod that has a head has no queue and no store, and answers only for
// itself; a head has a gateway for pods.
#include "actors/head_link.hpp"
#include "actors/pod_gateway.hpp"
#include "tests/unit/actors/ingress_script.hpp"
#include "tests/unit/actors/supervisor_script.hpp"

#include <deque>
#include <optional>

namespace tayfa::testing {
namespace {

/// The head's machine is away: every try fails when the script says so.
class absent_head final : public pods::head_connector {
 public:
  void connect(const pods::connect_options& o,
               std::function<void(pods::connector_event)> on_event) override {
    addresses.push_back(o.address);
    on_event_ = std::move(on_event);
  }
  pods::sent send(const link_message&) override { return pods::sent::gone; }
  void disconnect() override { on_event_ = nullptr; }
  void fail_try() {
    if (const auto on_event = std::exchange(on_event_, nullptr)) {
      on_event(pods::connection_ended{pods::cut::unreachable, "no route"});
    }
  }

  std::vector<std::string> addresses; ///< that were tried

 private:
  std::function<void(pods::connector_event)> on_event_;
};

/// The results of a pod, in memory.
class instant_results final : public pods::result_port {
 public:
  std::optional<error> broken;
  std::map<attempt_ref, protocol::finished> kept;

  void open(std::function<void(result<std::vector<pods::kept_result>>)> done) override {
    if (broken) {
      done(fail(*broken));
      return;
    }
    std::vector<pods::kept_result> all;
    for (const auto& [attempt, m] : kept) {
      all.push_back({attempt, m.output.size()});
    }
    done(std::move(all));
  }
  void keep(protocol::finished m, std::function<void(result<void>)> done) override {
    kept[m.attempt] = std::move(m);
    done({});
  }
  void read(attempt_ref attempt, std::function<void(result<protocol::finished>)> done) override {
    done(kept.at(attempt));
  }
  void remove(attempt_ref attempt) override { kept.erase(attempt); }
};

/// Outlives the actors.
struct pod_parts {
  absent_head connector;
  instant_results results;
};

struct pod_script : pod_parts, supervisor_script {
  pod_script() {
    pod_world.connector = &connector;
    pod_world.results = &results;
    link_terms link;
    link.self.name = "alpha";
    link.heads = {{"tcp://head:7500", std::string(pod_protocol::key_length, 'h')}};
    terms.link = std::move(link);
  }
};

TEST(pod_role, a_pod_with_a_head_serves_without_queue_and_store) {
  pod_script s;
  s.pod_store.opens = false; // it would wait for ever
  s.run();
  EXPECT_EQ(s.lives("head_link"), 1U);
  EXPECT_EQ(s.lives("ingress"), 1U);
  EXPECT_EQ(s.lives("gpu_worker"), 1U);
  EXPECT_EQ(s.lives("queue") + s.lives("remote_workers") + s.lives("pod_gateway"), 0U);
}

TEST(pod_role, the_head_is_tried_again_after_each_failure) {
  pod_script s;
  s.run();
  for (int i = 0; i < 3; ++i) {
    s.pass(20s);
    s.connector.fail_try();
    s.settle();
  }
  EXPECT_EQ(s.connector.addresses.size(), 3U);
  EXPECT_EQ(s.connector.addresses.front(), "tcp://head:7500");
  EXPECT_EQ(s.log.count("head_unreachable"), 3U);
  EXPECT_EQ(s.pod(), "READY");
}

TEST(pod_role, a_pod_whose_head_is_away_stops_at_once) {
  pod_script s;
  s.run();
  s.stop();
  s.pass(5s);
  EXPECT_EQ(s.phases(), "DRAINING_QUEUE " + after_the_drain);
  EXPECT_EQ(s.exit.code, 0);
  EXPECT_FALSE(s.pod_store.closed) << "it was never opened";
}

TEST(pod_role, a_new_link_gets_new_parts_behind_it_and_the_same_workers) {
  pod_script s;
  s.run();
  s.kill("head_link");
  s.pass(1s);
  EXPECT_EQ(s.lives("head_link"), 2U);
  EXPECT_EQ(s.lives("ingress"), 2U);
  EXPECT_EQ(s.lives("gpu_worker"), 1U);
  EXPECT_EQ(s.pod(), "READY");
}

TEST(pod_role, a_pod_that_cannot_read_its_results_ends) {
  pod_script s;
  s.results.broken = error{errc::io_error, "the folder is unreadable"};
  s.start();
  s.pass(3s);
  EXPECT_EQ(s.pod(), "STOPPED");
  EXPECT_EQ(s.exit.code, 70);
}

// ---- the ingress of a pod that has a head -------------------------------------------------------

struct pod_ingress_script : ingress_script {
  pod_ingress_script() {
    directory.queue = nullptr;
    directory.remote = nullptr;
    start();
    tell(tested, link_moved{true, "tcp://head:7500"});
  }
};

TEST(pod_role, jobs_are_refused_with_the_address_of_the_head) {
  pod_ingress_script s;
  for (const auto& client : {s.runsync(), s.status_sync("a"), s.stream("a"), s.calls(list_jobs{}),
                             s.calls(cancel_job{{}, job_id{"a"}, false})}) {
    ASSERT_TRUE(client->answer);
    EXPECT_EQ(client->answer->status, 421U);
    EXPECT_NE(client->text().find("tcp://head:7500"), std::string::npos) << client->text();
  }
}

TEST(pod_role, ping_and_ready_say_whether_the_head_answers) {
  pod_ingress_script s;
  s.tell(s.tested, pod_moved{pod_state::READY, true});
  EXPECT_EQ(s.calls(api::ping{})->answer->status, 200U);
  EXPECT_EQ(s.calls(api::ready{})->answer->status, 200U);
  s.tell(s.tested, link_moved{false, "tcp://head:7500"});
  EXPECT_EQ(s.calls(api::ping{})->answer->status, 204U);
  const auto ready = s.calls(api::ready{});
  EXPECT_EQ(ready->answer->status, 503U);
  EXPECT_NE(ready->text().find("does not answer"), std::string::npos) << ready->text();
}

} // namespace
} // namespace tayfa::testing
