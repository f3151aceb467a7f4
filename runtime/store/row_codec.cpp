#include "runtime/store/row_codec.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

namespace tayfa::store {

namespace json = boost::json;

namespace {

/// The checksum behind a group of columns: what was stored, and whether the columns give it.
class read_sum {
 public:
  read_sum(statement& from, row_sums::totals* seen) {
    const auto stored = from.maybe_number();
    is_there_ = stored.has_value();
    fits_ = from.number() != 0;
    if (seen != nullptr) {
      ++seen->rows;
      seen->sum += static_cast<std::uint64_t>(stored.value_or(0));
    }
  }
  /// Rows up to `unsealed` were written before there were sums.
  bool good(std::uint64_t order, std::uint64_t unsealed) const {
    return fits_ || (!is_there_ && order <= unsealed);
  }

 private:
  bool is_there_ = false;
  bool fits_ = false;
};

cell next_cell(statement& from, column_type type) {
  if (type == column_type::text) {
    return from.view();
  }
  const auto number = from.maybe_number();
  return number ? cell{*number} : cell{};
}

/// The columns of the group, in the order of select() in row_sql. False: one cannot be.
bool read(statement& from, const table& of, sums which, const row_target& to) {
  bool possible = true;
  for (const auto& each : of.columns) {
    if (is_read(each, which)) {
      possible = each.read(next_cell(from, each.type), to) && possible;
    }
  }
  return possible;
}

json::value as_json(const attempt_view& attempt) {
  json::object out{{"number", attempt.number},
                   {"worker", attempt.worker},
                   {"given", attempt.given.count()},
                   {"ended", attempt.ended.count()}};
  if (attempt.began) {
    out["began"] = attempt.began->count();
  }
  if (attempt.failure) {
    out["failure"] = static_cast<std::uint16_t>(attempt.failure->code);
    out["text"] = attempt.failure->text;
  }
  return out;
}

std::optional<std::int64_t> number_in(const json::object& in, std::string_view name) {
  const auto* const found = in.if_contains(name);
  return found != nullptr && found->is_int64() ? std::optional{found->get_int64()} : std::nullopt;
}
std::optional<std::string> text_in(const json::object& in, std::string_view name) {
  const auto* const found = in.if_contains(name);
  return found != nullptr && found->is_string() ? std::optional{std::string{found->get_string()}}
                                                : std::nullopt;
}

std::optional<attempt_view> as_attempt(const json::value& value) {
  const auto* const in = value.if_object();
  if (in == nullptr) {
    return {};
  }
  const auto number = number_in(*in, "number");
  const auto given = number_in(*in, "given");
  const auto ended = number_in(*in, "ended");
  auto worker = text_in(*in, "worker");
  if (!number || *number < 0 || *number > std::numeric_limits<std::uint32_t>::max() || !given ||
      !ended || !worker) {
    return {};
  }
  attempt_view out{.number = static_cast<std::uint32_t>(*number),
                   .worker = std::move(*worker),
                   .given = milliseconds{*given},
                   .began = {},
                   .ended = milliseconds{*ended},
                   .failure = {}};
  if (const auto began = number_in(*in, "began")) {
    out.began = milliseconds{*began};
  }
  if (const auto failure = number_in(*in, "failure")) {
    const bool fits = *failure >= 0 && *failure <= std::numeric_limits<std::uint16_t>::max();
    const auto code = fits ? errc_from(static_cast<std::uint16_t>(*failure)) : std::nullopt;
    if (!code) {
      return {};
    }
    out.failure = error{*code, text_in(*in, "text").value_or("")};
  }
  return out;
}

bool read_history(std::string_view text, std::vector<attempt_view>& history) {
  if (text.empty()) {
    return true;
  }
  json::parse_options lenient; // texts of engines may hold any bytes
  lenient.allow_invalid_utf8 = true;
  json::error_code wrong;
  const auto value = json::parse({text.data(), text.size()}, wrong, {}, lenient);
  if (wrong || !value.is_array()) {
    return false;
  }
  for (const auto& each : value.get_array()) {
    auto attempt = as_attempt(each);
    if (!attempt) {
      return false;
    }
    history.push_back(std::move(*attempt));
  }
  return true;
}

bool read_chunks(std::string_view text, std::vector<chunk>& chunks) {
  while (!text.empty()) {
    std::size_t bytes = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), bytes);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (wrong != std::errc{} || digits == text.size() || text[digits] != ':' ||
        bytes > text.size() - digits - 1) {
      return false;
    }
    chunks.emplace_back(std::string{text.substr(digits + 1, bytes)});
    text.remove_prefix(digits + 1 + bytes);
  }
  return true;
}

} // namespace

std::string history_text(const std::vector<attempt_view>& history) {
  if (history.empty()) {
    return {};
  }
  json::array out;
  out.reserve(history.size());
  for (const auto& attempt : history) {
    out.push_back(as_json(attempt));
  }
  return json::serialize(out);
}

