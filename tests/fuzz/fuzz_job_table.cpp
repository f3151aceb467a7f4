// Any bytes as commands to a job table with a store below it. Invariants: its audit stays clean,
// ended jobs do not change, no worker is given more than it can hold, a remote one no more than it
// asks for and of its endpoint only, a pending delivery to a platform stays until it is settled,
// and a restart finds everything that was committed.
#include "runtime/core/job_table.hpp"

#include "tests/fuzz/fuzz.hpp"
#include "tests/unit/core/perfect_store.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <set>

using namespace tayfa;

namespace {

constexpr std::size_t slots = 3;
constexpr std::size_t remotes = 2;

class session {
 public:
  explicit session(fuzz::choices& in)
      : in_(in), limits_(limits(in)), table_(std::make_unique<job_table>(limits_)) {}

  void step() {
    switch (in_.below(28)) {
    case 0: submit(); break;
    case 1: obey_if(table_->cancel(now_, job())); break;
    case 2: join(); break;
    case 3: lose(); break;
    case 4: obey(table_->worker_draining(now_, worker())); break;
    case 5: table_->started(now_, worker(), {attempt()}); break;
    case 6:
      table_->progressed(now_, worker(), {attempt(), in_.byte(), shared_text{"2"}});
      table_->streamed(now_, worker(), {attempt(), in_.byte(), shared_text{"3"}});
      break;
    case 7:
    case 8: finish(); break;
    case 9: now_ += milliseconds{in_.byte() * 200}; break;
    case 10: obey(table_->expire(now_)); break;
    case 11:
      if (in_.byte() == 255) {
        obey(table_->hand_back(now_));
      }
      break;
    case 12: retry(); break;
    case 13:
      if (const auto dropped = job(); table_->drop(now_, dropped)) {
        ended_.erase(dropped.str());
      }
      break;
    case 14: {
      const auto id = job();
      obey(table_->notified(now_, id, table_->hook_call(id),
                            static_cast<hook_answer>(in_.below(3))));
      break;
    }
    case 15: table_->renewed(now_, worker(), attempt()); break;
    case 16: read(); break;
    case 17: commit(); break;
    case 18: refuse(); break;
    case 19: rarely(); break;
    case 20: take(job_id{"j" + std::to_string(++ids_)}); break;
    case 21: give_again(); break;
    case 22: stop(); break;
    case 23: posted(); break;
    case 24: obey(table_->posts_lost(now_)); break;
    case 25: join_remote(); break;
    case 26: lose_remote(); break;
    case 27: table_->keep(now_, job(), milliseconds{in_.byte() * 500}); break;
    }
    check();
  }

 private:
  static job_limits limits(fuzz::choices& in) {
    job_limits out;
    out.durable = true;
    out.queue_max = 1 + in.below(8);
    out.max_attempts = static_cast<std::uint32_t>(in.below(4));
    out.execution_timeout = milliseconds{1 + in.byte() * 100};
    out.ttl = milliseconds{1 + in.byte() * 200};
    out.keep_async = milliseconds{in.byte() * 100};
    out.keep_sync = milliseconds{in.byte() * 10};
    out.chunks_max = in.below(4);
    out.tenant_max = in.below(5);
    out.other_tenants.running_max = static_cast<std::uint32_t>(in.below(3));
    out.solo_crashes_max = static_cast<std::uint32_t>(in.below(4));
    out.lease = milliseconds{1 + in.byte() * 50};
    out.retry_base = milliseconds{in.byte()};
    out.batch_max = static_cast<std::uint32_t>(in.below(4));
    out.batch_delay = milliseconds{in.below(2) * 500};
    out.kept_bytes_max = in.byte();
    out.kept_jobs_max = in.below(6);
    out.dead_max = in.below(4);
    out.history_max = in.below(4);
    out.hook_tries = static_cast<std::uint32_t>(in.below(3));
    return out;
  }

