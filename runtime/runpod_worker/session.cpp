#include "runtime/runpod_worker/session.hpp"

#include "runtime/api/shape.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::runpod {

namespace {

using namespace std::chrono_literals;

/// An empty answer that came sooner than this was no long poll: the next poll waits a little, so
/// that a platform that does not hold its polls is not asked a thousand times a second.
constexpr milliseconds held_at_least = 50ms;
/// A take that was held for its time is dropped in good order; only a platform that does not even
/// close its side is cut off.
constexpr milliseconds cut_off_after = 30s;
/// A stop may overtake the take that brings its job: they come over two connections. Kept for no
/// longer than that explains, as the platform may give the job anew on purpose.
constexpr milliseconds stop_overtakes = 2s;
constexpr std::size_t early_stops_max = 1'000;
constexpr milliseconds least_ping_interval = 100ms;

using answer_kind = take_outcome::what;

} // namespace

// ---- the pod -----------------------------------------------------------------------------------

effects session::pod_moved(moment now, bool serving) {
  effects then;
  serving_ = serving;
  if (serving_) {
    if (platform_.pings && !std::exchange(pings_, true)) {
      then = ping_due();
    }
    take(now, then);
    poll_stops(now, then);
  }
  return then;
}

effects session::slots_ready(moment now, std::uint32_t capacity) {
  effects then;
  capacity_ = capacity;
  take(now, then);
  return then;
}

effects session::drain() {
  effects then;
  draining_ = true;
  if (std::exchange(held_until_, {})) {
    then.push_back(drop_take{options_.stop_linger});
  }
  report_drained(then);
  return then;
}

void session::report_drained(effects& then) {
  if (draining_ && !drained_ && !takes_.open && submitting_.empty() && knows_queue_) {
    drained_ = true;
    then.push_back(origin_drained{});
  }
}

effects session::expire(moment now) {
  effects then;
  if (held_until_ && *held_until_ <= now) {
    held_until_.reset();
    then.push_back(drop_take{options_.stop_linger}); // its end comes as an answer
  }
  if (takes_.paused_until && *takes_.paused_until <= now) {
    takes_.paused_until.reset();
    take(now, then);
  }
  if (stops_.paused_until && *stops_.paused_until <= now) {
    stops_.paused_until.reset();
    poll_stops(now, then);
  }
  outbox_.expire(now, then);
  return then;
}

std::optional<moment> session::next_deadline() const {
  std::optional<moment> next = outbox_.next_deadline();
  for (const auto& each : {held_until_, takes_.paused_until, stops_.paused_until}) {
    if (each && (!next || *each < *next)) {
      next = each;
    }
  }
  return next;
}

// ---- the queue ---------------------------------------------------------------------------------

effects session::queue_started() {
  knows_queue_ = false;
  submitting_.clear(); // the queue that was asked answers no more
  return {ask_origin_jobs{}};
}

effects session::queue_answered(moment now, const origin_jobs& all) {
  effects then;
  knows_queue_ = true;
  live_ = {all.live.begin(), all.live.end()};
  poll_stops(now, then);
  return then;
}

effects session::submitted(moment now, const job_id& id, const std::string& origin,
                           const job_answer& a) {
  effects then;
  submitting_.erase(id);
  if (!a.value) {
    outbox_.refuse(origin, a.value.error(), then);
  } else if (!is_final(a.value->state)) {
    live_.emplace(id, origin);
    outbox_.accepted(id);
  }
  poll_stops(now, then);
  take(now, then);
  report_drained(then);
  return then;
}

effects session::submit_lost(const job_id& id) {
  effects then;
  submitting_.erase(id);
  report_drained(then);
  return then;
}

effects session::progress(const origin_progress& m) {
  effects then;
  outbox_.progress(m, then);
  return then;
}

effects session::deliver(moment now, const deliver_result& m) {
  effects then;
  live_.erase(m.view.id);
  outbox_.deliver(m, then);
  take(now, then);
  return then;
}

effects session::posted(moment now, std::uint64_t number, const result<outgoing_answer>& answer) {
  effects then;
  outbox_.posted(now, number, answer, then);
  return then;
}

// ---- takes -------------------------------------------------------------------------------------

std::uint32_t session::free_places() const {
  const std::size_t places = options_.concurrency > 0 ? options_.concurrency : capacity_;
  const std::size_t used = live_.size() + submitting_.size();
  const std::size_t free = places > used ? places - used : 0;
  const std::size_t most = options_.posts.refresh_worker ? 1 : batch_most;
  return static_cast<std::uint32_t>(std::min(free, most));
}

void session::take(moment now, effects& then) {
  const auto wanted = free_places();
  if (!serving_ || !knows_queue_ || draining_ || last_taken_ || takes_.open ||
      takes_.paused_until || wanted == 0) {
    return;
  }
  takes_.open = true;
  takes_.began = now;
  held_until_ = now + options_.take_timeout;
  then.push_back(open_take{++takes_.number, take_call(platform_, wanted, !live_.empty(),
                                                      options_.take_timeout + cut_off_after)});
}

effects session::took(moment now, std::deque<take_answer> answers) {
  effects then;
  for (auto& [number, answer] : answers) {
    const bool is_open = takes_.open && number == takes_.number;
    if (is_open) {
      takes_.open = false;
      held_until_.reset();
    }
    read_take(now, is_open, std::move(answer), then);
  }
  take(now, then);
  report_drained(then);
  return then;
}

