// Connections and sessions: which connection speaks for a key, where a session begins and ends, and
// who is refused.
#include "runtime/pods/pod_registry.hpp"

#include "runtime/base/text.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods {

using pod_protocol::refusal;

struct pod_registry::join_link {
  explicit join_link(std::uint64_t session, std::uint64_t peer, receive_budget& budget)
      : link(session, peer, budget) {}
  head_end link;
  std::string token;
  bool asked = false;
};

namespace {

constexpr std::string_view join_prefix = "join:";
constexpr std::size_t joins_max = 64;

} // namespace

pod_registry::pod_registry(registry_limits limits, head_identity self, send_function send)
    : limits_(limits), self_(std::move(self)), send_(std::move(send)), cache_(limits.cache_bytes),
      sessions_(self_.boot << 32) {}

pod_registry::~pod_registry() = default;

void pod_registry::note(noted::what kind, const pod& p, std::string text, effects& out) {
  out.emplace_back(noted{kind, p.key, p.name, std::move(text)});
}

// ---- connections --------------------------------------------------------------------------------

effects pod_registry::on(moment now, const received& m) {
  effects out;
  if (dropped_.contains(m.connection)) {
    ++counters_.dropped_messages;
    return out;
  }
  if (m.key.starts_with(join_prefix)) {
    join(now, m, out);
    return out;
  }
  const auto entry = by_connection_.find(m.connection);
  pod* p = entry == by_connection_.end() ? connect(now, m, out) : entry->second;
  if (p != nullptr && p->key != m.key) { // a connection proves one key
    disconnect(*p, out);
    return out;
  }
  if (p != nullptr) {
    p->bytes_in += m.bytes.size();
    take(now, *p, m.bytes, out);
    settle(now, *p, out);
  }
  return out;
}

effects pod_registry::on(moment now, const gone& m) {
  effects out;
  dropped_.erase(m.connection);
  joins_.erase(m.connection);
  const auto entry = by_connection_.find(m.connection);
  if (entry == by_connection_.end()) {
    return out;
  }
  pod& p = *entry->second;
  by_connection_.erase(entry);
  p.connection = 0;
  if (p.at == phase::refusing) {
    end_session(p, out);
  } else if (p.link) {
    p.link->link().disconnected();
    note(noted::what::cut, p, {}, out);
  }
  settle(now, p, out);
  return out;
}

effects pod_registry::on(moment now, const writable& m) {
  effects out;
  const auto entry = by_connection_.find(m.connection);
  if (entry != by_connection_.end()) {
    settle(now, *entry->second, out);
  }
  return out;
}

void pod_registry::drop(connection_id connection, effects& out) {
  by_connection_.erase(connection);
  dropped_.insert(connection);
  out.emplace_back(drop_connection{connection});
}

void pod_registry::disconnect(pod& p, effects& out) {
  if (const auto connection = std::exchange(p.connection, 0); connection != 0) {
    drop(connection, out);
  }
  if (p.link) {
    p.link->link().disconnected();
  }
}

/// The pod of this key; null when there is no room for it.
pod_registry::pod* pod_registry::meet(moment now, const received& m, const envelope&,
                                      effects& out) {
  if (auto* const known = find(m.key)) {
    return known;
  }
  if (pods_.size() >= limits_.pods_max) {
    pod rejected;
    rejected.key = m.key;
    ++counters_.hellos_refused;
    note(noted::what::refused, rejected,
         "too many pods: the head takes " + std::to_string(limits_.pods_max), out);
    return nullptr;
  }
  auto& made = pods_[m.key];
  made = std::make_unique<pod>();
  made->key = m.key;
  made->node.value = first_node + static_cast<std::uint32_t>(by_node_.size());
  made->heard = now;
  made->due = now + silence();
  by_node_.push_back(made.get());
  due_.insert({made->due, made->node.value});
  return made.get();
}

