// The environment of a worker: literally, and through a real shell.
#include "runtime/cli/workers/worker_env.hpp"

#include "runtime/cli/workers/commands.hpp"

#include <array>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <gmock/gmock.h>
#include <memory>

namespace tayfa {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

worker_place_options place() {
  worker_place_options o;
  o.url = "http://10.0.0.5:8000";
  o.worker = "w1";
  return o;
}

std::string value(const variables& all, std::string_view name) {
  for (const auto& [key, text] : all) {
    if (key == name) {
      return text;
    }
  }
  return "(none)";
}

TEST(worker_env, everything_that_the_sdk_reads) {
  auto o = place();
  o.endpoint = "ep";
  o.gpu = "NVIDIA L4";
  o.key = "secret";
  EXPECT_EQ(env_text(worker_variables(o).value(), env_format::env),
            "RUNPOD_WEBHOOK_GET_JOB=http://10.0.0.5:8000/v2/ep/job-take/$ID?gpu=NVIDIA+L4\n"
            "RUNPOD_WEBHOOK_POST_OUTPUT="
            "http://10.0.0.5:8000/v2/ep/job-done/$RUNPOD_POD_ID/$ID?gpu=NVIDIA+L4\n"
            "RUNPOD_WEBHOOK_POST_STREAM="
            "http://10.0.0.5:8000/v2/ep/job-stream/$RUNPOD_POD_ID/$ID?gpu=NVIDIA+L4\n"
            "RUNPOD_WEBHOOK_PING=http://10.0.0.5:8000/v2/ep/ping/$RUNPOD_POD_ID?gpu=NVIDIA+L4\n"
            "RUNPOD_PING_INTERVAL=10000\n"
            "RUNPOD_AI_API_KEY=secret\n"
            "RUNPOD_POD_ID=w1\n"
            "RUNPOD_ENDPOINT_ID=ep\n");
}

TEST(worker_env, without_a_gpu_the_question_mark_stays) {
  const auto all = worker_variables(place()).value();
  EXPECT_EQ(value(all, "RUNPOD_WEBHOOK_GET_JOB"),
            "http://10.0.0.5:8000/v2/tayfa/job-take/$ID?gpu=");
}

TEST(worker_env, without_a_key_there_is_one_all_the_same) {
  EXPECT_EQ(value(worker_variables(place()).value(), "RUNPOD_AI_API_KEY"), "none");
}

TEST(worker_env, a_path_before_the_routes_is_kept) {
  auto o = place();
  o.url = "https://pods.example/one/";
  EXPECT_EQ(value(worker_variables(o).value(), "RUNPOD_WEBHOOK_PING"),
            "https://pods.example/one/v2/tayfa/ping/$RUNPOD_POD_ID?gpu=");
}

TEST(worker_env, what_cannot_be_is_refused) {
  const auto refused = [](auto change) {
    auto o = place();
    change(o);
    const auto all = worker_variables(o);
    return all ? std::string{} : all.error().text;
  };
  for (const auto* url : {"", "10.0.0.5:8000", "ftp://x", "http://", "http://x?y=1", "http://x#y",
                          "http://me@x", "http://x/$ID", "http://x/'", "http://x y"}) {
    EXPECT_THAT(refused([url](auto& o) { o.url = url; }), HasSubstr("--url")) << url;
  }
  for (const auto* name : {"", "a/b", "a b", "$ID", "a,b"}) {
    EXPECT_THAT(refused([name](auto& o) { o.worker = name; }), HasSubstr("--worker-id")) << name;
    EXPECT_THAT(refused([name](auto& o) { o.endpoint = name; }), HasSubstr("--endpoint")) << name;
  }
  EXPECT_THAT(refused([](auto& o) { o.key = "a\nb"; }), HasSubstr("--key"));
  EXPECT_THAT(refused([](auto& o) { o.ping_ms = 999; }), HasSubstr("--ping-interval"));
  EXPECT_THAT(refused([](auto& o) { o.gpu = std::string(129, 'x'); }), HasSubstr("--gpu"));
}

/// Output of a shell that runs this script.
std::string shell(const std::string& script) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe{::popen(("set -eu\n" + script).c_str(), "r"),
                                                   ::pclose};
  std::string out;
  std::array<char, 4096> part{};
  while (const auto got = std::fread(part.data(), 1, part.size(), pipe.get())) {
    out.append(part.data(), got);
  }
  return out;
}

TEST(worker_env, a_shell_passes_on_what_the_sdk_shall_replace) {
  auto o = place();
  o.key = "it's-$HOME`id`\"\\";
  const auto all = worker_variables(o).value();
  std::string expected;
  std::string show;
  for (const auto& [name, text] : all) {
    expected += text + '\n';
    show += "printenv " + name + '\n';
  }
  EXPECT_EQ(shell(env_text(all, env_format::export_) + show), expected);
}

TEST(worker_env, options_of_docker_are_one_command_line) {
  auto o = place();
  o.key = "it's-$HOME";
  const auto all = worker_variables(o).value();
  std::string expected;
  for (const auto& [name, text] : all) {
    expected += "-e\n" + name + '=' + text + '\n';
  }
  EXPECT_EQ(shell("printf '%s\\n' " + env_text(all, env_format::docker)), expected);
}

struct outcome {
  int code = -1;
  std::string out, err;
};

outcome run(std::vector<std::string> words) {
  CLI::App app;
  outcome o;
  add_workers_commands(app, o.code);
  std::reverse(words.begin(), words.end());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  try {
    app.parse(words);
  } catch (const CLI::ParseError&) {
    o.code = 64; // as the program's main does
  }
  o.out = ::testing::internal::GetCapturedStdout();
  o.err = ::testing::internal::GetCapturedStderr();
  return o;
}

TEST(worker_env_command, makes_up_a_name_for_each_worker) {
  const auto one = run({"worker-env", "--url", "http://h:1"});
  const auto two = run({"worker-env", "--url", "http://h:1"});
  EXPECT_EQ(one.code, 0);
  EXPECT_THAT(one.out, HasSubstr("RUNPOD_POD_ID=worker-"));
  EXPECT_NE(one.out, two.out);
}

TEST(worker_env_command, prints_the_format_that_is_asked_for) {
  EXPECT_THAT(run({"worker-env", "--url", "http://h:1", "--format", "export"}).out,
              HasSubstr("export RUNPOD_WEBHOOK_GET_JOB='http://h:1/v2/tayfa/job-take/$ID?gpu='\n"));
  EXPECT_THAT(run({"worker-env", "--url", "http://h:1", "--format", "docker"}).out,
              HasSubstr("-e 'RUNPOD_ENDPOINT_ID=tayfa'\n"));
}

TEST(worker_env_command, bad_usage_is_64) {
  EXPECT_EQ(run({"worker-env"}).code, 64);
  EXPECT_EQ(run({"worker-env", "--url", "http://h:1", "--format", "yaml"}).code, 64);
  const auto bad = run({"worker-env", "--url", "h"});
  EXPECT_EQ(bad.code, 64);
  EXPECT_THAT(bad.err, HasSubstr("--url"));
}

} // namespace
} // namespace tayfa
