// These tests walk the engine kinds: all that derives from a row must hold for each.
#include "messages/engine_kind.hpp"

#include "runtime/config/engine_settings.hpp"
#include "runtime/config/knobs.hpp"
#include "runtime/engine/factories.hpp"
#include "runtime/model/catalogue.hpp"
#include "tests/support/places.hpp"
#include "tests/unit/engine/fixture.hpp"

#include <cstdio>
#include <fstream>
#include <gmock/gmock.h>
#include <set>
#include <sys/wait.h>

namespace tayfa::engine::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

config_sources asking_for(const engine_kind& kind) {
  config_sources sources;
  sources.flags = {{"engine.kind", std::string{kind.name}}};
  if (kind.runs_models()) {
    sources.flags.emplace_back("engine.models", "a.pt");
  }
  sources.assumed = budgets_of({&kind, 1});
  return sources;
}

TEST(engine_kinds, each_row_describes_itself_under_a_name_of_its_own) {
  std::set<std::string_view> names{auto_engine_choice};
  for (const auto& kind : engine_kinds) {
    SCOPED_TRACE(kind.name);
    EXPECT_TRUE(names.insert(kind.name).second);
    EXPECT_THAT(std::string{kind.name}, testing::MatchesRegex("[a-z][a-z0-9_-]*"));
    EXPECT_GT(kind.about.size(), 10U);
    EXPECT_FALSE(kind.about.ends_with('.')) << "help goes on behind it";
    EXPECT_THAT(std::string{engine_help},
                HasSubstr(std::string{kind.name} + ": " + std::string{kind.about}));
    EXPECT_GE(kind.capacity_most, 1U);
    EXPECT_EQ(kind.built_in(), kind.plugin.built_on.empty()) << "a plugin says what it is built on";
    EXPECT_EQ(find_engine(kind.name), &kind);
    EXPECT_EQ(chosen_engine(kind.name, true), &kind);
    EXPECT_EQ(kind.entry_kinds().size(), std::max<std::size_t>(kind.model_kinds.size(), 1));
    EXPECT_EQ(kind.entry_kinds().front() == kind.name, !kind.runs_models())
        << "a kind that runs no files is asked for by its name";
    for (const auto variable : kind.variables) {
      EXPECT_THAT(std::string{variable}, testing::MatchesRegex("[A-Z][A-Z0-9_]+[*]?"));
    }
  }
  EXPECT_EQ(find_engine("nonsense"), nullptr);
  EXPECT_EQ(chosen_engine("nonsense", false), nullptr);
  EXPECT_TRUE(chosen_engine(auto_engine_choice, true)->runs_models());
  EXPECT_FALSE(chosen_engine(auto_engine_choice, false)->runs_models());
}

TEST(engine_kinds, the_knob_takes_each_row_and_refuses_another_name_with_the_list) {
  for (const auto& kind : engine_kinds) {
    SCOPED_TRACE(kind.name);
    const auto loaded = load_config(asking_for(kind));
    ASSERT_TRUE(loaded) << loaded.error().text;
    EXPECT_EQ(engine_of(loaded->values).name, kind.name);
  }
  const auto refused = load_config({"", {}, {{"engine.kind", "nonsense"}}});
  ASSERT_FALSE(refused);
  for (const auto choice : engine_choices) {
    EXPECT_THAT(refused.error().text, HasSubstr(std::string{choice}));
  }
}

TEST(engine_kinds, each_kinds_budgets_are_values_that_the_knobs_and_their_relations_allow) {
  for (const auto& kind : engine_kinds) {
    SCOPED_TRACE(kind.name);
    const auto loaded = load_config(asking_for(kind));
    ASSERT_TRUE(loaded) << loaded.error().text;
    EXPECT_EQ(loaded->values.engine_check_budget, kind.budgets.check);
    EXPECT_EQ(loaded->values.engine_hello_timeout, kind.budgets.hello);
    EXPECT_EQ(loaded->values.engine_load_timeout, kind.budgets.load);
  }
}

