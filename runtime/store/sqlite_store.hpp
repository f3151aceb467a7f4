// The durable job store: SQLite in <folder>/jobs.sqlite, large texts in <folder>/blobs.
//
// One thread of its own does everything, in the order of the calls. Batches that queued up while a
// transaction ran are joined into the next one, so all waiting commits share the price of a flush,
// and none waits for a timer: group commit without a delay. When a joined transaction finds the
// disk full, its batches are tried one by one, and each gets an answer of its own.
//
// When nothing was asked for some time, the thread gives space back in small steps and looks
// whether the store's names still stand for it.
//
// inline_mode, for simulation: no thread; calls queue up, and the owner of the simulation performs
// them with step().
//
// Owned by the composition root. Destroying it without close() is what a killed process does: what
// is queued is dropped without an answer. Neither the destructor nor step() may be called from a
// callback.
#pragma once

#include "runtime/store/files.hpp"
#include "runtime/store/store.hpp"
#include "runtime/store/store_clock.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace tayfa::store {

struct sqlite_store_options {
  std::string folder{}; ///< made when it is missing
  std::size_t changes_per_commit =
      64; ///< batches are joined up to so many; a larger one goes alone
  std::size_t checkpoint_pages = 4096; ///< of 4 KiB in the write-ahead log before it is moved
  std::string boot = boot_id_here();   ///< see store_clock.hpp
  std::string vfs{};                   ///< of SQLite; empty = the machine's
  file_system* files = nullptr;        ///< for the large texts; null = the machine's
  bool inline_mode = false;
  bool flush = true;       ///< false breaks the promise; for tests that prove what the flush is for
  std::size_t reserve = 0; ///< bytes kept for when the disk is full; see space_reserve.hpp
  /// Names beside the store's own that must stay what they are (the lock of the data folder).
  std::vector<std::string> watched{};
};

class sqlite_store final : public job_store {
 public:
  /// A reserve that holds the longest log and a batch.
  static constexpr std::size_t usual_reserve = std::size_t{20} << 20;

  sqlite_store(const time_source&, sqlite_store_options);
  ~sqlite_store() override;
  sqlite_store(const sqlite_store&) = delete;
  sqlite_store& operator=(const sqlite_store&) = delete;

  void open(std::function<void(result<recovered>)> done) override;
  void commit(batch, std::function<void(result<void>)> done) override;
  void fetch(std::uint64_t order, column, std::function<void(result<shared_text>)> done) override;
  void close(std::function<void()> done) override;
  bool has_reserve() const override;
  void on_failure(std::function<void(error)>) override;

  /// inline_mode only: performs the oldest operation (of commits: one transaction) and calls its
  /// `done`. False: there was none.
  bool step();
  /// inline_mode only: one step of what the thread does when nothing waits. True: there is more.
  bool rest();
  /// Operations that were asked for and not yet begun.
  std::size_t pending() const;
  /// Transactions so far, for tests and metrics: with fewer of them than batches, some were joined.
  std::size_t transactions() const;

 private:
  class worker;
  std::unique_ptr<worker> worker_;
};

} // namespace tayfa::store
