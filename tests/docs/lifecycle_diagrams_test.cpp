// The lifecycle diagrams in docs/architecture.md are what the tables say. TAYFA_UPDATE_DOCS=1
// writes them anew.
#include "messages/lifecycle.hpp"
#include "tests/support/places.hpp"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace tayfa {
namespace {

const std::string path = test::in_source("/docs/architecture.md");

std::string read() {
  std::ifstream in{path};
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The text between the machine's marks, marks excluded.
struct section {
  std::size_t begin;
  std::size_t end;
};

section find(const std::string& page, std::string_view machine) {
  const auto open = "<!-- lifecycle:" + std::string{machine} + " -->\n";
  const auto close = std::string{"<!-- end -->"};
  const auto begin = page.find(open);
  EXPECT_NE(begin, std::string::npos) << open;
  const auto end = page.find(close, begin);
  EXPECT_NE(end, std::string::npos) << "no end mark after " << open;
  return {begin + open.size(), end};
}

template <class State>
void compare() {
  auto page = read();
  const auto at = find(page, machine_traits<State>::name);
  const auto expected = "```mermaid\n" + to_mermaid<State>() + "```\n";
  if (std::getenv("TAYFA_UPDATE_DOCS") != nullptr) {
    page.replace(at.begin, at.end - at.begin, expected);
    std::ofstream{path} << page;
    return;
  }
  EXPECT_EQ(page.substr(at.begin, at.end - at.begin), expected)
      << "run: TAYFA_UPDATE_DOCS=1 build/tests/test_docs";
}

TEST(lifecycle_diagrams, pod) {
  compare<pod_state>();
}
TEST(lifecycle_diagrams, stop) {
  compare<stop_state>();
}
TEST(lifecycle_diagrams, engine) {
  compare<engine_state>();
}
TEST(lifecycle_diagrams, ingress) {
  compare<ingress_state>();
}
TEST(lifecycle_diagrams, job) {
  compare<job_state>();
}

} // namespace
} // namespace tayfa
