// Takes, stops and pings.
#include "actors/runpod_worker.hpp"

#include "runtime/api/shape.hpp"

#include <algorithm>

namespace tayfa {

namespace {

using namespace std::chrono_literals;

/// An empty answer that came sooner than this was no long poll: the next one waits a little, so
/// that a platform that does not hold its polls is not asked a thousand times a second.
constexpr milliseconds held_at_least = 50ms;
/// A take that was held for its time is dropped in good order; only a platform that does not even
/// close its side is cut off.
constexpr milliseconds cut_off_after = 30s;
/// A stop may overtake the take that brings its job: they come over two connections. Kept for no
/// longer than that explains, as the platform may give the job anew on purpose.
constexpr milliseconds stop_overtakes = 2s;
constexpr std::size_t early_stops_max = 1'000;

} // namespace

runpod_worker::runpod_worker(caf::actor_config& cfg, pod_context ctx, runpod_terms terms)
    : runpod_worker_actor::base(cfg), ctx_(ctx), terms_(std::move(terms)),
      platform_(terms_.platform) {
  guard(this, ctx_.outside.log);
  terms_.inbox->listen([me = caf::actor_cast<runpod_worker_actor>(this)] {
    caf::anon_send(me, platform_replied{platform_replied::took{}});
  });
}

runpod_worker::behavior_type runpod_worker::make_behavior() {
  return {[this](const deliver_result& m) { deliver(m); },
          [this](const origin_progress& m) { said(m); },
          [this](const platform_replied& m) {
            std::visit(
                [this](const auto& outcome) {
                  using Outcome = std::decay_t<decltype(outcome)>;
                  if constexpr (std::is_same_v<Outcome, platform_replied::took>) {
                    read_takes();
                  } else if constexpr (std::is_same_v<Outcome, platform_replied::stops>) {
                    heard_stops(outcome);
                  } else if constexpr (std::is_same_v<Outcome, platform_replied::posted>) {
                    posted(outcome);
                  } else if (!outcome.well) {
                    ctx_.outside.meters.add(meter::platform_troubles);
                  }
                },
                m.what);
          },
          [this](const pod_moved& m) { pod(m); },
          [this](const slots_ready& m) {
            capacity_ = m.capacity;
            maybe_take();
          },
          [this](const drain_origin&) { drain(); },
          [this](const actor_directory& m) { on_directory(m); },
          when_due(this, ctx_.outside.time, [this](const due_timer& m) { timed(m); }),
          present()};
}

void runpod_worker::on_exit() {
  terms_.inbox->listen({}); // it would hold this actor
  if (take_) {
    ctx_.outside.platform.drop(*take_, 0ms);
  }
  if (stops_) {
    ctx_.outside.platform.drop(*stops_, 0ms);
  }
  directory_ = actor_directory{};
}

/// Every call but a take: its answer is for this actor, or for nobody.
void runpod_worker::call(outgoing_call what,
                         std::function<platform_replied(result<outgoing_answer>)> as) {
  ctx_.outside.platform.send(std::move(what), [me = caf::actor_cast<runpod_worker_actor>(this),
                                               as = std::move(as)](result<outgoing_answer> a) {
    caf::anon_send(me, as(std::move(a)));
  });
}

// ---- the pod -----------------------------------------------------------------------------------

void runpod_worker::on_directory(const actor_directory& m) {
  const bool fresh = !directory_.queue || directory_.queue != m.queue;
  directory_ = m;
  if (!fresh) {
    return;
  }
  submitting_.clear(); // the queue that was asked answers no more
  request(directory_.queue, caf::infinite, ask_origin_jobs{})
      .then([this](const origin_jobs& all) { know(all); },
            [](const caf::error&) { /* a new queue, and a new directory, follow */ });
}

/// Jobs of an earlier process, or of an earlier actor.
void runpod_worker::know(const origin_jobs& all) {
  for (const auto& [id, origin] : all.live) {
    live_.emplace(id, origin);
  }
  read_takes();
  listen_for_stops();
}

void runpod_worker::pod(const pod_moved& m) {
  serving_ = m.ready && (m.state == pod_state::READY || m.state == pod_state::RUNNING);
  if (serving_ && platform_.pings && !std::exchange(pings_, true)) {
    ping();
  }
  if (serving_) {
    maybe_take();
    listen_for_stops();
  }
}

void runpod_worker::drain() {
  draining_ = true;
  if (take_) {
    ctx_.outside.platform.drop(*take_, ctx_.knobs.runpod_stop_linger);
  }
  tell_drained();
}

void runpod_worker::tell_drained() {
  if (draining_ && !drained_told_ && !take_ && submitting_.empty() && directory_.supervisor) {
    drained_told_ = true;
    send(directory_.supervisor, origin_drained{});
  }
}

void runpod_worker::timed(const due_timer& m) {
  switch (static_cast<topic>(m.topic)) {
  case ping_again: ping(); break;
  case take_again:
    if (m.ticket == take_ticket_) {
      take_pausing_ = false;
      maybe_take();
    }
    break;
  case take_held:
    hold_armed_ = false;
    watch_hold();
    break;
  case stops_again:
    stops_pausing_ = false;
    listen_for_stops();
    break;
  case post_again: post_next(m.ticket); break;
  }
}

// ---- takes -------------------------------------------------------------------------------------

std::uint32_t runpod_worker::free_places() const {
  const auto wanted = ctx_.knobs.runpod_concurrency;
  const std::size_t places = wanted > 0 ? wanted : capacity_;
  const std::size_t used = live_.size() + submitting_.size();
  const std::size_t free = places > used ? places - used : 0;
  return static_cast<std::uint32_t>(std::min(free, runpod::batch_most));
}

void runpod_worker::maybe_take() {
  const auto wanted =
      ctx_.knobs.runpod_refresh_worker ? std::min(free_places(), 1U) : free_places();
  if (!serving_ || draining_ || last_job_taken_ || take_ || take_pausing_ || wanted == 0 ||
      !directory_.queue) {
    return;
  }
  take_began_ = now();
  take_number_ = terms_.inbox->next_number();
  const auto held = ctx_.knobs.runpod_take_timeout;
  take_ = ctx_.outside.platform.send(
      runpod::take_call(platform_, wanted, !live_.empty(), held + cut_off_after),
      [inbox = terms_.inbox, number = take_number_](result<outgoing_answer> answer) {
        inbox->put(number, std::move(answer));
      });
  watch_hold();
}

/// A single timer serves all takes: thousands of takes a second would each leave one behind.
void runpod_worker::watch_hold() {
  if (!take_ || hold_armed_) {
    return;
  }
  const auto over = take_began_ + ctx_.knobs.runpod_take_timeout;
  if (over <= now()) {
    ctx_.outside.platform.drop(*take_, ctx_.knobs.runpod_stop_linger);
    return; // its end comes as an answer
  }
  hold_armed_ = true;
  send_timer(this, ctx_.outside.time, std::chrono::ceil<milliseconds>(over - now()), 0, take_held);
}

void runpod_worker::read_takes() {
  if (!directory_.queue) {
    return; // they wait until it is known to whom to give them
  }
  for (auto& [number, answer] : terms_.inbox->take()) {
    if (number == take_number_) {
      take_.reset();
    }
    took(std::move(answer));
  }
  maybe_take();
  tell_drained();
}

void runpod_worker::took(result<outgoing_answer> answer) {
  using what = runpod::take_outcome::what;
  if (!answer && answer.error().code == errc::cancelled) {
    return; // held for its time, or the pod stops
  }
  const std::string heard =
      answer ? "status " + std::to_string(answer->status) : answer.error().str();
  auto outcome = runpod::read_take(std::move(answer));
  for (const auto& remark : outcome.remarks) {
    ctx_.outside.log.warn("take_remark", {{"text", remark}});
  }
  const bool troubled = outcome.kind == what::broken || outcome.kind == what::busy;
  ctx_.outside.meters.add(meter::platform_takes, outcome.kind == what::jobs ? 1 : 0);
  ctx_.outside.meters.add(meter::platform_troubles, troubled ? 1 : 0);
  for (auto& [origin, why] : outcome.faulty) {
    report_refused(origin, why);
  }
  for (auto& job : outcome.jobs) {
    accept(std::move(job));
  }
  const bool hasty = outcome.kind == what::none && now() - take_began_ < held_at_least;
  if (!troubled && !hasty && outcome.kind != what::slow) {
    take_failures_ = 0;
    return;
  }
  if (troubled) {
    ctx_.outside.log.warn("take_failed", {{"text", heard}});
  }
  pause_takes(std::max(runpod::take_pause(++take_failures_), outcome.pause));
}

void runpod_worker::pause_takes(milliseconds pause) {
  take_pausing_ = true;
  send_timer(this, ctx_.outside.time, pause, ++take_ticket_, take_again);
}

void runpod_worker::accept(runpod::taken_job job) {
  const auto id = runpod::local_id(job.id);
  ctx_.outside.log.info("job_taken", {{"job", id}, {"bytes", job.input.size()}});
  if (live_.contains(id) || submitting_.contains(id)) {
    ctx_.outside.log.warn("job_given_twice", {{"job", id}});
    return;
  }
  if (const auto stop = early_stops_.extract(id); !stop.empty() && stop.mapped() >= now()) {
    ctx_.outside.log.info("job_stopped", {{"job", id}});
    return;
  }
  last_job_taken_ = ctx_.knobs.runpod_refresh_worker;
  submit_job m;
  m.id = id;
  m.request.endpoint = ctx_.knobs.http_endpoints.items().front();
  m.request.shape = api::shape_of(job.input.view());
  m.request.input = std::move(job.input);
  m.request.policy = std::move(job.policy);
  m.request.s3_config = std::move(job.s3_config);
  m.request.origin = job.id;
  submitting_.insert(id);
  request(directory_.queue, caf::infinite, std::move(m))
      .then([this, id, origin = job.id](const job_answer& a) { accepted(id, origin, a); },
            [this, id, origin = job.id](const caf::error&) {
              // The dead queue may or may not have committed it: the next one knows.
              submitting_.erase(id);
              tell_drained();
            });
}

void runpod_worker::accepted(const job_id& id, const std::string& origin, const job_answer& a) {
  submitting_.erase(id);
  if (!a.value) {
    report_refused(origin, a.value.error());
  } else if (!is_final(a.value->state)) {
    live_.emplace(id, origin);
  }
  listen_for_stops();
  maybe_take();
  tell_drained();
}

// ---- stops -------------------------------------------------------------------------------------

void runpod_worker::listen_for_stops() {
  const bool wanted = serving_ || !live_.empty();
  if (stops_ || stops_pausing_ || !wanted || !directory_.queue) {
    return;
  }
  auto what = runpod::stop_call(platform_, ctx_.knobs.runpod_take_timeout);
  if (!what) {
    return;
  }
  stops_began_ = now();
  stops_ = ctx_.outside.platform.send(
      std::move(*what), [me = caf::actor_cast<runpod_worker_actor>(this),
                         number = ++stops_number_](result<outgoing_answer> answer) {
        caf::anon_send(me, platform_replied{platform_replied::stops{number, std::move(answer)}});
      });
}

void runpod_worker::heard_stops(const platform_replied::stops& m) {
  if (m.number != stops_number_) {
    return;
  }
  stops_.reset();
  const auto outcome = runpod::read_stop(m.answer);
  for (const auto& origin : outcome.ids) {
    stop_job(origin);
  }
  using what = runpod::take_outcome::what;
  const bool hasty = outcome.kind == what::none && now() - stops_began_ < held_at_least;
  if (outcome.kind == what::jobs || (outcome.kind == what::none && !hasty)) {
    stops_failures_ = 0;
    listen_for_stops();
    return;
  }
  ctx_.outside.meters.add(meter::platform_troubles, outcome.kind == what::broken ? 1 : 0);
  stops_pausing_ = true;
  const auto pause = std::max(runpod::take_pause(++stops_failures_), outcome.pause);
  send_timer(this, ctx_.outside.time, pause, 0, stops_again);
}

/// Nothing is posted for it any more: the platform knows.
void runpod_worker::stop_job(const std::string& origin) {
  const auto id = runpod::local_id(origin);
  if (!live_.contains(id) && !submitting_.contains(id)) {
    if (!line_numbers_.contains(id)) { // else it is over; else it is on its way, or never here
      std::erase_if(early_stops_, [this](const auto& e) { return e.second < now(); });
      if (early_stops_.size() < early_stops_max) {
        early_stops_[id] = now() + stop_overtakes;
      }
    }
    return;
  }
  ctx_.outside.log.info("job_stopped", {{"job", id}});
  request(directory_.queue, caf::infinite, cancel_job{job_access{}, id, true})
      .then(
          [this, id](const job_answer& a) {
            if (a.value && a.value->state == job_state::CANCELLED) {
              live_.erase(id);
              if (const auto it = line_numbers_.find(id); it != line_numbers_.end()) {
                drop_line(it->second);
              }
            }
            maybe_take();
          },
          [](const caf::error&) { /* the queue died; the job's timeout ends it */ });
}

// ---- pings -------------------------------------------------------------------------------------

void runpod_worker::ping() {
  std::vector<std::string> jobs;
  jobs.reserve(live_.size() + lines_.size());
  for (const auto& [id, origin] : live_) {
    jobs.push_back(origin);
  }
  for (const auto& [number, l] : lines_) {
    if (l.ended && !live_.contains(l.id)) {
      jobs.push_back(l.origin); // its result is on its way
    }
  }
  auto what = runpod::ping_call(platform_, jobs);
  call(std::move(what), [](result<outgoing_answer> answer) {
    return platform_replied{platform_replied::pinged{answer && answer->status < 300}};
  });
  send_reminder(this, ctx_.outside.time, std::max(platform_.ping_interval, 1ms * 100), 0,
                ping_again);
}

} // namespace tayfa
