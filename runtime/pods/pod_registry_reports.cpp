// Messages of pods. Each is about what the pod itself holds, or it is refused.
#include "runtime/pods/pod_registry.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods {

namespace wire = pod_protocol;

namespace {

constexpr std::size_t parked_bytes_max = std::size_t{16} << 20;

template <class Message>
constexpr bool is_hello_part =
    std::is_same_v<Message, wire::inventory> || std::is_same_v<Message, wire::join>;

std::size_t bytes_of(const wire::upstream& m) {
  return sizeof m + std::visit(
                        [](const auto& body) {
                          if constexpr (requires { body.content; }) {
                            return body.content.text.size();
                          } else if constexpr (requires { body.output; }) {
                            return body.output.text.size();
                          } else {
                            return std::size_t{0};
                          }
                        },
                        m);
}

wire::payload* payload_in(wire::upstream& m) {
  return std::visit(
      [](auto& body) -> wire::payload* {
        if constexpr (requires { body.content; }) {
          return &body.content;
        } else if constexpr (requires { body.output; }) {
          return &body.output;
        } else {
          return nullptr;
        }
      },
      m);
}

protocol::upstream report_of(const protocol::started& m) {
  return m;
}
protocol::upstream report_of(const protocol::stepped& m) {
  return m;
}
protocol::upstream report_of(wire::progress& m) {
  return protocol::progress{m.attempt, m.sequence, m.content.text};
}
protocol::upstream report_of(wire::partial& m) {
  return protocol::partial{m.attempt, m.sequence, m.content.text};
}
protocol::upstream report_of(wire::finished& m) {
  return protocol::finished{m.attempt,        m.how,   m.code, std::move(m.text), m.output.text,
                            m.refresh_worker, m.run_ms};
}

} // namespace

void pod_registry::frame(moment now, pod& p, std::span<const char> bytes, effects& out) {
  auto read = p.link->decode(bytes);
  if (!read) {
    refused_frame(now, p, read.error(), out);
    return;
  }
  switch (p.at) {
  case phase::away:
  case phase::refusing: return;
  case phase::open:
    if (auto* const hello = std::get_if<wire::hello>(&read->body)) {
      said(now, p, read->worker, *hello, out);
    } else {
      refused_frame(now, p, {errc::bad_frame, "a session begins with hello"}, out);
    }
    return;
  case phase::greeting: greet(now, p, read->worker, read->body, out); return;
  case phase::judging:
    refused_frame(now, p, {errc::bad_frame, "a pod waits for its welcome"}, out);
    return;
  case phase::linked: break;
  }
  std::visit(
      [&]<class Message>(Message& m) {
        if constexpr (std::is_same_v<Message, wire::hello> || is_hello_part<Message>) {
          refused_frame(now, p, {errc::bad_frame, "a session has one hello"}, out);
        } else {
          said(now, p, read->worker, m, out);
        }
      },
      read->body);
}

// ---- workers ------------------------------------------------------------------------------------

void pod_registry::said(moment now, pod& p, const worker_ref& from, wire::slot_ready& m,
                        effects& out) {
  auto* s = find_slot(p, from.slot.value);
  const bool older = s != nullptr && from.incarnation < s->pod_incarnation;
  if (from.incarnation == 0 || from.slot == kept_slot || older ||
      (s == nullptr && p.slots.size() >= wire::slots_max)) {
    refused_frame(now, p, {errc::bad_frame, "no such worker can be ready"}, out);
    return;
  }
  if (s != nullptr && s->end) { // results of the one before are on their way
    s->next = std::make_unique<protocol::frame<wire::slot_ready>>(
        protocol::frame<wire::slot_ready>{from, std::move(m)});
    return;
  }
  if (s != nullptr && from.incarnation > s->pod_incarnation) {
    end_slot(p, *s, out);
    s = nullptr;
  }
  if (s == nullptr) {
    s = &add_slot(p, from);
  }
  s->facts = facts_of(m, p.name, p.key, s->number);
  announce(p, *s, out);
}

