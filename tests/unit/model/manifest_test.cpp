#include "runtime/model/catalogue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

namespace tayfa {
namespace {

using testing::HasSubstr;

const std::string digest(64, 'a');

std::string whole(const std::string& inputs, const std::string& outputs) {
  return R"({"format":1,"name":"m","kind":"torchscript","sha256":")" + digest +
         R"(","device":"any","inputs":)" + inputs + R"(,"outputs":)" + outputs + "}";
}

constexpr const char* plain = R"([{"name":"x","dtype":"float32","shape":[1,[2,3]]}])";

std::string with_input(const std::string& members) {
  return whole(R"([{"name":"x",)" + members + "}]", plain);
}

TEST(Manifest, IsReadWhole) {
  const auto manifest = parse_manifest(whole(
      R"([{"name":"image","dtype":"float16","shape":[[1,8],3,[16,2048],[16,512]],"batch_axis":0,
           "form":"image","scale":0.5},
          {"name":"s.t-r_4","dtype":"int64","shape":[]}])",
      R"([{"name":"y","dtype":"bool","shape":[4,[1,8]],"batch_axis":1,"form":"any","scale":1}])"));
  ASSERT_TRUE(manifest) << manifest.error().str();
  EXPECT_EQ(manifest->name, "m");
  EXPECT_EQ(manifest->kind, "torchscript");
  EXPECT_EQ(manifest->sha256, digest);
  EXPECT_EQ(manifest->device, "any");
  ASSERT_EQ(manifest->inputs.size(), 2u);
  const auto& image = manifest->inputs[0];
  EXPECT_EQ(image.name, "image");
  EXPECT_EQ(image.type, dtype::f16);
  EXPECT_EQ(image.form, tensor_form::image);
  EXPECT_EQ(image.scale, 0.5);
  EXPECT_EQ(image.batch_axis, 0u);
  ASSERT_EQ(image.shape.size(), 4u);
  EXPECT_EQ(image.shape[1].min, 3);
  EXPECT_EQ(image.shape[1].max, 3);
  EXPECT_EQ(image.shape[3].min, 16);
  EXPECT_EQ(image.shape[3].max, 512);
  EXPECT_TRUE(manifest->inputs[1].shape.empty());
  EXPECT_EQ(manifest->inputs[1].batch_axis, std::nullopt);
  EXPECT_EQ(manifest->outputs[0].batch_axis, 1u);
}

TEST(Manifest, KnowsEveryTypeByTorchsNameAndWidth) {
  const std::pair<const char*, std::size_t> types[] = {
      {"uint8", 1},   {"int8", 1},     {"int16", 2},   {"int32", 4},   {"int64", 8},
      {"float16", 2}, {"bfloat16", 2}, {"float32", 4}, {"float64", 8}, {"bool", 1}};
  for (const auto& [name, width] : types) {
    const auto type = dtype_from(name);
    ASSERT_TRUE(type) << name;
    EXPECT_EQ(to_string(*type), name);
    EXPECT_EQ(size_of(*type), width) << name;
  }
  EXPECT_FALSE(dtype_from("float"));
  EXPECT_FALSE(dtype_from(""));
}

struct fault {
  const char* what;
  std::string text;
  const char* named; ///< the field that the error must name
};
void PrintTo(const fault& f, std::ostream* out) {
  *out << f.what;
}

class ManifestFault : public testing::TestWithParam<fault> {};

TEST_P(ManifestFault, IsRefusedByTheFieldsName) {
  const auto manifest = parse_manifest(GetParam().text);
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code, errc::model_invalid);
  EXPECT_THAT(manifest.error().text, HasSubstr(GetParam().named));
}

std::string without(const std::string& part, const std::string& by = "") {
  auto text = whole(plain, plain);
  const auto at = text.find(part);
  return at == std::string::npos ? "part not found" : text.replace(at, part.size(), by);
}

