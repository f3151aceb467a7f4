#include "runtime/engine/scripted.hpp"
#include "runtime/engine/session.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <cmath>
#include <limits>

namespace tayfa::engine {

namespace {

namespace json = boost::json;
using std::chrono::nanoseconds;

constexpr std::size_t depth_max = 64;
constexpr std::size_t behavior_bytes_max = std::size_t{64} << 10;
constexpr std::size_t incarnations_max = 1'000;

struct faulty {
  std::string why;
};

[[noreturn]] void fault(std::string_view key, std::string_view rule) {
  throw faulty{std::string{key} + ": " + std::string{rule}};
}

/// Reads the fields of one object; every rule that is broken names the field.
class fields_of {
 public:
  fields_of(const json::object& object, std::string prefix = {})
      : object_(object), prefix_(std::move(prefix)) {}

  const json::value* find(std::string_view key) const { return object_.if_contains(key); }
  std::string name(std::string_view key) const { return prefix_ + std::string{key}; }

  bool flag(std::string_view key) const {
    const auto* v = find(key);
    if (v == nullptr) {
      return false;
    }
    if (!v->is_bool()) {
      fault(name(key), "true or false is expected");
    }
    return v->get_bool();
  }

  nanoseconds seconds(std::string_view key) const {
    const auto* v = find(key);
    if (v == nullptr) {
      return nanoseconds{0};
    }
    if (!v->is_number()) {
      fault(name(key), "a number of seconds is expected");
    }
    const auto number = v->to_number<double>();
    if (!(number >= 0) || number > script_seconds_max) {
      fault(name(key), "0 to 86400 seconds are allowed");
    }
    return nanoseconds{std::llround(number * 1e9)};
  }

  std::string text(std::string_view key) const {
    const auto* v = find(key);
    if (v == nullptr || !v->is_string()) {
      fault(name(key), "a text is expected");
    }
    if (v->get_string().size() > protocol::text_bytes_max) {
      fault(name(key), "the text is longer than 64 KiB");
    }
    return std::string{v->get_string()};
  }

  std::uint64_t count(std::string_view key, std::uint64_t max) const {
    const auto* v = find(key);
    if (v == nullptr || !(v->is_int64() || v->is_uint64())) {
      fault(name(key), "a whole number is expected");
    }
    if (v->is_uint64() || v->get_int64() < 0 || static_cast<std::uint64_t>(v->get_int64()) > max) {
      fault(name(key), "0 to " + std::to_string(max) + " are allowed");
    }
    return static_cast<std::uint64_t>(v->get_int64());
  }

  const json::array* list(std::string_view key, std::size_t max) const {
    const auto* v = find(key);
    if (v == nullptr) {
      return nullptr;
    }
    if (!v->is_array()) {
      fault(name(key), "a list is expected");
    }
    if (v->get_array().size() > max) {
      fault(name(key), "at most " + std::to_string(max) + " entries are allowed");
    }
    return &v->get_array();
  }

  /// Every key that begins with `prefix` must be one of `known`: a misspelt field would silently do
  /// nothing.
  void only(std::string_view prefix, std::initializer_list<std::string_view> known) const {
    for (const auto& member : object_) {
      const std::string_view key{member.key().data(), member.key().size()};
      if (key.starts_with(prefix) && std::find(known.begin(), known.end(), key) == known.end()) {
        fault(name(key.substr(0, 64)), "no such field");
      }
    }
  }

 private:
  const json::object& object_;
  std::string prefix_;
};

/// Collects steps; a delay goes before the step that is added next.
class plan_builder {
 public:
  void wait(nanoseconds time) { pending_ += time; }
  void add(scripted_step step) {
    step.after = std::exchange(pending_, nanoseconds{0});
    plan.steps.push_back(std::move(step));
  }
  scripted_plan plan;