pod_registry::slot& pod_registry::add_slot(pod& p, const worker_ref& from) {
  slot made;
  made.number = from.slot.value;
  made.pod_incarnation = from.incarnation;
  made.life = p.incarnation;
  made.ref = worker_ref{from.slot, ++incarnations_, p.node};
  const auto place =
      std::lower_bound(p.slots.begin(), p.slots.end(), made.number,
                       [](const slot& each, std::uint32_t wanted) { return each.number < wanted; });
  return *p.slots.insert(place, std::move(made));
}

void pod_registry::said(moment now, pod& p, const worker_ref& from, wire::slot_gone& m,
                        effects& out) {
  auto* const s = find_slot(p, from.slot.value);
  if (s != nullptr && s->next && s->next->worker.incarnation == from.incarnation) {
    s->next.reset(); // the queue has not heard of it
    return;
  }
  if (s == nullptr || s->pod_incarnation != from.incarnation || s->end) {
    refused_frame(now, p, {errc::bad_frame, "no such worker can have ended"}, out);
    return;
  }
  s->end = std::make_unique<wire::slot_gone>(std::move(m));
  const bool waits = std::any_of(p.parked.begin(), p.parked.end(), [&](const auto& attempt) {
    return p.attempts.at(attempt).ref == s->ref;
  });
  if (waits) {
    announce(p, *s, out); // it takes nothing more; its results are on their way
  } else {
    end_slot(p, *s, out);
  }
}

/// The worker leaves the queue, with what it has not finished.
void pod_registry::end_slot(pod& p, slot& s, effects& out) {
  error why{errc::unavailable, "the pod has another worker in its place"};
  bool from_outside = false;
  if (s.end) {
    why = {errc_from(s.end->code).value_or(errc::engine_crash), s.end->text};
    from_outside = s.end->from_outside;
  }
  const auto ref = s.ref;
  for (auto entry = p.attempts.begin(); entry != p.attempts.end();) {
    const auto here = entry++;
    auto& h = here->second;
    if (h.ref == ref && h.at == held::state::sent) {
      h.at = held::state::void_; // it crosses with the worker's end, and will be returned
    } else if (h.ref == ref && h.at != held::state::reported && h.at != held::state::void_) {
      erase(p, here);
    }
  }
  const auto next = std::move(s.next);
  std::erase_if(p.slots, [&](const slot& each) { return each.ref == ref; });
  out.emplace_back(worker_gone{ref, std::move(why), from_outside});
  if (next) {
    auto& after = add_slot(p, next->worker);
    after.facts = facts_of(next->body, p.name, p.key, after.number);
    announce(p, after, out);
  }
}

// ---- the pod ------------------------------------------------------------------------------------

void pod_registry::said(moment, pod& p, const worker_ref&, wire::beat& m, effects& out) {
  p.take_until = std::max(p.take_until, m.take_until);
  p.running = m.running;
  p.round_trip = std::chrono::microseconds{m.round_trip_us};
  if (p.closed != m.closed) {
    p.closed = std::move(m.closed);
    announce_all(p, out);
  }
  if (!p.link->stuck()) {
    p.link->send(wire::beat_answer{m.sequence});
  }
}

void pod_registry::said(moment, pod& p, const worker_ref&, wire::credit& m, effects&) {
  p.take_until = std::max(p.take_until, m.take_until);
}

void pod_registry::said(moment now, pod& p, const worker_ref&, protocol::log& m, effects& out) {
  if (now - p.rows_since >= std::chrono::seconds{1}) {
    p.rows_since = now;
    p.rows = 0;
  }
  if (++p.rows <= limits_.log_rows_per_second &&
      (m.attempt.job.empty() || p.attempts.contains(m.attempt))) {
    out.emplace_back(pod_log{p.key, p.name, std::move(m)});
  }
}

