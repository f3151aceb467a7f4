#include "runtime/store/row_codec.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

namespace tayfa::store {

namespace json = boost::json;

namespace {

void bind_text(statement& to, const stored_text& text) {
  if (text.file.empty()) {
    to.bind_or_null(text.here);
  } else {
    to.bind_null();
  }
}

/// Reads numbers and remembers whether each was in its range.
class checked {
 public:
  explicit checked(statement& row) : row_(row) {}

  template <class T>
  T number(std::int64_t max = std::numeric_limits<T>::max()) {
    const auto value = row_.number();
    good_ = good_ && value >= 0 && value <= max;
    return static_cast<T>(good_ ? value : 0);
  }
  bool flag() { return number<std::uint8_t>(1) == 1; }
  std::size_t size() {
    return static_cast<std::size_t>(number<std::int64_t>(std::numeric_limits<int>::max()));
  }
  std::optional<error> failure() {
    const auto number = row_.maybe_number();
    auto words = row_.text();
    if (!number) {
      return {};
    }
    const bool fits = *number >= 0 && *number <= std::numeric_limits<std::uint16_t>::max();
    const auto code = fits ? errc_from(static_cast<std::uint16_t>(*number)) : std::nullopt;
    good_ = good_ && code;
    return error{code.value_or(errc::internal), std::move(words)};
  }
  void must(bool holds) { good_ = good_ && holds; }
  bool good() const { return good_; }

