// Batches of changes as the statements of one transaction: each job's changes become one, and each
// kind of change one statement over arrays, whatever the number of jobs. Pure.
//
// Invariant: the statements have the same effect, in their order, as the changes had one by one.
#pragma once

#include "runtime/store/pg/pg_wire.hpp"
#include "runtime/store/row.hpp"
#include "runtime/store/store_clock.hpp"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tayfa::store {

struct pg_group {
  static constexpr std::size_t fence = 1; ///< its place; whoever commits the group puts it there
  std::vector<pg_call> calls{};           ///< BEGIN, the fence, the changes, COMMIT
  std::uint64_t last_order = 0;           ///< of new rows; 0 = there are none
  std::size_t bytes = 0;                  ///< of all parameters
};

/// Jobs are numbered in a range for each head: heads never wait for each other, and no two give the
/// same number. Head 1 begins at 0.
inline constexpr int pg_order_bits = 40;
constexpr std::int64_t pg_range_of(std::uint64_t order) {
  return static_cast<std::int64_t>(order >> pg_order_bits) + 1;
}

/// A group of these changes alone.
pg_group whole_transaction(std::vector<pg_call> changes);
/// The batches must live until the group is made, and no longer.
pg_group make_group(std::span<const batch* const>, const store_clock&, std::int64_t head);

/// The statements that groups use, by name: each session prepares them.
const std::vector<std::pair<std::string, std::string>>& pg_statements();

/// Names of statements that fail (division by zero) when another head has this number, id or key.
inline constexpr std::string_view put_states_name = "put_states";
inline constexpr std::string_view put_ids_name = "put_ids";
inline constexpr std::string_view put_keys_name = "put_keys";

} // namespace tayfa::store
