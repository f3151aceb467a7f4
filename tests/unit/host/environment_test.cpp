// The variables of our environment that a child process inherits.
#include "runtime/host/child_environment.hpp"
#include "tests/unit/host/fixture.hpp"

#include <gmock/gmock.h>
#include <sstream>

namespace tayfa::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

using strings = std::vector<std::string>;
using additions = std::vector<std::pair<std::string, std::string>>;

TEST(child_environment, secrets_stay_and_what_an_engine_needs_goes) {
  for (const char* needed :
       {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD",
        "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
        "TORCH_HOME", "HF_HOME", "MALLOC_ARENA_MAX", "ASAN_OPTIONS", "TAYFA_SCRIPTED",
        "TOKENIZERS_PARALLELISM"}) {
    EXPECT_TRUE(is_passed_on(needed)) << needed;
  }
  for (const char* secret :
       {"RUNPOD_AI_API_KEY", "RUNPOD_WEBHOOK_GET_JOB", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "GITHUB_TOKEN", "NVIDIA_API_KEY",
        "CUDA_SECRET", "TORCH_HUB_PASSWORD", "TAYFA_API_KEY", "TAYFA_HTTP_KEYS_FILE",
        "DATABASE_URL", "http_proxy", "PATHX", "", "LD_AUDIT"}) {
    EXPECT_FALSE(is_passed_on(secret)) << secret;
  }
}

TEST(child_environment, the_operators_names_prefixes_and_values_are_added) {
  const strings ours{"PATH=/bin", "HF_TOKEN=t", "MY_A=1", "MY_B=2", "OTHER=3", "MODE=slow"};
  EXPECT_THAT(child_environment(ours, strings{"HF_TOKEN", "MY_*", "MODE=fast", "EMPTY="}, {}),
              ElementsAre("EMPTY=", "HF_TOKEN=t", "MODE=fast", "MY_A=1", "MY_B=2", "PATH=/bin"));
}

TEST(child_environment, what_the_host_adds_wins) {
  EXPECT_THAT(child_environment(strings{"PATH=/bin"}, strings{"PATH=/mine"},
                                additions{{"PATH", "/the/host's"}}),
              ElementsAre("PATH=/the/host's"));
}

TEST(child_environment, odd_entries_are_no_variables) {
  EXPECT_THAT(
      child_environment(strings{"PATH", "=x", "HOME=", "LC_ALL=a=b", "LC_ALL=second"}, {}, {}),
      ElementsAre("HOME=", "LC_ALL=a=b"));
  EXPECT_THAT(child_environment({}, {}, {}), IsEmpty());
}

TEST(spawn_test, a_child_has_only_what_is_passed) {
  ::setenv("TAYFA_SPAWN_HIDDEN", "hidden", 1);
  ::setenv("TAYFA_SPAWN_NAMED", "named", 1);
  const folder tools;
  auto child = spawn({.arguments = {tools.script("env", "exec env")},
                      .environment = {{"TAYFA_SPAWN_ADDED", "added"}},
                      .passed = {"TAYFA_SPAWN_NAMED"}});
  ASSERT_TRUE(child.has_value());
  std::string text;
  char buffer[4096];
  for (;;) {
    pollfd p{child->output.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&p, 1, 60'000), 1);
    const auto got = ::read(child->output.get(), buffer, sizeof buffer);
    if (got <= 0) {
      break;
    }
    text.append(buffer, static_cast<std::size_t>(got));
  }
  pollfd ended{child->pidfd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ended, 1, 60'000), 1);
  EXPECT_EQ(reap(*child).code, 0);
  strings lines;
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  EXPECT_THAT(lines, Contains("TAYFA_SPAWN_NAMED=named"));
  EXPECT_THAT(lines, Contains("TAYFA_SPAWN_ADDED=added"));
  EXPECT_THAT(lines, Contains("TAYFA_CHILD_OF=" + child->mark));
  EXPECT_THAT(lines, Not(Contains("TAYFA_SPAWN_HIDDEN=hidden")));
}

} // namespace
} // namespace tayfa::test
