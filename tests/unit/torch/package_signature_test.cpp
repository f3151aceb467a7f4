// Parsing a package's generated source, in the format of torch 2.13.
#include "runtime/engine/torch/package_signature.hpp"
#include "runtime/engine/torch/size_expression.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::engine {
namespace {

using testing::HasSubstr;

// ---- sizes --------------------------------------------------------------------------------------

TEST(SizeExpression, IsReadAndComputed) {
  const size_expression::values known{{"s0", 3}, {"s1", 5}};
  const auto value = [&known](std::string_view text) {
    const auto read = size_expression::read(text);
    return read ? read->value(known).value_or(-2) : -1;
  };
  EXPECT_EQ(value("7L"), 7);
  EXPECT_EQ(value("s0"), 3);
  EXPECT_EQ(value("1L + s0"), 4);
  EXPECT_EQ(value("2L*s0*s1 - 1"), 29);
  EXPECT_EQ(value("(s0 + 1L)*(s1 - 2L)"), 12);
  EXPECT_EQ(value("-s0 + 4"), 1);
  EXPECT_EQ(value("s2"), -2) << "not known";
  for (const char* wrong :
       {"", "s0 +", "c10::div_floor_integer(s0, 2L)", "s0 / 2", "(s0", "4 5", "s0)"}) {
    EXPECT_EQ(value(wrong), -1) << wrong;
  }
  EXPECT_EQ(value(std::string(40, '(') + "1" + std::string(40, ')')), -1);
}

TEST(SizeExpression, IsSolvedForItsOneUnknown) {
  const auto solve = [](std::string_view text, std::int64_t wanted) {
    return size_expression::read(text)->solve({{"k", 2}}, wanted).value_or(-1);
  };
  EXPECT_EQ(solve("32L*s0", 96), 3);
  EXPECT_EQ(solve("32L*s0", 70), -1);
  EXPECT_EQ(solve("1L + s0", 1), 0);
  EXPECT_EQ(solve("1L + s0", 0), -1);
  EXPECT_EQ(solve("k*s0 + 1", 7), 3);
  EXPECT_EQ(solve("s0*s0", 4), -1);
  EXPECT_EQ(solve("s0 + s1", 4), -1);
  EXPECT_EQ(size_expression::read("s0")->symbol(), "s0");
  EXPECT_EQ(size_expression::read("2L*s0")->symbol(), std::nullopt);
}

// ---- a package ----------------------------------------------------------------------------------

std::string input(int index, const std::string& type, const std::string& checks) {
  const auto number = std::to_string(index);
  return "inputs_info_[" + number + "].name = \"arg" + number + "_1\";\n" +
         "ss << \"input_handles[" + number +
         "]: unmatched dtype, \"\n << \"expected: \" << "
         "x_expected_dtype << \"(at::k" +
         type + "), \"\n" + checks;
}
std::string fixed(int index, int axis, int size) {
  return "ss << \"input_handles[" + std::to_string(index) + "]: unmatched dim value at " +
         std::to_string(axis) + ", \"\n << \"expected: " + std::to_string(size) + ", \"\n";
}
std::string range(int index, int axis, int least, int most) {
  const auto at = "ss << \"input_handles[" + std::to_string(index) + "]: dim value is too ";
  return at + "small at " + std::to_string(axis) +
         ", \"\n << \"expected it to be >= " + std::to_string(least) + ", \"\n" + at + "large at " +
         std::to_string(axis) + ", \"\n << \"expected to be <= " + std::to_string(most) + ", \"\n";
}
std::string sizes(int index, const std::string& list, const std::string& strides) {
  return "if (check()) { assert_size_stride(arg" + std::to_string(index) + "_1, {" + list + "}, {" +
         strides + "}, \"input\"); }\n";
}

tensor_spec spec(std::string name, std::vector<axis_bounds> shape, dtype type = dtype::f32) {
  tensor_spec out;
  out.name = std::move(name);
  out.type = type;
  out.shape = std::move(shape);
  return out;
}

/// A package of [s0, 4] and [s0] floats, s0 from 2 (torch's least for a dynamic size) to 8.
const std::string tied = input(0, "Float", range(0, 0, 2, 8) + fixed(0, 1, 4)) +
                         input(1, "Float", range(1, 0, 2, 8)) + sizes(0, "s0, 4L", "4L, 1L") +
                         sizes(1, "s0, ", "1L, ");

result<void> adopt(const package_signature& package, std::vector<tensor_spec>& specs) {
  std::vector<tensor_spec*> all;
  for (auto& s : specs) {
    all.push_back(&s);
  }
  return package.adopt(all);
}

std::string refusal(const std::string& source, std::vector<tensor_spec> specs) {
  const auto package = package_signature::read(source);
  EXPECT_TRUE(package);
  const auto adopted = adopt(*package, specs);
  EXPECT_TRUE(adopted || adopted.error().code == errc::model_invalid);
  return adopted ? "" : adopted.error().text;
}

TEST(PackageSignature, AManifestThatPromisesNoMoreIsAdopted) {
  EXPECT_EQ(refusal(tied, {spec("a", {{1, 8}, {4, 4}}), spec("b", {{1, 8}})}), "")
      << "a size of 1 is torch's own 2";
  EXPECT_EQ(refusal(tied, {spec("a", {{2, 5}, {4, 4}}), spec("b", {{3, 3}})}), "");
}

TEST(PackageSignature, AManifestThatPromisesMoreIsRefusedByAxis) {
  EXPECT_THAT(refusal(tied, {spec("a", {{1, 8}, {4, 64}}), spec("b", {{1, 8}})}),
              HasSubstr("\"a\": axis 1 is 4 to 64 in the manifest, but the package was exported "
                        "for 4 only"));
  EXPECT_THAT(refusal(tied, {spec("a", {{1, 9}, {4, 4}}), spec("b", {{1, 8}})}),
              HasSubstr("1 to 9 in the manifest, but the package was exported for 1 to 8"));
  EXPECT_THAT(refusal(tied, {spec("a", {{0, 8}, {4, 4}}), spec("b", {{1, 8}})}),
              HasSubstr("0 to 8 in the manifest"));
  EXPECT_THAT(refusal(tied, {spec("a", {{1, 8}, {4, 4}}, dtype::f16), spec("b", {{1, 8}})}),
              HasSubstr("takes float32, the manifest says float16"));
  EXPECT_THAT(refusal(tied, {spec("a", {{1, 8}}), spec("b", {{1, 8}})}), HasSubstr("2 axes"));
  EXPECT_THAT(refusal(tied, {spec("a", {{1, 8}, {4, 4}})}), HasSubstr("takes 2 tensors"));
}

TEST(PackageSignature, StridesOfAnotherLayoutAreRefused) {
  const auto source = input(0, "Byte", range(0, 0, 2, 8) + fixed(0, 1, 3) + fixed(0, 2, 5)) +
                      sizes(0, "s0, 3L, 5L", "15L, 1L, 3L");
  EXPECT_THAT(refusal(source, {spec("a", {{1, 8}, {3, 3}, {5, 5}}, dtype::u8)}),
              HasSubstr("contiguous"));
}

TEST(PackageSignature, AxesOfOneSizeAreOneInTheManifest) {
  const auto package = package_signature::read(tied);
  std::vector<tensor_spec> specs{spec("a", {{1, 8}, {4, 4}}), spec("b", {{1, 8}})};
  ASSERT_TRUE(adopt(*package, specs));
  EXPECT_EQ(specs[0].shape[0].name, "a[0]");
  EXPECT_EQ(specs[1].shape[0].name, "a[0]");
  EXPECT_EQ(specs[0].shape[1].name, "");
  specs = {spec("a", {{1, 8}, {4, 4}}), spec("b", {{1, 8, "rows"}})};
  ASSERT_TRUE(adopt(*package, specs));
  EXPECT_EQ(specs[0].shape[0].name, "rows") << "a name that the manifest has";
}

TEST(PackageSignature, OwnChecksAreForManifestsThatAskForNoSizeOfOne) {
  const auto package = package_signature::read(tied);
  const auto fit = [&package](const tensor_spec& a) {
    const auto b = spec("b", {{2, 8}});
    const std::vector<const tensor_spec*> all{&a, &b};
    return package->own_checks_fit(all);
  };
  EXPECT_TRUE(fit(spec("a", {{2, 8}, {4, 4}})));
  EXPECT_FALSE(fit(spec("a", {{1, 8}, {4, 4}})));
}

std::string fault(const std::string& source, const std::vector<std::vector<std::int64_t>>& shapes) {
  const auto package = package_signature::read(source);
  std::vector<tensor_spec> specs;
  std::vector<const tensor_spec*> all;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    specs.push_back(spec(std::string(1, static_cast<char>('a' + i)), {}));
  }
  for (const auto& s : specs) {
    all.push_back(&s);
  }
  const auto right = package->check(all, shapes);
  EXPECT_TRUE(right || right.error().code == errc::bad_input);
  return right ? "" : right.error().text;
}

