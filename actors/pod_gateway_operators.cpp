// Operators' requests to the gateway of pods: lists, drains, and whom the head lets in.
#include "actors/pod_gateway.hpp"

#include <algorithm>

namespace tayfa {

namespace {

std::string shown_state(const pods::pod_line& pod) {
  if (pod.session == 0 || (!pod.linked && pod.slots == 0)) {
    return "away";
  }
  if (pod.suspect) {
    return "suspect";
  }
  if (!pod.linked) {
    return "cut";
  }
  if (pod.draining) {
    return pod.drained ? "drained" : "draining";
  }
  return pod.closed.empty() ? "linked" : "closed";
}

std::string_view to_string(pod_drain how) {
  switch (how) {
  case pod_drain::off: return "off";
  case pod_drain::graceful: return "graceful";
  case pod_drain::quick: return "quick";
  case pod_drain::fast: return "fast";
  }
  return "";
}

/// The list of pods names its changer so.
std::string person(const std::string& key) {
  return key.empty() ? "api" : "key:" + key;
}

} // namespace

std::vector<pod_summary> pod_gateway::summaries() const {
  std::vector<pod_summary> out;
  for (auto& pod : registry_->lines(now())) {
    pod_summary one;
    one.state = shown_state(pod);
    one.name = std::move(pod.name);
    one.key = std::move(pod.key);
    one.why = std::move(pod.closed);
    one.release = std::move(pod.release);
    one.slots = pod.slots;
    one.attempts = pod.attempts;
    one.running = pod.running;
    one.models = std::move(pod.models);
    one.silent = pod.silent;
    one.round_trip_us = static_cast<std::uint64_t>(pod.round_trip.count());
    one.bytes_in = pod.bytes_in;
    one.bytes_out = pod.bytes_out;
    out.push_back(std::move(one));
  }
  return out;
}

pods_answer pod_gateway::drain(const drain_pod& m) {
  const auto all = registry_->lines(now());
  const auto is_named = [&m](const pods::pod_line& pod) {
    return pod.key == m.pod || pod.name == m.pod;
  };
  const auto named = std::find_if(all.begin(), all.end(), is_named);
  if (named != all.end() && std::any_of(std::next(named), all.end(), is_named)) {
    return {fail(errc::bad_request, "several pods have this name; use the key of one (/pods)")};
  }
  if (named == all.end()) {
    return {fail(errc::not_found, "no such pod has linked to this head since it started")};
  }
  ctx_.outside.log.info("pod_drain", {{"pod", named->name}, {"how", to_string(m.how)}});
  switch (m.how) {
  case pod_drain::off: obey(registry_->undrain(now(), named->key)); break;
  case pod_drain::graceful:
    obey(registry_->drain(now(), named->key, pod_protocol::drain_mode::graceful));
    break;
  case pod_drain::quick:
    obey(registry_->drain(now(), named->key, pod_protocol::drain_mode::quick));
    break;
  case pod_drain::fast:
    obey(registry_->drain(now(), named->key, pod_protocol::drain_mode::fast));
    break;
  }
  after();
  return {summaries()};
}

caf::result<trust_answer> pod_gateway::list() {
  const auto number = ++requests_;
  trust().list([me = caf::actor_cast<pod_gateway_actor>(this), number](result<trust_list> found) {
    caf::anon_send(me, trust_reported{trust_reported::listed{number, std::move(found)}});
  });
  return lists_asked_[number] = make_response_promise<trust_answer>();
}

caf::result<trust_answer> pod_gateway::change(change_trust m) {
  const auto number = ++requests_;
  m.by = person(m.by);
  ctx_.outside.log.info("pod_trust", {{"pod", m.pod}, {"trusted", m.trusted}, {"by", m.by}});
  trust().change(std::move(m), [me = caf::actor_cast<pod_gateway_actor>(this),
                                number](result<trust_list> found) {
    caf::anon_send(me, trust_reported{trust_reported::listed{number, std::move(found)}});
  });
  return lists_asked_[number] = make_response_promise<trust_answer>();
}

caf::result<join_text_answer> pod_gateway::invite(make_join_text m) {
  if (listens_.empty()) {
    return join_text_answer{fail(errc::not_ready, "the link does not listen yet")};
  }
  const auto number = ++requests_;
  m.by = person(m.by);
  trust().make_token(
      std::move(m), listens_,
      [me = caf::actor_cast<pod_gateway_actor>(this), number](result<join_text> made) {
        caf::anon_send(me, trust_reported{trust_reported::invited{number, std::move(made)}});
      });
  return texts_asked_[number] = make_response_promise<join_text_answer>();
}

void pod_gateway::on(const trust_reported::listed& m) {
  if (auto asked = lists_asked_.extract(m.number)) {
    auto found = m.found;
    if (found) {
      found->listens = listens_;
    }
    asked.mapped().deliver(trust_answer{std::move(found)});
  }
}

void pod_gateway::on(const trust_reported::invited& m) {
  if (m.made) {
    ctx_.outside.log.info("pod_invited", {{"token", m.made->token}});
  }
  if (auto asked = texts_asked_.extract(m.number)) {
    asked.mapped().deliver(join_text_answer{m.made});
  }
}

} // namespace tayfa
