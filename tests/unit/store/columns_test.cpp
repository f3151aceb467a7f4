// Every entry of stored_tables.hpp: it is written under its name, read back into its member, named
// once by each statement, covered by one checksum, and in the tables of a new file. And every
// member of a stored record has a line.
#include "messages/member_count.hpp"
#include "runtime/store/row_codec.hpp"
#include "runtime/store/schema.hpp"
#include "tests/unit/store/support.hpp"

#include <algorithm>
#include <map>
#include <regex>

#include <gtest/gtest.h>

namespace tayfa::store::testing {
namespace {

/// Members that columns of these tables stand for, each counted once.
constexpr std::size_t stored_members(std::initializer_list<table> tables) {
  std::array<const char*, 128> seen{};
  std::size_t count = 0;
  for (const auto& of : tables) {
    for (const auto& each : of.columns) {
      const auto* const end = seen.begin() + count;
      if (each.member != nullptr && std::find(seen.cbegin(), end, each.member) == end) {
        seen[count++] = each.member;
      }
    }
  }
  return count;
}

// Not by themselves: `request`, `policy` and `holder`; what row_extras has instead (history,
// output, chunks, input, input_bytes, output_bytes); and `damaged`, which only reading finds.
static_assert(stored_members({stored_tables.requests, stored_tables.states,
                              stored_tables.results}) ==
                  member_count<job_row>() - 7 + member_count<worker_ref>() +
                      member_count<job_request>() - 2 + member_count<job_policy>() - 1 +
                      member_count<row_extras>() - 2 + member_count<stored_text>(),
              "a member of job_row, job_request, job_policy or row_extras has no column");
static_assert(stored_members({stored_tables.meta}) ==
                  member_count<meta_row>() - 1 + member_count<store_clock::saved>(),
              "a member of meta_row has no column");

/// The cell in words.
std::string words(const cell& of) {
  return is_null(of) ? "NULL"
                     : std::to_string(number_in(of)) + " '" + std::string{text_in(of)} + "'";
}

/// Records in which every column's member has a value of its own, as far as its range has enough,
/// and the cells that columns make of them.
struct filled {
  store_clock clock;
  job_row row;
  row_extras extras;
  meta_row meta;
  std::vector<std::string> texts; ///< that the views look at

  row_source source() const { return {clock, &row, &extras, &meta}; }
  row_target target() { return {clock, &row, &extras, &meta}; }

  filled() {
    texts.reserve(64);
    std::int64_t number = 10'000;
    for (const auto& of : stored_tables.all()) {
      for (const auto& each : of.columns) {
        if (!each.is_sum() && &each != &of.columns[0] && each.name != "input_released") {
          fill(each, ++number);
        }
      }
    }
    row.order = 77;
  }
  void fill(const column& each, std::int64_t number) {
    texts.push_back(each.name == "history"  ? R"([{"number":3,"worker":"w","given":4,"ended":5}])"
                    : each.name == "chunks" ? "3:abc1:d"
                                            : "text-" + std::to_string(number));
    const auto before = words(each.write(source()));
    for (const std::int64_t value :
         {number, std::int64_t{14}, std::int64_t{9}, std::int64_t{5}, std::int64_t{1}}) {
      const auto to = target();
      if (each.read(each.type == column_type::text ? cell{std::string_view{texts.back()}}
                                                   : cell{value},
                    to)) {
        break;
      }
    }
    EXPECT_NE(words(each.write(source())), before) << each.name << " keeps its default";
  }
};

struct columns : ::testing::Test {
  temp_folder folder;
  row_sums sums; ///< their total is that of the rows that were put
  database db;
  filled all;

