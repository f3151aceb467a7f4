// A child_keeper and the actor that owns it: how orders become actors, timers and exits.
#include "actors/child_keeper.hpp"

#include "tests/unit/actors/actor_script.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace tayfa::testing {
namespace {

using namespace std::chrono_literals;
using supervision::restart;
using supervision::strategy;
using ::testing::IsEmpty;
using texts = std::vector<std::string>;
using end = child_keeper::end;

/// Reason of an exit that says how the keeper shall judge it.
caf::error ends_as(end how) {
  return caf::make_error(caf::sec::runtime_error, static_cast<std::int32_t>(how));
}

/// A child: ends when it is asked to, unless it is deaf.
class played_child : public caf::event_based_actor {
 public:
  played_child(caf::actor_config& cfg, std::string name, texts& seen, bool deaf)
      : caf::event_based_actor(cfg) {
    set_exit_handler([this, name = std::move(name), &seen, deaf](caf::exit_msg& m) {
      if (m.reason == caf::exit_reason::user_shutdown) {
        seen.push_back("asked " + name);
        if (deaf) {
          return;
        }
      }
      quit(m.reason);
    });
  }
  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    return {[](int) {}};
  }
};

/// The owner, as the supervisor is one.
class owner_actor : public caf::event_based_actor {
 public:
  struct script {
    texts& seen;
    std::vector<caf::actor> children; ///< the latest of each
    bool deaf = false;                ///< children that start now
    bool cannot_start = false;
  };
  owner_actor(caf::actor_config& cfg, pod_context ctx, supervision::policy policy,
              std::vector<supervision::child_spec> specs, script& s)
      : caf::event_based_actor(cfg), ctx_(ctx), script_(s), names_(specs.size()) {
    for (std::size_t i = 0; i < specs.size(); ++i) {
      names_[i] = specs[i].name;
    }
    script_.children.resize(specs.size());
    child_keeper::hooks hooks;
    hooks.start = [this](std::size_t i) { return start(i); };
    hooks.later = [this](milliseconds after, std::uint64_t ticket) {
      send_timer(this, ctx_.outside.time, after, ticket);
    };
    hooks.started = [this] { script_.seen.emplace_back("started"); };
    hooks.gave_up = [this](std::size_t i, const error& why) {
      script_.seen.push_back("gave up " + names_[i] + " " + std::string{to_string(why.code)});
    };
    hooks.all_stopped = [this] { script_.seen.emplace_back("all stopped"); };
    hooks.quarantined = [this](std::size_t i, const error&, milliseconds span) {
      script_.seen.push_back("quarantine " + names_[i] + " " + std::to_string(span.count()));
    };
    keeper = std::make_unique<child_keeper>(
        this, ctx_, policy, std::move(specs), std::move(hooks), [](const caf::error& reason) {
          const auto& context = reason.context();
          if (context.match_elements<std::int32_t>()) {
            return static_cast<end>(context.get_as<std::int32_t>(0));
          }
          return reason == caf::exit_reason::user_shutdown ? end::normal : end::failed;
        });
    set_down_handler([this](const caf::down_msg& m) {
      if (!keeper->down(m)) {
        script_.seen.emplace_back("not a child");
      }
    });
  }
  caf::behavior make_behavior() override {
    return {
        when_due(this, ctx_.outside.time, [this](const due_timer& m) { keeper->timed(m.ticket); }),
        [this](const std::function<void(owner_actor&)>& act) { act(*this); }};
  }
  void on_exit() override { keeper.reset(); }

  std::unique_ptr<child_keeper> keeper;

 private:
  caf::strong_actor_ptr start(std::size_t i) {
    if (script_.cannot_start) {
      script_.seen.push_back("no " + names_[i]);
      return nullptr;
    }
    script_.seen.push_back("start " + names_[i]);
    script_.children[i] = system().spawn<played_child>(names_[i], script_.seen, script_.deaf);
    return caf::actor_cast<caf::strong_actor_ptr>(script_.children[i]);
  }

  pod_context ctx_;
  script& script_;
  texts names_;
};

} // namespace
} // namespace tayfa::testing

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::function<void(tayfa::testing::owner_actor&)>)

