// Hello: what a pod brings is collected, given to the queue as a whole, and answered.
#include "runtime/pods/pod_registry.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods {

using pod_protocol::refusal;

worker_facts facts_of(const pod_protocol::slot_ready& m, const std::string& pod,
                      const std::string& key, std::uint32_t number) {
  worker_facts f;
  f.lasting_name = key;
  f.capacity = m.capacity;
  f.batch_max = m.batch_max;
  f.continuous = m.continuous;
  f.steps = m.steps;
  f.can_change = m.can_change;
  f.memory_bytes = m.memory_bytes;
  f.device = m.device;
  f.model = m.model;
  f.model_kinds.assign(m.model_kinds.begin(), m.model_kinds.end());
  f.name = pod + "/slot-" + std::to_string(number);
  f.elastic = true;
  f.forgotten_when_gone = true;
  f.unavailable_is_free = true;
  return f;
}

/// A whole fleet that comes back at once is admitted over some seconds.
bool pod_registry::admits_hello(moment now) {
  if (now - hellos_since_ >= std::chrono::seconds{1}) {
    hellos_since_ = now;
    hellos_ = 0;
    hellos_waiting_ = 0;
  }
  if (hellos_ < limits_.hellos_per_second) {
    ++hellos_;
    return true;
  }
  ++hellos_waiting_;
  return false;
}

