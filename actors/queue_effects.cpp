// Carries out what the table decided, when it is durable.
#include "actors/queue.hpp"

#include "runtime/api/call.hpp"

#include <utility>

namespace tayfa {

namespace {

constexpr std::chrono::milliseconds room_pause{100}; ///< between looks for room for a large body

hook_answer how_of(const result<outgoing_answer>& answer) {
  if (answer) {
    const bool taken = answer->status >= 200 && answer->status < 300;
    return taken ? hook_answer::delivered : hook_answer::failed;
  }
  const auto code = answer.error().code;
  return code == errc::queue_full || code == errc::stopping ? hook_answer::not_made
                                                            : hook_answer::failed;
}

} // namespace

void queue::carry_out(effects& list) {
  std::vector<assign_attempt> batch;
  const auto flush = [this, &batch] {
    if (!batch.empty()) {
      const auto worker = batch.front().worker;
      give_run(worker, 0, std::exchange(batch, {}));
    }
  };
  for (auto& e : list) {
    auto* g = std::get_if<assign_attempt>(&e);
    if (g == nullptr) {
      std::visit(
          [this](const auto& one) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(one)>, assign_attempt>) {
              carry_out(one);
            }
          },
          e);
      continue;
    }
    if (g->hand_over != 0) {
      handing_over_[{g->worker, g->hand_over}].push_back(std::move(*g));
      continue;
    }
    const bool same = !batch.empty() && g->message.batch != 0 &&
                      batch.back().message.batch == g->message.batch &&
                      batch.back().worker == g->worker;
    if (!same) {
      flush();
    }
    batch.push_back(std::move(*g));
  }
  flush();
}

// ---- attempts ----------------------------------------------------------------------------------

void queue::hand_over_remote() {
  for (auto& [to, members] : std::exchange(handing_over_, {})) {
    give_run(to.first, to.second, std::move(members));
  }
}

/// Inputs that have left memory are fetched before anything of the run leaves: it leaves as one.
void queue::give_run(worker_ref worker, std::uint64_t hand_over,
                     std::vector<assign_attempt> members) {
  auto whole = std::make_shared<run>();
  whole->worker = worker;
  whole->hand_over = hand_over;
  whole->members = std::move(members);
  for (const auto& g : whole->members) {
    whole->missing += g.stored_input != 0 ? 1 : 0;
  }
  if (whole->missing == 0) {
    send_run(*whole);
    return;
  }
  for (std::size_t i = 0; i < whole->members.size(); ++i) {
    if (whole->members[i].stored_input == 0) {
      continue;
    }
    fetch(whole->members[i].stored_input, job_store::column::input,
          [this, whole, i](result<shared_text> text) {
            auto& g = whole->members[i];
            if (text) {
              g.message.input = std::move(*text);
            } else {
              protocol::finished lost;
              lost.attempt = g.message.attempt;
              // A shortage passes: the attempt is lost, and the job runs again.
              lost.how = text.error().code == errc::unavailable ? protocol::outcome::cancelled
                                                                : protocol::outcome::failed;
              lost.code = static_cast<std::uint16_t>(text.error().code);
              lost.text = "its input cannot be read back";
              enqueue_effects(table_.finished(now(), g.worker, lost).consequences);
            }
            if (--whole->missing == 0) {
              send_run(*whole);
            }
          });
  }
}

