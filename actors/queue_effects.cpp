// Carries out what the table decided, when it is durable.
#include "actors/queue.hpp"

#include "runtime/api/call.hpp"

#include <utility>

namespace tayfa {

namespace {

constexpr std::chrono::milliseconds room_pause{100}; ///< between looks for room for a large body

} // namespace

void queue::carry_out(effects& list) {
  std::vector<give> batch;
  const auto flush = [this, &batch] {
    if (!batch.empty()) {
      give_run(std::exchange(batch, {}));
    }
  };
  for (auto& e : list) {
    auto* g = std::get_if<give>(&e);
    if (g == nullptr) {
      std::visit(
          [this](const auto& one) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(one)>, give>) {
              carry_out(one);
            }
          },
          e);
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

/// Inputs that have left memory are fetched before anything of the run leaves: the members of a
/// batch follow each other without anything in between.
void queue::give_run(std::vector<give> members) {
  auto whole = std::make_shared<run>();
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
              lost.how = protocol::outcome::failed;
              lost.code = static_cast<std::uint16_t>(text.error().code);
              lost.text = "its input cannot be read back";
              decided(table_.finished(now(), g.worker, lost).consequences);
            }
            if (--whole->missing == 0) {
              send_run(*whole);
            }
          });
  }
}

void queue::send_run(run& r) {
  const auto it = workers_.find(r.members.front().worker.slot);
  if (it == workers_.end() || it->second.incarnation != r.members.front().worker.incarnation) {
    return; // the table has heard of its end, or will
  }
  std::erase_if(r.members, [this](const give& g) {
    if (table_.runs(g.worker, g.message.attempt)) {
      return false;
    }
    // Ended while it was fetched: its worker never hears of it, so nobody else will say so.
    protocol::finished over;
    over.attempt = g.message.attempt;
    over.how = protocol::outcome::cancelled;
    decided(table_.finished(now(), g.worker, over).consequences);
    return true;
  });
  for (auto& g : r.members) {
    g.message.batch_size = static_cast<std::uint32_t>(r.members.size());
    g.message.batch = r.members.size() > 1 ? g.message.batch : 0;
    ctx_.outside.meters.add(meter::attempts_started);
    send(it->second.handle, assign_attempt{g.worker, std::move(g.message)});
  }
}

void queue::carry_out(const revoke& r) {
  const auto it = workers_.find(r.worker.slot);
  if (it != workers_.end() && it->second.incarnation == r.worker.incarnation) {
    send(it->second.handle, revoke_attempt{r.worker, r.attempt});
  }
}

void queue::carry_out(const change_model& c) {
  const auto it = workers_.find(c.worker.slot);
  if (it != workers_.end() && it->second.incarnation == c.worker.incarnation) {
    ctx_.outside.log.info("model_change", {{"worker", c.worker}, {"model", c.model}});
    send(it->second.handle, change_worker_model{c.worker, c.model});
  }
}

// ---- what is told ------------------------------------------------------------------------------

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
    w.feed.publish("job", m.view.id.str(), api::job_event(m.view, m.from, m.why));
  }
  measure(m.view);
  if (is_final(m.view.state) && m.watched && crew_.ingress) {
    send(crew_.ingress, job_ended{m.view});
  }
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
  call_hook(n);
}

/// The body of a large output is made when the call's turn has come, not while it waits.
void queue::call_hook(const notify& n) {
  const auto me = caf::actor_cast<queue_actor>(this);
  outgoing_call call;
  call.url = n.url;
  call.headers = {{"Content-Type", "application/json"}};
  if (n.view.stored_output == 0) {
    auto answer = api::job(n.view);
    call.body = std::move(answer.body);
    call.more = std::move(answer.more);
  } else {
    call.make_body = [me, view = n.view](outgoing_call::body_taker take) {
      caf::anon_send(me, store_news{store_news::body_wanted{view, std::move(take)}});
    };
  }
  ctx_.outside.post.send(std::move(call), [id = n.view.id, me](result<outgoing_answer> answer) {
    const bool delivered = answer && answer->status >= 200 && answer->status < 300;
    auto text = answer ? "status " + std::to_string(answer->status) : answer.error().str();
    caf::anon_send(me, store_news{store_news::hook_answered{id, delivered, std::move(text)}});
  });
}

void queue::on(const store_news::body_wanted& m) {
  bodies_wanted_.push_back(m);
  if (bodies_wanted_.size() == 1) {
    give_bodies();
  }
}

/// Webhooks leave half of the budget to those who ask; without room they wait, in order.
void queue::give_bodies() {
  auto& budget = ctx_.outside.answers;
  while (!bodies_wanted_.empty()) {
    const auto wanted = bodies_wanted_.front();
    const bool room =
        fetch_output(wanted.view, budget.most() / 2, [wanted](result<shared_text> text) {
          auto view = wanted.view;
          view.output = text ? std::move(*text) : shared_text{};
          auto answer = api::job(view);
          wanted.take({std::move(answer.body), std::move(answer.more)});
        });
    if (!room) {
      wait_for_room();
      return;
    }
    bodies_wanted_.pop_front();
  }
}

// ---- jobs of RunPod's platform -----------------------------------------------------------------

void queue::carry_out(const owe& o) {
  if (o.view.stored_output == 0) {
    deliver(o, o.view.output);
    return;
  }
  results_owed_.push_back(o);
  if (results_owed_.size() == 1) {
    fetch_owed();
  }
}

void queue::wait_for_room() {
  if (!std::exchange(waits_for_room_, true)) {
    send_timer(this, room_pause, 0, room_again);
  }
}

void queue::deliver(const owe& what, shared_text output) {
  if (!crew_.runpod) { // this pod is no worker of the platform (any more)
    decided(table_.posted(now(), what.view.id, false, milliseconds{0}));
    return;
  }
  deliver_result d{what.view,    what.origin, what.chunks, what.whole,
                   what.refresh, what.number, what.left};
  d.view.output = std::move(output);
  send(crew_.runpod, std::move(d));
}

/// Large results that are owed leave half of the budget to those who ask, like webhooks: after a
/// long silence of the platform there may be many of them at once.
void queue::fetch_owed() {
  auto& budget = ctx_.outside.answers;
  while (!results_owed_.empty()) {
    const owe o = results_owed_.front();
    const bool room =
        fetch_output(o.view, budget.most() / 2, [this, o](const result<shared_text>& text) {
          owe told = o;
          if (!text) { // the file that held it is gone: its client must not wait for ever
            told.view.state = job_state::FAILED;
            told.view.failure = error{text.error().code, "its output cannot be read back"};
          }
          deliver(told, text ? *text : shared_text{});
        });
    if (!room) {
      wait_for_room();
      return;
    }
    results_owed_.pop_front();
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
  decided(table_.posted(now(), m.id, settled, m.pause));
  after();
}

} // namespace tayfa
