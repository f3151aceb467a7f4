#include "tests/unit/pods/pod_world.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::pods::testing {

using namespace std::chrono_literals;

namespace {

std::string key_of(std::uint32_t index) {
  std::string key(pod_protocol::key_length, static_cast<char>('a' + index % 26));
  key += std::to_string(index);
  return key.substr(key.size() - pod_protocol::key_length);
}

} // namespace

pod_world::pod_world(world_options options) : options_(options), random_(options.seed) {
  restart_head();
  head_restarts = 0;
  for (std::uint32_t i = 0; i < options.pods; ++i) {
    auto& p = *pods.emplace_back(std::make_unique<pod_sim>());
    p.index = i;
    p.key = key_of(i);
    boot_pod(p);
  }
  for (std::uint32_t i = 0; i < options.jobs; ++i) {
    queue.add("job-" + std::to_string(i));
  }
}

// ---- lives --------------------------------------------------------------------------------------

void pod_world::restart_head() {
  ++head_restarts;
  queue.restart();
  head = std::make_unique<pod_registry>(
      options_.head, head_identity{"head-1", ++boots_},
      [this](connection_id c, const link_message& m) { return send_down(c, m); });
  window_ = now + options_.head.lost_after;
  for (auto& [id, w] : wires_) {
    w->cut = true;
    w->head_knows = true;
    w->up.clear();
  }
}

void pod_world::boot_pod(pod_sim& p) {
  pod_identity self;
  self.incarnation = ++p.incarnation;
  self.name = "pod-" + std::to_string(p.index);
  self.head = p.head;
  p.session = std::make_unique<pod_session>(
      options_.pod, self, std::vector<head_address>{{"tcp://head:1", key_of(99)}}, random_,
      [this, &p](const link_message& m) { return send_up(p, m); });
  std::vector<kept_result> kept;
  for (const auto& [attempt, result] : p.disk) {
    kept.push_back({attempt, result.output.size() + result.text.size()});
  }
  carry(p, p.session->start(now, kept));
  for (std::uint32_t slot = 0; slot < options_.slots; ++slot) {
    start_worker(p, slot);
  }
}

void pod_world::start_worker(pod_sim& p, std::uint32_t slot) {
  auto& w = p.workers[slot];
  w.incarnation = ++p.worker_incarnations;
  w.running.clear();
  worker_ready ready;
  ready.worker = {slot_id{slot}, w.incarnation};
  ready.facts.capacity = options_.batches ? 3 : 1;
  ready.facts.batch_max = ready.facts.capacity;
  carry(p, p.session->on(now, ready));
}

void pod_world::restart_pod(pod_sim& p) {
  ++pod_restarts;
  if (p.line != nullptr) {
    p.line->cut = true;
    p.line->pod_knows = true;
    p.line = nullptr;
  }
  p.connecting = false;
  for (auto& each : p.writing) { // a write that was under way may have come to its end
    if (chance(2)) {
      p.disk[each.attempt] = each;
    }
  }
  p.writing.clear();
  p.reading.clear();
  p.workers.clear();
  p.worker_incarnations = 0; // a pod's workers are counted anew in each of its lives
  boot_pod(p);
}

void pod_world::cut(pod_sim& p) {
  if (p.line != nullptr) {
    ++cuts;
    p.line->cut = true;
    p.line->head_knows = p.line->pod_knows = true;
  }
}

// ---- network ------------------------------------------------------------------------------------

sent pod_world::send_down(connection_id c, const link_message& m) {
  const auto entry = wires_.find(c);
  if (entry == wires_.end() || entry->second->cut) {
    return sent::gone;
  }
  entry->second->down.push_back(*m);
  return sent::yes;
}

sent pod_world::send_up(pod_sim& p, const link_message& m) {
  if (p.line == nullptr || p.line->cut) {
    return sent::gone;
  }
  p.line->up.push_back(*m);
  return sent::yes;
}

/// The ends hear that it has ended, each for itself.
void pod_world::end_wire(wire& w) {
  auto& p = *pods[w.pod];
  if (p.line == &w && (w.pod_knows || calm_)) {
    p.line = nullptr;
    carry(p, p.session->on(now, connection_ended{tayfa::pods::cut::ended, "cut"}));
  }
  if (!w.head_knows || p.line == &w) {
    if (!calm_ && (p.line == &w || !w.head_knows)) {
      w.head_knows = w.head_knows || chance(8);
      w.pod_knows = w.pod_knows || chance(8);
      return;
    }
  }
  const auto id = w.id;
  wires_.erase(id);
  carry(head->on(now, gone{id}));
}

void pod_world::deliver(wire& w) {
  auto& p = *pods[w.pod];
  if (!w.up.empty()) {
    const auto bytes = std::move(w.up.front());
    w.up.pop_front();
    if (!w.lost_up && (calm_ || !options_.faults || !chance(200))) {
      carry(head->on(now, received{w.id, p.key, bytes}));
    }
  }
  if (!w.down.empty() && p.line == &w) {
    const auto bytes = std::move(w.down.front());
    w.down.pop_front();
    if (!w.lost_down && (calm_ || !options_.faults || !chance(200))) {
      carry(p, p.session->on(now, message_in{bytes}));
    }
  }
}

