// A pod asks to be trusted: what it says, and each way in which that ends.
#include "runtime/pods/pod_join.hpp"

#include "messages/pod_codec.hpp"

#include <deque>
#include <gtest/gtest.h>

namespace tayfa::pods::testing {
namespace {

namespace pp = pod_protocol;
using namespace std::chrono_literals;

struct joining {
  std::deque<std::string> up;
  moment now{1h};
  pod_join pod{3, {std::string(pp::key_length, 'n'), "new", "1.0"}, [this](const link_message& m) {
                 up.push_back(*m);
                 return sent::yes;
               }};
  receive_budget budget{};
  head_end head{9, 0, budget};
  std::vector<pp::upstream> inbox;

  std::optional<join_answer> move() {
    std::optional<join_answer> answer;
    for (bool moved = true; moved;) {
      moved = false;
      while (!up.empty()) {
        moved = true;
        const auto bytes = std::move(up.front());
        up.pop_front();
        const auto arrival = head.receive(bytes, now);
        EXPECT_TRUE(arrival.has_value());
        if (arrival && !arrival->frame.empty()) {
          inbox.push_back(head.decode(arrival->frame).value().body);
        }
      }
      std::vector<std::string> down;
      head.flush(now, [&](const link_message& m) {
        down.push_back(*m);
        return true;
      });
      for (const auto& bytes : down) {
        moved = true;
        const auto some = pod.on(now, message_in{bytes});
        answer = some ? some : answer;
      }
    }
    return answer;
  }
  std::optional<join_answer> say(pp::downstream m) {
    head.send(std::move(m));
    return move();
  }
  void connect() {
    EXPECT_FALSE(pod.on(now, connected{}).has_value());
    EXPECT_FALSE(move().has_value());
  }
};

TEST(pod_join, the_pod_says_its_key_and_is_trusted) {
  joining j;
  j.connect();
  ASSERT_EQ(j.inbox.size(), 1U);
  const auto& m = std::get<pp::join>(j.inbox.front());
  EXPECT_EQ(m.key, std::string(pp::key_length, 'n'));
  EXPECT_EQ(m.name, "new");
  const auto answer = j.say(pp::joined{"head-1"});
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->value(), "head-1");
  EXPECT_EQ(j.pod.next_deadline(), std::nullopt);
}

TEST(pod_join, a_used_token_is_no_reason_to_try_again) {
  joining j;
  j.connect();
  const auto answer = j.say(pp::refused{pp::refusal::join_expired, "the token is used", 0});
  EXPECT_EQ(answer->error(), (error{errc::unauthorized, "the token is used"}));
  joining refused;
  EXPECT_EQ(refused.pod.on(refused.now, connection_ended{cut::refused, "400"})->error().code,
            errc::unauthorized);
  joining wrong;
  EXPECT_EQ(wrong.pod.on(wrong.now, connection_ended{cut::wrong_head_key, ""})->error().code,
            errc::unauthorized);
}

TEST(pod_join, a_head_that_is_away_or_silent_is) {
  joining away;
  EXPECT_EQ(away.pod.on(away.now, connection_ended{cut::unreachable, "no route"})->error().code,
            errc::unavailable);
  joining silent;
  silent.connect();
  EXPECT_EQ(silent.pod.expire(silent.now), std::nullopt);
  silent.now = silent.pod.next_deadline().value();
  EXPECT_EQ(silent.pod.expire(silent.now)->error().code, errc::unavailable);
}

TEST(pod_join, another_answer_is_a_failure) {
  joining j;
  j.connect();
  EXPECT_EQ(j.say(pp::undrain{})->error().code, errc::unavailable);
}

} // namespace
} // namespace tayfa::pods::testing
