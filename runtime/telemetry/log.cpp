#include "runtime/telemetry/log.hpp"

#include "runtime/base/clock.hpp"
#include "runtime/telemetry/line_sink.hpp"

#include <exception>
#include <spdlog/logger.h>
#include <utility>

namespace tayfa {

namespace {

spdlog::level::level_enum to_spdlog(log_level level) {
  switch (level) {
  case log_level::debug: return spdlog::level::debug;
  case log_level::info: return spdlog::level::info;
  case log_level::warn: return spdlog::level::warn;
  case log_level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

class spdlog_log final : public event_log {
 public:
  spdlog_log(std::shared_ptr<line_sink> sink, const log_options& o)
      : logger_("tayfa", std::move(sink)), level_(o.level), format_(o.format) {
    logger_.set_level(to_spdlog(o.level));
    // The default handler prints to standard error without limit; the sink counts lost lines
    // instead.
    logger_.set_error_handler([](const std::string&) {});
  }

  bool enabled(log_level level) const override { return level >= level_; }

  void write(log_level level, std::string_view event, std::span<const log_field> fields) override {
    if (!enabled(level)) {
      return;
    }
    try {
      const std::string line = format_line(format_, {time_.wall(), level, event, fields});
      logger_.log(to_spdlog(level), spdlog::string_view_t{line.data(), line.size()});
    } catch (const std::exception&) {
      // Out of memory while formatting: the line is lost.
    }
  }

 private:
  spdlog::logger logger_;
  const log_level level_;
  const log_format format_;
  system_time time_;
};

} // namespace

result<std::unique_ptr<event_log>> make_log(const log_options& o) {
  auto sink = o.file.empty() ? line_sink::to_standard_error(o.format)
                             : line_sink::to_file(o.file, o.format);
  if (!sink) {
    return fail(std::move(sink.error()));
  }
  return std::make_unique<spdlog_log>(std::move(*sink), o);
}

} // namespace tayfa