/// The first message of a connection: it resumes the session, or begins one.
pod_registry::pod* pod_registry::connect(moment now, const received& m, effects& out) {
  const auto read = read_envelope(m.bytes);
  if (revoked_.contains(m.key) || !read || read->header.kind != link_kind::open) {
    ++counters_.dropped_messages;
    drop(m.connection, out);
    return nullptr;
  }
  pod* const p = meet(now, m, read->header, out);
  if (p == nullptr) {
    drop(m.connection, out);
    return nullptr;
  }
  const auto& header = read->header;
  const bool living = p->connection != 0 && now - p->heard < silence();
  const bool resumes = p->link && p->at != phase::refusing && header.to == p->session &&
                       header.from == p->incarnation;
  disconnect(*p, out); // the connection that was proven last wins at once
  p->connection = m.connection;
  by_connection_[m.connection] = p;
  if (now < p->shut_until) {
    begin_session(now, *p, header.from, out);
    refuse(now, *p, p->shut_as, p->shut_why,
           std::chrono::duration_cast<milliseconds>(p->shut_until - now), out);
  } else if (!resumes) {
    const bool cloned = is_cloned(now, *p, header.from, living);
    begin_session(now, *p, header.from, out);
    if (cloned) {
      p->shut_until = now + limits_.clones_hold;
      p->shut_as = refusal::pod_cloned;
      p->shut_why = "two processes use the key of this pod, as when its folder is copied: give "
                    "each pod a key of its own (a join token makes one)";
      note(noted::what::cloned, *p, p->shut_why, out);
      refuse(now, *p, p->shut_as, p->shut_why, limits_.clones_hold, out);
    }
  }
  return p;
}

/// Sessions that replace living ones in turn, and not each by a later incarnation, are of two
/// processes.
bool pod_registry::is_cloned(moment now, pod& p, std::uint64_t incarnation, bool living) {
  std::erase_if(p.replaced,
                [&](const replacement& each) { return now - each.at > limits_.clones_within; });
  // A pod that has not said hello may not have heard of its session.
  const bool unheard = incarnation == p.incarnation && p.at == phase::open;
  // A refused pod hangs up and asks again; the head may hear of its hang-up later.
  if (!living || unheard || p.at == phase::refusing) {
    return false;
  }
  p.replaced.push_back({now, p.incarnation, incarnation});
  if (p.replaced.size() < limits_.clones_most) {
    return false;
  }
  const bool grew = std::all_of(p.replaced.begin(), p.replaced.end(),
                                [](const replacement& each) { return each.to > each.from; });
  if (p.replaced.size() > limits_.clones_most) {
    p.replaced.erase(p.replaced.begin());
  }
  return !grew;
}

void pod_registry::begin_session(moment now, pod& p, std::uint64_t incarnation, effects&) {
  ++counters_.sessions;
  p.session = ++sessions_;
  p.incarnation = incarnation;
  auto link = std::make_unique<head_end>(p.session, incarnation, budget_);
  if (p.link) {
    link->take_blobs_of(*p.link);
  }
  p.link = std::move(link);
  p.at = phase::open;
  p.hello.reset();
  p.heard = now;
  p.take_until = p.assigns = 0;
}

/// The pod keeps what it holds, until the next hello or until it is lost.
void pod_registry::end_session(pod& p, effects& out) {
  disconnect(p, out);
  p.link.reset();
  p.hello.reset();
  p.at = phase::away;
}

/// The queue does not count on it any more.
void pod_registry::lose(pod& p, const error& why, effects& out) {
  end_session(p, out);
  for (auto& s : p.slots) {
    out.emplace_back(worker_gone{s.ref, why});
  }
  const auto kept = std::find_if(p.attempts.begin(), p.attempts.end(), [](const auto& each) {
    return each.second.ref.slot == kept_slot && each.second.at != held::state::reported;
  });
  if (kept != p.attempts.end()) { // claims whose own workers had ended
    out.emplace_back(worker_gone{kept->second.ref, why});
  }
  p.slots.clear();
  p.attempts.clear();
  p.pending.clear();
  p.waits.clear();
  p.parked.clear();
  p.parked_bytes = 0;
  p.suspect = false;
  p.running = 0;
}

void pod_registry::refuse(moment now, pod& p, refusal why, const std::string& text,
                          milliseconds retry, effects& out) {
  ++counters_.hellos_refused;
  note(noted::what::refused, p, text, out);
  if (!p.link) {
    return;
  }
  p.link->send(pod_protocol::refused{
      why, text::cut_middle(text, pod_protocol::text_bytes_max),
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(retry.count(), 0, 86'400'000))});
  p.hello.reset();
  p.at = phase::refusing;
  p.refusal_until = now + limits_.refusal_grace;
}

