#include "tests/support/row_text.hpp"

#include "runtime/store/row_codec.hpp"
#include "runtime/store/store.hpp"

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

} // namespace

std::string text_of(const store::job_row& row) {
  const auto history = store::history_text(row.history);
  const auto chunks = store::chunks_text(row.chunks);
  const store::row_extras extras{.input = as_stored(row.request.input, row.input_bytes),
                                 .output = as_stored(row.output, row.output_bytes),
                                 .history = history,
                                 .chunks = chunks};
  const store::store_clock clock;
  const store::row_source from{clock, &row, &extras};
  std::string out = std::to_string(row.order);
  for (const auto& columns : {std::span<const store::column>{store::request_columns},
                              {store::state_columns},
                              {store::result_columns}}) {
    for (const auto& each : columns) {
      if (!each.is_sum() && !each.primary) {
        out += " " + std::string{each.name} + "=" + text_of(each.write(from));
      }
    }
  }
  return out;
}

std::string text_of(const std::vector<store::job_row>& rows, std::uint64_t last_order) {
  std::string out = "last order " + std::to_string(last_order) + "\n";
  for (const auto& row : rows) {
    out += text_of(row) + "\n";
  }
  return out;
}

} // namespace tayfa::testing
