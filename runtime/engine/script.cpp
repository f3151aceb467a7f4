#include "runtime/base/words.hpp"
#include "runtime/engine/script_fields.hpp"
#include "runtime/engine/scripted.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace tayfa::engine {

namespace {

using namespace script;

/// Collects steps; a delay precedes the next added step.
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

std::uint8_t level_of(std::string_view text, const std::string& name) {
  constexpr std::array<std::pair<std::string_view, std::uint8_t>, 5> levels{
      {{"debug", 0}, {"info", 1}, {"warn", 2}, {"warning", 2}, {"error", 3}}};
  for (const auto& [word, level] : levels) {
    if (text::iequals(text, word)) {
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

/// Adds the chunks, or only the delay; returns the default output.
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

/// Calls of OpenAI's API carry the script in openai_input.
const json::object& script_of(const json::object& input) {
  const auto* const asked = input.if_contains("openai_input");
  return asked != nullptr && asked->is_object() ? asked->get_object() : input;
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
    const fields_of input{script_of(value->get_object())};
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

void end_together(std::vector<scripted_plan>& plans) {
  nanoseconds longest{0};
  bool never = false;
  const auto length = [](const scripted_plan& plan) {
    nanoseconds sum{0};
    for (const auto& step : plan.steps) {
      sum += step.after;
    }
    return sum;
  };
  const auto ends = [](const scripted_step& last) {
    return last.what == action::complete ||
           (last.what == action::fail && last.code != errc::gpu_oom);
  };
  for (const auto& plan : plans) {
    const auto& last = plan.steps.back();
    longest = std::max(longest, length(plan));
    never = never || last.what == action::hang || last.what == action::garbage;
  }
  for (auto& plan : plans) {
    auto& last = plan.steps.back();
    if (!ends(last)) {
      continue;
    }
    last.after += longest - length(plan);
    if (never) {
      last = {.after = last.after, .what = action::hang};
    }
  }
}

} // namespace tayfa::engine
