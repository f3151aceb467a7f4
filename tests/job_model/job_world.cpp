#include "tests/job_model/job_world.hpp"

#include <algorithm>

namespace tayfa::testing {

const std::vector<std::string> world_events = {
    "assigned", "attempt_lost", "finished", "job_error", "poisoned", "attempts_exhausted",
    "ttl_expired", "cancel_requested", "execution_timeout", "stop_requested", "revoke",
    // refusals
    "queue_full", "stopping", "bad_request", "job_not_found", "stale", "quota_exceeded",
    "wrong_state", "idempotency_mismatch", "model_not_found", "again j",
    // deliveries
    "notify", "try 2", "deliver p-", "refresh", "try 4", "given up", "settled", "delivered again",
    "lives again", "retried", "given anew", "stopped by its platform",
    // workers
    "of 2", "of 3", "pulled", "asks for more", "change ", "by lease_expired", "by gpu_oom",
    "by unavailable", "late", "claimed", "claimed while it waited", "claimed in vain",
    "came with what it holds", "left with its worker", "not claimed in time",
    // reasons to wait
    "as backoff", "as delayed", "as quota", "as isolation", "as no_worker", "as workers_busy",
    "as stopping", "as worker_reserved",
    // the store
    "withdrawn", "crashed", "crashed, batch lost", "crashed, batch kept",
    "crashed while undelivered", "purged", "handed back", "fetched"};

job_world::job_world(dice d, const make_keeper& make)
    : chooser(std::move(d)), alike_(!chance(3)), batches_(alike_ && chance(3)),
      disk_(make(dice_, time_)), limits_(any_limits()),
      models_(chance(2) ? std::vector<model_facts>{{"m0", 1'000, 10, 0}, {"m1", 2'000, 100, 0}}
                        : std::vector<model_facts>{}),
      table_(std::make_unique<job_table>(limits_)), model_(limits_, models_, alike_),
      promises_(std::max(limits_.max_attempts, 1u)), durable_{model_, promises_, {}} {
  table_->models_known(now(), models_);
}

void job_world::step() {
  if (!broken_.empty()) {
    return;
  }
  switch (below(30)) {
  case 0:
  case 1:
  case 2:
  case 3: submit(); break;
  case 4: cancel(); break;
  case 5: read(); break;
  case 6: retry(); break;
  case 7: join(any_worker()); break;
  case 8: chance(2) ? lose() : join(any_worker()); break;
  case 9:
  case 10: report(); break;
  case 11:
  case 12:
  case 13:
  case 14: {
    const auto [w, a] = any_attempt();
    finish(w, a, false);
    break;
  }
  case 15: chance(8) ? drain() : chance(3) ? claim() : start(); break;
  case 16: // a model that is being changed must not come too late
    pass(milliseconds{below(chance(60) && wished_.empty() ? 900'000 : (chance(4) ? 8'000 : 300))});
    break;
  case 17:
  case 18: expire(); break;
  case 19: notified(); break;
  case 20: drop(); break;
  case 21:
  case 22:
  case 23: in_flight_ ? end_batch() : take_batch(); break;
  case 24: rarely(); break;
  case 25: give_again(); break;
  case 26:
  case 27: posted(); break;
  case 28: keep(); break;
  default: start(); break;
  }
  compare();
}

// ---- clients ------------------------------------------------------------------------------------

void job_world::submit() {
  auto r = any_request();
  if (!keyed_.empty() && chance(6)) { // the same again, as a client does that saw no answer
    r = keyed_[below(keyed_.size())];
  } else if (!r.policy.idempotency_key.empty()) {
    keyed_.push_back(r);
    keyed_.erase(keyed_.begin(), keyed_.end() - std::min<std::ptrdiff_t>(std::ssize(keyed_), 30));
  }
  // A forgotten id is never used again, but for a platform's job.
  auto id = known_id();
  if (model_.find(id) == nullptr || !chance(10)) {
    id = "j" + std::to_string(++ids_);
  }
  if (chance(4)) {
    r.origin = "p-" + id;
    r.policy.idempotency_key.clear(); // its id is the key
  }
  submit(id, r);
}

void job_world::submit(const std::string& id, job_request r) {
  const bool watch = chance(2);
  const auto* before = model_.find(id);
  const bool had_ended = before != nullptr && is_final(before->state);
  const auto taken = table_->submit(now(), job_id{id}, r, watch);
  if (taken && taken->fresh) {
    promises_.accepted(id);
  } else if (taken && taken->view.id.str() == id && had_ended && !is_final(taken->view.state)) {
    promises_.lives_again(id);
    see("lives again");
  }
  const auto answer = !taken          ? std::string{to_string(taken.error().code)}
                      : !taken->fresh ? "again " + taken->view.id.str()
                                      : "";
  same("submit", answer, taken ? taken->then : effects{},
       [&] { return model_.submit(id, r, watch); });
}