  void read() {
    const auto id = job();
    const auto found = table_->read_stream(now_, id);
    if (found && in_.below(2) == 0) {
      table_->chunks_received(id, found->last - std::min<std::uint64_t>(found->last, in_.below(3)));
    }
  }
  job_id job() { return job_id{"j" + std::to_string(ids_ - std::min(ids_, in_.below(6)))}; }
  worker_ref worker() {
    const auto which = in_.below(slots + remotes);
    const auto incarnation = in_.below(4);
    if (which < slots) {
      return {slot_id{static_cast<std::uint32_t>(which)}, incarnation};
    }
    const auto number = static_cast<std::uint32_t>(which - slots);
    return {slot_id{number}, asks_[number].incarnation, pull_node};
  }
  attempt_ref attempt() { return {job(), static_cast<std::uint32_t>(in_.below(4))}; }

  void submit() {
    job_request r;
    r.input = shared_text{"1"};
    const auto kind = in_.byte();
    r.sync = kind % 2 == 0;
    r.shape = kind % 3 == 0 ? "s" : "";
    r.webhook = kind % 5 == 0 ? "https://h/" : "";
    r.policy.priority = static_cast<std::uint8_t>(kind % 10);
    r.policy.tenant = kind % 7 == 0 ? "t" : "";
    r.policy.delay = milliseconds{kind % 11 == 0 ? 700 : 0};
    r.policy.idempotency_key = kind % 13 == 0 ? "k" : "";
    r.endpoint = kind % 4 == 0 ? "e1" : "e0";
    auto done = table_->submit(now_, job_id{"j" + std::to_string(++ids_)}, r, false);
    if (done) {
      fuzz::require(done->fresh || done->then.empty(), "a known key orders nothing");
      obey(done->then);
    }
  }

  // ---- platforms
  void take(const job_id& id) {
    job_request r;
    r.input = shared_text{"1"};
    const auto kind = in_.byte();
    r.endpoint = kind % 2 == 0 ? "e1" : "e0";
    r.webhook = kind % 3 == 0 ? "https://h/" : "";
    r.policy.tenant = kind % 7 == 0 ? "t" : "";
    r.origin = "p-" + id.str();
    const auto before = table_->inspect(now_, id);
    auto done = table_->submit(now_, id, r, false);
    if (!done) {
      return;
    }
    stopped_.erase(id.str());
    if (done->fresh) { // also one that was forgotten
      fuzz::require(!before, "a job that is kept is not taken anew");
      ended_.erase(id.str());
      std::erase_if(ever_, [&](const auto& a) { return a.job == id && !is_out(a); });
    } else if (!is_final(done->view.state)) {
      fuzz::require(!undelivered_.contains(id.str()),
                    "no new life while the last result is undelivered");
      ended_.erase(id.str());
    }
    obey(done->then);
  }
  void give_again() {
    const auto id = job();
    if (const auto* origin = table_->origin_of(id); origin != nullptr || !table_->find(now_, id)) {
      take(id);
    }
  }
  bool is_out(const attempt_ref& a) const {
    return std::any_of(given_.begin(), given_.end(), [&a](const auto& g) { return g.second == a; });
  }
  void stop() {
    const auto id = job();
    const auto* origin = table_->origin_of(id);
    auto done = table_->cancel(now_, id, true);
    if (done && origin != nullptr) {
      fuzz::require(!table_->webhook_is_pending(id), "a stop lets go of the result");
      undelivered_.erase(id.str());
      stopped_.insert(id.str());
    }
    obey_if(done);
  }
  void posted() {
    const auto id = job();
    const bool settled = in_.below(2) == 0;
    obey(table_->posted(now_, id, settled, milliseconds{in_.byte() * 100}));
    if (settled && table_->origin_of(id) != nullptr) {
      fuzz::require(!table_->webhook_is_pending(id), "what is settled is delivered no more");
    }
    if (!table_->webhook_is_pending(id)) {
      undelivered_.erase(id.str());
    }
  }

  void obey_if(const result<job_table::view_and_effects>& done) {
    if (done) {
      obey(done->second);
    }
  }
  void retry() {
    const auto id = job();
    const auto before = table_->find(now_, id);
    const auto done = table_->retry(now_, id);
    if (done) {
      fuzz::require(before->state == job_state::FAILED || before->state == job_state::TIMED_OUT,
                    "only what failed runs again");
      ended_.erase(id.str());
      obey(done->second);
    }
  }

