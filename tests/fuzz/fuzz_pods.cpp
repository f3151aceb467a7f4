// The pod link against an adversary: any bytes for the decoders; a trusted pod that says anything
// to the registry, beside an honest pod; a head that says anything to a pod's session.
//
// Laws: only bad_frame comes from decoding, and what was decoded says itself again; the audits of
// both sides stay clean; nothing that the liar says touches a worker or an attempt of the honest
// pod, whose result arrives once; what is due is never due for ever.
#include "runtime/pods/pod_registry.hpp"
#include "runtime/pods/pod_session.hpp"

#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/pod_messages.hpp"

#include <deque>
#include <memory>
#include <string>

using namespace tayfa;
using namespace tayfa::pods;
using fuzz::some_attempt;
namespace wire = tayfa::pod_protocol;

namespace {

template <class Decode, class Encode>
void read_any(std::span<const char> bytes, Decode decode, Encode encode) {
  const auto read = decode(bytes);
  if (!read) {
    fuzz::require(read.error().code == errc::bad_frame, "only bad_frame comes from decoding");
    fuzz::require(!read.error().text.empty(), "a refusal names the rule");
    return;
  }
  const auto once = encode(*read);
  const auto again = decode(std::span<const char>{once});
  fuzz::require(again.has_value() && encode(*again) == once, "a message says itself again");
}

void read_any(std::span<const char> bytes) {
  read_any(
      bytes, [](auto b) { return wire::decode_upstream(wire::version_max, b); },
      [](const auto& f) { return wire::encode(wire::version_max, f.worker, f.body); });
  read_any(
      bytes, [](auto b) { return wire::decode_downstream(wire::version_max, b); },
      [](const auto& f) { return wire::encode(wire::version_max, f.worker, f.body); });
}

/// A pod whose link is honest, so that what it says is read.
struct liar {
  std::string key = std::string(wire::key_length, 'l');
  connection_id connection = 0;
  receive_budget budget{};
  std::unique_ptr<pod_end> link;
};

struct head_under_test {
  moment now{std::chrono::hours{1}};
  std::deque<std::pair<connection_id, std::string>> line;
  pod_registry registry{
      {.hellos_per_second = 1'000'000}, {"head"}, [this](connection_id c, const link_message& m) {
        line.emplace_back(c, *m);
        return sent::yes;
      }};
  liar honest, other;
  connection_id connections = 0;
  worker_ref honest_worker;
  std::vector<worker_ref> workers; ///< of the liar
  std::uint32_t results = 0;       ///< of the honest pod

  head_under_test() {
    honest.key = std::string(wire::key_length, 'h');
    connect(honest, 1);
    wire::hello m;
    m.slots = 1;
    m.take_until = 100;
    honest.link->send(m);
    honest.link->send({slot_id{0}, 1}, wire::slot_ready{});
    settle(honest, true);
    fuzz::require(honest_worker.incarnation != 0, "an honest pod is linked");
    attempt_order order;
    order.body.attempt = {job_id{"honest"}, 1};
    carry(registry.assigned(now, honest_worker, {order}), true);
    honest.link->send(wire::accepted{{job_id{"honest"}, 1}});
    settle(honest, true);
  }

  void connect(liar& p, std::uint64_t incarnation) {
    if (!p.link || incarnation != 0) {
      p.link = std::make_unique<pod_end>(incarnation == 0 ? 1 : incarnation, 0, p.budget);
    }
    p.connection = ++connections;
    p.link->link().connected(now);
    settle(p, &p == &honest);
  }

  void settle(liar& p, bool is_honest) {
    for (int round = 0; round < 12; ++round) {
      std::vector<std::string> up;
      p.link->flush(now, [&](const link_message& m) {
        up.push_back(*m);
        return true;
      });
      for (const auto& bytes : up) {
        carry(registry.on(now, received{p.connection, p.key, bytes}), is_honest);
      }
      auto down = std::exchange(line, {});
      for (const auto& [connection, bytes] : down) {
        for (auto* each : {&honest, &other}) {
          if (each->link && each->connection == connection) {
            static_cast<void>(each->link->receive(bytes, now));
          }
        }
      }
      if (up.empty() && down.empty()) {
        break;
      }
    }
  }

  void carry(effects all, bool is_honest) {
    for (auto& e : all) {
      if (auto* report = std::get_if<attempt_reported>(&e)) {
        const bool about = report->worker.node == honest_worker.node;
        fuzz::require(!about || is_honest, "a pod speaks for its own workers only");
        results += about && std::holds_alternative<protocol::finished>(report->body) ? 1 : 0;
      } else if (auto* gone_now = std::get_if<worker_gone>(&e)) {
        fuzz::require(gone_now->worker != honest_worker || is_honest, "nor do they end by it");
        std::erase(workers, gone_now->worker);
      } else if (auto* ready = std::get_if<worker_ready>(&e)) {
        add(ready->worker);
      } else if (auto* ask = std::get_if<reconcile_pod>(&e)) {
        for (const auto& each : ask->workers) {
          add(each.worker);
        }
        std::vector<claim_decision> answers;
        for (const auto& each : ask->claims) { // the queue knows who holds the honest one
          const bool foreign = each.attempt.job.str() == "honest" && !is_honest;
          answers.push_back({foreign ? wire::verdict::drop : wire::verdict::keep, false});
        }
        carry(registry.reconciled(now, ask->node, ask->session, answers), is_honest);
      }
    }
    const auto broken = registry.audit();
    fuzz::require(broken.empty(), broken.empty() ? "" : broken.front().c_str());
  }

  void add(worker_ref ref) {
    if (honest_worker.incarnation == 0) {
      honest_worker = ref; // the honest pod came first
    } else if (ref.node != honest_worker.node && workers.size() < 8) {
      workers.push_back(ref);
    }
  }