void pod_registry::said(moment now, pod& p, const worker_ref&, pod_protocol::hello& m,
                        effects& out) {
  const auto version =
      pod_protocol::agree(m.versions_from, m.versions_to, self_.versions_from, self_.versions_to);
  p.name = m.name.empty() ? p.key.substr(0, 8) : m.name;
  p.release = m.release;
  if (!version) {
    refuse(now, p, refusal::version, version.error().text, std::chrono::minutes{1}, out);
    return;
  }
  if (!admits_hello(now)) {
    const auto pause = milliseconds{1'000} * (1 + hellos_waiting_ / limits_.hellos_per_second);
    refuse(now, p, refusal::busy, "too many pods say hello at once", pause, out);
    return;
  }
  if (m.slots > pod_protocol::slots_max || m.attempts > pod_protocol::inventory_max) {
    refuse(now, p, refusal::bad_hello,
           "the pod has " + std::to_string(m.slots) + " slots and " + std::to_string(m.attempts) +
               " attempts; at most " + std::to_string(pod_protocol::slots_max) + " and " +
               std::to_string(pod_protocol::inventory_max) + " are possible",
           std::chrono::minutes{1}, out);
    return;
  }
  p.link->agreed(*version);
  p.models.assign(m.models.begin(), m.models.end());
  p.take_until = m.take_until;
  p.closed.clear();
  p.at = phase::greeting;
  p.hello = std::make_unique<greeting>();
  p.hello->hello = std::move(m);
  begin_reconciliation(now, p, out);
}

/// The rest of hello.
void pod_registry::greet(moment now, pod& p, const worker_ref& from, pod_protocol::upstream& body,
                         effects& out) {
  auto& g = *p.hello;
  if (auto* const ready = std::get_if<pod_protocol::slot_ready>(&body);
      ready != nullptr && g.slots.size() < g.hello.slots) {
    const bool twice = std::any_of(g.slots.begin(), g.slots.end(),
                                   [&](const auto& each) { return each.first.slot == from.slot; });
    if (twice || from.incarnation == 0 || from.slot == kept_slot) {
      refused_frame(now, p, {errc::bad_frame, "a hello names each slot once"}, out);
      refuse(now, p, refusal::bad_hello, "a hello names each slot once", std::chrono::minutes{1},
             out);
      return;
    }
    g.slots.emplace_back(from, std::move(*ready));
  } else if (auto* const more = std::get_if<pod_protocol::inventory>(&body);
             more != nullptr && g.slots.size() == g.hello.slots &&
             g.inventory.size() + more->entries.size() <= g.hello.attempts) {
    std::move(more->entries.begin(), more->entries.end(), std::back_inserter(g.inventory));
  } else {
    refused_frame(now, p, {errc::bad_frame, "not a part of the hello that was begun"}, out);
    refuse(now, p, refusal::bad_hello, "not a part of the hello that was begun",
           std::chrono::minutes{1}, out);
    return;
  }
  begin_reconciliation(now, p, out);
}

/// The workers that the pod has now: those that it had keep their names.
void pod_registry::adopt_slots(pod& p, reconcile_pod& ask) {
  auto before = std::exchange(p.slots, {});
  auto& announced = p.hello->slots;
  std::sort(announced.begin(), announced.end(),
            [](const auto& a, const auto& b) { return a.first.slot < b.first.slot; });
  for (auto& [from, ready] : announced) {
    slot s;
    s.number = from.slot.value;
    s.pod_incarnation = from.incarnation;
    s.life = p.incarnation;
    s.facts = facts_of(ready, p.name, p.key, s.number);
    const auto same = std::find_if(before.begin(), before.end(), [&](const slot& old) {
      return old.number == s.number && old.pod_incarnation == s.pod_incarnation &&
             old.life == s.life;
    });
    if (same != before.end()) {
      s.ref = same->ref;
      before.erase(same);
    } else {
      s.ref = worker_ref{from.slot, ++incarnations_, p.node};
    }
    p.slots.push_back(std::move(s));
  }
  for (const auto& old : before) {
    ask.gone.push_back(old.ref);
  }
}

/// Attempts that the pod was given and does not name. False when it names one twice.
bool pod_registry::name_absent(pod& p, reconcile_pod& ask) {
  std::unordered_set<attempt_ref, attempt_hash> named;
  for (const auto& each : p.hello->inventory) {
    named.insert(each.attempt);
  }
  if (named.size() != p.hello->inventory.size()) {
    return false;
  }
  for (auto entry = p.attempts.begin(); entry != p.attempts.end();) {
    const auto here = entry++;
    auto& [attempt, h] = *here;
    if (named.contains(attempt) || h.at == held::state::reported) {
      continue;
    }
    const bool waits_here = h.at == held::state::pending && find_slot(p, h.ref) != nullptr;
    if (waits_here) {
      continue;
    }
    if (h.at != held::state::void_) {
      const bool begun = h.at == held::state::accepted;
      ask.absent.push_back({attempt, h.ref,
                            !begun                    ? head_view::held_sent
                            : h.life != p.incarnation ? head_view::held_earlier
                                                      : head_view::held_accepted});
    }
    erase(p, here);
  }
  return true;
}

/// From the question on the queue may count on the claim, also when the session ends before the
/// answer comes: the next hello, or the loss of the pod, then names it.
void pod_registry::expect(pod& p, const attempt_ref& attempt, worker_ref holder) {
  auto& h = p.attempts[attempt];
  if (h.at == held::state::reported) {
    return;
  }
  if (h.at == held::state::pending) {
    p.pending.remove(attempt);
    h.order.reset();
  }
  h.at = held::state::accepted;
  h.ref = holder;
  h.life = p.incarnation;
}

/// Once all of the hello has arrived.
void pod_registry::begin_reconciliation(moment now, pod& p, effects& out) {
  auto& g = *p.hello;
  if (g.slots.size() < g.hello.slots || g.inventory.size() < g.hello.attempts) {
    return;
  }
  reconcile_pod ask;
  ask.node = p.node;
  ask.session = p.session;
  ask.key = p.key;
  adopt_slots(p, ask);
  if (!name_absent(p, ask)) {
    refused_frame(now, p, {errc::bad_frame, "an inventory names each attempt once"}, out);
    refuse(now, p, refusal::bad_hello, "an inventory names each attempt once",
           std::chrono::minutes{1}, out);
    for (const auto& each : ask.gone) {
      out.emplace_back(worker_gone{each, {errc::unavailable, "its pod has said a bad hello"}});
    }
    return;
  }
  for (const auto& s : p.slots) {
    worker_ready ready{s.ref, s.facts};
    if (!is_open(p)) {
      ready.facts.capacity = 0;
    }
    ask.workers.push_back(std::move(ready));
  }
  worker_ref keeper{kept_slot, 0, p.node}; // a place has one worker, also this one
  for (const auto& each : g.inventory) {
    const auto* const s = find_slot(p, each.slot);
    const bool lives = s != nullptr && s->pod_incarnation == each.incarnation;
    if (!lives && keeper.incarnation == 0) {
      keeper.incarnation = ++incarnations_;
    }
    const auto holder = lives ? s->ref : keeper;
    g.claims.push_back({each.attempt, view_of(each.at), holder, each.steps, each.chunks_from});
    expect(p, each.attempt, holder);
  }
  ask.claims = g.claims;
  p.at = phase::judging;
  out.emplace_back(std::move(ask));
}

effects pod_registry::reconciled(moment now, node_id node, std::uint64_t session,
                                 const std::vector<claim_decision>& decisions) {
  effects out;
  pod* const p = find(node);
  if (p == nullptr || p->at != phase::judging || p->session != session ||
      p->hello->claims.size() != decisions.size()) {
    return out; // of a session that has ended meanwhile
  }
  const bool another = !p->hello->hello.head.empty() && p->hello->hello.head != self_.id;
  const bool all_unknown =
      !decisions.empty() && std::all_of(decisions.begin(), decisions.end(),
                                        [](const claim_decision& each) { return each.unknown; });
  if (another && all_unknown) {
    refuse(now, *p, refusal::wrong_head,
           "the pod's " + std::to_string(decisions.size()) + " attempts are of head " +
               p->hello->hello.head + ", this is head " + self_.id +
               ": join the pod to its own head, or remove its kept results",
           std::chrono::minutes{1}, out);
  } else {
    welcome(now, *p, decisions, out);
  }
  settle(now, *p, out);
  return out;
}

void pod_registry::judge(pod& p, const claim& c, const claim_decision& decision) {
  using enum pod_protocol::verdict;
  switch (decision.verdict) {
  case keep:
  case report:
  case cancel: {
    auto& h = p.attempts[c.attempt];
    h.at = held::state::accepted;
    h.ref = c.worker;
    h.life = p.incarnation;
    h.order.reset();
    // The pod says its chunks and its last word again.
    std::erase_if(h.parked, [&](const parked_message& each) {
      const bool again = std::holds_alternative<pod_protocol::finished>(each.body) ||
                         std::holds_alternative<pod_protocol::partial>(each.body);
      p.parked_bytes -= again ? each.bytes : 0;
      return again;
    });
    if (h.parked.empty()) {
      p.parked.erase(c.attempt);
    }
    break;
  }
  case drop:
  case forget:
    counters_.fenced += c.at == pod_view::finished && decision.verdict == drop ? 1 : 0;
    if (const auto entry = p.attempts.find(c.attempt); entry != p.attempts.end()) {
      erase(p, entry);
    }
    break;
  }
}

void pod_registry::welcome(moment, pod& p, const std::vector<claim_decision>& decisions,
                           effects& out) {
  pod_protocol::verdicts some;
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    judge(p, p.hello->claims[i], decisions[i]);
    some.entries.push_back(decisions[i].verdict);
    if (some.entries.size() == pod_protocol::list_max || i + 1 == decisions.size()) {
      p.link->send(std::exchange(some, {}));
    }
  }
  p.link->send(pod_protocol::welcome{p.link->version(), self_.id, self_.boot,
                                     static_cast<std::uint32_t>(limits_.beat.count())});
  for (const auto& each : p.hello->claims) {
    const auto entry = p.attempts.find(each.attempt);
    if (entry != p.attempts.end() && std::exchange(entry->second.cancelled, false)) {
      p.link->send(protocol::cancel{each.attempt});
    }
  }
  p.drained = false;
  if (p.drain) {
    p.link->send(*p.drain);
  }
  p.hello.reset();
  p.at = phase::linked;
  note(noted::what::linked, p,
       "session " + std::to_string(p.session & 0xffff'ffff) + ", " +
           std::to_string(p.slots.size()) + " slots, " + std::to_string(decisions.size()) +
           " attempts",
       out);
}

} // namespace tayfa::pods
