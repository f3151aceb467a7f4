// The real plugin with models as people have them: names in another order, state of their own,
// arguments that are no tensors, inputs that cannot be made up, nothing as a result.
#include "tests/unit/torch/plugin.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdlib>
#include <filesystem>
#include <gmock/gmock.h>

namespace tayfa::engine {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

std::vector<std::string> warnings_of(const std::string& file) {
  const auto report = make_model()->load(model_in_build(file));
  EXPECT_TRUE(report) << report.error().str();
  return report ? report->warnings : std::vector<std::string>{};
}

// ---- names --------------------------------------------------------------------------------------

TEST(StrangersNames, DecideWhateverTheManifestsOrder) {
  EXPECT_EQ(run("difference.pt", "difference", R"({"context":[5,5],"question":[1,2]})"),
            R"({"y":[4,3]})");
  EXPECT_EQ(run("difference_other.pt", "difference_other", R"({"b":[1,2],"a":[5,5]})"),
            R"({"y":[4,3]})")
      << "names that are none of the program's go by order";
}

// ---- state --------------------------------------------------------------------------------------

TEST(StrangersState, EveryJobBeginsWithAttributesAsTheyWereLoaded) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(run("counter.pt", "counter", R"({"x":[0]})"), R"({"y":[1]})");
    EXPECT_EQ(run("kept.pt", "kept", R"({"x":[0]})"), R"({"y":[1]})");
    EXPECT_EQ(run("remembers.pt", "remembers", R"({"x":[2,3]})"),
              R"({"y":[4,3],"past":2,"calls":1})");
    EXPECT_EQ(run("training.pt", "training", R"({"x":[[2,4],[2,4],[2,4],[2,4]]})"),
              run("training.pt", "training", R"({"x":[[2,4],[2,4],[2,4],[2,4]]})"));
  }
}

TEST(StrangersState, TheOperatorIsToldWhatIsWritten) {
  EXPECT_THAT(warnings_of("counter.pt"),
              testing::ElementsAre(HasSubstr("model \"counter\": the model writes to its own "
                                             "attributes (seen)")));
  const auto several = warnings_of("remembers.pt");
  ASSERT_EQ(several.size(), 1u);
  for (const char* name : {"past", "calls", "total"}) {
    EXPECT_THAT(several[0], HasSubstr(name));
  }
  EXPECT_THAT(several[0], testing::Not(HasSubstr("weight"))) << "what is only read is not copied";
  EXPECT_EQ(warnings_of("training.pt").size(), 1u);
  // Not lengths.pt: its LSTM also holds its weights in a list, so they count as written.
  for (const char* clean : {"difference.pt", "wide.pt", "named.pt", "boxes.pt"}) {
    EXPECT_TRUE(warnings_of(clean).empty()) << clean;
  }
}

// ---- signatures ---------------------------------------------------------------------------------

TEST(StrangersTypes, EveryArgumentIsMadeOfAJobsInputs) {
  const auto output = run("everything.pt", "everything", R"({
      "x":[1,2],"times":3,"scale":0.5,"flip":true,"word":"caf\u00e9","sizes":[1,2],
      "pair.0":[10,10],"pair.1":[1,2],"more.a":[100,0],"more.b":[0,1000]})");
  ASSERT_TRUE(output) << output.error().str();
  // x*3*0.5 + pair + 7 + 3 + more, turned around; TorchScript counts the bytes of "é".
  EXPECT_EQ(*output, R"({"letters":[5],"total":[-120.5,-1021]})");
}

TEST(StrangersTypes, ResultsAreTakenByNameOrByOrderAndMayBeMore) {
  EXPECT_EQ(run("results.pt", "results", R"({"x":[4]})"), R"({"total":4,"count":3})");
  const auto all = run("results_in_order.pt", "results_in_order", R"({"x":[4]})");
  ASSERT_TRUE(all) << all.error().str();
  EXPECT_EQ(json::parse(*all), json::parse(R"({"s":4,"c":3,"f":0.5,"b":true,"t":"caf\u00e9",
                                              "l":["a","bcd"],"i":[1,2]})"));
}

TEST(StrangersTypes, TextsGoInAndComeOutInBatches) {
  EXPECT_EQ(run("shout.pt", "shout", R"({"texts":["ab","c"]})"),
            R"({"shouted":["AB","C"],"lengths":[2,1]})");
  EXPECT_EQ(run("shout.pt", "shout", R"({"texts":"ab"})"), R"({"shouted":["AB"],"lengths":[2]})");
}

