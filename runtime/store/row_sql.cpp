#include "runtime/store/row_sql.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace tayfa::store {

namespace {

// The columns of each table in the order of their binding and of their reading; each of them is in
// exactly one sum, with the job's order. A new column goes into one of these lists, and into the
// functions below that bind and read it.
using columns = std::vector<std::string_view>;

const columns request_columns = {"job",
                                 "id",
                                 "fingerprint",
                                 "submitted",
                                 "endpoint",
                                 "model",
                                 "shape",
                                 "tenant",
                                 "idempotency_key",
                                 "priority",
                                 "execution_timeout",
                                 "ttl",
                                 "deadline",
                                 "delay",
                                 "webhook",
                                 "sync",
                                 "origin",
                                 "s3_config",
                                 "input_bytes"};
const columns input_columns = {"job", "input", "input_file"};
const columns state_columns = {
    "job",       "state",        "attempts",   "lives",          "attempts_before", "lone_kills",
    "suspect",   "dead",         "not_before", "retried",        "ended",           "worker",
    "failure",   "failure_text", "delay",      "execution",      "history",         "hook_tries",
    "hook_open", "refresh",      "keep_until", "dropped_chunks", "input_released"};
const columns output_columns = {"job", "output", "output_bytes", "output_file"};
const columns chunks_columns = {"job", "chunks"};
const columns meta_columns = {"last_order", "boot", "clock_offset", "clock",    "wall",
                              "commits",    "jobs", "total",        "unsealed", "tables"};

std::string list_of(const columns& names, std::string_view before = {}) {
  std::string out;
  for (const auto name : names) {
    out += out.empty() ? "" : ", ";
    out += before;
    out += name;
  }
  return out;
}
std::string marks(std::size_t count) {
  std::string out = "?";
  for (std::size_t i = 1; i < count; ++i) {
    out += ",?";
  }
  return out;
}
std::string sum_of(std::string_view kind, const columns& names, std::string_view before = {}) {
  return "row_sum('" + std::string{kind} + "', " + list_of(names, before) + ")";
}
/// `WITH new(...) AS (VALUES(?,...))`: each parameter once, under its column's name.
std::string with_new(const columns& names) {
  return "WITH new(" + list_of(names) + ") AS (VALUES(" + marks(names.size()) + ")) ";
}
std::string updates(const columns& names) {
  std::string out;
  for (const auto name : names) {
    if (name != "job") {
      out += std::string{name} + "=excluded." + std::string{name} + ", ";
    }
  }
  return out;
}
/// The total learns of the change (row_sums.hpp).
std::string swap_in(const std::string& table) {
  return "sum=swap_sum(" + table + ".sum, excluded.sum)";
}

std::string make_put_request() {
  columns all = request_columns;
  all.insert(all.end(), input_columns.begin() + 1, input_columns.end());
  return with_new(all) + "INSERT INTO requests(" + list_of(all) + ", input_sum, sum) SELECT " +
         list_of(all) + ", " + sum_of("input", input_columns) + ", " +
         sum_of("requests", request_columns) +
         " FROM new WHERE true ON CONFLICT(job) DO UPDATE SET " + updates(all) +
         "input_sum=excluded.input_sum, " + swap_in("requests");
}

std::string make_put_state(const std::string& from) {
  return with_new(state_columns) + "INSERT INTO states(" + list_of(state_columns) +
         ", sum) SELECT " + list_of(state_columns) + ", " + sum_of("states", state_columns) +
         " FROM " + from + " WHERE true ON CONFLICT(job) DO UPDATE SET " + updates(state_columns) +
         swap_in("states");
}

/// Only a row that is there; an input that was released stays so.
std::string make_update_state() {
  auto known = list_of(columns{state_columns.begin(), state_columns.end() - 1}, "n.");
  return make_put_state("(SELECT " + known +
                        ", max(n.input_released, s.input_released) AS input_released FROM new AS n "
                        "JOIN states AS s ON s.job = n.job)");
}

std::string make_put_output() {
  return with_new(output_columns) + "INSERT INTO results(" + list_of(output_columns) +
         ", sum) SELECT " + list_of(output_columns) + ", " + sum_of("results", output_columns) +
         " FROM new WHERE true ON CONFLICT(job) DO UPDATE SET " + updates(output_columns) +
         swap_in("results");
}

std::string make_put_chunks() {
  return with_new(chunks_columns) +
         "INSERT INTO results(job, output_bytes, chunks, chunks_sum, sum) SELECT job, 0, chunks, " +
         sum_of("chunks", chunks_columns) +
         ", row_sum('results', job, NULL, 0, NULL) FROM new WHERE true ON CONFLICT(job) DO UPDATE "
         "SET chunks=excluded.chunks, chunks_sum=excluded.chunks_sum, "
         "sum=swap_sum(results.sum, results.sum)";
}

std::string make_put_meta() {
  return with_new(meta_columns) + "INSERT OR REPLACE INTO meta(one, " + list_of(meta_columns) +
         ", sum) SELECT 1, " + list_of(meta_columns) + ", " + sum_of("meta", meta_columns) +
         " FROM new";
}

/// After each group of columns: its sum, and whether it fits.
std::string make_read_rows() {
  const auto fits = [](std::string_view table, std::string_view sum, const std::string& computed) {
    const auto stored = std::string{table} + std::string{sum};
    return ", " + stored + ", " + stored + " IS " + computed;
  };
  return "SELECT " + list_of(request_columns, "r.") +
         fits("r.", "sum", sum_of("requests", request_columns, "r.")) +
         ", s.input_released, CASE WHEN s.input_released THEN NULL ELSE r.input END, r.input_file, "
         "r.input_sum, CASE WHEN s.input_released THEN 1 ELSE r.input_sum IS " +
         sum_of("input", input_columns, "r.") + " END, " + list_of(state_columns, "s.") +
         fits("s.", "sum", sum_of("states", state_columns, "s.")) + ", o.job, " +
         list_of(output_columns, "o.") +
         fits("o.", "sum", sum_of("results", output_columns, "o.")) + ", o.chunks" +
         fits("o.", "chunks_sum", sum_of("chunks", chunks_columns, "o.")) +
         " FROM requests AS r JOIN states AS s ON s.job = r.job LEFT JOIN results AS o ON o.job = "
         "r.job ORDER BY r.job";
}

} // namespace

