#include "runtime/host/process_probe.hpp"

#include "runtime/base/clock.hpp"
#include "runtime/host/engine_host.hpp"
#include "runtime/host/output_log.hpp"
#include "runtime/machine/fitness.hpp"
#include "runtime/machine/thread_share.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <poll.h>
#include <system_error>
#include <unistd.h>

namespace tayfa {

namespace {

using std::chrono::milliseconds;

constexpr int tries_max = 3; ///< of a check killed from outside
constexpr std::size_t errors_at_end = std::size_t{1} << 20;

fitness_report broken_check(std::string value, std::string advice, milliseconds took) {
  fitness_report report;
  add_row(report, {"check", fitness::unfit, std::move(value), std::move(advice),
                   static_cast<std::uint32_t>(took.count())});
  return report;
}

/// Reads what is available; bytes beyond the limit are discarded. False when the other side has
/// closed it.
bool read_report(int fd, std::string& text, bool& too_long) {
  std::array<char, 16384> buffer;
  for (;;) {
    const auto got = ::read(fd, buffer.data(), buffer.size());
    if (got > 0) {
      const auto room = fitness_bytes_max - text.size();
      text.append(buffer.data(), std::min(room, static_cast<std::size_t>(got)));
      too_long = too_long || static_cast<std::size_t>(got) > room;
      if (too_long) {
        return true; // a check that prints without end must not block us here
      }
    } else if (got == 0) {
      return false;
    } else if (errno != EINTR) {
      return errno == EAGAIN;
    }
  }
}

enum class ending : std::uint8_t { exited, out_of_time, out_of_bounds, closing };

/// Follows one child to its end; kills it when it does not end by itself.
class follower {
 public:
  follower(child_process& child, output_log& errors, int closing, const time_source& time)
      : child_(child), errors_(errors), closing_(closing), time_(time) {}

  ending follow(moment deadline) {
    for (;;) {
      pollfd polled[] = {{child_.pidfd.get(), POLLIN, 0},
                         {child_.output.get(), POLLIN, 0},
                         {child_.errors.get(), POLLIN, 0},
                         {closing_, POLLIN, 0}};
      const auto left = std::chrono::ceil<milliseconds>(time_.until(deadline)).count();
      if (left <= 0) {
        return ending::out_of_time;
      }
      if (::poll(polled, 4, static_cast<int>(std::min<std::int64_t>(left, 3'600'000))) < 0 &&
          errno != EINTR) {
        return ending::out_of_time;
      }
      if (polled[1].revents != 0 && !read_report(child_.output.get(), text, too_long_)) {
        child_.output.reset();
      }
      if (polled[2].revents != 0 &&
          !errors_.read_from(child_.errors.get(), std::size_t{64} << 10, time_.now())) {
        child_.errors.reset();
      }
      if (too_long_) {
        return ending::out_of_bounds;
      }
      if (polled[0].revents != 0) {
        drain();
        return too_long_ ? ending::out_of_bounds : ending::exited;
      }
      if (polled[3].revents != 0) {
        return ending::closing;
      }
    }
  }
  std::string text;

 private:
  /// Reads the bytes written before the end.
  void drain() {
    if (child_.output) {
      read_report(child_.output.get(), text, too_long_);
    }
    if (child_.errors) {
      errors_.read_from(child_.errors.get(), errors_at_end, time_.now());
    }
  }

  child_process& child_;
  output_log& errors_;
  int closing_;
  bool too_long_ = false;
  const time_source& time_;
};

} // namespace

process_probe::process_probe(probe_options options, event_log& log)
    : options_(std::move(options)), log_(log),
      time_(options_.time != nullptr ? *options_.time : own_time_) {}

process_probe::~process_probe() {
  wake_up(closing_);
  for (auto& thread : threads_) {
    thread.join();
  }
}

void process_probe::run(const std::string& engine, std::function<void(fitness_report)> done) {
  const std::lock_guard guard{mutex_};
  try {
    threads_.emplace_back([this, engine, done] {
      fitness_report report = check(engine);
      if (options_.extra) {
        options_.extra(report, closing_.get());
      }
      done(std::move(report));
    });
  } catch (const std::system_error& e) { // std::list::emplace_back left the list unchanged
    done(broken_check(std::string{"no thread for it: "} + e.what(),
                      "raise the limit of processes and threads (ulimit -u, pids.max)",
                      milliseconds{0}));
  }
}

fitness_report process_probe::check(const std::string& engine) {
  for (int tries = 1;; ++tries) {
    auto [report, killed] = check_once(engine);
    if (!killed || tries == tries_max) {
      return report;
    }
    log_.warn("check_killed", {{"tries", tries}});
  }
}

process_probe::outcome process_probe::check_once(const std::string& engine) {
  const auto begun = time_.now();
  spawn_request request;
  request.arguments = {options_.program, "--check",  "--engine",
                       engine,           "--parent", std::to_string(::getpid())};
  request.split_stderr = true;
  request.passed = options_.passed;
  const auto ours = own_environment();
  const thread_wish wish{options_.threads,
                         value_for_child("OMP_NUM_THREADS", ours, options_.passed)};
  request.environment =
      thread_variables(threads_of_engine(wish, read_cpu_room(), 1, 0), ours, options_.passed);
  auto child = spawn(request);
  if (!child) {
    return {broken_check("could not be started: " + child.error().text,
                         "see engine.program in the configuration", milliseconds{0})};
  }
  output_log errors{log_, worker_ref{}, child->pid};
  follower f{*child, errors, closing_.get(), time_};
  const auto how = f.follow(begun + options_.budget);
  if (how != ending::exited) {
    signal_group(*child, SIGKILL);
    pollfd ended{child->pidfd.get(), POLLIN, 0};
    ::poll(&ended, 1, -1);
  }
  end_descendants(*child);
  const auto end = reap(*child);
  errors.finish();
  const auto took = std::chrono::duration_cast<milliseconds>(time_.now() - begun);
  switch (how) {
  case ending::exited: break;
  case ending::out_of_time:
    return {broken_check("did not end within " + std::to_string(options_.budget.count()) + " ms",
                         "the driver or the device hangs", took)};
  case ending::out_of_bounds: return {broken_check("printed too much", "", took)};
  case ending::closing: return {broken_check("was stopped", "the runtime is stopping", took)};
  }
  const bool killed =
      end.signal != 0 && killed_from_outside({{}, true, end.code, end.signal, {}, false});
  auto report = parse_fitness(f.text);
  if (!report) {
    return {
        broken_check(end.text + "; " + report.error().text, "see engine_output in the log", took),
        killed};
  }
  if (end.signal != 0 || end.code != static_cast<int>(report->verdict)) {
    add_row(*report, {"check", fitness::unfit, "ended with " + end.text + " after its report",
                      "see engine_output in the log", static_cast<std::uint32_t>(took.count())});
  }
  return {*report, killed};
}

} // namespace tayfa