 private:
  nanoseconds pending_{0};
};

using action = scripted_step::action;

scripted_step payload(action what, std::string text) {
  return {.what = what, .text = std::move(text)};
}
scripted_step failure(errc code, std::string text) {
  return {.what = action::fail, .code = code, .text = std::move(text)};
}

std::uint8_t level_of(std::string text, const std::string& name) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array<std::pair<std::string_view, std::uint8_t>, 5> levels{
      {{"debug", 0}, {"info", 1}, {"warn", 2}, {"warning", 2}, {"error", 3}}};
  for (const auto& [word, level] : levels) {
    if (text == word) {
      return level;
    }
  }
  fault(name, "debug, info, warn or error is expected");
}

void add_logs(const fields_of& input, plan_builder& out) {
  const auto* logs = input.list("mock_logs", script_logs_max);
  if (logs == nullptr) {
    return;
  }
  for (std::size_t i = 0; i < logs->size(); ++i) {
    const auto prefix = "mock_logs[" + std::to_string(i) + "]";
    if (!(*logs)[i].is_object()) {
      fault(prefix, "an object {level, message} is expected");
    }
    const fields_of entry{(*logs)[i].get_object(), prefix + "."};
    entry.only("", {"level", "message"});
    const auto level = entry.find("level") == nullptr
                           ? std::uint8_t{1}
                           : level_of(entry.text("level"), entry.name("level"));
    out.add({.what = action::log, .level = level, .text = entry.text("message")});
  }
}

void add_progress(const fields_of& input, plan_builder& out) {
  const auto* value = input.find("mock_progress");
  if (value == nullptr) {
    return;
  }
  if (!value->is_object()) {
    fault("mock_progress", "an object {updates, wait_time} is expected");
  }
  const fields_of progress{value->get_object(), "mock_progress."};
  progress.only("", {"updates", "wait_time"});
  const auto updates = progress.count("updates", script_updates_max);
  const auto pause = progress.seconds("wait_time");
  for (std::uint64_t i = 1; i <= updates; ++i) {
    out.add(payload(action::progress, "{\"update\":" + std::to_string(i) +
                                          ",\"updates\":" + std::to_string(updates) + "}"));
    out.wait(pause);
  }
}

/// The chunks, or only the delay; and what the output is when nothing else is said.
std::string add_stream(const fields_of& input, std::string_view whole, plan_builder& out) {
  const auto delay = input.seconds("mock_delay");
  const auto aggregate = input.flag("mock_aggregate");
  const auto* chunks = input.list("mock_stream", script_chunks_max);
  if (chunks == nullptr) {
    out.wait(delay);
    return std::string{whole};
  }
  for (std::size_t i = 0; i < chunks->size(); ++i) {
    if (i != 0) {
      out.wait(delay);
    }
    out.add(payload(action::partial, json::serialize((*chunks)[i])));
  }
  return aggregate ? json::serialize(*chunks) : std::string{"[]"};
}

scripted_step ending(const fields_of& input, std::string otherwise) {
  const bool crash = input.flag("mock_crash");
  const bool hang = input.flag("mock_hang");
  const bool garbage = input.flag("mock_garbage");
  const bool oom = input.flag("mock_oom");
  auto error =
      input.find("mock_error") != nullptr ? std::optional{input.text("mock_error")} : std::nullopt;
  if (crash) {
    return {.what = action::crash};
  }
  if (hang) {
    return {.what = action::hang};
  }
  if (garbage) {
    return payload(action::garbage, "\xc1 this is no frame");
  }
  if (oom) {
    return failure(errc::gpu_oom, "mock_oom");
  }
  if (error) {
    return failure(errc::job_failed, std::move(*error));
  }
  if (const auto* value = input.find("mock_return")) {
    return payload(action::complete, json::serialize(*value));
  }
  return payload(action::complete, std::move(otherwise));
}

std::optional<json::value> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = depth_max;
  json::error_code failed;
  auto value = json::parse(json::string_view{text.data(), text.size()}, failed, {}, options);
  return failed ? std::nullopt : std::optional{std::move(value)};
}

} // namespace

result<scripted_plan> plan_script(std::string_view input_json) {
  const auto value = parse_json(input_json);
  if (!value) {
    return fail(errc::bad_input, "input: not valid JSON");
  }
  plan_builder out;
  if (!value->is_object()) {
    out.add(payload(action::complete, std::string{input_json}));
    return std::move(out.plan);
  }
  try {
    const fields_of input{value->get_object()};
    input.only("mock_", {"mock_return", "mock_delay", "mock_error", "mock_crash", "mock_hang",
                         "mock_oom", "mock_garbage", "mock_progress", "mock_stream",
                         "mock_aggregate", "mock_refresh", "mock_logs"});
    add_logs(input, out);
    add_progress(input, out);
    auto otherwise = add_stream(input, input_json, out);
    out.add(ending(input, std::move(otherwise)));
    out.plan.refresh_worker = input.flag("mock_refresh");
    out.plan.obeys_cancel = out.plan.steps.back().what != action::hang;
    return std::move(out.plan);
  } catch (const faulty& f) {
    return fail(errc::bad_input, f.why);
  }
}

scripted_behavior scripted_behavior::for_incarnation(std::uint64_t number) const {
  const bool applies = incarnations.empty() || std::find(incarnations.begin(), incarnations.end(),
                                                         number) != incarnations.end();
  return applies ? *this : scripted_behavior{};
}

result<scripted_behavior> parse_behavior(std::string_view text) {
  if (text.empty()) {
    return scripted_behavior{};
  }
  if (text.size() > behavior_bytes_max) {
    return fail(errc::bad_config, "the scripted behaviour is longer than 64 KiB");
  }
  const auto value = parse_json(text);
  if (!value || !value->is_object()) {
    return fail(errc::bad_config, "the scripted behaviour is not a JSON object");
  }
  try {
    const fields_of input{value->get_object()};
    input.only("", {"init_delay", "init_crash", "load_delay", "load_crash", "load_error",
                    "load_hang", "no_heartbeat_after", "incarnations"});
    scripted_behavior out;
    out.init_delay = input.seconds("init_delay");
    out.init_crash = input.flag("init_crash");
    out.load_delay = input.seconds("load_delay");
    out.load_crash = input.flag("load_crash");
    out.load_hang = input.flag("load_hang");
    if (input.find("load_error") != nullptr) {
      out.load_error = input.text("load_error");
    }
    if (input.find("no_heartbeat_after") != nullptr) {
      out.no_heartbeat_after = input.seconds("no_heartbeat_after");
    }
    if (const auto* lives = input.list("incarnations", incarnations_max)) {
      if (lives->empty()) {
        fault("incarnations", "leave it out to mean all");
      }
      for (const auto& life : *lives) {
        if (!life.is_int64() || life.get_int64() < 0) {
          fault("incarnations", "whole numbers are expected");
        }
        out.incarnations.push_back(static_cast<std::uint64_t>(life.get_int64()));
      }
    }
    return out;
  } catch (const faulty& f) {
    return fail(errc::bad_config, f.why);
  }
}

void add_faults(const scripted_behavior& behavior, session_options& options) {
  options.hello_delay = behavior.init_delay;
  options.crash_at_hello = behavior.init_crash;
  options.no_heartbeat_after = behavior.no_heartbeat_after;
}

} // namespace tayfa::engine