void pod_registry::said(moment, pod& p, const worker_ref&, wire::drained&, effects& out) {
  p.drained = true;
  note(noted::what::drained, p, {}, out);
}

void pod_registry::said(moment, pod& p, const worker_ref&, wire::models& m, effects&) {
  p.models.assign(m.names.begin(), m.names.end());
}

void pod_registry::said(moment now, pod& p, const worker_ref& from, wire::model_refused& m,
                        effects& out) {
  const auto* const s = find_slot(p, from.slot.value);
  if (s != nullptr && s->next && s->next->worker.incarnation == from.incarnation) {
    return; // the queue has not heard of it
  }
  if (s == nullptr || s->pod_incarnation != from.incarnation) {
    refused_frame(now, p, {errc::bad_frame, "no such worker can refuse a model"}, out);
    return;
  }
  out.emplace_back(tayfa::model_refused{
      s->ref, std::move(m.model), {errc_from(m.code).value_or(errc::model_invalid), m.text}});
}

void pod_registry::said(moment, pod& p, const worker_ref&, wire::key_made& m, effects& out) {
  out.emplace_back(key_announced{p.key, std::move(m.key)});
}

// ---- attempts -----------------------------------------------------------------------------------

void pod_registry::said(moment now, pod& p, const worker_ref&, wire::accepted& m, effects& out) {
  const auto entry = p.attempts.find(m.attempt);
  if (entry == p.attempts.end()) {
    refused_frame(now, p, {errc::bad_frame, "it accepts what it was not given"}, out);
    return;
  }
  if (entry->second.at == held::state::sent) {
    entry->second.at = held::state::accepted;
  }
  p.unaccepted_in_row = 0;
}

void pod_registry::said(moment now, pod& p, const worker_ref&, wire::returned& m, effects& out) {
  const auto entry = p.attempts.find(m.attempt);
  const bool ours = entry != p.attempts.end() && entry->second.at != held::state::pending &&
                    entry->second.at != held::state::reported;
  if (!ours) {
    refused_frame(now, p, {errc::bad_frame, "it returns what it does not have"}, out);
    return;
  }
  if (entry->second.at != held::state::void_) {
    give_back(p, entry, m.why, out);
  }
  erase(p, entry);
}

template <class Report>
void pod_registry::said(moment now, pod& p, const worker_ref&, Report& m, effects& out) {
  constexpr bool last = std::is_same_v<Report, wire::finished>;
  const auto entry = p.attempts.find(m.attempt);
  if (entry == p.attempts.end() || entry->second.at == held::state::pending ||
      entry->second.at == held::state::reported) {
    refused_frame(now, p, {errc::bad_frame, "a report of an attempt that it does not hold"}, out);
    return;
  }
  auto& h = entry->second;
  if (h.at == held::state::void_) {
    if constexpr (last) {
      late_result(p, entry, m, out);
    }
    return;
  }
  wire::upstream body{std::move(m)};
  if (!h.parked.empty() || !deliver(p, entry, body, {}, {}, false, out)) {
    park(p, entry, std::move(body));
  }
  if (p.parked_bytes > parked_bytes_max) {
    note(noted::what::slow, p, "too much of it waits for blobs that do not come", out);
    end_session(p, out);
  }
}

/// The report, and what comes after it, waits for a blob.
void pod_registry::park(pod& p, held_map::iterator entry, wire::upstream body) {
  const auto bytes = bytes_of(body);
  p.parked_bytes += bytes;
  p.parked.insert(entry->first);
  entry->second.parked.push_back({std::move(body), bytes});
}

/// The result of an attempt that was given back, because the pod accepted it too late. The job may
/// still wait under this number: another hello lets the table decide whether it is of use.
void pod_registry::late_result(pod& p, held_map::iterator entry, const wire::finished& m,
                               effects& out) {
  if (m.how == protocol::outcome::cancelled) {
    p.link->send(wire::forget{m.attempt});
    erase(p, entry);
  } else {
    note(noted::what::cut, p, "it has the result of an attempt that was given back", out);
    end_session(p, out);
  }
}

