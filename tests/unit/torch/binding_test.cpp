#include "runtime/engine/torch/binding.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<tensor_spec> specs(const std::vector<std::string>& names) {
  std::vector<tensor_spec> out(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    out[i].name = names[i];
  }
  return out;
}

std::vector<place> places(const std::vector<std::string>& names) {
  std::vector<place> out;
  for (const auto& name : names) {
    out.push_back(
        {name.ends_with('?') ? name.substr(0, name.size() - 1) : name, !name.ends_with('?')});
  }
  return out;
}

std::string inputs(const std::vector<std::string>& program,
                   const std::vector<std::string>& manifest) {
  const auto bound = bind_inputs(places(program), specs(manifest));
  if (!bound) {
    EXPECT_EQ(bound.error().code, errc::model_invalid);
    return bound.error().text;
  }
  std::string out;
  for (const auto& from : *bound) {
    out += from ? manifest[*from] : "-";
    out += ' ';
  }
  return out;
}

TEST(BindInputs, GoByTheProgramsNamesInAnyOrder) {
  EXPECT_EQ(inputs({"context", "question"}, {"question", "context"}), "context question ");
  EXPECT_EQ(inputs({"a", "b", "c"}, {"c", "a", "b"}), "a b c ");
}

TEST(BindInputs, GoByOrderWhereNoNameSaysOtherwise) {
  EXPECT_EQ(inputs({"x", "y"}, {"ids", "mask"}), "ids mask ") << "traced names";
  EXPECT_EQ(inputs({"", "", ""}, {"a", "b", "c"}), "a b c ") << "a package's places";
  EXPECT_EQ(inputs({"", "", "scale"}, {"scale", "a", "b"}), "a b scale ") << "keyword arguments";
  EXPECT_EQ(inputs({"x", "mask"}, {"ids", "mask"}), "ids mask ") << "it stands where its place is";
  EXPECT_EQ(inputs({"x", "mask"}, {"mask", "ids"}), "ids mask ") << "one of each is left";
}

TEST(BindInputs, AreRefusedWhereTheNamesLeaveItOpen) {
  EXPECT_THAT(inputs({"x", "y", "mask"}, {"mask", "a", "b"}), HasSubstr("x, y, mask"));
  EXPECT_THAT(inputs({"x"}, {"x", "y"}), HasSubstr("2 inputs, the program takes 1"));
  EXPECT_THAT(inputs({"x", "y"}, {"y"}), HasSubstr("no input for \"x\""));
  EXPECT_THAT(inputs({"", ""}, {"y"}), HasSubstr("no input for place 1"));
}

TEST(BindInputs, MayLeaveOutWhatTheProgramHasItself) {
  EXPECT_EQ(inputs({"x", "mask?"}, {"x"}), "x - ");
  EXPECT_EQ(inputs({"x", "mask?"}, {"ids"}), "ids - ") << "what is required comes first";
  EXPECT_EQ(inputs({"mask?", "x"}, {"ids"}), "- ids ");
  EXPECT_EQ(inputs({"x", "mask?", "type?"}, {"x", "type"}), "x - type ");
}

std::string outputs(const std::vector<std::string>& program,
                    const std::vector<std::string>& manifest) {
  const auto bound = bind_outputs(places(program), specs(manifest));
  if (!bound) {
    return bound.error().text;
  }
  std::string out;
  for (const auto at : *bound) {
    out += std::to_string(at) + " ";
  }
  return out;
}

TEST(BindOutputs, GoByNameWhereThereAreNamesElseByOrderAndMayBeFewer) {
  EXPECT_EQ(outputs({"z", "y"}, {"y", "z"}), "1 0 ");
  EXPECT_EQ(outputs({"z", "y", "x"}, {"x"}), "2 ") << "more than the manifest names";
  EXPECT_EQ(outputs({"", "", ""}, {"first", "second"}), "0 1 ");
  EXPECT_EQ(outputs({"", "cache.k", "cache.v"}, {"logits"}), "0 ");
  EXPECT_THAT(outputs({"z", "y"}, {"a"}), HasSubstr("no output named a; the program gives: z, y"));
  EXPECT_THAT(outputs({"z", "", "y"}, {"y", "a"}), HasSubstr("no output named a"));
  EXPECT_THAT(outputs({""}, {"a", "b"}), HasSubstr("gave 1 outputs, its manifest promises 2"));
}

std::vector<std::string> names_of(std::string_view spec) {
  std::vector<std::string> out;
  const auto found = places_of_call_spec(spec);
  for (const auto& p : found.value_or(std::vector<place>{{"unreadable", true}})) {
    out.push_back(p.name);
  }
  return out;
}

constexpr const char* leaf = R"({"type":null,"context":null,"children_spec":[]})";

std::string node(const std::string& type, const std::string& context,
                 const std::vector<std::string>& children) {
  std::string out = R"({"type":")" + type + R"(","context":)" + context + R"(,"children_spec":[)";
  for (std::size_t i = 0; i < children.size(); ++i) {
    out += (i > 0 ? "," : "") + children[i];
  }
  return out + "]}";
}

TEST(CallSpec, NamesKeywordArgumentsAndKeysAndNothingElse) {
  const auto state = node("builtins.tuple", R"("null")", {leaf, leaf});
  const auto arguments = node("builtins.tuple", R"("null")", {leaf, state});
  const auto keywords = node("builtins.dict", R"("[\"scale\", \"state\"]")", {leaf, state});
  EXPECT_THAT(names_of("[1," + node("builtins.tuple", R"("null")", {arguments, keywords}) + "]"),
              ElementsAre("", "", "", "scale", "state.0", "state.1"));
  EXPECT_THAT(names_of("[1," + node("builtins.dict", R"("[\"z\", \"y\"]")", {leaf, leaf}) + "]"),
              ElementsAre("z", "y"));
  // A dataclass: its names, and which of them are None.
  EXPECT_THAT(names_of("[1," + node("m.Output", R"("[[\"logits\"], [\"loss\"]]")", {leaf}) + "]"),
              ElementsAre("logits"));
  EXPECT_THAT(names_of("[1," + std::string{leaf} + "]"), ElementsAre(""));
}

TEST(CallSpec, ThatCannotBeReadIsNothing) {
  for (const char* wrong : {"", "[]", "[1]", "[1,2]", "{}", R"([1,{"type":"x"}])",
                            R"([1,{"type":"x","children_spec":[1]}])", "[1,"}) {
    EXPECT_THAT(names_of(wrong), ElementsAre("unreadable")) << wrong;
  }
}

} // namespace
} // namespace tayfa::engine