namespace tayfa::testing {
namespace {

supervision::policy calm_policy() {
  supervision::policy p;
  p.jitter = 0;
  p.backoff_base = 1s;
  p.intensity = 2;
  return p;
}

struct keeper_script : actor_script {
  explicit keeper_script(std::vector<supervision::child_spec> specs,
                         supervision::policy policy = calm_policy()) {
    owner = system.spawn<owner_actor>(context(), policy, std::move(specs), children);
  }
  ~keeper_script() {
    for (const auto& child : children.children) {
      caf::anon_send_exit(child, caf::exit_reason::kill);
    }
    caf::anon_send_exit(owner, caf::exit_reason::kill);
    settle();
  }
  void with_keeper(const std::function<void(child_keeper&)>& act) {
    tell(owner, std::function<void(owner_actor&)>{[act](owner_actor& o) { act(*o.keeper); }});
  }
  void start() {
    with_keeper([](child_keeper& k) { k.start(); });
  }
  void stop() {
    with_keeper([](child_keeper& k) { k.stop(); });
  }
  void child_ends(std::size_t i, const caf::error& how) {
    const auto& child = children.children[i];
    tell(child, caf::exit_msg{child.address(), how});
  }
  texts so_far() { return std::exchange(seen, {}); }

  texts seen;
  owner_actor::script children{seen, {}};
  caf::actor owner;
};

const std::vector<supervision::child_spec> one{{"a", restart::permanent, 2s}};
const std::vector<supervision::child_spec> three{
    {"a", restart::permanent, 2s}, {"b", restart::transient, 2s}, {"c", restart::temporary, 2s}};

TEST(child_keeper, children_start_in_order_and_the_owner_hears_of_it_once) {
  keeper_script s{three};
  s.start();
  EXPECT_EQ(s.so_far(), (texts{"start a", "start b", "start c", "started"}));
}

TEST(child_keeper, a_failed_child_is_started_again_after_its_backoff) {
  keeper_script s{three};
  s.start();
  s.so_far();
  s.child_ends(0, ends_as(end::failed));
  s.pass(900ms);
  EXPECT_THAT(s.so_far(), IsEmpty());
  s.pass(100ms);
  EXPECT_EQ(s.so_far(), (texts{"start a", "started"}));
}

TEST(child_keeper, a_child_that_ended_normally_is_restarted_only_if_permanent) {
  keeper_script s{three};
  s.start();
  s.so_far();
  s.child_ends(1, caf::exit_reason::user_shutdown);
  s.child_ends(2, caf::exit_reason::user_shutdown);
  s.pass(5s);
  EXPECT_EQ(s.so_far(), (texts{"asked b", "asked c"}));
  s.child_ends(0, caf::exit_reason::user_shutdown);
  s.pass(1s);
  EXPECT_EQ(s.so_far(), (texts{"asked a", "start a", "started"}));
}

TEST(child_keeper, a_child_that_asks_for_a_fresh_one_is_replaced_at_once_however_often) {
  keeper_script s{one};
  s.start();
  s.so_far();
  for (int i = 0; i < 10; ++i) {
    s.child_ends(0, ends_as(end::refresh));
    EXPECT_EQ(s.so_far(), (texts{"start a", "started"})) << i;
  }
}

TEST(child_keeper, a_child_whose_work_brought_it_down_is_excused) {
  keeper_script s{one};
  s.start();
  s.so_far();
  for (int i = 0; i < 10; ++i) {
    s.child_ends(0, ends_as(end::excused_after_work));
    EXPECT_EQ(s.so_far(), (texts{"start a", "started"})) << i;
  }
  for (int i = 0; i < 2; ++i) {
    s.pass(500ms);
    s.child_ends(0, ends_as(end::excused));
    EXPECT_EQ(s.so_far(), (texts{"start a", "started"})) << i;
  }
  s.pass(500ms);
  s.child_ends(0, ends_as(end::excused));
  EXPECT_THAT(s.so_far(), IsEmpty()) << "it never did any work well: it waits as long as it lived";
  s.pass(500ms);
  EXPECT_EQ(s.so_far(), (texts{"start a", "started"}));
}

TEST(child_keeper, a_child_that_cannot_be_made_has_failed) {
  keeper_script s{one};
  s.children.cannot_start = true;
  s.start();
  EXPECT_EQ(s.so_far(), texts{"no a"});
  s.children.cannot_start = false;
  s.pass(1s);
  EXPECT_EQ(s.so_far(), (texts{"start a", "started"}));
}

TEST(child_keeper, too_many_failures_end_in_giving_up) {
  keeper_script s{one};
  s.start();
  for (int i = 0; i < 2; ++i) {
    s.child_ends(0, ends_as(end::failed));
    s.pass(4s);
  }
  s.so_far();
  s.child_ends(0, ends_as(end::failed));
  EXPECT_EQ(s.so_far(), texts{"gave up a restart_intensity"});
  s.pass(30s);
  EXPECT_THAT(s.so_far(), IsEmpty());
}

TEST(child_keeper, where_there_are_quarantines_it_is_tried_again) {
  auto policy = calm_policy();
  policy.quarantine_base = 20s;
  keeper_script s{one, policy};
  s.start();
  for (int i = 0; i < 2; ++i) {
    s.child_ends(0, ends_as(end::failed));
    s.pass(4s);
  }
  s.so_far();
  s.child_ends(0, ends_as(end::failed));
  EXPECT_EQ(s.so_far(), texts{"quarantine a 20000"});
  s.pass(19'900ms);
  EXPECT_THAT(s.so_far(), IsEmpty());
  s.pass(100ms);
  EXPECT_EQ(s.so_far(), (texts{"start a", "started"}));
}

TEST(child_keeper, a_stop_asks_one_after_the_other_in_reverse_order) {
  keeper_script s{three};
  s.children.deaf = true;
  s.start();
  s.so_far();
  s.stop();
  EXPECT_EQ(s.so_far(), texts{"asked c"}) << "b is asked when c has ended";
  s.child_ends(2, ends_as(end::normal));
  EXPECT_EQ(s.so_far(), texts{"asked b"});
  s.child_ends(1, ends_as(end::normal));
  s.child_ends(0, ends_as(end::normal));
  EXPECT_EQ(s.so_far(), (texts{"asked a", "all stopped"}));
}

TEST(child_keeper, a_child_that_does_not_end_in_time_is_killed) {
  keeper_script s{one};
  s.children.deaf = true;
  s.start();
  s.so_far();
  s.stop();
  s.pass(1'900ms);
  EXPECT_EQ(s.so_far(), texts{"asked a"});
  s.pass(100ms);
  EXPECT_EQ(s.so_far(), texts{"all stopped"});
}

TEST(child_keeper, a_stop_ends_what_waits_for_its_restart) {
  keeper_script s{one};
  s.start();
  s.child_ends(0, ends_as(end::failed));
  s.so_far();
  s.stop();
  EXPECT_EQ(s.so_far(), texts{"all stopped"});
  s.pass(10s);
  EXPECT_THAT(s.so_far(), IsEmpty()) << "the old timer starts nothing";
  s.stop();
  EXPECT_EQ(s.so_far(), texts{"all stopped"}) << "again at once";
}

TEST(child_keeper, all_can_be_killed_at_once) {
  keeper_script s{three};
  s.children.deaf = true;
  s.start();
  s.stop();
  s.so_far();
  s.with_keeper([](child_keeper& k) { k.kill_all(); });
  EXPECT_EQ(s.so_far(), texts{"all stopped"});
}

TEST(child_keeper, a_stuck_child_is_replaced_by_name) {
  keeper_script s{three};
  s.children.deaf = true;
  s.start();
  s.so_far();
  s.with_keeper([](child_keeper& k) { k.replace("nobody"); });
  s.pass(2s);
  EXPECT_THAT(s.so_far(), IsEmpty());
  s.with_keeper([](child_keeper& k) { k.replace("b"); });
  s.pass(1s);
  EXPECT_EQ(s.so_far(), (texts{"start b", "started"}));
}

TEST(child_keeper, the_end_of_a_group_brings_down_children_that_started_later) {
  auto policy = calm_policy();
  policy.how = strategy::rest_for_one;
  keeper_script s{
      {{"a", restart::permanent, 2s}, {"b", restart::permanent, 2s}, {"c", restart::permanent, 2s}},
      policy};
  s.start();
  s.so_far();
  s.child_ends(1, ends_as(end::failed));
  EXPECT_EQ(s.so_far(), texts{"asked c"});
  s.pass(1s);
  EXPECT_EQ(s.so_far(), (texts{"start b", "start c", "started"}));
}

TEST(child_keeper, the_kill_of_an_old_child_does_not_hit_the_new_one) {
  auto policy = calm_policy();
  policy.how = strategy::rest_for_one;
  keeper_script s{{{"a", restart::permanent, 2s}, {"b", restart::permanent, 2s}}, policy};
  s.start();
  s.so_far();
  s.child_ends(0, ends_as(end::failed)); // b is asked to end, and ends; its kill was armed
  s.pass(1s);
  EXPECT_EQ(s.so_far(), (texts{"asked b", "start a", "start b", "started"}));
  s.pass(3s);
  EXPECT_THAT(s.so_far(), IsEmpty());
}

TEST(child_keeper, the_end_of_a_stranger_is_not_its_business) {
  keeper_script s{one};
  s.start();
  s.so_far();
  s.tell(s.owner, std::function<void(owner_actor&)>{[&s](owner_actor& o) {
           const auto stranger = s.system.spawn<played_child>("x", s.seen, false);
           o.monitor(stranger);
           caf::anon_send_exit(stranger, caf::exit_reason::kill);
         }});
  EXPECT_EQ(s.so_far(), texts{"not a child"});
}

} // namespace
} // namespace tayfa::testing
