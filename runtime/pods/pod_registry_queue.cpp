// Commands of the queue and of operators.
#include "runtime/pods/pod_registry.hpp"

#include "runtime/pods/payloads.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods {

// ---- who is who ---------------------------------------------------------------------------------

pod_registry::pod* pod_registry::find(node_id node) {
  const auto index = node.value - first_node;
  return node.value >= first_node && index < by_node_.size() ? by_node_[index] : nullptr;
}

pod_registry::pod* pod_registry::find(const std::string& key) {
  const auto entry = pods_.find(key);
  return entry == pods_.end() ? nullptr : entry->second.get();
}

pod_registry::slot* pod_registry::find_slot(pod& p, std::uint32_t number) {
  const auto found =
      std::lower_bound(p.slots.begin(), p.slots.end(), number,
                       [](const slot& s, std::uint32_t wanted) { return s.number < wanted; });
  return found != p.slots.end() && found->number == number ? &*found : nullptr;
}

pod_registry::slot* pod_registry::find_slot(pod& p, const worker_ref& ref) {
  auto* const s = find_slot(p, ref.slot.value);
  return s != nullptr && s->ref == ref ? s : nullptr;
}

bool pod_registry::is_open(const pod& p) const {
  return !p.suspect && !p.draining && p.closed.empty() && p.unfit_until == moment{};
}

void pod_registry::announce(pod& p, slot& s, effects& out) {
  worker_ready ready{s.ref, s.facts};
  if (!is_open(p) || s.end) {
    ready.facts.capacity = 0;
  }
  out.emplace_back(std::move(ready));
}

void pod_registry::announce_all(pod& p, effects& out) {
  for (auto& s : p.slots) {
    announce(p, s, out);
  }
}

// ---- attempts -----------------------------------------------------------------------------------

void pod_registry::erase(pod& p, held_map::iterator entry) {
  auto& [attempt, h] = *entry;
  if (!h.input.empty() && p.link) {
    p.link->sender().drop(h.input);
  }
  if (h.at == held::state::pending) {
    p.pending.remove(attempt);
  }
  for (const auto& each : h.parked) {
    p.parked_bytes -= each.bytes;
  }
  p.parked.erase(attempt);
  p.attempts.erase(entry);
}

/// The attempt never began, as far as anybody can tell: the job pays nothing.
void pod_registry::give_back(pod&, held_map::iterator entry, const std::string& why, effects& out) {
  protocol::finished last;
  last.attempt = entry->first;
  last.how = protocol::outcome::failed;
  last.code = static_cast<std::uint16_t>(errc::unavailable);
  last.text = why;
  out.emplace_back(attempt_reported{entry->second.ref, std::move(last)});
}

effects pod_registry::assigned(moment now, worker_ref ref,
                               const std::vector<attempt_order>& orders) {
  effects out;
  pod* const p = find(ref.node);
  if (p == nullptr || find_slot(*p, ref) == nullptr) {
    return out; // it has gone, and the queue will hear so
  }
  for (const auto& order : orders) {
    auto [entry, made] = p->attempts.try_emplace(order.body.attempt);
    if (!made) {
      continue;
    }
    entry->second.ref = ref;
    entry->second.life = p->incarnation;
    entry->second.order = std::make_unique<attempt_order>(order);
    p->pending.push_back(order.body.attempt);
    p->waits.push_back({order.body.attempt, now});
  }
  settle(now, *p, out);
  return out;
}

/// Sends what credit allows. The members of a run go together: the pod waits for all of them.
void pod_registry::send_pending(moment, pod& p) {
  while (p.at == phase::linked && !p.suspect && !p.pending.empty()) {
    const auto& first = *p.attempts.at(p.pending.front()).order;
    std::vector<attempt_ref> run;
    for (const auto& attempt : p.pending) {
      const auto& h = p.attempts.at(attempt);
      const auto& body = h.order->body;
      const bool together = first.body.batch != 0 && body.batch == first.body.batch &&
                            h.ref == p.attempts.at(p.pending.front()).ref;
      if (run.empty() || together) {
        run.push_back(attempt);
      } else {
        break;
      }
    }
    if (p.assigns + run.size() > p.take_until) {
      return;
    }
    for (const auto& attempt : run) {
      send_order(p, attempt, p.attempts.at(attempt), static_cast<std::uint32_t>(run.size()));
      p.pending.pop_front();
    }
  }
}

void pod_registry::send_order(pod& p, const attempt_ref& attempt, held& h,
                              std::uint32_t batch_size) {
  auto& order = *h.order;
  pod_protocol::assign m;
  m.attempt = attempt;
  m.model = std::move(order.body.model);
  m.input = payload_of(order.body.input, p.link->sender());
  m.batch = order.body.batch;
  m.batch_size = batch_size;
  m.s3_config = std::move(order.body.s3_config);
  m.timeout_ms = order.timeout_ms;
  m.endpoint = std::move(order.endpoint);
  h.input = m.input.blob;
  h.at = held::state::sent;
  h.order.reset();
  ++p.assigns;
  const auto* const s = find_slot(p, h.ref);
  p.link->send({slot_id{s->number}, s->pod_incarnation}, std::move(m));
}