/// A frame that breaks a rule changes nothing; too many of them end the session for a while.
void pod_registry::refused_frame(moment now, pod& p, const error& why, effects& out) {
  ++counters_.refused_frames;
  if (now - p.refused_since > limits_.refused_within) {
    p.refused_since = now;
    p.refused = 0;
    note(noted::what::bad_frame, p, why.str(), out);
  }
  if (++p.refused < limits_.refused_most) {
    return;
  }
  p.refused = 0;
  p.shut_until = now + limits_.cut_for;
  p.shut_as = refusal::misbehaved;
  p.shut_why = std::to_string(limits_.refused_most) +
               " messages of this pod broke the protocol: " + why.str();
  note(noted::what::misbehaved, p, p.shut_why, out);
  disconnect(p, out);
}

void pod_registry::take(moment now, pod& p, std::span<const char> bytes, effects& out) {
  const auto arrival = p.link->receive(bytes, now);
  if (!arrival) {
    refused_frame(now, p, arrival.error(), out);
    return;
  }
  p.heard = now;
  if (std::exchange(p.suspect, false)) {
    note(noted::what::heard, p, {}, out);
    announce_all(p, out);
  }
  if (!arrival->frame.empty()) {
    frame(now, p, arrival->frame, out);
  }
}

/// After everything that concerns a pod: what can go out goes, and its next moment is known.
void pod_registry::settle(moment now, pod& p, effects& out) {
  if (p.link) {
    send_pending(now, p);
    if (p.at == phase::linked) {
      p.link->ask_for_chunks();
    }
    if (p.link->too_slow()) {
      note(noted::what::slow, p, "it does not take what it is sent", out);
      end_session(p, out);
    } else if (p.connection != 0) {
      p.link->flush(now, [&](const link_message& message) {
        const bool taken = send_(p.connection, message) == sent::yes;
        p.bytes_out += taken ? message->size() : 0;
        return taken;
      });
    }
  }
  schedule(p);
}

// ---- joining ------------------------------------------------------------------------------------

/// A peer that has only the key of a join token: it may say `join`, once.
void pod_registry::join(moment now, const received& m, effects& out) {
  auto entry = joins_.find(m.connection);
  if (entry == joins_.end()) {
    const auto read = read_envelope(m.bytes);
    if (!read || read->header.kind != link_kind::open || joins_.size() >= joins_max) {
      drop(m.connection, out);
      return;
    }
    entry = joins_
                .emplace(m.connection,
                         std::make_unique<join_link>(++sessions_, read->header.from, budget_))
                .first;
    entry->second->token = m.key.substr(join_prefix.size());
  }
  auto& peer = *entry->second;
  const auto arrival = peer.link.receive(m.bytes, now);
  if (arrival && !arrival->frame.empty()) {
    auto read = peer.link.decode(arrival->frame);
    auto* const asks = read ? std::get_if<pod_protocol::join>(&read->body) : nullptr;
    if (asks == nullptr || std::exchange(peer.asked, true)) {
      joins_.erase(entry);
      drop(m.connection, out);
      return;
    }
    out.emplace_back(join_asked{m.connection, peer.token, asks->key, asks->name, asks->release});
  }
  peer.link.flush(
      now, [&](const link_message& message) { return send_(m.connection, message) == sent::yes; });
}

effects pod_registry::joined(moment now, connection_id connection, const result<void>& answer) {
  effects out;
  const auto entry = joins_.find(connection);
  if (entry == joins_.end()) {
    return out;
  }
  auto& link = entry->second->link;
  if (answer) {
    link.send(pod_protocol::joined{self_.id});
  } else {
    link.send(pod_protocol::refused{refusal::join_expired, answer.error().str(), 0});
  }
  // The peer closes the connection when it has read this.
  link.flush(now,
             [&](const link_message& message) { return send_(connection, message) == sent::yes; });
  return out;
}

} // namespace tayfa::pods
