// The store makes accepted jobs durable. It is an interface of the world: SQLite in a file
// (sqlite_store), SQLite over a simulated disk (the same, with runtime/store/sim_disk below it), or
// nothing (memory_store, for those who want no durability and to see its price).
//
// Contract:
//   * commit() makes a batch durable as a whole, or not at all; batches become durable in the order
//     of the calls; `done` is called once for each, in that order.
//   * after success the batch survives kill -9, and power loss on a disk that honours flush.
//   * errc::storage_full: the batch changed nothing, and the store goes on; trying again is right.
//     Space is kept in reserve for changes of rows that are there; a batch with a new row does not
//     get it, and is refused until the reserve is whole again.
//   * errc::unavailable: the store is a database elsewhere that cannot be reached now. The same
//     holds: the batch changed nothing, and trying again is right. A batch whose end is not known
//     is answered when it is, however long that takes; meanwhile trouble() says so.
//   * an empty batch asks whether new rows would be taken.
//     Any other error (errc::store_failed): what happened is unknown until the store is opened
//     again. The store refuses everything from then on; the process must end and recover.
//   * one process holds a store at a time (errc::store_locked), on a local disk.
// Thread safe. Callbacks come from the store's own threads (in simulation: from a later step).
#pragma once

#include "runtime/store/row.hpp"
#include "runtime/store/shared_store.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace tayfa {

class job_store {
 public:
  /// Texts up to this size lie in the row; larger ones become content-addressed files, and are not
  /// read back with the row.
  static constexpr std::size_t inline_max = 64 * 1024;

  enum class column : std::uint8_t { input, output };

  struct recovered {
    std::vector<store::job_row> rows; ///< by order, ascending
    std::uint64_t last_order = 0;     ///< the highest that was ever given, also by erased rows
  };

  virtual ~job_store() = default;
  /// Opens, checks, migrates and reads everything. errc::store_locked, store_corrupt (the file is
  /// kept as it is), bad_config (a network file system, a folder that cannot be used), io_error.
  virtual void open(std::function<void(result<recovered>)> done) = 0;
  virtual void commit(store::batch, std::function<void(result<void>)> done) = 0;
  /// The text of a row that was committed. errc::job_not_found when the row is gone, its input was
  /// released, or the store keeps no texts; store_corrupt when it is not what was stored;
  /// unavailable when asking again is right; io_error.
  virtual void fetch(std::uint64_t order, column,
                     std::function<void(result<shared_text>)> done) = 0;
  /// Commits what was asked for before, checkpoints and lets go. Nothing is accepted afterwards.
  virtual void close(std::function<void()> done) = 0;
  /// True when changes of existing rows are sure to find space although the disk is full.
  virtual bool has_reserve() const { return true; }
  /// Why a change would wait now before it is durable or refused (errc::unavailable).
  virtual std::optional<error> trouble() const { return {}; }
  /// Called when the store finds by itself, with no commit under way, that it cannot go on
  /// (store_failed). Null: no caller needs the answer any more.
  virtual void on_failure(std::function<void(error)>) {}
  /// Null: no other process ever has jobs in this store.
  virtual store::shared_store* shared() { return nullptr; }
};

} // namespace tayfa
