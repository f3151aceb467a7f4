#include "tests/unit/core/job_model.hpp"

#include <algorithm>

namespace tayfa::testing {

// ---- words --------------------------------------------------------------------------------------

void job_model::say(const std::string& words) {
  words_ += (words_.empty() ? "" : "; ") + words;
}

void job_model::say_moved(const job& j, cause why) {
  say(j.id + " " + std::string{to_string(j.state)} + " (" + std::string{to_string(why)} + ")" +
      (j.watch && is_final(j.state) ? " watched" : ""));
}

std::string job_model::take() {
  return std::exchange(words_, {});
}

// ---- looking up ---------------------------------------------------------------------------------

job_model::job* job_model::find(const std::string& id) {
  const auto at =
      std::find_if(jobs_.begin(), jobs_.end(), [&](const job& j) { return j.id == id; });
  return at == jobs_.end() ? nullptr : &*at;
}

job_model::worker* job_model::holder_of(worker_ref ref) {
  for (auto& w : workers_) {
    if (w.present && w.ref == ref) {
      return &w;
    }
  }
  return nullptr;
}

job_model::job* job_model::current(worker_ref ref, const attempt_ref& a) {
  job* j = find(a.job.str());
  const bool is_current = j != nullptr && j->state == job_state::IN_PROGRESS && j->holder == ref &&
                          j->attempts == a.number && holder_of(ref) != nullptr;
  return is_current ? j : nullptr;
}

moment job_model::ttl_end(const job& j) const {
  return j.submitted + j.request.policy.ttl.value_or(limits_.ttl);
}
moment job_model::run_end(const job& j) const {
  return j.began.value_or(j.assigned) +
         j.request.policy.execution_timeout.value_or(limits_.execution_timeout);
}
moment job_model::due(const job& j) const {
  if (is_final(j.state)) {
    return j.ended + (j.request.sync ? limits_.keep_sync : limits_.keep_async);
  }
  return j.state == job_state::IN_QUEUE ? ttl_end(j) : std::min(ttl_end(j), run_end(j));
}

std::optional<moment> job_model::next_deadline() const {
  std::optional<moment> first;
  for (const auto& j : jobs_) {
    first = std::min(first.value_or(moment::max()), due(j));
  }
  return first;
}

job_counts job_model::counts() const {
  auto out = counts_;
  for (const auto& j : jobs_) {
    out.in_queue += j.state == job_state::IN_QUEUE;
    out.in_progress += j.state == job_state::IN_PROGRESS;
  }
  return out;
}

// ---- what happens to a job ----------------------------------------------------------------------

void job_model::end(moment now, job& j, job_state to, cause why, std::optional<errc> failure) {
  const bool ran = j.state == job_state::IN_PROGRESS;
  std::erase(line_, j.id);
  j.state = to;
  j.ended = now;
  j.failure = failure;
  if (to != job_state::COMPLETED) {
    j.output.clear();
  }
  counts_.completed += to == job_state::COMPLETED;
  counts_.failed += to == job_state::FAILED;
  counts_.cancelled += to == job_state::CANCELLED;
  counts_.timed_out += to == job_state::TIMED_OUT;
  say_moved(j, why);
  const attempt_ref a{job_id{j.id}, j.attempts};
  const auto* w = holder_of(j.holder);
  if (ran && w != nullptr && std::count(w->holds.begin(), w->holds.end(), a) == 1) {
    say("revoke " + to_string(a) + " from " + to_string(j.holder));
  }
}

void job_model::requeue(job& j) {
  j.state = job_state::IN_QUEUE;
  j.output.clear();
  j.chunks.clear();
  line_.insert(line_.begin(), j.id);
  say_moved(j, cause::attempt_lost);
}

void job_model::lose(moment now, job& j) {
  if (j.attempts >= limits_.max_attempts) {
    j.chunks.clear();
    end(now, j, job_state::FAILED, cause::attempts_exhausted, errc::max_attempts);
  } else {
    requeue(j);
  }
}

void job_model::lose_all_of(moment now, worker& w) {
  w.present = false;
  w.holds.clear();
  for (auto j = jobs_.rbegin(); j != jobs_.rend(); ++j) { // latest first
    if (j->state == job_state::IN_PROGRESS && j->holder == w.ref) {
      lose(now, *j);
    }
  }
}

job_model::worker* job_model::best_worker() {
  worker* best = nullptr;
  for (auto& w : workers_) {
    if (!w.present || w.draining || w.holds.size() >= w.capacity) {
      continue;
    }
    if (best == nullptr || w.holds.size() < best->holds.size() ||
        (w.holds.size() == best->holds.size() && w.since < best->since)) {
      best = &w;
    }
  }
  return best;
}

job_model::job* job_model::head() {
  for (const bool low : {false, true}) {
    for (const auto& id : line_) {
      if (find(id)->request.policy.low_priority == low) {
        return find(id);
      }
    }
  }
  return nullptr;
}

void job_model::assign(moment now) {
  while (!stopping_) {
    worker* w = best_worker();
    job* j = head();
    if (w == nullptr || j == nullptr) {
      return;
    }
    if (ttl_end(*j) <= now) {
      end(now, *j, job_state::TIMED_OUT, cause::ttl_expired, errc::ttl_expired);
      continue;
    }
    std::erase(line_, j->id);
    j->state = job_state::IN_PROGRESS;
    counts_.retried += ++j->attempts > 1;
    j->holder = w->ref;
    j->assigned = now;
    j->began.reset();
    j->progress_seen = j->chunk_seen = 0;
    w->since = ++ticks_;
    w->holds.push_back({job_id{j->id}, j->attempts});
    say_moved(*j, cause::assigned);
    say("give " + to_string(w->holds.back()) + " to " + to_string(w->ref));
  }
}

// ---- commands -----------------------------------------------------------------------------------

std::string job_model::submit(moment now, const std::string& id, const job_request& request,
                              bool watch) {
  if (stopping_) {
    return "stopping";
  }
  if (find(id) != nullptr) {
    return "bad_request";
  }
  if (line_.size() >= limits_.queue_max) {
    return "queue_full";
  }
  job j;
  j.id = id;
  j.order = ++orders_;
  j.request = request;
  j.watch = watch;
  j.submitted = now;
  jobs_.push_back(j);
  line_.push_back(id);
  assign(now);
  return take();
}

std::string job_model::cancel(moment now, const std::string& id) {
  job* j = find(id);
  if (j == nullptr || !kept(now, *j)) {
    return "job_not_found";
  }
  if (!is_final(j->state)) {
    j->chunks.clear();
    end(now, *j, job_state::CANCELLED, cause::cancel_requested, std::nullopt);
  }
  return take();
}

std::string job_model::read_stream(moment now, const std::string& id) {
  job* j = find(id);
  if (j == nullptr || !kept(now, *j)) {
    return "job_not_found";
  }
  std::string out;
  for (const auto& c : std::exchange(j->chunks, {})) {
    out += c;
  }
  return out;
}

std::string job_model::joined(moment now, worker_ref ref, std::uint32_t capacity) {
  worker* w = nullptr;
  for (auto& known : workers_) {
    w = known.ref.slot == ref.slot ? &known : w;
  }
  if (w == nullptr) {
    w = &workers_.emplace_back();
  } else if (ref.incarnation < w->ref.incarnation) {
    ++counts_.stale;
    return {};
  } else if (w->present && w->ref == ref) {
    return {};
  }
  if (w->present) {
    lose_all_of(now, *w);
  }
  *w = worker{ref, capacity, true, false, ++ticks_, {}};
  assign(now);
  return take();
}

std::string job_model::lost(moment now, slot_id slot) {
  for (auto& w : workers_) {
    if (w.present && w.ref.slot == slot) {
      lose_all_of(now, w);
      assign(now);
    }
  }
  return take();
}

void job_model::draining(worker_ref ref) {
  if (auto* w = holder_of(ref)) {
    w->draining = true;
  }
}

std::string job_model::started(moment now, worker_ref ref, const attempt_ref& a) {
  job* j = current(ref, a);
  if (j == nullptr) {
    ++counts_.stale;
    return "stale";
  }
  j->began = j->began.value_or(now);
  return {};
}

std::string job_model::progressed(worker_ref ref, const protocol::progress& p) {
  job* j = current(ref, p.attempt);
  if (j == nullptr || p.sequence <= j->progress_seen) {
    ++counts_.stale;
    return "stale";
  }
  j->progress_seen = p.sequence;
  j->output = p.payload.view();
  return {};
}

std::string job_model::streamed(worker_ref ref, const protocol::partial& p) {
  job* j = current(ref, p.attempt);
  if (j == nullptr || p.sequence <= j->chunk_seen) {
    ++counts_.stale;
    return "stale";
  }
  j->chunk_seen = p.sequence;
  j->chunks.emplace_back(p.payload.view());
  if (j->chunks.size() > limits_.chunks_max) {
    j->chunks.erase(j->chunks.begin());
  }
  return {};
}

std::string job_model::finished(moment now, worker_ref ref, const protocol::finished& f) {
  worker* w = holder_of(ref);
  if (w == nullptr || std::erase(w->holds, f.attempt) == 0) {
    ++counts_.stale;
    return "stale";
  }
  w->since = ++ticks_;
  job* j = current(ref, f.attempt);
  if (j == nullptr) {
    counts_.stale += f.how != protocol::outcome::cancelled;
  } else if (f.how == protocol::outcome::completed) {
    j->output = f.output.view();
    end(now, *j, job_state::COMPLETED, cause::finished, std::nullopt);
  } else if (f.how == protocol::outcome::failed) {
    end(now, *j, job_state::FAILED, cause::job_error, errc_from(f.code).value_or(errc::job_failed));
  } else {
    lose(now, *j);
  }
  assign(now);
  const auto orders = take();
  return j != nullptr ? orders : "stale" + (orders.empty() ? "" : "; " + orders);
}

std::string job_model::hand_back() {
  stopping_ = true;
  for (auto j = jobs_.rbegin(); j != jobs_.rend(); ++j) {
    if (j->state == job_state::IN_PROGRESS) {
      requeue(*j);
      say("revoke " + to_string(attempt_ref{job_id{j->id}, j->attempts}) + " from " +
          to_string(j->holder));
    }
  }
  return take();
}

std::string job_model::expire(moment now) {
  while (!jobs_.empty()) {
    const auto first = std::min_element(
        jobs_.begin(), jobs_.end(), [this](const job& a, const job& b) { return due(a) < due(b); });
    if (due(*first) > now) {
      break;
    }
    if (is_final(first->state)) {
      jobs_.erase(first);
    } else if (first->state == job_state::IN_PROGRESS && run_end(*first) <= ttl_end(*first)) {
      end(now, *first, job_state::TIMED_OUT, cause::execution_timeout, errc::execution_timeout);
    } else {
      end(now, *first, job_state::TIMED_OUT, cause::ttl_expired, errc::ttl_expired);
    }
  }
  return take();
}

} // namespace tayfa::testing
