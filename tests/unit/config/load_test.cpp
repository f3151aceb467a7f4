#include "runtime/config/config.hpp"
#include "runtime/config/knobs.hpp"
#include "tests/unit/config/scratch_file.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace tayfa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

loaded_config loaded(const config_sources& sources) {
  auto out = load_config(sources);
  EXPECT_TRUE(out) << out.error().str();
  return out.value_or(loaded_config{});
}

/// The error's lines; the test fails when the sources are taken.
std::vector<std::string> errors_of(const config_sources& sources) {
  const auto out = load_config(sources);
  if (out) {
    ADD_FAILURE() << "no error";
    return {};
  }
  EXPECT_EQ(out.error().code, errc::bad_config);
  std::vector<std::string> lines = {""};
  for (const char c : out.error().text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  return lines;
}

/// The errors for a file with this content; its path is replaced by F.
std::vector<std::string> file_errors(std::string_view content) {
  const scratch_file file{content};
  auto lines = errors_of({file.path(), {}, {}});
  for (auto& line : lines) {
    const auto at = line.find(file.path());
    if (at != std::string::npos) {
      line.replace(at, file.path().size(), "F");
    }
  }
  return lines;
}

std::string from(const loaded_config& c, std::string_view key) {
  const auto row = std::find_if(c.origins.begin(), c.origins.end(),
                                [key](const config_origin& o) { return o.key == key; });
  return row == c.origins.end() ? "no such row" : row->from;
}

TEST(load_config, defaults) {
  const loaded_config c = loaded({});
  EXPECT_EQ(c.values.http_listen, "127.0.0.1:8000");
  EXPECT_FALSE(c.values.http_allow_public);
  EXPECT_EQ(c.values.engine_heartbeat, 1s);
  EXPECT_THAT(c.values.http_endpoints.items(), ElementsAre("tayfa"));
  ASSERT_EQ(c.origins.size(), knobs().size());
  for (std::size_t i = 0; i < knobs().size(); ++i) {
    EXPECT_EQ(c.origins[i].key, knobs()[i].key);
    EXPECT_EQ(c.origins[i].from, "default");
  }
}

TEST(load_config, every_type_from_the_file) {
  const scratch_file file{R"([pod]
data = "/var/lib/tayfa data"
starting_budget = 2500
stopping_budget = "1m"
threads = 8
[http]
allow_public = true
listen = "[::]:9000"
endpoints = ["a", "b"]
run_body_max = 2_048
[engine]
models = "x.pt, y.pt"
)"};
  const loaded_config c = loaded({file.path(), {}, {}});
  EXPECT_EQ(c.values.pod_data, "/var/lib/tayfa data");
  EXPECT_EQ(c.values.pod_starting_budget, 2500ms);
  EXPECT_EQ(c.values.pod_stopping_budget, 1min);
  EXPECT_EQ(c.values.pod_threads, 8U);
  EXPECT_TRUE(c.values.http_allow_public);
  EXPECT_EQ(c.values.http_run_body_max, 2048U);
  EXPECT_THAT(c.values.http_endpoints.items(), ElementsAre("a", "b"));
  EXPECT_THAT(c.values.engine_models.items(), ElementsAre("x.pt", "y.pt"));
  EXPECT_EQ(from(c, "pod.stopping_budget"), "file " + file.path() + ":4");
  EXPECT_EQ(from(c, "engine.models"), "file " + file.path() + ":12");
}

TEST(load_config, every_type_from_environment_and_flags) {
  const loaded_config c =
      loaded({"",
              {"PATH=/bin", "TAYFA_POD_DATA=/data", "TAYFA_POD_THREADS=3", "TAYFA_QUEUE_TTL=2h",
               "TAYFA_HTTP_ALLOW_PUBLIC=1", "TAYFA_HTTP_ENDPOINTS=a,b", "TAYFA_ENGINE_PROGRAM="},
              {{"log.level", "debug"},
               {"engine.slots", "0"},
               {"queue.max", "77"},
               {"engine.heartbeat", "500ms"},
               {"http.listen", "0.0.0.0:0"},
               {"engine.models", "m1.pt"},
               {"engine.models", "m2.pt,m3.pt2"}}});
  EXPECT_EQ(c.values.pod_data, "/data");
  EXPECT_EQ(c.values.pod_threads, 3U);
  EXPECT_EQ(c.values.queue_ttl, 2h);
  EXPECT_TRUE(c.values.http_allow_public);
  EXPECT_EQ(c.values.engine_slots, 0U);
  EXPECT_EQ(c.values.queue_max, 77U);
  EXPECT_EQ(c.values.engine_heartbeat, 500ms);
  EXPECT_THAT(c.values.http_endpoints.items(), ElementsAre("a", "b"));
  EXPECT_THAT(c.values.engine_models.items(), ElementsAre("m1.pt", "m2.pt", "m3.pt2"));
  EXPECT_EQ(from(c, "queue.ttl"), "env TAYFA_QUEUE_TTL");
  EXPECT_EQ(from(c, "engine.program"), "env TAYFA_ENGINE_PROGRAM");
  EXPECT_EQ(from(c, "engine.slots"), "flag --slots");
  EXPECT_EQ(from(c, "queue.max"), "flag --queue.max");
}

TEST(load_config, flags_win_over_environment_over_file_over_default) {
  const scratch_file file{"[pod]\nthreads = 3\n[queue]\nmax = 30\n[log]\nlevel = \"debug\"\n"};
  const loaded_config c =
      loaded({file.path(), {"TAYFA_QUEUE_MAX=40", "TAYFA_POD_THREADS=4"}, {{"pod.threads", "5"}}});
  EXPECT_EQ(c.values.pod_threads, 5U);
  EXPECT_EQ(c.values.queue_max, 40U);
  EXPECT_EQ(c.values.log_level, "debug");
  EXPECT_EQ(c.values.engine_slots, 1U);
  EXPECT_EQ(from(c, "pod.threads"),
            "flag --threads" == from(c, "pod.threads") ? "flag --threads" : "flag --pod.threads");
  EXPECT_EQ(from(c, "queue.max"), "env TAYFA_QUEUE_MAX");
  EXPECT_EQ(from(c, "log.level"), "file " + file.path() + ":6");
  EXPECT_EQ(from(c, "engine.slots"), "default");
}

TEST(load_config, a_later_list_replaces_the_whole_earlier_one) {
  const scratch_file file{"[http]\nendpoints = [\"a\", \"b\"]\n"};
  EXPECT_THAT(loaded({file.path(), {}, {{"http.endpoints", "c"}}}).values.http_endpoints.items(),
              ElementsAre("c"));
}

TEST(load_config, errors_name_field_source_and_what_is_allowed) {
  EXPECT_THAT(errors_of({"", {}, {{"engine.slots", "5000"}}}),
              ElementsAre("engine.slots: 5000 is above the maximum 1024 (from flag --slots)"));
  EXPECT_THAT(errors_of({"", {"TAYFA_LOG_LEVEL=wran"}, {}}),
              ElementsAre("log.level: wran is not one of debug, info, warn, error; did you mean "
                          "warn? (from env TAYFA_LOG_LEVEL)"));
  EXPECT_THAT(file_errors("[engine]\nkind = \"touch\"\non_unfit = \"go on\"\n"),
              ElementsAre("engine.kind: touch is not one of auto, scripted, torch; did you mean "
                          "torch? (from file F:2)",
                          "engine.on_unfit: \"go on\" is not one of stop, go_on; did you mean "
                          "go_on? (from file F:3)"));
  EXPECT_THAT(errors_of({"", {}, {{"log.format", "xml"}}}),
              ElementsAre("log.format: xml is not one of auto, text, json, runpod (from flag "
                          "--log-format)"));
  EXPECT_THAT(errors_of({"", {}, {{"http.listen", "0.0.0.0:70000"}}}),
              ElementsAre("http.listen: 0.0.0.0:70000 port 70000 is above 65535 (from flag "
                          "--listen)"));
}

TEST(load_config, every_error_of_every_source_is_reported) {
  const scratch_file file{"[pod]\nthreads = 0\n[engine]\nslots = \"two\"\n"};
  const auto lines = errors_of({file.path(),
                                {"TAYFA_QUEUE_MAX=none", "TAYFA_QUEUE_MAXX=1"},
                                {{"pod.threads", "999"}, {"engine.slot", "1"}}});
  EXPECT_THAT(
      lines,
      ElementsAre(
          HasSubstr("engine.slots: is text where a whole number is expected (from file "),
          HasSubstr("pod.threads: 0 is below the minimum 1 (from file "),
          "queue.max: none is not a whole number (from env TAYFA_QUEUE_MAX)",
          "TAYFA_QUEUE_MAXX: no such setting; did you mean TAYFA_QUEUE_MAX? (from env "
          "TAYFA_QUEUE_MAXX)",
          "pod.threads: 999 is above the maximum 256 (from flag --pod.threads)",
          "engine.slot: no such setting; did you mean engine.slots? (from flag --engine.slot)"));
}

TEST(load_config, values_under_foreign_names_are_weaker_than_the_file_or_as_strong_as_flags) {
  const scratch_file file{"[http]\nhealth_path = \"/file\"\n"};
  config_sources sources{file.path(), {}, {}};
  sources.assumed = {{"http.listen", "127.0.0.1:81", "env PORT"},
                     {"http.health_path", "/assumed", "env HEALTH_CHECK_PATH"}};
  sources.firm = {{"http.health_path", "/firm", "flag --path"}};
  const auto c = loaded(sources);
  EXPECT_EQ(c.values.http_listen, "127.0.0.1:81");
  EXPECT_EQ(origin_of(c, "http.listen"), "env PORT");
  EXPECT_EQ(c.values.http_health_path, "/firm");
  EXPECT_EQ(origin_of(c, "http.health_path"), "flag --path");
  sources.firm.clear();
  EXPECT_EQ(loaded(sources).values.http_health_path, "/file");
  EXPECT_EQ(origin_of(c, "pod.data"), "default");
  EXPECT_EQ(origin_of(c, "no.such"), "default");
}

TEST(load_config, a_foreign_name_beside_the_flag_is_said_twice) {
  config_sources sources{"", {}, {{"http.listen", "127.0.0.1:1"}}};
  sources.firm = {{"http.listen", "127.0.0.1:2", "flag --rp_api_port"}};
  EXPECT_THAT(errors_of(sources),
              ElementsAre("http.listen: given more than once (from flag --listen and flag "
                          "--rp_api_port)"));
  sources = {};
  sources.assumed = {{"log.level", "loud", "env RUNPOD_LOG_LEVEL"}};
  EXPECT_THAT(errors_of(sources), ElementsAre(HasSubstr("(from env RUNPOD_LOG_LEVEL)")));
}

TEST(load_config, unknown_names_in_the_file) {
  EXPECT_THAT(file_errors("[htpp]\nlisten = \"a:1\"\n"),
              ElementsAre("htpp: no such section; did you mean http? (from file F:1)"));
  EXPECT_THAT(file_errors("[database]\n"),
              ElementsAre("database: no such section; there are pod, http, queue, store, webhook, "
                          "runpod, engine, workers, link, log (from file F:1)"));
  EXPECT_THAT(
      file_errors("\n[http]\nlistne = \"127.0.0.1:1\"\n"),
      ElementsAre("http.listne: no such setting; did you mean http.listen? (from file F:3)"));
  EXPECT_THAT(file_errors("http = 3\n"),
              ElementsAre("http: is a whole number where a section [http] is expected (from file "
                          "F:1)"));
  EXPECT_THAT(file_errors("[http.listen]\nhost = \"a\"\n"),
              ElementsAre(HasSubstr("http.listen: is a table where text in quotes is expected")));
  EXPECT_THAT(file_errors("\"a\\nb\" = 1\n"), ElementsAre(HasSubstr("\"a\\nb\": no such section")));
}

TEST(load_config, wrong_types_in_the_file) {
  EXPECT_THAT(
      file_errors("[http]\nlisten = 8000\nallow_public = \"yes\"\nendpoints = [1]\n"
                  "idle_timeout = 1.5\nconnections_max = 2.0\n"),
      testing::UnorderedElementsAre(
          "http.listen: is a whole number where text in quotes is expected (from file F:2)",
          "http.allow_public: is text where true or false is expected (from file F:3)",
          "http.endpoints: is an array where an array of texts (or one text with commas) is "
          "expected (from file F:4)",
          HasSubstr("http.idle_timeout: is a number with a fraction where a duration"),
          HasSubstr("http.connections_max: is a number with a fraction where a whole")));
}

TEST(load_config, files_that_are_none) {
  const scratch_file folder{""};
  EXPECT_THAT(errors_of({folder.folder() + "/absent.toml", {}, {}}),
              ElementsAre(HasSubstr("absent.toml: no such file")));
  EXPECT_THAT(errors_of({folder.folder(), {}, {}}), ElementsAre(HasSubstr("not a regular file")));
  const std::string fifo = folder.folder() + "/fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(errors_of({fifo, {}, {}}), ElementsAre(HasSubstr("not a regular file")));
  EXPECT_THAT(errors_of({std::string(5000, 'x'), {}, {}}), testing::SizeIs(1));
  EXPECT_THAT(file_errors("[http]\nlisten = \n"),
              ElementsAre(testing::AllOf(HasSubstr("is not TOML"), HasSubstr("(from file F:2)"))));
  EXPECT_THAT(file_errors("[pod]\nthreads = 1\nthreads = 2\n"),
              ElementsAre(HasSubstr("is not TOML")));
  EXPECT_THAT(file_errors(std::string(2 * 1024 * 1024, '#')),
              ElementsAre(HasSubstr("longer than")));
  EXPECT_THAT(file_errors("[pod]\ndata = \"\xff\xfe\"\n"), ElementsAre(HasSubstr("is not TOML")));
  EXPECT_THAT(file_errors("a = " + std::string(100'000, '[')),
              ElementsAre(HasSubstr("is not TOML")));
  EXPECT_EQ(loaded({folder.path(), {}, {}}).values.pod_threads, 2U) << "an empty file says nothing";
}

TEST(load_config, environment_names) {
  EXPECT_THAT(errors_of({"", {"TAYFA_ENGINE_SLOT=1"}, {}}),
              ElementsAre(HasSubstr("did you mean TAYFA_ENGINE_SLOTS?")));
  EXPECT_THAT(errors_of({"", {"TAYFA_LOG_COLOURS=1"}, {}}),
              ElementsAre(HasSubstr("TAYFA_LOG_COLOURS: no such setting")));
  EXPECT_THAT(errors_of({"", {"TAYFA_HTPP_LISTEN=127.0.0.1:1"}, {}}),
              ElementsAre(HasSubstr("did you mean TAYFA_HTTP_LISTEN?")))
      << "a slip in the section must not be taken for a service's name";
  const loaded_config c = loaded({"",
                                  {"TAYFA_DEPS=/opt", "TAYFA_SCRIPTED=x", "TAYFA_TORCH_THREADS=2",
                                   "TAYFA_HOME_GROWN=1", "HTTP_LISTEN=x", "TAYFA_POD_THREADS"},
                                  {}});
  EXPECT_EQ(from(c, "pod.threads"), "default") << "an entry without '=' is no setting";
  EXPECT_EQ(loaded({"", {"TAYFA_QUEUE_MAX=5", "TAYFA_QUEUE_MAX=6"}, {}}).values.queue_max, 5U);
}

TEST(load_config, flags_given_twice) {
  EXPECT_THAT(errors_of({"", {}, {{"queue.max", "5"}, {"queue.max", "5"}}}),
              ElementsAre("queue.max: given more than once (from flag --queue.max)"));
  EXPECT_THAT(errors_of({"", {}, {{"http.endpoints", "a"}, {"http.endpoints", "a"}}}),
              ElementsAre("http.endpoints: a is given twice (from flag --endpoint)"));
}

TEST(load_config, a_broken_relation_tells_values_and_sources) {
  EXPECT_THAT(
      errors_of({"", {"TAYFA_POD_DRAIN_BUDGET=40s"}, {}}),
      ElementsAre("pod.drain_budget must be below pod.stopping_budget; here pod.drain_budget "
                  "= 40000 ms (from env TAYFA_POD_DRAIN_BUDGET), pod.stopping_budget = 30000 "
                  "ms (from default)"));
}

TEST(load_config, no_relation_is_judged_by_a_refused_value) {
  EXPECT_THAT(errors_of({"", {}, {{"pod.drain_budget", "40s"}, {"pod.stopping_budget", "x"}}}),
              ElementsAre(HasSubstr("pod.stopping_budget: x is not a duration")));
}

TEST(load_config, a_flood_of_errors_is_counted) {
  std::string content = "[pod]\n";
  for (int i = 0; i < 1000; ++i) {
    content += "k" + std::to_string(i) + " = 1\n";
  }
  const auto lines = file_errors(content);
  EXPECT_EQ(lines.size(), 201U);
  EXPECT_EQ(lines.back(), "and 800 more");
}

RC_GTEST_PROP(load_config, any_text_anywhere_is_a_value_or_an_error, (const std::string& text)) {
  const auto& row = knobs()[*rc::gen::inRange<std::size_t>(0, knobs().size())];
  const auto flag = load_config({"", {}, {{std::string{row.key}, text}}});
  const auto env = load_config({"", {environment_name(row) + "=" + text}, {}});
  RC_ASSERT(flag.has_value() == env.has_value());
  if (!flag) {
    RC_ASSERT(flag.error().code == errc::bad_config);
    RC_ASSERT(!flag.error().text.empty());
  }
  const scratch_file file{"[pod]\n" + text};
  const auto any = load_config({file.path(), {}, {}});
  RC_ASSERT(any.has_value() || any.error().code == errc::bad_config);
}

} // namespace
} // namespace tayfa
