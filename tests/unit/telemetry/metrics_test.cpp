#include "runtime/telemetry/metrics.hpp"

#include <algorithm>
#include <cstdlib>
#include <gtest/gtest.h>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

namespace tayfa {
namespace {

struct exposition {
  std::map<std::string, std::string> types; ///< family -> type
  std::set<std::string> helped;
  std::map<std::string, double> samples; ///< "name{labels}" -> value
};

bool is_name(std::string_view s) {
  const auto fits = [](char c) {
    return c == '_' || c == ':' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
  };
  return !s.empty() && !(s[0] >= '0' && s[0] <= '9') && std::all_of(s.begin(), s.end(), fits);
}

/// `a="b",c="d"`, without a comma at either end and without anything that needs an escape.
bool are_labels(std::string_view s) {
  while (true) {
    const auto equals = s.find("=\"");
    const auto end = equals == s.npos ? s.npos : s.find('"', equals + 2);
    if (end == s.npos || !is_name(s.substr(0, equals)) ||
        s.substr(equals, end - equals).find('\\') != s.npos) {
      return false;
    }
    s.remove_prefix(end + 1);
    if (s.empty()) {
      return true;
    }
    if (!s.starts_with(',')) {
      return false;
    }
    s.remove_prefix(1);
  }
}

/// `name value` or `name{labels} value`; false when it is neither or the series was there before.
bool add_sample(exposition& out, const std::string& family, const std::string& line) {
  const auto blank = line.rfind(' ');
  if (blank == std::string::npos) {
    return false;
  }
  const std::string series = line.substr(0, blank);
  const std::string number = line.substr(blank + 1);
  const auto brace = series.find('{');
  const std::string name = series.substr(0, brace);
  if (brace != std::string::npos &&
      (!series.ends_with('}') ||
       !are_labels(std::string_view{series}.substr(brace + 1, series.size() - brace - 2)))) {
    return false;
  }
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  return is_name(name) && name.starts_with(family) && !number.empty() && *end == '\0' &&
         out.samples.emplace(series, value).second;
}

/// A checker for the text exposition format 0.0.4: every line is HELP, TYPE or a sample of the
/// family declared last; no family and no series comes twice.
exposition parse(const std::string& text) {
  exposition out;
  std::istringstream lines{text};
  std::string line;
  std::string family;
  while (std::getline(lines, line)) {
    std::istringstream words{line};
    std::string hash;
    std::string word;
    std::string name;
    std::string rest;
    words >> hash >> word >> name >> rest;
    if (hash != "#") {
      EXPECT_FALSE(family.empty());
      EXPECT_TRUE(add_sample(out, family, line)) << line;
    } else if (word == "HELP") {
      EXPECT_TRUE(is_name(name) && !rest.empty() && out.helped.insert(name).second) << line;
    } else {
      EXPECT_EQ(word, "TYPE") << line;
      EXPECT_TRUE(rest == "counter" || rest == "gauge" || rest == "histogram") << line;
      EXPECT_TRUE(is_name(name) && out.types.emplace(name, rest).second) << line;
      family = name;
    }
  }
  EXPECT_TRUE(text.ends_with('\n'));
  return out;
}

TEST(exposition_checker, refuses_what_is_not_the_format) {
  exposition out;
  EXPECT_TRUE(add_sample(out, "a", "a_b{x=\"1\",y=\"+Inf\"} 2.5"));
  for (const char* bad :
       {"a_b{x=\"1\",y=\"+Inf\"} 2", "a", "a x", "a ", "b 1", "a{} 1", "a{x=1} 1", "a{x=\"1\",} 1",
        "a{x=\"1\"y=\"2\"} 1", "a{x=\"1 1", "a{1=\"1\"} 1", "a-b 1", "a{x=\"\\\\\"} 1"}) {
    EXPECT_FALSE(add_sample(out, "a", bad)) << bad;
  }
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
  const std::size_t edges = expect_zero_edges<pod_state>(e) + expect_zero_edges<stop_state>(e) +
                            expect_zero_edges<engine_state>(e) +
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