void pod_world::move_network() {
  std::vector<connection_id> ids;
  for (const auto& [id, w] : wires_) {
    ids.push_back(id);
  }
  for (const auto id : ids) {
    for (int i = 0; i < 4; ++i) {
      const auto entry = wires_.find(id);
      if (entry == wires_.end()) {
        break;
      }
      auto& w = *entry->second;
      if (!w.established) {
        w.established = true;
        if (pods[w.pod]->line == &w) {
          carry(*pods[w.pod], pods[w.pod]->session->on(now, connected{}));
        }
      } else if (!w.up.empty() || (!w.down.empty() && !w.cut)) {
        deliver(w); // what was sent before a cut may still arrive, late, beside a new connection
        if (wires_.contains(id) && w.cut && chance(3)) {
          w.up.clear();
        }
      } else if (w.cut) {
        end_wire(w);
        break;
      } else {
        break;
      }
    }
  }
}

// ---- pods ---------------------------------------------------------------------------------------

void pod_world::carry(pod_sim& p, session_effects all) {
  for (auto& effect : all) {
    if (std::holds_alternative<connect_head>(effect)) {
      auto made = std::make_unique<wire>();
      made->id = ++connections_;
      made->pod = p.index;
      p.line = made.get();
      wires_[made->id] = std::move(made);
    } else if (std::holds_alternative<disconnect_head>(effect)) {
      if (p.line != nullptr) {
        p.line->cut = true;
        p.line->pod_knows = true;
        p.line = nullptr;
      }
    } else if (auto* order = std::get_if<assign_attempts>(&effect)) {
      auto& w = p.workers[order->worker.slot.value];
      EXPECT_EQ(w.incarnation, order->worker.incarnation);
      for (const auto& body : order->bodies) {
        EXPECT_EQ(body.input.view(), "\"" + body.attempt.job.str() + "\"");
        EXPECT_EQ(body.batch_size, order->bodies.size());
        const auto span = std::chrono::milliseconds{
            1 + below(static_cast<std::uint64_t>(options_.longest_run.count()))};
        EXPECT_TRUE(w.running.emplace(body.attempt, now + span).second) << "given twice";
        carry(p,
              p.session->on(now, attempt_reported{order->worker, protocol::started{body.attempt}}));
      }
    } else if (auto* revoke = std::get_if<revoke_attempt>(&effect)) {
      auto& w = p.workers[revoke->worker.slot.value];
      if (w.incarnation == revoke->worker.incarnation && w.running.erase(revoke->attempt) != 0) {
        protocol::finished last;
        last.attempt = revoke->attempt;
        last.how = protocol::outcome::cancelled;
        carry(p, p.session->on(now, attempt_reported{revoke->worker, last}));
      }
    } else if (auto* keep = std::get_if<keep_result>(&effect)) {
      p.writing.push_back(keep->result);
    } else if (auto* read = std::get_if<read_result>(&effect)) {
      p.reading.push_back(read->attempt);
    } else if (auto* gone_now = std::get_if<delete_result>(&effect)) {
      // The rule: deleted only when the head, durably, has no use for it.
      const auto row = queue.durable.find(gone_now->attempt.job.str());
      if (row != queue.durable.end()) {
        const auto& j = row->second;
        // Nor when it had to let chunks of it go.
        const bool has_hole = queue.holes.contains(gone_now->attempt) ||
                              (options_.few_chunks && chunks.contains(gone_now->attempt));
        const bool of_use = !has_hole && j.at != naive_job::state::ended && j.key == p.key &&
                            j.number == gone_now->attempt.number &&
                            p.disk[gone_now->attempt].how == protocol::outcome::completed;
        EXPECT_FALSE(of_use) << to_string(gone_now->attempt) << " was deleted before its commit";
      }
      p.disk.erase(gone_now->attempt);
    } else if (auto* known = std::get_if<remember_head>(&effect)) {
      p.head = known->id;
    }
  }
  for (const auto& rule : p.session->audit()) {
    ADD_FAILURE() << "pod " << p.index << ": " << rule;
  }
}

void pod_world::move_disk(pod_sim& p) {
  if (!p.writing.empty()) {
    const auto result = std::move(p.writing.front());
    p.writing.pop_front();
    const bool fails = options_.faults && !calm_ && chance(40);
    if (!fails) {
      p.disk[result.attempt] = result;
    }
    carry(p, p.session->result_kept(now, result.attempt,
                                    fails ? tayfa::result<void>{fail(errc::storage_full, "full")}
                                          : tayfa::result<void>{}));
  }
  if (!p.reading.empty()) {
    const auto attempt = p.reading.front();
    p.reading.pop_front();
    const auto found = p.disk.find(attempt);
    ++results_reread;
    if (found != p.disk.end()) {
      carry(p, p.session->result_read(now, attempt, found->second));
    }
  }
}

