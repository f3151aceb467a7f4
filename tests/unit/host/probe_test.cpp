#include "runtime/host/process_probe.hpp"
#include "runtime/machine/fitness.hpp"
#include "tests/unit/host/fixture.hpp"

#include <future>
#include <gmock/gmock.h>

namespace tayfa::test {
namespace {

struct probe_test : testing::Test {
  folder tools;
  remembering_log log;

  std::future<fitness_report> begin(process_probe& probe, const std::string& engine = "scripted") {
    auto promise = std::make_shared<std::promise<fitness_report>>();
    probe.run(engine, [promise](fitness_report r) { promise->set_value(std::move(r)); });
    return promise->get_future();
  }
  fitness_report check(const std::string& program, milliseconds budget = 60s) {
    process_probe probe{{program, budget}, log};
    return begin(probe).get();
  }
  fitness_report check_script(const std::string& body, milliseconds budget = 60s) {
    return check(tools.script("check", body), budget);
  }
  static void expect_broken(const fitness_report& report, const std::string& words) {
    EXPECT_EQ(report.verdict, fitness::unfit);
    ASSERT_FALSE(report.rows.empty());
    EXPECT_EQ(report.rows.back().name, "check");
    EXPECT_THAT(report.rows.back().value, testing::HasSubstr(words));
  }
};

const std::string fit_report = R"({"rows":[{"name":"x","verdict":"fit","value":"v","ms":3}]})";

TEST_F(probe_test, the_real_program_reports_its_rows) {
  const auto report = check(engine_program);
  std::vector<std::string> names;
  for (const auto& row : report.rows) {
    names.push_back(row.name);
  }
  EXPECT_THAT(names, testing::ElementsAre("process", "memory", "cores"));
  EXPECT_NE(report.verdict, fitness::unfit);
}

TEST_F(probe_test, a_report_is_read) {
  const auto report = check_script("echo '" + fit_report + "'");
  EXPECT_EQ(report.verdict, fitness::fit);
  ASSERT_EQ(report.rows.size(), 1U);
  EXPECT_EQ(report.rows[0].value, "v");
  EXPECT_EQ(report.rows[0].ms, 3U);
}

TEST_F(probe_test, rows_of_others_follow_the_checks_own) {
  for (const std::string& body : {"echo '" + fit_report + "'", std::string{"exit 3"}}) {
    probe_options options{tools.script("check", body), 60s};
    options.extra = [](fitness_report& report, int stop) {
      EXPECT_GE(stop, 0);
      add_row(report, {"more", fitness::unfit, std::to_string(report.rows.size()), "", 0});
    };
    process_probe probe{options, log};
    const auto report = begin(probe).get();
    EXPECT_EQ(report.verdict, fitness::unfit);
    ASSERT_EQ(report.rows.size(), 2U);
    EXPECT_EQ(report.rows[1].name, "more");
    EXPECT_EQ(report.rows[1].value, "1");
  }
}

TEST_F(probe_test, whatever_goes_wrong_is_an_unfit_row) {
  expect_broken(check("/nonexistent"), "could not be started");
  expect_broken(check_script("kill -SEGV $$"), "signal 11");
  expect_broken(check_script("echo hello"), "not a JSON object");
  expect_broken(check_script("exit 0"), "exit 0");
  expect_broken(check_script("echo '" + fit_report + "'; exit 2"), "exit 2 after its report");
  expect_broken(check_script("echo '" + fit_report + "'; kill -9 $$"), "signal 9 (Killed) after");
  expect_broken(check_script("exec tr '\\0' x < /dev/zero"), "printed too much");
}

TEST_F(probe_test, a_check_that_was_killed_from_outside_is_made_again) {
  const std::string counter = tools.path() + "/counter";
  const std::string count = "echo x >> " + counter + "; n=$(wc -l < " + counter + "); ";
  const auto report = check_script(count + "[ $n -gt 2 ] || kill -9 $$; echo '" + fit_report + "'");
  EXPECT_EQ(report.verdict, fitness::fit);
  EXPECT_EQ(log.lines("check_killed").size(), 2U);
}

TEST_F(probe_test, a_check_that_hangs_is_killed_with_what_it_started) {
  const auto report = check_script("sleep 1000 & sleep 1000", 200ms);
  expect_broken(report, "did not end within 200 ms");
  EXPECT_GE(report.rows.back().ms, 200U);
}

TEST_F(probe_test, what_it_prints_as_errors_is_logged) {
  check_script("echo oh no >&2; echo '" + fit_report + "'");
  ASSERT_EQ(log.lines("engine_output").size(), 1U);
  EXPECT_EQ(log.lines("engine_output")[0].text, "oh no");
}

TEST_F(probe_test, the_destructor_stops_a_running_check_and_answers) {
  std::future<fitness_report> answer;
  {
    process_probe probe{{tools.script("slow", "echo begun >&2; exec sleep 1000"), 600s}, log};
    answer = begin(probe);
    log.wait_for_output([](const std::string& t) { return t == "begun"; });
  }
  expect_broken(answer.get(), "was stopped");
}

// ---- the report as text ---------------------------------------------------------------------

TEST(fitness_text, comes_back_as_it_went) {
  fitness_report report;
  add_row(report, {"a", fitness::fit, "v \"quoted\"", "", 1});
  add_row(report, {"b", fitness::reduced, "w", "do this", 2});
  EXPECT_EQ(report.verdict, fitness::reduced);
  const auto back = parse_fitness(fitness_json(report));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->verdict, fitness::reduced);
  ASSERT_EQ(back->rows.size(), 2U);
  EXPECT_EQ(back->rows[0].value, "v \"quoted\"");
  EXPECT_EQ(back->rows[1].advice, "do this");
}

TEST(fitness_text, what_breaks_a_rule_is_refused) {
  for (const std::string text :
       {"", "[]", "{}", R"({"rows":[]})", R"({"rows":1})", R"({"rows":[1]})",
        R"({"rows":[{"name":"x"}]})", R"({"rows":[{"name":"x","verdict":"great"}]})",
        R"({"rows":[{"name":"","verdict":"fit"}]})", R"({"rows":[{"verdict":"fit"}]})",
        R"({"rows":[{"name":"x","verdict":"fit","ms":-1}]})",
        R"({"rows":[{"name":"x","verdict":"fit","value":3}]})",
        R"({"verdict":"x","rows":[{"name":"x","verdict":"fit"}]})"}) {
    EXPECT_FALSE(parse_fitness(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_fitness(std::string(fitness_bytes_max + 1, ' ')).has_value());
}

} // namespace
} // namespace tayfa::test
