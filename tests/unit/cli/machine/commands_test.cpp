#include "runtime/cli/machine/commands.hpp"

#include "runtime/config/render.hpp"

#include <boost/json.hpp>
#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ostream>
#include <sstream>
#include <string>
#include <thread>

namespace tayfa {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

struct outcome {
  int code = -1;
  std::string out;
  std::string err;
};

outcome config_outcome(const config_command& command) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = run_config(command, out, err);
  return {code, out.str(), err.str()};
}

TEST(config_command, prints_each_form) {
  const config_sources sources{"", {"TAYFA_QUEUE_MAX=7"}, {{"engine.slots", "2"}}};
  const outcome table = config_outcome({config_output::table, sources});
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.out, testing::ContainsRegex("queue.max +7 +jobs +env TAYFA_QUEUE_MAX"));
  EXPECT_EQ(table.err, "");
  const outcome json = config_outcome({config_output::json, sources});
  EXPECT_TRUE(boost::json::parse(json.out).is_array());
  const outcome toml = config_outcome({config_output::toml, sources});
  EXPECT_THAT(toml.out, HasSubstr("\nslots = 2\n"));
  EXPECT_EQ(config_outcome({config_output::markdown, sources}).out, render_markdown());
}

TEST(config_command, a_bad_configuration_is_65_and_every_error_is_printed) {
  const outcome o = config_outcome(
      {config_output::table, {"", {"TAYFA_QUEUE_MAX=x"}, {{"engine.slots", "5000"}}}});
  EXPECT_EQ(o.code, 65);
  EXPECT_EQ(o.out, "");
  EXPECT_EQ(o.err, "the configuration is not valid:\n"
                   "queue.max: x is not a whole number (from env TAYFA_QUEUE_MAX)\n"
                   "engine.slots: 5000 is above the maximum 1024 (from flag --slots)\n");
}

TEST(config_command, output_that_cannot_be_written_is_no_success) {
  std::ostream broken{nullptr};
  std::ostringstream err;
  EXPECT_EQ(run_config({}, broken, err), 70);
  EXPECT_THAT(err.str(), HasSubstr("could not be written"));
}

/// Answers as a real probe may: at once, from another thread, twice, or never.
class fake_probe final : public machine_probe {
 public:
  enum class manner { at_once, from_a_thread, twice, never };
  fake_probe(manner m, fitness_report report, std::string* asked)
      : manner_(m), report_(std::move(report)), asked_(asked) {}
  ~fake_probe() override {
    if (thread_.joinable()) {
      thread_.join();
    }
    if (manner_ == manner::never) {
      done_(report_); // too late: the wait is over
    }
  }
  void run(const std::string& engine, std::function<void(fitness_report)> done) override {
    *asked_ = engine;
    done_ = std::move(done);
    switch (manner_) {
    case manner::at_once: done_(report_); break;
    case manner::from_a_thread: thread_ = std::thread{[this] { done_(report_); }}; break;
    case manner::twice:
      done_(report_);
      done_({});
      break;
    case manner::never: break;
    }
  }

 private:
  const manner manner_;
  const fitness_report report_;
  std::string* const asked_;
  std::function<void(fitness_report)> done_;
  std::thread thread_;
};

struct checked : outcome {
  std::string asked;
};

checked check_outcome(check_command command, fake_probe::manner manner, fitness_report report) {
  checked o;
  std::ostringstream out;
  std::ostringstream err;
  command.auto_engine = "torch";
  o.code = run_check(
      command,
      [&]() -> result<std::unique_ptr<machine_probe>> {
        return std::make_unique<fake_probe>(manner, report, &o.asked);
      },
      out, err);
  o.out = out.str();
  o.err = err.str();
  return o;
}

const fitness_report reduced{fitness::reduced,
                             {{"cpu", fitness::fit, "2 cores", "", 1},
                              {"gpu", fitness::reduced, "none", "use the scripted engine", 2}}};

