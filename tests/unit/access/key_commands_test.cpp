#include "runtime/cli/keys/commands.hpp"

#include "runtime/access/key_ring.hpp"
#include "runtime/telemetry/memory_log.hpp"
#include "tests/unit/access/support.hpp"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>
#include <sstream>
#include <system_error>

namespace tayfa::access {
namespace {

struct outcome {
  int code = -1;
  std::string out;
  std::string err;
};

class key_commands : public testing::Test {
 protected:
  outcome make(new_key wanted) {
    wanted.file = file;
    std::ostringstream out;
    std::ostringstream err;
    const int code = run_key_new(wanted, secrets, out, err);
    return {code, out.str(), err.str()};
  }
  outcome list() const {
    std::ostringstream out;
    std::ostringstream err;
    const int code = run_key_list(file, out, err);
    return {code, out.str(), err.str()};
  }
  outcome remove(const std::string& name) const {
    std::ostringstream err;
    const int code = run_key_remove(file, name, err);
    return {code, {}, err.str()};
  }

  scratch_folder here;
  std::string file = here / "data/keys";
  counted_secrets secrets;
};

TEST_F(key_commands, a_key_that_is_made_opens) {
  const auto first = make({.name = "alice"});
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.out.size(), std::string_view{"tayfa_"}.size() + 43 + 1);
  EXPECT_EQ(first.err, "the key alice (client) is in " + file + "; it is shown only here\n");
  const auto second = make({.name = "w-1",
                            .scopes = {"worker", "client"},
                            .endpoints = {"tayfa", "sd"},
                            .worker = "gpu-1"});
  EXPECT_NE(first.out, second.out);
  EXPECT_EQ(list().out, "NAME   SCOPES         TENANT  ENDPOINTS  WORKER\n"
                        "alice  client         any     all        any\n"
                        "w-1    client,worker  any     tayfa,sd   gpu-1\n");
  const auto text = read_key_file(file)->text;
  EXPECT_EQ(text.find(first.out.substr(0, first.out.size() - 1)), std::string::npos)
      << "the file has no key, only its digest";
  manual_time time;
  memory_log log{time};
  const auto ring = key_ring::open(file, time, log);
  ASSERT_TRUE(ring);
  EXPECT_EQ(ring->find(first.out.substr(0, first.out.size() - 1))->name, "alice");
}

TEST_F(key_commands, a_key_that_is_removed_is_gone) {
  make({.name = "alice"});
  make({.name = "bob"});
  EXPECT_EQ(remove("alice").code, 0);
  EXPECT_EQ(list().out,
            "NAME  SCOPES  TENANT  ENDPOINTS  WORKER\nbob   client  any     all        any\n");
  const auto again = remove("alice");
  EXPECT_EQ(again.code, key_exit::no_such_key);
  EXPECT_EQ(again.err, "tayfa key: no key is named alice\n");
}

TEST_F(key_commands, what_no_file_could_say_is_bad_usage) {
  for (const auto& wanted : std::vector<new_key>{
           {.name = ""},
           {.name = "a b"},
           {.name = "a\nname=b"},
           {.name = "a", .scopes = {"root"}},
           {.name = "a", .scopes = {}},
           {.name = "a", .tenant = "a b"},
           {.name = "a", .endpoints = {"a\nb"}},
           {.name = "a", .scopes = {"operator"}, .endpoints = {"x"}},
           {.name = "a", .scopes = {"client"}, .worker = "w"},
           {.name = "a", .scopes = {"worker"}, .worker = "w x"},
       }) {
    const auto made_none = make(wanted);
    EXPECT_EQ(made_none.code, key_exit::bad_usage) << wanted.name;
    EXPECT_EQ(made_none.out, "");
    EXPECT_FALSE(std::filesystem::exists(file));
  }
  EXPECT_EQ(make({.name = "a"}).code, 0);
  const auto twice = make({.name = "a"});
  EXPECT_EQ(twice.code, key_exit::bad_usage);
  EXPECT_EQ(twice.err, "tayfa key: a key is named a already\n");
}

TEST_F(key_commands, a_broken_file_is_left_alone) {
  std::filesystem::create_directories(here / "data");
  write_private(file, "nonsense\n");
  for (const auto& refused : {make({.name = "a"}), list()}) {
    EXPECT_EQ(refused.code, key_exit::bad_file);
    EXPECT_EQ(refused.err, "tayfa key: " + file + ", line 1: a field is written name=value\n");
  }
  EXPECT_EQ(read_key_file(file)->text, "nonsense\n");
  write_private(file, "", 0644);
  EXPECT_EQ(make({.name = "a"}).code, key_exit::bad_file);
  EXPECT_EQ(list().code, key_exit::bad_file);
}

TEST_F(key_commands, without_a_file_there_is_nothing_to_list) {
  EXPECT_EQ(list().code, key_exit::no_such_key);
  EXPECT_EQ(remove("a").code, key_exit::no_such_key);
  EXPECT_FALSE(std::filesystem::exists(here / "data"));
}

TEST_F(key_commands, the_command_line) {
  const auto parse = [](std::vector<std::string> arguments) {
    CLI::App app;
    int code = -1;
    add_key_command(app, code);
    std::reverse(arguments.begin(), arguments.end());
    try {
      app.parse(std::move(arguments));
    } catch (const CLI::ParseError&) {
      return -2;
    }
    return code;
  };
  testing::internal::CaptureStdout();
  const auto data = here / "pod";
  EXPECT_EQ(parse({"key", "new", "--name", "a", "--scope", "client", "--endpoint", "x",
                   "--endpoint", "y", "--tenant", "t", "--data", data}),
            0);
  EXPECT_EQ(parse({"key", "new", "--name", "b", "--scope", "client,worker", "--tenant", "t",
                   "--data", data}),
            key_exit::bad_usage);
  EXPECT_EQ(parse({"key", "list", "--keys", data + "/keys"}), 0);
  const auto out = testing::internal::GetCapturedStdout();
  EXPECT_NE(out.find("a     client  t       x,y"), std::string::npos) << out;
  EXPECT_EQ(parse({"key", "remove", "a", "--data", data}), 0);
  EXPECT_EQ(parse({"key"}), -2);
  EXPECT_EQ(parse({"key", "new"}), -2);
  EXPECT_EQ(parse({"key", "remove"}), -2);
}

TEST_F(key_commands, without_random_numbers_no_key_is_made) {
  struct empty final : secret_source {
    void fill(std::span<std::byte>) override {
      throw std::system_error{ENOSYS, std::generic_category(), "getrandom"};
    }
  } none;
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(run_key_new({.file = file, .name = "a"}, none, out, err), key_exit::failed);
  EXPECT_EQ(out.str(), "");
  EXPECT_NE(err.str().find("no random numbers"), std::string::npos);
  EXPECT_FALSE(stamp_of(file));
}

} // namespace
} // namespace tayfa::access
