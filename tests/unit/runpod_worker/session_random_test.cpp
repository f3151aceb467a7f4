// A random platform, a random queue and a random pod around one session, against its promises. A
// failure names its seed and step.
//
// TAYFA_MODEL_SEEDS and TAYFA_MODEL_STEPS set how many seeds, and how many steps of each.
#include "runtime/base/random.hpp"
#include "runtime/runpod_worker/session.hpp"
#include "tests/unit/core/model_size.hpp"
#include "tests/unit/runpod_worker/samples.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>

namespace tayfa::runpod::testing {
namespace {

using namespace std::chrono_literals;

/// The session's surroundings, and checks of what it must not do.
class random_surroundings {
 public:
  explicit random_surroundings(std::uint64_t seed) : random_(seed), options_(options()) {
    carry_out(tested_.slots_ready(now_, 4));
  }

  void step() {
    switch (below(12)) {
    case 0: pass(milliseconds{below(200)}); break;
    case 1: pass(milliseconds{below(100'000)}); break;
    case 2: pod(); break;
    case 3:
    case 4: answer_take(); break;
    case 5: answer_submit(); break;
    case 6: run(); break;
    case 7: end_one(); break;
    case 8:
    case 9: answer_post(true); break;
    case 10: stops(); break;
    default: queue_restarts(); break;
    }
    promises();
  }

  /// Everything is answered: nothing may be left.
  void finish() {
    seen_["finished"]++;
    if (!queue_answered_) {
      answer_queue();
    }
    if (!draining_) {
      drain();
    }
    for (int i = 0; i < 1'000 && (take_open_ || !submits_.empty() || !live_.empty() ||
                                  !posts_.empty() || tested_.next_deadline());
         ++i) {
      answer_take();
      answer_submit();
      end_one();
      answer_post(false);
      answer_cancels();
      pass(40s);
      promises();
    }
    want(drained_ == 1, "it is drained once, at the end");
    want(undelivered_.empty(), "every result that was delivered is settled");
    want(!tested_.next_deadline(), "no deadline is left");
    carry_out(tested_.ping_due());
    want(last_ping_.find("job_id") == std::string::npos, "no job is left: " + last_ping_);
  }

  std::string broken;
  std::map<std::string, std::size_t> seen_;

 private:
  struct job {
    std::string name;
    std::uint32_t chunks = 0;
  };
  struct posting {
    std::string job;
    bool is_result = false;
  };

  session_options options() {
    session_options o;
    o.endpoint = "ep1";
    o.concurrency = below(2) == 0 ? 0 : 3;
    o.posts.aggregate_stream = below(2) == 0;
    return o;
  }
  std::size_t places() const { return options_.concurrency > 0 ? options_.concurrency : 4; }
  void want(bool holds, const std::string& promise) {
    if (!holds && broken.empty()) {
      broken = promise;
    }
  }
  void promises() {
    const auto next = tested_.next_deadline();
    want(!next || *next >= now_, "a deadline lies ahead");
  }

  // ---- the session's effects -------------------------------------------------------------------
  void carry_out(const effects& all) {
    for (const auto& each : all) {
      std::visit([this](const auto& one) { on(one); }, each);
    }
  }
  void on(const open_take& m) {
    const auto used = live_.size() + submits_.size();
    const auto at = m.call.url.find("batch_size=");
    const auto wanted = at == std::string::npos
                            ? std::size_t{1}
                            : std::stoul(m.call.url.substr(at + std::string{"batch_size="}.size()));
    want(!take_open_, "one take at a time");
    want(serving_ && queue_answered_ && !draining_, "no take but by a serving pod with a queue");
    want(wanted + used <= places(), "no more than the free places");
    want(now_ >= take_not_before_, "a failed take has its pause");
    take_open_ = true;
    take_number_ = m.number;
    wanted_ = wanted;
    take_due_ = now_ + options_.take_timeout;
    seen_["take"]++;
  }
  void on(const drop_take&) {
    want(take_open_ && !dropped_, "the open take is dropped, once");
    want(draining_ || now_ >= take_due_, "a take is held for its time");
    dropped_ = true;
    seen_["take dropped"]++;
  }
  void on(const open_stop_poll& m) {
    want(!stop_open_, "one stop poll at a time");
    want(queue_answered_, "stops are asked for once the jobs are known");
    stop_open_ = true;
    stop_number_ = m.number;
  }
  void on(const submit_job& m) {
    want(queue_answered_, "nothing is submitted to a queue that has not answered");
    want(!submits_.contains(m.id) && !live_.contains(m.id), "a job is submitted once");
    submits_[m.id].name = m.request.origin;
    brought_.erase(m.request.origin);
    seen_["submitted"]++;
  }
  void on(const cancel_job& m) {
    want(live_.contains(m.id) || submits_.contains(m.id), "what is cancelled is here");
    cancels_.push_back(m.id);
  }
  void on(const send_post& m) {
    const bool to_stream = m.call.url.find("/job-stream/") != std::string::npos;
    want(!posts_.contains(m.number), "one post of a job at a time");
    const auto from = m.call.url.find("/w1/") + 4;
    const auto name = m.call.url.substr(from, m.call.url.find('?') - from);
    const bool is_result = !to_stream && m.call.body.find("IN_PROGRESS") == std::string::npos;
    want(!over_.contains(name), "nothing is posted of a job that the platform stopped");
    if (const auto it = not_before_.find(m.number); it != not_before_.end()) {
      want(now_ >= it->second, "a failed post has its pause");
      not_before_.erase(it);
    }
    if (to_stream && m.call.body.find("error") == std::string::npos) {
      const auto number = std::stoul(m.call.body.substr(m.call.body.find(':') + 1));
      auto& last = last_chunk_[m.number];
      want(number >= last, "chunks leave in order");
      last = number;
    }
    want(!ended_.contains(m.number) || is_result, "nothing follows the result");
    if (is_result) {
      ended_.insert(m.number);
    }
    posts_[m.number] = {name, is_result};
  }
  void on(const send_ping& m) { last_ping_ = m.call.url; }
  void on(const result_posted& m) {
    want(undelivered_.contains(m.id), "a result is settled once");
    seen_[m.how == delivery::delivered ? "delivered"
          : m.how == delivery::again   ? "again"
                                       : "given up"]++;
    if (m.how == delivery::again) {
      redeliver_.push_back(undelivered_.at(m.id));
    }
    undelivered_.erase(m.id);
  }
  void on(const ask_origin_jobs&) { queue_answered_ = false; }
  void on(const origin_drained&) {
    ++drained_;
    want(draining_ && !take_open_ && submits_.empty(), "drained: no take, and all are submitted");
  }
  void on(const stop_pod&) { want(false, "the pod goes on"); }
  void on(const log_line& m) {
    seen_[m.event]++;
    if (m.job && (std::string_view{m.event} == "job_given_twice" ||
                  std::string_view{m.event} == "job_stopped" ||
                  std::string_view{m.event} == "job_refused")) {
      brought_.erase(m.job->str());
    }
  }
  void on(const count&) {}

  // ---- the pod ----------------------------------------------------------------------------------
  void pass(milliseconds span) {
    const auto until = now_ + span;
    for (int i = 0; i < 100; ++i) {
      const auto next = tested_.next_deadline();
      if (!next || *next > until) {
        break;
      }
      now_ = std::max(now_, *next);
      carry_out(tested_.expire(now_));
      const auto later = tested_.next_deadline();
      want(!later || *later > now_, "time alone does not repeat an effect");
    }
    now_ = until;
  }
  void pod() {
    if (below(40) == 0) {
      drain();
      return;
    }
    serving_ = below(4) > 0;
    carry_out(tested_.pod_moved(now_, serving_));
  }
  void drain() {
    if (!draining_) {
      draining_ = true;
      carry_out(tested_.drain());
    }
  }
  void queue_restarts() {
    if (!queue_answered_) {
      answer_queue();
      return;
    }
    if (below(10) > 0 && started_) {
      return;
    }
    seen_[started_ ? "queue restarted" : "queue started"]++;
    started_ = true;
    cancels_.clear();
    while (!submits_.empty()) {
      const auto node = submits_.extract(submits_.begin());
      if (below(2) == 0 && !is_known(node.key())) {
        live_.emplace(node.key(), node.mapped()); // it was committed
      }
      carry_out(tested_.submit_lost(node.key()));
    }
    carry_out(tested_.queue_started());
  }
  void answer_queue() {
    queue_answered_ = true;
    origin_jobs all;
    for (const auto& [id, one] : live_) {
      all.live.emplace_back(id, one.name);
    }
    carry_out(tested_.queue_answered(now_, all));
    carry_out(tested_.took(now_, {}));
  }

  // ---- the platform -----------------------------------------------------------------------------
  void answer_take() {
    if (!take_open_ || !queue_answered_) {
      return; // the owner of the session keeps answers until then
    }
    take_open_ = false;
    std::deque<take_answer> all;
    all.push_back({take_number_, take_answer_now()});
    carry_out(tested_.took(now_, std::move(all)));
    want(brought_.empty(), "every job that came is accounted for");
  }
  result<outgoing_answer> take_answer_now() {
    const bool was_dropped = std::exchange(dropped_, false);
    take_not_before_ = now_;
    switch (was_dropped ? below(2) : 2 + below(5)) {
    case 0: return fail(errc::cancelled, "dropped");
    case 2: return samples::answer(204, "");
    case 3: take_not_before_ = now_ + 100ms; return fail(errc::io_error, "reset");
    case 4: take_not_before_ = now_ + 3s; return samples::answer_after(429, "3");
    default: break;
    }
    std::string body = "[";
    for (std::size_t i = 0; i < 1 + below(wanted_); ++i) {
      // Sometimes a job that was given before, or one without input.
      const bool known = names_ > 0 && below(4) == 0;
      const auto name = "j" + std::to_string(known ? recent() : names_++);
      over_.erase(name);
      const auto* input = below(16) == 0 ? "" : R"(,"input":1)";
      body += (body.size() > 1 ? "," : "") + std::string{R"({"id":")"} + name + '"' + input + "}";
      brought_.insert(name);
    }
    return samples::answer(200, body + "]");
  }
  void stops() {
    answer_cancels();
    if (!stop_open_) {
      return;
    }
    stop_open_ = false;
    std::string body = R"({"jobsToStop":[)";
    if (names_ > 0) {
      body += "\"j" + std::to_string(recent()) + '"';
    }
    carry_out(tested_.stops_answered(now_, stop_number_, samples::answer(200, body + "]}")));
  }
  void answer_post(bool with_faults) {
    if (posts_.empty()) {
      return;
    }
    auto it = posts_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(below(posts_.size())));
    const auto number = it->first;
    posts_.erase(it);
    static constexpr unsigned statuses[] = {200, 200, 200, 503, 413, 404};
    const auto status = statuses[with_faults ? below(6) : 0];
    if (status == 503) {
      not_before_[number] = now_ + 500ms;
    }
    carry_out(tested_.posted(now_, number, samples::answer(status, "")));
  }

  // ---- the queue --------------------------------------------------------------------------------
  void answer_submit() {
    if (submits_.empty()) {
      return;
    }
    const auto node = submits_.extract(submits_.begin());
    job_view v;
    v.id = node.key();
    const auto kind = is_known(v.id) ? 1 : below(8);
    if (kind == 0) {
      carry_out(tested_.submitted(now_, v.id, node.mapped().name,
                                  job_answer{fail(errc::queue_full, "no room")}));
      return;
    }
    v.state = kind == 1 ? job_state::COMPLETED : job_state::IN_PROGRESS;
    if (kind > 1) {
      live_.emplace(v.id, node.mapped());
    }
    carry_out(tested_.submitted(now_, v.id, node.mapped().name, job_answer{v}));
  }
  std::uint64_t below(std::uint64_t most) { return random_.next() % most; }
  /// A random job among the latest.
  std::size_t recent() { return names_ - 1 - below(std::min<std::size_t>(names_, 8)); }
  /// Its result is not delivered yet: the queue has it, and does not take it again.
  bool is_known(const job_id& id) const {
    return undelivered_.contains(id) ||
           std::any_of(redeliver_.begin(), redeliver_.end(),
                       [&id](const auto& m) { return m.view.id == id; });
  }
  void run() {
    if (live_.empty()) {
      return;
    }
    auto& [id, one] = *std::next(live_.begin(), static_cast<std::ptrdiff_t>(below(live_.size())));
    const bool is_chunk = below(3) > 0;
    carry_out(
        tested_.progress({id, one.name, is_chunk, shared_text{std::to_string(++one.chunks)}}));
  }
  void end_one() {
    if (!queue_answered_) {
      return;
    }
    deliver_result m;
    if (!redeliver_.empty()) {
      m = redeliver_.back();
      redeliver_.pop_back();
    } else if (!live_.empty()) {
      const auto node = live_.extract(live_.begin());
      std::erase(cancels_, node.key());
      m.origin = node.mapped().name;
      m.view.id = node.key();
      m.view.state = below(3) == 0 ? job_state::FAILED : job_state::COMPLETED;
      m.view.output = shared_text{"1"};
    } else {
      return;
    }
    undelivered_[m.view.id] = m;
    carry_out(tested_.deliver(now_, m));
  }
  void answer_cancels() {
    while (!cancels_.empty()) {
      const auto id = cancels_.back();
      cancels_.pop_back();
      job_view v;
      v.id = id;
      v.state = live_.contains(id) ? job_state::CANCELLED : job_state::IN_QUEUE;
      if (const auto node = live_.extract(id); !node.empty()) {
        over_.insert(node.mapped().name);
        seen_["cancelled"]++;
      }
      carry_out(tested_.cancelled(now_, id, job_answer{v}));
    }
  }

  seeded_random random_;
  moment now_{1h};
  session_options options_;
  session tested_{samples::settings_of(samples::environment()), options_};

  bool serving_ = false, draining_ = false, queue_answered_ = false, started_ = false;
  std::uint32_t drained_ = 0;
  bool take_open_ = false, dropped_ = false, stop_open_ = false;
  std::uint64_t take_number_ = 0, stop_number_ = 0;
  std::size_t wanted_ = 1;
  moment take_due_, take_not_before_;
  std::size_t names_ = 0;
  std::string last_ping_;
  std::set<std::string> brought_, over_;
  std::map<job_id, job> submits_, live_;
  std::vector<job_id> cancels_;
  std::map<job_id, deliver_result> undelivered_;
  std::vector<deliver_result> redeliver_;
  std::map<std::uint64_t, posting> posts_;
  std::map<std::uint64_t, moment> not_before_;
  std::map<std::uint64_t, std::size_t> last_chunk_;
  std::set<std::uint64_t> ended_;
};

TEST(runpod_session, keeps_its_promises_in_random_surroundings) {
  const tayfa::testing::model_size size{60, 2'000};
  std::map<std::string, std::size_t> seen;
  for (std::uint64_t seed = 1; seed <= size.seeds; ++seed) {
    random_surroundings around{seed};
    for (std::uint64_t i = 0; i < size.steps; ++i) {
      around.step();
      ASSERT_EQ(around.broken, "") << "seed " << seed << ", step " << i;
    }
    around.finish();
    ASSERT_EQ(around.broken, "") << "seed " << seed << ", at the end";
    for (const auto& [what, times] : around.seen_) {
      seen[what] += times;
    }
  }
  for (const auto* what :
       {"take", "take dropped", "submitted", "job_given_twice", "job_stopped", "job_refused",
        "cancelled", "delivered", "again", "given up", "result_replaced", "post_given_up",
        "queue started", "queue restarted", "finished"}) {
    EXPECT_GT(seen[what], 0U) << what;
  }
}

} // namespace
} // namespace tayfa::runpod::testing
