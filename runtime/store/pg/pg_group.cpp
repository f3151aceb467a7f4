#include "runtime/store/pg/pg_group.hpp"

#include "runtime/store/pg/pg_sql.hpp"
#include "runtime/store/row_codec.hpp"

#include <map>
#include <tuple>

namespace tayfa::store {

namespace {

constexpr std::uint8_t both_sums = main_sum | side_sum;

/// A released input of at most so many bytes stays in its row until the row is erased, as in
/// SQLite (store_file.cpp).
constexpr std::size_t kept_input_max = 2048;

const std::string release_sql =
    "UPDATE requests SET input = NULL, input_file = NULL FROM states "
    "WHERE requests.job = ANY($1::bigint[]) AND requests.input_bytes > " +
    std::to_string(kept_input_max) + " AND states.job = requests.job AND states.owner = $2::bigint";
constexpr const char* clear_sql =
    "DELETE FROM results USING states WHERE results.job = ANY($1::bigint[]) "
    "AND states.job = results.job AND states.owner = $2::bigint";
constexpr const char* erase_sql =
    "WITH gone AS (DELETE FROM states WHERE job = ANY($1::bigint[]) AND owner = $2::bigint "
    "RETURNING job), "
    "asked AS (DELETE FROM requests USING gone WHERE requests.job = gone.job "
    "RETURNING requests.job, id, endpoint, tenant, idempotency_key), "
    "answered AS (DELETE FROM results USING gone WHERE results.job = gone.job), "
    "named AS (DELETE FROM ids USING asked WHERE ids.id = asked.id AND ids.job = asked.job) "
    "DELETE FROM idempotency AS k USING asked WHERE k.endpoint = asked.endpoint "
    "AND k.tenant = asked.tenant AND k.key = asked.idempotency_key AND k.job = asked.job";
constexpr const char* put_ids_sql =
    "WITH put AS (INSERT INTO ids(id, job) SELECT * FROM unnest($1::bytea[], $2::bigint[]) "
    "ON CONFLICT (id) DO UPDATE SET job = excluded.job WHERE ids.job = excluded.job RETURNING 1) "
    "SELECT 1 / (CASE WHEN count(*) = $3::bigint THEN 1 ELSE 0 END) FROM put";
constexpr const char* put_keys_sql =
    "WITH put AS (INSERT INTO idempotency(endpoint, tenant, key, job) "
    "SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[]) "
    "ON CONFLICT (endpoint, tenant, key) DO UPDATE SET job = greatest(idempotency.job, "
    "excluded.job) WHERE NOT EXISTS (SELECT 1 FROM states WHERE states.job = idempotency.job "
    "AND states.owner <> $6::bigint) RETURNING 1) "
    "SELECT 1 / (CASE WHEN count(*) = $5::bigint THEN 1 ELSE 0 END) FROM put";

/// All that a group does to one job.
struct job_change {
  bool erase = false;         ///< first
  const put* fresh = nullptr; ///< its row is new
  const put* state = nullptr;
  const put* output = nullptr;
  const put* chunks = nullptr;
  bool released = false;
};

void add_put(job_change& to, const put& what) {
  const bool whole = (what.which & part_request) != 0;
  const bool releases = (what.which & part_input_released) != 0;
  if (whole) {
    to.fresh = &what;
    to.released = releases;
  } else if (to.erase && to.fresh == nullptr) {
    return; // the row is gone, and stays gone
  }
  to.state = &what;
  to.released = to.released || releases;
  // An output that is in the store already and not in memory is not to be emptied.
  const bool output_is_here = !what.row.output.empty() || what.row.output_bytes == 0;
  if ((whole || (what.which & part_output) != 0) && output_is_here) {
    to.output = &what;
  }
  if (whole || (what.which & part_chunks) != 0) {
    to.chunks = &what;
  }
}

/// The rows of one statement: an array for each column.
class row_arrays {
 public:
  row_arrays(const char* name, const table& of, std::uint8_t which)
      : name_(name), of_(of), which_(which) {}

