// Rows in PostgreSQL: every column under its name and back, any bytes, large texts, and tables of
// an earlier version of the schema.
#include "runtime/store/pg/pg_sql.hpp"
#include "runtime/store/row_codec.hpp"
#include "tests/unit/store/pg/support.hpp"

#include <sstream>

namespace tayfa::store::testing {
namespace {

struct pg_rows_test : with_server {};

/// A row in which every member has a value of its own.
job_row full_row(std::uint64_t order) {
  auto row = completed(new_row(order), R"({"image":1})");
  auto& request = row.request;
  request.model = "model";
  request.shape = "shape";
  request.webhook = "https://example.org/hook";
  request.sync = true;
  request.origin = "origin";
  request.s3_config = "{}";
  request.policy = {.execution_timeout = milliseconds{11},
                    .ttl = milliseconds{12},
                    .priority = 7,
                    .deadline = milliseconds{13},
                    .delay = milliseconds{14},
                    .tenant = "tenant",
                    .idempotency_key = "key " + std::to_string(order)};
  row.fingerprint = ~std::uint64_t{5};
  row.state = job_state::FAILED;
  row.attempts = 4;
  row.lives = 2;
  row.attempts_before = 3;
  row.suspect = true;
  row.dead = true;
  row.not_before = row.submitted + milliseconds{15};
  row.retried = row.submitted + milliseconds{16};
  row.holder = {slot_id{3}, 17, node_id{2}};
  row.lasting_name = "the one that goes on";
  row.given = row.submitted + milliseconds{17};
  row.streamed = true;
  row.failure = error{errc::job_failed, "why"};
  row.delay = milliseconds{18};
  row.execution = milliseconds{19};
  row.history.push_back({.number = 4,
                         .worker = "slot-3",
                         .given = milliseconds{20},
                         .began = milliseconds{21},
                         .ended = milliseconds{22},
                         .failure = error{errc::engine_crash, "boom"}});
  row.hook_tries = 5;
  row.hook_open = true;
  row.refresh = true;
  row.dropped_chunks = 6;
  row.keep_until = row.submitted + milliseconds{23};
  row.chunks = {chunk{"1"}, chunk{"22"}};
  return row;
}

std::string text_of_all(const std::vector<job_row>& rows) {
  std::ostringstream out;
  for (const auto& row : rows) {
    out << text_of(row) << '\n';
  }
  return out.str();
}

TEST_F(pg_rows_test, every_member_is_read_back) {
  auto options = process();
  const auto row = full_row(1);
  {
    auto store = start(options);
    ASSERT_TRUE(calls{*store}.open());
    ASSERT_TRUE(calls{*store}.commit({accept(row)}));
    ASSERT_TRUE(calls{*store}.commit({accept(new_row(2)), erase{2}, accept(new_row(3))}));
  }
  auto store = start(options);
  const auto found = calls{*store}.open();
  ASSERT_TRUE(found) << found.error().str();
  EXPECT_EQ(text_of_all(found->rows), text_of_all({row, new_row(3)}));
  EXPECT_EQ(found->last_order, 3U);
}

/// Each column, asked for by its name, has what its member makes; so no two are exchanged.
TEST_F(pg_rows_test, every_column_is_written_under_its_name) {
  auto store = start(process());
  ASSERT_TRUE(calls{*store}.open());
  const auto row = full_row(1);
  ASSERT_TRUE(calls{*store}.commit({accept(row)}));
  const auto offset = std::stoll(query("SELECT clock_offset FROM heads"));
  const auto clock = store_clock::with_offset("boot", offset);
  const auto history = history_text(row.history);
  const auto chunks = chunks_text(row.chunks);
  const row_extras extras{.input = {row.request.input.view(), {}, row.request.input.size()},
                          .output = {row.output.view(), {}, row.output.size()},
                          .history = history,
                          .chunks = chunks};
  std::size_t seen = 0;
  for (const auto& of : {stored_tables.requests, stored_tables.states, stored_tables.results}) {
    for (const auto& each : of.columns) {
      if (each.is_sum()) {
        continue;
      }
      const auto value = each.write({.clock = clock, .job = &row, .extras = &extras});
      const auto* const number = std::get_if<std::int64_t>(&value);
      const auto* const text = std::get_if<std::string_view>(&value);
      const std::string name{each.name};
      const auto stored =
          query("SELECT coalesce(" +
                (each.type == column_type::text ? "convert_from(" + name + ", 'UTF8')"
                                                : name + "::text") +
                ", 'NULL') FROM " + std::string{of.name});
      EXPECT_EQ(stored, number != nullptr ? std::to_string(*number)
                        : text != nullptr ? std::string{*text}
                                          : "NULL")
          << of.name << "." << name;
      ++seen;
    }
  }
  EXPECT_GT(seen, 40U);
}

TEST_F(pg_rows_test, texts_may_hold_any_bytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes += static_cast<char>(i);
  }
  auto options = process();
  auto row = completed(new_row(1), bytes);
  row.failure = error{errc::job_failed, bytes};
  row.worker = bytes;
  row.request.input = shared_text{bytes};
  row.input_bytes = bytes.size();
  {
    auto store = start(options);
    ASSERT_TRUE(calls{*store}.open());
    ASSERT_TRUE(calls{*store}.commit({accept(row)}));
    EXPECT_EQ(calls{*store}.fetch(1, job_store::column::output).value().view(), bytes);
  }
  auto store = start(options);
  EXPECT_EQ(text_of_all(calls{*store}.open().value().rows), text_of_all({row}));
}

TEST_F(pg_rows_test, a_large_text_is_read_in_slices) {
  auto store = start(process());
  ASSERT_TRUE(calls{*store}.open());
  std::string text(5'000'000, 'a');
  for (std::size_t i = 0; i < text.size(); i += 997) {
    text[i] = static_cast<char>('b' + i % 20);
  }
  ASSERT_TRUE(calls{*store}.commit({accept(completed(new_row(1), text))}));
  const auto found = calls{*store}.fetch(1, job_store::column::output);
  ASSERT_TRUE(found) << found.error().str();
  EXPECT_TRUE(found->view() == text);
  query("UPDATE results SET output = substring(output FROM 1 FOR 4000000)");
  EXPECT_EQ(calls{*store}.fetch(1, job_store::column::output).error().code, errc::store_corrupt);
}

TEST_F(pg_rows_test, a_row_that_holds_what_cannot_be_is_refused_by_its_number) {
  auto options = process();
  {
    auto store = start(options);
    ASSERT_TRUE(calls{*store}.open());
    ASSERT_TRUE(calls{*store}.commit({accept(new_row(7))}));
  }
  query("UPDATE states SET state = 99");
  auto store = start(options);
  const auto found = calls{*store}.open();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, errc::store_corrupt);
  EXPECT_NE(found.error().text.find("job 7"), std::string::npos) << found.error().text;
}

