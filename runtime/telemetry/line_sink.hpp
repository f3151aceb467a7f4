// The last step of a log line: one write(2) per line to a descriptor, with a bounded wait.
//
// Owner: the spdlog logger in log.cpp; base_sink's mutex makes it thread safe. A file is opened for
// appending and every line is one write, so several processes may share it. Once a second, and
// after reopen_log_files(), the file's name is checked: if it refers to another file or to none
// (log rotation), a new file is opened under it with the old one's mode. While that fails, the old
// file is written to. Invariant: lines that could not be written are counted, and the next written
// line is preceded by the count.
#pragma once

#include "runtime/base/clock.hpp"
#include "runtime/telemetry/log.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <spdlog/sinks/base_sink.h>
#include <string>
#include <string_view>

namespace tayfa {

/// Makes every sink check its file's name before its next line. Any thread; async-signal-safe.
void reopen_log_files();

class line_sink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  static result<std::shared_ptr<line_sink>> to_standard_error(log_format);
  static result<std::shared_ptr<line_sink>> to_file(const std::string& path, log_format);

  /// `owned` descriptors are closed with the sink. A non-empty path is followed across log
  /// rotation.
  line_sink(int descriptor, bool owned, log_format format, std::string path = {});
  ~line_sink() override;
  line_sink(const line_sink&) = delete;
  line_sink& operator=(const line_sink&) = delete;

 protected:
  void sink_it_(const spdlog::details::log_msg&) override;
  void flush_() override {}

 private:
  bool write_line(std::string_view line);
  void follow_name();

  int descriptor_;
  const bool owned_;
  const log_format format_;
  const std::string path_; ///< empty: the sink owns no file
  std::size_t write_max_;  ///< bytes that one write accepts without blocking
  moment looked_{};        ///< last check of the name
  std::uint64_t requests_; ///< reopen requests already handled
  system_time time_;
  std::string buffer_;
  std::uint64_t dropped_ = 0;
  bool torn_ = false; ///< the last write ended within a line
};

} // namespace tayfa