void pod_world::make_chunk(pod_sim& p, const worker_ref& from, const attempt_ref& attempt) {
  const auto number = ++chunks[attempt];
  const bool large = options_.output_bytes > pod_protocol::inline_bytes_max && chance(8);
  const auto text = to_string(attempt) + " chunk " + std::to_string(number) +
                    std::string(large ? 70'000 : 0, 'x');
  carry(p, p.session->on(
               now, attempt_reported{from, protocol::partial{attempt, number, shared_text{text}}}));
}

void pod_world::move_pods() {
  for (auto& each : pods) {
    auto& p = *each;
    if (calm_ || chance(2)) {
      move_disk(p);
    }
    for (auto& [slot, w] : p.workers) {
      for (auto run = w.running.begin(); run != w.running.end();) {
        const auto here = run++;
        const auto streams = options_.streams && here->first.job.str().back() % 2 == 0;
        if (streams && chance(3)) {
          make_chunk(p, {slot_id{slot}, w.incarnation}, here->first);
        }
        if (here->second > now) {
          continue;
        }
        protocol::finished last;
        last.attempt = here->first;
        last.output = shared_text{"\"" + here->first.job.str() + " by " + p.key.substr(38) + " " +
                                  std::string(below(options_.output_bytes + 1), 'x') + "\""};
        ++executions[here->first];
        w.running.erase(here);
        carry(p, p.session->on(now, attempt_reported{{slot_id{slot}, w.incarnation}, last}));
      }
    }
    if (const auto due = p.session->next_deadline(); due && *due <= now) {
      carry(p, p.session->expire(now));
    }
  }
}

// ---- steps --------------------------------------------------------------------------------------

void pod_world::fault() {
  auto& p = *pods[below(pods.size())];
  switch (below(12)) {
  case 0:
  case 1:
  case 2: cut(p); break;
  case 3:
    if (p.line != nullptr) {
      p.line->lost_up = true;
    }
    break;
  case 4:
    if (p.line != nullptr) {
      p.line->lost_down = true;
    }
    break;
  case 5: restart_pod(p); break;
  case 6: restart_head(); break;
  case 7: {
    const auto slot = static_cast<std::uint32_t>(below(options_.slots));
    const worker_ref ref{slot_id{slot}, p.workers[slot].incarnation};
    p.workers[slot].running.clear();
    carry(p, p.session->on(now, worker_gone{ref, {errc::engine_crash, "crashed"}}));
    start_worker(p, slot);
    break;
  }
  case 8:
    if (options_.cancels && !queue.jobs.empty()) {
      queue.cancel("job-" + std::to_string(below(queue.jobs.size())));
    }
    break;
  case 9: pass(std::chrono::milliseconds{below(30'000)}); break;
  case 10: pass(std::chrono::milliseconds{below(90'000)}); break;
  case 11:
    if (chance(3)) {
      queue.actor_restart();
      carry(head->queue_restarted(now));
    }
    break;
  }
}

void pod_world::pass(milliseconds span) {
  now += span;
}

void pod_world::step() {
  move_network();
  move_pods();
  move_queue();
  now += std::chrono::milliseconds{20 + below(200)};
}

void pod_world::run(int steps) {
  for (int i = 0; i < steps; ++i) {
    step();
    if (options_.faults && chance(25)) {
      fault();
    }
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
}

void pod_world::settle(milliseconds at_most) {
  const auto until = now + at_most;
  const auto done = [&] {
    return queue.all_ended() && queue.commits.empty() &&
           std::all_of(pods.begin(), pods.end(), [](const auto& p) { return p->session->idle(); });
  };
  while (now < until && !done() && !::testing::Test::HasFailure()) {
    step();
  }
}

void pod_world::heal() {
  calm_ = true;
  for (auto& [id, w] : wires_) {
    if (w->lost_up || w->lost_down) {
      w->cut = true;
      w->head_knows = w->pod_knows = true;
    }
  }
  settle();
}

void pod_world::check() {
  for (const auto& [id, j] : queue.durable) {
    EXPECT_EQ(j.at, naive_job::state::ended) << id << " did not end; number " << j.number;
    EXPECT_EQ(j.ends, 1U) << id;
    if (j.result.starts_with("COMPLETED")) {
      EXPECT_TRUE(j.result.starts_with("COMPLETED \"" + id + " by ")) << "of another job";
      const auto made = chunks.find({job_id{id}, j.number});
      EXPECT_TRUE(j.chunks_lost || j.chunks == (made == chunks.end() ? 0 : made->second))
          << id << " has " << j.chunks << " chunks";
    }
  }
  for (const auto& p : pods) {
    EXPECT_TRUE(p->session->idle()) << "pod " << p->index << " still has something";
    EXPECT_TRUE(p->disk.empty()) << "pod " << p->index << " keeps results for nobody";
    EXPECT_EQ(p->session->count().refused_frames, 0U);
  }
  EXPECT_EQ(head->count().refused_frames, 0U) << "honest pods are never refused";
  if (::testing::Test::HasFailure()) {
    for (const auto& each : notes) {
      std::fprintf(stderr, "%s\n", each.c_str());
    }
  }
}

} // namespace tayfa::pods::testing
