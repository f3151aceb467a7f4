#include "runtime/config/flags.hpp"

#include "runtime/config/knobs.hpp"

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

namespace tayfa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

struct parsed {
  std::vector<std::pair<std::string, std::string>> flags;
  std::string file;
  int positional = 0;
};

parsed parse(std::vector<std::string> arguments) {
  parsed out;
  CLI::App app;
  add_config_flags(app, out.flags, out.file);
  std::vector<std::string> rest;
  app.add_option("rest", rest);
  std::reverse(arguments.begin(), arguments.end()); // CLI11 takes them from the back
  app.parse(arguments);
  out.positional = static_cast<int>(rest.size());
  return out;
}

TEST(config_flags, short_long_and_equals_forms) {
  const parsed p = parse({"--config", "t.toml", "--slots", "3", "--queue.max=5", "--http.listen",
                          "[::1]:0", "--log-level=debug"});
  EXPECT_EQ(p.file, "t.toml");
  EXPECT_THAT(p.flags, testing::UnorderedElementsAre(
                           Pair("engine.slots", "3"), Pair("queue.max", "5"),
                           Pair("http.listen", "[::1]:0"), Pair("log.level", "debug")));
}

TEST(config_flags, nothing_given_is_nothing_kept) {
  const parsed p = parse({});
  EXPECT_THAT(p.flags, IsEmpty());
  EXPECT_EQ(p.file, "");
}

TEST(config_flags, booleans_stand_alone_or_take_a_value_after_equals) {
  EXPECT_THAT(parse({"--allow-public"}).flags, ElementsAre(Pair("http.allow_public", "true")));
  EXPECT_THAT(parse({"--http.allow_public"}).flags, ElementsAre(Pair("http.allow_public", "true")));
  EXPECT_THAT(parse({"--allow-public=false"}).flags,
              ElementsAre(Pair("http.allow_public", "false")));
  const parsed p = parse({"--allow-public", "word"});
  EXPECT_THAT(p.flags, ElementsAre(Pair("http.allow_public", "true")));
  EXPECT_EQ(p.positional, 1) << "a boolean must not take the next word";
}

TEST(config_flags, lists_repeat_and_take_one_word_each) {
  const parsed p =
      parse({"--model", "a.pt", "--model", "b.pt,c.pt", "word", "--engine.models", "d"});
  EXPECT_THAT(p.flags, ElementsAre(Pair("engine.models", "a.pt"),
                                   Pair("engine.models", "b.pt,c.pt"), Pair("engine.models", "d")));
  EXPECT_EQ(p.positional, 1);
}

TEST(config_flags, texts_pass_unchanged) {
  for (const std::string value : {" ", "[a,b]", "-1", "a=b", "%", "{}", "\xff"}) {
    EXPECT_THAT(parse({"--pod.data=" + value}).flags, ElementsAre(Pair("pod.data", value)))
        << '"' << value << '"';
  }
  EXPECT_THAT(parse({"--data", ""}).flags, ElementsAre(Pair("pod.data", "")));
  EXPECT_THROW(parse({"--data="}), CLI::ParseError) << "CLI11 takes that for a forgotten value";
}

TEST(config_flags, given_twice_is_left_for_load_config_to_refuse) {
  const parsed p = parse({"--slots", "1", "--engine.slots", "2"});
  EXPECT_EQ(p.flags.size(), 2U);
  const auto c = load_config({"", {}, p.flags});
  ASSERT_FALSE(c);
  EXPECT_THAT(c.error().text, HasSubstr("given more than once"));
}

TEST(config_flags, a_flag_without_its_value_is_a_usage_error) {
  EXPECT_THROW(parse({"--slots"}), CLI::ParseError);
  EXPECT_THROW(parse({"--no-such-flag"}), CLI::ParseError);
}

TEST(config_flags, every_knob_is_taken_and_explained) {
  CLI::App app;
  parsed p;
  add_config_flags(app, p.flags, p.file);
  const std::string help = app.help();
  for (const auto& row : knobs()) {
    EXPECT_THAT(help, HasSubstr("--" + std::string{row.key}));
    EXPECT_THAT(help, HasSubstr(environment_name(row)));
    const std::string standard = row.read(config{}).text;
    EXPECT_THAT(help, HasSubstr("[default " + (standard.empty() ? "empty" : standard)));
    const std::string value = standard.empty() ? "x" : standard;
    EXPECT_THAT(parse({"--" + std::string{row.key} + "=" + value}).flags,
                ElementsAre(Pair(std::string{row.key}, value)));
  }
  EXPECT_THAT(help, HasSubstr("0 to 1024"));
}

} // namespace
} // namespace tayfa