TEST(PackageSignature, APassOfUnequalSizesIsRefused) {
  EXPECT_EQ(fault(tied, {{3, 4}, {3}}), "");
  EXPECT_THAT(fault(tied, {{8, 4}, {3}}),
              HasSubstr("\"b\": axis 0 is 3, with the other inputs it must be 8"));
}

TEST(PackageSignature, SizesThatFollowFromOthersAreChecked) {
  // [32*s0], [s1, 2*s1], [s1 + 1]: no axis says s1 alone but the second's first.
  const auto source = input(0, "Float", range(0, 0, 64, 256)) +
                      input(1, "Float", range(1, 0, 2, 9) + range(1, 1, 4, 18)) +
                      input(2, "Float", range(2, 0, 3, 10)) + sizes(2, "1L + s1, ", "1L, ") +
                      sizes(1, "s1, 2L*s1", "2L*s1, 1L") + sizes(0, "32L*s0, ", "1L, ");
  EXPECT_EQ(fault(source, {{64}, {3, 6}, {4}}), "");
  EXPECT_THAT(fault(source, {{70}, {3, 6}, {4}}), HasSubstr("no size that the model was exported"));
  EXPECT_THAT(fault(source, {{64}, {3, 5}, {4}}), HasSubstr("\"b\": axis 1 is 5"));
  EXPECT_THAT(fault(source, {{64}, {3, 6}, {5}}), HasSubstr("\"c\": axis 0 is 5"));
}

TEST(PackageSignature, ASourceThatDoesNotSayItIsNone) {
  for (const std::string wrong :
       {"", "int main() {}", "\"input_handles[", "\"input_handles[x]: unmatched dtype, ",
        "\"input_handles[0]: unmatched dtype, ", "\"input_handles[99999999]: unmatched dtype, ",
        "\"input_handles[0]: unmatched dim value at 1, expected: 3"}) {
    EXPECT_FALSE(package_signature::read(wrong)) << wrong;
  }
  EXPECT_FALSE(package_signature::read(input(1, "Float", ""))) << "nothing about the first";
  for (std::size_t length = 0; length < tied.size(); ++length) {
    package_signature::read(std::string_view{tied}.substr(0, length)); // an answer, no crash
  }
}

} // namespace
} // namespace tayfa::engine
