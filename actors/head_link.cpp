#include "actors/head_link.hpp"

#include <algorithm>
#include <utility>

namespace tayfa {

namespace {

constexpr unsigned life_bits = 16;

/// The incarnation that the head sees: grows with each process, and within one with each actor.
pods::pod_identity identity(pods::pod_identity self, std::uint64_t life) {
  self.incarnation = (self.incarnation << life_bits) | life;
  return self;
}

pods::head_connector& connector_of(const pod_context& ctx) {
  return *ctx.outside.connector;
}

} // namespace

head_link::head_link(caf::actor_config& cfg, pod_context ctx, const link_terms& terms,
                     std::uint64_t life)
    : head_link_actor::base(cfg), ctx_(ctx), keys_(terms.keys),
      head_(terms.heads.empty() ? std::string{} : terms.heads.front().address), life_(life),
      session_(
          terms.limits, identity(terms.self, life), terms.heads, ctx.outside.random,
          [&connector = connector_of(ctx)](const link_message& m) { return connector.send(m); }) {
  guard(this, ctx_.outside.log);
}

head_link::behavior_type head_link::make_behavior() {
  disk().open([me = to_me(), life = life_](result<std::vector<pods::kept_result>> found) {
    me({life, results_replied::opened{std::move(found)}});
  });
  return opening();
}

void head_link::on_exit() {
  connector().disconnect();
  workers_.clear();
  directory_ = actor_directory{};
}

std::function<void(results_replied)> head_link::to_me() {
  return [me = caf::actor_cast<head_link_actor>(this)](results_replied m) {
    caf::anon_send(me, std::move(m));
  };
}

// ---- behaviours --------------------------------------------------------------------------------

auto head_link::common() {
  return std::tuple{[this](const results_replied& m) { on(m); },
                    [this](const actor_directory& m) { on_directory(m); }, present(),
                    ignore<pod_moved>()};
}

head_link::behavior_type head_link::opening() {
  return state_of<behavior_type>(
      common(),
      postponed<worker_ready, worker_gone, drain_worker, attempt_reported, drain_queue,
                hand_back_jobs, models_known, model_refused>(),
      ignored<link_reported, timer>());
}

head_link::behavior_type head_link::linking() {
  return state_of<behavior_type>(
      common(), [this](const worker_ready& m) { joined(m); },
      [this](const worker_gone& m) { gone(m); },
      [this](const drain_worker& m) {
        obey(session_.on(now(), m));
        after();
      },
      [this](const models_known& m) {
        std::vector<std::string> names;
        names.reserve(m.models.size());
        for (const auto& model : m.models) {
          names.push_back(model.name);
        }
        obey(session_.models(now(), std::move(names)));
        after();
      },
      [this](const model_refused& m) {
        ctx_.outside.log.error("model_unavailable",
                               {{"worker", m.worker}, {"model", m.model}, {"text", m.why.text}});
        obey(session_.on(now(), m));
        after();
      },
      [this](const attempt_reported& m) { reported(m); }, [this](const link_reported& m) { on(m); },
      [this](const drain_queue&) { drain(); }, [this](const hand_back_jobs&) { hand_back(); },
      when_due(this, ctx_.outside.time, [this](const due_timer& m) { timed(m); }));
}

// ---- the disk ----------------------------------------------------------------------------------

void head_link::on(const results_replied& m) {
  if (m.life == life_) {
    std::visit([this](const auto& what) { on(what); }, m.what);
    after();
  }
}

void head_link::on(const results_replied::opened& m) {
  if (!m.found) {
    ctx_.outside.log.error("results_unreadable",
                           {{"code", m.found.error().code}, {"text", m.found.error().text}});
    failed_ = m.found.error();
    rests_ = true; // the session never begins: there is nothing to drain
    become(linking());
    report_failure();
    return;
  }
  if (!m.found->empty()) {
    ctx_.outside.log.info("results_kept", {{"results", m.found->size()}});
  }
  become(linking());
  obey(session_.start(now(), *m.found));
}

/// The directory may come later than the disk's answer.
void head_link::report_failure() {
  if (failed_ && directory_.supervisor) {
    send(directory_.supervisor, link_failed{*failed_});
  }
}

void head_link::on(const results_replied::kept& m) {
  obey(session_.result_kept(now(), m.attempt, m.how));
}

void head_link::on(const results_replied::read& m) {
  obey(session_.result_read(now(), m.attempt, m.found));
}

void head_link::obey(pods::keep_result& e) {
  const auto attempt = e.result.attempt;
  disk().keep(std::move(e.result), [me = to_me(), life = life_, attempt](result<void> how) {
    me({life, results_replied::kept{attempt, std::move(how)}});
  });
}

void head_link::obey(pods::read_result& e) {
  disk().read(e.attempt,
              [me = to_me(), life = life_, attempt = e.attempt](result<protocol::finished> found) {
                me({life, results_replied::read{attempt, std::move(found)}});
              });
}

void head_link::obey(pods::delete_result& e) {
  disk().remove(e.attempt);
}

// ---- the connection ----------------------------------------------------------------------------

void head_link::on(const link_reported& m) {
  if (m.attempt == tries_) { // else of a connection that was given up
    obey(session_.on(now(), m.what));
    after();
  }
}

void head_link::obey(pods::connect_head& e) {
  connector().connect(
      {e.address, e.head_key, keys_},
      [number = ++tries_, me = caf::actor_cast<head_link_actor>(this)](pods::connector_event what) {
        caf::anon_send(me, link_reported{number, std::move(what)});
      });
}

void head_link::obey(pods::disconnect_head&) {
  ++tries_;
  connector().disconnect();
}

void head_link::obey(pods::pod_event& e) {
  using enum pods::pod_event::what;
  auto& log = ctx_.outside.log;
  switch (e.kind) {
  case linked: log.info("head_linked", {{"head", head_}, {"text", e.text}}); break;
  case cut: log.warn("head_cut", {{"head", head_}, {"text", e.text}}); break;
  case silent: log.warn("head_silent", {{"head", head_}, {"text", e.text}}); break;
  case refused: log.error("head_refused", {{"head", head_}, {"text", e.text}}); break;
  case unreachable: log.warn("head_unreachable", {{"head", head_}, {"text", e.text}}); break;
  case results_fail: log.error("result_not_kept", {{"text", e.text}}); break;
  case drained: rests_ = is_draining_; break; // else the head has drained it, for a while
  case revoked: log.error("pod_revoked", {{"head", head_}, {"text", e.text}}); break;
  }
}

void head_link::obey(pods::remember_head& e) {
  ctx_.outside.log.info("head_known", {{"id", e.id}});
}

/// Heads of this version never rotate keys: nothing here could make the new one durable.
void head_link::obey(pods::head_moved& e) {
  ctx_.outside.log.error("head_moved", {{"address", e.address}, {"text", "not supported"}});
}

void head_link::obey(pods::make_key&) {
  ctx_.outside.log.error("key_wanted", {{"text", "rotation of keys is not supported"}});
}

// ---- workers -----------------------------------------------------------------------------------

void head_link::joined(const worker_ready& m) {
  workers_[m.worker.place()] = {m.worker.incarnation,
                                caf::actor_cast<attempt_executor>(current_sender())};
  obey(session_.on(now(), m));
  after();
}

void head_link::reported(const attempt_reported& m) {
  obey(session_.on(now(), m));
  after();
}

head_link::worker_handle* head_link::find(const worker_ref& worker) {
  const auto it = workers_.find(worker.place());
  return it != workers_.end() && it->second.incarnation == worker.incarnation ? &it->second
                                                                              : nullptr;
}

void head_link::gone(const worker_gone& m) {
  if (find(m.worker) == nullptr) {
    return; // an older life of the slot
  }
  workers_.erase(m.worker.place());
  obey(session_.on(now(), m));
  after();
}

template <class Message>
void head_link::pass_on(Message& m) {
  if (const auto* const w = find(m.worker)) {
    send(w->handle, std::move(m));
  }
}

void head_link::obey(assign_attempts& m) {
  ctx_.outside.meters.add(meter::attempts_started, static_cast<double>(m.bodies.size()));
  pass_on(m);
}

void head_link::obey(revoke_attempt& m) {
  pass_on(m);
}

void head_link::obey(change_worker_model& m) {
  pass_on(m);
}

// ---- the pod -----------------------------------------------------------------------------------

/// Takes nothing more; what runs ends, and the head hears of it.
void head_link::drain() {
  if (!std::exchange(is_draining_, true)) {
    obey(session_.drain(now(), pod_protocol::drain_mode::graceful, milliseconds{0}));
    after();
  }
}

/// The head gets back all that still runs, and runs it elsewhere. Results that it has not heard of
/// stay on the disk.
void head_link::hand_back() {
  is_draining_ = true;
  obey(session_.drain(now(), pod_protocol::drain_mode::fast, milliseconds{0}));
  rests_ = true;
  after();
}

void head_link::on_directory(const actor_directory& m) {
  directory_ = m;
  load_.reset(); // new receivers get both once
  linked_.reset();
  report_failure();
  after();
}

void head_link::timed(const due_timer& m) {
  if (m.ticket == ticket_) {
    armed_for_.reset();
    obey(session_.expire(now()));
    after();
  }
}

void head_link::obey(pods::session_effects all) {
  for (auto& each : all) {
    std::visit([this](auto& one) { obey(one); }, each);
  }
}

void head_link::after() {
  const auto next = session_.next_deadline();
  if (next && (!armed_for_ || *next < *armed_for_)) {
    armed_for_ = next;
    send_timer_at(this, ctx_.outside.time, *next, ++ticket_);
  }
  const auto s = session_.status(now());
  notify_others(s);
  // A head that is not there learns the rest from the results on the disk, by the next process.
  rests_ = rests_ || (is_draining_ && !s.linked && s.running + s.waiting == 0);
  if (is_draining_ && rests_ && directory_.supervisor && !std::exchange(drained_sent_, true)) {
    send(directory_.supervisor, queue_drained{});
  }
}

void head_link::notify_others(const pods::session_status& s) {
  if (!directory_.supervisor) {
    return;
  }
  const load_changed load{s.waiting > 0, s.running > 0, false};
  if (!load_ || load_->waiting != load.waiting || load_->running != load.running) {
    load_ = load;
    send(directory_.supervisor, load);
    send(directory_.ingress, load);
  }
  if (linked_ != s.linked) {
    linked_ = s.linked;
    ctx_.outside.meters.set(meter::head_linked, s.linked ? 1 : 0);
    send(directory_.ingress, link_moved{s.linked, head_});
  }
}

} // namespace tayfa
