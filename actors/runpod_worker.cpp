#include "actors/runpod_worker.hpp"

namespace tayfa {

namespace {

runpod::session_options options_of(const config& knobs, runpod_inbox& inbox) {
  runpod::session_options o;
  o.endpoint = knobs.http_endpoints.items().front();
  o.concurrency = knobs.runpod_concurrency;
  o.take_timeout = knobs.runpod_take_timeout;
  o.stop_linger = knobs.runpod_stop_linger;
  o.takes_before = inbox.begin_session();
  o.posts.aggregate_stream = knobs.runpod_aggregate_stream;
  o.posts.refresh_worker = knobs.runpod_refresh_worker;
  return o;
}

} // namespace

runpod_worker::runpod_worker(caf::actor_config& cfg, pod_context ctx, const runpod_terms& terms)
    : runpod_worker_actor::base(cfg), ctx_(ctx), inbox_(terms.inbox),
      session_(terms.platform, options_of(ctx.knobs, *terms.inbox)) {
  guard(this, ctx_.outside.log);
  inbox_->listen([me = caf::actor_cast<runpod_worker_actor>(this)] {
    caf::anon_send(me, platform_replied{platform_replied::took{}});
  });
}

runpod_worker::behavior_type runpod_worker::make_behavior() {
  return {[this](const deliver_result& m) { carry_out(session_.deliver(now(), m)); },
          [this](const origin_progress& m) { carry_out(session_.progress(m)); },
          [this](const platform_replied& m) { replied(m); },
          [this](const pod_moved& m) {
            const bool runs = m.state == pod_state::READY || m.state == pod_state::RUNNING;
            carry_out(session_.pod_moved(now(), m.ready && runs));
          },
          [this](const slots_ready& m) { carry_out(session_.slots_ready(now(), m.capacity)); },
          [this](const drain_origin&) { carry_out(session_.drain()); },
          [this](const actor_directory& m) { on_directory(m); },
          when_due(this, ctx_.outside.time, [this](const due_timer& m) { timed(m); }),
          present()};
}

void runpod_worker::on_exit() {
  inbox_->listen({}); // it would hold this actor
  for (const auto& call : {take_, stops_}) {
    if (call) {
      ctx_.outside.platform.drop(*call, milliseconds{0});
    }
  }
  directory_ = actor_directory{};
}

// ---- events ------------------------------------------------------------------------------------

void runpod_worker::on_directory(const actor_directory& m) {
  const bool new_queue = directory_.queue != m.queue;
  directory_ = m;
  if (new_queue) {
    carry_out(session_.queue_started());
  }
}

void runpod_worker::replied(const platform_replied& m) {
  if (const auto* stops = std::get_if<platform_replied::stops>(&m.what)) {
    carry_out(session_.stops_answered(now(), stops->number, stops->answer));
  } else if (const auto* posted = std::get_if<platform_replied::posted>(&m.what)) {
    carry_out(session_.posted(now(), posted->number, posted->answer));
  } else if (const auto* pinged = std::get_if<platform_replied::pinged>(&m.what)) {
    carry_out(session_.ping_answered(pinged->answer));
  } else {
    read_takes();
  }
}

void runpod_worker::read_takes() {
  if (session_.knows_queue()) {
    carry_out(session_.took(now(), inbox_->take()));
  }
}

void runpod_worker::timed(const due_timer& m) {
  if (m.topic == ping) {
    carry_out(session_.ping_due());
    return;
  }
  armed_.erase(armed_.begin(), armed_.upper_bound(now()));
  carry_out(session_.expire(now()));
}

/// Deadlines are often passed by before they come (a take's end): a timer that was sent for one
/// serves the next, so that thousands of takes a second do not leave a timer each.
void runpod_worker::arm() {
  const auto next = session_.next_deadline();
  if (next && (armed_.empty() || *next < *armed_.begin())) {
    armed_.insert(*next);
    send_timer_at(this, ctx_.outside.time, *next, 0);
  }
}

// ---- effects -----------------------------------------------------------------------------------

void runpod_worker::carry_out(runpod::effects all) {
  for (auto& each : all) {
    std::visit([this](auto& one) { on(one); }, each);
  }
  arm();
}

template <class Answer>
call_ticket runpod_worker::call(outgoing_call what, Answer as) {
  return ctx_.outside.platform.send(
      std::move(what),
      [me = caf::actor_cast<runpod_worker_actor>(this), as](result<outgoing_answer> a) {
        caf::anon_send(me, platform_replied{as(std::move(a))});
      });
}

void runpod_worker::on(runpod::open_take& m) {
  take_ = ctx_.outside.platform.send(
      std::move(m.call), [inbox = inbox_, number = m.number](result<outgoing_answer> answer) {
        inbox->put(number, std::move(answer));
      });
}

void runpod_worker::on(const runpod::drop_take& m) {
  if (take_) {
    ctx_.outside.platform.drop(*take_, m.linger);
  }
}

void runpod_worker::on(runpod::open_stop_poll& m) {
  stops_ = call(std::move(m.call), [number = m.number](result<outgoing_answer> a) {
    return platform_replied::stops{number, std::move(a)};
  });
}

void runpod_worker::on(runpod::send_post& m) {
  call(std::move(m.call), [number = m.number](result<outgoing_answer> a) {
    return platform_replied::posted{number, std::move(a)};
  });
}

void runpod_worker::on(runpod::send_ping& m) {
  call(std::move(m.call),
       [](result<outgoing_answer> a) { return platform_replied::pinged{std::move(a)}; });
  send_reminder(this, ctx_.outside.time, m.next, 0, ping);
}

void runpod_worker::on(submit_job& m) {
  const auto id = m.id;
  const auto origin = m.request.origin;
  request(directory_.queue, caf::infinite, std::move(m))
      .then([this, id,
             origin](const job_answer& a) { carry_out(session_.submitted(now(), id, origin, a)); },
            [this, id](const caf::error&) { carry_out(session_.submit_lost(id)); });
}

void runpod_worker::on(const cancel_job& m) {
  request(directory_.queue, caf::infinite, m)
      .then(
          [this, id = m.id](const job_answer& a) { carry_out(session_.cancelled(now(), id, a)); },
          [](const caf::error&) { /* the next queue names its jobs; the job's timeout ends it */ });
}

void runpod_worker::on(const ask_origin_jobs& m) {
  request(directory_.queue, caf::infinite, m)
      .then(
          [this](const origin_jobs& all) {
            carry_out(session_.queue_answered(now(), all));
            read_takes();
          },
          [](const caf::error&) { /* a new queue, and a new directory, follow */ });
}

void runpod_worker::on(result_posted& m) {
  send(directory_.queue, std::move(m));
}

void runpod_worker::on(const origin_drained& m) {
  send(directory_.supervisor, m);
}

void runpod_worker::on(stop_pod& m) {
  send(directory_.supervisor, std::move(m));
}

void runpod_worker::on(const runpod::log_line& m) {
  const auto level = m.warning ? log_level::warn : log_level::info;
  if (!ctx_.outside.log.enabled(level)) {
    return;
  }
  std::vector<log_field> fields;
  if (m.job) {
    fields.push_back({"job", *m.job});
  }
  if (m.bytes) {
    fields.push_back({"bytes", *m.bytes});
  }
  if (!m.text.empty()) {
    fields.push_back({"text", m.text});
  }
  ctx_.outside.log.write(level, m.event, fields);
}

void runpod_worker::on(const runpod::count& m) {
  ctx_.outside.meters.add(m.of == runpod::count::what::take ? meter::platform_takes
                                                            : meter::platform_troubles);
}

} // namespace tayfa