 private:
  statement& row_;
  bool good_ = true;
};

/// The sum behind a group of columns: what was stored, and whether the columns give it.
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

void read_request(statement& from, checked& numbers, const store_clock& clock, read_row& to) {
  auto& row = to.row;
  row.order = from.unsigned_number();
  auto id = job_id::parse(from.view());
  numbers.must(id.has_value() && row.order != 0);
  row.id = std::move(id).value_or(job_id{});
  row.fingerprint = from.unsigned_number();
  row.submitted = clock.from_store(from.number());
  auto& request = row.request;
  request.endpoint = from.text();
  request.model = from.text();
  request.shape = from.text();
  auto& policy = request.policy;
  policy.tenant = from.text();
  policy.idempotency_key = from.text();
  policy.priority = numbers.number<std::uint8_t>(job_policy::priority_max);
  policy.execution_timeout = from.duration();
  policy.ttl = from.duration();
  policy.deadline = from.duration();
  policy.delay = milliseconds{from.number()};
  request.webhook = from.text();
  request.sync = numbers.flag();
  request.origin = from.text();
  request.s3_config = from.text();
  row.input_bytes = numbers.size();
}

void read_input(statement& from, checked& numbers, read_row& to) {
  const bool released = from.number() != 0; // judged with the state
  auto& row = to.row;
  row.request.input = shared_text{from.text()};
  to.input_file = from.text();
  numbers.must(released || !to.input_file.empty() || row.request.input.size() == row.input_bytes);
  if (released) {
    row.input_bytes = 0;
    to.input_file.clear();
  }
}

bool read_history(std::string_view text, std::vector<attempt_view>& history);
bool read_chunks(std::string_view text, std::vector<chunk>& chunks);

// Stores hold states by these numbers: a new state is added behind the last one.
static_assert(static_cast<int>(job_state::IN_QUEUE) == 0 &&
              static_cast<int>(job_state::IN_PROGRESS) == 1 &&
              static_cast<int>(job_state::COMPLETED) == 2 &&
              static_cast<int>(job_state::FAILED) == 3 &&
              static_cast<int>(job_state::CANCELLED) == 4 &&
              static_cast<int>(job_state::TIMED_OUT) == 5);

void read_state(statement& from, checked& numbers, const store_clock& clock, job_row& row) {
  numbers.must(from.unsigned_number() == row.order);
  row.state = static_cast<job_state>(
      numbers.number<std::uint8_t>(static_cast<std::int64_t>(job_state::TIMED_OUT)));
  row.attempts = numbers.number<std::uint32_t>();
  row.lives = numbers.number<std::uint32_t>();
  row.attempts_before = numbers.number<std::uint32_t>();
  row.lone_kills = numbers.number<std::uint32_t>();
  row.suspect = numbers.flag();
  row.dead = numbers.flag();
  const auto not_before = from.maybe_number();
  row.not_before = not_before ? clock.from_store(*not_before) : moment{};
  const auto retried = from.maybe_number();
  row.retried = retried ? std::optional{clock.from_store(*retried)} : std::nullopt;
  const auto ended = from.maybe_number();
  row.ended = ended ? std::optional{clock.from_store(*ended)} : std::nullopt;
  row.worker = from.text();
  row.failure = numbers.failure();
  row.delay = from.duration();
  row.execution = from.duration();
  numbers.must(read_history(from.view(), row.history));
  row.hook_tries = numbers.number<std::uint32_t>();
  row.hook_open = numbers.flag();
  row.refresh = numbers.flag();
  const auto keep_until = from.maybe_number();
  row.keep_until = keep_until ? std::optional{clock.from_store(*keep_until)} : std::nullopt;
  row.dropped_chunks = numbers.number<std::uint32_t>();
  static_cast<void>(numbers.flag()); // input_released: read with the input
}

void read_output(statement& from, checked& numbers, read_row& to) {
  static_cast<void>(from.number()); // the order again
  to.row.output = shared_text{from.text()};
  to.row.output_bytes = numbers.size(); // NULL reads as 0
  to.output_file = from.text();
  numbers.must(!to.output_file.empty() || to.row.output.size() == to.row.output_bytes);
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

void bind_request(statement& to, const job_row& row, const store_clock& clock,
                  const stored_text& input) {
  const auto& request = row.request;
  const auto& policy = request.policy;
  to.bind_number(row.order).bind(row.id.str()).bind_number(row.fingerprint);
  to.bind(clock.to_store(row.submitted)).bind(request.endpoint).bind(request.model);
  to.bind(request.shape).bind(policy.tenant).bind(policy.idempotency_key);
  to.bind(std::int64_t{policy.priority}).bind(policy.execution_timeout).bind(policy.ttl);
  to.bind(policy.deadline).bind(std::int64_t{policy.delay.count()}).bind(request.webhook);
  to.bind(std::int64_t{request.sync}).bind(request.origin).bind(request.s3_config);
  to.bind_number(input.bytes);
  bind_text(to, input);
  to.bind_or_null(input.file);
}

void bind_state(statement& to, const job_row& row, const store_clock& clock,
                std::string_view history, bool input_released) {
  to.bind_number(row.order);
  to.bind(static_cast<std::int64_t>(row.state)).bind(std::int64_t{row.attempts});
  to.bind(std::int64_t{row.lives}).bind(std::int64_t{row.attempts_before});
  to.bind(std::int64_t{row.lone_kills}).bind(std::int64_t{row.suspect});
  to.bind(std::int64_t{row.dead});
  // The default moment means "at once" and must mean so in every process.
  row.not_before == moment{} ? to.bind_null() : to.bind(clock.to_store(row.not_before));
  row.retried ? to.bind(clock.to_store(*row.retried)) : to.bind_null();
  row.ended ? to.bind(clock.to_store(*row.ended)) : to.bind_null();
  to.bind_or_null(row.worker);
  if (row.failure) {
    to.bind(static_cast<std::int64_t>(row.failure->code)).bind_or_null(row.failure->text);
  } else {
    to.bind_null().bind_null();
  }
  to.bind(row.delay).bind(row.execution).bind_or_null(history);
  to.bind(std::int64_t{row.hook_tries}).bind(std::int64_t{row.hook_open});
  to.bind(std::int64_t{row.refresh});
  row.keep_until ? to.bind(clock.to_store(*row.keep_until)) : to.bind_null();
  to.bind(std::int64_t{row.dropped_chunks});
  to.bind(std::int64_t{input_released});
}

void bind_output(statement& to, const job_row& row, const stored_text& output) {
  to.bind_number(row.order);
  bind_text(to, output);
  to.bind_number(output.bytes).bind_or_null(output.file);
}

void bind_chunks(statement& to, const job_row& row, std::string_view chunks) {
  to.bind_number(row.order).bind_or_null(chunks);
}

/// What was stored of the job is not whole. Its client hears so, whatever else may be right: it
/// FAILED, with nothing left that could be taken for its result or run again.
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
    left.history = std::move(row.history);
    left.keep_until = row.keep_until;
  }
  row = std::move(left);
  read.input_file.clear();
  read.output_file.clear();
}

result<read_row> read_next(statement& from, const store_clock& clock, std::uint64_t unsealed,
                           row_sums::totals& seen) {
  read_row out;
  checked request{from};
  read_request(from, request, clock, out);
  const auto order = out.row.order;
  const auto fail_on = [order](std::string_view what) {
    return fail(errc::store_corrupt, "the row of job " + std::to_string(order) + what.data());
  };
  if (!read_sum{from, &seen}.good(order, unsealed)) {
    return fail_on(" is damaged: it does not fit its checksum");
  }
  checked input{from};
  read_input(from, input, out);
  const bool input_good = read_sum{from, nullptr}.good(order, unsealed);
  checked state{from};
  read_state(from, state, clock, out.row);
  const bool state_good = read_sum{from, &seen}.good(order, unsealed);
  checked results{from};
  bool results_good = true;
  if (from.maybe_number()) {
    read_output(from, results, out);
    results_good = read_sum{from, &seen}.good(order, unsealed);
    const auto chunks = from.view();
    const bool no_chunks = chunks.empty();
    const bool chunks_parse = read_chunks(chunks, out.row.chunks);
    results_good = (read_sum{from, nullptr}.good(order, unsealed) || no_chunks) && results_good;
    results.must(chunks_parse || !results_good);
  }
  if (!request.good() || (input_good && !input.good()) || (state_good && !state.good()) ||
      (results_good && !results.good())) {
    return fail_on(" holds what cannot be");
  }
  if (!input_good || !state_good || !results_good) {
    give_up(out, state_good);
  }
  return out;
}

} // namespace tayfa::store
