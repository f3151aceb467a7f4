#include "tests/bench/placement_sim.hpp"

#include "runtime/base/random.hpp"
#include "runtime/core/fairness/fair_queue.hpp"
#include "runtime/core/workers/arrival_rate.hpp"
#include "runtime/core/workers/placement.hpp"
#include "runtime/core/workers/run_times.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <numbers>
#include <optional>
#include <queue>
#include <utility>

namespace tayfa::testing {
namespace {

struct sim_job {
  double arrives = 0;
  std::size_t model = 0;
  double work = 0;
  double starts = -1;
  double ends = -1;
};

std::vector<sim_job> make_jobs(const sim_setup& setup) {
  seeded_random random(setup.seed);
  double shares = 0;
  double work = 0;
  double capacity = 0;
  for (const auto& m : setup.models) {
    shares += m.share;
    work += m.share * m.work_ms;
  }
  for (const auto& d : setup.devices) {
    capacity += d.speed;
  }
  const double gap_ms = work / shares / (setup.load * capacity);
  std::vector<sim_job> jobs(setup.jobs);
  double now = 0;
  for (sim_job& job : jobs) {
    now += -std::log(1 - random.unit()) * gap_ms;
    job.arrives = now;
    double pick = random.unit() * shares;
    while (job.model + 1 < setup.models.size() && pick >= setup.models[job.model].share) {
      pick -= setup.models[job.model].share;
      ++job.model;
    }
    const double normal = std::sqrt(-2 * std::log(1 - random.unit())) *
                          std::cos(2 * std::numbers::pi * random.unit());
    job.work = setup.models[job.model].work_ms *
               std::exp(setup.sigma * normal - setup.sigma * setup.sigma / 2);
  }
  return jobs;
}

constexpr std::size_t none = SIZE_MAX;

class simulation {
 public:
  simulation(const sim_setup& setup, sim_policy policy)
      : setup_(setup), policy_(policy), jobs_(make_jobs(setup)), workers_(setup.devices.size()),
        lines_({}, {}), arrivals_(setup.models.size()) {
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      workers_[i].model = i % setup.models.size();
    }
    if (policy == sim_policy::informed) {
      inform();
    }
  }

  sim_outcome run() {
    std::size_t next = 0;
    while (next < jobs_.size() || !ends_.empty()) {
      if (!ends_.empty() && (next == jobs_.size() || ends_.top().first <= jobs_[next].arrives)) {
        now_ = ends_.top().first;
        const std::size_t ended = ends_.top().second;
        ends_.pop();
        end(ended);
      } else {
        now_ = jobs_[next].arrives;
        arrive(next++);
      }
      decide();
    }
    return outcome();
  }

 private:
  struct worker {
    std::size_t model = 0;
    std::size_t job = none;
    double run_starts = 0; ///< after the load
    double idle_since = 0;
    double expected_start = 0;
    run_estimate expected;
    double busy_ms = 0;
    std::deque<std::size_t> own; ///< for policies that assign at arrival
    std::size_t held() const { return own.size() + (job != none ? 1 : 0); }
  };

  void inform() {
    for (const auto& m : setup_.models) {
      for (const auto& d : setup_.devices) {
        times_.ran({m.name, "", d.kind}, 1, m.work_ms / d.speed);
        times_.loaded(m.name, d.kind, m.load_ms);
      }
    }
  }

  void arrive(std::size_t job) {
    switch (policy_) {
    case sim_policy::round_robin: workers_[turn_++ % workers_.size()].own.push_back(job); break;
    case sim_policy::least_loaded: {
      const auto least =
          std::min_element(workers_.begin(), workers_.end(), [](const worker& a, const worker& b) {
            return std::pair(a.held(), a.idle_since) < std::pair(b.held(), b.idle_since);
          });
      least->own.push_back(job);
      break;
    }
    case sim_policy::first_free:
    case sim_policy::free_with_model: queue_.push_back(job); break;
    case sim_policy::expected_finish:
    case sim_policy::informed: add(job); break;
    }
  }

  void add(std::size_t job) {
    lines_.add(place_of(job));
    arrivals_[jobs_[job].model].arrived(at(now_));
  }

  void decide() {
    switch (policy_) {
    case sim_policy::round_robin:
    case sim_policy::least_loaded:
      for (std::size_t i = 0; i < workers_.size(); ++i) {
        if (workers_[i].job == none && !workers_[i].own.empty()) {
          const std::size_t job = workers_[i].own.front();
          workers_[i].own.pop_front();
          start(i, job);
        }
      }
      break;
    case sim_policy::first_free:
    case sim_policy::free_with_model:
      for (auto i = free_worker(); i && !queue_.empty(); i = free_worker()) {
        const std::size_t job = queue_.front();
        queue_.pop_front();
        start(*i, job);
      }
      break;
    case sim_policy::expected_finish:
    case sim_policy::informed: place(); break;
    }
  }