void session::read_take(moment now, bool is_open, result<outgoing_answer> answer, effects& then) {
  if (!answer && answer.error().code == errc::cancelled) {
    return; // held for its time, or the pod stops
  }
  const std::string heard =
      answer ? "status " + std::to_string(answer->status) : answer.error().str();
  auto outcome = runpod::read_take(std::move(answer));
  for (const auto& remark : outcome.remarks) {
    then.push_back(log_line{"take_remark", true, {}, {}, remark});
  }
  if (outcome.kind == answer_kind::jobs) {
    then.push_back(count{count::what::take});
  }
  for (const auto& [origin, why] : outcome.faulty) {
    outbox_.refuse(origin, why, then);
  }
  for (auto& job : outcome.jobs) {
    submit(now, std::move(job), then);
  }
  const bool troubled = outcome.kind == answer_kind::broken || outcome.kind == answer_kind::busy;
  const bool hasty =
      is_open && outcome.kind == answer_kind::none && now - takes_.began < held_at_least;
  if (!troubled && !hasty && outcome.kind != answer_kind::slow) {
    takes_.failures = 0;
    return;
  }
  if (troubled) {
    then.push_back(count{count::what::trouble});
    then.push_back(log_line{"take_failed", true, {}, {}, heard});
  }
  takes_.paused_until = now + std::max(take_pause(++takes_.failures), outcome.pause);
}

void session::submit(moment now, taken_job job, effects& then) {
  const auto id = local_id(job.id);
  then.push_back(log_line{"job_taken", false, id, job.input.size()});
  if (live_.contains(id) || submitting_.contains(id)) {
    then.push_back(log_line{"job_given_twice", true, id});
    return;
  }
  if (const auto stop = early_stops_.extract(id); !stop.empty() && stop.mapped() >= now) {
    then.push_back(log_line{"job_stopped", false, id});
    return;
  }
  last_taken_ = options_.posts.refresh_worker;
  submit_job m;
  m.id = id;
  m.request.endpoint = options_.endpoint;
  m.request.shape = api::shape_of(job.input.view());
  m.request.input = std::move(job.input);
  m.request.policy = std::move(job.policy);
  m.request.s3_config = std::move(job.s3_config);
  m.request.origin = std::move(job.id);
  submitting_.insert(id);
  then.push_back(std::move(m));
}

// ---- stops -------------------------------------------------------------------------------------

void session::poll_stops(moment now, effects& then) {
  const bool wanted = serving_ || !live_.empty();
  if (stops_.open || stops_.paused_until || !wanted || !knows_queue_) {
    return;
  }
  auto call = stop_call(platform_, options_.take_timeout);
  if (!call) {
    return;
  }
  stops_.open = true;
  stops_.began = now;
  then.push_back(open_stop_poll{++stops_.number, std::move(*call)});
}

effects session::stops_answered(moment now, std::uint64_t number,
                                const result<outgoing_answer>& answer) {
  effects then;
  if (number != stops_.number) {
    return then;
  }
  stops_.open = false;
  const auto outcome = read_stop(answer);
  for (const auto& origin : outcome.ids) {
    stop_job(now, origin, then);
  }
  // A platform may answer every poll alike: the log has a remark once until it changes.
  if (std::exchange(stop_remark_, outcome.remark) != outcome.remark && !outcome.remark.empty()) {
    then.push_back(log_line{"stop_poll_remark", true, {}, {}, outcome.remark});
  }
  const bool hasty = outcome.kind == answer_kind::none && now - stops_.began < held_at_least;
  if (outcome.kind == answer_kind::jobs || (outcome.kind == answer_kind::none && !hasty)) {
    stops_.failures = 0;
    poll_stops(now, then);
    return then;
  }
  if (outcome.kind == answer_kind::broken) {
    then.push_back(count{count::what::trouble});
  }
  stops_.paused_until = now + std::max(take_pause(++stops_.failures), outcome.pause);
  return then;
}

/// Posts nothing more for the job: the platform has stopped it itself.
void session::stop_job(moment now, const std::string& origin, effects& then) {
  const auto id = local_id(origin);
  if (live_.contains(id) || submitting_.contains(id)) {
    then.push_back(log_line{"job_stopped", false, id});
    then.push_back(cancel_job{job_access{}, id, true});
    return;
  }
  if (outbox_.contains(id)) {
    return; // it has ended already
  }
  // Its take may still be under way.
  std::erase_if(early_stops_, [now](const auto& e) { return e.second < now; });
  if (early_stops_.size() < early_stops_max) {
    early_stops_[id] = now + stop_overtakes;
  }
}

effects session::cancelled(moment now, const job_id& id, const job_answer& a) {
  effects then;
  if (a.value && a.value->state == job_state::CANCELLED) {
    live_.erase(id);
    outbox_.drop(id);
  }
  take(now, then);
  return then;
}

// ---- pings -------------------------------------------------------------------------------------

effects session::ping_due() {
  std::vector<std::string> jobs;
  for (const auto& [id, origin] : live_) {
    jobs.push_back(origin);
  }
  for (auto& [id, origin] : outbox_.ended()) {
    if (!live_.contains(id)) {
      jobs.push_back(std::move(origin));
    }
  }
  return {send_ping{ping_call(platform_, jobs),
                    std::max(platform_.ping_interval, least_ping_interval)}};
}

effects session::ping_answered(const result<outgoing_answer>& answer) {
  if (answer && answer->status < 300) {
    return {};
  }
  return {count{count::what::trouble}};
}

} // namespace tayfa::runpod
