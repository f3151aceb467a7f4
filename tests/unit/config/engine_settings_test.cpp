#include "runtime/config/engine_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

config_sources with_flags(std::vector<std::pair<std::string, std::string>> flags) {
  config_sources sources;
  sources.flags = std::move(flags);
  return sources;
}

TEST(engine_settings, auto_is_the_kind_by_default_for_what_is_to_be_run) {
  config c;
  EXPECT_EQ(&engine_of(c), &default_engine(false));
  c.engine_models.add("a.pt");
  EXPECT_EQ(&engine_of(c), &default_engine(true));
  c.engine_kind = engine_rows::scripted.name;
  EXPECT_EQ(engine_of(c).name, "scripted");
}

TEST(engine_settings, usual_budgets_are_the_knobs_defaults) {
  EXPECT_EQ(config{}.engine_check_budget, engine_budgets{}.check);
  EXPECT_EQ(config{}.engine_hello_timeout, engine_budgets{}.hello);
  EXPECT_EQ(config{}.engine_load_timeout, engine_budgets{}.load);
  EXPECT_THAT(budgets_of(engine_kind{.name = "usual", .about = ""}), IsEmpty());
}

TEST(engine_settings, a_slow_kinds_budget_holds_where_nobody_says_otherwise) {
  engine_kind slow{.name = "slow", .about = ""};
  slow.budgets.hello = 90s;
  auto sources = with_flags({});
  sources.assumed = budgets_of(slow);
  ASSERT_THAT(sources.assumed, SizeIs(1));
  const auto loaded = load_config(sources);
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_EQ(loaded->values.engine_hello_timeout, 90s);
  EXPECT_EQ(loaded->values.engine_load_timeout, engine_budgets{}.load);
  EXPECT_EQ(origin_of(*loaded, "engine.hello_timeout"), "the engine kind slow");

  sources.flags = {{"engine.hello_timeout", "5s"}};
  const auto asked = load_config(sources);
  ASSERT_TRUE(asked) << asked.error().text;
  EXPECT_EQ(asked->values.engine_hello_timeout, 5s);
}

} // namespace
} // namespace tayfa