  std::optional<std::size_t> free_worker() const {
    std::optional<std::size_t> best;
    const auto rank = [&](const worker& w) {
      const bool has = !queue_.empty() && w.model == jobs_[queue_.front()].model;
      return std::pair(policy_ == sim_policy::free_with_model && !has, w.idle_since);
    };
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      if (workers_[i].job == none && (!best || rank(workers_[i]) < rank(workers_[*best]))) {
        best = i;
      }
    }
    return best;
  }

  fair_queue::place place_of(std::size_t job) const {
    return {"",
            {setup_.models[jobs_[job].model].name, "", 0},
            moment{milliseconds{static_cast<std::int64_t>(job)}},
            job};
  }
  static moment at(double ms) {
    return moment{std::chrono::nanoseconds{static_cast<std::int64_t>(ms * 1e6)}};
  }
  placement::demand demand_of(std::size_t model) const {
    return {lines_.waiting_in({setup_.models[model].name, "", 0}),
            arrivals_[model].per_ms(at(now_))};
  }
  work_kind kind_of(std::size_t model, std::size_t i) const {
    return {setup_.models[model].name, "", setup_.devices[i].kind};
  }
  double load_of(std::size_t model, std::size_t i) const {
    return times_.expect_load(setup_.models[model].name, setup_.devices[i].kind,
                              static_cast<std::uint64_t>(setup_.models[model].load_ms * 1e6));
  }

  /// Like the job table: picks the next job and its worker; a group whose job must wait is passed
  /// over.
  void place() {
    std::vector<fair_queue::group_id> passed;
    std::vector<double> reserved(workers_.size(), 0.0);
    while (const auto next = lines_.first(passed)) {
      if (std::none_of(workers_.begin(), workers_.end(),
                       [](const worker& w) { return w.job == none; })) {
        return;
      }
      const std::size_t model = jobs_[next->order].model;
      std::vector<placement::option> options;
      for (std::size_t i = 0; i < workers_.size(); ++i) {
        options.push_back(option_of(i, model, reserved[i]));
      }
      const auto chosen = placement::choose(options, demand_of(model));
      const auto& option = options[chosen->index];
      if (option.has_room) {
        lines_.remove(place_of(next->order));
        lines_.started("", milliseconds{static_cast<std::int64_t>(option.run_ms)});
        start(chosen->index, next->order);
      } else {
        reserved[chosen->index] += option.run_ms;
        passed.push_back(next->group);
      }
    }
  }

  placement::option option_of(std::size_t i, std::size_t model, double reserved) const {
    const worker& w = workers_[i];
    placement::option o;
    o.has_room = w.job == none;
    if (!o.has_room) {
      const double elapsed = now_ - w.run_starts;
      o.free_in_ms = reserved + (elapsed > 0 ? w.expected.remaining_ms(elapsed)
                                             : w.expected.ms + w.expected_start - now_);
    }
    o.loaded = w.model == model;
    if (!o.loaded) {
      o.load_ms = load_of(model, i);
    }
    o.run_ms = times_.expect(kind_of(model, i)).ms;
    if (!o.loaded) {
      double kept_per_ms = 0;
      for (std::size_t k = 0; k < workers_.size(); ++k) {
        if (k != i && workers_[k].model == w.model) {
          kept_per_ms += 1 / times_.expect(kind_of(w.model, k)).ms;
        }
      }
      o.evicted_ms =
          placement::eviction_ms(demand_of(w.model), times_.expect(kind_of(w.model, i)).ms,
                                 kept_per_ms, load_of(w.model, i), o.load_ms + o.run_ms);
    }
    o.held = w.held();
    o.idle_since = static_cast<std::uint64_t>(w.idle_since);
    return o;
  }

  void start(std::size_t i, std::size_t number) {
    worker& w = workers_[i];
    sim_job& job = jobs_[number];
    job.starts = now_;
    w.job = number;
    w.run_starts = now_;
    w.expected_start = now_;
    w.expected = times_.expect(kind_of(job.model, i));
    if (w.model != job.model) {
      w.expected_start += load_of(job.model, i);
      w.run_starts += setup_.models[job.model].load_ms;
      w.model = job.model;
      ++loads_;
      times_.loaded(setup_.models[job.model].name, setup_.devices[i].kind,
                    setup_.models[job.model].load_ms);
    }
    job.ends = w.run_starts + job.work / setup_.devices[i].speed;
    ends_.push({job.ends, i});
  }

