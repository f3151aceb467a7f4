// Drives a pod_session by hand: the head that a test speaks for, over a true link; workers and disk
// as the test says.
#pragma once

#include "runtime/base/random.hpp"
#include "runtime/pods/pod_session.hpp"
#include "tests/unit/pods/words.hpp"

#include <deque>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::pods::testing {

namespace pp = pod_protocol;

/// Always the same fraction of what is possible.
class fixed_random final : public random_source {
 public:
  double fraction = 0.5;
  std::uint64_t next() override { return static_cast<std::uint64_t>(fraction * 0x1.0p53) << 11; }
};

struct session_script {
  explicit session_script(session_limits limits = {}, std::vector<kept_result> kept = {},
                          std::uint64_t incarnation = 1)
      : session(limits, {.incarnation = incarnation, .name = "a", .release = "1.0"},
                {{"tcp://head:1", std::string(pp::key_length, 'h')}}, random,
                [this](const link_message& m) {
                  up.push_back(*m);
                  return sent::yes;
                }) {
    session.start(now, kept);
  }

  fixed_random random;
  std::deque<std::string> up; ///< to the head
  moment now{std::chrono::hours{1}};
  pod_session session;
  receive_budget budget{};
  std::uint64_t head_session = std::uint64_t{1} << 32;
  std::unique_ptr<head_end> head;
  std::vector<pp::upstream> inbox; ///< of the head
  session_effects last;
  bool lost = false; ///< nothing arrives any more, without a word
  std::uint64_t life = 0;

  static attempt_ref attempt(const std::string& job, std::uint32_t number = 1) {
    return {job_id{job}, number};
  }
  void pass(milliseconds span) { now += span; }

  // ---- connection ------------------------------------------------------------------------------
  std::string expire() { return act(session.expire(now)); }
  /// A connection to a head that knows nothing of an earlier session, or goes on with it.
  std::string connect(bool new_session = true) {
    if (new_session) {
      head.reset();
    }
    lost = false;
    return act(session.on(now, connected{}));
  }
  std::string cut(tayfa::pods::cut why = tayfa::pods::cut::ended) {
    up.clear();
    if (head) {
      head->link().disconnected();
    }
    return act(session.on(now, connection_ended{why, "x"}));
  }
  std::string say(pp::downstream m, worker_ref to = {}) {
    head->send(to, std::move(m));
    return act({});
  }
  std::string welcome(const std::vector<pp::verdict>& verdicts = {}) {
    pp::verdicts all;
    all.entries.assign(verdicts.begin(), verdicts.end());
    if (!verdicts.empty()) {
      head->send(all);
    }
    pp::welcome m;
    m.head = "head-1";
    return say(m);
  }
  /// A linked pod with so many workers of this capacity.
  void linked(std::uint32_t slots = 1, std::uint32_t capacity = 1) {
    for (std::uint32_t i = 0; i < slots; ++i) {
      ready(i, i + 1, capacity);
    }
    connect();
    EXPECT_EQ(welcome(), "remember head-1; linked");
    take();
  }
  /// Messages that have arrived at the head since it was asked last.
  std::string take() {
    std::string out;
    for (const auto& m : std::exchange(inbox, {})) {
      out += (out.empty() ? "" : "; ") + word_of(m);
    }
    return out;
  }

  // ---- workers and disk ------------------------------------------------------------------------
  static worker_ref worker(std::uint32_t slot, std::uint64_t incarnation) {
    return {slot_id{slot}, incarnation};
  }
  std::string ready(std::uint32_t slot, std::uint64_t incarnation, std::uint32_t capacity = 1) {
    worker_ready m;
    m.worker = worker(slot, incarnation);
    m.facts.capacity = capacity;
    return act(session.on(now, m));
  }
  std::string gone(std::uint32_t slot, std::uint64_t incarnation) {
    return act(
        session.on(now, worker_gone{worker(slot, incarnation), {errc::engine_crash, "crashed"}}));
  }
  std::string report(worker_ref from, protocol::upstream m) {
    return act(session.on(now, attempt_reported{from, std::move(m)}));
  }
  std::string finish(worker_ref from, const std::string& job, const std::string& output = "42") {
    protocol::finished m;
    m.attempt = attempt(job);
    m.output = shared_text{output};
    return report(from, m);
  }
  std::string kept(const std::string& job, result<void> done = {}) {
    return act(session.result_kept(now, attempt(job), done));
  }
  static pp::assign order(const std::string& job, std::uint64_t batch = 0, std::uint32_t size = 1) {
    pp::assign m;
    m.attempt = attempt(job);
    m.input.text = shared_text{"1"};
    m.batch = batch;
    m.batch_size = size;
    return m;
  }
  std::string assign(const std::string& job, std::uint32_t slot = 0) {
    return say(order(job), worker(slot, slot + 1));
  }

  std::string act(session_effects all) {
    last = std::move(all);
    auto more = [&](session_effects some) {
      std::move(some.begin(), some.end(), std::back_inserter(last));
    };
    for (bool moved = true; moved && !lost;) {
      moved = false;
      while (!up.empty()) {
        moved = true;
        const auto bytes = std::move(up.front());
        up.pop_front();
        receive(bytes);
      }
      if (head) {
        std::vector<std::string> down;
        head->flush(now, [&](const link_message& m) {
          down.push_back(*m);
          return true;
        });
        for (const auto& bytes : down) {
          moved = true;
          more(session.on(now, message_in{bytes}));
        }
      }
    }
    const auto breaks = session.audit();
    EXPECT_TRUE(breaks.empty()) << breaks.front();
    return words(last);
  }

 private:
  void receive(const std::string& bytes) {
    if (!head) {
      const auto read = read_envelope(bytes);
      ASSERT_TRUE(read.has_value());
      if (read->header.kind != link_kind::open) {
        return; // of the session before
      }
      head = std::make_unique<head_end>(++head_session, read->header.from, budget);
    }
    const auto arrival = head->receive(bytes, now);
    ASSERT_TRUE(arrival.has_value()) << arrival.error().text;
    if (!arrival->frame.empty()) {
      auto read = head->decode(arrival->frame);
      ASSERT_TRUE(read.has_value()) << read.error().text;
      inbox.push_back(std::move(read->body));
    }
  }
};

} // namespace tayfa::pods::testing
