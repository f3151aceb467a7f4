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
/// `?1, ?2, …`: each column's parameter, used for its value and for its sum.
std::string parameters(std::size_t count) {
  std::string out;
  for (std::size_t i = 1; i <= count; ++i) {
    out += (out.empty() ? "?" : ", ?") + std::to_string(i);
  }
  return out;
}
std::string sum_of(std::string_view kind, const columns& names, std::string_view before = {}) {
  return "row_sum('" + std::string{kind} + "', " + list_of(names, before) + ")";
}
std::string sum_of_parameters(std::string_view kind, std::size_t count) {
  return "row_sum('" + std::string{kind} + "', " + parameters(count) + ")";
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
  const auto own = request_columns.size();
  const auto input =
      "row_sum('input', ?1, ?" + std::to_string(own + 1) + ", ?" + std::to_string(own + 2) + ")";
  return "INSERT INTO requests(" + list_of(all) + ", input_sum, sum) VALUES(" +
         parameters(all.size()) + ", " + input + ", " + sum_of_parameters("requests", own) +
         ") ON CONFLICT(job) DO UPDATE SET " + updates(all) + "input_sum=excluded.input_sum, " +
         swap_in("requests");
}

std::string make_put(const std::string& table, const columns& names) {
  return "INSERT INTO " + table + "(" + list_of(names) + ", sum) VALUES(" +
         parameters(names.size()) + ", " + sum_of_parameters(table, names.size()) +
         ") ON CONFLICT(job) DO UPDATE SET " + updates(names) + swap_in(table);
}

/// Only a row that is there; an input that was released stays so.
std::string make_update_state() {
  const auto last = state_columns.size();
  const auto released = "max(input_released, ?" + std::to_string(last) + ")";
  std::string sets;
  for (std::size_t i = 1; i + 1 < last; ++i) {
    sets += std::string{state_columns[i]} + "=?" + std::to_string(i + 1) + ", ";
  }
  return "UPDATE states SET " + sets + "input_released=" + released +
         ", sum=swap_sum(sum, row_sum('states', " + parameters(last - 1) + ", " + released +
         ")) WHERE job=?1";
}

std::string make_put_chunks() {
  return "INSERT INTO results(job, output_bytes, chunks, chunks_sum, sum) VALUES(?1, 0, ?2, " +
         sum_of_parameters("chunks", chunks_columns.size()) +
         ", row_sum('results', ?1, NULL, 0, NULL)) ON CONFLICT(job) DO UPDATE SET "
         "chunks=excluded.chunks, chunks_sum=excluded.chunks_sum, "
         "sum=swap_sum(results.sum, results.sum)";
}

std::string make_put_meta() {
  return "INSERT OR REPLACE INTO meta(one, " + list_of(meta_columns) + ", sum) VALUES(1, " +
         parameters(meta_columns.size()) + ", " + sum_of_parameters("meta", meta_columns.size()) +
         ")";
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
const std::string insert_state_sql = make_put("states", state_columns);
const std::string update_state_sql = make_update_state();
const std::string put_output_sql = make_put("results", output_columns);
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