  void end(std::size_t i) {
    worker& w = workers_[i];
    const sim_job& job = jobs_[w.job];
    w.busy_ms += now_ - w.run_starts;
    if (policy_ == sim_policy::expected_finish) {
      times_.ran(kind_of(job.model, i), 1, now_ - w.run_starts);
    }
    if (policy_ == sim_policy::expected_finish || policy_ == sim_policy::informed) {
      lines_.ended("", milliseconds{static_cast<std::int64_t>(w.expected.ms)},
                   milliseconds{static_cast<std::int64_t>(now_ - w.run_starts)});
    }
    w.job = none;
    w.idle_since = now_;
  }

  static sim_times summary(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    sim_times times;
    for (const double v : values) {
      times.mean += v / static_cast<double>(values.size());
    }
    const auto at = [&](double share) {
      return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
    };
    times.p95 = at(0.95);
    times.p99 = at(0.99);
    return times;
  }

  sim_outcome outcome() const {
    sim_outcome all;
    std::vector<double> waiting;
    std::vector<double> finish;
    for (const sim_job& job : jobs_) {
      waiting.push_back(job.starts - job.arrives);
      finish.push_back(job.ends - job.arrives);
      all.completed += job.ends >= job.arrives && job.starts >= job.arrives ? 1 : 0;
    }
    all.waiting = summary(std::move(waiting));
    all.finish = summary(std::move(finish));
    all.loads = loads_;
    std::map<std::string, double> count;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      all.busy[setup_.devices[i].kind] += workers_[i].busy_ms / now_;
      count[setup_.devices[i].kind] += 1;
    }
    for (auto& [kind, share] : all.busy) {
      share /= count[kind];
    }
    return all;
  }

  const sim_setup& setup_;
  sim_policy policy_;
  std::vector<sim_job> jobs_;
  std::vector<worker> workers_;
  std::deque<std::size_t> queue_;
  fair_queue lines_;
  run_times times_;
  std::vector<arrival_rate> arrivals_; ///< of the models
  std::size_t turn_ = 0;
  std::size_t loads_ = 0;
  double now_ = 0;
  using event = std::pair<double, std::size_t>; ///< end of the run of a worker
  std::priority_queue<event, std::vector<event>, std::greater<>> ends_;
};

} // namespace

const char* to_string(sim_policy policy) {
  switch (policy) {
  case sim_policy::round_robin: return "round robin";
  case sim_policy::least_loaded: return "least loaded";
  case sim_policy::first_free: return "first free";
  case sim_policy::free_with_model: return "free, model first";
  case sim_policy::expected_finish: return "expected finish";
  case sim_policy::informed: return "the same, informed";
  }
  return "";
}

sim_outcome simulate(const sim_setup& setup, sim_policy policy) {
  return simulation(setup, policy).run();
}

std::vector<sim_setup> sim_setups(std::size_t jobs, std::uint64_t seed) {
  const auto devices = [](std::size_t fast, std::size_t slow, double times_slower) {
    std::vector<sim_device> all(fast, {"fast", 1});
    all.insert(all.end(), slow, {"slow", 1 / times_slower});
    return all;
  };
  const std::vector<sim_model> one{{"a", 1'000, 0, 1}};
  const std::vector<sim_model> three{
      {"a", 1'000, 4'000, 6}, {"b", 2'000, 8'000, 3}, {"c", 4'000, 15'000, 1}};
  std::vector<sim_setup> all;
  for (const double load : {0.6, 0.8, 0.95}) {
    all.push_back({"8 equal, one model", devices(8, 0, 1), one, load, 1, jobs, seed});
    all.push_back(
        {"4 fast, 4 three times slower, one model", devices(4, 4, 3), one, load, 1, jobs, seed});
    all.push_back(
        {"2 fast, 6 eight times slower, one model", devices(2, 6, 8), one, load, 1, jobs, seed});
    all.push_back({"8 equal, three models", devices(8, 0, 1), three, load, 1, jobs, seed});
    all.push_back({"4 fast, 4 three times slower, three models", devices(4, 4, 3), three, load, 1,
                   jobs, seed});
    all.push_back({"16 fast, 48 three times slower, three models", devices(16, 48, 3), three, load,
                   1, jobs, seed});
  }
  return all;
}

} // namespace tayfa::testing