TEST(engine_kinds, each_kind_has_a_factory_whose_engine_says_its_name) {
  const manual_time time;
  const engine_surroundings around{
      {slot_id{0}, 1}, "/no/plugins/here", [](const char*) { return std::nullopt; }, time};
  for (const auto& kind : engine_kinds) {
    SCOPED_TRACE(kind.name);
    recorder out;
    session_options session;
    const auto factory = factory_of(kind, around, session);
    ASSERT_TRUE(factory) << factory.error().text;
    const auto made = (*factory)(out);
    ASSERT_NE(made, nullptr);
    EXPECT_EQ(made->kind(), kind.name);
    EXPECT_GE(made->capacity(), 1U);
    EXPECT_LE(made->capacity(), kind.capacity_most);
    EXPECT_EQ(made->device() == "none", !kind.built_in()) << "its plugin is not there";
    EXPECT_EQ(check_kind(kind, around.plugin_folder).verdict,
              kind.built_in() ? fitness::fit : fitness::unfit);
  }
}

TEST(engine_kinds, a_kinds_own_variable_that_is_not_valid_is_named) {
  const manual_time time;
  session_options session;
  const auto refused = factory_of(
      engine_rows::scripted,
      {{slot_id{0}, 1}, "", [](const char*) { return std::optional<std::string>{"]"}; }, time},
      session);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::bad_config);
  EXPECT_THAT(refused.error().text, HasSubstr("TAYFA_SCRIPTED: "));
}

struct outcome {
  int code = -1;
  std::string output;
};

outcome engine_program(const std::string& arguments) {
  outcome out;
  const auto command = tayfa::test::in_build("/tayfa-engine") + " " + arguments + " 2>&1";
  FILE* const pipe = ::popen(command.c_str(), "r");
  char block[4096];
  while (const auto size = ::fread(block, 1, sizeof block, pipe)) {
    out.output.append(block, size);
  }
  const int status = ::pclose(pipe);
  out.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

TEST(engine_kinds, the_engine_program_checks_each_kind_and_refuses_another_name_with_the_list) {
  for (const auto& kind : engine_kinds) {
    const auto checked = engine_program("--check --engine " + std::string{kind.name});
    EXPECT_LE(checked.code, 2) << kind.name << ": " << checked.output;
    EXPECT_THAT(checked.output, HasSubstr("\"verdict\"")) << kind.name;
    EXPECT_EQ(engine_program("--engine " + std::string{kind.name}).code, 64) << "no endpoint";
  }
  const auto unknown = engine_program("--check --engine nonsense");
  EXPECT_EQ(unknown.code, 64);
  for (const auto& kind : engine_kinds) {
    EXPECT_THAT(unknown.output, HasSubstr(std::string{kind.name}));
  }
}

TEST(engine_kinds, a_manifest_names_a_kind_of_model_that_some_engine_runs) {
  const auto manifest = [](const std::string& kind) {
    return R"({"format":1,"name":"m","kind":")" + kind + R"(","sha256":")" + std::string(64, 'a') +
           R"(","device":"any","inputs":[{"name":"x","dtype":"float32","shape":[1]}],)"
           R"("outputs":[{"name":"y","dtype":"float32","shape":[1]}]})";
  };
  const auto unknown = parse_manifest(manifest("nonsense"));
  ASSERT_FALSE(unknown);
  for (const auto& kind : engine_kinds) {
    for (const auto model : kind.model_kinds) {
      const auto parsed = parse_manifest(manifest(std::string{model}));
      ASSERT_TRUE(parsed) << parsed.error().text;
      EXPECT_TRUE(kind.runs(parsed->kind));
      EXPECT_THAT(unknown.error().text, HasSubstr(std::string{model}));
    }
  }
  EXPECT_EQ(unknown.error().text, R"(manifest: kind must be "torchscript" or "aot_inductor")");
}

TEST(engine_kinds, the_variables_that_they_get_are_in_the_docs) {
  std::ifstream page{tayfa::test::in_source("/docs/operations.md")};
  const std::string text{std::istreambuf_iterator<char>{page}, {}};
  for (const auto& kind : engine_kinds) {
    for (const auto variable : kind.variables) {
      EXPECT_THAT(text, HasSubstr("`" + std::string{variable} + "`")) << kind.name;
    }
  }
}

TEST(engine_kinds, variables_of_engines_are_known_by_name_or_prefix) {
  EXPECT_TRUE(is_engine_variable("TAYFA_SCRIPTED"));
  EXPECT_FALSE(is_engine_variable("TAYFA_SCRIPTED_MORE"));
  EXPECT_FALSE(has_engine_prefix("TAYFA_SCRIPTED_MORE"));
  EXPECT_TRUE(has_engine_prefix("TORCH_HOME"));
  EXPECT_FALSE(is_engine_variable("TORCH_HOME"));
  EXPECT_FALSE(has_engine_prefix("TORCH"));
}

} // namespace
} // namespace tayfa::engine::test