TEST(StrangersTypes, AManifestWhoseTensorsDoNotFitTheArgumentsIsRefused) {
  auto order = model_in_build("everything.pt");
  const auto with = [&order](const std::string& part, const std::string& by) {
    auto changed = order;
    const auto at = changed.manifest.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    changed.manifest.replace(at, part.size(), by);
    const auto report = make_model()->load(changed);
    EXPECT_FALSE(report);
    return report ? std::string{} : report.error().text;
  };
  EXPECT_THAT(
      with(R"("name": "times", "dtype": "int64")", R"("name": "times", "dtype": "float32")"),
      HasSubstr("\"times\": forward() takes one int"));
  EXPECT_THAT(with(R"("dtype": "bool")", R"("dtype": "uint8")"), HasSubstr("one bool"));
  EXPECT_THAT(with(R"(, "form": "text")", ""), HasSubstr("a str"));
}

// ---- inputs that cannot be made up, results that are empty --------------------------------------

TEST(StrangersWarmUp, ZerosAreNotTheOnlyInput) {
  const auto lengths =
      run("lengths.pt", "lengths", R"({"x":[[[1,2,3,4],[0,0,0,0]]],"lengths":[1]})");
  EXPECT_TRUE(lengths) << lengths.error().str();
  const auto report = make_model()->load(model_in_build("particular.pt"));
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().text, HasSubstr("at least five"));
  EXPECT_THAT(report.error().text, HasSubstr("example"));
  EXPECT_EQ(run("particular_example.pt", "particular_example", R"({"x":[7]})"), R"({"y":[7]})");
}

TEST(StrangersEmpty, NoBoxesAreAnEmptyList) {
  EXPECT_EQ(run("boxes.pt", "boxes", R"({"scores":[0,0,0,0]})"), R"({"boxes":[]})");
  EXPECT_EQ(run("boxes.pt", "boxes", R"({"scores":[0,1,0,1]})"), R"({"boxes":[[1],[3]]})");
  const auto packed =
      run("boxes.pt", "boxes", R"({"scores":[0,0,0,0],"options":{"output_format":"base64"}})");
  EXPECT_EQ(packed, R"({"boxes":{"dtype":"int64","shape":[0,1],"data":""}})");
}

// ---- packages -----------------------------------------------------------------------------------

TEST(StrangersPackage, InputsThatShareASizeAreOneSize) {
  EXPECT_EQ(run("sum.pt2", "sum", R"({"a":[1,2,3],"b":[1,1,1]})"), R"({"y":[2,3,4]})");
  EXPECT_EQ(run("sum.pt2", "sum", R"({"a":[1],"b":[1]})"), R"({"y":[2]})")
      << "torch's own check would refuse a size of 1";
  for (const char* unequal :
       {R"({"a":[0,0,0,0,0,0,0,0],"b":[0]})", R"({"a":[0],"b":[0,0]})",
        R"({"a":{"dtype":"float32","shape":[2],"data":"AAAAAAAAAAA="},"b":[0,0,0]})"}) {
    const auto got = run("sum.pt2", "sum", unequal);
    ASSERT_FALSE(got) << *got;
    EXPECT_EQ(got.error().code, errc::bad_input);
    EXPECT_THAT(got.error().text, HasSubstr("one size"));
  }
}

TEST(StrangersPackage, AManifestThatPromisesWhatWasNotExportedIsNotLoaded) {
  const auto report = make_model()->load(model_in_build("sum_fixed.pt2"));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, errc::model_invalid);
  EXPECT_THAT(report.error().text, HasSubstr("exported for 8 only"));
}

TEST(StrangersPackage, KeywordsAndKeysAreBoundByName) {
  EXPECT_EQ(run("keywords.pt2", "keywords", R"({"x":[1,2],"scale":[10],"shift":[3]})"),
            R"({"shifted":[4,5],"scaled":[10,20]})");
}

TEST(StrangersPackage, LeavesNothingUnpacked) {
  const auto folder = testing::TempDir() + "tayfa-unpacked-by-test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  ::setenv("TMPDIR", folder.c_str(), 1);
  const auto model = make_model();
  EXPECT_TRUE(model->load(model_in_build("sum.pt2")));
  ::unsetenv("TMPDIR");
  EXPECT_TRUE(std::filesystem::is_empty(folder)) << "while the model lives";
  std::filesystem::remove_all(folder);
}

} // namespace
} // namespace tayfa::engine
