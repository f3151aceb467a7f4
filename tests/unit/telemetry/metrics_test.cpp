#include "runtime/telemetry/metrics.hpp"

#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace tayfa {
namespace {

struct exposition {
  std::map<std::string, std::string> types; ///< family -> type
  std::set<std::string> helped;
  std::map<std::string, double> samples; ///< "name{labels}" -> value
};

/// A checker for the text exposition format 0.0.4: every line is HELP, TYPE or a sample of a family
/// that was declared before it; no family and no series comes twice.
exposition parse(const std::string& text) {
  static const std::regex help{R"(# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) .+)"};
  static const std::regex type{R"(# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram))"};
  static const std::string label = R"([a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*")";
  static const std::regex sample{R"(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)" + label + "(?:," + label +
                                 R"()*\})? (\S+))"};
  exposition out;
  std::istringstream lines{text};
  std::string line;
  std::string family;
  while (std::getline(lines, line)) {
    std::smatch m;
    if (std::regex_match(line, m, help)) {
      EXPECT_TRUE(out.helped.insert(m[1]).second) << line;
    } else if (std::regex_match(line, m, type)) {
      family = m[1];
      EXPECT_TRUE(out.types.emplace(family, m[2]).second) << line;
    } else if (std::regex_match(line, m, sample)) {
      EXPECT_EQ(m[1].str().rfind(family, 0), 0U) << line << " is not of " << family;
      std::size_t used = 0;
      const std::string number = m[3];
      const double value = std::stod(number, &used);
      EXPECT_EQ(used, number.size()) << line;
      EXPECT_TRUE(out.samples.emplace(m[1].str() + m[2].str(), value).second) << line;
    } else {
      ADD_FAILURE() << "not a line of the format: " << line;
    }
  }
  EXPECT_TRUE(text.ends_with('\n'));
  return out;
}

TEST(metrics, every_row_is_rendered_with_its_name_and_type) {
  const metrics m;
  const exposition e = parse(m.render());
#define TAYFA_X(name, kind, help)                                                                  \
  {                                                                                                \
    const std::string full =                                                                       \
        std::string{"tayfa_" #name} + (std::string{#kind} == "counter" ? "_total" : "");           \
    ASSERT_TRUE(e.types.contains(full)) << full;                                                   \
    EXPECT_EQ(e.types.at(full), #kind);                                                            \
    EXPECT_TRUE(e.helped.contains(full));                                                          \
    EXPECT_TRUE(e.samples.contains(std::string{#kind} == "histogram" ? full + "_count" : full));   \
  }
  TAYFA_METRICS(TAYFA_X)
#undef TAYFA_X
}

template <class State>
std::string series(const edge<State>& e) {
  return "tayfa_transitions_total{cause=\"" + std::string{to_string(e.why)} + "\",from=\"" +
         std::string{to_string(e.from)} + "\",machine=\"" +
         std::string{machine_traits<State>::name} + "\",to=\"" + std::string{to_string(e.to)} +
         "\"}";
}

template <class State>
std::size_t expect_zero_edges(const exposition& e) {
  for (const auto& x : machine_traits<State>::edges) {
    EXPECT_TRUE(e.samples.contains(series(x))) << series(x);
    EXPECT_EQ(e.samples.at(series(x)), 0);
  }
  return machine_traits<State>::edges.size();
}

TEST(metrics, every_edge_of_every_machine_exists_from_the_start) {
  const metrics m;
  const exposition e = parse(m.render());
  const std::size_t edges = expect_zero_edges<pod_state>(e) + expect_zero_edges<engine_state>(e) +
                            expect_zero_edges<ingress_state>(e) + expect_zero_edges<job_state>(e);
  std::size_t rendered = 0;
  for (const auto& [name, value] : e.samples) {
    rendered += name.starts_with("tayfa_transitions_total{") ? 1 : 0;
  }
  EXPECT_EQ(rendered, edges);
}

TEST(metrics, a_move_counts_on_its_edge_only) {
  metrics m;
  m.moved(job_state::IN_QUEUE, job_state::IN_PROGRESS, cause::assigned);
  m.moved(job_state::IN_QUEUE, job_state::IN_PROGRESS, cause::assigned);
  const exposition e = parse(m.render());
  double sum = 0;
  for (const auto& [name, value] : e.samples) {
    sum += name.starts_with("tayfa_transitions_total{") ? value : 0;
  }
  EXPECT_EQ(sum, 2);
  EXPECT_EQ(e.samples.at(series(
                edge<job_state>{job_state::IN_QUEUE, job_state::IN_PROGRESS, cause::assigned})),
            2);
}

TEST(metrics, a_move_that_no_table_has_is_seen) {
  metrics m;
  m.moved(job_state::COMPLETED, job_state::IN_QUEUE, cause::assigned);
  const exposition e = parse(m.render());
  EXPECT_EQ(e.samples.at(series(
                edge<job_state>{job_state::COMPLETED, job_state::IN_QUEUE, cause::assigned})),
            1);
}

TEST(metrics, values_and_buckets) {
  metrics m;
  m.add(meter::jobs_accepted);
  m.add(meter::jobs_accepted, 4);
  m.set(meter::jobs_in_queue, 7);
  m.set(meter::jobs_in_queue, 3);
  m.observe(meter::execution_seconds, 0.0005);
  m.observe(meter::execution_seconds, 0.3);
  m.observe(meter::execution_seconds, 4000);
  EXPECT_EQ(m.value(meter::jobs_accepted), 5);
  EXPECT_EQ(m.value(meter::jobs_in_queue), 3);
  const exposition e = parse(m.render());
  EXPECT_EQ(e.samples.at("tayfa_jobs_accepted_total"), 5);
  EXPECT_EQ(e.samples.at("tayfa_jobs_in_queue"), 3);
  EXPECT_EQ(e.samples.at("tayfa_execution_seconds_bucket{le=\"0.001\"}"), 1);
  EXPECT_EQ(e.samples.at("tayfa_execution_seconds_bucket{le=\"0.5\"}"), 2);
  EXPECT_EQ(e.samples.at("tayfa_execution_seconds_bucket{le=\"600\"}"), 2);
  EXPECT_EQ(e.samples.at("tayfa_execution_seconds_bucket{le=\"+Inf\"}"), 3);
  EXPECT_EQ(e.samples.at("tayfa_execution_seconds_count"), 3);
}

TEST(metrics, nonsense_changes_nothing) {
  metrics m;
  const std::string before = m.render();
  m.add(meter::jobs_accepted, -1);
  m.add(meter::jobs_accepted, std::numeric_limits<double>::quiet_NaN());
  m.add(meter::jobs_in_queue);
  m.set(meter::jobs_accepted, 9);
  m.set(meter::jobs_in_queue, std::numeric_limits<double>::infinity());
  m.observe(meter::jobs_accepted, 1);
  m.observe(meter::load_seconds, -1);
  EXPECT_EQ(m.render(), before);
}

} // namespace
} // namespace tayfa
