#include "tests/bench/queue_table.hpp"

#include "runtime/core/job_table.hpp"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <malloc.h>
#include <stdexcept>

namespace tayfa::bench {

namespace {

using steady = std::chrono::steady_clock;

constexpr std::size_t block = 64; ///< commands between two readings of the clock
constexpr std::size_t blocks_least = 20;
constexpr std::size_t kept = 1'000; ///< ended jobs: from then on each ended job erases another
constexpr std::chrono::microseconds step{100};

/// Has the format and length of real ids. The number can be read back.
job_id id_of(std::uint64_t number) {
  char text[64];
  std::snprintf(text, sizeof text, "sync-%08x-0000-4000-8000-%012llx-t1",
                static_cast<unsigned>(number * 0x9e3779b97f4a7c15ULL >> 32),
                static_cast<unsigned long long>(number));
  return job_id{text};
}
std::uint64_t number_of(const job_id& id) {
  return std::stoull(id.str().substr(id.str().size() - 15, 12), nullptr, 16);
}

job_limits limits_for(std::size_t waiting) {
  job_limits l;
  l.queue_max = waiting + 2 * block + 1;
  l.kept_jobs_max = kept;
  l.durable = true;
  return l;
}

class samples {
 public:
  void add(steady::duration took, std::size_t count) {
    each_.push_back(std::chrono::duration<double, std::nano>(took).count() /
                    static_cast<double>(std::max<std::size_t>(count, 1)));
  }
  double median() {
    std::nth_element(each_.begin(), each_.begin() + static_cast<std::ptrdiff_t>(each_.size() / 2),
                     each_.end());
    return each_[each_.size() / 2];
  }

 private:
  std::vector<double> each_;
};

class line {
 public:
  explicit line(std::size_t waiting) : table_(limits_for(waiting)), waiting_(waiting) {
    cancelled_.reserve(waiting * 2);
  }

  /// Adds workers up to this number, each with an attempt; then jobs up to the number of waiting
  /// ones.
  void fill(unsigned workers) {
    for (; workers_ < workers; ++workers_) {
      take(table_.worker_joined(now_, {slot_id{workers_}, 1}, worker_facts{}));
    }
    while (running_.size() < workers || table_.counts().in_queue < waiting_) {
      submit();
      if (next_ % block == 0) {
        hand_rows_over();
      }
    }
    hand_rows_over();
  }

  table_row measure(double seconds) {
    const auto end = steady::now() + std::chrono::duration_cast<steady::duration>(
                                         std::chrono::duration<double>(seconds));
    samples submits, decisions, cancels;
    rows_ = {};
    for (std::size_t i = 0; i < blocks_least || steady::now() < end; ++i) {
      decisions.add(timed([this] { decide(); }), block);
      submits.add(timed([this] { submit(); }), block);
      choose();
      cancels.add(timed([this] { cancel(); }), block);
      timed([this] { submit(); }); // restores the number of waiting jobs
    }
    if (table_.counts().in_queue != waiting_ || running_.size() != workers_) {
      throw std::runtime_error{"the queue is not as long as it should be"};
    }
    table_row out;
    out.waiting = waiting_;
    out.workers = workers_;
    out.submit = submits.median();
    out.decision = decisions.median();
    out.cancel = cancels.median();
    out.row = rows_.median();
    return out;
  }

 private:
  template <class Command>
  steady::duration timed(Command command) {
    const auto begin = steady::now();
    for (std::size_t i = 0; i < block; ++i) {
      command();
    }
    const auto took = steady::now() - begin;
    hand_rows_over();
    return took;
  }

  void hand_rows_over() {
    const auto begin = steady::now();
    const auto changes = table_.take_changes();
    table_.committed();
    rows_.add(steady::now() - begin, changes.size()); // in a pod the store frees the rows
  }

  void submit() {
    job_request request;
    request.endpoint = "tayfa";
    request.input = input_;
    now_ += step;
    auto answer = table_.submit(now_, id_of(next_++), std::move(request), true);
    if (!answer) {
      throw std::runtime_error{"refused: " + answer.error().str()};
    }
    take(std::move(answer->then));
  }

  void decide() {
    const auto [worker, attempt] = std::move(running_.front());
    running_.pop_front();
    protocol::finished done;
    done.attempt = attempt;
    done.output = output_;
    now_ += step;
    auto report = table_.finished(now_, worker, done);
    const auto before = running_.size();
    take(std::move(report.consequences));
    if (!report.current || running_.size() != before + 1) {
      throw std::runtime_error{"a free worker was given no job"};
    }
  }

  /// Picks waiting jobs at random, none twice.
  void choose() {
    chosen_.clear();
    cancelled_.resize(next_, false);
    while (chosen_.size() < block) {
      lottery_ = lottery_ * 6364136223846793005ULL + 1442695040888963407ULL;
      const auto number = head_ + (lottery_ >> 20) % (next_ - head_);
      if (!cancelled_[number]) {
        cancelled_[number] = true;
        chosen_.push_back(id_of(number));
      }
    }
  }

  void cancel() {
    now_ += step;
    const auto answer = table_.cancel(now_, chosen_.back());
    chosen_.pop_back();
    if (!answer || answer->first.state != job_state::CANCELLED) {
      throw std::runtime_error{"a waiting job was not cancelled"};
    }
  }

  void take(effects list) {
    for (auto& each : list) {
      if (auto* g = std::get_if<assign_attempt>(&each)) {
        // First come, first served: all jobs submitted after this one still wait.
        head_ = std::max(head_, number_of(g->message.attempt.job) + 1);
        running_.emplace_back(g->worker, std::move(g->message.attempt));
      }
    }
  }

  job_table table_;
  const std::size_t waiting_;
  const shared_text input_{"{}"}, output_{"1"};
  moment now_{std::chrono::hours{1}};
  unsigned workers_ = 0;
  std::uint64_t next_ = 0, head_ = 0;
  std::uint64_t lottery_ = 1;
  std::deque<std::pair<worker_ref, attempt_ref>> running_;
  std::vector<bool> cancelled_; ///< by number
  std::vector<job_id> chosen_;
  samples rows_;
};

} // namespace

void measure_table(const table_plan& plan, void (*report)(const table_row&)) {
  for (const auto waiting : plan.waiting) {
    const auto before = mallinfo2().uordblks;
    line jobs{waiting};
    double bytes = 0;
    for (const auto workers : plan.workers) {
      jobs.fill(workers);
      if (bytes == 0 && before != 0) { // another allocator does not report it
        bytes = static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(waiting);
      }
      auto row = jobs.measure(plan.seconds);
      row.bytes = bytes;
      report(row);
    }
  }
}

} // namespace tayfa::bench
