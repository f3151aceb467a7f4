#include "tests/job_model/row_text.hpp"

#include "runtime/store/row_codec.hpp"
#include "runtime/store/store.hpp"

#include <algorithm>

namespace tayfa::testing {

namespace {

std::string text_of(const store::cell& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return std::to_string(*number);
  }
  const auto* text = std::get_if<std::string_view>(&value);
  return text == nullptr ? "-" : "'" + std::string{*text} + "'";
}

store::stored_text as_stored(const shared_text& text, std::size_t bytes) {
  return {bytes > job_store::inline_max ? std::string_view{} : text.view(), {}, bytes};
}

/// A row with what its columns are written from.
struct source {
  explicit source(const store::job_row& r) : row(r) {}

  const store::job_row& row;
  std::string history = store::history_text(row.history);
  std::string chunks = store::chunks_text(row.chunks);
  store::row_extras extras{.input = as_stored(row.request.input, row.input_bytes),
                           .output = as_stored(row.output, row.output_bytes),
                           .history = history,
                           .chunks = chunks};
  store::store_clock clock{};

  store::cell cell_of(const store::column& each) const {
    return each.write({clock, &row, &extras});
  }
};

template <class Visit>
void each_column(Visit visit) {
  for (const auto& columns : {std::span<const store::column>{store::request_columns},
                              {store::state_columns},
                              {store::result_columns}}) {
    for (const auto& each : columns) {
      if (!each.is_sum() && !each.primary) {
        visit(each);
      }
    }
  }
}

} // namespace

bool same_columns(const store::job_row& left, const store::job_row& right) {
  const source a{left};
  const source b{right};
  bool all = left.order == right.order;
  each_column([&](const store::column& each) { all = all && a.cell_of(each) == b.cell_of(each); });
  return all;
}

bool same_columns(const std::vector<store::job_row>& left,
                  const std::vector<store::job_row>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const auto& a, const auto& b) { return same_columns(a, b); });
}

std::string text_of(const store::job_row& row) {
  const source from{row};
  std::string out = std::to_string(row.order);
  each_column([&](const store::column& each) {
    out += " " + std::string{each.name} + "=" + text_of(from.cell_of(each));
  });
  return out;
}

std::string text_of(const std::vector<store::job_row>& rows, std::uint64_t last_order) {
  std::string out = "last order " + std::to_string(last_order) + "\n";
  for (const auto& row : rows) {
    out += text_of(row) + "\n";
  }
  return out;
}

std::string difference(const std::vector<store::job_row>& found,
                       const std::vector<store::job_row>& expected) {
  std::string out;
  const auto only_in = [&out](const char* what, const auto& these, const auto& others) {
    for (const auto& row : these) {
      const bool same = std::any_of(others.begin(), others.end(),
                                    [&row](const auto& other) { return same_columns(row, other); });
      out += same ? "" : std::string{what} + " " + text_of(row) + "\n";
    }
  };
  only_in("found", found, expected);
  only_in("expected", expected, found);
  return out;
}

} // namespace tayfa::testing
