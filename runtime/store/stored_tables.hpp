// Every column that the store has, once. A new stored member costs one entry here, with the version
// of the schema that brings it. The statements, the binding and reading, the tables of a new file
// and the migration of an older one are made of these entries.
//
// Files rely on names, types, versions, and the order of the entries, which is the order of the
// columns in a file and under a checksum: these are frozen. An entry later than version 3 goes to
// the end of its table; a checksum leaves such columns out while they hold their defaults, so that
// adding one rewrites no row.
//
//   requests  what was asked; written once          results  output and chunks; written at the end
//   states    how the job stands; small, rewritten with each change
//   meta      one row: the store's clock, the highest order ever given, how many commits there
//             were, how many rows there are and the total of their checksums
#pragma once

#include "runtime/store/column_codecs.hpp"

namespace tayfa::store {

using text_bytes = up_to<std::numeric_limits<int>::max()>;

constexpr column row_begin(std::uint8_t sums) {
  return coded<row_key, &job_row::order>("job")
      .with(&column::primary, true)
      .with(&column::sums, sums);
}

inline constexpr std::array request_columns = {
    row_begin(main_sum | side_sum),
    stored<&job_row::id>("id"),
    stored<&job_row::fingerprint>("fingerprint"),
    stored<&job_row::submitted>("submitted"),
    request<&job_request::endpoint>("endpoint"),
    request<&job_request::model>("model"),
    request<&job_request::shape>("shape"),
    policy<&job_policy::tenant>("tenant"),
    policy<&job_policy::idempotency_key>("idempotency_key"),
    coded<up_to<job_policy::priority_max>, &job_row::request, &job_request::policy,
          &job_policy::priority>("priority"),
    policy<&job_policy::execution_timeout>("execution_timeout"),
    policy<&job_policy::ttl>("ttl"),
    policy<&job_policy::deadline>("deadline"),
    policy<&job_policy::delay>("delay"),
    request<&job_request::webhook>("webhook"),
    request<&job_request::sync>("sync"),
    request<&job_request::origin>("origin").from(2),
    request<&job_request::s3_config>("s3_config").from(2),
    coded<or_null, &row_extras::input, &stored_text::here>("input").with(&column::sums, side_sum),
    coded<text_bytes, &row_extras::input, &stored_text::bytes>("input_bytes"),
    coded<or_null, &row_extras::input, &stored_text::file>("input_file")
        .with(&column::sums, side_sum),
    checksum("input_sum"),
    checksum("sum"),
};

inline constexpr std::array state_columns = {
    row_begin(main_sum),
    stored<&job_row::state>("state"),
    stored<&job_row::attempts>("attempts"),
    stored<&job_row::lives>("lives"),
    stored<&job_row::attempts_before>("attempts_before"),
    stored<&job_row::solo_crashes>("lone_kills"),
    stored<&job_row::suspect>("suspect"),
    stored<&job_row::dead>("dead"),
    coded<or_null, &job_row::not_before>("not_before"),
    stored<&job_row::retried>("retried"),
    stored<&job_row::ended>("ended"),
    coded<or_null, &job_row::worker>("worker"),
    coded<failure_code, &job_row::failure>("failure"),
    coded<failure_text, &job_row::failure>("failure_text")
        .with(&column::type, column_type::text)
        .with(&column::nullable, true),
    stored<&job_row::delay>("delay"),
    stored<&job_row::execution>("execution"),
    coded<or_null, &row_extras::history>("history"),
    stored<&job_row::hook_tries>("hook_tries"),
    stored<&job_row::hook_open>("hook_open"),
    stored<&job_row::refresh>("refresh").from(2),
    stored<&job_row::keep_until>("keep_until").from(2),
    checksum("sum"),
    stored<&job_row::dropped_chunks>("dropped_chunks").from(3),
    stored<&row_extras::input_released>("input_released").with(&column::sticky, true),
    stored<&job_row::holder, &worker_ref::node, &node_id::value>("worker_node").from(4),
    stored<&job_row::holder, &worker_ref::slot, &slot_id::value>("worker_slot").from(4),
    stored<&job_row::holder, &worker_ref::incarnation>("worker_incarnation").from(4),
    coded<or_null, &job_row::lasting_name>("worker_lasting").from(5),
    coded<or_null, &job_row::given>("given").from(5),
    stored<&job_row::streamed>("streamed").from(5),
};

inline constexpr std::array result_columns = {
    row_begin(main_sum | side_sum),
    coded<or_null, &row_extras::output, &stored_text::here>("output"),
    coded<text_bytes, &row_extras::output, &stored_text::bytes>("output_bytes"),
    coded<or_null, &row_extras::output, &stored_text::file>("output_file"),
    coded<or_null, &row_extras::chunks>("chunks").with(&column::sums, side_sum),
    checksum("chunks_sum"),
    checksum("sum"),
};

inline constexpr std::array meta_columns = {
    column{.name = "one",
           .write = [](const row_source&) { return cell{std::int64_t{1}}; },
           .read = [](const cell& from, const row_target&) { return number_in(from) == 1; },
           .sums = no_sum,
           .primary = true,
           .check = "one = 1"},
    stored<&meta_row::last_order>("last_order"),
    stored<&meta_row::clock, &store_clock::saved::boot>("boot"),
    stored<&meta_row::clock, &store_clock::saved::offset_ms>("clock_offset"),
    stored<&meta_row::clock, &store_clock::saved::clock_ms>("clock"),
    stored<&meta_row::clock, &store_clock::saved::wall_ms>("wall"),
    stored<&meta_row::commits>("commits").from(3),
    stored<&meta_row::jobs>("jobs").from(3),
    stored<&meta_row::total>("total").from(3),
    stored<&meta_row::unsealed>("unsealed").from(3),
    stored<&meta_row::tables>("tables").from(3),
    checksum("sum"),
};

struct table_set {
  table requests, states, results, meta;
  constexpr std::array<table, 4> all() const { return {requests, states, results, meta}; }
  /// The version that its newest column brought.
  constexpr int version() const {
    int newest = 1;
    for (const auto& each : all()) {
      for (const auto& one : each.columns) {
        newest = std::max(newest, one.since);
      }
    }
    return newest;
  }
  /// Columns that come later than the checksums are at the end, in the order of their versions.
  constexpr bool is_in_order() const {
    for (const auto& each : all()) {
      int last = first_with_sums;
      for (const auto& one : each.columns) {
        if (last > first_with_sums && one.since < last) {
          return false;
        }
        last = std::max(last, one.since);
      }
    }
    return true;
  }
};

inline constexpr table_set stored_tables = {.requests = {"requests", "input", request_columns},
                                            .states = {"states", "", state_columns},
                                            .results = {"results", "chunks", result_columns},
                                            .meta = {"meta", "", meta_columns}};
static_assert(stored_tables.is_in_order(), "a column of a later version goes to the end");
inline constexpr std::int64_t schema_version = stored_tables.version();

} // namespace tayfa::store