  void step(fuzz::choices& in) {
    switch (in.below(10)) {
    case 0: connect(other, in.below(3)); break;
    case 1: now += std::chrono::milliseconds{in.byte() * 20}; break;
    case 2: carry(registry.on(now, gone{other.connection}), false); break;
    case 3:
      if (!workers.empty()) {
        attempt_order order;
        order.body.attempt = some_attempt(in);
        if (order.body.attempt.job.str() != "honest") {
          order.body.input = shared_text{std::string(in.below(2) * 70'000, 'b')};
          carry(registry.assigned(now, workers[in.below(workers.size())], {order}), false);
        }
      }
      break;
    case 4:
      if (!workers.empty()) {
        carry(registry.settled(now, workers[in.below(workers.size())], some_attempt(in)), false);
      }
      break;
    default:
      if (other.link) {
        other.link->send({slot_id{static_cast<std::uint32_t>(in.below(3))}, in.below(4)},
                         fuzz::some_upstream(in));
        settle(other, false);
      }
    }
    // The honest pod beats, whatever the other one does.
    honest.link->send(wire::beat{1, 0, 1, 100, ""});
    settle(honest, true);
    carry(registry.expire(now), true);
    const auto due = registry.next_deadline();
    fuzz::require(!due || *due > now, "what is due is dealt with");
  }

  void end() {
    wire::finished m;
    m.attempt = {job_id{"honest"}, 1};
    honest.link->send(m);
    settle(honest, true);
    fuzz::require(results == 1, "the honest pod's result arrives once");
  }
};

class middle_random final : public random_source {
 public:
  std::uint64_t next() override { return std::uint64_t{1} << 63; }
};

struct pod_under_test {
  moment now{std::chrono::hours{1}};
  std::deque<std::string> up;
  middle_random random;
  pod_session session{{},
                      {.incarnation = 1, .name = "p"},
                      {{"tcp://h:1", std::string(wire::key_length, 'h')}},
                      random,
                      [this](const link_message& m) {
                        up.push_back(*m);
                        return sent::yes;
                      }};
  receive_budget budget{};
  std::unique_ptr<head_end> head;
  std::uint64_t sessions = 0;
  std::vector<std::pair<worker_ref, attempt_ref>> running;
  std::vector<protocol::finished> writing;

  pod_under_test() {
    session.start(now, {{{job_id{"c"}, 1}, 5}});
    ready(0);
    ready(1);
  }
  void ready(std::uint32_t slot) {
    worker_ready m;
    m.worker = {slot_id{slot}, 1};
    m.facts.capacity = 2;
    carry(session.on(now, m));
  }
  void connect(bool fresh) {
    if (fresh) {
      head.reset();
    }
    up.clear();
    carry(session.on(now, connected{}));
    settle();
  }
  void settle() {
    for (int round = 0; round < 12; ++round) {
      auto said = std::exchange(up, {});
      for (const auto& bytes : said) {
        const auto read = read_envelope(bytes);
        if (!head && read && read->header.kind == link_kind::open) {
          head = std::make_unique<head_end>(++sessions, read->header.from, budget);
        }
        if (head) {
          static_cast<void>(head->receive(bytes, now));
        }
      }
      std::vector<std::string> down;
      if (head) {
        head->flush(now, [&](const link_message& m) {
          down.push_back(*m);
          return true;
        });
      }
      for (const auto& bytes : down) {
        carry(session.on(now, message_in{bytes}));
      }
      if (said.empty() && down.empty()) {
        break;
      }
    }
  }
  void carry(session_effects all) {
    for (auto& e : all) {
      if (auto* order = std::get_if<assign_attempts>(&e)) {
        for (const auto& body : order->bodies) {
          running.emplace_back(order->worker, body.attempt);
        }
      } else if (auto* keep = std::get_if<keep_result>(&e)) {
        writing.push_back(keep->result);
      } else if (auto* revoke = std::get_if<revoke_attempt>(&e)) {
        fuzz::require(!revoke->attempt.job.empty(), "something is revoked");
      }
    }
    const auto broken = session.audit();
    fuzz::require(broken.empty(), broken.empty() ? "" : broken.front().c_str());
  }
  void step(fuzz::choices& in) {
    switch (in.below(10)) {
    case 0: connect(in.below(2) == 0); break;
    case 1:
      now += std::chrono::milliseconds{in.byte() * 20};
      carry(session.expire(now));
      break;
    case 2: carry(session.on(now, connection_ended{})); break;
    case 3:
      if (!running.empty()) {
        const auto [worker, attempt] = running.back();
        running.pop_back();
        protocol::finished m;
        m.attempt = attempt;
        m.output = shared_text{std::string(in.below(2) * 70'000, 'b')};
        carry(session.on(now, attempt_reported{worker, m}));
      }
      break;
    case 4:
      if (!writing.empty()) {
        const auto m = writing.back();
        writing.pop_back();
        carry(session.result_kept(now, m.attempt,
                                  in.below(4) == 0 ? fail(errc::storage_full) : result<void>{}));
      }
      break;
    default:
      if (head) {
        head->send({slot_id{static_cast<std::uint32_t>(in.below(3))}, in.below(3)},
                   fuzz::some_downstream(in));
      }
    }
    settle();
  }
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  read_any({reinterpret_cast<const char*>(bytes), size});
  if (size > 400) {
    return 0;
  }
  fuzz::choices for_head{bytes, size};
  head_under_test head;
  while (for_head.more()) {
    head.step(for_head);
  }
  head.end();
  fuzz::choices for_pod{bytes, size};
  pod_under_test pod;
  while (for_pod.more()) {
    pod.step(for_pod);
  }
  return 0;
}
