// Jobs through a store, as the benchmarks of stores give them: clients that each accept, claim and
// complete zero-work jobs, every commit awaited. Owned by the benchmark.
#pragma once

#include "runtime/store/store.hpp"
#include "tests/bench/measured.hpp"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <future>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::store {

using clock = std::chrono::steady_clock;

constexpr std::size_t payload_usual = 1024;
constexpr std::size_t ended_kept = 1'000; ///< from then on each ended job erases another

inline shared_text input_of(std::size_t bytes) {
  const std::string head = R"({"prompt":")";
  return shared_text{head + std::string(std::max(bytes, head.size() + 2) - head.size() - 2, 'p') +
                     "\"}"};
}

inline job_row fresh_row(std::uint64_t order, moment now, const shared_text& input) {
  job_row row;
  row.order = order;
  char id[40];
  // As random as a UUID for the index of ids.
  std::snprintf(id, sizeof id, "%016llx-%016llx",
                static_cast<unsigned long long>(order * 0x9e3779b97f4a7c15ULL),
                static_cast<unsigned long long>(order));
  row.id = job_id{id};
  row.request.endpoint = "tayfa";
  row.request.input = input;
  row.submitted = now;
  return row;
}

/// Clients that each take a job through its states, one commit after the other.
class writers {
 public:
  explicit writers(job_store& store, std::size_t payload = payload_usual,
                   std::uint64_t last_order = 0)
      : store_(store), input_(input_of(payload)), order_(last_order) {}

  bench::measured run(std::size_t clients, double seconds) {
    cycles_.clear();
    all_done_ = {};
    left_ = clients;
    end_ = clock::now() +
           std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
    const auto begin = clock::now();
    const double cpu = bench::cpu_seconds();
    for (std::size_t i = 0; i < clients; ++i) {
      accept();
    }
    all_done_.get_future().wait();
    bench::measured out;
    out.seconds = std::chrono::duration<double>(clock::now() - begin).count();
    out.cpu_seconds = bench::cpu_seconds() - cpu;
    out.cycles = std::move(cycles_);
    return out;
  }

 private:
  void next(const result<void>& done, void (writers::*stage)(job_row), job_row row) {
    if (!done) {
      std::fprintf(stderr, "the store: %s\n", done.error().str().c_str());
      std::exit(1);
    }
    (this->*stage)(std::move(row));
  }
  void commit(put what, void (writers::*then)(job_row), batch changes = {}) {
    auto row = what.row;
    changes.emplace_back(std::move(what));
    store_.commit(std::move(changes), [this, then, row = std::move(row)](const auto& done) mutable {
      next(done, then, std::move(row));
    });
  }
  void accept() {
    if (clock::now() >= end_) {
      if (--left_ == 0) {
        all_done_.set_value();
      }
      return;
    }
    commit({fresh_row(++order_, clock::now(), input_), part_request | part_state}, &writers::claim);
  }
  void claim(job_row row) {
    row.state = job_state::IN_PROGRESS;
    row.attempts = 1;
    row.worker = "slot-0";
    commit({std::move(row), part_state}, &writers::complete);
  }
  void complete(job_row row) {
    row.state = job_state::COMPLETED;
    row.ended = clock::now();
    row.delay = milliseconds{1};
    row.execution = milliseconds{1};
    row.history.push_back({.number = 1,
                           .worker = "slot-0",
                           .given = milliseconds{1},
                           .began = milliseconds{1},
                           .ended = milliseconds{2},
                           .failure = {}});
    row.output = shared_text{R"({"image":"none"})"};
    batch forgotten;
    if (ended_.size() > ended_kept) {
      forgotten.emplace_back(erase{ended_.front()});
      ended_.pop_front();
    }
    commit({std::move(row), part_state | part_output | part_input_released}, &writers::finish,
           std::move(forgotten));
  }
  void finish(job_row row) {
    cycles_.push_back(std::chrono::duration<double>(clock::now() - row.submitted).count());
    ended_.push_back(row.order);
    accept();
  }

  job_store& store_;
  const shared_text input_;
  std::atomic<std::size_t> left_{0};
  std::atomic<std::uint64_t> order_;
  std::vector<double> cycles_; ///< this and the members below: only on the store's thread
  std::deque<std::uint64_t> ended_;
  clock::time_point end_;
  std::promise<void> all_done_;
};

inline job_store::recovered open(job_store& store) {
  std::promise<result<job_store::recovered>> answer;
  store.open([&](auto found) { answer.set_value(std::move(found)); });
  auto found = answer.get_future().get();
  if (!found) {
    std::fprintf(stderr, "the store: %s\n", found.error().str().c_str());
    std::exit(1);
  }
  return std::move(*found);
}
inline void close(job_store& store) {
  std::promise<void> answer;
  store.close([&] { answer.set_value(); });
  answer.get_future().wait();
}

} // namespace tayfa::store
