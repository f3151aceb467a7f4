#include "runtime/engine/script_fields.hpp"
#include "runtime/engine/scripted.hpp"
#include "runtime/engine/session.hpp"

namespace tayfa::engine {

namespace {

using namespace script;

constexpr std::size_t behavior_bytes_max = std::size_t{64} << 10;
constexpr std::size_t bad_models_max = 64;
constexpr std::size_t incarnations_max = 1'000;

constexpr std::size_t slots_max = 1'024;
constexpr std::uint64_t capacity_most = 4'096;
constexpr double factor_min = 0.001;
constexpr double factor_max = 1'000;

double number(const fields_of& input, std::string_view key, double least, double most) {
  const auto* v = input.find(key);
  const double value = v->is_number() ? v->to_number<double>() : least - 1;
  if (!(value >= least && value <= most)) {
    fault(input.name(key), "a number from " + json::serialize(json::value(least)) + " to " +
                               json::serialize(json::value(most)) + " is expected");
  }
  return value;
}

std::uint32_t members(const fields_of& input, std::string_view key, std::uint32_t otherwise) {
  if (input.find(key) == nullptr) {
    return otherwise;
  }
  const auto count = input.count(key, capacity_most);
  if (count == 0) {
    fault(input.name(key), "1 to 4096 are allowed");
  }
  return static_cast<std::uint32_t>(count);
}

scripted_device read_device(const fields_of& input) {
  scripted_device out;
  out.capacity = members(input, "capacity", 1);
  out.batch_max = members(input, "batch_max", 1);
  out.continuous = input.flag("continuous");
  if (input.find("steps") != nullptr) {
    out.steps = input.flag("steps");
  }
  if (input.find("device") != nullptr) {
    out.name = input.text("device");
  }
  if (input.find("memory_bytes") != nullptr) {
    out.memory_bytes = input.count("memory_bytes", std::uint64_t{1} << 53);
  }
  if (input.find("time_factor") != nullptr) {
    out.time_factor = number(input, "time_factor", factor_min, factor_max);
  }
  if (input.find("member_cost") != nullptr) {
    out.member_cost = number(input, "member_cost", 0, factor_max);
  }
  if (input.find("oom_above") != nullptr) {
    out.oom_above = members(input, "oom_above", 0);
  }
  return out;
}

scripted_behavior read_behavior(const json::object& object, const std::string& where) {
  const fields_of input{object, where};
  input.only("", {"init_delay", "init_crash", "load_delay", "load_crash", "load_error", "load_hang",
                  "bad_models", "no_heartbeat_after", "incarnations", "capacity", "batch_max",
                  "continuous", "steps", "device", "memory_bytes", "time_factor", "member_cost",
                  "oom_above"});
  scripted_behavior out;
  out.device = read_device(input);
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
  if (const auto* names = input.list("bad_models", bad_models_max)) {
    for (const auto& name : *names) {
      if (!name.is_string()) {
        fault(input.name("bad_models"), "names of models are expected");
      }
      out.bad_models.emplace_back(name.get_string());
    }
  }
  if (const auto* lives = input.list("incarnations", incarnations_max)) {
    if (lives->empty()) {
      fault(input.name("incarnations"), "leave it out to mean all");
    }
    for (const auto& life : *lives) {
      if (!life.is_int64() || life.get_int64() < 0) {
        fault(input.name("incarnations"), "whole numbers are expected");
      }
      out.incarnations.push_back(static_cast<std::uint64_t>(life.get_int64()));
    }
  }
  return out;
}

/// Each entry is the common object, overridden by its own members.
std::vector<scripted_behavior> read_slots(const json::object& common, const json::array& slots) {
  std::vector<scripted_behavior> out;
  for (const auto& own : slots) {
    const auto where = "slots[" + std::to_string(out.size()) + "]";
    if (!own.is_object()) {
      fault(where, "an object is expected");
    }
    auto whole = common;
    for (const auto& member : own.get_object()) {
      whole[member.key()] = member.value();
    }
    out.push_back(read_behavior(whole, where + "."));
  }
  return out;
}

} // namespace

scripted_behavior scripted_behavior::for_slot(slot_id slot) const {
  return slots.empty() ? *this : slots[slot.value % slots.size()];
}

scripted_behavior scripted_behavior::for_incarnation(std::uint64_t number) const {
  const bool applies = incarnations.empty() || std::find(incarnations.begin(), incarnations.end(),
                                                         number) != incarnations.end();
  if (applies) {
    return *this;
  }
  scripted_behavior innocent;
  innocent.device = device;
  return innocent;
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
    auto common = value->get_object();
    const auto* slots = fields_of{value->get_object()}.list("slots", slots_max);
    common.erase("slots");
    auto out = read_behavior(common, {});
    if (slots != nullptr) {
      out.slots = read_slots(common, *slots);
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