  void SetUp() override {
    spill(folder.file(), "");
    ASSERT_TRUE(create_database(folder.file(), {}, sums));
    auto opened = open_database(folder.file(), {}, sums);
    ASSERT_TRUE(opened) << opened.error().str();
    db = std::move(*opened);
  }
  /// Runs a statement with the values of these columns.
  void run(const std::string& sql, const table& of, std::uint8_t which, const filled& from) {
    statement to{db, sql};
    bind(to, of, which, from.source());
    sums.before_put();
    const auto done = to.run();
    ASSERT_TRUE(done) << done.error().str() << sql;
    if (of.name != "meta") {
      sums.after_put();
    }
  }
  void put(const filled& from) {
    run(put_sql(stored_tables.requests, main_sum | side_sum), stored_tables.requests,
        main_sum | side_sum, from);
    run(put_sql(stored_tables.states, main_sum), stored_tables.states, main_sum, from);
    run(put_sql(stored_tables.results, main_sum), stored_tables.results, main_sum, from);
    run(put_sql(stored_tables.results, side_sum), stored_tables.results, side_sum, from);
    run(put_meta_sql(stored_tables.meta), stored_tables.meta, main_sum, from);
  }
  /// Each column of the only row, asked for by its name, has what its member made.
  void expect_in_table(const table& of, const filled& from) {
    for (const auto& each : of.columns) {
      if (each.is_sum()) {
        continue;
      }
      const auto name = std::string{each.name};
      const auto value = each.write(from.source());
      const auto sql = "SELECT typeof(" + name + "), " + name + " FROM " + std::string{of.name};
      statement query{db, sql};
      ASSERT_TRUE(query.step().value_or(false)) << sql;
      const auto type = query.text();
      const bool is_text = each.type == column_type::text;
      EXPECT_EQ(type, is_null(value) ? "null" : is_text ? "text" : "integer") << sql;
      EXPECT_EQ(query.text(), is_text ? text_in(value) : std::to_string(number_in(value))) << sql;
    }
  }
};

TEST_F(columns, each_is_written_under_its_name) {
  put(all);
  for (const auto& of : stored_tables.all()) {
    expect_in_table(of, all);
  }
}

TEST_F(columns, each_of_a_state_is_updated_under_its_name) {
  filled other;
  other.row = {};
  other.row.order = all.row.order;
  other.extras = {};
  put(other);
  all.extras.input_released = true;
  run(update_sql(stored_tables.states), stored_tables.states, main_sum, all);
  expect_in_table(stored_tables.states, all);
  EXPECT_EQ(
      db.number(("SELECT sum IS " + sum_sql(stored_tables.states, main_sum, 99) + " FROM states")
                    .c_str())
          .value(),
      1);
  all.extras.input_released = false; // what was released stays so
  run(update_sql(stored_tables.states), stored_tables.states, main_sum, all);
  EXPECT_EQ(db.number("SELECT input_released FROM states").value(), 1);
}

TEST_F(columns, each_is_read_back_into_its_member) {
  put(all);
  statement query{db, read_rows_sql(stored_tables)};
  ASSERT_TRUE(query.step().value_or(false));
  row_sums::totals seen;
  auto found = read_next(query, all.clock, 0, seen);
  ASSERT_TRUE(found) << found.error().str();
  EXPECT_EQ(seen.rows, 3U);
  EXPECT_EQ(seen, sums.total()) << "counted when they were written";
  EXPECT_FALSE(found->row.damaged);

  filled again;
  const auto history = history_text(found->row.history);
  const auto chunks = chunks_text(found->row.chunks);
  again.row = found->row;
  again.extras = {
      .input = {found->row.request.input.view(), found->input_file, found->row.input_bytes},
      .output = {found->row.output.view(), found->output_file, found->row.output_bytes},
      .history = history,
      .chunks = chunks};
  again.meta = {};
  statement meta{db, read_meta_sql(stored_tables.meta)};
  ASSERT_TRUE(meta.step().value_or(false));
  EXPECT_TRUE(read_meta(meta, again.meta));
  for (const auto& of : stored_tables.all()) {
    for (const auto& each : of.columns) {
      if (!each.is_sum()) {
        EXPECT_EQ(words(each.write(again.source())), words(each.write(all.source())))
            << of.name << "." << each.name;
      }
    }
  }
}

TEST_F(columns, a_released_input_is_not_read_back) {
  all.extras.input_released = true;
  put(all);
  statement query{db, read_rows_sql(stored_tables)};
  ASSERT_TRUE(query.step().value_or(false));
  row_sums::totals seen;
  const auto found = read_next(query, all.clock, 0, seen);
  ASSERT_TRUE(found) << found.error().str();
  EXPECT_TRUE(found->row.request.input.empty());
  EXPECT_EQ(found->row.input_bytes, 0U);
  EXPECT_EQ(found->input_file, "");
  EXPECT_FALSE(found->output_file.empty()) << "the result is there";
}

/// How often each name stands in a text.
std::map<std::string, int> names_in(const std::string& text) {
  std::map<std::string, int> out;
  const std::regex name{"[a-z_][a-z_0-9.]*"};
  for (std::sregex_iterator at{text.begin(), text.end(), name}, end; at != end; ++at) {
    ++out[at->str()];
  }
  return out;
}
/// The texts between brackets behind these words, and what is left without them.
std::pair<std::vector<std::string>, std::string> calls_of(std::string text, std::string_view head) {
  std::vector<std::string> inside;
  for (auto at = text.find(head); at != std::string::npos; at = text.find(head)) {
    const auto end = text.find(')', at);
    inside.push_back(text.substr(at + head.size(), end - at - head.size()));
    text.erase(at, end + 1 - at);
  }
  return {inside, text};
}

TEST(statements, name_each_column_once) {
  for (const auto& of : stored_tables.all()) {
    const auto name = std::string{of.name};
    const auto which = static_cast<std::uint8_t>(of.side.empty() ? main_sum : main_sum | side_sum);
    const auto put = of.name == "meta" ? put_meta_sql(of) : put_sql(of, which);
    const auto inserted = names_in(calls_of(put, " INTO " + name + "(").first.at(0));
    const auto update = names_in(update_sql(stored_tables.states));
    for (const auto& each : of.columns) {
      EXPECT_EQ(inserted.count(std::string{each.name}), 1U) << each.name << put;
      EXPECT_EQ(std::count_if(of.columns.begin(), of.columns.end(),
                              [&](const column& one) { return one.name == each.name; }),
                1)
          << each.name;
      if (of.name == "states" && !each.is_sum()) {
        EXPECT_EQ(update.at(std::string{each.name}), 1) << each.name;
      }
    }
    EXPECT_EQ(inserted.size(), of.columns.size()) << put;
    EXPECT_TRUE(std::all_of(inserted.begin(), inserted.end(), [](const auto& each) {
      return each.second == 1;
    })) << put;
  }
}

/// A list's items, at the commas that no brackets hold.
std::vector<std::string> items_of(const std::string& list) {
  std::vector<std::string> out(1);
  int depth = 0;
  for (const char each : list) {
    depth += each == '(' ? 1 : each == ')' ? -1 : 0;
    if (each == ',' && depth == 0) {
      out.emplace_back();
    } else {
      out.back() += each;
    }
  }
  return out;
}

TEST(statements, read_each_column_once_and_under_one_checksum) {
  const auto sql = read_rows_sql(stored_tables);
  std::map<std::string, int> read;
  std::map<std::string, int> covered;
  for (const auto& item : items_of(sql.substr(0, sql.find(" FROM ")))) {
    const auto calls = calls_of(item, "row_sum(").first;
    const auto longest = std::max_element(calls.begin(), calls.end(),
                                          [](auto& a, auto& b) { return a.size() < b.size(); });
    for (const auto& [name, count] : names_in(calls.empty() ? item : *longest)) {
      (calls.empty() ? read : covered)[name] += count;
    }
  }
  for (const auto& of : {stored_tables.requests, stored_tables.states, stored_tables.results}) {
    for (const auto& each : of.columns) {
      const auto name = std::string{of.name} + "." + std::string{each.name};
      const int sums = each.is_sum() ? 0 : each.primary && !of.side.empty() ? 2 : 1;
      EXPECT_EQ(covered[name], sums) << name;
      EXPECT_EQ(read[name], each.name == "input_released" ? 3 : 1)
          << name << (each.name == "input_released" ? " also hides the input's two columns" : "");
    }
  }
}

TEST_F(columns, a_new_file_has_exactly_these) {
  for (const auto& of : stored_tables.all()) {
    auto expected = std::vector<column>(of.columns.begin(), of.columns.end());
    std::stable_sort(expected.begin(), expected.end(),
                     [](const column& a, const column& b) { return a.since < b.since; });
    std::string wanted;
    for (const auto& each : expected) {
      const bool added = each.since > 1 && !each.nullable;
      wanted += std::string{each.name} + (each.type == column_type::text ? " TEXT " : " INTEGER ") +
                (each.nullable || each.primary ? "0 " : "1 ") +
                (added ? each.type == column_type::text ? "''" : "0" : "-") +
                (each.primary ? " key" : "") + "\n";
    }
    const auto found =
        db.text(("SELECT group_concat(name || ' ' || type || ' ' || \"notnull\" || ' ' || "
                 "coalesce(dflt_value, '-') || CASE WHEN pk THEN ' key' ELSE '' END || char(10), "
                 "'') FROM pragma_table_info('" +
                 std::string{of.name} + "')")
                    .c_str());
    EXPECT_EQ(found.value(), wanted) << of.name;
  }
  EXPECT_EQ(db.number("SELECT count(*) FROM sqlite_schema").value(), 4);
  EXPECT_EQ(db.number("PRAGMA user_version").value(), schema_version);
}

} // namespace
} // namespace tayfa::store::testing