TEST_F(pg_rows_test, tables_of_an_earlier_version_get_the_columns_of_this_one) {
  auto options = process();
  {
    auto store = start(options);
    ASSERT_TRUE(calls{*store}.open());
    ASSERT_TRUE(calls{*store}.commit({accept(new_row(1))}));
  }
  // Back to what version 3 had.
  for (const auto& each : stored_tables.states.columns) {
    if (each.since > 3) {
      query("ALTER TABLE states DROP COLUMN " + std::string{each.name});
    }
  }
  query("UPDATE meta SET version = 3");
  auto store = start(options);
  const auto found = calls{*store}.open();
  ASSERT_TRUE(found) << found.error().str();
  EXPECT_EQ(text_of_all(found->rows), text_of_all({new_row(1)}));
  EXPECT_EQ(query("SELECT version FROM meta"), std::to_string(schema_version));
  auto row = full_row(2);
  ASSERT_TRUE(calls{*store}.commit({accept(row)}));
  EXPECT_EQ(query("SELECT worker_incarnation FROM states WHERE job = 2"), "17");
  EXPECT_EQ(query("SELECT streamed FROM states WHERE job = 2"), "1");
}

TEST_F(pg_rows_test, tables_of_a_newer_version_are_left_as_they_are) {
  auto options = process();
  { ASSERT_TRUE(calls{*start(options)}.open()); }
  query("UPDATE meta SET version = 99");
  const auto found = calls{*start(options)}.open();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, errc::bad_config);
  EXPECT_NE(found.error().text.find("newer Tayfa"), std::string::npos) << found.error().text;
  EXPECT_EQ(query("SELECT version FROM meta"), "99");
}

/// PostgreSQL changes a row in place only while no index holds a column that changes.
TEST_F(pg_rows_test, no_index_of_states_holds_what_a_change_of_state_writes) {
  ASSERT_TRUE(calls{*start(process())}.open());
  EXPECT_EQ(query("SELECT string_agg(DISTINCT attname, ' ' ORDER BY attname) FROM pg_index "
                  "JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey) "
                  "WHERE indrelid = 'states'::regclass AND indpred IS NULL AND indexprs IS NULL"),
            "job owner");
  EXPECT_EQ(query("SELECT count(*) FROM pg_index WHERE indrelid = 'states'::regclass"), "2");
  EXPECT_EQ(query("SELECT reloptions::text FROM pg_class WHERE oid = 'states'::regclass"),
            "{fillfactor=50,autovacuum_vacuum_scale_factor=0.02}");
}

} // namespace
} // namespace tayfa::store::testing