pod_registry::content pod_registry::fetch(pod& p, wire::payload& from, const shared_text& arrived) {
  if (from.blob.empty()) {
    return content::here;
  }
  from.text = arrived.empty() ? cache_.find(from.blob) : arrived;
  if (from.text.empty()) {
    p.link->receiver().want(from.blob);
    return content::missing;
  }
  if (arrived.empty()) {
    p.link->send(wire::blob_have{from.blob, true}); // it was here already
  }
  from.blob = {};
  return content::here;
}

/// To the queue, unless its text has to be fetched first: false.
bool pod_registry::deliver(pod& p, held_map::iterator entry, wire::upstream& body,
                           const wire::blob_ref& blob, const shared_text& arrived, bool failed,
                           effects& out) {
  auto& h = entry->second;
  auto* const carried = payload_in(body);
  const bool about_this = carried != nullptr && !blob.empty() && carried->blob == blob;
  if (about_this && failed) {
    auto* const last = std::get_if<wire::finished>(&body);
    if (last == nullptr) {
      return true; // a part of a stream that the pod does not have any more
    }
    last->how = protocol::outcome::failed;
    last->code = static_cast<std::uint16_t>(errc::engine_protocol);
    last->text = "the pod did not send the output that it announced";
    last->output = {};
  } else if (carried != nullptr &&
             fetch(p, *carried, about_this ? arrived : shared_text{}) == content::missing) {
    return false;
  }
  std::visit(
      [&](auto& m) {
        if constexpr (requires { report_of(m); }) {
          out.emplace_back(attempt_reported{h.ref, report_of(m)});
        }
      },
      body);
  if (std::holds_alternative<wire::finished>(body)) {
    h.at = held::state::reported;
  }
  return true;
}

/// A blob has arrived, or never will: what waited for it goes on, in order.
void pod_registry::unpark(moment, pod& p, const wire::blob_ref& blob, const shared_text& text,
                          bool failed, effects& out) {
  for (auto next = p.parked.begin(); next != p.parked.end();) {
    const auto entry = p.attempts.find(*next);
    ++next;
    auto& waiting = entry->second.parked;
    std::size_t done = 0;
    while (done < waiting.size() &&
           deliver(p, entry, waiting[done].body, blob, text, failed, out)) {
      p.parked_bytes -= waiting[done++].bytes;
    }
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(done));
    if (waiting.empty()) {
      p.parked.erase(entry->first);
    }
  }
  for (std::size_t i = 0; i < p.slots.size();) {
    auto& s = p.slots[i];
    const bool waits = std::any_of(p.parked.begin(), p.parked.end(), [&](const auto& attempt) {
      return p.attempts.at(attempt).ref == s.ref;
    });
    if (s.end && !waits) {
      end_slot(p, s, out);
    } else {
      ++i;
    }
  }
}

// ---- blobs --------------------------------------------------------------------------------------

void pod_registry::said(moment, pod& p, const worker_ref&, wire::blob_need& m, effects&) {
  p.link->serve(m);
}

void pod_registry::said(moment, pod& p, const worker_ref&, wire::blob_have& m, effects&) {
  p.link->sender().release(m.blob);
  for (auto& [attempt, h] : p.attempts) {
    if (h.input == m.blob) {
      h.input = {};
    }
  }
}

void pod_registry::said(moment now, pod& p, const worker_ref&, wire::chunk& m, effects& out) {
  auto arrived = p.link->receiver().take(m);
  if (!arrived.whole && !arrived.failed) {
    return;
  }
  if (arrived.whole) {
    cache_.put(m.blob, arrived.text);
  }
  p.link->send(wire::blob_have{m.blob, arrived.whole});
  unpark(now, p, m.blob, arrived.text, arrived.failed, out);
}

} // namespace tayfa::pods
