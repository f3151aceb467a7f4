// The world's store: commits, refusals, deaths of the process; and the end of a world.
#include "tests/job_model/job_world.hpp"

#include "tests/job_model/effect_text.hpp"
#include "tests/job_model/row_text.hpp"

#include <algorithm>

namespace tayfa::testing {

// ---- what leaves, and when ----------------------------------------------------------------------

void job_world::hold_back(const effects& all) {
  for (const auto& e : all) {
    const auto* j = model_.find(job_of(e).str());
    gathering_.push_back({e, j == nullptr ? 0 : j->order, j == nullptr ? 0 : j->lives});
    if (const auto* c = std::get_if<change_worker_model>(&e)) {
      wished_[c->worker.place()] = c->model;
    }
  }
  release_if_all_is_durable();
}

void job_world::release_if_all_is_durable() {
  if (!in_flight_ && !table_->has_changes()) {
    durable_.promised = promises_;
    release(std::exchange(gathering_, {}));
  }
}

void job_world::release(effects_held all) {
  for (const auto& each : all) {
    check_durable(each);
    carry_out(each.what);
  }
  while (assigned_.size() > 30) {
    assigned_.pop_front();
  }
}

/// The stored row of a job says what leaves, or something later; it is gone only with the job.
void job_world::check_durable(const held_effect& held) {
  const auto& id = job_of(held.what).str();
  const auto* j = model_.find(id);
  const auto row = durable_.rows.by_order().find(held.order);
  if (j == nullptr || j->order != held.order) {
    return;
  }
  bool is_stored = row != durable_.rows.by_order().end() && row->second.lives >= held.lives;
  if (is_stored && row->second.lives == held.lives) {
    const auto& now_stored = row->second;
    const auto* g = std::get_if<assign_attempt>(&held.what);
    const auto* m = std::get_if<moved>(&held.what);
    const bool of_an_end = m != nullptr ? is_final(m->view.state)
                                        : std::holds_alternative<notify>(held.what) ||
                                              std::holds_alternative<deliver_result>(held.what);
    is_stored = (g == nullptr || now_stored.attempts >= g->message.attempt.number) &&
                (!of_an_end || is_final(now_stored.state));
  }
  if (!is_stored) {
    fault("it leaves before it is durable: " + text_of(held.what) + " (I14)");
  }
}

/// The clients, platforms and workers remember what to report.
void job_world::carry_out(const effect& e) {
  if (const auto* g = std::get_if<assign_attempt>(&e)) {
    const auto& a = g->message.attempt;
    assigned_.emplace_back(g->worker, a);
    at_work_.emplace(g->worker, a);
    left_.insert(a);
    see(g->hand_over > 0 ? "pulled" : "");
    // The input of an attempt that was revoked meanwhile may be gone.
    const auto* j = model_.find(a.job.str());
    if (g->stored_input != 0 && j != nullptr && table_->runs(g->worker, a)) {
      see("fetched");
      if (disk_->fetch(g->stored_input, job_store::column::input) != j->request.input) {
        fault("the stored input of " + j->id + " is not what was asked for (I3)");
      }
    }
  } else if (const auto* n = std::get_if<notify>(&e)) {
    calls_.emplace_back(n->view.id.str(), n->call);
  } else if (const auto* d = std::get_if<deliver_result>(&e)) {
    posted_.insert(d->view.id.str());
  }
}

// ---- commits ------------------------------------------------------------------------------------

void job_world::take_batch() {
  if (!table_->has_changes()) {
    return;
  }
  batch_ = table_->take_changes();
  leaving_ = std::exchange(gathering_, {});
  model_.batch_taken();
  in_flight_ = state{model_, promises_, durable_.rows};
  in_flight_->rows.apply(batch_);
  check_rows(in_flight_->rows);
}

/// The stored row and the job as the table would write it now say the same. Not compared: an input,
/// which may be released or in the store only; the result of a delivery's last try, which may be
/// made once more; a slot of another node, which is not known after a restart; of a running job,
/// what becomes durable with its next change.
void job_world::same_row(store::job_row row, store::job_row job) {
  row.request.input = job.request.input = {};
  const auto most = row.request.origin.empty() ? std::max(limits_.hook_tries, 1u) - 1 : 1;
  row.hook_tries = std::min(row.hook_tries, most);
  job.hook_tries = std::min(job.hook_tries, most);
  const worker_ref restored{slot_id{}, 0, row.holder.node};
  if (job.holder == restored && row.holder.node != this_node) {
    row.holder = restored;
  }
  if (row.state == job_state::IN_PROGRESS) {
    job.delay = row.delay;
  }
  if (is_final(row.state) && job.output.empty() && job.output_bytes > job_store::inline_max) {
    job.output = row.output;
  }
  if (!same_columns(row, job)) {
    fault("row " + text_of(row) + "\n  job " + text_of(job));
  }
}

/// With this batch, the store holds each job as it is now, and nothing else.
void job_world::check_rows(const perfect_store& rows) {
  if (rows.size() != model_.jobs().size()) {
    fault("rows of jobs that are gone, or jobs without a row");
  }
  for (const auto& j : model_.jobs()) {
    const auto image = table_->image(job_id{j.id});
    const auto row = rows.by_order().find(j.order);
    if (image && row != rows.by_order().end()) {
      same_row(row->second, image->row);
    } else {
      fault(j.id + " has no row");
    }
  }
}

void job_world::end_batch() {
  switch (disk_->commit(batch_)) {
  case commit_result::done: {
    durable_ = *std::move(in_flight_);
    in_flight_.reset();
    table_->committed();
    std::set<std::uint64_t> orders;
    for (const auto& [order, row] : durable_.rows.by_order()) {
      orders.insert(order);
    }
    model_.batch_ended(true);
    model_.stored(orders);
    release(std::exchange(leaving_, {}));
    release_if_all_is_durable();
    break;
  }
  case commit_result::full: refuse_batch(); break;
  case commit_result::broken: crash(false); break;
  }
}

/// New jobs are withdrawn and nothing of them leaves; the other changes wait for the next batch.
void job_world::refuse_batch() {
  in_flight_.reset();
  const auto fresh = table_->not_committed();
  gathering_.insert(gathering_.begin(), leaving_.begin(), leaving_.end());
  leaving_.clear();
  std::erase_if(gathering_, [&fresh](const held_effect& each) {
    return std::find(fresh.begin(), fresh.end(), job_of(each.what)) != fresh.end();
  });
  model_.batch_ended(false);
  see(fresh.empty() ? "" : "withdrawn");
  same("withdraw", table_->withdraw(now(), fresh), [&] { model_.withdraw(fresh); });
}

void job_world::store_all() {
  for (int tries = 0; tries < 100 && broken_.empty() && (in_flight_ || table_->has_changes());
       ++tries) {
    in_flight_ ? end_batch() : take_batch();
  }
}

// ---- deaths -------------------------------------------------------------------------------------

void job_world::crash(bool in_flight_too) {
  see("crashed");
  see(durable_.model.undelivered() > 0 ? "crashed while undelivered" : "");
  gathering_.clear();
  leaving_.clear();
  calls_.clear();
  posted_.clear();
  answers_.clear();
  wished_.clear();
  restart(disk_->crash(in_flight_too && in_flight_ ? &batch_ : nullptr));
}

void job_world::restart(job_store::recovered found) {
  const auto is_found = [&found](const state& s) {
    return s.rows.last_order() == found.last_order && same_columns(s.rows.rows(), found.rows);
  };
  if (in_flight_) {
    const bool kept = is_found(*in_flight_);
    see(kept ? "crashed, batch kept" : "crashed, batch lost");
    durable_ = kept ? *in_flight_ : durable_;
    in_flight_.reset();
  }
  if (!is_found(durable_)) {
    fault("last order " + std::to_string(found.last_order) + ", expected " +
          std::to_string(durable_.rows.last_order()) + "\n" +
          difference(found.rows, durable_.rows.rows()));
    return;
  }
  table_ = std::make_unique<job_table>(limits_);
  table_->models_known(now(), models_);
  model_ = durable_.model;
  promises_ = durable_.promised;
  same("restore", table_->restore(now(), std::move(found.rows), found.last_order),
       [&] { model_.restart(durable_.rows.last_order()); });
  // A job that did not run is as it was.
  for (const auto& [order, row] : durable_.rows.by_order()) {
    const auto image = table_->image(row.id);
    if (image && row.state != job_state::IN_PROGRESS) {
      same_row(row, image->row);
    }
  }
}

// ---- the end ------------------------------------------------------------------------------------

void job_world::drain_deliveries() {
  for (const auto& [id, call] : std::exchange(calls_, {})) {
    same("notified", table_->notified(now(), job_id{id}, call, hook_answer::delivered),
         [&, id = id, call = call] { model_.notified(id, call, hook_answer::delivered); });
  }
  std::vector<std::string> open;
  for (const auto& j : model_.jobs()) {
    if (j.undelivered) {
      open.push_back(j.id);
    }
  }
  for (const auto& id : open) {
    same("posted", table_->posted(now(), job_id{id}, true, {}),
         [&] { model_.posted(id, true, {}); });
  }
}

void job_world::heal_and_drain() {
  disk_->heal();
  store_all();
  if (broken_.empty()) {
    crash(true); // a pod that stops runs nothing
  }
  const auto left = [this] {
    const auto c = table_->counts();
    return c.in_queue + c.in_progress + table_->undelivered() + calls_.size() + gathering_.size();
  };
  for (int round = 0; round < 5'000 && left() > 0 && broken_.empty(); ++round) {
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
      if (round == 0 || wished_.contains(slot_id{slot})) {
        worker_facts f;
        f.device = alike_ ? "one kind" : "fast";
        f.model = wished_.contains(slot_id{slot}) ? wished_.at(slot_id{slot}) : "";
        const worker_ref w{slot_id{slot}, ++incarnations_};
        latest_[w.place()] = w.incarnation;
        wished_.erase(w.place());
        same("worker_joined", table_->worker_joined(now(), w, f),
             [&] { model_.joined(w, f, std::nullopt); });
      }
    }
    store_all();
    for (const auto& [w, a] : model_.at_work()) {
      finish(w, a, true);
    }
    drain_deliveries();
    pass(milliseconds{100});
    expire();
    compare();
  }
  if (left() > 0) {
    fault("not every job has ended and been delivered (I1, I18)");
  }
}

} // namespace tayfa::testing
