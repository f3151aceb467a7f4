#include "runtime/model/file_source.hpp"

#include "tests/unit/model/model_folder.hpp"

#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa {
namespace {

using testing::HasSubstr;

constexpr const char* tensors = R"("inputs":[{"name":"x","dtype":"float32","shape":[1]}],
                                   "outputs":[{"name":"y","dtype":"float32","shape":[1]}])";

result<std::vector<model_entry>> inspected(const engine_kind& engine,
                                           std::vector<std::string> paths) {
  std::promise<result<std::vector<model_entry>>> answer;
  file_model_source source{engine};
  source.inspect(std::move(paths), [&answer](auto found) { answer.set_value(std::move(found)); });
  return answer.get_future().get();
}

TEST(file_model_source, a_catalogue_has_the_files_in_their_order) {
  const model_folder folder;
  const auto found = inspected(engine_rows::torch,
                               {folder.script("b", tensors),
                                folder.model("a", "aot_inductor", zip::aot_inductor(), tensors)});
  ASSERT_TRUE(found) << found.error().str();
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].name, "b");
  EXPECT_EQ((*found)[1].kind, aot_inductor_model);
  EXPECT_TRUE(inspected(engine_rows::scripted, {})->empty());
}

TEST(file_model_source, a_file_of_a_kind_that_the_engine_does_not_run_is_refused) {
  static constexpr std::string_view scripts_only[] = {torchscript_model};
  const engine_kind narrow{.name = "narrow", .about = "", .model_kinds = scripts_only};
  const model_folder folder;
  EXPECT_TRUE(inspected(narrow, {folder.script("s", tensors)}));
  const auto refused =
      inspected(narrow, {folder.model("p", "aot_inductor", zip::aot_inductor(), tensors)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::model_invalid);
  EXPECT_THAT(refused.error().text, HasSubstr("the narrow engine runs no model of kind "
                                              "\"aot_inductor\"; it runs \"torchscript\""));
}

} // namespace
} // namespace tayfa
