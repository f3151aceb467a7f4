#include "runtime/cli/submit_wait.hpp"

#include "runtime/base/clock.hpp"
#include "runtime/cli/answer.hpp"
#include "runtime/cli/event_connection.hpp"
#include "runtime/cli/progress_view.hpp"

#include <boost/json/serialize.hpp>
#include <unistd.h>
#include <utility>

namespace tayfa {

namespace json = boost::json;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds poll_first{20};
constexpr milliseconds poll_longest{1'000};
constexpr milliseconds poll_streaming{200};
/// Events report every change of state but not progress, which is polled for the display.
constexpr milliseconds poll_progress{500};
constexpr milliseconds redraw{120};
/// A restarting pod, and its jobs, are back within this time.
constexpr milliseconds lost_longest{15'000};

/// The progress line that is redrawn in place; without a terminal one line per change.
class wait_display {
 public:
  explicit wait_display(bool quiet) : on_(!quiet), live_(on_ && ::isatty(STDERR_FILENO) == 1) {}
  ~wait_display() {
    if (live_) {
      write_all(STDERR_FILENO, "\r\x1b[K");
    }
  }
  wait_display(const wait_display&) = delete;
  wait_display& operator=(const wait_display&) = delete;

  bool live() const { return live_; }
  void learn(const wait_facts& facts) {
    facts_ = facts;
    const std::string line = plain_line(facts);
    if (on_ && !live_ && line != said_) {
      write_all(STDERR_FILENO, line);
      said_ = line;
    }
  }
  void draw(milliseconds elapsed) {
    if (live_ && !facts_.state.empty()) {
      const auto width = size_of_terminal(STDERR_FILENO).width;
      write_all(STDERR_FILENO, "\r" + progress_line(facts_, elapsed, tick_++, width) + "\x1b[K");
    }
  }
  /// Erases the line before other output is written.
  void clear() const {
    if (live_) {
      write_all(STDERR_FILENO, "\r\x1b[K");
    }
  }

 private:
  bool on_;
  bool live_;
  unsigned tick_ = 0;
  wait_facts facts_;
  std::string said_;
};

class job_wait {
 public:
  job_wait(const pod_client& pod, const job_id& id, const wait_options& options,
           interrupts& signals)
      : pod_(pod), id_(id), options_(options), signals_(signals), display_(options.quiet),
        events_(pod.events_url(id, {}), pod.key()) {}

  command_result<json::object> run() {
    for (;;) {
      if (signals_.count() > 0) {
        return cancel();
      }
      if (is_time_to_ask()) {
        auto found = ask();
        if (!found || !found->empty()) {
          return found;
        }
      }
      if (options_.limit.count() > 0 && elapsed() >= options_.limit) {
        return tl::unexpected(
            command_error{exit_failed, "job " + id_.str() + " has not ended in time; it goes on"});
      }
      display_.draw(elapsed());
      wait();
    }
  }

 private:
  milliseconds elapsed() const {
    return std::chrono::duration_cast<milliseconds>(clock_.now() - begin_);
  }

  bool is_time_to_ask() {
    bool must_ask =
        !std::exchange(was_open_, events_.open()) && was_open_; // it may have ended before
                                                                // the stream was open
    while (const auto event = events_.next()) {
      must_ask = true;
    }
    return must_ask || clock_.now() >= next_ask_;
  }

  /// The final answer, or an empty object while the job is not done.
  command_result<json::object> ask() {
    auto answer = options_.on_chunk ? pod_.stream(id_) : pod_.status(id_);
    if (!answer) {
      if (!is_transient(answer.error()) || lost() >= lost_longest) {
        return tl::unexpected(std::move(answer.error()));
      }
      plan_next(false);
      return json::object{};
    }
    answered_ = clock_.now();
    bool chunks = false;
    for (const auto& each : as_sent(answer->body, "stream")) {
      const auto* const output =
          each.is_object() ? each.get_object().if_contains("output") : nullptr;
      if (output != nullptr) {
        display_.clear();
        options_.on_chunk(json::serialize(*output));
        chunks = true;
      }
    }
    if (options_.on_chunk) {
      answer->body["id"] = id_.str();
    }
    const auto job = read_answer(api::job_fields, answer->body);
    if (!job) {
      return tl::unexpected(job.error());
    }
    if (is_final(job->state)) {
      return options_.on_chunk ? final_status() : std::move(answer->body);
    }
    display_.learn(wait_facts_of(*job, answer->body.if_contains("output")));
    plan_next(chunks);
    return json::object{};
  }

  command_result<json::object> final_status() {
    auto answer = pod_.status(id_);
    if (!answer) {
      return tl::unexpected(std::move(answer.error()));
    }
    return std::move(answer->body);
  }

  milliseconds lost() const {
    return std::chrono::duration_cast<milliseconds>(clock_.now() - answered_);
  }

  void plan_next(bool chunks) {
    milliseconds longest = poll_longest;
    if (options_.on_chunk) {
      longest = poll_streaming;
    } else if (display_.live()) {
      longest = poll_progress;
    }
    between_ = chunks ? poll_first : std::min(between_ * 3 / 2, longest);
    // While events arrive, polling is needed for progress only.
    next_ask_ = clock_.now() + (events_.open() && !options_.on_chunk ? longest : between_);
  }

  void wait() {
    auto time = std::chrono::ceil<milliseconds>(next_ask_ - clock_.now());
    if (display_.live()) {
      time = std::min(time, redraw);
    }
    if (options_.limit.count() > 0) {
      time = std::min(time, options_.limit - elapsed());
    }
    const int fds[] = {signals_.fd()};
    events_.wait(std::max(time, milliseconds{0}), fds);
    signals_.clear();
  }

  command_result<json::object> cancel() {
    display_.clear();
    const auto job = read_answer(api::job_state_fields, pod_.cancel(id_));
    if (!job) {
      return tl::unexpected(command_error{
          exit_interrupted,
          "job " + id_.str() + " could not be cancelled and may go on: " + job.error().text});
    }
    if (job->state != job_state::CANCELLED) {
      return final_status(); // the job ended first
    }
    return tl::unexpected(command_error{exit_interrupted, "job " + id_.str() + " is cancelled"});
  }

  const pod_client& pod_;
  const job_id& id_;
  const wait_options& options_;
  interrupts& signals_;
  system_time clock_;
  moment begin_ = clock_.now();
  moment answered_ = begin_;
  moment next_ask_ = begin_;
  milliseconds between_ = poll_first;
  bool was_open_ = false;
  wait_display display_;
  event_connection events_;
};

} // namespace

command_result<json::object> wait_for_end(const pod_client& pod, const job_id& id,
                                          const wait_options& options, interrupts& signals) {
  return job_wait{pod, id, options, signals}.run();
}

} // namespace tayfa
