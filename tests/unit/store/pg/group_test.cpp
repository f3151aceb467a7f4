// Changes of a group become one per job and one statement per kind.
#include "runtime/store/pg/pg_group.hpp"
#include "runtime/store/pg/pg_sql.hpp"
#include "tests/unit/store/support.hpp"

#include <map>

#include <gtest/gtest.h>

namespace tayfa::store::testing {
namespace {

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  return static_cast<std::uint32_t>(number_of_wire(std::string_view{bytes}.substr(at, 4)));
}

/// Statements by name, with the number of rows of each.
std::map<std::string, std::uint32_t> rows_of(const batch& changes) {
  const store_clock clock;
  const auto* const one = &changes;
  std::map<std::string, std::uint32_t> out;
  const auto group = make_group({&one, 1}, clock, 1);
  EXPECT_EQ(group.calls.front().sql, "BEGIN");
  EXPECT_EQ(group.calls.back().sql, "COMMIT");
  for (std::size_t i = pg_group::fence + 1; i + 1 < group.calls.size(); ++i) {
    const auto& call = group.calls[i];
    EXPECT_TRUE(call.prepared) << call.sql;
    EXPECT_TRUE(out.emplace(call.sql, number_at(call.values.front().bytes, 12)).second) << call.sql;
  }
  return out;
}
using rows = std::map<std::string, std::uint32_t>;

TEST(pg_group, a_job_that_comes_and_ends_in_one_group_is_written_once) {
  auto ended = completed(new_row(1), "[1]");
  EXPECT_EQ(rows_of({accept(new_row(1)), state_of(new_row(1)), state_of(ended, part_output)}),
            (rows{{"put_requests", 1}, {"put_states", 1}, {"put_results", 1}, {"put_ids", 1}}));
}

TEST(pg_group, a_job_that_comes_and_goes_is_only_erased) {
  EXPECT_EQ(rows_of({accept(new_row(1)), erase{1}, state_of(new_row(1))}), (rows{{"erase", 1}}));
}

TEST(pg_group, the_number_of_an_erased_job_stays_given) {
  const batch changes = {accept(new_row(4)), accept(new_row(9)), erase{9}};
  const auto* const one = &changes;
  EXPECT_EQ(make_group({&one, 1}, {}, 1).last_order, 9U);
}

TEST(pg_group, a_number_of_another_heads_range_does_not_count_as_given) {
  const auto theirs = (std::uint64_t{1} << pg_order_bits) + 7;
  const batch changes = {accept(new_row(4)), accept(new_row(theirs))};
  const auto* const one = &changes;
  EXPECT_EQ(make_group({&one, 1}, {}, 1).last_order, 4U);
  EXPECT_EQ(make_group({&one, 1}, {}, 2).last_order, theirs);
}

TEST(pg_group, one_statement_serves_all_jobs) {
  auto ended = completed(new_row(3), "[1]");
  EXPECT_EQ(rows_of({state_of(ended, part_output | part_input_released), state_of(new_row(1)),
                     state_of(new_row(2), part_chunks), erase{4}, erase{5}}),
            (rows{{"update_states", 3},
                  {"put_output", 1},
                  {"put_chunks", 1},
                  {"release_inputs", 1},
                  {"erase", 2}}));
}

TEST(pg_group, an_output_that_only_the_database_has_is_not_written) {
  auto row = completed(new_row(1), "");
  row.output_bytes = 70'000;
  EXPECT_EQ(rows_of({state_of(row, part_output)}), (rows{{"update_states", 1}}));
}

TEST(pg_group, a_retry_clears_the_result) {
  EXPECT_EQ(rows_of({state_of(new_row(1), part_output | part_chunks)}),
            (rows{{"update_states", 1}, {"clear_results", 1}}));
}

TEST(pg_group, a_key_names_the_latest_job_that_has_it) {
  auto one = new_row(1);
  one.request.policy.idempotency_key = "key";
  auto two = one;
  two.order = 2;
  two.id = job_id{"job-2"};
  EXPECT_EQ(rows_of({accept(one), accept(two)}).at("put_keys"), 1U);
}

TEST(pg_wire, numbers_and_nulls) {
  pg_array array{column_type::integer};
  array.add(cell{std::int64_t{-2}});
  array.add(cell{});
  const auto value = array.take();
  EXPECT_EQ(value.bytes.size(), 20U + 12 + 4);
  EXPECT_EQ(number_at(value.bytes, 4), 1U) << "it has a NULL";
  EXPECT_EQ(number_of_wire(std::string_view{value.bytes}.substr(24, 8)), -2);
  EXPECT_EQ(number_of_wire(pg_number(-5).bytes), -5);
  EXPECT_EQ(number_of_wire("\x01"), 1);
}

TEST(pg_sql, statements_have_a_parameter_for_each_column_that_is_bound) {
  for (const auto& of : {stored_tables.requests, stored_tables.states, stored_tables.results}) {
    for (const std::uint8_t which :
         {std::uint8_t{main_sum}, std::uint8_t{side_sum}, std::uint8_t{main_sum | side_sum}}) {
      std::size_t bound = 0;
      for (const auto& each : of.columns) {
        bound += is_bound(each, which) ? 1 : 0;
      }
      EXPECT_EQ(pg_columns(of, which), bound) << of.name;
      const auto sql = pg_put_sql(of, which);
      EXPECT_NE(sql.find("$" + std::to_string(bound) + "::"), std::string::npos) << sql;
      for (const auto& each : of.columns) {
        const bool named = sql.find(std::string{each.name}) != std::string::npos;
        EXPECT_TRUE(named || each.is_sum() || each.nullable) << each.name << " in " << sql;
      }
    }
  }
}

} // namespace
} // namespace tayfa::store::testing
