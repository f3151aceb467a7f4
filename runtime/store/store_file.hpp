// The store's file and its large texts, synchronously: one transaction at a time on the caller's
// thread. sqlite_store puts a queue and a thread in front of it.
//
// Invariants: a transaction is committed as a whole or leaves no trace, in the file, in the large
// texts and in memory; after an error other than storage_full nothing is written ever again (a
// failed flush must not be tried again: the kernel may have dropped what it could not write).
#pragma once

#include "runtime/store/path_watch.hpp"
#include "runtime/store/row_codec.hpp"
#include "runtime/store/row_sums.hpp"
#include "runtime/store/schema.hpp"
#include "runtime/store/space_reserve.hpp"
#include "runtime/store/store.hpp"
#include "runtime/store/store_mark.hpp"
#include "runtime/store/text_files.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tayfa::store {

struct store_file_options {
  std::string folder{};                ///< made when it is missing
  std::string vfs{};                   ///< of SQLite; empty = the machine's
  std::string boot{};                  ///< boot id
  std::size_t checkpoint_pages = 4096; ///< of the write-ahead log, 4 KiB each
  bool flush = true;                   ///< schema_options::flush
  std::size_t reserve = 0;             ///< bytes; see space_reserve.hpp
  std::vector<std::string> watched{};  ///< names beside its own that must stay what they are
};

class store_file {
 public:
  static constexpr const char* file_name = "jobs.sqlite";
  static constexpr const char* texts_name = "blobs";

  store_file(const time_source&, file_system&, store_file_options);

  result<job_store::recovered> open();
  /// All of them in one transaction.
  result<void> commit(std::span<const batch* const>);
  result<shared_text> fetch(std::uint64_t order, job_store::column);
  /// Moves the write-ahead log into the file when it is long enough. Between transactions.
  void tidy();
  /// When nothing waits: one bounded step of what can wait (store_file_upkeep.cpp). True: there is
  /// more to do.
  bool rest();
  /// Changes of rows that are there are sure to find space.
  bool has_reserve() const {
    return reserve_.held() > 0 && reserve_.held() >= reserve_.wanted() / 4;
  }
  const std::optional<error>& refusal() const { return refusal_; }
  void close();

 private:
  struct statements {
    statement put_request, insert_state, update_state, put_output, put_chunks;
    statement release_input, erase_request, erase_state, erase_result;
    statement read_input, read_output;
    statement put_meta, begin, commit;
    explicit statements(database&);
  };

  result<void> prepare(const std::string& path, const schema_options&);
  result<void> create(const std::string& path, const schema_options&);
  result<void> take_over_log(const std::string& path);
  result<void> load_meta();
  result<std::vector<job_row>> load_rows();
  result<void> check_totals(const row_sums::totals& found, bool some_damaged) const;
  /// Converts a file of an earlier release so that it can give space back.
  result<bool> make_shrinkable(std::int64_t used_max);
  result<bool> give_back();
  result<void> shorten();
  result<void> check_mark() const;
  result<void> begin_work(const std::string& path);
  result<void> keep_names();
  result<void> attempt(std::span<const batch* const>);
  /// When the disk is full: moves the log into the file, so that the next transaction overwrites
  /// the log's space instead of asking for more. True: trying again makes sense.
  bool make_room();
  result<void> transact(std::span<const batch* const>);
  result<void> apply(const change&);
  result<void> apply_put(const put&);
  result<void> apply_erase(const erase&);
  result<void> put_new(const put&);
  result<void> put_results(const put&);
  result<stored_text> keep_text(std::uint64_t order, text_files::part, const shared_text&);
  result<void> put_counted(statement&);
  result<void> erase_counted(statement&, std::uint64_t order);
  result<void> release_input(std::uint64_t order);
  result<void> write_meta();
  result<void> roll_back();
  result<int> checkpoint(int mode);
  error refuse(error);

  const time_source& time_;
  store_file_options options_;
  store_clock clock_;
  text_files texts_;
  file_system& files_;
  store_mark mark_;
  path_watch names_;
  space_reserve reserve_;
  row_sums sums_;
  database database_;
  std::optional<statements> sql_; ///< after database_: ended before it
  std::uint64_t last_order_ = 0;
  std::uint64_t commits_ = 0;     ///< so far, also by earlier processes
  std::uint64_t unsealed_ = 0;    ///< rows up to this order may have no checksums
  std::int64_t tables_ = 0;       ///< sum of their definitions
  std::size_t log_pages_ = 0;     ///< in the write-ahead log since the last whole checkpoint
  std::size_t checkpoint_at_ = 0; ///< log_pages_ that call for one
  bool shrinkable_ = false;       ///< SQLite's auto_vacuum is incremental
  bool gave_back_ = false;        ///< pages, which the file still has
  std::uint64_t rested_at_ = 0;   ///< commits_ for which everything that can wait was done
  std::optional<error> refusal_;  ///< set: nothing more is done
};

} // namespace tayfa::store
