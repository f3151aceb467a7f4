// Bodies in pieces.
#include "tests/unit/http/asking.hpp"

namespace tayfa {
namespace {

using namespace test;

shared_text large(char of) {
  return shared_text{std::string(300'000, of)};
}

TEST(poster_bodies, pieces_are_sent_as_one_body) {
  receiver there;
  curl_poster poster{local_options()};
  answers got;
  auto call = call_to(there.url());
  call.body = "head";
  call.more = {large('a'), shared_text{"between"}, large('b'), shared_text{"tail"}};
  got.send(poster, std::move(call));
  ASSERT_TRUE(got.wait(1).front());
  EXPECT_EQ(there.requests().front().body,
            "head" + std::string(300'000, 'a') + "between" + std::string(300'000, 'b') + "tail");
}

/// A connection that had died is tried again, from the first byte.
TEST(poster_bodies, pieces_are_sent_again_on_a_fresh_connection) {
  receiver there{[](const received&) {
    return scripted_answer{answered(200).bytes, scripted_answer::then::close};
  }};
  curl_poster poster{local_options()};
  answers got;
  for (int i = 0; i < 3; ++i) {
    auto call = call_to(there.url());
    call.body = std::to_string(i);
    call.more = {large('a')};
    got.send(poster, std::move(call));
    ASSERT_TRUE(got.wait(static_cast<std::size_t>(i) + 1).back());
  }
  for (const auto& request : there.requests()) {
    EXPECT_EQ(request.body.size(), 300'001U);
  }
}

} // namespace
} // namespace tayfa
