// A life of a store on a simulated disk: a random workload, a fault in it, and a reader's view
// afterwards, compared with a perfect store. Owned by each test.
#pragma once

#include "runtime/store/sim_disk.hpp"
#include "tests/unit/store/support.hpp"
#include "tests/unit/store/workload.hpp"

#include <deque>
#include <memory>
#include <string>

namespace tayfa::store::testing {

class crash_run {
 public:
  struct options {
    std::uint64_t seed = 1;
    bool flush = true;       ///< of SQLite
    bool flush_names = true; ///< of the large texts' folders
    bool write_again = true; ///< of the log, when it is opened
    std::size_t sector = 4096;
    std::size_t reserve = 128 * 1024;
  };
  explicit crash_run(options);
  ~crash_run();

  sim_disk& disk() { return disk_; }
  const perfect_store& acknowledged() const { return acknowledged_; }
  /// Opens, and plays batches until there were enough or the store refuses; closes now and then.
  void play(int batches);
  /// The same on a store that may be open already, without ever closing.
  void go_on(int batches);
  bool refused() const { return refused_; } ///< an answer was store_failed
  std::size_t times_full() const { return times_full_; }

  void kill() { store_.reset(); }
  /// Opens (after kill) and compares: what was acknowledged is there; of the batches that were
  /// under way, the first few, each as a whole. A description of what is wrong; empty = nothing.
  std::string recover();
  /// Opens (after kill) without comparing.
  result<void> open();

 private:
  struct forgetful_files;
  void make();
  void commit_some(workload&, std::uint64_t batches);
  std::string compare(const job_store::recovered&);
  std::string compare_texts();
  std::string whole_check();

  const options options_;
  sim_disk disk_;
  manual_time time_;
  std::unique_ptr<file_system> files_;
  std::unique_ptr<sqlite_store> store_;
  workload workload_;
  perfect_store acknowledged_, issued_;
  std::deque<batch> under_way_;
  std::vector<std::string> wrong_; ///< seen on the way
  bool refused_ = false;
  std::size_t times_full_ = 0;
};

} // namespace tayfa::store::testing
