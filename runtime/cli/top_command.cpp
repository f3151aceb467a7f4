// tayfa top.
#include "runtime/cli/command_line.hpp"
#include "runtime/cli/event_connection.hpp"
#include "runtime/cli/terminal.hpp"
#include "runtime/cli/top_facts.hpp"

#include <boost/json/serialize.hpp>
#include <CLI/CLI.hpp>
#include <memory>
#include <unistd.h>

namespace tayfa {

namespace json = boost::json;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds patience{2'000}; ///< timeout of a call to the pod; keys are not read
                                        ///< meanwhile
constexpr milliseconds between{1'000};
constexpr milliseconds come_back{1'000};

struct top_options {
  target_options at;
  bool once = false;
};

class live_view {
 public:
  explicit live_view(const top_options& o)
      : options_(o), pod_(o.at.url, o.at.endpoint, patience, key_of_environment()),
        gatherer_(pod_, clock_, o.at.url) {}

  int run() {
    if (const auto first = gatherer_.refresh(); !first) {
      return complain(first.error());
    }
    if (options_.once) {
      draw();
      return exit_ok;
    }
    interrupts signals{interrupts::second::counts};
    std::optional<full_screen> screen;
    if (!options_.at.json) {
      screen.emplace();
      keys_ = ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDIN_FILENO) == 1;
    }
    return loop(signals);
  }

 private:
  int loop(interrupts& signals) {
    events_ = std::make_unique<event_connection>(pod_.events_url({}, {}), pod_.key());
    draw();
    moment next = clock_.now() + between;
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(next - clock_.now());
      const int fds[] = {signals.fd(), keys_ ? STDIN_FILENO : -1};
      events_->wait(std::max(left, milliseconds{0}), std::span{fds}.first(keys_ ? 2 : 1));
      const bool woken = signals.pending();
      signals.clear();
      if (signals.count() > 0) {
        return exit_interrupted;
      }
      while (const auto event = events_->next()) {
        gatherer_.learn(*event);
      }
      const char key = keys_ ? key_pressed() : '\0';
      if (key == 'q' || key == 'Q') {
        return exit_ok;
      }
      if (key == 'p' || key == ' ') {
        gatherer_.set_paused(paused_ = !paused_);
      }
      if (clock_.now() >= next) {
        next = clock_.now() + between;
        refresh();
        draw();
      } else if (key != '\0' || (woken && keys_)) {
        draw(); // the terminal's size has changed, or a key was pressed
      }
    }
  }

  void refresh() {
    if (paused_) {
      return;
    }
    if (const auto done = gatherer_.refresh(); !done) {
      gatherer_.set_trouble(done.error().text);
    }
    if (events_->dead() && clock_.now() - opened_ >= come_back) {
      opened_ = clock_.now();
      events_ = std::make_unique<event_connection>(pod_.events_url({}, {}), pod_.key());
    }
  }

  void draw() {
    if (options_.at.json) {
      print_json(json::serialize(top_json(gatherer_.facts())));
      return;
    }
    const auto size = size_of_terminal(STDOUT_FILENO);
    const bool live = size.width != 0 && !options_.once;
    top_shape shape{size.width, live ? size.height : 0, terminal_takes_colour(STDOUT_FILENO),
                    keys_};
    std::string out = live ? "\x1b[H" : "";
    const auto lines = top_lines(gatherer_.facts(), shape);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      out += lines[i];
      // No line end after the last line: it would scroll a full screen.
      out += !live ? "\n" : (i + 1 < lines.size() ? "\x1b[K\r\n" : "\x1b[K");
    }
    out += live ? "\x1b[J" : (options_.once ? "" : "\n");
    if (live) {
      write_all(STDOUT_FILENO, out);
    } else {
      print(out);
    }
  }

  const top_options& options_;
  pod_client pod_;
  system_time clock_;
  top_gatherer gatherer_;
  std::unique_ptr<event_connection> events_;
  moment opened_ = clock_.now();
  bool keys_ = false;
  bool paused_ = false;
};

} // namespace

void add_top_command(CLI::App& app, int& exit_code) {
  auto o = std::make_shared<top_options>();
  auto* const cmd = app.add_subcommand("top", "a pod, live: keys q quits, p pauses");
  add_target(*cmd, o->at);
  cmd->add_flag("--once", o->once, "print one frame and end");
  cmd->callback([o, &exit_code] { exit_code = live_view{*o}.run(); });
}

} // namespace tayfa
