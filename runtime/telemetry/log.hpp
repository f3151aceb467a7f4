// The log: events with fields, one line each, in one of three forms (text, JSON, RunPod's JSON).
//
// `event key=value key="two words"`: a job's id is always under `job`, so one job can be grepped
// from end to end. Every lifecycle move is one `state` line at info:
//     state machine=pod from=STARTING to=CONFIGURING cause=parts_started ms=12
// Secrets never reach a field: see secret_text. Formatting is pure (format_line); sinks are real or
// simulated.
#pragma once

#include "messages/error.hpp"
#include "messages/ids.hpp"
#include "messages/lifecycle.hpp"

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace tayfa {

enum class log_level : std::uint8_t { debug = 0, info = 1, warn = 2, error = 3 };
enum class log_format : std::uint8_t { text, json, runpod };

/// A field's value: integer, float, boolean or text (copied only from a temporary).
class log_value {
 public:
  log_value(bool v) : value_(v) {}
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  log_value(T v) : value_(widened(v)) {}
  log_value(double v) : value_(v) {}
  log_value(const char* v) : value_(std::string_view{v}) {}
  log_value(std::string_view v) : value_(v) {}
  log_value(const std::string& v) : value_(std::string_view{v}) {}
  log_value(std::string&& v) : value_(std::move(v)) {}
  log_value(const job_id& v) : value_(std::string_view{v.str()}) {}
  log_value(const worker_ref& v) : value_(to_string(v)) {}
  log_value(slot_id v) : value_(static_cast<std::int64_t>(v.value)) {}
  log_value(errc v) : value_(to_string(v)) {}
  log_value(pod_state v) : value_(to_string(v)) {}
  log_value(stop_state v) : value_(to_string(v)) {}
  log_value(engine_state v) : value_(to_string(v)) {}
  log_value(ingress_state v) : value_(to_string(v)) {}
  log_value(job_state v) : value_(to_string(v)) {}
  log_value(cause v) : value_(to_string(v)) {}

  using storage =
      std::variant<std::int64_t, std::uint64_t, double, bool, std::string_view, std::string>;
  const storage& get() const { return value_; }

 private:
  template <std::integral T>
  static storage widened(T v) {
    if constexpr (std::unsigned_integral<T>) {
      return storage{std::in_place_type<std::uint64_t>, v};
    } else {
      return storage{std::in_place_type<std::int64_t>, v};
    }
  }

  storage value_;
};

/// The event of a line written by a job's own program: fields `job` and `text`.
inline constexpr std::string_view engine_says = "engine_says";

struct log_field {
  std::string_view key;
  log_value value;
};

struct log_record {
  std::chrono::system_clock::time_point at;
  log_level level;
  std::string_view event;
  std::span<const log_field> fields;
};

/// Limits of one line. A longer value is cut in the middle, with a note of the missing bytes.
struct log_limits {
  static constexpr std::size_t value_bytes = 4096;
  /// Limit of RunPod's message as a whole, cut as the SDK does; its values are cut before that only
  /// when they are huge.
  static constexpr std::size_t message_characters = 4096;
  static constexpr std::size_t runpod_value_bytes = std::size_t{64} << 10;
  static constexpr std::size_t event_bytes = 256;
  static constexpr std::size_t key_bytes = 64;
  static constexpr std::size_t fields = 64; ///< more are counted in a field `fields_dropped`
};

/// A log line, without the newline. Control characters, quotes and bytes that are not UTF-8 are
/// escaped in every form (runtime/base/text.hpp); a key's characters outside of [A-Za-z0-9_.-]
/// become '_', and a key that is taken, or one of time, level and event, gets a '_' behind it.
std::string format_line(log_format, const log_record&);

std::string_view to_string(log_level);
std::string_view to_string(log_format);
/// The level or format of this name ("warn", "runpod"); empty for an unknown name.
std::optional<log_level> log_level_from(std::string_view);
std::optional<log_format> log_format_from(std::string_view);

class event_log {
 public:
  virtual ~event_log() = default;
  virtual bool enabled(log_level) const = 0;
  /// Never blocks for long and never throws. Thread safe.
  virtual void write(log_level, std::string_view event, std::span<const log_field>) = 0;

  void debug(std::string_view event, std::initializer_list<log_field> f = {}) {
    put(log_level::debug, event, f);
  }
  void info(std::string_view event, std::initializer_list<log_field> f = {}) {
    put(log_level::info, event, f);
  }
  void warn(std::string_view event, std::initializer_list<log_field> f = {}) {
    put(log_level::warn, event, f);
  }
  void error(std::string_view event, std::initializer_list<log_field> f = {}) {
    put(log_level::error, event, f);
  }

 private:
  void put(log_level level, std::string_view event, std::initializer_list<log_field> f) {
    if (enabled(level)) {
      write(level, event, {f.begin(), f.size()});
    }
  }
};

struct log_options {
  log_level level = log_level::info;
  log_format format = log_format::text;
  std::string file; ///< empty = standard error
};

/// A log on spdlog. Each line reaches the kernel before write() returns, so kill -9 loses none. A
/// line that the other end does not accept within 100 ms (a pipe without a reader, a full disk) is
/// dropped, and the next written line is preceded by a warning `log_lines_dropped` with their
/// `count`. errc::io_error when the file cannot be opened. Precondition: the program ignores
/// SIGPIPE, since a log whose reader leaves must not end it.
result<std::unique_ptr<event_log>> make_log(const log_options&);

} // namespace tayfa