std::string chunks_text(const std::vector<chunk>& chunks) {
  std::string out;
  for (const auto& each : chunks) {
    out += std::to_string(each.size());
    out += ':';
    out += each.view();
  }
  return out;
}

void bind(statement& to, const table& of, std::uint8_t which, const row_source& from) {
  for (const auto& each : of.columns) {
    if (is_bound(each, which)) {
      const auto value = each.write(from);
      if (const auto* const number = std::get_if<std::int64_t>(&value)) {
        to.bind(*number);
      } else if (const auto* const text = std::get_if<std::string_view>(&value)) {
        to.bind(*text);
      } else {
        to.bind_null();
      }
    }
  }
}

bool read_meta(statement& from, meta_row& meta) {
  const store_clock none;
  const row_target to{.clock = none, .meta = &meta};
  const bool possible = read(from, stored_tables.meta, main_sum, to);
  return read_sum{from, nullptr}.good(1, 0) && possible; // it always has a checksum
}

namespace {

/// A part of the job's stored data is damaged. Its client learns that, whatever else may be right:
/// it FAILED, with nothing left that could be taken for its result or run again.
void give_up(read_row& read, bool state_known) {
  auto& row = read.row;
  const bool was_final = state_known && is_final(row.state);
  const bool hears = !row.request.webhook.empty() || !row.request.origin.empty();
  job_row left;
  left.order = row.order;
  left.id = std::move(row.id);
  left.request = std::move(row.request);
  left.request.input = {};
  left.fingerprint = row.fingerprint;
  left.submitted = row.submitted;
  left.state = job_state::FAILED;
  left.failure = error{errc::store_corrupt, "the stored data of this job is damaged"};
  left.hook_open = was_final ? row.hook_open : hears;
  left.damaged = true;
  if (state_known) {
    left.attempts = row.attempts;
    left.lives = row.lives;
    left.attempts_before = row.attempts_before;
    left.retried = row.retried;
    left.ended = row.ended;
    left.worker = std::move(row.worker);
    left.holder = row.holder;
    left.history = std::move(row.history);
    left.keep_until = row.keep_until;
  }
  row = std::move(left);
  read.input_file.clear();
  read.output_file.clear();
}

} // namespace

void take_extras(read_row& out, row_extras& from, judged_groups& groups) {
  auto& [request, state, input, output, chunks] = groups;
  auto& row = out.row;
  state.possible = read_history(from.history, row.history) && state.possible;
  row.request.input = shared_text{std::string{from.input.here}};
  row.input_bytes = from.input_released ? 0 : from.input.bytes;
  out.input_file = std::move(from.input.file);
  input.possible = input.possible && (from.input_released || !out.input_file.empty() ||
                                      row.request.input.size() == row.input_bytes);
  if (!from.output.here.empty()) { // most rows that are read have no result
    row.output = shared_text{std::string{from.output.here}};
  }
  row.output_bytes = from.output.bytes;
  out.output_file = std::move(from.output.file);
  output.possible =
      output.possible && (!out.output_file.empty() || row.output.size() == row.output_bytes);
  chunks.fits = chunks.fits || from.chunks.empty();
  chunks.possible = read_chunks(from.chunks, row.chunks) && chunks.possible;
}

result<read_row> read_next(statement& from, const store_clock& clock, std::uint64_t unsealed,
                           row_sums::totals& seen) {
  read_row out;
  row_extras extras;
  const row_target to{.clock = clock, .job = &out.row, .extras = &extras};
  judged_groups groups;
  for (std::size_t i = 0; i < read_order.size(); ++i) {
    const auto& each = read_order[i];
    if (each.from == &table_set::results && each.which == main_sum && from.next_is_null()) {
      break; // the job has no result, so nothing follows
    }
    groups[i].possible = read(from, stored_tables.*each.from, each.which, to);
    groups[i].fits =
        read_sum{from, each.which == main_sum ? &seen : nullptr}.good(out.row.order, unsealed);
  }
  take_extras(out, extras, groups);
  const auto& [request, state, input, output, chunks] = groups;
  const judged results{.fits = output.fits && chunks.fits,
                       .possible = output.possible && chunks.possible};
  const auto fail_on = [order = out.row.order](std::string_view what) {
    return fail(errc::store_corrupt, "the row of job " + std::to_string(order) + what.data());
  };
  if (!request.fits) {
    return fail_on(" is damaged: it does not fit its checksum");
  }
  for (const auto& each : {request, state, input, results}) {
    if (each.fits && !each.possible) {
      return fail_on(" holds what cannot be");
    }
  }
  if (!state.fits || !input.fits || !results.fits) {
    give_up(out, state.fits);
  }
  return out;
}

} // namespace tayfa::store
