// The durable job store in a PostgreSQL that several heads share: each head owns its jobs, keeps
// its decisions in memory as with SQLite, and the database makes them durable and decides who owns.
//
// Three threads with a connection each: one commits, in the order of the calls, joining batches
// that queued up while a transaction ran; one reads texts; one speaks with other heads
// (pg_exchange). While the database is away nothing is acknowledged: a batch that was not sent is
// refused (errc::unavailable) after `patience`, one whose end is not known waits until it is, and
// trouble() says why.
//
// The process that loses its head to another one ends (errc::store_failed), like one whose disk
// fails: on_failure() when it is found without a commit.
//
// Owned by the composition root. Destroying it without close() is what a killed process does: what
// is queued is dropped without an answer. The destructor may not be called from a callback.
#pragma once

#include "runtime/base/random.hpp"
#include "runtime/store/pg/pg_head.hpp"
#include "runtime/store/store.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tayfa::store {

struct postgres_store_options {
  std::string url{};
  pg_head_options head{};
  std::size_t changes_per_commit = 512;                ///< batches are joined up to so many
  std::size_t bytes_per_commit = std::size_t{8} << 20; ///< of texts; a larger batch goes alone
  std::chrono::milliseconds patience{2'000};           ///< until a change or a read is refused
  std::chrono::milliseconds pause_min{50};             ///< between tries; doubles, with jitter
  std::chrono::milliseconds pause_max{5'000};
};

class postgres_store final : public job_store, public shared_store {
 public:
  postgres_store(const time_source&, random_source&, postgres_store_options);
  ~postgres_store() override;
  postgres_store(const postgres_store&) = delete;
  postgres_store& operator=(const postgres_store&) = delete;

  void open(std::function<void(result<recovered>)> done) override;
  void commit(batch, std::function<void(result<void>)> done) override;
  void fetch(std::uint64_t order, column, std::function<void(result<shared_text>)> done) override;
  void close(std::function<void()> done) override;
  bool has_reserve() const override { return !trouble(); }
  std::optional<error> trouble() const override;
  void on_failure(std::function<void(error)>) override;

  shared_store* shared() override { return this; }
  void adopt(std::size_t most, std::function<void(result<adopted_jobs>)> done) override;
  std::chrono::milliseconds adopt_pause() const override;
  std::string name() const override;
  void find(const job_id&, find_done) override;
  void find(const job_key&, find_done) override;
  void others(std::function<void(result<std::vector<head_view>>)> done) override;
  void call(std::int64_t head, std::string body, std::chrono::milliseconds longest,
            std::function<void(result<std::string>)> done) override;
  void serve(std::function<void(head_call)>) override;
  void heads(std::function<void(result<std::vector<pg_head::view>>)> done);
  /// True while no other head can have taken this one's jobs, by this process's own clock.
  bool holds_lease() const;
  /// So far, for tests and metrics.
  pg_head::counters counts() const;

 private:
  class worker;
  std::unique_ptr<worker> worker_;
};

} // namespace tayfa::store
