#include "runtime/store/pg/pg_schema.hpp"

#include "runtime/store/pg/pg_sql.hpp"

#include <algorithm>
#include <array>

namespace tayfa::store {

namespace {

constexpr const char* exclude_others = "SELECT pg_advisory_xact_lock(6079246284187517265)";
constexpr std::int64_t oldest_server = 120'000; ///< of server_version_num

constexpr const char* heads_sql =
    "CREATE TABLE heads (head bigint PRIMARY KEY, name bytea NOT NULL UNIQUE, "
    "epoch bigint NOT NULL, batch bigint NOT NULL, holder bytea NOT NULL, "
    "instance bytea NOT NULL, address bytea NOT NULL, lease_until timestamptz NOT NULL, "
    "last_order bigint NOT NULL, boot bytea NOT NULL, clock_offset bigint NOT NULL, "
    "clock bigint NOT NULL) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);"
    "CREATE TABLE ids (id bytea PRIMARY KEY, job bigint NOT NULL);"
    "CREATE TABLE idempotency (endpoint bytea NOT NULL, tenant bytea NOT NULL, "
    "key bytea NOT NULL, job bigint NOT NULL, PRIMARY KEY (endpoint, tenant, key));"
    "CREATE UNLOGGED TABLE calls (call bigint PRIMARY KEY, to_head bigint NOT NULL, "
    "from_head bigint NOT NULL, until timestamptz NOT NULL, body bytea NOT NULL, "
    "taken boolean NOT NULL, answer bytea);"
    "CREATE INDEX calls_to_head ON calls(to_head);"
    "CREATE TABLE meta (one bigint PRIMARY KEY CHECK (one = 1), version bigint NOT NULL, "
    "cluster bytea NOT NULL);";

/// The statements of a text; none of ours holds a semicolon.
std::vector<pg_call> calls_of(const std::string& text) {
  std::vector<pg_call> out;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find(';', from), text.size());
    if (end > from) {
      out.push_back({.sql = text.substr(from, end - from)});
    }
    from = end + 1;
  }
  return out;
}

/// Settings of a server that does not know them are left out.
std::string settings_sql(bool writes) {
  std::string values =
      "('synchronous_commit', CASE current_setting('synchronous_commit') "
      "WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END), "
      "('default_transaction_isolation', 'read committed'), ('default_transaction_read_only', "
      "'off'), ('idle_in_transaction_session_timeout', '5s'), ('lock_timeout', '2s'), "
      "('statement_timeout', '60s'), ('client_connection_check_interval', '2s'), "
      "('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), "
      "('tcp_keepalives_count', '3'), ('tcp_user_timeout', '15s'), ('jit', 'off')";
  if (writes) {
    // The statements touch a few rows by their keys. A plan that was made while a table was small
    // must not read it as a whole when it has grown.
    values += ", ('enable_seqscan', 'off'), ('enable_hashjoin', 'off'), "
              "('enable_mergejoin', 'off'), ('plan_cache_mode', 'force_generic_plan')";
  }
  return "SELECT set_config(v.name, v.value, false) FROM (VALUES " + values +
         ") AS v(name, value) WHERE current_setting(v.name, true) IS NOT NULL";
}

} // namespace

bool is_plain_name(std::string_view name) {
  const auto starts = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !name.empty() && name.size() <= 63 && starts(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return starts(c) || (c >= '0' && c <= '9'); });
}

bool passes(std::string_view state) {
  constexpr std::array<std::string_view, 9> known = {"40001", "40P01", "55P03", "57014", "25006",
                                                     "57P01", "57P02", "57P03", "57P05"};
  return state.empty() || state.starts_with("08") || state.starts_with("53") ||
         std::find(known.begin(), known.end(), state) != known.end();
}

error error_of(const pg_outcome& how, errc otherwise) {
  const bool later = how.how != pg_outcome::kind::refused || passes(how.state);
  const auto code = how.state == "53100" ? errc::storage_full : errc::unavailable;
  return {later ? code : otherwise,
          "the database: " + how.text + (how.state.empty() ? "" : " (" + how.state + ")")};
}