const fault head_faults[] = {
    {"empty", "", "JSON"},
    {"no object", "[]", "object"},
    {"cut off", whole(plain, plain).substr(0, 90), "JSON"},
    {"duplicate key", without(R"("format":1)", R"("format":1,"format":1)"), "twice"},
    {"unknown key", without(R"("format":1)", R"("format":1,"autor":"me")"), "autor"},
    {"unshowable key", without(R"("format":1)", R"("format":1,"a\nb":1)"), "cannot be shown"},
    {"no format", without(R"("format":1,)"), "format"},
    {"format 2", without(R"("format":1)", R"("format":2)"), "format"},
    {"format text", without(R"("format":1)", R"("format":"1")"), "format"},
    {"no name", without(R"("name":"m",)"), "name"},
    {"empty name", without(R"("name":"m")", R"("name":"")"), "name"},
    {"name that begins with a slash", without(R"("name":"m")", R"("name":"/m")"), "name"},
    {"name that ends in a slash", without(R"("name":"m")", R"("name":"a/")"), "name"},
    {"name with two slashes", without(R"("name":"m")", R"("name":"a//b")"), "name"},
    {"axes list", without(R"("format":1)", R"("format":1,"axes":[])"), "axes"},
    {"axis name", without(R"("format":1)", R"("format":1,"axes":{"a b":1})"), "axes"},
    {"axis size", without(R"("format":1)", R"("format":1,"axes":{"n":-2})"), "axes.n"},
    {"example list", without(R"("format":1)", R"("format":1,"example":[1])"), "example"},
    {"long name", without(R"("name":"m")", R"("name":")" + std::string(65, 'm') + "\""), "name"},
    {"kind", without("torchscript", "onnx"), "kind"},
    {"kind number", without(R"("torchscript")", "1"), "kind"},
    {"upper-case hash", without(digest, std::string(64, 'A')), "sha256"},
    {"short hash", without(digest, std::string(63, 'a')), "sha256"},
    {"device", without(R"("any")", R"("tpu")"), "device"},
    {"no inputs", without(R"("inputs":)", R"("input":)"), "input"},
    {"inputs empty", whole("[]", plain), "inputs"},
    {"inputs object", whole("{}", plain), "inputs"},
    {"outputs empty", whole(plain, "[]"), "outputs"},
    {"input no object", whole("[1]", plain), "inputs[0]"},
    {"second output", whole(plain, R"([{"name":"a","dtype":"bool","shape":[]},{"name":"b"}])"),
     "outputs[1].dtype"},
    {"two of a name",
     whole(R"([{"name":"x","dtype":"bool","shape":[]},{"name":"x","dtype":"bool","shape":[]}])",
           plain),
     "inputs[1].name"},
    {"reserved name", whole(R"([{"name":"options","dtype":"bool","shape":[]}])", plain), "options"},
};
INSTANTIATE_TEST_SUITE_P(Head, ManifestFault, testing::ValuesIn(head_faults));

const std::string image = R"("form":"image","shape":[1,3,[8,9],8],)";
const fault tensor_faults[] = {
    {"no dtype", with_input(R"("shape":[])"), "inputs[0].dtype"},
    {"dtype", with_input(R"("dtype":"float","shape":[])"), "inputs[0].dtype"},
    {"no shape", with_input(R"("dtype":"bool")"), "inputs[0].shape"},
    {"shape number", with_input(R"("dtype":"bool","shape":3)"), "inputs[0].shape"},
    {"nine axes", with_input(R"("dtype":"bool","shape":[1,1,1,1,1,1,1,1,1])"), "inputs[0].shape"},
    {"-2 axis", with_input(R"("dtype":"bool","shape":[-2])"), "inputs[0].shape[0]"},
    {"null axis", with_input(R"("dtype":"bool","shape":[null])"), "the name of one of the"},
    {"undeclared axis", with_input(R"("dtype":"bool","shape":["n"])"), "inputs[0].shape[0]"},
    {"fraction", with_input(R"("dtype":"bool","shape":[1.5])"), "inputs[0].shape[0]"},
    {"large axis", with_input(R"("dtype":"bool","shape":[2147483648])"), "inputs[0].shape[0]"},
    {"one bound", with_input(R"("dtype":"bool","shape":[[1]])"), "inputs[0].shape[0]"},
    {"three bounds", with_input(R"("dtype":"bool","shape":[[1,2,3]])"), "inputs[0].shape[0]"},
    {"bounds turned", with_input(R"("dtype":"bool","shape":[[3,2]])"), "inputs[0].shape[0]"},
    {"-1 minimum", with_input(R"("dtype":"bool","shape":[[-1,2]])"), "inputs[0].shape[0][0]"},
    {"text of floats", with_input(R"("dtype":"float32","shape":[9],"form":"text")"), "dtype"},
    {"text without axes", with_input(R"("dtype":"uint8","shape":[],"form":"text")"), "shape"},
    {"text by letters", with_input(R"("dtype":"uint8","shape":[9],"form":"text","batch_axis":0)"),
     "batch_axis"},
    {"image without rows", with_input(R"("form":"image","shape":[1,3,[0,8],8],"dtype":"uint8")"),
     "height"},
    {"values one", with_input(R"("dtype":"int64","shape":[],"values":[1])"), "values"},
    {"values turned", with_input(R"("dtype":"int64","shape":[],"values":[2,1])"), "values"},
    {"values of truths", with_input(R"("dtype":"bool","shape":[],"values":[0,1])"), "values"},
    {"huge", with_input(R"("dtype":"bool","shape":[100000,100000])"), "too large"},
    {"batch axis", with_input(R"("dtype":"bool","shape":[1],"batch_axis":1)"), "batch_axis"},
    {"batch axis -1", with_input(R"("dtype":"bool","shape":[1],"batch_axis":-1)"), "batch_axis"},
    {"form", with_input(R"("dtype":"bool","shape":[],"form":"video")"), "form"},
    {"scale 0", with_input(image + R"("dtype":"float32","scale":0)"), "scale"},
    {"scale text", with_input(image + R"("dtype":"float32","scale":"1")"), "scale"},
    {"scale for any", with_input(R"("dtype":"float32","shape":[],"scale":2)"), "scale"},
    {"image of ints", with_input(image + R"("dtype":"int32")"), "dtype"},
    {"uint8 scaled", with_input(image + R"("dtype":"uint8","scale":0.5)"), "scale"},
    {"image of rank 3", with_input(R"("form":"image","shape":[3,8,8],"dtype":"uint8")"), "shape"},
    {"two channels", with_input(R"("form":"image","shape":[1,2,8,8],"dtype":"uint8")"), "shape[1]"},
    {"open channels", with_input(R"("form":"image","shape":[1,[3,4],8,8],"dtype":"uint8")"),
     "shape[1]"},
    {"image batch", with_input(image + R"("dtype":"uint8","batch_axis":2)"), "batch_axis"},
    {"unknown key", with_input(R"("dtype":"bool","shape":[],"strides":[])"), "inputs[0].strides"},
    {"batch from nowhere",
     whole(plain, R"([{"name":"y","dtype":"bool","shape":[1],"batch_axis":0}])"), "outputs"},
    {"batches that never meet",
     whole(R"([{"name":"x","dtype":"bool","shape":[[1,2]],"batch_axis":0}])",
           R"([{"name":"y","dtype":"bool","shape":[[3,4]],"batch_axis":0}])"),
     "batch"},
};
INSTANTIATE_TEST_SUITE_P(Tensor, ManifestFault, testing::ValuesIn(tensor_faults));

TEST(Manifest, AxesAreDeclaredOnceAndMeantByName) {
  auto text = whole(R"([{"name":"ids","dtype":"int64","shape":["b","n",[1,4]]}])",
                    R"([{"name":"y","dtype":"float32","shape":["b",-1,[2,-1],0]}])");
  text.insert(1, R"("axes":{"b":[1,8],"n":384},)");
  const auto manifest = parse_manifest(text);
  ASSERT_TRUE(manifest) << manifest.error().str();
  const auto& ids = manifest->inputs[0].shape;
  EXPECT_EQ(ids[0].name, "b");
  EXPECT_EQ(ids[0].max, 8);
  EXPECT_EQ(ids[1].name, "n");
  EXPECT_EQ(ids[1].min, 384);
  EXPECT_EQ(ids[2].name, "");
  const auto& y = manifest->outputs[0].shape;
  EXPECT_EQ(y[0].name, "b");
  EXPECT_EQ(y[1].min, 1);
  EXPECT_EQ(y[1].max, 2'147'483'647);
  EXPECT_EQ(y[2].min, 2);
  EXPECT_EQ(y[2].max, 2'147'483'647);
  EXPECT_EQ(y[3].max, 0);
}

TEST(Manifest, MayBringAnExampleBoundsOfValuesAndTexts) {
  auto text = whole(R"([{"name":"ids","dtype":"int64","shape":[2],"values":[0,30521]},
                        {"name":"t","dtype":"uint8","shape":[[0,3],[0,99]],"form":"text",
                         "batch_axis":0}])",
                    plain);
  text.insert(1, R"("example":{"ids":[1,2.5],"t":["a"]},)");
  const auto manifest = parse_manifest(text);
  ASSERT_TRUE(manifest) << manifest.error().str();
  EXPECT_EQ(manifest->inputs[0].values->max, 30521);
  EXPECT_EQ(manifest->inputs[1].form, tensor_form::text);
  EXPECT_EQ(manifest->example, R"({"ids":[1,2.5E0],"t":["a"]})");
}

TEST(Manifest, NamesMayBeThoseOfHubs) {
  for (const char* name : {"m", "sentence-transformers/all-MiniLM-L6-v2", "a/b/c.d"}) {
    EXPECT_TRUE(is_model_name(name)) << name;
  }
  for (const char* name : {"", "/", "/a", "a/", "a//b", "a b", "a\\b", "a:b"}) {
    EXPECT_FALSE(is_model_name(name)) << name;
  }
  EXPECT_FALSE(is_model_name(std::string(65, 'm')));
}

TEST(Manifest, TooLargeIsRefusedUnread) {
  EXPECT_FALSE(parse_manifest(std::string(300'000, ' ') + whole(plain, plain)));
}

/// Bytes and pieces changed at random: an answer each time, and every refusal is model_invalid.
TEST(Manifest, MutantsNeverCrash) {
  const auto good = whole(plain, R"([{"name":"y","dtype":"uint8","shape":[[1,8],3,[16,64],[16,64]],
      "batch_axis":0,"form":"image","scale":1}])");
  const std::string pieces[] = {"[", "]", "{", "}", "-1", "1e400", "null", "\"", "[[[[[[[[[[", ","};
  std::mt19937_64 random{20'231};
  std::size_t accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto mutant = good;
    for (auto changes = 1 + random() % 4; changes > 0; --changes) {
      const auto at = random() % mutant.size();
      switch (random() % 4) {
      case 0: mutant[at] = static_cast<char>(random()); break;
      case 1: mutant.erase(at, random() % 12); break;
      case 2: mutant.insert(at, pieces[random() % std::size(pieces)]); break;
      default: mutant.insert(at, mutant.substr(random() % mutant.size(), random() % 40)); break;
      }
    }
    const auto manifest = parse_manifest(mutant);
    accepted += manifest ? 1 : 0;
    if (!manifest) {
      ASSERT_EQ(manifest.error().code, errc::model_invalid) << mutant;
    }
  }
  EXPECT_LT(accepted, 10'000u);
}

} // namespace
} // namespace tayfa
