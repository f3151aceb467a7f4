#include "tests/unit/pods/pod_world.hpp"

#include <utility>

namespace tayfa::pods::testing {

void pod_world::carry(effects all) {
  for (auto& effect : all) {
    if (auto* ready = std::get_if<worker_ready>(&effect)) {
      queue.on(*ready);
    } else if (auto* report = std::get_if<attempt_reported>(&effect)) {
      queue.on(*report);
    } else if (auto* left = std::get_if<worker_gone>(&effect)) {
      queue.on(*left);
    } else if (auto* ask = std::get_if<reconcile_pod>(&effect)) {
      queue.on(*ask);
    } else if (auto* said = std::get_if<noted>(&effect)) {
      notes.push_back(said->name + ": " + said->text);
    } else if (auto* drop = std::get_if<drop_connection>(&effect)) {
      if (const auto entry = wires_.find(drop->connection); entry != wires_.end()) {
        entry->second->cut = true;
        entry->second->head_knows = true;
        entry->second->pod_knows = entry->second->pod_knows || chance(2);
      }
    }
  }
  for (const auto& rule : head->audit()) {
    ADD_FAILURE() << rule;
  }
}

void pod_world::move_queue() {
  queue.assign(options_.batches);
  while (!queue.commits.empty() && (calm_ || options_.group_commits || chance(2))) {
    const auto c = std::move(queue.commits.front());
    queue.commits.pop_front();
    queue.make_durable(c);
    for (const auto& [ref, orders] : c.orders) {
      carry(head->assigned(now, ref, orders));
    }
    for (const auto& [ref, attempt] : c.revokes) {
      carry(head->revoked(now, ref, attempt));
    }
    for (const auto& [ref, attempt] : c.settles) {
      carry(head->settled(now, ref, attempt));
    }
    for (const auto& [ask, answer] : c.answers) {
      carry(head->reconciled(now, ask.node, ask.session, answer));
    }
  }
  if (window_ && now >= *window_) {
    window_.reset();
    queue.close_window();
  }
  if (const auto due = head->next_deadline(); due && *due <= now) {
    carry(head->expire(now));
  }
}

} // namespace tayfa::pods::testing
