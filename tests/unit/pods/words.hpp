// Effects of the registry and of the session in words, so that a test reads like a script.
#pragma once

#include "runtime/pods/registry_effects.hpp"
#include "runtime/pods/session_effects.hpp"

#include <string>
#include <vector>

namespace tayfa::pods::testing {

inline std::string text_of(const attempt_ref& a) {
  return a.job.str() + "/" + std::to_string(a.number);
}

inline std::string text_of(const worker_ref& w) {
  const auto slot = w.slot == kept_slot ? "kept" : std::to_string(w.slot.value);
  return "w" + std::to_string(w.node.value) + "." + slot + "#" + std::to_string(w.incarnation);
}

inline std::string text_of(const protocol::upstream& m) {
  if (const auto* s = std::get_if<protocol::started>(&m)) {
    return "started " + text_of(s->attempt);
  }
  if (const auto* s = std::get_if<protocol::stepped>(&m)) {
    return "stepped " + text_of(s->attempt) + " " + std::to_string(s->steps);
  }
  if (const auto* p = std::get_if<protocol::progress>(&m)) {
    return "progress " + text_of(p->attempt) + " " + std::string{p->payload.view()};
  }
  if (const auto* p = std::get_if<protocol::partial>(&m)) {
    return "partial " + text_of(p->attempt) + " " + std::string{p->payload.view().substr(0, 20)};
  }
  if (const auto* f = std::get_if<protocol::finished>(&m)) {
    switch (f->how) {
    case protocol::outcome::completed:
      return "completed " + text_of(f->attempt) + " " + std::string{f->output.view().substr(0, 20)};
    case protocol::outcome::failed:
      return "failed " + text_of(f->attempt) + " " +
             std::string{to_string(errc_from(f->code).value_or(errc::internal))};
    case protocol::outcome::cancelled: return "cancelled " + text_of(f->attempt);
    }
  }
  return "another report";
}

inline std::string text_of(noted::what kind) {
  switch (kind) {
  case noted::what::linked: return "linked";
  case noted::what::cut: return "cut";
  case noted::what::suspect: return "suspect";
  case noted::what::heard: return "heard";
  case noted::what::lost: return "lost";
  case noted::what::refused: return "refused";
  case noted::what::cloned: return "cloned";
  case noted::what::slow: return "slow";
  case noted::what::bad_frame: return "bad frame";
  case noted::what::misbehaved: return "misbehaved";
  case noted::what::unfit: return "unfit";
  case noted::what::drained: return "drained";
  case noted::what::revoked: return "revoked";
  }
  return "?";
}

inline std::string text_of(const reconcile_pod& m) {
  std::string out = "reconcile";
  for (const auto& each : m.workers) {
    out += " " + text_of(each.worker) + "x" + std::to_string(each.facts.capacity);
  }
  for (const auto& each : m.gone) {
    out += " gone:" + text_of(each);
  }
  for (const auto& each : m.claims) {
    out += " " + text_of(each.attempt) + ":" + std::string{to_string(each.at)} + "@" +
           text_of(each.worker);
  }
  for (const auto& each : m.absent) {
    out += " absent:" + text_of(each.attempt) + ":" + std::string{to_string(each.view)};
  }
  return out;
}

inline std::string text_of(const effect& e) {
  if (const auto* o = std::get_if<worker_ready>(&e)) {
    return "ready " + text_of(o->worker) + "x" + std::to_string(o->facts.capacity) +
           (o->facts.lasting_name.empty() ? " without a lasting name" : "");
  }
  if (const auto* s = std::get_if<attempt_reported>(&e)) {
    return text_of(s->worker) + " " + text_of(s->body);
  }
  if (const auto* l = std::get_if<worker_gone>(&e)) {
    return "gone " + text_of(l->worker) + " " + std::string{to_string(l->why.code)};
  }
  if (const auto* m = std::get_if<model_refused>(&e)) {
    return text_of(m->worker) + " refuses " + m->model;
  }
  if (const auto* r = std::get_if<reconcile_pod>(&e)) {
    return text_of(*r);
  }
  if (const auto* d = std::get_if<drop_connection>(&e)) {
    return "drop " + std::to_string(d->connection);
  }
  if (const auto* n = std::get_if<noted>(&e)) {
    return (n->name.empty() ? n->key.substr(0, 1) : n->name) + " " + text_of(n->kind);
  }
  if (const auto* l = std::get_if<pod_log>(&e)) {
    return l->name + " log " + l->row.text;
  }
  if (const auto* j = std::get_if<join_asked>(&e)) {
    return "join " + j->token + " " + j->name;
  }
  return "key " + std::get<key_announced>(e).next.substr(0, 4);
}

inline std::string text_of(const session_effect& e) {
  if (std::holds_alternative<connect_head>(e)) {
    return "connect " + std::get<connect_head>(e).address;
  }
  if (std::holds_alternative<disconnect_head>(e)) {
    return "disconnect";
  }
  if (const auto* a = std::get_if<assign_attempts>(&e)) {
    std::string out = "run " + text_of(a->worker);
    for (const auto& body : a->bodies) {
      out += " " + text_of(body.attempt);
      out += body.batch != 0
                 ? " batch " + std::to_string(body.batch) + " of " + std::to_string(body.batch_size)
                 : "";
    }
    return out;
  }
  if (const auto* r = std::get_if<revoke_attempt>(&e)) {
    return "revoke " + text_of(r->attempt);
  }
  if (const auto* c = std::get_if<change_worker_model>(&e)) {
    return "model " + text_of(c->worker) + " " + c->model;
  }
  if (const auto* k = std::get_if<keep_result>(&e)) {
    return "keep " + text_of(k->result.attempt);
  }
  if (const auto* r = std::get_if<read_result>(&e)) {
    return "read " + text_of(r->attempt);
  }
  if (const auto* d = std::get_if<delete_result>(&e)) {
    return "delete " + text_of(d->attempt);
  }
  if (const auto* h = std::get_if<remember_head>(&e)) {
    return "remember " + h->id;
  }
  if (const auto* h = std::get_if<head_moved>(&e)) {
    return "head " + h->key.substr(0, 4) + " " + h->address;
  }
  if (std::holds_alternative<make_key>(e)) {
    return "make key";
  }
  switch (std::get<pod_event>(e).kind) {
  case pod_event::what::linked: return "linked";
  case pod_event::what::cut: return "cut";
  case pod_event::what::silent: return "silent";
  case pod_event::what::refused: return "refused";
  case pod_event::what::unreachable: return "unreachable";
  case pod_event::what::results_fail: return "results fail";
  case pod_event::what::drained: return "drained";
  case pod_event::what::revoked: return "revoked";
  }
  return "?";
}

template <class Effects>
std::string words(const Effects& all) {
  std::string out;
  for (const auto& e : all) {
    out += (out.empty() ? "" : "; ") + text_of(e);
  }
  return out;
}

/// A message of the protocol, either way.
template <class Message>
std::string word_of(const Message& m) {
  return std::visit(
      []<class Body>(const Body& body) -> std::string {
        std::string out;
        if constexpr (requires { to_string(body.id); }) {
          out = to_string(body.id);
        }
        if constexpr (requires { body.attempt; }) {
          out += " " + text_of(body.attempt);
        }
        if constexpr (std::is_same_v<Body, pod_protocol::refused>) {
          out += " " + std::string{to_string(body.why)};
        }
        if constexpr (requires { body.take_until; }) {
          out += " " + std::to_string(body.take_until);
        }
        return out;
      },
      m);
}

} // namespace tayfa::pods::testing