  void add(const row_source& from) {
    if (arrays_.empty()) {
      for (const auto& each : of_.columns) {
        if (is_bound(each, which_)) {
          arrays_.emplace_back(each.type);
        }
      }
    }
    auto* to = arrays_.data();
    for (const auto& each : of_.columns) {
      if (is_bound(each, which_)) {
        (to++)->add(each.write(from));
      }
    }
  }
  /// Nothing where there are no rows. The last parameter is `last`, if there is one.
  void take(std::vector<pg_call>& to, std::optional<std::int64_t> last) {
    if (arrays_.empty()) {
      return;
    }
    pg_call call{.sql = name_, .prepared = true};
    for (auto& each : arrays_) {
      call.values.push_back(each.take());
    }
    if (last) {
      call.values.push_back(pg_number(*last));
    }
    to.push_back(std::move(call));
  }

 private:
  const char* name_;
  const table& of_;
  std::uint8_t which_;
  std::vector<pg_array> arrays_;
};

/// Jobs that a statement names by their orders alone.
struct job_list {
  const char* name;
  pg_array orders{column_type::integer};

  void take(std::vector<pg_call>& to, std::int64_t head) {
    if (orders.size() > 0) {
      to.push_back({.sql = name, .prepared = true, .values = {orders.take(), pg_number(head)}});
    }
  }
};

/// The changes of a whole group, sorted by statement.
class sorter {
 public:
  sorter(const store_clock& clock, std::int64_t head) : clock_(clock), head_(head) {}

  void add(std::uint64_t order, const job_change& what) {
    const auto number = static_cast<std::int64_t>(order);
    if (what.erase) {
      erased_.orders.add(number);
    }
    if (what.state == nullptr) {
      return;
    }
    add_state(what);
    if (what.fresh != nullptr) {
      add_names(number, what.fresh->row);
    } else if (what.released) {
      released_.orders.add(number);
    }
    add_results(number, what);
  }

  std::vector<pg_call> take() {
    std::vector<pg_call> out;
    erased_.take(out, head_);
    requests_.take(out, {});
    new_states_.take(out, head_);
    states_.take(out, head_);
    results_.take(out, head_);
    outputs_.take(out, head_);
    chunks_.take(out, head_);
    cleared_.take(out, head_);
    released_.take(out, head_);
    take_names(out);
    return out;
  }

 private:
  void add_state(const job_change& what) {
    const auto history = history_text(what.state->row.history);
    row_extras extras{.history = history, .input_released = what.released};
    if (what.fresh != nullptr) {
      const auto& input = what.fresh->row.request.input;
      const bool leaves = what.released && input.size() > kept_input_max;
      extras.input = {
          .here = leaves ? std::string_view{} : input.view(), .file = {}, .bytes = input.size()};
      requests_.add({.clock = clock_, .job = &what.fresh->row, .extras = &extras});
    }
    auto& to = what.fresh != nullptr ? new_states_ : states_;
    to.add({.clock = clock_, .job = &what.state->row, .extras = &extras});
  }

  void add_names(std::int64_t order, const job_row& row) {
    ids_.emplace(row.id.str(), order);
    const auto& policy = row.request.policy;
    if (!policy.idempotency_key.empty()) {
      auto& last = keys_[{row.request.endpoint, policy.tenant, policy.idempotency_key}];
      last = std::max(last, order);
    }
  }

  void add_results(std::int64_t order, const job_change& what) {
    const auto* const output = what.output;
    const auto* const chunks = what.chunks;
    if (output == nullptr && chunks == nullptr) {
      return;
    }
    if (output != nullptr && chunks != nullptr && output->row.output.empty() &&
        chunks->row.chunks.empty()) {
      cleared_.orders.add(order);
      return;
    }
    std::string text;
    row_extras extras;
    if (output != nullptr) {
      extras.output = {
          .here = output->row.output.view(), .file = {}, .bytes = output->row.output.size()};
    }
    if (chunks != nullptr) {
      text = chunks_text(chunks->row.chunks);
      extras.chunks = text;
    }
    auto& to = output == nullptr ? chunks_ : chunks == nullptr ? outputs_ : results_;
    to.add({.clock = clock_, .job = &what.state->row, .extras = &extras});
  }