/// A job that is known to its platform, or was.
void job_world::give_again() {
  const auto id = known_id();
  const auto* j = model_.find(id);
  auto r = j != nullptr ? j->request : any_request();
  r.origin = r.origin.empty() ? "p-" + id : r.origin;
  r.policy.idempotency_key.clear();
  const bool was_delivered = j != nullptr && !j->undelivered && is_final(j->state);
  const auto order = j == nullptr ? 0 : j->order;
  submit(id, r);
  j = model_.find(id);
  see(was_delivered && j != nullptr && j->undelivered ? "delivered again" : "");
  see(order == 0 && j != nullptr ? "given anew" : "");
}

void job_world::cancel() {
  const auto id = known_id();
  const bool by_origin = chance(2);
  const auto* j = model_.find(id);
  see(by_origin && j != nullptr && j->from_platform() ? "stopped by its platform" : "");
  same("cancel", table_->cancel(now(), job_id{id}, by_origin),
       [&] { return model_.cancel(id, by_origin); });
}

void job_world::retry() {
  const auto id = known_id();
  const auto revived = table_->retry(now(), job_id{id});
  if (revived) {
    promises_.lives_again(id);
    see("retried");
  }
  same("retry", revived, [&] { return model_.retry(id); });
}

void job_world::drop() {
  const auto id = known_id();
  const auto gone = table_->drop(now(), job_id{id});
  same("drop", gone ? "" : std::string{to_string(gone.error().code)}, {},
       [&] { return model_.drop(id); });
}

