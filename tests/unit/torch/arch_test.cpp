#include "runtime/engine/torch/arch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tayfa::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto code = arch::form::machine_code;
constexpr auto ptx = arch::form::ptx;

TEST(Archs, AreReadFromGencodeFlagsWhereOnlyCodeCounts) {
  EXPECT_THAT(
      parse_archs(" -gencode;arch=compute_80,code=sm_80;-gencode;arch=compute_90,code=sm_90;"
                  "-gencode;arch=compute_120,code=compute_120"),
      ElementsAre(arch{code, {8, 0}, false}, arch{code, {9, 0}, false}, arch{ptx, {12, 0}, false}));
}

/// The line that libtorch 2.11 for CUDA 13.0 carries: machine code only, so nothing after 12.x can
/// run it.
TEST(Archs, OfARealBuildAreAllRead) {
  const auto build = parse_archs(" -gencode;arch=compute_75,code=sm_75;-gencode;arch=compute_80,"
                                 "code=sm_80;-gencode;arch=compute_86,"
                                 "code=sm_86;-gencode;arch=compute_90,code=sm_90;-gencode;arch="
                                 "compute_100,code=sm_100;-gencode;"
                                 "arch=compute_120,code=sm_120");
  EXPECT_EQ(build.size(), 6u);
  for (const capability device : {capability{7, 5}, {8, 9}, {9, 0}, {10, 3}, {12, 1}}) {
    EXPECT_EQ(match(device, build), arch_match::machine_code) << to_string(device);
  }
  for (const capability device : {capability{7, 0}, {11, 0}, {13, 0}}) {
    EXPECT_EQ(match(device, build), arch_match::none) << to_string(device);
  }
}

TEST(Archs, AreReadFromGencodeListsInBrackets) {
  EXPECT_THAT(parse_archs("-gencode=arch=compute_90,code=[sm_90,compute_90]"),
              ElementsAre(arch{code, {9, 0}, false}, arch{ptx, {9, 0}, false}));
}

TEST(Archs, AreReadFromPlainListsWithSuffixes) {
  EXPECT_THAT(parse_archs("['sm_75', 'sm_90a', 'sm_100f', 'compute_90a']"),
              ElementsAre(arch{code, {7, 5}, false}, arch{code, {9, 0}, true},
                          arch{code, {10, 0}, false}, arch{ptx, {9, 0}, true}));
}

TEST(Archs, NonsenseIsIgnoredAndDoublesDropped) {
  EXPECT_THAT(parse_archs("sm_ sm_9 sm_9000 sm_90x gfx90a code= sm_86 sm_86 -O2"),
              ElementsAre(arch{code, {8, 6}, false}));
  EXPECT_TRUE(parse_archs("").empty());
}

struct trap {
  const char* build;
  capability device;
  arch_match expected;
};

void PrintTo(const trap& t, std::ostream* out) {
  *out << t.build << " on " << to_string(t.device);
}

class ClassicTraps : public testing::TestWithParam<trap> {};

TEST_P(ClassicTraps, AreSeen) {
  const auto& [build, device, expected] = GetParam();
  EXPECT_EQ(match(device, parse_archs(build)), expected) << build << " on " << to_string(device);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ClassicTraps,
    testing::Values(
        // Same major capability: older minor code runs on newer devices, never the other way round.
        trap{"sm_86", {8, 9}, arch_match::machine_code},
        trap{"sm_80", {8, 9}, arch_match::machine_code},
        trap{"sm_89", {8, 9}, arch_match::machine_code}, trap{"sm_89", {8, 6}, arch_match::none},
        trap{"sm_86", {8, 0}, arch_match::none},
        // Machine code never crosses a major capability, neither up nor down.
        trap{"sm_90", {8, 9}, arch_match::none}, trap{"sm_80", {9, 0}, arch_match::none},
        trap{"sm_90", {12, 0}, arch_match::none}, trap{"sm_100", {12, 0}, arch_match::none},
        // PTX does, upwards only.
        trap{"sm_90 compute_90", {12, 0}, arch_match::ptx},
        trap{"sm_80 compute_80", {9, 0}, arch_match::ptx},
        trap{"sm_90 compute_90", {8, 9}, arch_match::none},
        // Machine code is preferred when both would do.
        trap{"compute_80 sm_90", {9, 0}, arch_match::machine_code},
        // The "a" forms are for exactly one capability, as machine code and as PTX.
        trap{"sm_90a", {9, 0}, arch_match::machine_code},
        trap{"sm_100a", {10, 3}, arch_match::none}, trap{"compute_90a", {9, 0}, arch_match::ptx},
        trap{"compute_90a", {10, 0}, arch_match::none},
        trap{"sm_100f", {10, 3}, arch_match::machine_code},
        // In -gencode, arch= alone puts nothing into the build.
        trap{"-gencode;arch=compute_90,code=sm_90", {12, 0}, arch_match::none},
        trap{"", {9, 0}, arch_match::unknown}));

TEST(ArchVerdict, ADeviceWithoutCodeIsUnfitAndTheAdviceNamesItsCapability) {
  const auto judged = judge("NVIDIA RTX 5090", {12, 0}, parse_archs("sm_80 sm_90"));
  EXPECT_EQ(judged.verdict, fitness::unfit);
  EXPECT_THAT(judged.value, HasSubstr("NVIDIA RTX 5090, compute capability 12.0"));
  EXPECT_THAT(judged.value, HasSubstr("sm_80 sm_90"));
  EXPECT_THAT(judged.advice, HasSubstr("12.0"));
}

TEST(ArchVerdict, PtxOnlyAndUnknownBuildsAreReducedAndMachineCodeIsFit) {
  EXPECT_EQ(judge("x", {12, 0}, parse_archs("sm_90 compute_90")).verdict, fitness::reduced);
  EXPECT_EQ(judge("x", {9, 0}, {}).verdict, fitness::reduced);
  const auto fit = judge("x", {9, 0}, parse_archs("sm_90"));
  EXPECT_EQ(fit.verdict, fitness::fit);
  EXPECT_TRUE(fit.advice.empty());
}

} // namespace
} // namespace tayfa::engine
