#include "runtime/store/row_sql.hpp"

namespace tayfa::store {

namespace {

void append(std::string& list, std::string_view next) {
  list += list.empty() ? "" : ", ";
  list += next;
}
std::string qualified(const table& of, std::string_view name) {
  return std::string{of.name} + "." + std::string{name};
}
std::string sum_name(const table& of, sums which) {
  return which == main_sum ? "sum" : std::string{of.side} + "_sum";
}
std::string_view default_of(const column& each) {
  return each.nullable ? "NULL" : each.type == column_type::integer ? "0" : "''";
}
/// `?3`, or the default of a column that the statement does not write.
std::string parameter(const table& of, const column& each, std::uint8_t which) {
  if (!is_bound(each, which)) {
    return std::string{default_of(each)};
  }
  int number = 1;
  for (const auto* one = of.columns.data(); one != &each; ++one) {
    number += is_bound(*one, which) ? 1 : 0;
  }
  return "?" + std::to_string(number);
}

/// A call of row_sum(), which takes no columns of later versions that come after the last one that
/// differs from its default.
template <class ValueOf>
std::string sum_of(const table& of, sums which, int version, ValueOf value_of) {
  std::string call = "row_sum('" + std::string{which == main_sum ? of.name : of.side} + "'";
  std::string base;
  std::string longer;
  for (const auto& each : of.columns) {
    if ((each.sums & which) == 0 || each.since > version) {
      continue;
    }
    const auto value = value_of(each);
    call += ", " + value;
    if (each.since <= first_with_sums) {
      base = call + ")";
    } else {
      longer = " WHEN " + value + " IS NOT " + std::string{default_of(each)} + " THEN " + call +
               ")" + longer;
    }
  }
  return longer.empty() ? base : "CASE" + longer + " ELSE " + base + " END";
}

constexpr int every_version = std::numeric_limits<int>::max();

std::string sum_of_parameters(const table& of, sums which, std::uint8_t bound) {
  return sum_of(of, which, every_version,
                [&](const column& each) { return parameter(of, each, bound); });
}

/// `INTO table(columns) VALUES(parameters and their checksums)`. The main checksum is the last that
/// is computed, as row_sums expects it.
std::string into(const table& of, std::uint8_t which) {
  std::string names;
  std::string values;
  for (const auto& each : of.columns) {
    if (is_bound(each, which) || (!each.is_sum() && !each.nullable)) {
      append(names, each.name);
      append(values, parameter(of, each, which));
    }
  }
  if ((which & side_sum) != 0) {
    append(names, sum_name(of, side_sum));
    append(values, sum_of_parameters(of, side_sum, which));
  }
  return " INTO " + std::string{of.name} + "(" + names + ", sum) VALUES(" + values + ", " +
         sum_of_parameters(of, main_sum, which) + ")";
}

/// The columns of a group, their checksum, and whether it fits; NULLs and "fits" under the
/// condition `hidden_if`.
std::string select(const table& of, sums which, const std::string& hidden_if = {}) {
  std::string out;
  for (const auto& each : of.columns) {
    if (is_read(each, which)) {
      const auto name = qualified(of, each.name);
      append(out, hidden_if.empty()
                      ? name
                      : "CASE WHEN " + hidden_if + " THEN NULL ELSE " + name + " END");
    }
  }
  const auto sum = qualified(of, sum_name(of, which));
  const auto fits = sum + " IS " + sum_sql(of, which, every_version);
  append(out, sum);
  append(out,
         hidden_if.empty() ? fits : "CASE WHEN " + hidden_if + " THEN 1 ELSE " + fits + " END");
  return out;
}

std::string definition(const column& each) {
  auto out = std::string{each.name} + (each.type == column_type::integer ? " INTEGER" : " TEXT");
  if (each.primary) {
    return out + " PRIMARY KEY" +
           (each.check.empty() ? "" : " CHECK(" + std::string{each.check} + ")");
  }
  return out + (each.nullable ? "" : " NOT NULL");
}

} // namespace

std::string put_sql(const table& of, std::uint8_t which) {
  std::string updates;
  for (const auto& each : of.columns) {
    if (is_bound(each, which) && !each.primary) {
      append(updates, std::string{each.name} + "=excluded." + std::string{each.name});
    }
  }
  if ((which & side_sum) != 0) {
    const auto name = sum_name(of, side_sum);
    append(updates, name + "=excluded." + name);
  }
  // The total learns of the change (row_sums.hpp).
  const auto before = qualified(of, "sum");
  return "INSERT" + into(of, which) + " ON CONFLICT(job) DO UPDATE SET " + updates +
         ", sum=swap_sum(" + before + ", " + ((which & main_sum) != 0 ? "excluded.sum" : before) +
         ")";
}

std::string update_sql(const table& of) {
  const auto value_of = [&](const column& each) {
    const auto given = parameter(of, each, main_sum);
    return each.sticky ? "max(" + qualified(of, each.name) + ", " + given + ")" : given;
  };
  std::string updates;
  std::string key;
  for (const auto& each : of.columns) {
    if (is_bound(each, main_sum)) {
      append(each.primary ? key : updates, std::string{each.name} + "=" + value_of(each));
    }
  }
  return "UPDATE " + std::string{of.name} + " SET " + updates + ", sum=swap_sum(sum, " +
         sum_of(of, main_sum, every_version, value_of) + ") WHERE " + key;
}

std::string put_meta_sql(const table& meta) {
  return "INSERT OR REPLACE" + into(meta, main_sum);
}

std::string sum_sql(const table& of, sums which, int version) {
  return sum_of(of, which, version, [&](const column& each) { return qualified(of, each.name); });
}

std::string read_rows_sql(const table_set& all) {
  std::string out;
  for (const auto& each : read_order) {
    const bool input = each.from == &table_set::requests && each.which == side_sum;
    append(out, select(all.*each.from, each.which, input ? "states.input_released" : ""));
  }
  return "SELECT " + out +
         " FROM requests JOIN states ON states.job = requests.job "
         "LEFT JOIN results ON results.job = requests.job ORDER BY requests.job";
}

std::string read_meta_sql(const table& meta) {
  return "SELECT " + select(meta, main_sum) + " FROM meta";
}

std::string read_input_sql(const table_set& all) {
  return "SELECT input, input_bytes, input_file, input_released, input_sum IS NULL OR input_sum "
         "IS " +
         sum_sql(all.requests, side_sum, every_version) +
         " FROM requests JOIN states ON states.job = requests.job WHERE requests.job=?";
}

std::string read_output_sql(const table_set& all) {
  return "SELECT output, output_bytes, output_file, 0, results.sum IS NULL OR results.sum IS " +
         sum_sql(all.results, main_sum, every_version) +
         " FROM states LEFT JOIN results ON results.job = states.job WHERE states.job=?";
}

std::string seal_sql(const table_set& all) {
  std::string out;
  for (const auto& each : {all.requests, all.states, all.results}) {
    out += "UPDATE " + std::string{each.name} + " SET ";
    if (!each.side.empty()) {
      out += sum_name(each, side_sum) + "=" + sum_sql(each, side_sum, first_with_sums) + ", ";
    }
    out += "sum=" + sum_sql(each, main_sum, first_with_sums) + ";";
  }
  return out;
}

std::string seal_meta_sql(const table& meta, int version) {
  return "UPDATE meta SET sum=" + sum_sql(meta, main_sum, version);
}

std::string step_sql(const table_set& all, int version) {
  std::string out;
  for (const auto& of : all.all()) {
    std::string created;
    for (const auto& each : of.columns) {
      if (each.since == version && version == 1) {
        append(created, definition(each));
      } else if (each.since == version) {
        out += "ALTER TABLE " + std::string{of.name} + " ADD COLUMN " + definition(each) +
               (each.nullable ? "" : " DEFAULT " + std::string{default_of(each)}) + ";";
      }
    }
    if (version == 1) {
      out += "CREATE TABLE " + std::string{of.name} + "(" + created + ") STRICT;";
    }
  }
  return out;
}

} // namespace tayfa::store
