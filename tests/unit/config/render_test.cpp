#include "runtime/config/render.hpp"

#include "runtime/base/table.hpp"
#include "runtime/config/knobs.hpp"
#include "tests/unit/config/broken_relations.hpp"
#include "tests/unit/config/scratch_file.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>

namespace tayfa {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using namespace std::chrono_literals;

void expect_same(const config& a, const config& b) {
  for (const auto& row : knobs()) {
    EXPECT_EQ(row.read(a).text, row.read(b).text) << row.key;
    EXPECT_EQ(row.read(a).items, row.read(b).items) << row.key;
  }
}

TEST(render_toml, the_defaults_load_back) {
  const scratch_file file{render_toml(config{})};
  const auto back = load_config({file.path(), {}, {}});
  ASSERT_TRUE(back) << back.error().str();
  expect_same(config{}, back->values);
  for (const auto& origin : back->origins) {
    EXPECT_THAT(origin.from, HasSubstr("tayfa.toml:")) << origin.key << " is not in the file";
  }
}

TEST(render_toml, awkward_texts_load_back) {
  config c;
  c.pod_data = R"(/tmp/it's "here"\there #1 = [x] 'y' \u0041 ü 🚢)";
  c.http_endpoints = string_list{"one,two"};
  c.engine_models = {};
  c.engine_models.add("a,b \"c\".pt");
  c.engine_models.add("d\\e.pt2");
  c.http_listen = "[::]:0";
  c.http_allow_public = true;
  c.pod_stopping_budget = 3'600'000ms;
  const scratch_file file{render_toml(c)};
  const auto back = load_config({file.path(), {}, {}});
  ASSERT_TRUE(back) << back.error().str();
  expect_same(c, back->values);
}

TEST(render_toml, every_row_is_commented_with_what_is_allowed) {
  const std::string toml = render_toml(config{});
  for (const auto& row : knobs()) {
    EXPECT_THAT(toml, HasSubstr("# " + std::string{row.text} + "\n# " + allowed_values(row) + "; " +
                                flag_name(row) + "; " + environment_name(row) + "\n" +
                                std::string{row.name} + " = "));
  }
}

TEST(render_config, a_table_for_people) {
  const auto c = load_config({"", {"TAYFA_ENGINE_MODELS=a.pt,b.pt"}, {{"engine.slots", "2"}}});
  ASSERT_TRUE(c);
  const std::string text = render_config(*c, false);
  EXPECT_THAT(text, ContainsRegex("^KEY +VALUE +UNIT +FROM +TEXT\n"));
  EXPECT_THAT(text, ContainsRegex("\nengine.slots +2 +- +flag --slots +engine processes"));
  EXPECT_THAT(text, ContainsRegex("\nengine.models +a.pt,b.pt +- +env TAYFA_ENGINE_MODELS +model"));
  EXPECT_THAT(text, ContainsRegex("\nengine.heartbeat +1000 +ms +default +time between"));
  EXPECT_THAT(text, ContainsRegex("\nlog.file +- +- +default +file"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'),
            static_cast<std::ptrdiff_t>(knobs().size()) + 1);
}

TEST(render_config, json_for_scripts) {
  const auto c = load_config({"", {}, {{"engine.models", "a.pt"}, {"engine.slots", "2"}}});
  ASSERT_TRUE(c);
  const auto rows = boost::json::parse(render_config(*c, true)).as_array();
  ASSERT_EQ(rows.size(), knobs().size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& row = rows[i].as_object();
    EXPECT_EQ(std::string{row.at("key").as_string()}, knobs()[i].key);
    EXPECT_EQ(std::string{row.at("unit").as_string()}, knobs()[i].unit);
    EXPECT_EQ(std::string{row.at("text").as_string()}, knobs()[i].text);
    const auto& value = row.at("value");
    switch (knobs()[i].type) {
    case knob_type::text: EXPECT_TRUE(value.is_string()); break;
    case knob_type::boolean: EXPECT_TRUE(value.is_bool()); break;
    case knob_type::whole:
    case knob_type::duration: EXPECT_TRUE(value.is_number() && !value.is_double()); break;
    case knob_type::list: EXPECT_TRUE(value.is_array()); break;
    }
    if (row.at("key") == "engine.slots") {
      EXPECT_EQ(value, 2);
      EXPECT_EQ(row.at("from"), "flag --slots");
    }
    if (row.at("key") == "engine.models") {
      EXPECT_EQ(value, boost::json::array{"a.pt"});
    }
  }
}

/// Texts out of the characters that a file, a shell or a table could trip over.
rc::Gen<std::string> awkward() {
  return rc::gen::container<std::string>(
      rc::gen::elementOf(std::string{"ab /\\\"'#=[]{},.:;$`~%&*\t|<>!?"}));
}

RC_GTEST_PROP(render_toml, whatever_is_allowed_loads_back, ()) {
  config c;
  std::size_t changed = 0;
  for (const auto& row : knobs()) {
    const auto number = *rc::gen::inRange<std::int64_t>(static_cast<std::int64_t>(row.minimum),
                                                        static_cast<std::int64_t>(row.maximum) + 1);
    const bool text = row.type == knob_type::text || row.type == knob_type::list;
    raw_value value{text ? *awkward() : std::to_string(number), std::nullopt};
    if (row.type == knob_type::boolean) {
      value.text = *rc::gen::element("true", "false");
    } else if (row.form == text_form::choice) {
      value.text =
          *rc::gen::elementOf(std::vector<std::string>{row.choices.begin(), row.choices.end()});
    }
    config next = c;
    if (!row.assign(next, row, value) && broken_relations(next).empty()) {
      c = next;
      ++changed;
    }
  }
  RC_ASSERT(changed > knobs().size() / 2);
  const scratch_file file{render_toml(c)};
  const auto back = load_config({file.path(), {}, {}});
  RC_ASSERT(back.has_value());
  for (const auto& row : knobs()) {
    RC_ASSERT(row.read(c).text == row.read(back->values).text);
    RC_ASSERT(row.read(c).items == row.read(back->values).items);
  }
}

TEST(table, aligns_by_characters_and_leaves_no_blank_at_the_end) {
  EXPECT_EQ(text::table({{"A", "B", "C"}, {"\xc3\xbc\xc3\xbc", "x", ""}, {"abc"}}),
            "A    B  C\n\xc3\xbc\xc3\xbc   x\nabc\n");
  EXPECT_EQ(text::table({}), "");
}

} // namespace
} // namespace tayfa
