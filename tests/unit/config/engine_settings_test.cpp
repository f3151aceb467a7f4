#include "runtime/config/engine_settings.hpp"

#include "runtime/config/slot_kinds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

using testing::HasSubstr;
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
  EXPECT_THAT(budgets_of(std::vector{engine_kind{.name = "usual", .about = ""}}), IsEmpty());
}

TEST(engine_settings, a_slow_kinds_budget_holds_where_no_source_sets_another) {
  engine_kind slow{.name = "slow", .about = ""};
  slow.budgets.hello = 90s;
  auto sources = with_flags({});
  sources.assumed = budgets_of(std::vector{engine_kind{.name = "usual", .about = ""}, slow});
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

TEST(engine_settings, slots_may_have_engines_of_another_kind) {
  config c;
  c.engine_models.add("a.pt");
  c.engine_slot_kinds = string_list{"0=scripted, 4-5=scripted"};
  const auto engines = engines_of(c);
  EXPECT_EQ(engines.of(0), "scripted");
  EXPECT_EQ(engines.of(1), "torch");
  EXPECT_EQ(engines.of(3), "torch");
  EXPECT_EQ(engines.of(4), "scripted");
  EXPECT_EQ(engines.of(5), "scripted");
  EXPECT_EQ(engines.of(1'000), "torch") << "slots that are added later have the usual kind";
  ASSERT_THAT(engines.kinds(), SizeIs(2));
  EXPECT_EQ(engines.kinds()[0].name, "torch");
  EXPECT_EQ(engines.kinds()[1].name, "scripted");
}

TEST(engine_settings, a_slot_kind_is_slots_and_the_name_of_a_kind) {
  const auto why = [](std::string_view item) {
    const auto parsed = parse_slot_kind(item);
    return parsed ? std::string{"accepted"} : parsed.error().text;
  };
  for (const auto* good : {"0=torch", "1023=scripted", "3-3=torch", "0-1023=scripted"}) {
    EXPECT_EQ(why(good), "accepted") << good;
  }
  for (const auto* bad : {"=torch", "-1=torch", "1024=torch", "5-4=torch", "1-=torch", "-=torch",
                          "1-2-3=torch", "+1=torch", " 1=torch", "99999999999=torch", "x=torch"}) {
    EXPECT_THAT(why(bad), HasSubstr("does not begin with a slot")) << bad;
  }
  EXPECT_THAT(why("torch"), HasSubstr("is not SLOT=KIND"));
  for (const auto* bad : {"0=", "0=auto", "0=Torch", "0=torch "}) {
    EXPECT_THAT(why(bad), HasSubstr("one of scripted, torch")) << bad;
  }
}

TEST(engine_settings, a_faulty_slot_kind_is_refused_with_the_item) {
  const auto refused = load_config(with_flags({{"engine.slot_kinds", "0=mock"}}));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text, HasSubstr("engine.slot_kinds"));
  EXPECT_THAT(refused.error().text, HasSubstr("0=mock"));
}

} // namespace
} // namespace tayfa
