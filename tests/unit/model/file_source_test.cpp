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

result<std::vector<model_entry>> inspected(std::vector<engine_kind> engines,
                                           std::vector<std::string> paths) {
  std::promise<result<std::vector<model_entry>>> answer;
  file_model_source source{engines};
  source.inspect(std::move(paths), [&answer](auto found) { answer.set_value(std::move(found)); });
  return answer.get_future().get();
}

TEST(file_model_source, a_catalogue_has_the_files_in_their_order) {
  const model_folder folder;
  const auto found = inspected({engine_rows::torch},
                               {folder.script("b", tensors),
                                folder.model("a", "aot_inductor", zip::aot_inductor(), tensors)});
  ASSERT_TRUE(found) << found.error().str();
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].name, "b");
  EXPECT_EQ((*found)[1].kind, aot_inductor_model);
  EXPECT_TRUE(inspected({engine_rows::scripted}, {})->empty());
}

TEST(file_model_source, a_file_of_a_kind_that_the_engine_does_not_run_is_refused) {
  static constexpr std::string_view scripts_only[] = {torchscript_model};
  const engine_kind narrow{.name = "narrow", .about = "", .model_kinds = scripts_only};
  const model_folder folder;
  EXPECT_TRUE(inspected({narrow}, {folder.script("s", tensors)}));
  const auto refused =
      inspected({narrow}, {folder.model("p", "aot_inductor", zip::aot_inductor(), tensors)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::model_invalid);
  EXPECT_THAT(refused.error().text, HasSubstr("the narrow engine runs no model of kind "
                                              "\"aot_inductor\"; it runs \"torchscript\""));
}

TEST(file_model_source, where_engines_of_several_kinds_serve_one_that_runs_the_file_is_enough) {
  static constexpr std::string_view scripts_only[] = {torchscript_model};
  const engine_kind narrow{.name = "narrow", .about = "", .model_kinds = scripts_only};
  const model_folder folder;
  const auto package = folder.model("p", "aot_inductor", zip::aot_inductor(), tensors);
  EXPECT_TRUE(inspected({engine_rows::scripted, narrow, engine_rows::torch}, {package}));
  const auto refused = inspected({engine_rows::scripted, narrow}, {package});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text, HasSubstr("the engines scripted, narrow run no model of kind "
                                              "\"aot_inductor\"; they run \"torchscript\""));
}

} // namespace
} // namespace tayfa