void queue::send_run(run& r) {
  const auto it = workers_.find(r.worker.place());
  if (it == workers_.end() || it->second.incarnation != r.worker.incarnation) {
    return; // the table has the end of the attempt, or will get it
  }
  std::erase_if(r.members, [this](const assign_attempt& g) {
    if (table_.runs(g.worker, g.message.attempt)) {
      return false;
    }
    // The job ended while its input was fetched. Its worker never got the attempt, so no report
    // will come from there.
    protocol::finished over;
    over.attempt = g.message.attempt;
    over.how = protocol::outcome::cancelled;
    enqueue_effects(table_.finished(now(), g.worker, over).consequences);
    return true;
  });
  const bool remote = r.hand_over != 0;
  if (r.members.empty() && !remote) {
    return;
  }
  assign_attempts all{r.worker, {}, r.hand_over};
  all.bodies.reserve(r.members.size());
  all.terms.reserve(r.members.size());
  for (auto& g : r.members) {
    if (!remote) {
      g.message.batch_size = static_cast<std::uint32_t>(r.members.size());
      g.message.batch = r.members.size() > 1 ? g.message.batch : 0;
    }
    ctx_.outside.meters.add(meter::attempts_started);
    all.bodies.push_back(std::move(g.message));
    all.terms.push_back(std::move(g.terms));
  }
  send(it->second.handle, std::move(all));
}

void queue::carry_out(const revoke_attempt& r) {
  hand_over_remote(); // a worker gets an attempt before its revocation
  const auto it = workers_.find(r.worker.place());
  if (it != workers_.end() && it->second.incarnation == r.worker.incarnation) {
    send(it->second.handle, r);
  }
}

void queue::carry_out(const change_worker_model& c) {
  const auto it = workers_.find(c.worker.place());
  if (it != workers_.end() && it->second.incarnation == c.worker.incarnation) {
    ctx_.outside.log.info("model_change", {{"worker", c.worker}, {"model", c.model}});
    send(it->second.handle, c);
  }
}

// ---- events and webhooks -----------------------------------------------------------------------

void queue::carry_out(const moved& m) {
  auto& w = ctx_.outside;
  w.meters.moved(m.from, m.view.state, m.why);
  w.log.info("state", {{"machine", "job"},
                       {"job", m.view.id},
                       {"from", m.from},
                       {"to", m.view.state},
                       {"cause", m.why},
                       {"attempt", m.view.attempts},
                       {"worker", m.view.worker}});
  if (!w.feed.idle()) {
    w.feed.publish("job", m.view.id.str(), api::job_event(m.view, m.from, m.why), m.endpoint);
  }
  measure(m.view);
  if (is_final(m.view.state)) {
    const bool asked_for = end_watched_.erase(m.view.id) > 0;
    chunks_watched_.erase(m.view.id);
    if ((m.watched || asked_for) && directory_.ingress) {
      send(directory_.ingress, job_ended{m.view});
    }
  } else if (m.view.state == job_state::IN_QUEUE && chunks_watched_.erase(m.view.id) > 0 &&
             directory_.ingress) {
    send(directory_.ingress, job_streamed{m.view.id}); // what was read of the lost attempt is void
  }
}

/// The answer to a purge that ended before all was cancelled.
error queue::cut_short(errc why, std::size_t removed) {
  return {why, std::to_string(removed) + " jobs were cancelled; the others wait"};
}

void queue::carry_out(const purged& p) {
  ctx_.outside.log.info("queue_purged", {{"jobs", p.removed}, {"whole", p.whole}});
  auto node = purges_.extract(p.number);
  if (node.empty()) {
    return; // an earlier queue was asked
  }
  node.mapped().deliver(p.whole ? purge_answer{p.removed}
                                : purge_answer{fail(cut_short(errc::stopping, p.removed))});
}

void queue::measure(const job_view& view) {
  auto& meters = ctx_.outside.meters;
  const auto seconds = [](milliseconds ms) { return static_cast<double>(ms.count()) / 1000.0; };
  switch (view.state) {
  case job_state::IN_QUEUE: meters.add(meter::attempts_lost); break;
  case job_state::IN_PROGRESS: break;
  case job_state::COMPLETED: meters.add(meter::jobs_completed); break;
  case job_state::FAILED: meters.add(meter::jobs_failed); break;
  case job_state::CANCELLED: meters.add(meter::jobs_cancelled); break;
  case job_state::TIMED_OUT: meters.add(meter::jobs_timed_out); break;
  }
  if (is_final(view.state) && view.delay) {
    meters.observe(meter::queue_delay_seconds, seconds(*view.delay));
  }
  if (is_final(view.state) && view.execution) {
    meters.observe(meter::execution_seconds, seconds(*view.execution));
  }
}

