// The gateway of pods between its listener, the list of keys and operators, message by message.
// Its decisions about pods are tested in tests/unit/pods.
#include "actors/pod_gateway.hpp"
#include "tests/unit/actors/actor_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Keeps what it is asked, in order; pods "connect" when the script says so.
class scripted_listener final : public pods::pod_listener {
 public:
  std::vector<std::string> calls;
  std::optional<error> broken;
  std::function<void(pods::listener_event)> sink;

  result<std::string> open(const pods::listen_options& o,
                           std::function<void(pods::listener_event)> on_event) override {
    calls.push_back("open " + o.endpoint);
    if (broken) {
      return fail(*broken);
    }
    sink = std::move(on_event);
    return o.endpoint + "/bound";
  }
  pods::sent send(pods::connection_id, const link_message&) override { return pods::sent::yes; }
  void drop(pods::connection_id id) override { calls.push_back("drop " + std::to_string(id)); }
  void admit(std::shared_ptr<const pods::admitted> list) override {
    calls.push_back("admit " + std::to_string(list->keys.size()));
  }
  result<std::string> add_endpoint(const pods::listen_options& o) override { return o.endpoint; }
  result<void> remove_endpoint(const std::string&) override { return {}; }
  void close() override {
    calls.emplace_back("close");
    sink = nullptr;
  }
};

/// The list's side: what was asked, and answers when the script gives them.
class scripted_trust final : public pods::trust_port {
 public:
  std::vector<std::string> calls;
  std::function<void(result<std::shared_ptr<const pods::admitted>>)> changed;
  std::function<void(result<trust_list>)> list_wanted;
  std::function<void(result<join_text>)> text_wanted;

  void watch(std::function<void(result<std::shared_ptr<const pods::admitted>>)> c) override {
    changed = std::move(c);
  }
  void join(std::string, std::string, std::string, std::function<void(result<void>)>) override {}
  void list(std::function<void(result<trust_list>)> done) override {
    calls.emplace_back("list");
    list_wanted = std::move(done);
  }
  void change(change_trust m, std::function<void(result<trust_list>)> done) override {
    calls.push_back((m.trusted ? "trust " : "revoke ") + m.pod + " by " + m.by);
    list_wanted = std::move(done);
  }
  void make_token(make_join_text m, std::string listens,
                  std::function<void(result<join_text>)> done) override {
    calls.push_back("token at " + listens + " by " + m.by);
    text_wanted = std::move(done);
  }
  void stop() override { changed = nullptr; }
};

/// The supervisor, as far as a link that failed concerns it.
class failure_listener : public caf::event_based_actor {
 public:
  struct seen {
    std::vector<std::string> messages;
  };
  failure_listener(caf::actor_config& cfg, seen& all) : caf::event_based_actor(cfg), all_(all) {}
  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    return {[this](const link_failed& m) { all_.messages.push_back(m.why.text); }};
  }

 private:
  seen& all_;
};

struct gateway_parts {
  scripted_listener listener;
  scripted_trust trust;
};

struct gateway_script : gateway_parts, actor_script {
  gateway_script() {
    outside.listener = &listener;
    outside.trust = &trust;
    head_terms terms;
    terms.self.id = "head";
    terms.listen.endpoint = "tcp://127.0.0.1:7500";
    directory.queue = stand_in<queue_actor>(queue);
    directory.supervisor = stand_in<supervisor_actor, failure_listener>(supervisor);
    tested = spawn<pod_gateway, pod_gateway_actor>(terms, make_pod_registry(terms, listener));
    directory.pods = tested;
    tell(tested, directory);
  }
  ~gateway_script() {
    directory = {};
    for (const auto& each : askers) {
      caf::anon_send_exit(each, caf::exit_reason::kill);
    }
  }

  void lists(std::vector<std::string> keys) {
    auto list = std::make_shared<pods::admitted>();
    for (auto& key : keys) {
      list->keys.emplace(std::move(key), "");
    }
    trust.changed(std::shared_ptr<const pods::admitted>{std::move(list)});
    settle();
  }
  /// A request that may be answered later.
  template <class Request>
  std::shared_ptr<std::optional<typename Request::answer>> ask(Request what) {
    auto got = std::make_shared<std::optional<typename Request::answer>>();
    askers.emplace_back(system.spawn([this, got, what](caf::event_based_actor* self) {
      self->request(tested, caf::infinite, what)
          .then([got](const typename Request::answer& a) { *got = a; }, [](const caf::error&) {});
    }));
    settle();
    return got;
  }
  std::vector<std::string> listener_calls() { return std::exchange(listener.calls, {}); }

  stand_in_actor::seen queue;
  failure_listener::seen supervisor;
  actor_directory directory;
  pod_gateway_actor tested;
  std::vector<caf::actor> askers;
};

