// The pool's choice among classes of workers is that of a search through all workers: random pools
// and loads, each decision compared with the linear search that the pool once was.
#include "runtime/base/random.hpp"
#include "tests/unit/core/pool_script.hpp"

#include <cmath>
#include <cstdlib>

namespace tayfa::testing {
namespace {

using ms_double = std::chrono::duration<double, std::milli>;

double ms_of(moment::duration d) {
  return ms_double{d}.count();
}

/// The linear search, from the workers' own state.
class linear_search {
 public:
  linear_search(const pool_script& s, const pool_job& job, double rate, double leavers_rate)
      : s_(s), job_(job), rate_(rate), leavers_rate_(leavers_rate) {
    for (const auto& [place, w] : s.pool.all()) {
      add(w);
    }
    leave_out_last();
    leave_out_fuller();
  }

  struct found {
    const pool_worker* who = nullptr;
    placement::option option;
    bool loads = false;
  };
  std::optional<found> best() const {
    placement::demand d;
    d.waiting = std::max<std::size_t>(s_.lines.waiting_in(job_.group()), 1);
    d.arrivals_per_ms = rate_;
    const auto choice = placement::choose(options_, d);
    if (!choice) {
      return {};
    }
    return found{workers_[choice->index], options_[choice->index], choice->loads};
  }
  static double cost(const placement::option& o) {
    return o.free_in_ms + o.run_ms + (o.loaded ? 0 : o.load_ms + o.evicted_ms);
  }
  const placement::option* option_of(const pool_worker* who) const {
    const auto at = std::find(workers_.begin(), workers_.end(), who);
    return at == workers_.end() ? nullptr
                                : &options_[static_cast<std::size_t>(at - workers_.begin())];
  }
  /// Why the job waits when there is no choice.
  std::string why() const {
    if (!options_.empty()) {
      return "no_memory";
    }
    const auto& all = s_.pool.all();
    const auto* model = s_.pool.models().find(job_.model);
    bool ready = false;
    bool of_its_kind = false;
    bool busy = false;
    for (const auto& [place, w] : all) {
      const auto& f = w.facts;
      const bool there = w.present && !w.draining;
      const bool runs = there && (model == nullptr || f.runs(model->kind));
      ready = ready || there;
      of_its_kind = of_its_kind || runs;
      busy = busy || (runs && f.pulls && (f.endpoint.empty() || f.endpoint == job_.endpoint));
    }
    if (paused() || busy) {
      return paused() ? "model_retry" : "workers_busy";
    }
    return ready && !of_its_kind ? "no_engine" : "no_worker";
  }

