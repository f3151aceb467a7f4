#include "cluster/program/fleet/link_parts.hpp"

#include "cluster/program/fleet/join.hpp"
#include "runtime/pods_net/endpoint.hpp"
#include "runtime/pods_net/head_file.hpp"
#include "runtime/pods_net/link_keys.hpp"

#include <unistd.h>

namespace tayfa {

namespace {

using namespace std::chrono_literals;

constexpr auto join_patience = 60s;

result<void> make_head(link_parts& out, const config& c, const time_source& time, event_log& log,
                       secret_source& secrets) {
  constexpr std::string_view scheme = "tcp://";
  const std::string endpoint =
      c.link_listen.starts_with(scheme) ? c.link_listen : std::string{scheme} + c.link_listen;
  if (const auto possible = pods::may_bind(endpoint); !possible) {
    return fail(errc::bad_config, "link.listen: " + possible.error().text);
  }
  const auto folder = link_folder(c.pod_data);
  const auto keys = pods::start_head(folder, secrets);
  if (!keys) {
    return fail(keys.error());
  }
  head_terms terms;
  terms.limits.beat = c.link_beat;
  terms.limits.misses = c.link_misses;
  terms.limits.lost_after = c.link_lost_after;
  terms.self.id = keys->id;
  terms.self.boot = keys->boot;
  terms.listen = {endpoint, keys->keys};
  out.head = std::move(terms);
  out.listener = std::make_unique<pods::zmq_listener>(time, log);
  out.trust = std::make_unique<pods::trust_file>(time, secrets, keys->keys.public_key,
                                                 pods::allow_list_path(folder));
  return {};
}

/// The head that the pod knows, or that it joins now. With a known head the join string is not even
/// read: it may have expired long ago.
result<pods::known_head> find_head(const serve_plan& plan, const std::string& folder,
                                   const pods::pod_keys& keys, const time_source& time,
                                   event_log& log, stop_button& button) {
  auto known = pods::read_known_head(folder);
  if (known || known.error().code != errc::not_found) {
    return known;
  }
  if (plan.join.empty()) {
    return fail(errc::bad_usage, "this pod has no head yet: give it a join string with --join or "
                                 "TAYFA_JOIN; tayfa link token makes one at the head");
  }
  const auto invitation = pods::read_join_string(plan.join.reveal());
  if (!invitation) {
    return fail(invitation.error());
  }
  const joining_pod pod{keys.keys, keys.incarnation, plan.pod_name, plan.release};
  if (const auto joined = join_head(*invitation, pod, time, log, button, join_patience); !joined) {
    return fail(joined.error());
  }
  pods::known_head head{invitation->head_key, pod.name, invitation->addresses};
  if (const auto written = pods::write_known_head(folder, head); !written) {
    return fail(written.error());
  }
  log.info("joined", {{"name", pod.name}, {"head", head.addresses.front()}});
  return head;
}

result<void> make_pod(link_parts& out, const serve_plan& plan, const time_source& time,
                      event_log& log, secret_source& secrets, stop_button& button) {
  const auto folder = link_folder(plan.knobs.pod_data);
  const auto keys = pods::start_pod(folder, secrets);
  if (!keys) {
    return fail(keys.error());
  }
  const auto head = find_head(plan, folder, *keys, time, log, button);
  if (!head) {
    return fail(head.error());
  }
  link_terms terms;
  terms.limits.beat = plan.knobs.link_beat;
  terms.limits.misses = plan.knobs.link_misses;
  terms.self.incarnation = keys->incarnation;
  terms.self.name = head->pod;
  terms.self.release = plan.release;
  terms.keys = keys->keys;
  for (const auto& address : head->addresses) {
    terms.heads.push_back({"tcp://" + address, head->key});
  }
  out.link = std::move(terms);
  out.connector = std::make_unique<pods::zmq_connector>(time);
  out.results = std::make_unique<pods::result_thread>(out.files, folder + "/results");
  return {};
}

} // namespace

void link_parts::add_to(world& outside) {
  outside.listener = listener.get();
  outside.trust = trust.get();
  outside.connector = connector.get();
  outside.results = results.get();
}

std::string link_folder(const std::string& data_folder) {
  return data_folder + "/link";
}

result<std::unique_ptr<link_parts>> make_link_parts(const serve_plan& plan, const time_source& time,
                                                    event_log& log, secret_source& secrets,
                                                    stop_button& button) {
  auto out = std::make_unique<link_parts>();
  result<void> made;
  if (plan.as_pod) {
    made = make_pod(*out, plan, time, log, secrets, button);
  } else if (!plan.knobs.link_listen.empty()) {
    made = make_head(*out, plan.knobs, time, log, secrets);
  }
  return made ? result<std::unique_ptr<link_parts>>{std::move(out)} : fail(made.error());
}

} // namespace tayfa
