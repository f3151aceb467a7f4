// The process: its commits, and what leaves it.
#include "tests/unit/core/crash_world.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace tayfa::testing {

using std::chrono::seconds;

namespace {

const job_id& job_of(const effect& e) {
  static const job_id none;
  if (const auto* g = std::get_if<assign_attempt>(&e)) {
    return g->message.attempt.job;
  }
  if (const auto* r = std::get_if<revoke_attempt>(&e)) {
    return r->attempt.job;
  }
  if (const auto* m = std::get_if<moved>(&e)) {
    return m->view.id;
  }
  if (const auto* o = std::get_if<deliver_result>(&e)) {
    return o->view.id;
  }
  const auto* n = std::get_if<notify>(&e);
  return n != nullptr ? n->view.id : none;
}

} // namespace

crash_world::tally& crash_world::tally::operator+=(const tally& o) {
  accepted += o.accepted;
  withdrawn += o.withdrawn;
  crashes += o.crashes;
  given += o.given;
  completed += o.completed;
  dead += o.dead;
  retried += o.retried;
  late += o.late;
  again += o.again;
  cancelled += o.cancelled;
  bounded += o.bounded;
  dropped += o.dropped;
  changed += o.changed;
  hooks += o.hooks;
  leases += o.leases;
  compared += o.compared;
  poisoned += o.poisoned;
  fetched += o.fetched;
  forgotten += o.forgotten;
  taken += o.taken;
  undelivered += o.undelivered;
  posted += o.posted;
  unposted += o.unposted;
  refused += o.refused;
  unheard += o.unheard;
  given_up += o.given_up;
  stopped += o.stopped;
  told_again += o.told_again;
  lived_again += o.lived_again;
  new_again += o.new_again;
  remote += o.remote;
  resized += o.resized;
  unreached += o.unreached;
  stops += o.stops;
  kept += o.kept;
  return *this;
}

crash_world::crash_world(std::uint64_t seed, const make_keeper& make)
    : random_(seed), disk_(make([this](std::uint64_t n) { return below(n); }, time_)),
      limits_(make_limits()), table_(std::make_unique<job_table>(limits_)) {
  if (chance(2)) {
    models_ = {{"m0", 1'000, 10}, {"m1", 2'000, 100}};
    gather(table_->models_known(now(), models_));
  }
}

