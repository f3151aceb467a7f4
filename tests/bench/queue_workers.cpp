#include "tests/bench/queue_workers.hpp"

#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <stdexcept>

namespace tayfa::bench {

namespace {

using steady = std::chrono::steady_clock;

constexpr std::size_t block = 64; ///< commands between two readings of the clock
constexpr std::size_t blocks_least = 40;
constexpr std::chrono::microseconds step{100};

/// The facts of a worker in a pool, by its number.
struct pool_kind {
  const char* name;
  unsigned devices = 1;
  unsigned models = 1;
  std::uint32_t capacity = 1;
  bool pulls = false;
};
constexpr pool_kind kinds[] = {{.name = "alike"},
                               {.name = "three devices", .devices = 3},
                               {.name = "eight models", .models = 8},
                               {.name = "continuous, 8 attempts each", .capacity = 8},
                               {.name = "remote", .pulls = true}};

class busy_pool {
 public:
  busy_pool(const pool_kind& kind, unsigned workers, std::size_t waiting)
      : kind_(kind), table_(limits_for(waiting, workers * kind.capacity)), waiting_(waiting) {
    std::vector<model_facts> models(kind.models);
    for (unsigned i = 0; i < kind.models; ++i) {
      models[i].name = "model-" + std::to_string(i);
    }
    take(table_.models_known(now_, std::move(models)));
    for (unsigned i = 0; i < workers; ++i) {
      take(table_.worker_joined(now_, ref_of(i), facts_of(i)));
    }
    while (next_ < waiting + workers * kind.capacity) {
      submit();
    }
  }

  double measure(double seconds) {
    const auto end = steady::now() + std::chrono::duration_cast<steady::duration>(
                                         std::chrono::duration<double>(seconds));
    for (std::size_t i = 0; i < 2 * running_.size(); ++i) {
      decide(); // every worker's run times are known
      submit();
    }
    std::vector<double> each;
    for (std::size_t i = 0; i < blocks_least || steady::now() < end; ++i) {
      const auto begin = steady::now();
      for (std::size_t k = 0; k < block; ++k) {
        decide();
      }
      each.push_back(std::chrono::duration<double, std::nano>(steady::now() - begin).count() /
                     static_cast<double>(block));
      for (std::size_t k = 0; k < block; ++k) {
        submit();
      }
    }
    if (table_.counts().in_queue != waiting_) {
      throw std::runtime_error{"the queue is not as long as it should be"};
    }
    std::nth_element(each.begin(), each.begin() + static_cast<std::ptrdiff_t>(each.size() / 2),
                     each.end());
    return each[each.size() / 2];
  }

 private:
  static job_limits limits_for(std::size_t waiting, std::size_t running) {
    job_limits l;
    l.queue_max = waiting + running + 2 * block;
    l.kept_jobs_max = 1'000;
    return l;
  }
  worker_ref ref_of(unsigned i) const {
    return {slot_id{i}, 1, kind_.pulls ? pull_node : this_node};
  }
  worker_facts facts_of(unsigned i) const {
    auto f = kind_.pulls ? pulling() : worker_facts{};
    f.capacity = kind_.capacity;
    f.continuous = kind_.capacity > 1 || f.pulls;
    f.device = "device-" + std::to_string(i % kind_.devices);
    f.model = kind_.models > 1 ? "model-" + std::to_string(i % kind_.models) : "";
    return f;
  }
  void submit() {
    job_request request;
    request.model = "model-" + std::to_string(next_ % kind_.models);
    request.input = input_;
    now_ += step;
    auto answer =
        table_.submit(now_, job_id{"job-" + std::to_string(next_++)}, std::move(request), false);
    if (!answer) {
      throw std::runtime_error{"refused: " + answer.error().str()};
    }
    take(std::move(answer->then));
  }
  /// The oldest attempt ends, one in eight times another one.
  void decide() {
    lottery_ = lottery_ * 6364136223846793005ULL + 1442695040888963407ULL;
    auto at = running_.begin();
    if ((lottery_ >> 33) % 8 == 0) {
      std::advance(at, static_cast<std::ptrdiff_t>((lottery_ >> 40) %
                                                   std::min<std::size_t>(running_.size(), 8)));
    }
    const auto [worker, attempt] = std::move(at->second);
    running_.erase(at);
    protocol::finished done;
    done.attempt = attempt;
    now_ += step;
    const auto before = running_.size();
    take(table_.finished(now_, worker, done).consequences);
    if (kind_.pulls) {
      auto f = facts_of(worker.slot.value);
      f.hand_overs = table_.hand_overs(worker.place());
      take(table_.worker_joined(now_, worker, std::move(f)));
    }
    if (running_.size() != before + 1) {
      throw std::runtime_error{"a free worker was given no job"};
    }
  }
  void take(effects list) {
    for (auto& each : list) {
      if (auto* g = std::get_if<assign_attempt>(&each)) {
        running_.emplace(++given_, std::pair{g->worker, std::move(g->message.attempt)});
      }
    }
  }

  const pool_kind& kind_;
  job_table table_;
  const std::size_t waiting_;
  const shared_text input_{"{}"};
  moment now_{std::chrono::hours{1}};
  std::uint64_t next_ = 0, given_ = 0, lottery_ = 1;
  std::map<std::uint64_t, std::pair<worker_ref, attempt_ref>> running_; ///< in the order given
};

} // namespace

void measure_workers(const workers_plan& plan, void (*report)(const workers_row&)) {
  for (const auto& kind : kinds) {
    double first = 0;
    for (const auto workers : plan.workers) {
      busy_pool pool{kind, workers, plan.waiting};
      workers_row row{kind.name, workers, pool.measure(plan.seconds), 1};
      first = first == 0 ? row.decision : first;
      row.ratio = row.decision / first;
      report(row);
    }
  }
}

} // namespace tayfa::bench
