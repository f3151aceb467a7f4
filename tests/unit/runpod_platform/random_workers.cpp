#include "tests/unit/runpod_platform/random_workers.hpp"

#include "tests/unit/runpod_platform/registry_script.hpp"

#include <algorithm>

namespace tayfa::remote::testing {

namespace {

registry_limits limits_for(std::uint64_t seed) {
  registry_limits limits;
  limits.workers_max = 4 + static_cast<std::uint32_t>(seed % 2); // there are five names
  return limits;
}

attempt_ref next_of(const attempt_ref& a) {
  return {a.job, a.number + 1};
}

/// The attempt behind a handed id: the test's jobs have no '-' in their names. A duplicate id gets
/// a "-r" suffix.
attempt_ref attempt_of(std::string id) {
  while (id.ends_with("-r")) {
    id.resize(id.size() - 2);
  }
  const auto dash = id.find("-r");
  const auto number = dash == std::string::npos ? 1UL : std::stoul(id.substr(dash + 2));
  return {job_id{id.substr(0, dash)}, static_cast<std::uint32_t>(number)};
}

} // namespace

random_workers::random_workers(std::uint64_t seed)
    : random_(seed), limits_(limits_for(seed)),
      registry_(std::make_unique<worker_registry>(limits_)) {}

void random_workers::demand(bool holds, const std::string& promise) {
  if (!holds) {
    broken.insert(promise);
  }
}

void random_workers::step() {
  now_ += milliseconds{below(chance(20) ? 8'000 : 400)};
  if (!serving_ && chance(10)) {
    serving_ = true;
    obey(registry_->serve(now_));
  }
  switch (below(16)) {
  case 0:
  case 1: do_take(); break;
  case 2: do_stops(); break;
  case 3: do_ping(); break;
  case 4:
  case 5: do_post(); break;
  case 6: do_chunk(); break;
  case 7:
  case 8: do_left(); break;
  case 9: chance(4) ? do_kill() : do_gone(); break;
  case 10:
  case 11: queue_hears(); break;
  case 12:
  case 13: registry_receives(); break;
  case 14: give_or_revoke(); break;
  default: chance(60) ? do_restart() : chance(40) ? close_window() : give_or_revoke(); break;
  }
  if (chance(2)) {
    obey(registry_->expire(now_));
    const auto next = registry_->next_deadline();
    demand(!next || *next > now_, "a deadline that has passed is still open");
  }
  for (const auto& words : registry_->audit()) {
    broken.insert(words);
  }
}

// ---- the workers
// ---------------------------------------------------------------------------------

std::string random_workers::any_job(const std::string& worker) {
  auto& mine = at_[chance(8) ? any_worker() : worker];
  if (mine.empty() || chance(12)) {
    return chance(2) ? "made-up" : "j" + std::to_string(below(jobs_ + 1));
  }
  return *std::next(mine.begin(), static_cast<std::ptrdiff_t>(below(mine.size())));
}

void random_workers::do_take() {
  const auto worker = any_worker();
  open_poll p{worker, false, chance(2), 1};
  p.wanted = static_cast<std::uint32_t>(p.batch ? 1 + below(4) : 1);
  open_[++polls_] = p;
  obey(registry_->take(now_, polls_, {place(worker), p.wanted, p.batch, false}));
}

void random_workers::do_stops() {
  const auto worker = any_worker();
  open_[++polls_] = {worker, true, false, 1};
  obey(registry_->poll_stops(now_, polls_, {place(worker)}));
}

void random_workers::do_ping() {
  const auto worker = any_worker();
  api::worker_ping m;
  m.from = place(worker);
  if (chance(30)) {
    m.unfit = "gpu: dead";
    at_[worker].clear();
  } else {
    m.jobs.assign(at_[worker].begin(), at_[worker].end());
    if (chance(6)) {
      m.jobs.push_back(any_job(worker));
    }
    if (chance(6) && !m.jobs.empty()) {
      m.jobs.pop_back();
    }
  }
  obey(registry_->ping(now_, m).then);
}

void random_workers::do_post() {
  const auto worker = any_worker();
  api::worker_result m;
  m.from = place(worker);
  m.job = any_job(worker);
  m.kind = static_cast<api::worker_result::what>(below(3));
  m.output = shared_text{"1"};
  const auto v = registry_->posted(now_, m);
  demand(!v.answer || may_have(worker, m.job), "a result of somebody else is taken");
  seen[v.answer ? "result taken" : "result refused"]++;
  if (m.kind != api::worker_result::what::progress) {
    at_[worker].erase(m.job);
  }
  demand(v.when_durable == (v.answer && m.kind != api::worker_result::what::progress),
         "a result is acknowledged before it is durable");
  if (v.when_durable) {
    settles_.emplace_back(worker, m.job);
  }
  obey(v.then);
}

void random_workers::do_chunk() {
  const auto worker = any_worker();
  const auto id = any_job(worker);
  const auto v = registry_->streamed(now_, {place(worker), id, shared_text{"1"}});
  demand(!v.answer || may_have(worker, id), "a chunk of somebody else is taken");
  obey(v.then);
}

void random_workers::do_kill() {
  const auto worker = any_worker();
  at_[worker].clear();
  const bool noticed = chance(2);
  for (auto p = open_.begin(); p != open_.end();) {
    if (noticed && p->second.worker == worker) {
      const auto poll = p->first;
      p = open_.erase(p);
      obey(registry_->gone(now_, poll));
    } else {
      ++p;
    }
  }
}

void random_workers::do_gone() {
  if (open_.empty() || chance(10)) {
    const auto any = below(polls_ + 2);
    open_.erase(any);
    obey(registry_->gone(now_, any));
    return;
  }
  const auto p = std::next(open_.begin(), static_cast<std::ptrdiff_t>(below(open_.size())));
  const auto poll = p->first;
  open_.erase(p);
  obey(registry_->gone(now_, poll));
}

void random_workers::do_left() {
  if (flying_.empty()) {
    obey(registry_->left(now_, below(polls_ + 2), chance(2)));
    return;
  }
  const auto at = flying_.begin() + static_cast<std::ptrdiff_t>(below(flying_.size()));
  const auto f = *at;
  flying_.erase(at);
  obey(registry_->left(now_, f.poll, f.whole));
}

void random_workers::answered(poll_id poll, bool stops) {
  const auto p = open_.find(poll);
  demand(p != open_.end(), "a poll is answered that is not open");
  demand(p == open_.end() || p->second.stops == stops, "a poll is answered as the other kind");
}

void random_workers::obey(const hand_out& h) {
  answered(h.poll, false);
  const auto p = open_[h.poll];
  open_.erase(h.poll);
  demand(!h.jobs.empty() && h.jobs.size() <= p.wanted, "more jobs, or fewer, than wanted");
  demand(h.batch == p.batch, "a batch where none was asked for");
  const bool got = !chance(5);
  for (const auto& j : h.jobs) {
    const auto attempt = attempt_of(j.id);
    auto& facts = attempts_[attempt];
    demand(facts.holder.empty(), "an attempt is handed out twice");
    facts.holder = p.worker;
    ids_[p.worker + " " + j.id] = attempt;
    if (got) {
      at_[p.worker].insert(j.id);
    }
  }
  flying_.push_back({h.poll, got ? !chance(10) : chance(3)});
  seen[h.jobs.size() > 1 ? "several handed out" : "one handed out"]++;
}

void random_workers::obey(const send_stops& t) {
  answered(t.poll, true);
  const auto worker = open_[t.poll].worker;
  open_.erase(t.poll);
  demand(!t.jobs.empty(), "an empty stop");
  const bool got = !chance(5);
  for (const auto& id : t.jobs) {
    if (got && !chance(6)) { // the SDK may miss it
      at_[worker].erase(id);
    }
  }
  flying_.push_back({t.poll, got});
  seen["stops sent"]++;
}

void random_workers::obey(const effects& all) {
  for (const auto& e : all) {
    if (const auto* h = std::get_if<hand_out>(&e)) {
      obey(*h);
    } else if (const auto* t = std::get_if<send_stops>(&e)) {
      obey(*t);
    } else if (const auto* n = std::get_if<nothing_yet>(&e)) {
      demand(open_.erase(n->poll) == 1, "a poll is answered that is not open");
      seen["nothing"]++;
    } else if (const auto* a = std::get_if<turn_away>(&e)) {
      demand(open_.erase(a->poll) == 1, "a poll is answered that is not open");
      seen["turned away"]++;
    } else if (!std::holds_alternative<log_entry>(e)) {
      to_queue_.push_back(e);
    }
  }
}

// ---- the end
// -------------------------------------------------------------------------------------

void random_workers::finish() {
  const auto talk = [this] {
    for (int i = 0; i < 20; ++i) {
      while (!flying_.empty()) {
        do_left();
      }
      while (!to_queue_.empty()) {
        queue_hears();
      }
      while (!to_registry_.empty()) {
        registry_receives();
      }
    }
  };
  if (!serving_) {
    obey(registry_->serve(now_));
  }
  talk();
  close_window();
  for (auto& [slot, s] : handles_) { // every lease ends
    for (const auto& a : s.holds) {
      if (!std::exchange(attempts_[a].revoked, true)) {
        waiting_.push_back(next_of(a));
      }
      to_registry_.push_back({s.ref, {a}, 0, true});
    }
  }
  for (int round = 0; round < 400 && !(round > 20 && waiting_.empty()); ++round) {
    now_ += limits_.ping_interval;
    obey(registry_->expire(now_));
    for (const auto* worker : {"a", "b", "c", "d"}) {
      const auto mine = at_[worker];
      obey(registry_->ping(now_, {place(worker), {mine.begin(), mine.end()}, "1.12.0", {}}).then);
      for (const auto& id : mine) {
        const auto v =
            registry_->posted(now_, {place(worker), id, {}, shared_text{"1"}, {}, {}, {}});
        obey(v.then);
        at_[worker].erase(id);
      }
      open_[++polls_] = {worker, false, false, 1};
      obey(registry_->take(now_, polls_, {place(worker), 1, false, false}));
    }
    talk();
    for (int i = 0; i < 8 && !waiting_.empty(); ++i) {
      give_or_revoke();
      talk();
    }
    for (auto& [slot, s] : handles_) { // what was lost on its way in this round
      for (const auto& a : s.holds) {
        if (!at_[attempts_[a].holder].contains(a.job.str()) && chance(4)) {
          waiting_.insert(waiting_.end(), attempts_[a].revoked ? 0 : 1, next_of(a));
          attempts_[a].revoked = true;
          to_registry_.push_back({s.ref, {a}, 0, true});
        }
      }
    }
    talk();
  }
  demand(waiting_.empty(), "a job waits for ever");
  now_ += limits_.ping_interval * limits_.missed;
  obey(registry_->expire(now_));
  talk();
  for (const auto& [slot, s] : handles_) {
    demand(s.holds.empty(), "an attempt never ends");
  }
  demand(registry_->size() == 0 && !registry_->next_deadline(), "a worker is never forgotten");
  for (const auto& [poll, p] : open_) {
    demand(false, "poll " + std::to_string(poll) + " of " + p.worker + " is never answered");
  }
}

} // namespace tayfa::remote::testing