void queue::carry_out(const notify& n) {
  if (end_reason_) {
    return; // the answer would not be stored: the next process calls it
  }
  if (n.view.stored_output == 0) {
    call_hook(n, n.view);
    return;
  }
  hooks_for_room_.push_back(n);
  if (hooks_for_room_.size() == 1) {
    call_large_hooks();
  }
}

/// Webhooks leave half of the budget to those who ask; without room they wait, in order.
void queue::call_large_hooks() {
  auto& budget = ctx_.outside.answers;
  while (!hooks_for_room_.empty()) {
    const notify n = hooks_for_room_.front();
    const bool room = fetch_output(n.view, budget.most() / 2, [this, n](result<shared_text> text) {
      call_hook(n, with_output(n.view, std::move(text)));
    });
    if (!room) {
      wait_for_room();
      return;
    }
    hooks_for_room_.pop_front();
  }
}

void queue::wait_for_room() {
  if (!std::exchange(waits_for_room_, true)) {
    send_timer(this, ctx_.outside.time, room_pause, 0, room_again);
  }
}

/// A stored output that cannot be read back is not an empty output: the job has lost its result,
/// and its waiting clients must not wait for ever.
job_view queue::with_output(job_view view, result<shared_text> text) {
  if (text) {
    view.output = std::move(*text);
  } else {
    view.state = job_state::FAILED;
    view.failure = error{text.error().code, "its output cannot be read back"};
    view.output = {};
  }
  return view;
}

void queue::call_hook(const notify& n, const job_view& view) {
  outgoing_call call;
  call.url = n.url;
  call.headers = {{"Content-Type", "application/json"}};
  auto shown = api::job(view);
  call.body = std::move(shown.body);
  call.more = std::move(shown.more);
  ctx_.outside.post.send(
      std::move(call), [id = n.view.id, number = n.call,
                        me = caf::actor_cast<queue_actor>(this)](result<outgoing_answer> answer) {
        auto text = answer ? "status " + std::to_string(answer->status) : answer.error().str();
        caf::anon_send(me, webhook_answered{id, number, how_of(answer), std::move(text)});
      });
}

// ---- jobs of RunPod's platform -----------------------------------------------------------------

void queue::carry_out(const deliver_result& o) {
  if (o.view.stored_output == 0) {
    deliver(o);
    return;
  }
  large_results_.push_back(o);
  if (large_results_.size() == 1) {
    deliver_large();
  }
}

void queue::deliver(const deliver_result& what) {
  if (!directory_.runpod) { // this pod is no worker of the platform (any more)
    enqueue_effects(table_.posted(now(), what.view.id, false, milliseconds{0}));
    return;
  }
  send(directory_.runpod, what);
}

/// Deliveries of large results leave half of the budget to callers, as webhooks do: after a long
/// silence of the platform there may be many of them at once.
void queue::deliver_large() {
  auto& budget = ctx_.outside.answers;
  while (!large_results_.empty()) {
    const deliver_result o = large_results_.front();
    const bool room = fetch_output(o.view, budget.most() / 2, [this, o](result<shared_text> text) {
      deliver_result whole = o;
      whole.view = with_output(o.view, std::move(text));
      deliver(whole);
    });
    if (!room) {
      wait_for_room();
      return;
    }
    large_results_.pop_front();
  }
}

void queue::posted(const result_posted& m) {
  const bool settled = m.how != delivery::again;
  auto& w = ctx_.outside;
  w.meters.add(m.how == delivery::delivered ? meter::results_posted : meter::results_unposted);
  const log_field fields[] = {{"job", m.id},
                              {"delivered", m.how == delivery::delivered},
                              {"settled", settled},
                              {"text", m.text}};
  w.log.write(m.how == delivery::delivered ? log_level::debug : log_level::warn, "result_posted",
              fields);
  enqueue_effects(table_.posted(now(), m.id, settled, m.pause));
  after();
}

} // namespace tayfa
