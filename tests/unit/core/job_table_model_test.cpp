// Random commands against the naive model: every order, every view, every count and the next
// deadline must agree, and the table's own audit must be clean, after each of 100 000 steps. A
// failure prints its seed.
#include "tests/unit/core/job_model.hpp"
#include "tests/unit/core/job_script.hpp"

namespace tayfa::testing {
namespace {

using std::chrono::seconds;

/// What the random commands must have led to at least once, or they test less than they seem to.
constexpr std::string_view words_to_see[] = {"assigned",           "attempt_lost",
                                             "finished",           "job_error",
                                             "attempts_exhausted", "cancel_requested",
                                             "ttl_expired",        "revoke",
                                             "execution_timeout",  "queue_full",
                                             "stopping",           "bad_request",
                                             "job_not_found",      "stale;"};

class pair_of_tables {
 public:
  std::set<std::string_view> seen;

  explicit pair_of_tables(std::uint64_t seed)
      : random_(seed), limits_(make_limits()), real_(limits_), model_(limits_) {}

  void step() {
    switch (below(16)) {
    case 0:
    case 1:
    case 2: submit(); break;
    case 3: cancel(); break;
    case 4: read(); break;
    case 5: join(); break;
    case 6: lose(); break;
    case 7:
    case 8: report(); break;
    case 9:
    case 10:
    case 11: finish(); break;
    case 12: chance(8) ? drain() : start(); break;
    case 13: now_ += milliseconds{below(8'000)}; break;
    case 14: same(text_of(real_.expire(now_)), model_.expire(now_), "expire"); break;
    case 15: rarely(); break;
    }
    compare();
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }

  job_limits make_limits() {
    job_limits limits;
    limits.queue_max = 1 + below(12);
    limits.max_attempts = static_cast<std::uint32_t>(1 + below(4));
    limits.execution_timeout = seconds{5 + below(30)};
    limits.ttl = seconds{10 + below(60)};
    limits.keep_async = seconds{1 + below(60)};
    limits.keep_sync = seconds{below(20)};
    limits.chunks_max = 1 + below(4);
    return limits;
  }

  /// One of the latest ids, which may have been forgotten, or one not used yet.
  std::string any_id() {
    return "j" + std::to_string(ids_ - std::min<std::uint64_t>(ids_, below(20)));
  }
  /// A new id, or one that is known; never a forgotten one, as the table's contract asks.
  std::string id_to_submit() {
    const auto& jobs = model_.jobs();
    return jobs.empty() || !chance(10) ? "j" + std::to_string(++ids_) : jobs[below(jobs.size())].id;
  }
  worker_ref any_worker() {
    const auto slot = static_cast<std::uint32_t>(below(4));
    const auto latest = incarnations_[slot];
    return {slot_id{slot}, chance(10) ? below(latest + 2) : latest};
  }
  /// Mostly an attempt that runs, and its holder; sometimes a near miss of it, or nonsense.
  std::pair<worker_ref, attempt_ref> any_attempt() {
    const auto& jobs = model_.jobs();
    if (jobs.empty() || chance(20)) {
      return {any_worker(), {job_id{any_id()}, static_cast<std::uint32_t>(below(4))}};
    }
    const auto* pick = &jobs[below(jobs.size())];
    for (int i = 0; i < 4 && pick->state != job_state::IN_PROGRESS; ++i) {
      pick = &jobs[below(jobs.size())];
    }
    attempt_ref a{job_id{pick->id}, pick->attempts};
    auto w = pick->holder;
    a.number += chance(12) ? 1 : 0;
    a.number -= chance(12) && a.number > 0 ? 1 : 0;
    return {chance(12) ? any_worker() : w, a};
  }

  void submit() {
    job_request r;
    r.input = shared_text{"{}"};
    r.sync = chance(3);
    r.policy.low_priority = chance(3);
    if (chance(3)) {
      r.policy.ttl = seconds{10 + below(30)};
    }
    if (chance(3)) {
      r.policy.execution_timeout = seconds{5 + below(20)};
    }
    const auto id = id_to_submit();
    const bool watch = chance(2);
    const auto done = real_.submit(now_, job_id{id}, r, watch);
    same(done ? text_of(*done) : std::string{to_string(done.error().code)},
         model_.submit(now_, id, r, watch), "submit");
  }
  void cancel() {
    const auto id = any_id();
    const auto done = real_.cancel(now_, job_id{id});
    same(done ? text_of(done->second) : std::string{to_string(done.error().code)},
         model_.cancel(now_, id), "cancel");
  }
  void read() {
    const auto id = any_id();
    const auto done = real_.read_stream(now_, job_id{id});
    std::string text = done ? "" : std::string{to_string(done.error().code)};
    if (done) {
      for (const auto& c : done->second) {
        text += c.view();
      }
    }
    same(text, model_.read_stream(now_, id), "read_stream");
  }
  void join() {
    auto w = any_worker();
    if (chance(2)) {
      w.incarnation = ++incarnations_[w.slot.value];
    }
    incarnations_[w.slot.value] = std::max(incarnations_[w.slot.value], w.incarnation);
    const auto capacity = static_cast<std::uint32_t>(below(4));
    same(text_of(real_.worker_joined(now_, w, capacity)), model_.joined(now_, w, capacity), "join");
  }
  void lose() {
    const slot_id slot{static_cast<std::uint32_t>(below(5))};
    same(text_of(real_.worker_lost(now_, slot, error{errc::engine_crash, {}})),
         model_.lost(now_, slot), "lost");
  }
  void drain() {
    const auto w = any_worker();
    same(text_of(real_.worker_draining(now_, w)), "", "drain");
    model_.draining(w);
  }
  void start() {
    const auto [w, a] = any_attempt();
    same(text_of(real_.started(now_, w, protocol::started{a})), model_.started(now_, w, a),
         "started");
  }
  void report() {
    const auto [w, a] = any_attempt();
    const auto sequence = static_cast<std::uint32_t>(below(12));
    const shared_text payload{std::to_string(random_.next() % 1000)};
    if (chance(2)) {
      const protocol::progress p{a, sequence, payload};
      same(text_of(real_.progressed(now_, w, p)), model_.progressed(w, p), "progress");
    } else {
      const protocol::partial p{a, sequence, payload};
      same(text_of(real_.streamed(now_, w, p)), model_.streamed(w, p), "partial");
    }
  }
  void finish() {
    const auto [w, a] = any_attempt();
    protocol::finished f;
    f.attempt = a;
    f.how = static_cast<protocol::outcome>(below(3));
    f.code = static_cast<std::uint16_t>(below(80));
    f.output = shared_text{std::to_string(below(1000))};
    same(text_of(real_.finished(now_, w, f)), model_.finished(now_, w, f), "finished");
  }
  void rarely() {
    if (chance(80)) {
      real_.stop_taking();
      model_.stop_taking();
    } else if (chance(80)) {
      same(text_of(real_.hand_back(now_)), model_.hand_back(), "hand_back");
    }
  }

  static std::string text_of(const effects& e) { return testing::text_of(e); }
  static std::string text_of(const job_table::report_result& r) {
    const auto orders = testing::text_of(r.consequences);
    return r.current ? orders : "stale" + (orders.empty() ? "" : "; " + orders);
  }
  void same(const std::string& real, const std::string& model, const char* command) {
    EXPECT_EQ(real, model) << "after " << command;
    for (const auto word : words_to_see) {
      if (real.find(word) != std::string::npos) {
        seen.insert(word);
      }
    }
  }

  void compare() {
    for (const auto& rule : real_.audit()) {
      ADD_FAILURE() << rule;
    }
    EXPECT_EQ(real_.next_deadline(), model_.next_deadline());
    const auto a = real_.counts();
    const auto b = model_.counts();
    EXPECT_EQ(std::tie(a.completed, a.failed, a.cancelled, a.timed_out),
              std::tie(b.completed, b.failed, b.cancelled, b.timed_out));
    EXPECT_EQ(std::tie(a.retried, a.stale, a.in_queue, a.in_progress),
              std::tie(b.retried, b.stale, b.in_queue, b.in_progress));
    EXPECT_EQ(real_.running(), a.in_progress);
    for (const auto& j : model_.jobs()) {
      const auto found = real_.find(now_, job_id{j.id});
      ASSERT_EQ(found.has_value(), model_.kept(now_, j)) << j.id;
      if (found) {
        EXPECT_EQ(found->state, j.state) << j.id;
        EXPECT_EQ(found->attempts, j.attempts) << j.id;
        EXPECT_EQ(found->output.view(), j.output) << j.id;
        EXPECT_EQ(found->failure.has_value(), j.failure.has_value()) << j.id;
        EXPECT_EQ(found->failure.value_or(error{}).code, j.failure.value_or(errc::internal))
            << j.id;
      }
    }
  }

  seeded_random random_;
  job_limits limits_;
  job_table real_;
  job_model model_;
  moment now_{std::chrono::hours{1}};
  std::uint64_t ids_ = 0;
  std::uint64_t incarnations_[4] = {1, 1, 1, 1};
};

TEST(job_table_model, agrees_with_the_naive_table) {
  std::set<std::string_view> seen;
  for (std::uint64_t seed = 1; seed <= 200 && !HasFailure(); ++seed) {
    pair_of_tables both{seed};
    for (int i = 0; i < 500 && !HasFailure(); ++i) {
      SCOPED_TRACE("seed=" + std::to_string(seed) + " step=" + std::to_string(i));
      both.step();
    }
    seen.merge(both.seen);
  }
  EXPECT_EQ(seen.size(), std::size(words_to_see));
}

} // namespace
} // namespace tayfa::testing
