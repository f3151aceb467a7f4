// Random commands against the naive model: every order, every view, every count and the next
// deadline must agree, and the table's own audit must be clean, after each of 100 000 steps; with a
// store below that now and then refuses, and restarts of the runtime. A failure prints its seed.
//
// TAYFA_MODEL_SEEDS and TAYFA_MODEL_STEPS set how many seeds, and how many steps of each.
#include "tests/unit/core/job_draws.hpp"
#include "tests/unit/core/job_model_words.hpp"
#include "tests/unit/core/job_script.hpp"
#include "tests/unit/core/model_size.hpp"
#include "tests/unit/core/perfect_store.hpp"

#include <functional>
#include <memory>
#include <set>

namespace tayfa::testing {
namespace {

class pair_of_tables : job_draws {
 public:
  std::set<std::string_view> seen;

  explicit pair_of_tables(std::uint64_t seed)
      : job_draws(seed), real_(std::make_unique<job_table>(limits_)) {
    know_models();
  }

  void step() {
    switch (below(28)) {
    case 0:
    case 1:
    case 2:
    case 3: submit(); break;
    case 4: cancel(); break;
    case 5: read(); break;
    case 6: retry(); break;
    case 7: join(); break;
    case 8: chance(2) ? lose() : join(); break;
    case 9:
    case 10: report(); break;
    case 11:
    case 12:
    case 13:
    case 14: finish(); break;
    case 15: chance(8) ? drain() : start(); break;
    case 16: now_ += milliseconds{below(chance(60) ? 900'000 : (chance(4) ? 8'000 : 300))}; break;
    case 17:
    case 18:
      same(
          real_->expire(now_), [&] { return model_.expire(now_); }, "expire");
      break;
    case 19: notified(); break;
    case 20: drop(); break;
    case 21:
    case 22: store(); break;
    case 23: rarely(); break;
    case 24: give_again(); break;
    case 25:
    case 26: posted(); break;
    case 27: chance(3) ? keep() : lose_posts(); break;
    }
    compare();
  }

 private:
  void know_models() {
    std::vector<model_facts> facts;
    for (const auto& m : models_) {
      facts.push_back({m, 0, 0});
    }
    real_->models_known(now_, facts);
  }

