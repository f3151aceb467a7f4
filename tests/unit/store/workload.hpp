// A random workload of the crash tests. Owned by each test.
#pragma once

#include "tests/job_model/perfect_store.hpp"

#include <cstdint>
#include <random>

namespace tayfa::store::testing {

using tayfa::testing::perfect_store;

/// Draws batches that make sense for the rows there are: jobs come, move, end and go.
class workload {
 public:
  explicit workload(std::uint64_t seed) : random_(seed) {}
  batch next(const perfect_store& now);
  std::uint64_t draw(std::uint64_t below) { return random_() % below; }

 private:
  change accept_one();
  change change_one(const perfect_store& now);
  shared_text text();

  std::mt19937_64 random_;
  std::uint64_t order_ = 0;
};

} // namespace tayfa::store::testing