job_limits crash_world::make_limits() {
  job_limits l;
  l.durable = true;
  l.spill_above = disk_->keeps_large_texts() ? job_store::inline_max : 0;
  l.queue_max = 5 + below(60);
  l.tenant_max = chance(2) ? 0 : 5 + below(20);
  l.tenants["t1"] = {.weight = 3, .running_max = static_cast<std::uint32_t>(below(3))};
  l.max_attempts = static_cast<std::uint32_t>(1 + below(4));
  l.solo_crashes_max = static_cast<std::uint32_t>(1 + below(3));
  l.execution_timeout = seconds{20};
  l.ttl = seconds{60 + below(200)};
  l.lease = milliseconds{1'000 + below(5'000)};
  l.priority_step = milliseconds{below(2'000)};
  l.batch_max = static_cast<std::uint32_t>(below(5));
  l.batch_delay = milliseconds{below(3) * 100};
  l.keep_async = l.keep_sync = seconds{60};
  l.keep_dead = seconds{120};
  l.dead_max = 100'000; // the time limit, not the number, decides
  l.history_max = 64;
  l.hook_tries = static_cast<std::uint32_t>(1 + below(3));
  l.hook_pause = milliseconds{1'000};
  l.hook_calls = {1 + below(8), 1 + below(4), 1 + below(2'000)};
  return l;
}

void crash_world::pass(milliseconds d) {
  time_.mono += d;
  time_.wall_now += d;
}

void crash_world::step() {
  ++steps_;
  switch (below(32)) {
  case 0:
  case 1:
  case 2:
  case 3: submit(); break;
  case 4: submit_again(any_job()); break;
  case 5: cancel(any_job()); break;
  case 6: retry(any_job()); break;
  case 7: chance(4) ? drop(any_job()) : check(any_job()); break;
  case 8: join(static_cast<std::uint32_t>(below(4))); break;
  case 9: chance(4) ? lose(static_cast<std::uint32_t>(below(4))) : speak_late(); break;
  case 10:
  case 11:
  case 12:
    if (!out_.empty()) {
      report(out_[below(out_.size())]);
    }
    break;
  case 13:
  case 14:
  case 15:
  case 16: out_.empty() ? pass(milliseconds{1}) : finish(below(out_.size()), false); break;
  case 17:
    if (!hooks_.empty()) {
      const auto [id, call] = hooks_.back();
      hooks_.pop_back();
      gather(table_->notified(now(), job_id{id}, call, static_cast<hook_answer>(below(3))));
    }
    break;
  case 18:
    if (chance(2)) {
      change_a_model();
    }
    pass(milliseconds{1 + below(chance(10) ? 4'000 : 300)});
    break;
  case 19: gather(table_->expire(now())); break;
  case 20:
  case 21:
  case 22: begin_commit(); break;
  case 23:
  case 24: end_commit(); break;
  case 25:
  case 26:
  case 27:
  case 28:
  case 29:
  case 30: step_outside(); break;
  default:
    if (chance(60)) {
      chance(2) ? crash(true) : crash_and_compare();
    } else if (chance(200)) {
      gather(table_->purge(now()).second);
    }
    break;
  }
  check(any_job());
  if (steps_ % 8 == 0 || steps_ < 1'000) {
    for (const auto& rule : table_->audit()) {
      ADD_FAILURE() << rule;
    }
  }
}

/// Steps of platforms and of remote workers.
void crash_world::step_outside() {
  switch (below(6)) {
  case 0: give_again(chance(3) && !ids_.empty() ? ids_[below(ids_.size())] : any_job()); break;
  case 1: join_remote(static_cast<std::uint32_t>(below(3))); break;
  case 2:
  case 3:
    if (!posts_.empty()) {
      answer_post(below(posts_.size()));
    }
    break;
  case 4: chance(2) ? stop(any_job()) : keep(any_job()); break;
  default:
    if (chance(20)) {
      platform_worker_dies();
    } else if (chance(100)) {
      stop_and_start();
    }
    break;
  }
}

// ---- what leaves, and when ----------------------------------------------------------------------

void crash_world::gather(effects done) {
  for (const auto& e : done) {
    if (const auto* m = std::get_if<moved>(&e)) {
      noticed(*m);
    } else if (const auto* g = std::get_if<assign_attempt>(&e)) {
      const auto w = workers_.find(g->worker.place());
      if (w != workers_.end() && w->second.ref == g->worker) {
        EXPECT_LE(table_->held(g->worker.place()), w->second.facts.capacity)
            << to_string(g->worker) << " did not ask for so much (I9)";
      }
    }
  }
  if (!done.empty()) {
    gathering_.emplace_back(std::move(done));
  }
}
void crash_world::gather(answer a) {
  gathering_.emplace_back(std::move(a));
}

/// Records the table's change, before any client is notified.
void crash_world::noticed(const moved& m) {
  auto& e = ledger_[m.view.id.str()];
  e.ended = is_final(m.view.state) ? std::optional{now()} : std::nullopt;
  const auto detail = table_->inspect(now(), m.view.id);
  if (!detail || detail->history.empty() || m.from != job_state::IN_PROGRESS) {
    return;
  }
  const auto& last = detail->history.back();
  if (last.failure && last.failure->code == errc::lease_expired) {
    ++tally_.leases;
    for (const auto& a : out_) {
      if (a.ref == attempt_ref{m.view.id, last.number} && a.heard) {
        EXPECT_GE(now() - *a.heard, a.lease) << a.ref.job.str() << " had reported (I6)";
      }
    }
  }
}

void crash_world::begin_commit() {
  if (batch_ || (gathering_.empty() && !table_->has_changes())) {
    return;
  }
  batch_ = table_->take_changes();
  in_flight_ = std::exchange(gathering_, {});
}

void crash_world::end_commit() {
  if (!batch_) {
    return;
  }
  const auto batch = *std::exchange(batch_, std::nullopt);
  switch (disk_->commit(batch)) {
  case commit_result::done:
    table_->committed();
    release(std::exchange(in_flight_, {}));
    break;
  case commit_result::full: full(); break;
  case commit_result::broken: crash(false); break;
  }
}

/// Handles a full disk like the queue actor: undo what was new, commit the rest again.
void crash_world::full() {
  EXPECT_TRUE(faults_);
  const auto fresh = table_->not_committed();
  const std::set<job_id> gone{fresh.begin(), fresh.end()};
  std::vector<item> stays;
  for (auto* list : {&in_flight_, &gathering_}) {
    for (auto& one : *list) {
      if (auto* a = std::get_if<answer>(&one); a != nullptr && gone.contains(a->about)) {
        a->refused();
        continue;
      }
      if (auto* e = std::get_if<effects>(&one)) {
        std::erase_if(*e, [&gone](const effect& x) { return gone.contains(job_of(x)); });
      }
      stays.push_back(std::move(one));
    }
  }
  in_flight_.clear();
  gathering_ = std::move(stays);
  gather(table_->withdraw(now(), fresh));
  for (const auto& id : fresh) {
    ++tally_.withdrawn;
    EXPECT_FALSE(table_->find(now(), id)) << id.str() << " was withdrawn";
    ledger_.erase(id.str());
    std::erase(ids_, id.str());
    std::erase_if(keys_, [&id](const auto& k) { return k.second == id.str(); });
  }
}

void crash_world::release(std::vector<item> items) {
  for (auto& one : items) {
    if (auto* a = std::get_if<answer>(&one)) {
      a->given();
      continue;
    }
    for (const auto& e : std::get<effects>(one)) {
      std::visit(
          [this](const auto& what) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(what)>, purged>) {
              told(what);
            }
          },
          e);
    }
  }
}

void crash_world::told(const assign_attempt& g) {
  const auto& a = g.message.attempt;
  const auto known = ledger_.find(a.job.str());
  ASSERT_NE(known, ledger_.end()) << a.job.str() << " came from nowhere (I3)";
  entry& e = known->second;
  ++tally_.given;
  EXPECT_FALSE(e.cancelled) << a.job.str() << " is given out after its cancel (I4)";
  EXPECT_FALSE(e.final) << a.job.str() << " is given out after its end (I2)";
  EXPECT_GT(a.number, e.last_number) << a.job.str() << " (I5)";
  e.last_number = a.number;
  EXPECT_TRUE(ever_given_.insert({g.worker, a}).second) << a.job.str() << " (I5)";
  if (g.stored_input == 0) {
    EXPECT_TRUE(g.message.input == e.request.input) << a.job.str() << " (I3)";
  } else if (table_->runs(g.worker, a)) { // else it was revoked, and its input released with it
    ++tally_.fetched;
    EXPECT_TRUE(disk_->fetch(g.stored_input, job_store::column::input) == e.request.input)
        << a.job.str() << " (I3)";
  }
  std::uint32_t excused = 0;
  if (const auto d = table_->inspect(now(), a.job)) {
    for (const auto& h : d->history) {
      excused += h.number > e.first_of_life && h.number < a.number && h.failure &&
                 (h.failure->text == "excused" || h.failure->text == "handed back" ||
                  h.failure->code == errc::gpu_oom);
    }
    EXPECT_LE(a.number - e.first_of_life - excused, limits_.max_attempts) << a.job.str() << " (I7)";
  }
  const auto w = workers_.find(g.worker.place());
  if (w != workers_.end() && w->second.ref == g.worker) {
    const auto& f = w->second.facts;
    const auto wanted = e.request.model.empty() && !models_.empty() ? "m0" : e.request.model;
    EXPECT_TRUE(f.model.empty() || wanted.empty() || f.model == wanted)
        << a.job.str() << " wants " << wanted << " of a worker that has " << f.model;
    EXPECT_FALSE(wanted == "m1" && f.memory_bytes == 50) << a.job.str() << " does not fit";
    EXPECT_TRUE(f.endpoint.empty() || f.endpoint == e.request.endpoint) << a.job.str() << " (I9)";
    tally_.remote += g.worker.node == pull_node;
    const auto lease = f.lease.count() > 0 ? f.lease : limits_.lease;
    out_.push_back({g.worker, a, std::nullopt, false, lease});
  }
}

void crash_world::told(const revoke_attempt& r) {
  for (auto& a : out_) {
    a.revoked = a.revoked || (a.worker == r.worker && a.ref == r.attempt);
  }
}

void crash_world::told(const moved& m) {
  const auto known = ledger_.find(m.view.id.str());
  if (known == ledger_.end() || !is_final(m.view.state)) {
    return;
  }
  entry& e = known->second;
  EXPECT_FALSE(e.cancelled) << m.view.id.str() << " ends after its cancel was answered (I4)";
  tally_.completed += m.view.state == job_state::COMPLETED;
  tally_.poisoned += m.why == cause::poisoned;
  tally_.dead += m.why == cause::attempts_exhausted;
  check_view(m.view.id.str(), e, m.view);
  const auto d = table_->inspect(now(), m.view.id);
  if (d && d->lives == e.lives && is_final(d->view.state)) {
    EXPECT_EQ(d->dead, e.request.origin.empty() &&
                           (m.why == cause::attempts_exhausted || m.why == cause::poisoned));
  }
}

void crash_world::told(const change_worker_model& c) {
  changes_.push_back(c);
}

void crash_world::told(const notify& n) {
  ++tally_.hooks;
  EXPECT_GE(n.number, 1u);
  EXPECT_LE(n.number, limits_.hook_tries);
  EXPECT_TRUE(is_final(n.view.state));
  EXPECT_TRUE(ledger_[n.view.id.str()].request.origin.empty());
  ledger_[n.view.id.str()].hook_told = true;
  hooks_.emplace_back(n.view.id.str(), n.call);
}

} // namespace tayfa::testing