  void join() {
    const worker_ref w{slot_id{static_cast<std::uint32_t>(in_.below(slots))}, in_.below(4)};
    const auto kind = in_.byte();
    worker_facts f;
    f.capacity = kind % 4;
    f.batch_max = kind % 3;
    f.continuous = kind % 5 == 0;
    f.steps = kind % 2 == 0;
    f.device = kind % 7 == 0 ? "slow" : "fast";
    auto& latest = latest_[w.slot.value];
    if (w.incarnation > latest.incarnation) {
      forget_given(w.place());
    }
    obey(table_->worker_joined(now_, w, f));
    latest.incarnation = std::max(latest.incarnation, w.incarnation);
  }
  void join_remote() {
    const auto number = static_cast<std::uint32_t>(in_.below(remotes));
    const auto kind = in_.byte();
    const worker_place at{pull_node, slot_id{number}};
    auto& asks = asks_[number];
    if (kind % 5 == 0 || asks.incarnation == 0) {
      asks.incarnation = ++incarnations_;
      forget_given(at);
    }
    auto f = pulling();
    f.capacity = kind % 4;
    f.batch_max = kind % 3;
    f.endpoint = number == 0 ? "e0" : "e1";
    f.name = "slot-9";
    f.lease = milliseconds{kind % 2 == 0 ? 900 : 0};
    asks.capacity = f.capacity;
    asks.hand_overs = f.hand_overs = table_->hand_overs(at) - (kind % 3 == 0 ? 1 : 0);
    obey(table_->worker_joined(now_, {at.slot, asks.incarnation, at.node}, f));
  }
  void lose_remote() {
    const auto number = static_cast<std::uint32_t>(in_.below(remotes));
    const worker_place at{pull_node, slot_id{number}};
    forget_given(at);
    asks_[number] = {};
    constexpr errc why[] = {errc::engine_crash, errc::unavailable, errc::lease_expired};
    obey(table_->worker_lost(now_, at, error{why[in_.below(3)], {}}));
  }
  void lose() {
    const worker_place at{slot_id{static_cast<std::uint32_t>(in_.below(slots))}};
    forget_given(at);
    constexpr errc why[] = {errc::engine_crash, errc::unavailable, errc::stopping};
    obey(table_->worker_lost(now_, at, error{why[in_.below(3)], {}}));
  }
  void forget_given(worker_place at) {
    std::erase_if(given_, [at](const auto& g) { return g.first.place() == at; });
  }

  void finish() {
    protocol::finished f;
    auto w = worker();
    f.attempt = attempt();
    if (!given_.empty() && in_.below(4) != 0) { // mostly one that is really out there
      auto at = given_.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(in_.below(given_.size())));
      w = at->first;
      f.attempt = at->second;
    }
    f.how = static_cast<protocol::outcome>(in_.below(3));
    f.code = in_.byte();
    f.output = shared_text{"4"};
    given_.erase({w, f.attempt});
    obey(table_->finished(now_, w, f).consequences);
  }

  // ---- the store
  void commit() {
    disk_.apply(table_->take_changes());
    table_->committed();
    fuzz::require(!table_->has_changes(), "what was committed has not changed");
  }
  void refuse() {
    table_->take_changes();
    const auto fresh = table_->not_committed();
    for (const auto& id : fresh) {
      ended_.erase(id.str());
      undelivered_.erase(id.str());
      std::erase_if(given_, [&id](const auto& g) { return g.second.job == id; });
      std::erase_if(ever_, [&id](const auto& a) { return a.job == id; });
    }
    obey(table_->withdraw(now_, fresh));
    for (const auto& id : fresh) {
      fuzz::require(!table_->find(now_, id), "what was withdrawn is gone");
    }
  }
  void rarely() {
    switch (in_.below(4)) {
    case 0: obey(table_->purge(now_).second); break;
    case 1: static_cast<void>(table_->list(now_, {})); break;
    case 2:
      obey(table_->lose_all_workers(now_, error{errc::unavailable, {}}));
      given_.clear();
      asks_ = {};
      break;
    case 3: restart(); break;
    }
  }
  void restart() {
    commit();
    std::set<std::string> live;
    for (std::size_t i = 1; i <= ids_; ++i) {
      const auto view = table_->find(now_, job_id{"j" + std::to_string(i)});
      if (view && !is_final(view->state)) {
        live.insert(view->id.str());
      }
    }
    table_ = std::make_unique<job_table>(limits_);
    given_.clear();
    latest_ = {};
    asks_ = {};
    obey(table_->restore(now_, disk_.rows(), disk_.last_order()));
    for (const auto& id : live) {
      const auto view = table_->find(now_, job_id{id});
      const bool forgotten = !view && ended_.contains(id); // no room for ended ones
      fuzz::require(view || forgotten, "an accepted job is there after a restart");
    }
  }

