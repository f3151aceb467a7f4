// The store as a reader of its contract would write it in a minute: a map. The crash tests compare
// the real one with it, under a random workload. Owned by each test.
#pragma once

#include "runtime/store/row.hpp"

#include <cstdint>
#include <map>
#include <random>
#include <string>

namespace tayfa::store::testing {

struct naive_store {
  std::map<std::uint64_t, job_row> rows;
  std::uint64_t last_order = 0;

  void apply(const batch&);
  /// Expected result of open(), as words: large texts are not read back with their rows.
  std::string words() const;
};
/// The actual result of open(), in the same words.
std::string words_of(const std::vector<job_row>& rows, std::uint64_t last_order);

/// Draws batches that make sense for the rows there are: jobs come, move, end and go.
class workload {
 public:
  explicit workload(std::uint64_t seed) : random_(seed) {}
  batch next(const naive_store& now);
  std::uint64_t draw(std::uint64_t below) { return random_() % below; }

 private:
  change accept_one();
  change change_one(const naive_store& now);
  shared_text text();

  std::mt19937_64 random_;
  std::uint64_t order_ = 0;
};

} // namespace tayfa::store::testing
