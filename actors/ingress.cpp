#include "actors/ingress.hpp"

#include "actors/worker_call.hpp"
#include "runtime/api/pod_metrics.hpp"
#include "runtime/core/job_ids.hpp"
#include "runtime/http/event_stream.hpp"

namespace tayfa {

namespace {

constexpr const char* the_queue = "the queue";
constexpr const char* the_supervisor = "the supervisor";
constexpr const char* the_remote_workers = "the gateway of remote workers";
constexpr const char* the_pod_gateway = "the gateway of pods";

template <class Request>
constexpr const char* part_of() {
  return lists<queue_messages, Request>         ? the_queue
         : lists<supervisor_messages, Request>  ? the_supervisor
         : lists<pod_gateway_messages, Request> ? the_pod_gateway
                                                : the_remote_workers;
}

/// Calls that a pod without a queue answers: about itself.
bool is_about_pod(const api::call& call) {
  return std::visit(
      []<class Call>(const Call& one) {
        if constexpr (std::is_same_v<Call, api::events>) {
          return one.job.empty();
        } else {
          return lists<message_list<list_slots, drain_slot, resize_slots, api::describe,
                                    api::health, api::ping, api::ready, api::scrape>,
                       Call>;
        }
      },
      call);
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
      [this](const load_changed& m) { load_ = m; }, [this](const link_moved& m) { head_ = m; },
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
      [this](const load_changed& m) { load(m); }, [this](const link_moved& m) { head_ = m; },
      when_due(this, ctx_.outside.time, [this](const due_timer& m) {
        m.topic == openai_calls::topic  ? openai_.timed(m)
        : m.topic == other_heads::topic ? heads_.timed(m)
                                        : held_long_enough(m);
      }));
}

// ---- calls -------------------------------------------------------------------------------------

template <class Request, class Render>
void runpod_ingress::ask(const Request& what, const reply_ptr& to, Render render) {
  if constexpr (lists<pod_gateway_messages, Request>) {
    if (!directory_.pods) {
      to->send(api::refuse(error{errc::not_found, "no pods may link here: this pod does not run "
                                                  "with --link"}));
      return;
    }
  }
  const auto& part = [this]() -> const auto& {
    if constexpr (lists<queue_messages, Request>) {
      return directory_.queue;
    } else if constexpr (lists<supervisor_messages, Request>) {
      return directory_.supervisor;
    } else if constexpr (lists<pod_gateway_messages, Request>) {
      return directory_.pods;
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
  if (!directory_.queue && !is_about_pod(m.call)) {
    m.answer->send(api::misdirected(
        "this pod has no queue; ask the API of its head, which listens for pods at " + head_.head));
    return;
  }
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

/// Those of workers that pull their jobs, and of linked pods, together.
void runpod_ingress::count_others(const reply_ptr& answer,
                                  std::function<void(const health_answer&)> then) {
  if (!directory_.remote) {
    then({});
    return;
  }
  request(directory_.remote, caf::infinite, ask_health{})
      .then(
          [this, answer, then](const health_answer& remote) {
            if (!directory_.pods) {
              then(remote);
              return;
            }
            request(directory_.pods, caf::infinite, ask_health{})
                .then(
                    [then, remote](const health_answer& of_pods) {
                      then({remote.initializing + of_pods.initializing, remote.idle + of_pods.idle,
                            remote.running + of_pods.running,
                            remote.unhealthy + of_pods.unhealthy});
                    },
                    failed(answer, the_pod_gateway));
          },
          failed(answer, the_remote_workers));
}

/// The engines of this pod and all other workers of its queue, together.
void runpod_ingress::count_workers(const reply_ptr& answer, const job_counts& jobs) {
  request(directory_.health, caf::infinite, ask_health{})
      .then(
          [this, answer, jobs](const health_answer& own) {
            count_others(answer, [answer, jobs, own](const health_answer& others) {
              api::worker_counts workers;
              workers.initializing = own.initializing + others.initializing;
              workers.idle = own.idle + others.idle;
              workers.ready = workers.idle;
              workers.running = own.running + others.running;
              workers.unhealthy = own.unhealthy + others.unhealthy;
              answer->send(api::counts(jobs, workers));
            });
          },
          failed(answer, "health"));
}

void runpod_ingress::on(const api::health& call, const reply_ptr& answer) {
  if (!directory_.queue) {
    count_workers(answer, {});
    return;
  }
  request(directory_.queue, caf::infinite, count_jobs{call.who})
      .then([this, answer](const counts_answer& jobs) { count_workers(answer, jobs.value); },
            failed(answer, the_queue));
}

void runpod_ingress::on(const api::ping&, const reply_ptr& answer) {
  if (state_.state() == ingress_state::SHUTDOWN) {
    answer->send(api::refuse(error{errc::stopping, ""}));
    return;
  }
  answer->send(api::pinged(pod_.ready && (directory_.queue || head_.linked)));
}

/// Ready is a pod that would serve a job now: it takes new ones, and an engine of its own or
/// another worker is there for them, busy or not. A pod that has a head is ready when the head
/// answers.
void runpod_ingress::on(const api::ready&, const reply_ptr& answer) {
  if (state_.state() == ingress_state::SHUTDOWN) {
    answer->send(api::refuse(error{errc::stopping, ""}));
    return;
  }
  if (pod_.state != pod_state::READY && pod_.state != pod_state::RUNNING) {
    answer->send(api::refuse(error{errc::not_ready, "it is starting"}));
    return;
  }
  if (!directory_.queue) {
    answer->send(head_.linked ? api::pinged(pod_.ready)
                              : api::refuse(error{errc::not_ready, "the head at " + head_.head +
                                                                       " does not answer"}));
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
              count_others(answer, [answer](const health_answer& workers) {
                answer->send(
                    workers.idle + workers.running > 0
                        ? api::pinged(true)
                        : api::refuse(error{errc::not_ready, "no engine serves, and no other "
                                                             "worker is there"}));
              });
            }
          },
          failed(answer, the_queue));
}

void runpod_ingress::on(const api::scrape&, const reply_ptr& answer) {
  const auto page = [this, answer](const std::string& of_pods) {
    send_made(answer, [&] { return api::metrics_text(ctx_.outside.meters.render() + of_pods); });
  };
  if (!directory_.pods) {
    page({});
    return;
  }
  request(directory_.pods, caf::infinite, list_pods{})
      .then(
          [page](const pods_answer& a) {
            page(a.value ? api::pod_metrics(*a.value) : std::string{});
          },
          [page](const caf::error&) { page({}); });
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
