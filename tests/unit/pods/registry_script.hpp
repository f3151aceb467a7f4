// Drives a pod_registry by hand: pods that say what a test has them say, over true links. The
// queue's answer to a hello is given by the test, or keeps everything.
#pragma once

#include "runtime/pods/pod_registry.hpp"
#include "tests/unit/pods/words.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tayfa::pods::testing {

namespace pp = pod_protocol;

inline std::string key_of(char c) {
  return std::string(pp::key_length, c);
}
inline attempt_ref attempt(const std::string& job, std::uint32_t number = 1) {
  return {job_id{job}, number};
}

/// A pod that a test speaks for. Its workers have incarnation 1 unless said otherwise.
struct peer {
  std::string key, name;
  std::uint64_t incarnation = 1;
  connection_id connection = 0;
  receive_budget budget{};
  std::unique_ptr<pod_end> link;
  std::vector<pp::downstream> inbox;
  std::vector<worker_ref> for_worker; ///< of each in the inbox
  bool deaf = false;                  ///< nothing of the head arrives
};

struct registry_script {
  explicit registry_script(registry_limits limits = {}, head_identity self = {"head-1"})
      : registry(limits, self, [this](connection_id c, const link_message& m) {
          line.emplace_back(c, *m);
          return sent::yes;
        }) {}

  pod_registry registry;
  moment now{std::chrono::hours{1}};
  std::map<char, peer> peers;
  std::vector<std::pair<connection_id, std::string>> line; ///< from the head
  connection_id connections = 0;
  effects last;        ///< of the latest act
  reconcile_pod asked; ///< the latest question to the queue
  bool answers = true; ///< the queue keeps all that is claimed, at once

  void pass(milliseconds span) { now += span; }

  peer& pod(char c) {
    auto& p = peers[c];
    if (p.key.empty()) {
      p.key = key_of(c);
      p.name = std::string(1, c);
      p.link = std::make_unique<pod_end>(p.incarnation, 0, p.budget);
    }
    return p;
  }

  /// Another life of the pod's process.
  peer& restart(char c) {
    auto& p = pod(c);
    ++p.incarnation;
    p.link = std::make_unique<pod_end>(p.incarnation, 0, p.budget);
    p.connection = 0;
    return p;
  }

  std::string connect(char c) {
    auto& p = pod(c);
    p.connection = ++connections;
    p.link->link().connected(now);
    return act([&] { return effects{}; });
  }
  std::string cut(char c) {
    const auto was = std::exchange(pod(c).connection, 0);
    return act([&] { return registry.on(now, gone{was}); });
  }
  std::string say(char c, pp::upstream m, worker_ref from = {}) {
    pod(c).link->send(from, std::move(m));
    return act([&] { return effects{}; });
  }
  /// A message of the pod's worker in this slot.
  std::string slot_says(char c, std::uint32_t slot, pp::upstream m, std::uint64_t life = 1) {
    return say(c, std::move(m), worker_ref{slot_id{slot}, life});
  }

  std::string hello(char c, std::uint32_t slots, const std::vector<pp::inventory_entry>& has = {},
                    std::uint64_t take_until = 100, std::uint32_t capacity = 1) {
    auto& p = pod(c);
    pp::hello m;
    m.name = p.name;
    m.slots = slots;
    m.attempts = static_cast<std::uint32_t>(has.size());
    m.take_until = take_until;
    p.link->send(m);
    for (std::uint32_t i = 0; i < slots; ++i) {
      pp::slot_ready ready;
      ready.capacity = capacity;
      p.link->send({slot_id{i}, 1}, ready);
    }
    if (!has.empty()) {
      pp::inventory all;
      all.entries.assign(has.begin(), has.end());
      p.link->send(all);
    }
    return act([&] { return effects{}; });
  }
  /// A pod that is linked, with so many slots.
  void linked(char c, std::uint32_t slots = 1, std::uint64_t take_until = 100,
              std::uint32_t capacity = 1) {
    connect(c);
    hello(c, slots, {}, take_until, capacity);
    ASSERT_FALSE(pod(c).inbox.empty());
    EXPECT_EQ(word_of(pod(c).inbox.back()), "welcome");
    pod(c).inbox.clear();
    pod(c).for_worker.clear();
  }