void job_world::keep() {
  const auto id = known_id();
  const auto time = milliseconds{below(120'000)};
  table_->keep(now(), job_id{id}, time);
  same("keep", effects{}, [&] { model_.keep(id, time); });
}

void job_world::read() {
  const auto id = known_id();
  const auto found = table_->read_stream(now(), job_id{id});
  std::string text = found ? "" : std::string{to_string(found.error().code)};
  if (found) {
    for (const auto& c : found->chunks) {
      text += c.view();
    }
    text += " up to " + std::to_string(found->last);
    answers_.emplace_back(id, found->last);
  }
  same("read_stream", text, {}, [&] { return model_.read_stream(id); });
  // Answers reach their readers late, in any order, or never.
  while (!answers_.empty() && chance(2)) {
    const auto at = answers_.begin() + static_cast<std::ptrdiff_t>(below(answers_.size()));
    const auto [to, last] = *at;
    answers_.erase(at);
    if (!chance(4)) {
      table_->chunks_received(job_id{to}, last);
      model_.received(to, last);
    }
  }
}

// ---- deliveries ---------------------------------------------------------------------------------

void job_world::notified() {
  if (calls_.empty()) {
    return;
  }
  const auto at = calls_.begin() + static_cast<std::ptrdiff_t>(below(calls_.size()));
  const auto [id, call] = *at;
  calls_.erase(at);
  const auto how = one_of(
      {hook_answer::failed, hook_answer::failed, hook_answer::delivered, hook_answer::not_made});
  same("notified", table_->notified(now(), job_id{id}, call, how),
       [&] { model_.notified(id, call, how); });
}

void job_world::posted() {
  auto id = known_id();
  for (const auto& j : model_.jobs()) {
    id = j.undelivered && chance(2) ? j.id : id;
  }
  if (chance(30)) {
    same("posts_lost", table_->posts_lost(now()), [&] { model_.posts_lost(); });
    return;
  }
  const bool settled = chance(4);
  const auto pause = milliseconds{below(chance(6) ? 2'000'000 : 2'000)};
  if (!posted_.contains(id)) {
    return; // nothing of it has left yet
  }
  const bool before = table_->webhook_is_pending(job_id{id});
  same("posted", table_->posted(now(), job_id{id}, settled, pause),
       [&] { model_.posted(id, settled, pause); });
  if (before && !table_->webhook_is_pending(job_id{id})) {
    see(settled ? "settled" : "given up");
  }
}

// ---- workers ------------------------------------------------------------------------------------

/// A worker announces itself again, or a new process does.
void job_world::join(worker_ref w) {
  auto& latest = latest_[w.place()];
  const bool fresh = chance(3) || latest == 0;
  w.incarnation = fresh ? ++incarnations_ : w.incarnation;
  auto f = any_facts(w);
  const auto holds =
      f.lasting_name.empty() || chance(2) ? std::nullopt : std::optional{any_claims(f)};
  see(holds && !holds->empty() ? "came with what it holds" : "");
  see(!fresh && f.capacity > table_->held(w.place()) && table_->held(w.place()) > 0
          ? "asks for more"
          : "");
  f.hand_overs = table_->hand_overs(w.place());
  f.hand_overs -= f.hand_overs > 0 && chance(4) ? 1 : 0; // the latest has not reached it
  if (w.incarnation > latest) {
    latest = w.incarnation;
    wished_.erase(w.place());
  }
  same("worker_joined", table_->worker_joined(now(), w, f, holds),
       [&] { model_.joined(w, f, holds); });
  if (holds) {
    claimed_by(w, *holds);
  }
}

/// The worker reports about what it was found to have. None reports about what has not left.
void job_world::claimed_by(worker_ref w, const std::vector<attempt_held>& held) {
  for (const auto& each : held) {
    if (table_->runs(w, each.attempt) && left_.contains(each.attempt)) {
      at_work_.emplace(w, each.attempt);
    }
  }
}

/// A worker that goes on without this process names what it has from before.
void job_world::claim() {
  const worker_ref w = any_lasting_worker();
  worker_facts f;
  f.lasting_name = lasting_name_of(w.place());
  const auto held = any_claims(f);
  std::set<std::string> waited;
  for (const auto& each : held) {
    const auto* j = model_.find(each.attempt.job.str());
    if (j != nullptr && j->state == job_state::IN_QUEUE) {
      waited.insert(j->id);
    }
  }
  same("claimed", table_->claimed(now(), w, held), [&] { model_.claimed(w, held); });
  for (const auto& each : held) {
    const bool has_it = table_->runs(w, each.attempt);
    see(has_it ? "claimed" : "claimed in vain");
    see(has_it && waited.contains(each.attempt.job.str()) ? "claimed while it waited" : "");
  }
  claimed_by(w, held);
}

void job_world::lose() {
  const auto place = any_worker().place();
  const auto why =
      one_of({errc::engine_crash, errc::engine_crash, errc::engine_hang, errc::engine_protocol,
              errc::not_ready, errc::unavailable, errc::stopping});
  if (chance(20)) { // the queue actor ended, with what it held back
    gathering_.clear();
    leaving_.clear();
    calls_.clear();
    same("lose_all_workers", table_->lose_all_workers(now(), error{why, {}}),
         [&] { model_.lost_all(why); });
    return;
  }
  const bool from_outside = chance(25);
  same("worker_lost", table_->worker_lost(now(), place, error{why, {}}, from_outside),
       [&] { model_.lost(place, why, from_outside); });
}

void job_world::drain() {
  const auto w = any_worker();
  same("worker_draining", table_->worker_draining(now(), w), [&] { model_.draining(w); });
}

void job_world::start() {
  const auto [w, a] = any_attempt();
  same("started", table_->started(now(), w, protocol::started{a}),
       [&, w = w, a = a] { return model_.started(w, a); });
}

void job_world::report() {
  const auto [w, a] = any_attempt();
  const auto sequence = small(12);
  const shared_text payload{std::to_string(below(1'000))};
  switch (below(6)) {
  case 0:
  case 1:
    same("renewed", table_->renewed(now(), w, a),
         [&, w = w, a = a] { return model_.renewed(w, a); });
    break;
  case 2:
  case 3: {
    const protocol::progress p{a, sequence, payload};
    same("progressed", table_->progressed(now(), w, p),
         [&, w = w] { return model_.progressed(w, p); });
    break;
  }
  default: {
    const protocol::partial p{a, sequence, payload};
    same("streamed", table_->streamed(now(), w, p), [&, w = w] { return model_.streamed(w, p); });
    break;
  }
  }
}

void job_world::finish(worker_ref w, const attempt_ref& a, bool well) {
  protocol::finished f;
  f.attempt = a;
  f.how =
      well || chance(3) ? protocol::outcome::completed : static_cast<protocol::outcome>(below(3));
  if (f.how == protocol::outcome::failed) {
    f.code = chance(2) ? static_cast<std::uint16_t>(
                             one_of({errc::gpu_oom, errc::not_ready, errc::unavailable}))
                       : static_cast<std::uint16_t>(below(80));
  }
  f.output = shared_text{std::to_string(below(1'000))};
  if (limits_.spill_above > 0 && chance(10)) {
    f.output = shared_text{std::string(limits_.spill_above + 1 + below(100), 'o')};
  }
  f.refresh_worker = chance(6);
  const auto r = table_->finished(now(), w, f);
  see(!r.current && latest_[w.place()] != w.incarnation ? "late" : "");
  same("finished", r, [&, w = w] { return model_.finished(w, f); });
}

// ---- the pod ------------------------------------------------------------------------------------

void job_world::expire() {
  const auto is_left = [this](const job_model::job& j) {
    const auto image = table_->image(job_id{j.id});
    return image && image->row.state == j.state;
  };
  std::set<std::string> unclaimed;
  for (const auto& j : model_.jobs()) {
    if (j.unclaimed) {
      unclaimed.insert(j.id);
    }
  }
  same("expire", table_->expire(now()), [&] { model_.expire(is_left); });
  for (const auto& id : unclaimed) {
    const auto* j = model_.find(id);
    see(j != nullptr && j->state == job_state::IN_QUEUE ? "not claimed in time" : "");
  }
}

void job_world::rarely() {
  if (chance(60)) {
    table_->stop_taking();
    model_.stop_taking();
  } else if (chance(60)) {
    see(table_->running() > 0 ? "handed back" : "");
    same("hand_back", table_->hand_back(now()), [&] { model_.hand_back(); });
    see(table_->running() > table_->awaited() ? "left with its worker" : "");
  } else if (chance(20) && !model_.paced() &&
             model_.counts().in_queue <= step_pace::least_rows) { // as one step
    same("purge", table_->purge(now()).second, [&] { model_.purge(); });
  } else if (chance(20) || (model_.stopping() && chance(5))) {
    if (chance(2)) {
      store_all();
    }
    crash(chance(2));
  }
}

} // namespace tayfa::testing