 private:
  /// The job's model is not asked for yet: engines could not load it.
  bool paused() const {
    const auto* trouble = s_.pool.models().trouble_with(job_.model);
    return trouble != nullptr && s_.now < trouble->again_at;
  }
  bool has_room(const pool_worker& w) const {
    const bool whole = job_.alone || w.facts.batches();
    return w.may_be_given() && (!whole || w.holds.empty());
  }
  double free_in(const pool_worker& w) const {
    if (!w.changing_to.empty()) {
      return std::max(ms_of(w.back_at - s_.now), 1.0);
    }
    const bool whole = job_.alone;
    if (w.holds.empty() || (!whole && w.has_room())) {
      return 0;
    }
    double first = whole ? 0 : 1e18;
    for (const auto& [attempt, held] : w.holds) {
      const double rest = std::max(held.expected.remaining_ms(ms_of(s_.now - held.began)), 1.0);
      first = whole ? std::max(first, rest) : std::min(first, rest);
    }
    return first;
  }
  double eviction(const pool_worker& leaver, double away_ms) const {
    const auto& model = leaver.facts.model;
    const auto run_on = [&](const pool_worker& w) {
      return std::max(s_.pool.times().expect({model, {}, w.facts.device}).ms, 0.001);
    };
    double kept = 0;
    for (const auto& [place, w] : s_.pool.all()) {
      if (&w != &leaver && w.present && !w.draining && w.changing_to.empty() &&
          w.facts.model == model) {
        kept += 1 / run_on(w);
      }
    }
    placement::demand d;
    d.waiting = s_.lines.wants(model) ? 1 : 0;
    d.arrivals_per_ms = leavers_rate_;
    const auto* facts = s_.pool.models().find(model);
    const double reload = s_.pool.times().expect_load(model, leaver.facts.device,
                                                      facts != nullptr ? facts->file_bytes : 0);
    return placement::eviction_ms(d, run_on(leaver), kept, reload, away_ms);
  }
  void add(const pool_worker& w) {
    const auto* model = s_.pool.models().find(job_.model);
    const bool returning = !w.present && !w.changing_to.empty() && s_.now < w.change_until;
    const bool served = w.facts.endpoint.empty() || w.facts.endpoint == job_.endpoint;
    if ((!w.present && !returning) || w.draining || !served || (w.facts.pulls && !has_room(w)) ||
        (model != nullptr && !w.facts.runs(model->kind))) {
      return;
    }
    placement::option o;
    const auto& has = w.model();
    o.loaded = has.empty() || job_.model.empty() || has == job_.model;
    if (!o.loaded && (!w.facts.can_change || !w.changing_to.empty() || paused())) {
      return;
    }
    o.fits = model == nullptr || model->memory_bytes == 0 || w.facts.memory_bytes == 0 ||
             model->memory_bytes <= w.facts.memory_bytes;
    o.has_room = has_room(w) && w.reserved_ms == 0;
    o.free_in_ms = o.has_room ? 0 : free_in(w) + w.reserved_ms;
    const auto full = o.has_room ? w.holds.size() + 1 : w.facts.capacity;
    const auto shared = w.shares_engine() && !job_.alone ? full : 1;
    o.run_ms =
        s_.pool.times()
            .expect({job_.model, job_.shape, w.facts.device}, static_cast<std::uint32_t>(shared))
            .ms;
    if (!o.loaded) {
      o.load_ms = s_.pool.times().expect_load(job_.model, w.facts.device,
                                              model != nullptr ? model->file_bytes : 0);
      const double alone_ms = s_.pool.times().expect({job_.model, job_.shape, w.facts.device}).ms;
      o.evicted_ms = eviction(w, o.load_ms + alone_ms);
    }
    o.held = w.holds.size();
    o.idle_since = w.since;
    options_.push_back(o);
    workers_.push_back(&w);
  }
  static bool may_change(const pool_worker& w) {
    return w.facts.can_change && w.changing_to.empty();
  }
  /// Leaves out the fuller one of two equal shared engines, whatever was learned of each number of
  /// attempts.
  void leave_out_fuller() {
    std::vector<bool> fuller(options_.size());
    for (std::size_t i = 0; i < options_.size(); ++i) {
      for (std::size_t k = 0; k < options_.size(); ++k) {
        const auto& [a, b] = std::tie(*workers_[i], *workers_[k]);
        const bool alike =
            a.shares_engine() && b.shares_engine() && a.model() == b.model() &&
            a.facts.device == b.facts.device && a.facts.endpoint == b.facts.endpoint &&
            a.facts.memory_bytes == b.facts.memory_bytes && may_change(a) == may_change(b) &&
            a.facts.capacity == b.facts.capacity && a.facts.model_kinds == b.facts.model_kinds;
        const auto& [one, other] = std::tie(options_[i], options_[k]);
        fuller[i] =
            fuller[i] || (alike && other.has_room && (!one.has_room || other.held < one.held));
      }
    }
    for (auto i = options_.size(); i-- > 0;) {
      if (fuller[i]) {
        options_.erase(options_.begin() + static_cast<std::ptrdiff_t>(i));
        workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
  void leave_out_last() {
    if (!job_.not_again) {
      return;
    }
    const auto last = std::find_if(workers_.begin(), workers_.end(), [&](const auto* w) {
      return w->ref.place() == *job_.not_again;
    });
    const auto others = std::count_if(options_.begin(), options_.end(), [](const auto& o) {
      return o.has_room && o.loaded && o.fits;
    });
    if (last == workers_.end()) {
      return;
    }
    const auto i = last - workers_.begin();
    const auto& own = options_[static_cast<std::size_t>(i)];
    const bool counts = own.has_room && own.loaded && own.fits;
    if (others > (counts ? 1 : 0)) {
      options_.erase(options_.begin() + i);
      workers_.erase(last);
    }
  }

  const pool_script& s_;
  const pool_job& job_;
  double rate_, leavers_rate_;
  std::vector<placement::option> options_;
  std::vector<const pool_worker*> workers_;
};

class random_pool {
 public:
  random_pool(std::uint64_t seed, std::size_t places, bool side_by_side)
      : random_(seed), places_(places), side_by_side_(side_by_side) {
    if (chance(2)) {
      s_.pool.models().replace({{"m0", 50'000'000, 10, 0, ""}, {"m1", 900'000'000, 30, 0, "odd"}});
    }
  }

  void step() {
    s_.pass(static_cast<double>(below(chance(4) ? 400 : 20)) / (chance(3) ? 7 : 1));
    switch (below(10)) {
    case 0:
    case 1: join(); break;
    case 2: leave(); break;
    case 3: drain(); break;
    case 4:
    case 5:
    case 6: end_some(); break;
    default: decide(); break;
    }
    s_.audited();
  }
  std::size_t compared = 0, given = 0, reserved = 0, changed = 0, contested = 0;

 private:
  std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  worker_place any_place() {
    return worker_place{slot_id{static_cast<std::uint32_t>(below(places_))}};
  }

  void join() {
    const auto at = any_place();
    auto* before = s_.pool.find(at);
    if (before != nullptr && before->present && !chance(3)) {
      auto f = before->facts;
      f.hand_overs = before->hand_overs - (chance(4) ? 1 : 0);
      f.capacity = static_cast<std::uint32_t>(below(4));
      s_.pool.updated(s_.now, before->ref, f);
      return;
    }
    if (before != nullptr && before->present) {
      s_.pool.lost(s_.now, *before, {}, s_.lines);
    }
    worker_facts f;
    const auto kind = at.slot.value % 5; // a place keeps its kind
    f.device = kind < 3 ? "fast" : "slow";
    f.capacity = kind == 1 || side_by_side_ ? 1 + static_cast<std::uint32_t>(below(4)) : 1;
    f.batch_max = kind == 1 ? f.capacity : 1;
    f.continuous = side_by_side_ && kind == 2;
    f.endpoint = kind == 4 && chance(2) ? "e1" : "";
    f.memory_bytes = chance(4) ? 20 : 0;
    f.can_change = chance(2);
    f.model = s_.pool.models().empty() || chance(4) ? "" : (chance(2) ? "m0" : "m1");
    if (before != nullptr && !before->changing_to.empty() && !chance(4)) {
      f.model = before->changing_to;
      f.can_change = true;
    }
    f.model_kinds = chance(8) ? std::vector<std::string>{"even"} : std::vector<std::string>{};
    if (kind == 3 && chance(2)) {
      f = pulling(f);
      f.can_change = false; // it brings the model that it has
    }
    s_.join(at, f);
  }
  void leave() {
    auto* w = s_.pool.find(any_place());
    if (w != nullptr && w->present && (chance(3) || !w->changing_to.empty())) {
      s_.pool.lost(s_.now, *w, {}, s_.lines);
      s_.pool.forget(w->ref.place());
    }
  }
  void drain() {
    auto* w = s_.pool.find(any_place());
    if (w != nullptr && w->present && chance(4)) {
      s_.pool.drain(s_.now, *w);
    }
  }
  void end_some() {
    for (auto& [place, w] : s_.pool.all()) {
      if (!w.holds.empty() && chance(3)) {
        const auto [attempt, held] =
            *std::next(w.holds.begin(), static_cast<std::ptrdiff_t>(below(w.holds.size())));
        s_.pool.ended(s_.now, w, attempt,
                      {.kind = work_kind{w.run.model, w.run.shape, w.facts.device},
                       .completed = !chance(5),
                       .began = held.began});
      }
    }
  }
  pool_job any_job() {
    pool_job job;
    job.model = s_.pool.models().empty() ? "" : (chance(2) ? "m0" : "m1");
    job.shape = chance(3) ? "s" : "";
    job.endpoint = chance(3) ? "e1" : "e2";
    job.alone = chance(8);
    job.since = s_.now - milliseconds{below(20'000)};
    if (chance(8)) {
      job.not_again = any_place();
    }
    return job;
  }
  void fill_lines() {
    for (const auto& p : waiting_) {
      s_.lines.remove(p);
    }
    waiting_.clear();
    for (auto i = below(8); i > 0; --i) {
      const auto job = any_job();
      const auto copies = chance(3) ? below(30) : 1;
      for (std::uint64_t k = 0; k < copies; ++k) {
        waiting_.push_back({"t", job.group(), s_.now, ++orders_});
        s_.lines.add(waiting_.back());
      }
    }
  }
  void arrive() {
    const auto job = any_job();
    s_.pool.job_arrived(s_.now, job.model);
    rates_[job.model].arrived(s_.now);
  }
  double rate_of(const std::string& model) const {
    const auto rate = rates_.find(s_.pool.models().empty() ? "" : model);
    return rate == rates_.end() ? 0 : rate->second.per_ms(s_.now);
  }

  void decide() {
    fill_lines();
    if (chance(2)) {
      arrive();
    }
    s_.pool.begin_decision(s_.now);
    for (auto left = 1 + below(12); left > 0 && s_.pool.any_room(); --left) {
      compare(any_job());
    }
    s_.pool.end_decision(s_.now);
  }
  void compare(const pool_job& job) {
    ++compared;
    const linear_search linear(s_, job, rate_of(job.model),
                               rate_of(job.model == "m0" ? "m1" : "m0"));
    const auto expected = linear.best();
    std::map<worker_place, double> before;
    for (const auto& [place, w] : s_.pool.all()) {
      before[place] = w.reserved_ms;
    }
    const auto v = s_.place(job);
    const pool_worker* chosen = v.to;
    for (const auto& [place, w] : s_.pool.all()) {
      if (w.reserved_ms != before.at(place)) {
        chosen = &w;
      }
    }
    const auto words = s_.words(v);
    if (!expected) {
      EXPECT_EQ(chosen, nullptr) << words;
      EXPECT_EQ(words, linear.why());
      return;
    }
    given += v.to != nullptr && !v.changes ? 1 : 0;
    changed += v.changes ? 1 : 0;
    reserved += v.to == nullptr && chosen != nullptr ? 1 : 0;
    if ((words == "worker_reserved" || words == "model_loading") && expected->option.run_ms == 0) {
      return; // for a run that takes no time nothing is reserved
    }
    if (chosen == nullptr) { // patient: it changes no model yet, for which nothing is reserved
      EXPECT_EQ(words, "workers_busy") << "the search finds " << to_string(expected->who->ref)
                                       << " for " << linear_search::cost(expected->option);
      EXPECT_TRUE(expected->loads && expected->option.evicted_ms > 0);
      return;
    }
    if (chosen == expected->who) {
      EXPECT_EQ(v.to != nullptr && !v.changes, expected->option.has_room && !expected->loads);
      return;
    }
    // Costs that differ by less than time is counted in are the same.
    const auto* other = linear.option_of(chosen);
    const double apart =
        other == nullptr ? 1 : linear_search::cost(*other) - linear_search::cost(expected->option);
    const auto free_at = [&](const pool_worker& w) {
      return w.free_at(s_.now, job.alone) + w.reserved();
    };
    const bool tie = free_at(*chosen) == free_at(*expected->who) &&
                     chosen->reserved_ms == expected->who->reserved_ms;
    EXPECT_TRUE(other != nullptr && std::abs(apart) < 1e-5 && (apart != 0 || !tie))
        << words << " is " << to_string(chosen->ref) << ", not " << to_string(expected->who->ref)
        << ", costs differ by " << apart;
  }

  seeded_random random_;
  std::size_t places_;
  bool side_by_side_;
  pool_script s_;
  std::map<std::string, arrival_rate> rates_;
  std::vector<fair_queue::place> waiting_;
  std::uint64_t orders_ = 0;
};

void run(bool side_by_side) {
  const auto* more = std::getenv("TAYFA_MODEL_SEEDS");
  const auto seeds = more == nullptr ? 12 : std::strtoull(more, nullptr, 10);
  std::size_t compared = 0, given = 0, reserved = 0, changed = 0;
  for (std::uint64_t seed = 1; seed <= seeds && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_pool world(seed, seed % 3 == 0 ? 60 : 1 + seed % 8, side_by_side);
    for (int i = 0; i < 1'500 && !::testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE("step " + std::to_string(i));
      world.step();
    }
    compared += world.compared;
    given += world.given;
    reserved += world.reserved;
    changed += world.changed;
  }
  EXPECT_GT(compared, 1'000U);
  EXPECT_GT(given, 500U);
  EXPECT_GT(reserved, 100U);
  EXPECT_GT(changed, 10U);
}

TEST(worker_choice, is_that_of_a_search_through_all_workers) {
  run(false);
}

TEST(worker_choice, is_that_of_a_search_through_all_workers_that_take_several_attempts) {
  run(true);
}

} // namespace
} // namespace tayfa::testing