  void submit() {
    auto r = any_request();
    if (!asked_.empty() && chance(6)) { // the same again, as a client does that saw no answer
      r = asked_[below(asked_.size())];
    } else if (!r.policy.idempotency_key.empty()) {
      asked_.push_back(r);
    }
    const auto id = id_to_submit();
    if (r.origin.empty() && chance(4)) {
      r.origin = "p-" + id;
      r.policy.idempotency_key.clear(); // its id is the key
    }
    submit(id, r);
  }
  void submit(const std::string& id, const job_request& r) {
    const bool watch = chance(2);
    const auto done = real_->submit(now_, job_id{id}, r, watch);
    const auto orders = done ? text_of(done->then) : "";
    const auto words = !done ? std::string{to_string(done.error().code)}
                       : done->fresh
                           ? orders
                           : "again " + done->view.id.str() + (orders.empty() ? "" : "; " + orders);
    same(
        words, done ? done->then : effects{}, [&] { return model_.submit(now_, id, r, watch); },
        "submit");
  }
  /// A job that is known to its platform, or was.
  void give_again() {
    const auto id = known_id();
    auto r = any_request();
    for (const auto& j : model_.jobs()) {
      r = j.id == id ? j.request : r;
    }
    if (r.origin.empty()) {
      r.origin = "p-" + id;
    }
    r.policy.idempotency_key.clear();
    const auto before = real_->inspect(now_, job_id{id});
    const bool was_undelivered = real_->webhook_is_pending(job_id{id});
    submit(id, r);
    const auto after = real_->inspect(now_, job_id{id});
    see(before && after && after->lives > before->lives ? "lives again" : "");
    see(before && !was_undelivered && real_->webhook_is_pending(job_id{id}) ? "told again" : "");
  }
  void posted() {
    auto id = known_id();
    for (const auto& j : model_.jobs()) {
      id = j.undelivered && chance(2) ? j.id : id;
    }
    const bool settled = chance(4);
    const auto pause = milliseconds{below(chance(6) ? 2'000'000 : 2'000)};
    const bool before = real_->webhook_is_pending(job_id{id});
    EXPECT_TRUE(real_->posted(now_, job_id{id}, settled, pause).empty());
    model_.posted(now_, id, settled, pause);
    see(before && !real_->webhook_is_pending(job_id{id}) ? (settled ? "settled" : "given up") : "");
  }
  void lose_posts() {
    if (chance(3)) {
      EXPECT_TRUE(real_->posts_lost(now_).empty());
      model_.posts_lost();
    }
  }
  void keep() {
    const auto id = known_id();
    const auto time = milliseconds{below(120'000)};
    real_->keep(now_, job_id{id}, time);
    model_.keep(now_, id, time);
  }
  template <class Done>
  void same_answer(const Done& done, const std::function<std::string()>& model,
                   const char* command) {
    same(done ? text_of(done->second) : std::string{to_string(done.error().code)},
         done ? done->second : effects{}, model, command);
  }
  void cancel() {
    const auto id = known_id();
    const bool by_origin = chance(2);
    same_answer(
        real_->cancel(now_, job_id{id}, by_origin),
        [&] { return model_.cancel(now_, id, by_origin); }, "cancel");
  }
  void retry() {
    const auto id = known_id();
    const auto done = real_->retry(now_, job_id{id});
    see(done ? "retried" : "");
    same_answer(
        done, [&] { return model_.retry(now_, id); }, "retry");
  }
  void drop() {
    const auto id = known_id();
    const auto done = real_->drop(now_, job_id{id});
    same(
        done ? "" : std::string{to_string(done.error().code)}, {},
        [&] { return model_.drop(now_, id); }, "drop");
  }
  void notified() {
    const auto id = known_id();
    const bool delivered = chance(3);
    const auto call = real_->hook_call(job_id{id});
    const auto how = delivered ? hook_answer::delivered : hook_answer::failed;
    EXPECT_TRUE(real_->notified(now_, job_id{id}, call, how).empty());
    model_.notified(now_, id, delivered);
  }
  void read() {
    const auto id = known_id();
    const auto done = real_->read_stream(now_, job_id{id});
    std::string text = done ? "" : std::string{to_string(done.error().code)};
    std::uint64_t last = 0;
    if (done) {
      for (const auto& c : done->chunks) {
        text += c.view();
      }
      last = done->last;
    }
    same(
        text, {}, [&] { return model_.read_stream(now_, id); }, "read_stream");
    if (done) {
      under_way_.emplace_back(id, last);
    }
    // Answers reach their readers late, in any order, or never.
    while (!under_way_.empty() && chance(2)) {
      const auto place = below(under_way_.size());
      const auto answer = under_way_[place];
      under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(place));
      if (chance(4)) {
        continue; // lost
      }
      real_->chunks_received(job_id{answer.first}, answer.second);
      model_.received(answer.first, answer.second);
    }
  }
  void join() {
    auto w = any_worker();
    if (chance(2)) {
      w.incarnation = ++incarnations_[index_of(w.place())];
    }
    auto& latest = incarnations_[index_of(w.place())];
    latest = std::max(latest, w.incarnation);
    auto f = any_facts(w.place());
    f.hand_overs =
        real_->hand_overs(w.place()) - (chance(4) ? 1 : 0); // it may not have received the
                                                            // latest
    same(
        real_->worker_joined(now_, w, f), [&] { return model_.joined(now_, w, f); }, "join");
  }
  void lose() {
    const auto slot = place_at(below(slots + 1));
    const auto why = one_of({errc::engine_crash, errc::engine_hang, errc::engine_protocol,
                             errc::not_ready, errc::unavailable, errc::stopping});
    const bool from_outside = chance(25);
    if (chance(20)) {
      same(
          real_->lose_all_workers(now_, error{why, {}}), [&] { return model_.lost_all(now_, why); },
          "lost all");
    } else {
      same(
          real_->worker_lost(now_, slot, error{why, {}}, from_outside),
          [&] { return model_.lost(now_, slot, why, from_outside); }, "lost");
    }
  }
  void drain() {
    const auto w = any_worker();
    same(
        real_->worker_draining(now_, w), [&] { return model_.draining(now_, w); }, "drain");
  }
  void start() {
    const auto [w, a] = any_attempt();
    same(
        real_->started(now_, w, protocol::started{a}),
        [&, w = w, a = a] { return model_.started(now_, w, a); }, "started");
  }
  void report() {
    const auto [w, a] = any_attempt();
    const auto sequence = static_cast<std::uint32_t>(below(12));
    const shared_text payload{std::to_string(random_.next() % 1000)};
    if (chance(3)) {
      same(
          real_->renewed(now_, w, a), [&, w = w, a = a] { return model_.renewed(now_, w, a); },
          "renewed");
    } else if (chance(2)) {
      const protocol::progress p{a, sequence, payload};
      same(
          real_->progressed(now_, w, p), [&, w = w] { return model_.progressed(now_, w, p); },
          "progress");
    } else {
      const protocol::partial p{a, sequence, payload};
      same(
          real_->streamed(now_, w, p), [&, w = w] { return model_.streamed(now_, w, p); },
          "partial");
    }
  }
  void finish() {
    const auto [w, a] = any_attempt();
    protocol::finished f;
    f.attempt = a;
    f.how = chance(3) ? protocol::outcome::completed : static_cast<protocol::outcome>(below(3));
    if (f.how == protocol::outcome::failed) {
      f.code = chance(2) ? static_cast<std::uint16_t>(
                               one_of({errc::gpu_oom, errc::not_ready, errc::unavailable}))
                         : static_cast<std::uint16_t>(below(80));
    }
    f.output = shared_text{std::to_string(below(1000))};
    f.refresh_worker = chance(6);
    same(
        real_->finished(now_, w, f), [&, w = w] { return model_.finished(now_, w, f); },
        "finished");
  }

  // ---- the store below
  void store() {
    if (!in_flight_) {
      in_flight_ = real_->take_changes();
      model_.batch_taken();
      return;
    }
    const auto batch = *std::exchange(in_flight_, std::nullopt);
    if (chance(6)) {
      refuse();
      return;
    }
    disk_.apply(batch);
    real_->committed();
    model_.batch_over(true);
    for (const auto& [order, row] : disk_.by_order()) {
      model_.stored(order);
    }
  }
  void refuse() {
    const auto fresh = real_->not_committed();
    model_.batch_over(false);
    see(fresh.empty() ? "" : "withdrawn");
    same(
        real_->withdraw(now_, fresh), [&] { return model_.withdraw(now_, fresh); }, "withdraw");
  }
  void restart() {
    while (in_flight_ || real_->has_changes()) {
      store();
    }
    see("restarted");
    under_way_.clear();
    const auto before = std::exchange(real_, std::make_unique<job_table>(limits_));
    know_models();
    same(
        real_->restore(now_, disk_.rows(), disk_.last_order()),
        [&] { return model_.restart(now_); }, "restore");
  }
  void rarely() {
    if (chance(60)) {
      real_->stop_taking();
      model_.stop_taking();
    } else if (chance(60)) {
      same(
          real_->hand_back(now_), [&] { return model_.hand_back(now_); }, "hand_back");
    } else if (chance(20) && !model_.paced()) { // else in steps: job_table_steps_test
      same(
          real_->purge(now_).second, [&] { return model_.purge(now_); }, "purge");
    } else if (chance(20) || (model_.stopping() && chance(5))) {
      restart();
    }
  }

  // ---- comparing
  void see(std::string_view text) {
    for (const auto word : words_to_see) {
      if (text.find(word) != std::string::npos) {
        seen.insert(word);
      }
    }
  }
  void same(const std::string& real, const effects& done, const std::function<std::string()>& model,
            const char* command) {
    model_.hint(done);
    EXPECT_EQ(real, model()) << "after " << command;
    see(real);
  }
  void same(const effects& done, const std::function<std::string()>& model, const char* command) {
    same(text_of(done), done, model, command);
  }
  void same(const job_table::report_result& r, const std::function<std::string()>& model,
            const char* command) {
    const auto orders = text_of(r.consequences);
    same(r.current ? orders : "stale" + (orders.empty() ? "" : "; " + orders), r.consequences,
         model, command);
  }

  void compare() {
    for (const auto& rule : real_->audit()) {
      ADD_FAILURE() << rule;
    }
    const auto next = real_->next_deadline();
    const auto expected = model_.next_deadline();
    // A batch engine that is reserved for a job makes the table look again at a learned time.
    // So does a job that waits for an engine of this pod while a remote worker has room for others.
    const bool learned = batches_ || model_.has_remote();
    EXPECT_TRUE(learned ? !expected || (next && *next <= *expected) : next == expected);
    EXPECT_EQ(real_->undelivered(), model_.undelivered());
    EXPECT_EQ(real_->origins().size(), model_.live_of_platforms());
    EXPECT_EQ(real_->local_capacity(), model_.local_capacity());
    const auto a = real_->counts();
    const auto b = model_.counts();
    EXPECT_EQ(std::tie(a.completed, a.failed, a.cancelled, a.timed_out, a.dead, a.kept),
              std::tie(b.completed, b.failed, b.cancelled, b.timed_out, b.dead, b.kept));
    EXPECT_EQ(std::tie(a.retried, a.stale, a.in_queue, a.in_progress),
              std::tie(b.retried, b.stale, b.in_queue, b.in_progress));
    EXPECT_EQ(real_->running(), a.in_progress);
    for (std::size_t i = 0; i < slots; ++i) {
      EXPECT_EQ(real_->held(place_at(i)), model_.held(place_at(i)));
    }
    const auto listed = real_->list(now_, {});
    auto line = listed.jobs.rbegin();
    for (const auto& j : model_.jobs()) {
      const auto found = real_->inspect(now_, job_id{j.id});
      ASSERT_EQ(found.has_value(), model_.kept(now_, j)) << j.id;
      if (!found) {
        continue;
      }
      ASSERT_TRUE(line != listed.jobs.rend());
      EXPECT_EQ((line++)->id.str(), j.id);
      compare(*found, j);
    }
    EXPECT_TRUE(line == listed.jobs.rend());
  }
  void compare(const job_detail& found, const job_model::job& j) {
    const auto& v = found.view;
    EXPECT_EQ(v.state, j.state) << j.id;
    EXPECT_EQ(v.attempts, j.attempts) << j.id;
    EXPECT_EQ(v.output.view(), j.output) << j.id;
    EXPECT_EQ(v.failure.has_value(), j.failure.has_value()) << j.id;
    EXPECT_EQ(v.failure.value_or(error{}).code, j.failure.value_or(errc::internal)) << j.id;
    EXPECT_TRUE(j.delay_unsure || v.delay == j.delay) << j.id;
    EXPECT_EQ(v.execution, j.execution) << j.id;
    if (!batches_) {
      EXPECT_TRUE(model_.may_wait_for(j, v.why)) << j.id << " " << to_string(v.why);
    }
    see("as " + std::string{to_string(v.why)});
    EXPECT_EQ(found.input_bytes, j.input_bytes) << j.id;
    EXPECT_EQ(found.dead, j.dead) << j.id;
    EXPECT_EQ(real_->webhook_is_pending(job_id{j.id}), j.hook_open) << j.id;
    EXPECT_EQ(found.lives, j.lives) << j.id;
    EXPECT_EQ(found.age, std::chrono::duration_cast<milliseconds>(now_ - j.submitted)) << j.id;
    ASSERT_EQ(found.history.size(), j.history.size()) << j.id;
    for (std::size_t i = 0; i < j.history.size(); ++i) {
      const auto& h = found.history[i];
      EXPECT_EQ(h.number, j.history[i].first) << j.id;
      EXPECT_EQ(h.failure ? std::optional{h.failure->code} : std::nullopt, j.history[i].second)
          << j.id;
      see(h.failure ? "by " + std::string{to_string(h.failure->code)} : "");
    }
  }

  std::unique_ptr<job_table> real_;
  perfect_store disk_;
  std::optional<store::batch> in_flight_;
  std::vector<job_request> asked_;
  /// Answers with chunks that have not reached their readers: the job, and the last chunk.
  std::vector<std::pair<std::string, std::uint64_t>> under_way_;
};

TEST(job_table_model, agrees_with_the_naive_table) {
  std::set<std::string_view> seen;
  const auto size = model_size(200, 500);
  for (std::uint64_t seed = 1; seed <= size.seeds && !HasFailure(); ++seed) {
    pair_of_tables both{seed};
    for (std::uint64_t i = 0; i < size.steps && !HasFailure(); ++i) {
      SCOPED_TRACE("seed=" + std::to_string(seed) + " step=" + std::to_string(i));
      both.step();
    }
    seen.merge(both.seen);
  }
  for (const auto word : words_to_see) {
    EXPECT_TRUE(seen.contains(word)) << "never saw " << word;
  }
}

} // namespace
} // namespace tayfa::testing
