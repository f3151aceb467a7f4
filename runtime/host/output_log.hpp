// Copies an engine's output, line by line, into the runtime's log: `engine_output worker=0#1 pid=7
// line="…"`.
//
// Bounded in both directions, because a faulty engine can print without end: a line is cut at 2
// KiB, and beyond a steady rate lines are skipped and counted. The last lines explain a crash, so
// the latest skipped ones are kept and written by finish(). Owner: the spawner thread.
#pragma once

#include "messages/ids.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/telemetry/log.hpp"

#include <deque>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace tayfa {

class output_log {
 public:
  static constexpr std::size_t line_bytes_max = 2048;
  static constexpr double lines_burst = 200;
  static constexpr double lines_per_second = 50;
  static constexpr std::size_t last_lines_kept = 20;

  output_log(event_log& log, worker_ref worker, pid_t pid)
      : log_(log), worker_(worker), pid_(pid) {}

  void feed(std::string_view bytes, moment now);
  /// At the end of the stream: writes the unfinished line and the last skipped ones.
  void finish();

  /// Reads available bytes, at most `bytes_max`. False when the other side has closed the stream.
  bool read_from(int fd, std::size_t bytes_max, moment now);

 private:
  void end_line(moment now);
  void write(std::string_view line);
  void log_skipped();

  event_log& log_;
  worker_ref worker_;
  pid_t pid_;
  std::string line_;
  double allowance_ = lines_burst;
  moment refilled_{};
  std::uint64_t skipped_ = 0;
  std::deque<std::string> last_;
};

} // namespace tayfa