TEST(pod_gateway, nobody_is_listened_to_before_the_list_is_known) {
  gateway_script s;
  EXPECT_THAT(s.listener_calls(), ElementsAre("close"));
  s.lists({"a", "b"});
  EXPECT_THAT(s.listener_calls(), ElementsAre("admit 2", "open tcp://127.0.0.1:7500"));
  s.lists({"a"});
  EXPECT_THAT(s.listener_calls(), ElementsAre("admit 1"));
  EXPECT_EQ(s.log.count("listening_for_pods"), 1U);
}

TEST(pod_gateway, a_list_that_cannot_be_read_ends_the_head_only_at_its_start) {
  gateway_script s;
  s.trust.changed(fail(errc::bad_config, "line 3 is damaged"));
  s.settle();
  EXPECT_THAT(s.supervisor.messages, ElementsAre("line 3 is damaged"));
  s.lists({"a"});
  s.listener_calls();
  s.trust.changed(fail(errc::bad_config, "line 4 is damaged"));
  s.settle();
  EXPECT_EQ(s.supervisor.messages.size(), 1U);
  EXPECT_TRUE(s.listener_calls().empty()) << "the earlier keys stay in force";
}

TEST(pod_gateway, an_address_that_cannot_be_listened_at_ends_the_head) {
  gateway_script s;
  s.listener.broken = error{errc::port_in_use, "it is taken"};
  s.lists({});
  EXPECT_THAT(s.supervisor.messages, ElementsAre("it is taken"));
}

TEST(pod_gateway, a_listener_that_failed_is_opened_again) {
  gateway_script s;
  s.lists({"a"});
  s.listener_calls();
  s.listener.sink(pods::listener_failed{{errc::io_error, "no more descriptors"}});
  s.settle();
  EXPECT_TRUE(s.listener_calls().empty());
  s.pass(1'100ms);
  EXPECT_THAT(s.listener_calls(), ElementsAre("close", "open tcp://127.0.0.1:7500"));
  EXPECT_TRUE(s.supervisor.messages.empty());
}

TEST(pod_gateway, peers_that_are_refused_are_counted) {
  gateway_script s;
  s.lists({});
  s.listener.sink(pods::refused_peer{"10.0.0.9", "its key is unknown"});
  s.settle();
  EXPECT_EQ(s.log.count("peer_refused"), 1U);
  EXPECT_THAT(s.meters.render(), HasSubstr("tayfa_peers_refused_total 1"));
}

TEST(pod_gateway, a_request_about_the_list_is_answered_when_the_list_has_answered) {
  gateway_script s;
  s.lists({"a"});
  const auto got = s.ask(list_trust{});
  EXPECT_FALSE(*got);
  trust_list all;
  all.pods = {{"gpu-1", "a", true, "api"}};
  s.trust.list_wanted(all);
  s.settle();
  ASSERT_TRUE(*got);
  ASSERT_TRUE((*got)->value);
  EXPECT_EQ((*got)->value->pods.size(), 1U);
  EXPECT_EQ((*got)->value->listens, "tcp://127.0.0.1:7500/bound");
}

TEST(pod_gateway, changes_name_who_made_them_and_pass_faults_on) {
  gateway_script s;
  s.lists({"a"});
  const auto by_key = s.ask(change_trust{"gpu-1", false, {}, "alice"});
  s.trust.list_wanted(fail(errc::not_found, "no such pod"));
  s.settle();
  EXPECT_EQ((*by_key)->value.error().code, errc::not_found);
  s.ask(change_trust{"gpu-1", true, {}, {}});
  const auto text = s.ask(make_join_text{{}, 5, "alice"});
  s.trust.text_wanted(join_text{"0f", "tayfa1:x", 5min});
  s.settle();
  EXPECT_EQ((*text)->value->text, "tayfa1:x");
  EXPECT_THAT(s.trust.calls, ElementsAre("revoke gpu-1 by key:alice", "trust gpu-1 by api",
                                         "token at tcp://127.0.0.1:7500/bound by key:alice"));
  EXPECT_EQ(s.log.text().find("tayfa1:x"), std::string::npos) << "the string is a secret";
}

TEST(pod_gateway, there_is_no_join_string_before_it_listens) {
  gateway_script s;
  const auto text = s.ask(make_join_text{{}, 5, {}});
  ASSERT_TRUE(*text);
  EXPECT_EQ((*text)->value.error().code, errc::not_ready);
}

TEST(pod_gateway, a_drain_names_a_pod_that_has_linked) {
  gateway_script s;
  s.lists({"a"});
  EXPECT_EQ((*s.ask(drain_pod{"gpu-1", pod_drain::fast}))->value.error().code, errc::not_found);
  EXPECT_TRUE((*s.ask(list_pods{}))->value->empty());
}

} // namespace
} // namespace tayfa::testing
