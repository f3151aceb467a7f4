#include "runtime/store/pg/pg_sql.hpp"

#include "runtime/store/row_sql.hpp"
#include "runtime/store/store.hpp"

namespace tayfa::store {

namespace {

void append(std::string& list, std::string_view next) {
  list += list.empty() ? "" : ", ";
  list += next;
}
std::string qualified(const table& of, const column& each) {
  return std::string{of.name} + "." + std::string{each.name};
}
std::string_view type_of(const column& each) {
  return each.type == column_type::integer ? "bigint" : "bytea";
}
std::string definition(const column& each) {
  auto out = std::string{each.name} + " " + std::string{type_of(each)};
  if (each.primary) {
    return out + " PRIMARY KEY";
  }
  return out + (each.nullable ? "" : " NOT NULL");
}
/// The text of a job is never searched and often cannot be compressed, and a slice of it is read
/// without the rest. (PostgreSQL 15 knows no STORAGE within CREATE TABLE.)
std::string storage_of(const table& of, const column& each) {
  return each.member == &member_id<&stored_text::here>
             ? "ALTER TABLE " + std::string{of.name} + " ALTER COLUMN " + std::string{each.name} +
                   " SET STORAGE EXTERNAL;"
             : "";
}
std::string_view default_of(const column& each) {
  return each.type == column_type::integer ? " DEFAULT 0" : " DEFAULT ''";
}
bool changes_often(const table& of) {
  return of.name == stored_tables.states.name;
}

/// The arrays, and the names of their columns.
struct arrays {
  std::string names, given;
  std::size_t count = 0;
};
arrays arrays_of(const table& of, std::uint8_t which) {
  arrays out;
  for (const auto& each : of.columns) {
    if (is_bound(each, which)) {
      append(out.names, each.name);
      append(out.given,
             "$" + std::to_string(++out.count) + "::" + std::string{type_of(each)} + "[]");
    }
  }
  return out;
}

/// A large text is in its row, and is not read with it; a released input is not read at all.
std::string read_form(const table& of, const column& each) {
  const auto name = qualified(of, each);
  const bool is_text = each.member == &member_id<&stored_text::here>;
  const bool is_input =
      of.name == stored_tables.requests.name && (each.sums & side_sum) != 0 && !each.primary;
  std::string hidden;
  if (is_input) {
    hidden = "states.input_released <> 0";
  }
  if (is_text) {
    hidden += (hidden.empty() ? "" : " OR ") + std::string{of.name} + "." + std::string{each.name} +
              "_bytes > " + std::to_string(job_store::inline_max);
  }
  return hidden.empty() ? name : "CASE WHEN " + hidden + " THEN NULL ELSE " + name + " END";
}

std::string read_sql(const table_set& all) {
  std::string out;
  for (const auto& group : read_order) {
    const auto& of = all.*group.from;
    for (const auto& each : of.columns) {
      if (is_read(each, group.which)) {
        append(out, read_form(of, each));
      }
    }
  }
  return "SELECT " + out +
         " FROM requests JOIN states ON states.job = requests.job "
         "LEFT JOIN results ON results.job = requests.job WHERE ";
}

} // namespace

std::string pg_create_sql(const table& of, int version) {
  std::string columns;
  std::string storage;
  for (const auto& each : of.columns) {
    if (!each.is_sum() && each.since <= version) {
      append(columns, definition(each));
      storage += storage_of(of, each);
    }
  }
  const auto name = std::string{of.name};
  if (!changes_often(of)) {
    return "CREATE TABLE " + name + "(" + columns + ");" + storage;
  }
  // Half of each page stays free, so that a new version of a row fits beside the old one and no
  // index changes; no index holds a column that a change of state touches.
  return "CREATE TABLE " + name + "(" + columns +
         ", owner bigint NOT NULL) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);" +
         storage + "CREATE INDEX " + name + "_owner ON " + name + "(owner);";
}

std::string pg_step_sql(const table_set& all, int version) {
  std::string out;
  for (const auto& of : {all.requests, all.states, all.results}) {
    for (const auto& each : of.columns) {
      if (!each.is_sum() && each.since == version) {
        out += "ALTER TABLE " + std::string{of.name} + " ADD COLUMN " + std::string{each.name} +
               " " + std::string{type_of(each)} +
               (each.nullable ? "" : " NOT NULL" + std::string{default_of(each)}) + ";" +
               storage_of(of, each);
      }
    }
  }
  return out;
}

std::string pg_put_sql(const table& of, std::uint8_t which) {
  const auto name = std::string{of.name};
  auto [names, given, count] = arrays_of(of, which);
  const auto last = "$" + std::to_string(count + 1) + "::bigint";
  std::string updates;
  for (const auto& each : of.columns) {
    if (is_bound(each, which) && !each.primary) {
      append(updates, std::string{each.name} + " = excluded." + std::string{each.name});
    }
  }
  // Columns that the statement does not write and that have no NULL.
  auto into = names;
  std::string values = "u.*";
  for (const auto& each : of.columns) {
    if (!is_bound(each, which) && !each.is_sum() && !each.nullable) {
      append(into, each.name);
      append(values, each.type == column_type::integer ? "0" : "''");
    }
  }
  std::string where;
  const bool states = of.name == stored_tables.states.name;
  if (states) {
    append(into, "owner");
    append(values, last);
  } else if (of.name == stored_tables.results.name) {
    where =
        " WHERE EXISTS (SELECT 1 FROM states WHERE states.job = u.job AND states.owner = " + last +
        ")";
  }
  auto insert = "INSERT INTO " + name + "(" + into + ") SELECT " + values + " FROM unnest(" +
                given + ") AS u(" + names + ")" + where + " ON CONFLICT (job) DO UPDATE SET " +
                updates;
  return states ? "WITH put AS (" + insert +
                      " WHERE states.owner = excluded.owner RETURNING 1) SELECT 1 / (CASE WHEN "
                      "count(*) = cardinality($1::bigint[]) THEN 1 ELSE 0 END) FROM put"
                : insert;
}

std::string pg_update_sql(const table& states) {
  const auto [names, given, count] = arrays_of(states, main_sum);
  std::string updates;
  for (const auto& each : states.columns) {
    if (is_bound(each, main_sum) && !each.primary) {
      const auto name = std::string{each.name};
      append(updates,
             name + (each.sticky ? " = greatest(" + qualified(states, each) + ", u." + name + ")"
                                 : " = u." + name));
    }
  }
  return "UPDATE " + std::string{states.name} + " SET " + updates + " FROM unnest(" + given +
         ") AS u(" + names + ") WHERE states.job = u.job AND states.owner = $" +
         std::to_string(count + 1) + "::bigint";
}

std::size_t pg_columns(const table& of, std::uint8_t which) {
  return arrays_of(of, which).count;
}

std::string pg_read_page_sql(const table_set& all) {
  return read_sql(all) + "states.owner = $1::bigint AND requests.job > $2::bigint "
                         "ORDER BY requests.job LIMIT $3::bigint";
}
std::string pg_read_jobs_sql(const table_set& all) {
  return read_sql(all) + "requests.job = ANY($1::bigint[]) ORDER BY requests.job";
}

} // namespace tayfa::store