const std::string put_request_sql = make_put_request();
const std::string insert_state_sql = make_put_state("new");
const std::string update_state_sql = make_update_state();
const std::string put_output_sql = make_put_output();
const std::string put_chunks_sql = make_put_chunks();
const std::string put_meta_sql = make_put_meta();
const std::string read_rows_sql = make_read_rows();
const std::string read_meta_sql =
    "SELECT " + list_of(meta_columns) + ", sum IS " + sum_of("meta", meta_columns) + " FROM meta";
const std::string read_input_sql =
    "SELECT r.input, r.input_bytes, r.input_file, s.input_released, r.input_sum IS NULL OR "
    "r.input_sum IS " +
    sum_of("input", input_columns, "r.") +
    " FROM requests AS r JOIN states AS s ON s.job = r.job WHERE r.job=?";
const std::string read_output_sql =
    "SELECT o.output, o.output_bytes, o.output_file, 0, o.sum IS NULL OR o.sum IS " +
    sum_of("results", output_columns, "o.") +
    " FROM states AS s LEFT JOIN results AS o ON o.job = s.job WHERE s.job=?";
const std::string seal_sql = "UPDATE requests SET input_sum=" + sum_of("input", input_columns) +
                             ", sum=" + sum_of("requests", request_columns) +
                             "; UPDATE states SET sum=" + sum_of("states", state_columns) +
                             "; UPDATE results SET chunks_sum=" + sum_of("chunks", chunks_columns) +
                             ", sum=" + sum_of("results", output_columns) + ";";
const std::string seal_meta_sql = "UPDATE meta SET sum=" + sum_of("meta", meta_columns);

} // namespace tayfa::store
