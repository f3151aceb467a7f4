#include "tests/unit/core/job_model.hpp"

#include <algorithm>

namespace tayfa::testing {

using std::chrono::duration_cast;

// ---- words --------------------------------------------------------------------------------------

void job_model::say(const std::string& words) {
  words_ += (words_.empty() ? "" : "; ") + words;
}

void job_model::say_moved(const job& j, cause why) {
  say(j.id + " " + std::string{to_string(j.state)} + " (" + std::string{to_string(why)} + ")" +
      (j.watch && is_final(j.state) ? " watched" : ""));
  if (why == cause::assigned || why == cause::ttl_expired) {
    const auto known = std::find(hinted_.begin(), hinted_.end(), j.id);
    if (known != hinted_.end()) {
      hinted_.erase(known);
    }
  }
}

void job_model::say_revoke(const job& j) {
  const attempt_ref a{job_id{j.id}, j.attempts};
  const auto* w = holder_of(j.holder);
  if (w != nullptr && std::count(w->holds.begin(), w->holds.end(), a) == 1) {
    say("revoke " + to_string(a) + " from " + to_string(j.holder));
  }
}

void job_model::tell_hook(moment now, job& j) {
  j.hook_out = true;
  j.not_before = now;
  ++j.hook_tries;
  const auto what = " of " + j.id + " " + std::string{to_string(j.state)} + " try " +
                    std::to_string(j.hook_tries);
  say(j.undelivered ? "deliver " + j.request.origin + what + (j.refresh ? " refresh" : "")
                    : "notify " + j.request.webhook + what);
}

std::string job_model::take() {
  hinted_.clear();
  hinted_sizes_.clear();
  return std::exchange(words_, {});
}

void job_model::hint(const effects& done) {
  for (const auto& e : done) {
    if (const auto* m = std::get_if<moved>(&e)) {
      if (m->why == cause::assigned || m->why == cause::ttl_expired) {
        hinted_.push_back(m->view.id.str());
      }
    } else if (const auto* g = std::get_if<assign_attempt>(&e)) {
      hinted_sizes_.emplace_back(g->message.attempt.job.str(), g->message.batch_size);
    }
  }
}

// ---- looking up ---------------------------------------------------------------------------------

job_model::job* job_model::find(const std::string& id) {
  const auto at =
      std::find_if(jobs_.begin(), jobs_.end(), [&](const job& j) { return j.id == id; });
  return at == jobs_.end() ? nullptr : &*at;
}
job_model::job* job_model::find_kept(moment now, const std::string& id) {
  job* j = find(id);
  return j != nullptr && kept(now, *j) ? j : nullptr;
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
std::size_t job_model::held(worker_place at) const {
  for (const auto& w : workers_) {
    if (w.ref.place() == at) {
      return w.holds.size();
    }
  }
  return 0;
}
std::string job_model::key_of(const job_request& r) const {
  return r.endpoint + "\n" + r.policy.tenant + "\n" + r.policy.idempotency_key;
}
std::size_t job_model::bytes_of(const job& j) const {
  std::size_t bytes = j.input_bytes + j.output.size();
  for (const auto& c : j.chunks) {
    bytes += c.size();
  }
  return bytes;
}

job_counts job_model::counts() const {
  auto out = counts_;
  for (const auto& j : jobs_) {
    out.in_queue += j.state == job_state::IN_QUEUE;
    out.in_progress += j.state == job_state::IN_PROGRESS;
    out.dead += j.dead;
    out.kept += is_final(j.state);
  }
  return out;
}

// ---- clients ------------------------------------------------------------------------------------

std::optional<errc> job_model::no_room(const job_request& request, std::size_t bytes) const {
  std::size_t waiting = 0;
  std::size_t here = 0;
  std::size_t mine = 0;
  for (const auto& j : jobs_) {
    waiting += j.state == job_state::IN_QUEUE;
    here += is_final(j.state) ? 0 : bytes_of(j);
    mine += !is_final(j.state) && j.request.policy.tenant == request.policy.tenant;
  }
  if (stopping_) {
    return errc::stopping;
  }
  if (waiting >= limits_.queue_max || here + bytes > limits_.live_bytes_max) {
    return errc::queue_full;
  }
  if (limits_.tenant_max > 0 && mine >= limits_.tenant_max) {
    return errc::quota_exceeded;
  }
  return std::nullopt;
}

std::string job_model::submit(moment now, const std::string& id, const job_request& request,
                              bool watch) {
  if (!request.policy.idempotency_key.empty()) {
    for (auto j = jobs_.rbegin(); j != jobs_.rend(); ++j) {
      if (key_of(j->request) != key_of(request) || !kept(now, *j)) {
        continue;
      }
      const auto& a = j->request;
      const bool same = j->asked_model == request.model && a.shape == request.shape &&
                        a.policy == request.policy && a.webhook == request.webhook &&
                        a.sync == request.sync && a.input == request.input;
      j->watch = j->watch || (same && watch);
      return same ? "again " + j->id : "idempotency_mismatch";
    }
  }
  if (job* j = find(id); j != nullptr && j->taken() && j->request.origin == request.origin) {
    return given_again(now, *j, watch);
  }
  if (const auto why = no_room(request, request.input.size())) {
    return std::string{to_string(*why)};
  }
  if (find(id) != nullptr) {
    return "bad_request";
  }
  if (!request.model.empty() && !models_.empty() &&
      std::count(models_.begin(), models_.end(), request.model) == 0) {
    return "model_not_found";
  }
  job j;
  j.id = id;
  j.order = ++orders_;
  j.request = request;
  j.asked_model = request.model;
  if (j.request.model.empty() && !models_.empty()) {
    j.request.model = models_.front();
  }
  j.input_bytes = request.input.size();
  j.watch = watch;
  j.submitted = j.life_began = now;
  j.not_before = now + request.policy.delay;
  j.attempts = j.uncharged_attempts = j.taken() ? last_held_of(id) : 0;
  wait(now, j);
  jobs_.push_back(j);
  if (!j.sleeping) {
    assign(now);
  }
  return take();
}

std::string job_model::cancel(moment now, const std::string& id, bool by_origin) {
  job* j = find_kept(now, id);
  if (j == nullptr) {
    return "job_not_found";
  }
  const bool live = !is_final(j->state);
  if (live) {
    end(now, *j, job_state::CANCELLED, cause::cancel_requested, std::nullopt);
  }
  j = find(id);
  if (by_origin && j->undelivered) {
    const auto undelivered = live ? words_.find("; deliver ") : std::string::npos;
    if (undelivered != std::string::npos) { // it is not said
      words_.erase(undelivered, words_.find("; ", undelivered + 1) - undelivered);
    }
    close_delivery(*j);
    trim({});
  }
  if (live) {
    assign(now);
  }
  return take();
}

std::string job_model::retry(moment now, const std::string& id) {
  job* j = find_kept(now, id);
  if (j == nullptr) {
    return "job_not_found";
  }
  const bool damaged = j->failure == errc::store_corrupt; // what it would run with is gone
  if ((j->state != job_state::FAILED && j->state != job_state::TIMED_OUT) || j->taken() ||
      damaged) {
    return "wrong_state";
  }
  if (const auto why = no_room(j->request, j->input_bytes)) {
    return std::string{to_string(*why)};
  }
  revive(now, *j);
  assign(now);
  return take();
}

std::string job_model::drop(moment now, const std::string& id) {
  job* j = find_kept(now, id);
  if (j == nullptr || !is_final(j->state) || j->undelivered) {
    return j == nullptr ? "job_not_found" : "wrong_state";
  }
  forget(id);
  return {};
}

std::string job_model::purge(moment now) {
  std::vector<std::string> waiting;
  for (const auto& j : jobs_) {
    if (j.state == job_state::IN_QUEUE) {
      waiting.push_back(j.id);
    }
  }
  for (const auto& id : waiting) {
    end(now, *find(id), job_state::CANCELLED, cause::cancel_requested, std::nullopt);
  }
  step_waits_ = step_waits_ || !waiting.empty();
  say("purged " + std::to_string(waiting.size()));
  assign(now);
  return take();
}

std::string job_model::read_stream(moment now, const std::string& id) {
  job* j = find_kept(now, id);
  if (j == nullptr) {
    return "job_not_found";
  }
  std::string out;
  for (const auto& c : j->chunks) {
    out += c;
  }
  return out;
}

void job_model::received(const std::string& id, std::uint64_t last) {
  job* j = find(id);
  while (j != nullptr && !j->chunks.empty() && j->gone < last) {
    j->chunks.erase(j->chunks.begin());
    ++j->gone;
  }
}

void job_model::notified(moment now, const std::string& id, bool delivered) {
  job* j = find(id);
  if (j != nullptr && j->hook_out && !j->undelivered) {
    j->hook_out = false;
    j->hook_open = !delivered && j->hook_tries < limits_.hook_tries;
    j->not_before = now + limits_.hook_pause;
  }
}

// ---- the pod ------------------------------------------------------------------------------------

std::string job_model::hand_back(moment now) {
  stopping_ = true;
  std::vector<std::string> given_up;
  for (const auto& j : jobs_) {
    if (j.state == job_state::IN_PROGRESS || (j.taken() && j.state == job_state::IN_QUEUE)) {
      given_up.push_back(j.id);
    }
  }
  for (const auto& id : given_up) {
    job& j = *find(id);
    if (j.taken()) {
      end(now, j, job_state::FAILED, cause::stop_requested, errc::stopping);
    } else {
      lose(now, j, errc::stopping, true);
      say_revoke(j);
    }
  }
  return take();
}

std::string job_model::expire(moment now) {
  expire(now, false);
  if (!paced()) {
    expire(now, true);
  }
  assign(now);
  return take();
}

void job_model::expire(moment now, bool slow) {
  for (;;) {
    job* first = nullptr;
    for (auto& j : jobs_) {
      const bool due_now = due(j) <= now && is_slow(j) == slow;
      if (due_now &&
          (first == nullptr || std::pair{due(j), j.order} < std::pair{due(*first), first->order})) {
        first = &j;
      }
    }
    if (first == nullptr) {
      return;
    }
    job& j = *first;
    step_waits_ = step_waits_ || slow;
    const bool live = !is_final(j.state);
    if (j.state == job_state::IN_PROGRESS && run_end(j) <= std::min(now, ttl_end(j))) {
      end(now, j, job_state::TIMED_OUT, cause::execution_timeout, errc::execution_timeout);
    } else if (live && ttl_end(j) <= now) {
      end(now, j, job_state::TIMED_OUT, cause::ttl_expired, errc::ttl_expired);
    } else if (j.state == job_state::IN_PROGRESS) {
      const auto id = j.id;
      lose(now, j, errc::lease_expired, false);
      if (!is_final(find(id)->state)) {
        say_revoke(*find(id));
      }
    } else if (live) {
      wait(now, j);
    } else if (j.hook_open) {
      tell_hook(now, j);
    } else {
      forget(std::string{j.id});
    }
  }
}

/// True when the job's rows may have to be durable before the next of their kind change.
bool job_model::is_slow(const job& j) const {
  return (j.state == job_state::IN_QUEUE && !j.sleeping) || (is_final(j.state) && !j.hook_open);
}

void job_model::batch_taken() {
  step_flies_ = step_flies_ || step_waits_;
  step_waits_ = false;
}

void job_model::batch_over(bool durable) {
  step_waits_ = step_waits_ || (step_flies_ && !durable);
  step_flies_ = false;
}

void job_model::stored(std::uint64_t order) {
  for (auto& j : jobs_) {
    j.stored = j.stored || j.order == order;
  }
}

std::string job_model::withdraw(moment now, const std::vector<job_id>& ids) {
  for (const auto& id : ids) {
    const job* j = find(id.str());
    if (j == nullptr || j->stored) {
      continue;
    }
    counts_.failed -= j->state == job_state::FAILED;
    counts_.cancelled -= j->state == job_state::CANCELLED;
    counts_.timed_out -= j->state == job_state::TIMED_OUT;
    forget(id.str());
    for (auto& w : workers_) {
      std::erase_if(w.holds, [&](const attempt_ref& a) { return a.job == id; });
      w.alone = w.alone && !w.holds.empty();
    }
  }
  assign(now);
  return take();
}

std::string job_model::restart(moment now) {
  workers_.clear();
  counts_ = {};
  stopping_ = out_of_memory_ = false;
  step_waits_ = step_flies_ = false;
  batch_due_.reset();
  filling_.clear();
  ticks_ = 0;
  for (auto& j : std::exchange(jobs_, {})) {
    jobs_.push_back(j);
    job& back = jobs_.back();
    back.watch = back.hook_out = false;
    back.gone = 0;
    if (!is_final(back.state)) {
      back.chunks.clear(); // not durable
    }
    back.hook_tries =
        std::min(back.hook_tries, back.taken() ? 1 : std::max(limits_.hook_tries, 1u) - 1);
    if (back.holder.node != this_node) {
      back.holder = {}; // only its name is known
    }
    if (back.state == job_state::IN_QUEUE) {
      wait(now, back);
    } else if (back.state == job_state::IN_PROGRESS) {
      back.assigned = now;
      back.delay_unsure = back.delay_unsure || back.began.has_value();
      back.began.reset();
      lose(now, back, errc::unavailable, false);
    }
  }
  const job* newest = nullptr;
  for (const auto& j : jobs_) {
    if (is_final(j.state) && !j.undelivered &&
        (newest == nullptr ||
         std::pair{j.ended, j.order} > std::pair{newest->ended, newest->order})) {
      newest = &j;
    }
  }
  trim(newest != nullptr ? std::string{newest->id} : std::string{});
  return take();
}

} // namespace tayfa::testing
