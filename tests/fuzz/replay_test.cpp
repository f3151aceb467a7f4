// Feeds the corpus of one fuzz target to it: what was found once must not come back, with any
// compiler. Compiled once for all targets; each program defines its target's name and corpus.
#include "tests/fuzz/replay.hpp"

#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <vector>

namespace {

std::vector<std::filesystem::path> corpus() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator{tayfa::fuzz::corpus_folder}) {
    out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

int feed(const std::string& bytes) {
  return LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

void replay_all() {
  const auto files = corpus();
  EXPECT_FALSE(files.empty());
  for (const auto& path : files) {
    std::ifstream in{path, std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{in}, {}};
    std::fprintf(stderr, "%s\n",
                 path.filename().c_str()); // the last one named is the one that crashed
    EXPECT_EQ(feed(bytes), 0);
    for (std::size_t size = 0; size < std::min<std::size_t>(bytes.size(), 256); ++size) {
      EXPECT_EQ(feed(bytes.substr(0, size)), 0);
    }
  }
}

class replay : public testing::Test {
  void TestBody() override { replay_all(); }
};

const auto* const registered =
    testing::RegisterTest("corpus", tayfa::fuzz::target_name, nullptr, nullptr, __FILE__, __LINE__,
                          []() -> testing::Test* { return new replay; });

} // namespace
