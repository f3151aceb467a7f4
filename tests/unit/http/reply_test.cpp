#include "runtime/http/gateway.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

TEST(reply, the_first_answer_wins) {
  std::vector<unsigned> sent;
  {
    reply r{[&sent](api::response a) { sent.push_back(a.status); }};
    r.send(api::refuse({errc::queue_full, {}}));
    r.send(api::refuse({errc::internal, {}}));
  }
  EXPECT_EQ(sent, std::vector{429U});
}

TEST(reply, an_unanswered_one_answers_by_itself) {
  std::vector<std::string> sent;
  {
    reply r{[&sent](api::response a) { sent.push_back(a.body); }};
  }
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_NE(sent[0].find(R"("code":"unavailable")"), std::string::npos);
}

} // namespace
} // namespace tayfa
