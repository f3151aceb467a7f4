// Silence, loss, drains, revocation; what a pod costs.
#include "tests/unit/pods/registry_script.hpp"

#include <chrono>
#include <malloc.h>

namespace tayfa::pods::testing {
namespace {

using namespace std::chrono_literals;

TEST(pod_silence, three_beats_make_a_suspect_and_a_message_clears_it) {
  registry_script s;
  s.running('a', "j");
  s.pass(5999ms);
  EXPECT_EQ(s.expire(), "");
  s.pass(1ms);
  EXPECT_EQ(s.expire(), "drop 1; a cut; a suspect; ready w2.0#1x0")
      << "the half open connection is closed, and nothing new is given";
  s.pod('a').connection = 0;
  s.pass(2s);
  EXPECT_EQ(s.connect('a'), "a heard; ready w2.0#1x1");
  EXPECT_EQ(s.say('a', registry_script::done("j")), "w2.0#1 completed j/1 42");
}

TEST(pod_silence, only_what_is_received_counts) {
  registry_script s;
  s.linked('a', 1, 100, 8);
  s.pod('a').deaf = true; // and so it answers nothing
  for (int i = 0; i < 5; ++i) {
    s.pass(1s);
    s.assign('a', 0, "j" + std::to_string(i)); // sent, and not answered
  }
  s.pass(1s);
  EXPECT_NE(s.expire().find("suspect"), std::string::npos);
}

TEST(pod_silence, after_a_minute_its_attempts_run_elsewhere) {
  registry_script s;
  s.running('a', "j");
  s.cut('a');
  s.pass(59'999ms);
  EXPECT_EQ(s.expire(), "a suspect; ready w2.0#1x0");
  s.pass(1ms);
  EXPECT_EQ(s.expire(), "a lost; gone w2.0#1 lease_expired");
  EXPECT_EQ(s.registry.next_deadline(), std::nullopt);
}

TEST(pod_silence, a_lost_claim_without_a_worker_is_lost_too) {
  registry_script s;
  s.connect('a');
  s.hello('a', 0,
          {{attempt("j"), pp::stage::finished, 0, 0, 0}, {attempt("k"), pp::stage::finished}});
  s.cut('a');
  s.pass(61s);
  EXPECT_EQ(s.expire(), "a lost; gone w2.kept#1 lease_expired");
}

TEST(pod_silence, a_pod_that_takes_nothing_it_is_sent_is_cut) {
  registry_script s;
  s.linked('a', 1, 1'000'000, 4096);
  s.cut('a');
  std::string then;
  for (int i = 0; i < 1000 && then.empty(); ++i) {
    then = s.assign('a', 0, "j" + std::to_string(i), std::string(60'000, 'x'));
  }
  EXPECT_EQ(then, "a slow");
}

TEST(pod_beats, each_is_answered_and_says_what_the_pod_takes) {
  registry_script s;
  s.linked('a', 1, 0);
  s.assign('a', 0, "j");
  EXPECT_EQ(s.say('a', pp::beat{1, 1500, 0, 1, ""}), "");
  EXPECT_EQ(s.take('a'), "beat_answer; assign j/1");
  EXPECT_EQ(s.registry.lines(s.now).front().round_trip, 1500us);
  EXPECT_EQ(s.say('a', pp::beat{2, 0, 0, 2, "disk full"}), "ready w2.0#1x0");
  EXPECT_EQ(s.registry.lines(s.now).front().closed, "disk full");
  EXPECT_EQ(s.say('a', pp::beat{3, 0, 0, 2, ""}), "ready w2.0#1x1");
}

TEST(pod_drain, a_drained_pod_gets_nothing_more_also_after_it_has_come_back) {
  registry_script s;
  s.linked('a');
  const auto key = key_of('a');
  EXPECT_EQ(s.act([&] { return s.registry.drain(s.now, key, pp::drain_mode::quick, 9s); }),
            "ready w2.0#1x0");
  EXPECT_EQ(std::get<pp::drain>(s.pod('a').inbox.back()).grace_ms, 9000U);
  EXPECT_EQ(s.say('a', pp::drained{}), "a drained");
  s.cut('a');
  s.restart('a');
  s.connect('a');
  EXPECT_EQ(s.hello('a', 1), "reconcile w2.0#2x0 gone:w2.0#1; a linked");
  EXPECT_EQ(word_of(s.pod('a').inbox.back()), "drain");
  EXPECT_EQ(s.act([&] { return s.registry.undrain(s.now, key); }), "ready w2.0#2x1");
  EXPECT_EQ(word_of(s.pod('a').inbox.back()), "undrain");
}

TEST(pod_drain, what_it_was_not_sent_yet_goes_back) {
  registry_script s;
  s.linked('a', 1, 0);
  s.assign('a', 0, "j");
  EXPECT_EQ(s.act([&] { return s.registry.drain(s.now, key_of('a'), pp::drain_mode::graceful); }),
            "ready w2.0#1x0; w2.0#1 failed j/1 unavailable");
}

TEST(pod_revocation, nothing_that_a_revoked_pod_says_counts) {
  registry_script s;
  s.running('a', "j");
  EXPECT_EQ(s.act([&] { return s.registry.revoke(s.now, key_of('a'), "stolen"); }),
            "a revoked; drop 1; gone w2.0#1 unavailable");
  EXPECT_EQ(s.take('a'), "revoked");
  EXPECT_EQ(s.say('a', registry_script::done("j")), "");
  EXPECT_EQ(s.connect('a'), "drop 2") << "also by another connection";
  EXPECT_EQ(s.registry.size(), 0U);
  s.registry.trust(key_of('a'));
  s.restart('a');
  s.connect('a');
  EXPECT_EQ(s.hello('a', 1), "reconcile w3.0#2x1; a linked");
}

TEST(pod_queue, a_new_queue_hears_hello_of_every_pod) {
  registry_script s;
  s.running('a', "j");
  EXPECT_EQ(s.act([&] { return s.registry.queue_restarted(s.now); }), "drop 1");
  s.connect('a');
  EXPECT_EQ(s.hello('a', 1, {{attempt("j"), pp::stage::running, 0, 1, 0}}),
            "reconcile w2.0#2x1 j/1:running@w2.0#2; a linked");
}

TEST(pod_rotation, keys_are_announced_inside_the_session) {
  registry_script s;
  s.linked('a');
  s.act([&] { return s.registry.rotate(s.now, key_of('a'), {}); });
  EXPECT_EQ(word_of(s.pod('a').inbox.back()), "rotate");
  EXPECT_EQ(s.say('a', pp::key_made{key_of('n')}), "key nnnn");
}

// ---- size ---------------------------------------------------------------------------------------

/// Pods without a connection behind them: links of a test would count as well.
struct many_pods {
  moment now{1h};
  std::map<std::uint32_t, std::vector<worker_ref>> refs;
  std::uint64_t messages = 0;
  std::uint64_t attempts = 0;
  pod_registry registry{{.pods_max = 10'000, .hellos_per_second = 100'000},
                        {"head-1"},
                        [this](connection_id, const link_message&) {
                          ++messages;
                          return sent::yes;
                        }};

  void hello(std::uint32_t index, std::uint32_t slots) {
    auto key = std::to_string(index);
    key.insert(0, pp::key_length - key.size(), 'p');
    receive_budget none;
    pod_end link{1, 0, none};
    const auto push = [&] {
      link.flush(now, [&](const link_message& m) {
        carry(registry.on(now, received{index + 1, key, *m}), index);
        return true;
      });
    };
    link.link().connected(now);
    push();
    // The head's answer: it knows nothing, and accepts the usual window.
    const envelope opened{link_kind::opened, (std::uint64_t{1} << 32) + index + 1, 1, 0, 0,
                          session_window};
    EXPECT_TRUE(link.receive(control_message(opened), now).has_value());
    pp::hello m;
    m.slots = slots;
    m.take_until = 1'000'000;
    link.send(m);
    for (std::uint32_t i = 0; i < slots; ++i) {
      link.send({slot_id{i}, 1}, pp::slot_ready{});
    }
    push();
  }
  void carry(effects all, std::uint32_t index) {
    for (auto& e : all) {
      if (auto* ask = std::get_if<reconcile_pod>(&e)) {
        for (const auto& each : ask->workers) {
          refs[index].push_back(each.worker);
        }
        carry(registry.reconciled(now, ask->node, ask->session, {}), index);
      }
    }
  }
};

TEST(pod_size, an_idle_pod_with_eight_slots_takes_less_than_ten_kibibytes) {
  many_pods m;
  m.hello(0, 8);
  const auto before = mallinfo2().uordblks;
  constexpr std::uint32_t pods = 500;
  for (std::uint32_t i = 1; i <= pods; ++i) {
    m.hello(i, 8);
  }
  const auto each = (mallinfo2().uordblks - before) / pods;
  std::size_t of_test = 0; // what the test itself remembers of a pod
  of_test += 8 * sizeof(worker_ref) + 64;
  RecordProperty("bytes_per_idle_pod", static_cast<int>(each));
  std::printf("bytes per idle pod of 8 slots: %zu\n", each);
  EXPECT_EQ(m.registry.size(), pods + 1);
  EXPECT_LT(each, 10'240U + of_test);
}

/// The cost of giving an attempt and taking its result, per attempt.
double nanoseconds_per_attempt(many_pods& m, std::uint32_t pods, int rounds) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; ++i) {
    const auto index = static_cast<std::uint32_t>(i) % pods;
    const auto ref = m.refs[index][static_cast<std::size_t>(i) / pods % 8];
    attempt_order order;
    order.body.attempt = attempt("job-" + std::to_string(m.attempts++));
    m.registry.assigned(m.now, ref, {order});
    m.registry.revoked(m.now, ref, order.body.attempt);
  }
  const auto spent = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(spent.count()) / rounds;
}

TEST(pod_size, an_attempt_costs_the_same_with_a_thousand_pods) {
  many_pods few;
  few.hello(0, 8);
  many_pods many;
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    many.hello(i, 8);
  }
  double one = 1e9, thousand = 1e9;
  for (int i = 0; i < 3; ++i) { // the best of some, so that another program's load is not measured
    one = std::min(one, nanoseconds_per_attempt(few, 1, 2'000));
    thousand = std::min(thousand, nanoseconds_per_attempt(many, 1'000, 2'000));
  }
  std::printf("ns per attempt: %.0f with 8 workers, %.0f with 8,000\n", one, thousand);
  EXPECT_LT(thousand, 20 * one) << "a scan over all workers would cost a thousand times as much";
}

} // namespace
} // namespace tayfa::pods::testing
