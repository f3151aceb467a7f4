// Silence, attempts that are not accepted, pauses that are over; facts for people, and the audit.
#include "runtime/pods/pod_registry.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods {

moment pod_registry::due_of(const pod& p) const {
  moment due = moment::max();
  const auto at = [&](moment when) { due = std::min(due, when); };
  if (p.connection != 0 || (!p.slots.empty() && !p.suspect)) {
    at(p.heard + silence());
  }
  if (!p.slots.empty() || !p.attempts.empty() || p.link) {
    at(p.heard + limits_.lost_after);
  }
  if (p.at == phase::refusing) {
    at(p.refusal_until);
  }
  if (!p.waits.empty()) {
    at(p.waits.front().since + silence());
  }
  if (p.unfit_until != moment{}) {
    at(p.unfit_until);
  }
  if (p.link && p.connection != 0) {
    at(p.link->link().asks_again().value_or(moment::max()));
  }
  return due;
}

void pod_registry::schedule(pod& p) {
  const auto due = due_of(p);
  if (due != p.due) {
    due_.erase({p.due, p.node.value});
    p.due = due;
    due_.insert({p.due, p.node.value});
  }
}

std::optional<moment> pod_registry::next_deadline() const {
  return due_.empty() || due_.begin()->first == moment::max() ? std::nullopt
                                                              : std::optional{due_.begin()->first};
}

effects pod_registry::expire(moment now) {
  effects out;
  while (!due_.empty() && due_.begin()->first <= now) {
    pod& p = *find(node_id{due_.begin()->second});
    expire_one(now, p, out);
    settle(now, p, out);
  }
  return out;
}

void pod_registry::expire_one(moment now, pod& p, effects& out) {
  const auto silent = now - p.heard;
  if (p.at == phase::refusing && now >= p.refusal_until) {
    end_session(p, out);
  }
  if ((!p.slots.empty() || !p.attempts.empty() || p.link) && silent >= limits_.lost_after) {
    ++counters_.lost;
    const auto ms = std::chrono::duration_cast<milliseconds>(silent).count();
    const std::string words = "pod " + p.name + " was silent for " + std::to_string(ms) + " ms";
    note(noted::what::lost, p, words, out);
    lose(p, {errc::lease_expired, words}, out);
  } else if (silent >= silence()) {
    if (p.connection != 0) { // half open: the pod shall come back by another one
      disconnect(p, out);
      note(noted::what::cut, p, "nothing was received", out);
    }
    if (!p.slots.empty() && !std::exchange(p.suspect, true)) {
      note(noted::what::suspect, p, {}, out);
      announce_all(p, out);
    }
  }
  if (p.unfit_until != moment{} && now >= p.unfit_until) {
    p.unfit_until = {};
    announce_all(p, out);
  }
  while (!p.waits.empty() && now - p.waits.front().since >= silence()) {
    const auto attempt = p.waits.front().attempt;
    p.waits.pop_front();
    const auto entry = p.attempts.find(attempt);
    if (entry == p.attempts.end() || entry->second.at > held::state::sent) {
      continue;
    }
    give_back(p, entry, "pod " + p.name + " did not accept it", out);
    if (entry->second.at == held::state::pending) {
      erase(p, entry);
    } else {
      entry->second.at = held::state::void_;
      if (p.at == phase::linked) {
        p.link->send(protocol::cancel{attempt});
      }
    }
    if (++p.unaccepted_in_row >= limits_.unaccepted_most && p.unfit_until == moment{}) {
      p.unfit_until = now + limits_.unfit_for;
      note(noted::what::unfit, p,
           "it accepted none of " + std::to_string(p.unaccepted_in_row) + " attempts", out);
      announce_all(p, out);
    }
  }
}

// ---- for people ---------------------------------------------------------------------------------

std::vector<pod_line> pod_registry::lines(moment now) const {
  std::vector<pod_line> out;
  out.reserve(pods_.size());
  for (const auto& [key, p] : pods_) {
    pod_line line;
    line.key = key;
    line.name = p->name;
    line.release = p->release;
    line.closed = p->closed;
    line.node = p->node;
    line.linked = p->at == phase::linked && p->connection != 0;
    line.suspect = p->suspect;
    line.draining = p->draining;
    line.drained = p->draining && p->drained;
    line.incarnation = p->incarnation;
    line.session = p->session;
    line.slots = static_cast<std::uint32_t>(p->slots.size());
    line.attempts = static_cast<std::uint32_t>(p->attempts.size());
    line.running = p->running;
    line.silent = std::chrono::duration_cast<milliseconds>(now - p->heard);
    line.round_trip = p->round_trip;
    line.bytes_in = p->bytes_in;
    line.bytes_out = p->bytes_out;
    line.models = p->models;
    out.push_back(std::move(line));
  }
  std::sort(out.begin(), out.end(), [](const pod_line& a, const pod_line& b) {
    return std::tie(a.name, a.key) < std::tie(b.name, b.key);
  });
  return out;
}

std::vector<std::string> pod_registry::audit() const {
  std::vector<std::string> out;
  const auto check = [&out](bool holds, const pod& p, const char* rule) {
    if (!holds) {
      out.push_back(p.name + " " + p.key.substr(0, 8) + ": " + rule);
    }
  };
  for (const auto& [key, each] : pods_) {
    const pod& p = *each;
    check(by_node_[p.node.value - first_node] == &p, p, "its node is another's");
    check(p.connection == 0 ||
              (by_connection_.contains(p.connection) && by_connection_.at(p.connection) == &p),
          p, "its connection is another's");
    check((p.at == phase::away) == !p.link, p, "a session has a link");
    check(p.link || p.connection == 0, p, "a connection belongs to a session");
    check(due_.contains({p.due, p.node.value}) && p.due <= due_of(p), p, "its deadline is late");
    check((p.at == phase::greeting || p.at == phase::judging) == (p.hello != nullptr), p,
          "a hello that nothing waits for");
    check(p.assigns <= p.take_until || p.at != phase::linked, p, "more was given than it takes");
    std::size_t pending = 0;
    std::size_t parked = 0;
    for (const auto& [attempt, h] : p.attempts) {
      pending += h.at == held::state::pending ? 1 : 0;
      parked += h.parked.empty() ? 0 : 1;
      check((h.at == held::state::pending) == (h.order != nullptr), p, "an order is kept");
      check(h.ref.node == p.node, p, "it holds what is another's");
      check(h.parked.empty() || p.parked.contains(attempt), p, "a parked attempt is not known");
    }
    check(pending == p.pending.size(), p, "what is pending is not what waits");
    check(parked == p.parked.size(), p, "what is parked is not what waits for blobs");
    check(p.slots.size() <= pod_protocol::slots_max, p, "too many slots");
    check(std::is_sorted(p.slots.begin(), p.slots.end(),
                         [](const slot& a, const slot& b) { return a.number < b.number; }),
          p, "its slots are out of order");
  }
  if (by_connection_.size() > pods_.size() || due_.size() != pods_.size()) {
    out.emplace_back("the indexes do not fit the pods");
  }
  return out;
}

} // namespace tayfa::pods
