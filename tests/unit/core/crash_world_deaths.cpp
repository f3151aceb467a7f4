// The deaths of the process, and what must hold when it is back; the end of a run.
#include "tests/unit/core/crash_world.hpp"

#include <gtest/gtest.h>
#include <utility>

namespace tayfa::testing {

namespace {

/// The parts of a job that must be equal before and after a restart.
std::string lasting(const job_detail& d) {
  std::string text =
      std::string{to_string(d.view.state)} + " attempts " + std::to_string(d.view.attempts) +
      " lives " + std::to_string(d.lives) + (d.dead ? " dead " : " ") + d.view.worker + " output " +
      std::string{d.view.output.view().substr(0, 40)} + " " +
      std::to_string(d.view.output.size() + d.view.stored_output) + " failure " +
      (d.view.failure ? d.view.failure->str() : "none") + " input " +
      std::to_string(d.input_bytes) + " age " + std::to_string(d.age.count()) + " " + d.endpoint +
      "|" + d.model + "|" + d.shape + "|" + d.tenant + "|" + std::to_string(d.priority) +
      " execution " + std::to_string(d.view.execution.value_or(milliseconds{-1}).count());
  for (const auto& a : d.history) {
    text += "; " + std::to_string(a.number) + " on " + a.worker + " " +
            std::to_string(a.given.count()) + "-" + std::to_string(a.ended.count()) + " " +
            (a.failure ? a.failure->str() : "well");
  }
  return text;
}

} // namespace

// ---- deaths -------------------------------------------------------------------------------------

/// Everything not sent is lost with the process; so are the engines.
void crash_world::crash(bool in_flight_too) {
  ++tally_.crashes;
  const auto batch = std::exchange(batch_, std::nullopt);
  gathering_.clear();
  in_flight_.clear();
  hooks_.clear();
  for (const auto& id : std::exchange(posts_, {})) { // some were received, but this process does
                                                     // not know
    entry& e = ledger_.at(id);
    const bool heard = chance(2);
    e.settled = e.settled || heard;
    tally_.unheard += heard;
  }
  changes_.clear();
  while (!workers_.empty()) {
    leave(workers_.begin()->first);
  }
  restored(disk_->crash(in_flight_too && batch ? &*batch : nullptr));
}

void crash_world::restored(job_store::recovered found) {
  table_ = std::make_unique<job_table>(limits_);
  gather(table_->models_known(now(), models_));
  gather(table_->restore(now(), std::move(found.rows), found.last_order));
  for (const auto& rule : table_->audit()) {
    ADD_FAILURE() << rule << " after a restart";
  }
  // Requests without an answer may or may not have taken effect.
  for (auto at = ledger_.begin(); at != ledger_.end();) {
    auto& [id, e] = *at;
    const auto d = table_->inspect(now(), job_id{id});
    if (!d && !e.accepted) {
      std::erase(ids_, id);
      std::erase_if(keys_, [&](const auto& k) { return k.second == id; });
      at = ledger_.erase(at);
      continue;
    }
    if (d && e.retrying > 0 && d->lives > e.lives) {
      e.lives = d->lives;
      e.first_of_life = d->view.attempts;
      e.final.reset();
      e.cancelled = e.settled = e.given_up = false;
    } else if (e.retrying > 0) {
      e.ended = e.ended_before; // no retry happened
    }
    e.retrying = 0;
    e.undelivered = false; // the platform is notified again
    if (d && !is_final(d->view.state)) {
      e.ended.reset();
    } else if (d && !e.ended) {
      e.ended = now() - d->age; // at the earliest
    }
    ++at;
  }
  for (const auto& [id, e] : ledger_) {
    check(id);
  }
}

/// With everything committed, only running jobs may differ afterwards.
void crash_world::crash_and_compare() {
  for (int tries = 0; tries < 20 && (batch_ || table_->has_changes()); ++tries) {
    begin_commit();
    end_commit();
  }
  if (batch_ || table_->has_changes()) {
    return;
  }
  std::map<std::string, std::string> before;
  for (const auto& [id, e] : ledger_) {
    if (const auto d = table_->inspect(now(), job_id{id});
        d && d->view.state != job_state::IN_PROGRESS) {
      before[id] = lasting(*d) + (table_->webhook_is_pending(job_id{id}) ? " undelivered" : "");
    }
  }
  crash(true);
  for (const auto& [id, was] : before) {
    const auto d = table_->inspect(now(), job_id{id});
    ASSERT_TRUE(d) << id;
    EXPECT_EQ(lasting(*d) + (table_->webhook_is_pending(job_id{id}) ? " undelivered" : ""), was)
        << id;
    ++tally_.compared;
  }
}

// ---- the end ------------------------------------------------------------------------------------

void crash_world::heal_and_drain() {
  faults_ = false;
  disk_->heal();
  const auto live = [&] {
    const auto c = table_->counts();
    return c.in_queue + c.in_progress;
  };
  for (int round = 0; round < 5'000 && live() > 0 && !::testing::Test::HasFailure(); ++round) {
    change_a_model();
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
      if (round == 0 || !workers_.contains(slot_id{slot})) {
        come({slot_id{slot}, ++incarnations_}, worker_facts{}); // takes any model
      }
    }
    begin_commit();
    end_commit();
    while (!out_.empty()) {
      finish(out_.size() - 1, true);
    }
    pass(milliseconds{50});
    gather(table_->expire(now()));
  }
  EXPECT_EQ(live(), 0u) << "not every job has ended (I1, I18)";
  settle_all_deliveries();
  while (batch_ || !gathering_.empty() || !hooks_.empty()) {
    begin_commit();
    end_commit();
    for (const auto& [id, call] : std::exchange(hooks_, {})) { // so that others have their turn
      gather(table_->notified(now(), job_id{id}, call, hook_answer::delivered));
    }
  }
  for (const auto& [id, e] : ledger_) {
    check(id);
    if (!e.request.origin.empty()) {
      EXPECT_TRUE(!e.accepted || e.dropping || e.settled || e.given_up ||
                  e.stops_asked > e.stops_over)
          << id << "'s platform never heard how it ended (I8)";
      continue;
    }
    if (e.accepted && !e.dropping && e.lives == 1 && !e.request.webhook.empty()) {
      EXPECT_TRUE(e.hook_told) << id << "'s webhook was never called";
    }
  }
}

} // namespace tayfa::testing
