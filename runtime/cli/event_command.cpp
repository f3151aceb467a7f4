// tayfa events.
#include "runtime/base/clock.hpp"
#include "runtime/cli/answer.hpp"
#include "runtime/cli/command_line.hpp"
#include "runtime/cli/event_connection.hpp"
#include "runtime/cli/job_views.hpp"
#include "runtime/cli/terminal.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <CLI/CLI.hpp>
#include <memory>

namespace tayfa {

namespace json = boost::json;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds come_back{1'000};
/// A restarting pod is back within this time.
constexpr milliseconds away_longest{15'000};

struct event_options {
  target_options at;
  std::string job;
  std::optional<std::uint64_t> after;
};

class event_printer {
 public:
  event_printer(const event_options& o, job_id job)
      : options_(o), pod_(o.at.client()), job_(std::move(job)), after_(o.after) {}

  int run() {
    interrupts signals{interrupts::second::leaves};
    for (;;) {
      const int code = follow(signals);
      if (code >= 0) {
        return code;
      }
      const int fds[] = {signals.fd()};
      wait_for(come_back, fds);
      if (signals.count() > 0) {
        return exit_interrupted;
      }
    }
  }

 private:
  /// Reads until the connection breaks (-1: reconnect); else returns the exit code.
  int follow(interrupts& signals) {
    event_connection connection{pod_.events_url(job_, after_), pod_.key()};
    const int fds[] = {signals.fd()};
    bool asked = job_.empty();
    for (;;) {
      while (const auto event = connection.next()) {
        show(*event);
        after_ = connection.last();
      }
      if (signals.count() > 0) {
        return exit_interrupted;
      }
      if (connection.open()) {
        seen_ = clock_.now();
        if (connection.last() != 0) {
          after_ = connection.last();
        }
        if (!std::exchange(asked, true) && !ended_) {
          learn_state(); // it may have ended before the stream was open
        }
      }
      if (ended_) {
        return exit_ok;
      }
      if (connection.dead()) {
        return judge(connection);
      }
      connection.wait(milliseconds{60'000}, fds);
    }
  }

  /// Failing to connect, or a pod that stays away, is an error; a broken connection is not.
  int judge(const event_connection& connection) {
    const unsigned status = connection.status();
    const bool answered = status != 0 && status != 200;
    const bool later = status == 429 || status == 503;
    if ((!answered || later) && was_open() && clock_.now() - seen_ < away_longest) {
      return -1;
    }
    const std::string url = pod_.events_url(job_, {});
    return answered ? complain({later ? exit_try_again : exit_failed,
                                url + " answered " + std::to_string(status)})
                    : complain({exit_unavailable, url + ": no answer"});
  }
  bool was_open() const { return seen_ != begin_; }

  void learn_state() {
    const auto job = read_answer(api::job_state_fields, pod_.status(job_));
    ended_ = job && is_final(job->state);
  }

  void show(const server_event& event) {
    if (options_.at.json) {
      json::error_code ec;
      json::value data = json::parse(event.data, ec);
      json::object line{{"number", event.number}, {"kind", event.kind}};
      line["data"] = ec ? json::value{event.data} : std::move(data);
      print_json(json::serialize(line));
    } else {
      print(event_line_text(event.number, event.kind, event.data, output_width()));
    }
    ended_ = ended_ || (!job_.empty() && is_end(event));
  }

  static bool is_end(const server_event& event) {
    json::error_code ec;
    const json::value data = json::parse(event.data, ec);
    if (event.kind != "job" || ec || !data.is_object()) {
      return false;
    }
    const auto job = api::read_record(api::job_state_fields, data.get_object());
    return job && is_final(job->state);
  }

  const event_options& options_;
  pod_client pod_;
  job_id job_;
  std::optional<std::uint64_t> after_;
  system_time clock_;
  moment begin_ = clock_.now();
  moment seen_ = begin_;
  bool ended_ = false;
};

int run_events(const event_options& o) {
  job_id job;
  if (!o.job.empty()) {
    auto id = parsed_id(o.job);
    if (!id) {
      return complain(id.error());
    }
    job = std::move(*id);
  }
  return event_printer{o, std::move(job)}.run();
}

} // namespace

void add_event_command(CLI::App& app, int& exit_code) {
  auto o = std::make_shared<event_options>();
  auto* const cmd = app.add_subcommand("events", "print the pod's events as they happen");
  add_target(*cmd, o->at);
  cmd->add_option("--job", o->job, "only events of this job, until it has ended");
  cmd->add_option("--after", o->after, "begin after the event of this number");
  cmd->callback([o, &exit_code] { exit_code = run_events(*o); });
}

} // namespace tayfa
