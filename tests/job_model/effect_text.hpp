// The job table's effects as text: scripts compare with it, the naive model writes it.
#pragma once

#include "runtime/core/job_effects.hpp"

#include <string>

namespace tayfa::testing {

inline std::string text_of(const effect& e) {
  if (const auto* g = std::get_if<assign_attempt>(&e)) {
    const auto& a = g->message;
    return "give " + to_string(a.attempt) + " to " + to_string(g->worker) +
           (a.batch == 0 ? "" : " of " + std::to_string(a.batch_size));
  }
  if (const auto* r = std::get_if<revoke_attempt>(&e)) {
    return "revoke " + to_string(r->attempt) + " from " + to_string(r->worker);
  }
  if (const auto* c = std::get_if<change_worker_model>(&e)) {
    return "change " + to_string(c->worker) + " to " + c->model;
  }
  if (const auto* n = std::get_if<notify>(&e)) {
    return "notify " + n->url + " of " + n->view.id.str() + " " +
           std::string{to_string(n->view.state)} + " try " + std::to_string(n->number);
  }
  if (const auto* o = std::get_if<deliver_result>(&e)) {
    return "deliver " + o->origin + " of " + o->view.id.str() + " " +
           std::string{to_string(o->view.state)} + " try " + std::to_string(o->number) +
           (o->refresh ? " refresh" : "");
  }
  if (const auto* p = std::get_if<purged>(&e)) {
    return "purged " + std::to_string(p->removed) + (p->whole ? "" : " of more");
  }
  const auto& m = std::get<moved>(e);
  return m.view.id.str() + " " + std::string{to_string(m.view.state)} + " (" +
         std::string{to_string(m.why)} + ")" + (m.watched ? " watched" : "");
}

inline std::string text_of(const effects& all) {
  std::string out;
  for (const auto& e : all) {
    out += (out.empty() ? "" : "; ") + text_of(e);
  }
  return out;
}

} // namespace tayfa::testing
