// The world's store: commits, refusals, deaths of the process; and the end of a world.
#include "tests/job_model/job_world.hpp"

#include "tests/job_model/row_text.hpp"

#include <algorithm>

namespace tayfa::testing {

// ---- commits ------------------------------------------------------------------------------------

void job_world::take_batch() {
  if (!table_->has_changes()) {
    return;
  }
  batch_ = table_->take_changes();
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
  if (job.holder == worker_ref{} && row.holder.node != this_node) {
    row.holder = {};
  }
  if (row.state == job_state::IN_PROGRESS) {
    job.delay = row.delay;
  }
  if (!is_final(row.state)) {
    job.output_bytes = row.output_bytes;
  } else if (job.output.empty() && job.output_bytes > job_store::inline_max) {
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
    break;
  }
  case commit_result::full: refuse_batch(); break;
  case commit_result::broken: crash(false); break;
  }
}

/// New jobs are withdrawn, the other changes wait for the next batch.
void job_world::refuse_batch() {
  in_flight_.reset();
  const auto fresh = table_->not_committed();
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
  calls_.clear();
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
    fault("found " + text_of(found.rows, found.last_order) + "expected " +
          text_of(durable_.rows.rows(), durable_.rows.last_order()));
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
    return c.in_queue + c.in_progress + table_->undelivered() + calls_.size();
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
        same("worker_joined", table_->worker_joined(now(), w, f), [&] { model_.joined(w, f); });
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