  void take_names(std::vector<pg_call>& out) {
    if (!ids_.empty()) {
      pg_array ids{column_type::text};
      pg_array jobs{column_type::integer};
      for (const auto& [id, job] : ids_) {
        ids.add(std::string_view{id});
        jobs.add(job);
      }
      const auto count = static_cast<std::int64_t>(ids_.size());
      out.push_back({.sql = std::string{put_ids_name},
                     .prepared = true,
                     .values = {ids.take(), jobs.take(), pg_number(count)}});
    }
    if (!keys_.empty()) {
      std::vector<pg_array> texts(3, pg_array{column_type::text});
      pg_array jobs{column_type::integer};
      for (const auto& [key, job] : keys_) {
        texts[0].add(std::string_view{std::get<0>(key)});
        texts[1].add(std::string_view{std::get<1>(key)});
        texts[2].add(std::string_view{std::get<2>(key)});
        jobs.add(job);
      }
      const auto count = static_cast<std::int64_t>(keys_.size());
      out.push_back({.sql = std::string{put_keys_name},
                     .prepared = true,
                     .values = {texts[0].take(), texts[1].take(), texts[2].take(), jobs.take(),
                                pg_number(count), pg_number(head_)}});
    }
  }

  const store_clock& clock_;
  const std::int64_t head_;
  job_list erased_{"erase"}, cleared_{"clear_results"}, released_{"release_inputs"};
  row_arrays requests_{"put_requests", stored_tables.requests, both_sums};
  row_arrays new_states_{put_states_name.data(), stored_tables.states, main_sum};
  row_arrays states_{"update_states", stored_tables.states, main_sum};
  row_arrays results_{"put_results", stored_tables.results, both_sums};
  row_arrays outputs_{"put_output", stored_tables.results, main_sum};
  row_arrays chunks_{"put_chunks", stored_tables.results, side_sum};
  std::map<std::string, std::int64_t> ids_; ///< in one order, so that no two heads block each other
  std::map<std::tuple<std::string, std::string, std::string>, std::int64_t> keys_;
};

} // namespace

pg_group whole_transaction(std::vector<pg_call> changes) {
  pg_group out;
  out.calls.reserve(changes.size() + 3);
  out.calls.push_back({.sql = "BEGIN"});
  out.calls.emplace_back();
  for (auto& each : changes) {
    for (const auto& value : each.values) {
      out.bytes += value.bytes.size();
    }
    out.calls.push_back(std::move(each));
  }
  out.calls.push_back({.sql = "COMMIT"});
  return out;
}

pg_group make_group(std::span<const batch* const> batches, const store_clock& clock,
                    std::int64_t head) {
  std::map<std::uint64_t, job_change> changes;
  std::uint64_t last_order = 0; // also of a job that is erased at once
  for (const auto* one : batches) {
    for (const auto& each : *one) {
      if (const auto* const what = std::get_if<put>(&each)) {
        add_put(changes[what->row.order], *what);
        const bool fresh = (what->which & part_request) != 0;
        // An adopted job that is put back whole has the number of another head's range.
        const bool own = pg_range_of(what->row.order) == head;
        last_order = std::max(last_order, fresh && own ? what->row.order : 0);
      } else {
        changes[std::get<erase>(each).order] = {.erase = true};
      }
    }
  }
  sorter by_statement{clock, head};
  for (const auto& [order, all] : changes) {
    by_statement.add(order, all);
  }
  auto out = whole_transaction(by_statement.take());
  out.last_order = last_order;
  return out;
}

const std::vector<std::pair<std::string, std::string>>& pg_statements() {
  static const std::vector<std::pair<std::string, std::string>> all = {
      {"put_requests", pg_put_sql(stored_tables.requests, both_sums)},
      {std::string{put_states_name}, pg_put_sql(stored_tables.states, main_sum)},
      {"update_states", pg_update_sql(stored_tables.states)},
      {"put_results", pg_put_sql(stored_tables.results, both_sums)},
      {"put_output", pg_put_sql(stored_tables.results, main_sum)},
      {"put_chunks", pg_put_sql(stored_tables.results, side_sum)},
      {"clear_results", clear_sql},
      {"release_inputs", release_sql},
      {"erase", erase_sql},
      {std::string{put_ids_name}, put_ids_sql},
      {std::string{put_keys_name}, put_keys_sql}};
  return all;
}

} // namespace tayfa::store