effects pod_registry::revoked(moment now, worker_ref ref, const attempt_ref& attempt) {
  effects out;
  pod* const p = find(ref.node);
  if (p == nullptr) {
    return out;
  }
  const auto entry = p->attempts.find(attempt);
  const bool unsent = entry != p->attempts.end() && entry->second.at == held::state::pending;
  if (entry == p->attempts.end() || unsent) {
    protocol::finished last;
    last.attempt = attempt;
    last.how = protocol::outcome::cancelled;
    out.emplace_back(attempt_reported{ref, std::move(last)});
    if (unsent) {
      erase(*p, entry);
    }
  } else if (entry->second.at != held::state::reported) {
    if (p->at == phase::linked) {
      p->link->send(protocol::cancel{attempt});
    } else {
      entry->second.cancelled = true; // a pod obeys from its welcome on
    }
  }
  settle(now, *p, out);
  return out;
}

effects pod_registry::change_model(moment now, worker_ref ref, const std::string& model) {
  effects out;
  pod* const p = find(ref.node);
  auto* const s = p == nullptr ? nullptr : find_slot(*p, ref);
  if (s == nullptr || !p->link) {
    return out; // the queue asks again when the worker is announced again
  }
  const worker_ref there{slot_id{s->number}, s->pod_incarnation};
  if (model.empty()) {
    p->link->send(there, pod_protocol::unload{});
  } else {
    p->link->send(there, pod_protocol::load{model});
  }
  settle(now, *p, out);
  return out;
}

effects pod_registry::settled(moment now, worker_ref ref, const attempt_ref& attempt) {
  effects out;
  pod* const p = find(ref.node);
  const auto entry = p == nullptr ? held_map::iterator{} : p->attempts.find(attempt);
  if (p == nullptr || entry == p->attempts.end() || entry->second.at != held::state::reported) {
    return out; // the next hello settles it
  }
  if (p->at == phase::linked) {
    p->link->send(pod_protocol::forget{attempt});
  }
  erase(*p, entry);
  settle(now, *p, out);
  return out;
}

effects pod_registry::queue_restarted(moment now) {
  effects out;
  for (auto& [key, each] : pods_) {
    effects said; // the new queue knows none of these workers
    lose(*each, {errc::unavailable, "the queue was started anew"}, said);
    for (auto& e : said) {
      if (std::holds_alternative<drop_connection>(e)) {
        out.push_back(std::move(e));
      }
    }
    settle(now, *each, out);
  }
  return out;
}

// ---- operators ----------------------------------------------------------------------------------

void pod_registry::trust(const std::string& key) {
  revoked_.erase(key);
  if (auto* const p = find(key)) {
    p->shut_until = {};
    p->replaced.clear();
  }
}

effects pod_registry::revoke(moment now, const std::string& key, const std::string& why) {
  effects out;
  revoked_.insert(key);
  pod* const p = find(key);
  if (p == nullptr) {
    return out;
  }
  if (p->link) {
    p->link->send(pod_protocol::revoked{why});
  }
  settle(now, *p, out); // best effort: it is cut in any case
  note(noted::what::revoked, *p, why, out);
  lose(*p, {errc::unavailable, "its pod is trusted no longer"}, out);
  due_.erase({p->due, p->node.value});
  by_node_[p->node.value - first_node] = nullptr;
  pods_.erase(std::string{key});
  return out;
}

effects pod_registry::drain(moment now, const std::string& key, pod_protocol::drain_mode mode,
                            milliseconds grace) {
  effects out;
  if (pod* const p = find(key)) {
    p->draining = true;
    p->drained = false;
    p->drain = pod_protocol::drain{mode, static_cast<std::uint32_t>(grace.count())};
    announce_all(*p, out);
    if (p->at == phase::linked) {
      p->link->send(*p->drain);
    }
    while (!p->pending.empty()) {
      const auto entry = p->attempts.find(p->pending.front());
      give_back(*p, entry, "its pod is drained", out);
      erase(*p, entry);
    }
    settle(now, *p, out);
  }
  return out;
}

effects pod_registry::undrain(moment now, const std::string& key) {
  effects out;
  pod* const p = find(key);
  if (p != nullptr && std::exchange(p->draining, false)) {
    p->drain.reset();
    announce_all(*p, out);
    if (p->at == phase::linked) {
      p->link->send(pod_protocol::undrain{});
    }
    settle(now, *p, out);
  }
  return out;
}

effects pod_registry::rotate(moment now, const std::string& key, const pod_protocol::rotate& m) {
  effects out;
  if (pod* const p = find(key); p != nullptr && p->at == phase::linked) {
    p->link->send(m);
    settle(now, *p, out);
  }
  return out;
}

} // namespace tayfa::pods
