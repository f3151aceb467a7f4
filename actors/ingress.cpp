#include "actors/ingress.hpp"

#include "actors/worker_call.hpp"
#include "runtime/core/job_ids.hpp"
#include "runtime/http/event_stream.hpp"

namespace tayfa {

namespace {

constexpr const char* the_queue = "the queue";
constexpr const char* the_supervisor = "the supervisor";
constexpr const char* the_remote_workers = "the gateway of remote workers";

template <class Request>
constexpr const char* part_of() {
  return lists<queue_messages, Request>        ? the_queue
         : lists<supervisor_messages, Request> ? the_supervisor
                                               : the_remote_workers;
}

/// For requests to another actor: the part ended before it answered.
auto failed(const reply_ptr& answer, const char* part) {
  return [answer, part](const caf::error&) { answer->send(api::refuse(restarting(part))); };
}

} // namespace

runpod_ingress::runpod_ingress(caf::actor_config& cfg, pod_context ctx)
    : ingress_actor::base(cfg), ctx_(ctx), since_(ctx_.outside.time.now()), openai_(this, ctx),
      heads_(this, ctx,
             [this](const api::call& call, const reply_ptr& answer) { serve(call, answer); }) {
  guard(this, ctx_.outside.log);
  set_exit_handler([this](caf::exit_msg& m) {
    if (state_.state() != ingress_state::SHUTDOWN) {
      move_to(ingress_state::SHUTDOWN, cause::stop_requested);
    }
    for (const auto call : held_.all()) {
      refuse(call, error{errc::stopping, "job " + held_.job(call).str() + " has not ended"});
    }
    quit(m.reason);
  });
}

runpod_ingress::behavior_type runpod_ingress::make_behavior() {
  return not_started();
}

void runpod_ingress::on_exit() {
  openai_.stop(state_.state() == ingress_state::SHUTDOWN ? errc::stopping : errc::unavailable);
  heads_.stop();
  directory_ = actor_directory{};
  calls_.clear(); // each dropped reply answers 503 by itself
}

auto runpod_ingress::common() {
  return std::tuple{[this](const actor_directory& m) { on_directory(m); }, present()};
}

runpod_ingress::behavior_type runpod_ingress::not_started() {
  return state_of<behavior_type>(
      common(), postpone<client_call>(), [this](const pod_moved& m) { pod_ = m; },
      [this](const load_changed& m) { load_ = m; },
      ignored<job_ended, job_streamed, // of the calls that an earlier ingress held
              client_left, reader_event, heads_event, chunks_settled, timer>());
}

runpod_ingress::behavior_type runpod_ingress::answering() {
  return state_of<behavior_type>(
      common(), [this](const client_call& m) { serve(m); },
      [this](const job_ended& m) { ended(m); }, [this](const job_streamed& m) { streamed(m); },
      [this](const client_left& m) { left(m); }, [this](const reader_event& m) { openai_.on(m); },
      [this](const heads_event& m) { heads_.on(m); },
      [this](const chunks_settled& m) { settled(m); }, [this](const pod_moved& m) { pod(m); },
      [this](const load_changed& m) { load(m); },
      when_due(this, ctx_.outside.time, [this](const due_timer& m) {
        m.topic == openai_calls::topic  ? openai_.timed(m)
        : m.topic == other_heads::topic ? heads_.timed(m)
                                        : held_long_enough(m);
      }));
}

// ---- calls -------------------------------------------------------------------------------------

template <class Request, class Render>
void runpod_ingress::ask(const Request& what, const reply_ptr& to, Render render) {
  const auto& part = [this]() -> const auto& {
    if constexpr (lists<queue_messages, Request>) {
      return directory_.queue;
    } else if constexpr (lists<supervisor_messages, Request>) {
      return directory_.supervisor;
    } else {
      return directory_.remote;
    }
  }();
  request(part, caf::infinite, what)
      .then([to, render](
                const typename Request::answer& a) { send_made(to, [&] { return render(a); }); },
            failed(to, part_of<Request>()));
}

template <class Request>
  requires requires(typename Request::answer a) { api::answer_to(api::about<Request>{}, a); }
void runpod_ingress::on(const Request& what, const reply_ptr& to) {
  ask(what, to,
      [](const typename Request::answer& a) { return api::answer_to(api::about<Request>{}, a); });
}

void runpod_ingress::serve(const client_call& m) {
  ctx_.outside.meters.add(meter::http_requests);
  serve(m.call, heads_.around(m.call, m.answer));
}

/// At this head alone.
void runpod_ingress::serve(const api::call& what, const reply_ptr& answer) {
  std::visit([&](const auto& call) { on(call, answer); }, what);
}

void runpod_ingress::on(const purge_jobs& what, const reply_ptr& answer) {
  request(directory_.queue, caf::infinite, what)
      .then(
          [this, who = what.who, answer](const purge_answer& a) {
            if (!a.removed || !heads_.purges(who, *a.removed, answer)) {
              answer->send(api::answer_to(api::about<purge_jobs>{}, a));
            }
          },
          failed(answer, the_queue));
}

void runpod_ingress::on(const api::openai& call, const reply_ptr& answer) {
  if (state_.state() == ingress_state::SHUTDOWN) {
    ctx_.outside.meters.add(meter::jobs_refused);
    answer->send(api::refuse(error{errc::stopping, ""}));
    return;
  }
  openai_.begin(call, answer);
}

void runpod_ingress::on(const api::submit& call, const reply_ptr& answer) {
  if (state_.state() == ingress_state::SHUTDOWN) {
    ctx_.outside.meters.add(meter::jobs_refused);
    answer->send(api::refuse(error{errc::stopping, ""}));
    return;
  }
  if (!heads_.looks_first(call, answer, [this, call, answer] { submit(call, answer); })) {
    submit(call, answer);
  }
}

void runpod_ingress::submit(const api::submit& call, const reply_ptr& answer) {
  const auto id = make_job_id(ctx_.outside.secrets, call.job.sync);
  // The wait begins before the job does: it may end before the queue's answer is read here.
  const bool sync = call.job.sync;
  const auto waiting =
      sync ? std::optional{hold(id, call.who, answer, held_for::end, call.wait)} : std::nullopt;
  request(directory_.queue, caf::infinite, submit_job{id, call.job, sync})
      .then(
          [this, id, answer, waiting](const job_answer& a) {
            if (!a.value) {
              take(waiting.value_or(0));
              answer->send(api::refuse(a.value.error()));
            } else if (!waiting) {
              answer->send(a.value->id == id ? api::accepted(id) : api::state_of(*a.value));
            } else if (a.value->id != id) {
              wait_instead(*waiting, *a.value); // its idempotency key names an earlier job
            }
          },
          [this, answer, waiting](const caf::error& e) {
            take(waiting.value_or(0));
            failed(answer, the_queue)(e);
          });
}

void runpod_ingress::on(const api::status& call, const reply_ptr& answer) {
  if (!call.wait) {
    ask(call.ask, answer, [](const job_answer& a) {
      return a.value ? api::job(*a.value) : api::refuse(a.value.error());
    });
    return;
  }
  const auto waiting = hold(call.ask.id, call.ask.who, answer, held_for::end, *call.wait);
  calls_.at(waiting).asks_again = true;
  calls_.at(waiting).keep = call.ask.keep;
  watch_client(waiting);
  look(waiting, false);
}

void runpod_ingress::on(const api::stream& call, const reply_ptr& answer) {
  const auto waiting = hold(call.ask.id, call.ask.who, answer, held_for::chunks,
                            call.wait.value_or(ctx_.knobs.http_stream_hold));
  calls_.at(waiting).asks_again = call.wait.has_value();
  watch_client(waiting);
  look(waiting, false);
}

void runpod_ingress::on(const api::list_requests& call, const reply_ptr& answer) {
  ask(call.ask, answer, [](const list_answer& a) {
    return a.value ? api::requests(*a.value) : api::refuse(a.value.error());
  });
}

void runpod_ingress::on(const api::events& call, const reply_ptr& answer) {
  // The stream begins here: what happens while the queue is asked is in it.
  auto stream = event_stream(ctx_.outside.feed, call);
  if (call.job.empty()) {
    answer->send(std::move(stream));
    return;
  }
  ask(inspect_job{call.who, call.job}, answer,
      [stream](const detail_answer& a) { return a.value ? stream : api::refuse(a.value.error()); });
}

void runpod_ingress::on(const api::describe&, const reply_ptr& answer) {
  answer->send(api::described());
}

void runpod_ingress::for_remote(api::worker_request call, const reply_ptr& answer) {
  send(directory_.remote, worker_call{std::move(call), answer});
}

/// The engines of this pod and the remote workers, together.
void runpod_ingress::on(const api::health& call, const reply_ptr& answer) {
  const auto add = [](api::worker_counts& all, const health_answer& h) {
    all.initializing += h.initializing;
    all.idle += h.idle;
    all.ready += h.idle;
    all.running += h.running;
    all.unhealthy += h.unhealthy;
  };
  request(directory_.queue, caf::infinite, count_jobs{call.who})
      .then(
          [this, answer, add](const counts_answer& jobs) {
            request(directory_.health, caf::infinite, ask_health{})
                .then(
                    [this, answer, add, jobs](const health_answer& own) {
                      request(directory_.remote, caf::infinite, ask_health{})
                          .then(
                              [answer, add, jobs, own](const health_answer& remote) {
                                api::worker_counts workers;
                                add(workers, own);
                                add(workers, remote);
                                answer->send(api::counts(jobs.value, workers));
                              },
                              failed(answer, the_remote_workers));
                    },
                    failed(answer, "health"));
          },
          failed(answer, the_queue));
}

void runpod_ingress::on(const api::ping&, const reply_ptr& answer) {
  if (state_.state() == ingress_state::SHUTDOWN) {
    answer->send(api::refuse(error{errc::stopping, ""}));
    return;
  }
  answer->send(api::pinged(pod_.ready));
}

/// Ready is a pod that would serve a job now: it takes new ones, and an engine of its own or a
/// remote worker is there for them, busy or not.
void runpod_ingress::on(const api::ready&, const reply_ptr& answer) {
  if (state_.state() == ingress_state::SHUTDOWN) {
    answer->send(api::refuse(error{errc::stopping, ""}));
    return;
  }
  if (pod_.state != pod_state::READY && pod_.state != pod_state::RUNNING) {
    answer->send(api::refuse(error{errc::not_ready, "it is starting"}));
    return;
  }
  request(directory_.queue, caf::infinite, ask_intake{})
      .then(
          [this, answer](const intake_answer& intake) {
            if (!intake.taken) {
              answer->send(api::refuse(intake.taken.error()));
            } else if (intake.capacity > 0) {
              answer->send(api::pinged(true));
            } else {
              request(directory_.remote, caf::infinite, ask_health{})
                  .then(
                      [answer](const health_answer& workers) {
                        answer->send(workers.idle + workers.running > 0
                                         ? api::pinged(true)
                                         : api::refuse(error{errc::not_ready,
                                                             "no engine serves, and no remote "
                                                             "worker is there"}));
                      },
                      failed(answer, the_remote_workers));
            }
          },
          failed(answer, the_queue));
}

void runpod_ingress::on(const api::scrape&, const reply_ptr& answer) {
  send_made(answer, [this] { return api::metrics_text(ctx_.outside.meters.render()); });
}

// ---- the pod -----------------------------------------------------------------------------------

void runpod_ingress::on_directory(const actor_directory& m) {
  const bool new_queue = directory_.queue && directory_.queue != m.queue;
  directory_ = m;
  openai_.on_directory(m.queue);
  heads_.on_directory(m.queue);
  if (state_.state() == ingress_state::NOT_STARTED) {
    move_to(ingress_state::WAITING, cause::start_requested);
    become(answering());
    pod(pod_);
  } else if (new_queue) {
    // The old queue may have died with what a held call waits for: each is answered with what
    // there is.
    for (const auto call : held_.all()) {
      look(call, true);
    }
  }
}

void runpod_ingress::pod(const pod_moved& m) {
  pod_ = m;
  switch (m.state) {
  case pod_state::READY:
  case pod_state::RUNNING:
    if (state_.state() == ingress_state::WAITING) {
      move_to(ingress_state::READY, cause::pod_ready);
      follow_load();
    }
    break;
  case pod_state::STOPPING:
  case pod_state::STOPPED:
    if (state_.state() != ingress_state::SHUTDOWN) {
      move_to(ingress_state::SHUTDOWN, cause::stop_requested);
    }
    break;
  case pod_state::CREATED:
  case pod_state::STARTING:
  case pod_state::CONFIGURING:
  case pod_state::LAUNCHING: break;
  }
}

void runpod_ingress::load(const load_changed& m) {
  load_ = m;
  follow_load();
}

void runpod_ingress::follow_load() {
  const bool busy = load_.waiting || load_.running;
  if (state_.state() == ingress_state::READY && busy) {
    move_to(ingress_state::PROCESSING, cause::jobs_started);
  } else if (state_.state() == ingress_state::PROCESSING && !busy) {
    move_to(ingress_state::READY, cause::jobs_done);
  }
}

bool runpod_ingress::move_to(ingress_state to, cause why) {
  return move(state_, to, why, ctx_.outside, since_);
}

} // namespace tayfa
