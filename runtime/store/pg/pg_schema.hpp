// The checks of a session and of the database before the store uses them: settings, durability, a
// direct connection, and the tables, which the store makes and brings up to date by itself.
//
//   requests, states, results   as in SQLite, from the same list of columns; states has an owner
//   heads        one row per head: epoch and batch are the fence, the lease is in the database's
//                time
//   ids          id of a job -> its number, over all heads; idempotency: key -> number
//   meta         one row: version of the schema, and the name of this set of tables (cluster)
#pragma once

#include "runtime/store/pg/pg_session.hpp"

#include <string>
#include <string_view>

namespace tayfa::store {

inline constexpr std::chrono::milliseconds pg_step_patience{10'000}; ///< for one pipeline of these

/// A name that needs no quotes in SQL: [a-z_][a-z0-9_]*, at most 63 bytes.
bool is_plain_name(std::string_view);

/// Sets this session's settings and checks them. `writes`: by the plans of small indexed changes.
/// errc::bad_config: the database would not keep what it acknowledges, or does not write;
/// unavailable.
result<void> settle_session(pg_session&, const std::string& schema, bool writes, moment deadline);

/// A notification to oneself must arrive; it does not behind a pooler that gives each transaction
/// another connection, where settings and prepared statements vanish too. errc::bad_config.
result<void> check_direct(pg_session&, const std::string& channel, const time_source&);

/// Makes the tables, or brings them to this program's version, in one transaction that excludes
/// other heads. The name of this set of tables: `fresh`, if they are new. errc::bad_config,
/// store_corrupt, unavailable.
result<std::string> prepare_tables(pg_session&, const std::string& schema, const std::string& fresh,
                                   moment deadline);
/// The name of the set of tables that is there now.
result<std::string> cluster_name(pg_session&, moment deadline);

/// An outcome that is not done, as an error: unavailable where trying again is right, else
/// `otherwise`.
error error_of(const pg_outcome&, errc otherwise);
/// Errors that pass: a lock, a shortage, a server that starts or stops, a standby.
bool passes(std::string_view sqlstate);

} // namespace tayfa::store