  void obey(const effects& consequences) {
    for (const auto& e : consequences) {
      if (const auto* g = std::get_if<assign_attempt>(&e)) {
        fuzz::require(given_.insert({g->worker, g->message.attempt}).second,
                      "an attempt is given once");
        fuzz::require(ever_.insert(g->message.attempt).second, "an attempt's number only grows");
        fuzz::require(!ended_.contains(g->message.attempt.job.str()),
                      "no attempt starts after the end");
        check_remote(*g);
      } else if (const auto* m = std::get_if<moved>(&e); m != nullptr && is_final(m->view.state)) {
        fuzz::require(ended_.insert({m->view.id.str(), m->view}).second, "a job ends once");
      } else if (const auto* o = std::get_if<deliver_result>(&e)) {
        const auto& id = o->view.id.str();
        fuzz::require(!o->origin.empty() && ended_.contains(id),
                      "only results of ended jobs are delivered");
        fuzz::require(!stopped_.contains(id),
                      "a result of a job that its platform stopped is not delivered");
        fuzz::require(o->number >= 1 && o->left.count() >= 0, "tries and times are counted");
        undelivered_.insert(id);
      } else if (const auto* n = std::get_if<notify>(&e)) {
        fuzz::require(table_->origin_of(n->view.id) == nullptr, "platforms have no webhooks");
        fuzz::require(n->number >= 1 && n->number <= limits_.hook_tries,
                      "a webhook is tried no more often than allowed");
      }
    }
  }

  void check_remote(const assign_attempt& g) {
    if (g.worker.node != pull_node) {
      return;
    }
    const auto number = g.worker.slot.value;
    fuzz::require(table_->held(g.worker.place()) <= asks_[number].capacity,
                  "a remote worker is given what it asks for");
    fuzz::require(g.hand_over == asks_[number].hand_overs + 1,
                  "a remote worker is given nothing before it has heard of what it was given");
    const auto job = table_->inspect(now_, g.message.attempt.job);
    fuzz::require(!job || job->endpoint == (number == 0 ? "e0" : "e1"),
                  "a remote worker is given jobs of its endpoint");
  }

  void check() {
    for (const auto& id : undelivered_) {
      fuzz::require(table_->find(now_, job_id{id}).has_value() &&
                        table_->webhook_is_pending(job_id{id}),
                    "an undelivered result stays");
    }
    const auto broken = table_->audit();
    for (const auto& words : broken) {
      std::fprintf(stderr, "%s\n", words.c_str());
    }
    fuzz::require(broken.empty(), "the audit is clean");
    for (const auto& [id, view] : ended_) {
      const auto now = table_->find(now_, job_id{id});
      fuzz::require(!now || (now->state == view.state && now->output == view.output &&
                             now->attempts == view.attempts),
                    "what ended stays as it is");
    }
  }

  fuzz::choices& in_;
  job_limits limits_;
  std::unique_ptr<job_table> table_;
  tayfa::testing::perfect_store disk_;
  moment now_{std::chrono::hours{1}};
  std::size_t ids_ = 0;
  std::array<worker_ref, slots> latest_ = {};
  std::set<std::pair<worker_ref, attempt_ref>> given_;
  std::set<attempt_ref> ever_;
  std::map<std::string, job_view> ended_;
  struct asking {
    std::uint64_t incarnation = 0;
    std::uint32_t capacity = 0;
    std::uint64_t hand_overs = 0; ///< received by it
  };
  std::array<asking, remotes> asks_ = {};
  std::uint64_t incarnations_ = 0;
  std::set<std::string> undelivered_; ///< to platforms
  std::set<std::string> stopped_;     ///< by their platforms, and not given again since
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  fuzz::choices in{bytes, std::min<std::size_t>(size, 2048)};
  session s{in};
  while (in.more()) {
    s.step();
  }
  return 0;
}
