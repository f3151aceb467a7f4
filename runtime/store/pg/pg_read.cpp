#include "runtime/store/pg/pg_read.hpp"

#include "runtime/store/row_codec.hpp"
#include "runtime/store/store.hpp"

#include <algorithm>

namespace tayfa::store {

namespace {

/// The columns of one row, from left to right.
struct cursor {
  const pg_rows& rows;
  int row;
  int column = 0;

  cell next(column_type type) {
    const int at = column++;
    if (rows.is_null(row, at)) {
      return {};
    }
    return type == column_type::text ? cell{rows.bytes(row, at)} : cell{rows.number(row, at)};
  }
};

result<job_row> read_job(const pg_rows& rows, int number, const store_clock& clock) {
  read_row out;
  row_extras extras;
  const row_target to{.clock = clock, .job = &out.row, .extras = &extras};
  judged_groups groups;
  cursor from{rows, number};
  for (std::size_t i = 0; i < read_order.size(); ++i) {
    const auto& group = read_order[i];
    const bool results = group.from == &table_set::results;
    if (results && group.which == main_sum && rows.is_null(number, from.column)) {
      break; // the job has no result, so nothing follows
    }
    for (const auto& each : (stored_tables.*group.from).columns) {
      if (is_read(each, group.which)) {
        groups[i].possible = each.read(from.next(each.type), to) && groups[i].possible;
      }
    }
  }
  // A large text is in the database, as that of a file is in its file.
  for (auto* const text : {&extras.input, &extras.output}) {
    text->file = text->bytes > job_store::inline_max ? "database" : "";
  }
  take_extras(out, extras, groups);
  if (std::all_of(groups.begin(), groups.end(), [](auto& each) { return each.possible; })) {
    return std::move(out.row);
  }
  return fail(errc::store_corrupt,
              "the row of job " + std::to_string(out.row.order) + " holds what cannot be");
}

} // namespace

result<std::vector<job_row>> read_jobs(const pg_rows& rows, const store_clock& clock) {
  std::vector<job_row> out;
  out.reserve(static_cast<std::size_t>(rows.count()));
  for (int i = 0; i < rows.count(); ++i) {
    auto next = read_job(rows, i, clock);
    if (!next) {
      return fail(next.error());
    }
    out.push_back(std::move(*next));
  }
  return out;
}

} // namespace tayfa::store