result<void> settle_session(pg_session& with, const std::string& schema, bool writes,
                            moment deadline) {
  const std::vector<pg_call> calls = {
      {.sql = settings_sql(writes)},
      {.sql = "SELECT set_config('search_path', $1::text, false)", .values = {pg_bytes(schema)}},
      {.sql = "SELECT current_setting('synchronous_commit'), "
              "current_setting('fsync'), current_setting('transaction_read_only'), "
              "current_setting('server_version_num')::bigint"}};
  const auto how = with.run(calls, deadline);
  if (!how.is_done()) {
    return fail(error_of(how, errc::bad_config));
  }
  const auto& found = how.rows.back();
  if (const auto level = found.bytes(0, 0); level != "on" && level != "remote_apply") {
    return fail(errc::bad_config, "the database's synchronous_commit stays " + found.text(0, 0) +
                                      " although this session sets it to on");
  }
  if (found.bytes(0, 1) != "on") {
    return fail(errc::bad_config, "the database runs with fsync=off, so it loses acknowledged jobs "
                                  "with its power; set fsync=on");
  }
  if (found.bytes(0, 2) != "off") {
    return fail(errc::unavailable, "the database only reads now (a standby, or in recovery)");
  }
  if (found.number(0, 3) < oldest_server) {
    return fail(errc::bad_config, "the database is PostgreSQL " +
                                      std::to_string(found.number(0, 3) / 10'000) +
                                      "; 12 is the oldest that works");
  }
  return {};
}

result<void> check_direct(pg_session& with, const std::string& channel, const time_source& time) {
  const auto deadline = time.now() + pg_step_patience;
  const auto heard = with.run(pg_call{.sql = "LISTEN " + channel}, deadline);
  const auto sent =
      heard.is_done()
          ? with.run(pg_call{.sql = "SELECT pg_notify('" + channel + "', '')"}, deadline)
          : pg_outcome{};
  if (!heard.is_done() || !sent.is_done()) {
    return fail(error_of(heard.is_done() ? sent : heard, errc::bad_config));
  }
  if (!with.is_notified(time.now() + std::chrono::seconds{2})) {
    return fail(errc::bad_config,
                "store.url leads to a connection pooler in transaction mode (PgBouncer, or a name "
                "with -pooler): a notification to oneself does not arrive. Use the database's "
                "direct address, or a pool in session mode");
  }
  const auto ended = with.run(pg_call{.sql = "UNLISTEN " + channel}, deadline);
  return ended.is_done() ? result<void>{} : fail(error_of(ended, errc::bad_config));
}

namespace {

/// The schema and the version of its tables, as they are under the lock.
struct found_tables {
  bool schema = false;
  std::int64_t version = 0; ///< 0: no tables
  std::string cluster;
};

result<found_tables> look(pg_session& with, const std::string& schema, moment deadline) {
  const std::vector<pg_call> calls = {
      {.sql = "BEGIN"},
      {.sql = exclude_others},
      {.sql = "SELECT count(*) FROM pg_namespace WHERE nspname = $1::text",
       .values = {pg_bytes(schema)}},
      {.sql = "SELECT count(*) FROM pg_tables WHERE tablename = 'meta' AND schemaname = "
              "$1::text",
       .values = {pg_bytes(schema)}}};
  const auto how = with.run(calls, deadline);
  if (!how.is_done()) {
    return fail(error_of(how, errc::bad_config));
  }
  found_tables out;
  out.schema = how.rows[2].number(0, 0) > 0;
  if (how.rows[3].number(0, 0) == 0) {
    return out;
  }
  const auto row = with.run(pg_call{.sql = "SELECT version, cluster FROM meta"}, deadline);
  if (!row.is_done()) {
    return fail(error_of(row, errc::bad_config));
  }
  if (row.rows[0].count() != 1) {
    return fail(errc::store_corrupt, "the table " + schema + ".meta has no row");
  }
  out.version = row.rows[0].number(0, 0);
  out.cluster = row.rows[0].text(0, 1);
  return out;
}

std::vector<pg_call> steps_from(const found_tables& found, const std::string& schema,
                                const std::string& fresh) {
  std::string text;
  if (found.version == 0) {
    text = (found.schema ? "" : "CREATE SCHEMA " + schema + ";");
    for (const auto& of : {stored_tables.requests, stored_tables.states, stored_tables.results}) {
      text += pg_create_sql(of, static_cast<int>(schema_version));
    }
    text += heads_sql;
  }
  for (auto version = found.version + 1; found.version > 0 && version <= schema_version;
       ++version) {
    text += pg_step_sql(stored_tables, static_cast<int>(version));
  }
  auto out = calls_of(text);
  out.push_back({.sql = "INSERT INTO meta(one, version, cluster) VALUES (1, $1::bigint, $2::bytea) "
                        "ON CONFLICT (one) DO UPDATE SET version = excluded.version",
                 .values = {pg_number(schema_version), pg_bytes(fresh)}});
  out.push_back({.sql = "COMMIT"});
  return out;
}

} // namespace

result<std::string> prepare_tables(pg_session& with, const std::string& schema,
                                   const std::string& fresh, moment deadline) {
  const auto give_up = [&](error why) {
    static_cast<void>(with.run(pg_call{.sql = "ROLLBACK"}, deadline));
    return fail(std::move(why));
  };
  const auto found = look(with, schema, deadline);
  if (!found) {
    return give_up(found.error());
  }
  if (found->version > schema_version) {
    return give_up({errc::bad_config, "the tables in the schema " + schema + " have version " +
                                          std::to_string(found->version) +
                                          ", made by a newer Tayfa; this one knows version " +
                                          std::to_string(schema_version)});
  }
  if (found->version == schema_version) {
    const auto ended = with.run(pg_call{.sql = "COMMIT"}, deadline);
    return ended.is_done() ? result<std::string>{found->cluster}
                           : fail(error_of(ended, errc::bad_config));
  }
  const auto how = with.run(steps_from(*found, schema, fresh), deadline);
  if (!how.is_done()) {
    return give_up(error_of(how, errc::bad_config));
  }
  return found->version == 0 ? fresh : found->cluster;
}

result<std::string> cluster_name(pg_session& with, moment deadline) {
  const auto how = with.run(pg_call{.sql = "SELECT cluster FROM meta"}, deadline);
  if (!how.is_done()) {
    return fail(error_of(how, errc::store_failed));
  }
  return how.rows[0].count() == 1 ? how.rows[0].text(0, 0) : std::string{};
}

} // namespace tayfa::store