  std::string answer(const std::vector<pp::verdict>& verdicts, bool unknown = false) {
    std::vector<claim_decision> all;
    for (const auto v : verdicts) {
      all.push_back({v, unknown});
    }
    return act([&] { return registry.reconciled(now, asked.node, asked.session, all); });
  }

  worker_ref ref(char c, std::uint32_t slot) {
    return refs.at(pod(c).key + "/" + std::to_string(slot));
  }
  std::string assign(char c, std::uint32_t slot, const std::string& job,
                     const std::string& input = "1", std::uint32_t number = 1) {
    attempt_order order;
    order.body.attempt = attempt(job, number);
    order.body.input = shared_text{input};
    return act([&] { return registry.assigned(now, ref(c, slot), {order}); });
  }
  std::string revoke(char c, std::uint32_t slot, const std::string& job) {
    return act([&] { return registry.revoked(now, ref(c, slot), attempt(job)); });
  }
  std::string settled(char c, std::uint32_t slot, const std::string& job) {
    return act([&] { return registry.settled(now, ref(c, slot), attempt(job)); });
  }
  std::string expire() {
    return act([&] { return registry.expire(now); });
  }
  /// A pod whose attempt is accepted.
  void running(char c, const std::string& job) {
    linked(c);
    assign(c, 0, job);
    say(c, pp::accepted{attempt(job)});
    take(c);
  }
  static pp::finished done(const std::string& job, const std::string& output = "42") {
    pp::finished m;
    m.attempt = attempt(job);
    m.output.text = shared_text{output};
    return m;
  }

  /// Messages that have arrived at the pod since it was asked last.
  std::string take(char c) {
    std::string out;
    for (const auto& m : std::exchange(pod(c).inbox, {})) {
      out += (out.empty() ? "" : "; ") + word_of(m);
    }
    pod(c).for_worker.clear();
    return out;
  }

  template <class Act>
  std::string act(Act&& what) {
    last.clear();
    gather(what());
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& [c, p] : peers) {
        flush(p);
      }
      for (auto& [connection, bytes] : std::exchange(line, {})) {
        moved = true;
        receive(connection, bytes);
      }
      for (auto& [connection, key, bytes] : std::exchange(up, {})) {
        moved = true;
        gather(registry.on(now, received{connection, key, bytes}));
      }
    }
    const auto breaks = registry.audit();
    EXPECT_TRUE(breaks.empty()) << breaks.front();
    return words(last);
  }

 private:
  void flush(peer& p) {
    if (p.connection == 0) {
      return;
    }
    p.link->flush(now, [&](const link_message& m) {
      up.push_back({p.connection, p.key, *m});
      return true;
    });
  }
  void receive(connection_id connection, const std::string& bytes) {
    for (auto& [c, p] : peers) {
      if (p.connection != connection || p.deaf) {
        continue;
      }
      const auto arrival = p.link->receive(bytes, now);
      if (arrival && !arrival->frame.empty()) {
        auto read = p.link->decode(arrival->frame);
        ASSERT_TRUE(read.has_value()) << read.error().text;
        p.inbox.push_back(std::move(read->body));
        p.for_worker.push_back(read->worker);
      }
    }
  }
  void gather(effects some) {
    for (auto& e : some) {
      if (auto* ready = std::get_if<worker_ready>(&e)) {
        note_worker(ready->worker);
      }
      auto* ask = std::get_if<reconcile_pod>(&e);
      if (ask != nullptr) {
        asked = *ask;
        for (const auto& each : ask->workers) {
          note_worker(each.worker);
        }
      }
      last.push_back(std::move(e));
      if (ask != nullptr && answers) {
        std::vector<claim_decision> all;
        for (const auto& each : asked.claims) {
          all.push_back(
              {each.at == pod_view::finished ? pp::verdict::report : pp::verdict::keep, false});
        }
        gather(registry.reconciled(now, asked.node, asked.session, all));
      }
    }
  }
  void note_worker(worker_ref ref) {
    for (const auto& each : registry.lines(now)) {
      if (each.node == ref.node) {
        refs[each.key + "/" + std::to_string(ref.slot.value)] = ref;
      }
    }
  }

  struct sent_up {
    connection_id connection;
    std::string key, bytes;
  };
  std::vector<sent_up> up;
  std::map<std::string, worker_ref> refs;
};

} // namespace tayfa::pods::testing
