// The clients and the workers of the crash tests.
#include "tests/unit/core/crash_world.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace tayfa::testing {

namespace {

/// The only result that this attempt may bring. Some are too large to stay in memory.
std::string result_of(const attempt_ref& a) {
  auto text = a.job.str() + "#" + std::to_string(a.number);
  if (a.number % 7 == 3) {
    text.resize(job_store::inline_max + 100, 'o');
  }
  return text;
}

} // namespace

// ---- clients ------------------------------------------------------------------------------------

std::string crash_world::any_job() {
  if (ids_.empty()) {
    return "nobody";
  }
  const auto latest = std::min<std::size_t>(ids_.size(), chance(4) ? 500 : 25);
  return ids_[ids_.size() - 1 - below(latest)];
}

job_request crash_world::any_request() {
  job_request r;
  r.endpoint = chance(3) ? "e2" : "e";
  r.input = shared_text{"[" + std::to_string(random_.next()) + "]"};
  if (chance(60)) {
    r.input = shared_text{std::string(job_store::inline_max + 1 + below(100), '7')};
  }
  r.shape = chance(2) ? "s" : "";
  r.model = models_.empty() || chance(2) ? "" : models_[below(2)].name;
  r.sync = chance(3);
  r.webhook = chance(5) ? "https://h/" : "";
  r.policy.tenant = chance(2) ? "" : "t" + std::to_string(below(3));
  r.policy.priority = static_cast<std::uint8_t>(below(10));
  if (chance(8)) {
    r.policy.delay = milliseconds{below(3'000)};
  }
  if (chance(8)) {
    r.policy.ttl = milliseconds{10'000 + below(10'000)};
  }
  if (chance(4)) {
    r.policy.idempotency_key = "key " + std::to_string(made_);
  }
  return r;
}

void crash_world::submit() {
  auto r = any_request();
  const std::string id = "j" + std::to_string(++made_);
  if (chance(3)) {
    r.origin = "p-" + id;
    r.policy.idempotency_key.clear();
  }
  const bool had_changes = table_->has_changes();
  auto done = table_->submit(now(), job_id{id}, r, true);
  if (!done) {
    ++tally_.bounded;
    const auto c = table_->counts();
    EXPECT_TRUE(done.error().code != errc::queue_full || c.in_queue >= limits_.queue_max);
    EXPECT_FALSE(table_->find(now(), job_id{id})) << "refused and there (I12)";
    EXPECT_EQ(table_->has_changes(), had_changes);
    return;
  }
  EXPECT_LE(table_->counts().in_queue, limits_.queue_max + 64) << "(I12)";
  EXPECT_TRUE(done->fresh);
  ledger_[id].request = r;
  ids_.push_back(id);
  if (!r.policy.idempotency_key.empty()) {
    keys_[r.policy.idempotency_key] = id;
  }
  gather({job_id{id},
          [this, id] {
            ++tally_.accepted;
            tally_.taken += !ledger_.at(id).request.origin.empty();
            ledger_.at(id).accepted = true;
          },
          [] {}});
  gather(std::move(done->then));
}

/// Repeats a submission, like a client that did not receive the answer.
void crash_world::submit_again(const std::string& of) {
  const auto known = ledger_.find(of);
  if (known == ledger_.end() || known->second.request.policy.idempotency_key.empty()) {
    return;
  }
  auto r = known->second.request;
  if (!table_->find(now(), job_id{of})) {
    return; // forgotten with its key: it would be a new job
  }
  ++tally_.again;
  const auto done = table_->submit(now(), job_id{"again-" + of}, r, false);
  ASSERT_TRUE(done) << of;
  EXPECT_FALSE(done->fresh) << of << " (I13)";
  EXPECT_EQ(done->view.id.str(), of) << "(I13)";
  r.input = shared_text{"another"};
  const auto other = table_->submit(now(), job_id{"other-" + of}, r, false);
  ASSERT_FALSE(other) << of;
  EXPECT_EQ(other.error().code, errc::idempotency_mismatch);
}

void crash_world::cancel(const std::string& id) {
  auto done = table_->cancel(now(), job_id{id});
  if (!done) {
    return;
  }
  const bool cancelled = done->first.state == job_state::CANCELLED;
  gather(std::move(done->second));
  gather({job_id{id},
          [this, id, cancelled] {
            tally_.cancelled += cancelled;
            ledger_.at(id).cancelled = cancelled;
          },
          [] {}});
}

void crash_world::retry(const std::string& id) {
  const auto before = table_->inspect(now(), job_id{id});
  auto done = table_->retry(now(), job_id{id});
  if (!done) {
    return;
  }
  entry& e = ledger_.at(id);
  EXPECT_FALSE(e.cancelled) << id << " was cancelled for good (I4)";
  EXPECT_TRUE(e.request.origin.empty()) << id << " is not this pod's to retry";
  EXPECT_TRUE(before->view.state == job_state::FAILED ||
              before->view.state == job_state::TIMED_OUT);
  e.ended_before = e.retrying == 0 ? e.ended : e.ended_before;
  ++e.retrying;
  gather({job_id{id},
          [this, id, attempts = before->view.attempts] {
            entry& mine = ledger_.at(id);
            ++tally_.retried;
            ++mine.lives;
            --mine.retrying;
            mine.first_of_life = attempts;
            mine.final.reset();
          },
          [] {}});
  e.ended.reset();
  gather(std::move(done->second));
}

void crash_world::drop(const std::string& id) {
  const auto known = ledger_.find(id);
  const bool is_undelivered = known != ledger_.end() && !known->second.request.origin.empty() &&
                              table_->webhook_is_pending(job_id{id});
  if (table_->drop(now(), job_id{id})) {
    EXPECT_FALSE(is_undelivered) << id << " is undelivered (I8)";
    ledger_.at(id).dropping = true;
    tally_.dropped += 1;
  }
}

void crash_world::check(const std::string& id) {
  const auto known = ledger_.find(id);
  if (known == ledger_.end()) {
    return;
  }
  entry& e = known->second;
  const auto view = table_->find(now(), job_id{id});
  if (!view) {
    check_gone(id, e);
    return;
  }
  if (!table_->durable(job_id{id})) {
    return; // a client would be answered after the commit
  }
  if (is_final(view->state)) {
    check_view(id, e, *view);
    return;
  }
  EXPECT_FALSE(e.final && e.retrying == 0 && e.accepted) << id << " ended and lives (I2)";
  EXPECT_FALSE(e.cancelled) << id << " was cancelled and lives (I4)";
}

/// Checks that a missing job had ended and its retention was over, or that it was dropped.
void crash_world::check_gone(const std::string& id, const entry& e) {
  const auto keep = std::min(limits_.keep_async, limits_.keep_dead);
  const bool kept_its_time = e.ended && now() - *e.ended >= keep;
  tally_.forgotten += kept_its_time;
  EXPECT_FALSE(e.undelivered) << id << " was forgotten while its result was undelivered (I8)";
  EXPECT_TRUE(e.dropping || !e.keep_until || now() >= *e.keep_until)
      << id << " was to be kept longer (I10)";
  EXPECT_TRUE(!e.accepted || e.dropping || kept_its_time)
      << id << " was lost (I1): lives " << e.lives
      << (e.retrying > 0 ? ", a retry was asked for" : "")
      << (e.final ? ", it was told " + std::string{to_string(e.final->state)} : "")
      << (e.ended ? ", ended " + std::to_string((now() - *e.ended).count() / 1'000'000) + " ms ago"
                  : ", had not ended");
}

/// The final answer: the first that is read stays.
void crash_world::check_view(const std::string& id, entry& e, const job_view& v) {
  if (v.state == job_state::COMPLETED) {
    auto output = v.output;
    if (v.stored_output != 0) {
      ++tally_.fetched;
      output = disk_->fetch(v.stored_output, job_store::column::output);
    }
    EXPECT_TRUE(output.view() == result_of({job_id{id}, v.attempts}))
        << id << " shows what nobody made (I3): " << output.view().substr(0, 40);
  } else {
    EXPECT_TRUE(v.output.empty() && v.stored_output == 0) << id;
  }
  if (!e.final) {
    e.final = v;
    e.final->output = {};
    return;
  }
  EXPECT_EQ(v.state, e.final->state) << id << " (I2)";
  EXPECT_EQ(v.attempts, e.final->attempts) << id << " (I2)";
  EXPECT_EQ(v.failure, e.final->failure) << id << " (I2)";
}

// ---- workers ------------------------------------------------------------------------------------

void crash_world::join(std::uint32_t slot) {
  const auto here = workers_.find(slot_id{slot});
  if (here != workers_.end() && chance(2)) {
    gather(table_->worker_joined(now(), here->second.ref, here->second.facts)); // says it again
    return;
  }
  worker_facts f;
  f.capacity = slot == 0 ? 1 : static_cast<std::uint32_t>(1 + below(4));
  f.batch_max = slot == 1 ? f.capacity : 1;
  f.continuous = slot == 2;
  f.steps = chance(2);
  f.device = slot < 2 ? "fast" : "slow";
  if (!models_.empty()) {
    f.memory_bytes = 50 * below(3);
    f.model = f.memory_bytes == 50 ? "m0" : (chance(3) ? "" : models_[below(2)].name);
    f.can_change = chance(2);
  }
  come({slot_id{slot}, ++incarnations_}, f);
}

/// A new process in this slot.
void crash_world::come(worker_ref ref, const worker_facts& f) {
  leave(ref.place());
  workers_[ref.place()] = {ref, f};
  gather(table_->worker_joined(now(), ref, f));
}

/// The keeper of the slot replaces the engine.
void crash_world::change_a_model() {
  if (changes_.empty()) {
    return;
  }
  const auto c = changes_.back();
  changes_.pop_back();
  const auto w = workers_.find(c.worker.place());
  if (w == workers_.end() || w->second.ref != c.worker) {
    return;
  }
  ++tally_.changed;
  auto f = w->second.facts;
  EXPECT_TRUE(f.can_change);
  f.model = c.model;
  gather(table_->worker_lost(now(), c.worker.place(), error{errc::stopping, "its model changes"}));
  leave(c.worker.place());
  come({c.worker.slot, ++incarnations_}, f);
}

/// The engine is gone; its attempts may still send late reports.
void crash_world::leave(worker_place at) {
  for (const auto& a : out_) {
    if (a.worker.place() == at) {
      late_.push_back(a);
    }
  }
  std::erase_if(out_, [at](const attempt& a) { return a.worker.place() == at; });
  workers_.erase(at);
}

void crash_world::lose(std::uint32_t slot) {
  if (!workers_.contains(slot_id{slot})) {
    return;
  }
  const errc why[] = {errc::engine_crash, errc::engine_crash, errc::engine_hang, errc::unavailable};
  const auto code = why[below(4)];
  gather(table_->worker_lost(now(), slot_id{slot},
                             error{code, code == errc::unavailable ? "excused" : "died"}));
  leave(slot_id{slot});
}

void crash_world::report(attempt& a) {
  const auto sequence = static_cast<std::uint32_t>(below(1'000'000));
  job_table::report_result r;
  switch (below(4)) {
  case 0: gather(table_->started(now(), a.worker, {a.ref}).consequences); return;
  case 1:
    r = table_->progressed(now(), a.worker, {a.ref, sequence, shared_text{"progress"}});
    break;
  case 2: r = table_->streamed(now(), a.worker, {a.ref, sequence, shared_text{"chunk"}}); break;
  default: r = table_->renewed(now(), a.worker, a.ref); break;
  }
  EXPECT_FALSE(r.current && !table_->runs(a.worker, a.ref));
  if (r.current) {
    a.heard = now();
  }
  gather(std::move(r.consequences));
}

void crash_world::finish(std::size_t which, bool well) {
  const attempt a = out_[which];
  out_.erase(out_.begin() + static_cast<std::ptrdiff_t>(which));
  const bool current = table_->runs(a.worker, a.ref);
  protocol::finished f;
  f.attempt = a.ref;
  f.output = shared_text{result_of(a.ref)};
  if (a.revoked && !chance(4)) {
    f.how = protocol::outcome::cancelled;
  } else if (!well && chance(3)) {
    f.how = protocol::outcome::failed;
    const bool remote = a.worker.node == pull_node;
    const errc codes[] = {errc::job_failed, errc::gpu_oom, errc::not_ready, errc::unavailable};
    const auto code = codes[below(remote ? 4 : 3)];
    f.code = static_cast<std::uint16_t>(code);
    f.text = code == errc::unavailable ? "excused" : "";
    tally_.unreached += code == errc::unavailable;
  } else if (!well && chance(8)) {
    f.how = protocol::outcome::cancelled;
  }
  auto r = table_->finished(now(), a.worker, f);
  EXPECT_EQ(r.current, current) << to_string(a.ref);
  gather(std::move(r.consequences));
}

/// The result of an attempt that was lost: of a dead engine, or of before a restart.
void crash_world::speak_late() {
  if (late_.empty()) {
    return;
  }
  const auto a = late_[below(late_.size())];
  ++tally_.late;
  protocol::finished f;
  f.attempt = a.ref;
  f.output = shared_text{"too late"};
  const auto before = table_->counts().stale;
  auto r = table_->finished(now(), a.worker, f);
  EXPECT_FALSE(r.current) << to_string(a.ref) << " (I5)";
  EXPECT_EQ(table_->counts().stale, before + 1) << "refused and not counted (I5)";
  gather(std::move(r.consequences));
  if (late_.size() > 200) {
    late_.erase(late_.begin(), late_.begin() + 100);
  }
}

} // namespace tayfa::testing
