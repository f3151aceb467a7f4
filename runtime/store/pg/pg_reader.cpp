#include "runtime/store/pg/pg_reader.hpp"

#include "runtime/store/pg/pg_schema.hpp"

#include <utility>

namespace tayfa::store {

namespace {

constexpr std::int64_t text_max = std::int64_t{1} << 30; ///< PostgreSQL keeps no larger value
constexpr std::chrono::seconds slice_patience{15};

/// The size of the text, its first slice, and whether it was released.
constexpr const char* input_sql =
    "SELECT requests.input_bytes, substring(requests.input FROM 1 FOR $2::bigint::int), "
    "states.input_released FROM requests JOIN states ON states.job = requests.job "
    "WHERE requests.job = $1::bigint";
constexpr const char* output_sql =
    "SELECT coalesce(results.output_bytes, 0), "
    "substring(results.output FROM 1 FOR $2::bigint::int), 0::bigint FROM states "
    "LEFT JOIN results ON results.job = states.job WHERE states.job = $1::bigint";
constexpr const char* more_input_sql =
    "SELECT substring(input FROM $2::bigint::int FOR $3::bigint::int) FROM requests "
    "WHERE job = $1::bigint";
constexpr const char* more_output_sql =
    "SELECT substring(output FROM $2::bigint::int FOR $3::bigint::int) FROM results "
    "WHERE job = $1::bigint";

error not_whole(std::int64_t job) {
  return {errc::store_corrupt, "the text of job " + std::to_string(job) + " is not whole"};
}

} // namespace

pg_reader::pg_reader(const pg_address& address, const time_source& time, const unique_fd& stop,
                     std::string schema, std::chrono::milliseconds connect)
    : address_(address), time_(time), stop_(stop), schema_(std::move(schema)), connect_(connect) {}

result<void> pg_reader::connect() {
  if (session_) {
    return {};
  }
  auto made = pg_session::connect(address_, connect_, {time_, stop_});
  if (!made) {
    return fail(errc::unavailable, made.error().text);
  }
  if (auto set = settle_session(*made, schema_, true, time_.now() + pg_step_patience); !set) {
    return fail(errc::unavailable, set.error().text);
  }
  session_.emplace(std::move(*made));
  return {};
}

result<pg_outcome> pg_reader::run(const std::vector<pg_call>& calls) {
  auto how = session_->run(calls, time_.now() + slice_patience);
  if (how.is_done()) {
    return how;
  }
  session_.reset(); // also ends a transaction that failed
  return fail(error_of(how, errc::io_error));
}

result<shared_text> pg_reader::fetch(std::uint64_t order, job_store::column which) {
  if (auto ready = connect(); !ready) {
    return fail(ready.error());
  }
  const bool input = which == job_store::column::input;
  return read(static_cast<std::int64_t>(order), input ? input_sql : output_sql,
              input ? more_input_sql : more_output_sql);
}

result<shared_text> pg_reader::read(std::int64_t job, const char* first, const char* more) {
  // All slices see the same row: a retry may replace its output meanwhile.
  auto begun = run({{.sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},
                    {.sql = first, .values = {pg_number(job), pg_number(slice)}}});
  if (!begun) {
    return fail(begun.error());
  }
  const auto& row = begun->rows[1];
  const bool found = row.count() == 1;
  const auto bytes = found ? row.number(0, 0) : 0;
  const bool released = found && row.number(0, 2) != 0;
  std::string text = found ? row.text(0, 1) : std::string{};
  while (found && !released && static_cast<std::int64_t>(text.size()) < bytes &&
         bytes <= text_max) {
    const auto next = static_cast<std::int64_t>(text.size()) + 1;
    text.reserve(static_cast<std::size_t>(bytes));
    auto part = run({{.sql = more, .values = {pg_number(job), pg_number(next), pg_number(slice)}}});
    if (!part) {
      return fail(part.error());
    }
    if (part->rows[0].count() != 1 || part->rows[0].bytes(0, 0).empty()) {
      break;
    }
    text += part->rows[0].bytes(0, 0);
  }
  if (auto ended = run({{.sql = "COMMIT"}}); !ended) {
    return fail(ended.error());
  }
  if (!found || released) {
    return fail(errc::job_not_found, released ? "the job's input was released" : "");
  }
  if (static_cast<std::int64_t>(text.size()) != bytes) {
    return fail(not_whole(job));
  }
  return shared_text{std::move(text)};
}

} // namespace tayfa::store
