// Feeds the corpus of one fuzz target to it: what was found once must not come back, with any
// compiler.
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <vector>

namespace {

std::vector<std::filesystem::path> corpus() {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator{TAYFA_FUZZ_CORPUS}) {
    out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

int feed(const std::string& bytes) {
  return LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

TEST(corpus, TAYFA_FUZZ_TARGET) {
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

} // namespace