TEST(check_command, the_exit_code_is_the_verdict_however_the_answer_comes) {
  for (const auto manner : {fake_probe::manner::at_once, fake_probe::manner::from_a_thread,
                            fake_probe::manner::twice}) {
    const checked o = check_outcome({}, manner, reduced);
    EXPECT_EQ(o.code, 1);
    EXPECT_EQ(o.asked, "torch") << "auto stands for what main says";
    EXPECT_THAT(o.out, HasSubstr("advice: use the scripted engine"));
    EXPECT_EQ(o.err, "");
  }
  EXPECT_EQ(check_outcome({}, fake_probe::manner::at_once, {fitness::fit, {}}).code, 0);
  EXPECT_EQ(check_outcome({}, fake_probe::manner::at_once, {fitness::unfit, {}}).code, 2);
  check_command scripted;
  scripted.engine = "scripted";
  EXPECT_EQ(check_outcome(scripted, fake_probe::manner::at_once, reduced).asked, "scripted");
}

TEST(check_command, json_is_one_line_that_parses) {
  check_command command;
  command.json = true;
  command.colour = true;
  const checked o = check_outcome(command, fake_probe::manner::at_once, reduced);
  EXPECT_EQ(std::count(o.out.begin(), o.out.end(), '\n'), 1);
  const auto parsed = boost::json::parse(o.out);
  EXPECT_EQ(parsed.at("verdict"), "reduced");
  EXPECT_EQ(parsed.at("rows").as_array().size(), 2U);
}

TEST(check_command, a_probe_that_never_answers_is_unfit) {
  check_command command;
  command.patience = 10ms;
  const checked o = check_outcome(command, fake_probe::manner::never, reduced);
  EXPECT_EQ(o.code, 2);
  EXPECT_THAT(o.out, HasSubstr("no answer within 10 ms"));
}

TEST(check_command, without_a_probe_there_is_no_verdict) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = run_check(
      {},
      []() -> result<std::unique_ptr<machine_probe>> {
        return fail(errc::engine_start, "no engine program");
      },
      out, err);
  EXPECT_EQ(code, 70);
  EXPECT_EQ(out.str(), "");
  EXPECT_THAT(err.str(), HasSubstr("no engine program"));
}

/// The program's command line with these two commands; output goes where it goes in the program.
outcome command_line(const std::string& line, const std::vector<std::string>& environment = {}) {
  outcome o;
  std::string asked;
  CLI::App app;
  app.require_subcommand(1);
  add_config_command(app, environment, o.code);
  add_check_command(
      app,
      [&asked]() -> result<std::unique_ptr<machine_probe>> {
        return std::make_unique<fake_probe>(fake_probe::manner::at_once, reduced, &asked);
      },
      "scripted", o.code);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  try {
    app.parse(line);
  } catch (const CLI::ParseError& e) {
    o.code = e.get_exit_code() == 0 ? 0 : 64;
  }
  o.out = testing::internal::GetCapturedStdout();
  o.err = testing::internal::GetCapturedStderr();
  return o;
}

TEST(machine_command_line, config) {
  const outcome o = command_line("config --json --slots 3 --model a.pt --model b.pt",
                                 {"TAYFA_LOG_LEVEL=debug", "HOME=/root"});
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_THAT(o.out,
              HasSubstr(R"({"key":"engine.slots","value":3,"unit":"","from":"flag --slots")"));
  EXPECT_THAT(o.out, HasSubstr(R"("value":["a.pt","b.pt"])"));
  EXPECT_THAT(o.out, HasSubstr(R"("from":"env TAYFA_LOG_LEVEL")"));
  EXPECT_EQ(command_line("config --slots 3 --config /no/such/file").code, 65);
  EXPECT_EQ(command_line("config --json --toml").code, 64);
  EXPECT_EQ(command_line("config --no-such-flag").code, 64);
  EXPECT_THAT(command_line("config --markdown").out, StartsWith("# Configuration\n"));
}

TEST(machine_command_line, check) {
  const outcome o = command_line("check --engine torch");
  EXPECT_EQ(o.code, 1);
  EXPECT_THAT(o.out, StartsWith("NAME "));
  EXPECT_THAT(o.out, testing::Not(HasSubstr("\x1b"))) << "no colours where no terminal is";
  EXPECT_EQ(command_line("check --engine nonsense").code, 64);
  EXPECT_THAT(command_line("check --json").out, StartsWith("{"));
}

TEST(environment_entries, copies_until_the_null) {
  const char* const environment[] = {"A=1", "B=", nullptr};
  EXPECT_THAT(environment_entries(environment), testing::ElementsAre("A=1", "B="));
  EXPECT_TRUE(environment_entries(nullptr).empty());
}

} // namespace
} // namespace tayfa
