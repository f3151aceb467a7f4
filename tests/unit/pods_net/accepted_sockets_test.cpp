#include "runtime/pods_net/accepted_sockets.hpp"

#include "runtime/pods_net/send_queue.hpp"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <string>

namespace tayfa::pods::test {
namespace {

using namespace std::chrono_literals;

constexpr moment start{1h};

peer_name peer(const std::string& address, int port = 1) {
  return {address, address + ":" + std::to_string(port)};
}

accept_limits few() {
  return {.connections = 6, .unfinished = 4, .unfinished_per_address = 2, .silent = 10s};
}

TEST(accepted_sockets, refuse_more_unfinished_ones_of_one_address_and_of_all) {
  accepted_sockets all{few()};
  EXPECT_EQ(all.accepted(3, peer("a", 1), start).refused, "");
  EXPECT_EQ(all.accepted(4, peer("a", 2), start).refused, "");
  EXPECT_NE(all.accepted(5, peer("a", 3), start).refused.find("address"), std::string::npos);
  EXPECT_EQ(all.unfinished(), 2U) << "a refused one takes no place";
  EXPECT_EQ(all.accepted(6, peer("b", 1), start).refused, "");
  EXPECT_EQ(all.accepted(7, peer("b", 2), start).refused, "");
  EXPECT_NE(all.accepted(8, peer("c", 1), start).refused.find("4 handshakes"), std::string::npos);
  EXPECT_TRUE(all.disconnected(8)->refused);
  EXPECT_EQ(all.heard(3, peer("a", 1), 11, start), 0U);
  EXPECT_EQ(all.unfinished(), 3U);
  EXPECT_EQ(all.accepted(9, peer("a", 4), start).refused, "") << "the first one is finished";
  EXPECT_NE(all.accepted(10, peer("d", 1), start).refused.find("6 connections"), std::string::npos);
}

TEST(accepted_sockets, say_which_connection_has_ended) {
  accepted_sockets all{few()};
  all.accepted(3, peer("a"), start);
  EXPECT_EQ(all.disconnected(3)->connection, 0U);
  EXPECT_FALSE(all.disconnected(3).has_value());
  all.accepted(3, peer("a"), start);
  all.heard(3, peer("a"), 7, start);
  EXPECT_EQ(all.peer_of(3, 7), "a:1");
  EXPECT_EQ(all.peer_of(3, 8), std::nullopt);
  EXPECT_EQ(all.disconnected(3)->connection, 7U);
  EXPECT_EQ(all.peer_of(3, 7), std::nullopt);
  EXPECT_EQ(all.connections(), 0U);
}

TEST(accepted_sockets, take_a_message_before_the_report_of_its_acceptance) {
  accepted_sockets all{few()};
  EXPECT_EQ(all.heard(3, peer("a"), 7, start), 0U);
  EXPECT_EQ(all.accepted(3, peer("a"), start).replaced, 0U);
  EXPECT_EQ(all.connections(), 1U);
  EXPECT_EQ(all.unfinished(), 0U);
  EXPECT_TRUE(all.overdue(start + 1h).ended.empty());
  EXPECT_EQ(all.disconnected(3)->connection, 7U);
}

TEST(accepted_sockets, end_a_connection_whose_descriptor_is_anothers) {
  accepted_sockets all{few()};
  all.accepted(3, peer("a"), start);
  all.heard(3, peer("a"), 7, start);
  EXPECT_EQ(all.accepted(3, peer("b"), start).replaced, 7U);
  EXPECT_EQ(all.heard(3, peer("b"), 8, start), 0U);
  EXPECT_EQ(all.heard(3, peer("b"), 9, start), 8U) << "another routing id on the same descriptor";
  EXPECT_EQ(all.heard(3, peer("c"), 10, start), 9U) << "whose end is not reported yet";
  EXPECT_EQ(all.connections(), 1U);
}

TEST(accepted_sockets, end_a_connection_whose_last_message_came_after_its_end) {
  accepted_sockets all{few()};
  all.accepted(3, peer("a"), start);
  all.disconnected(3);
  all.heard(3, peer("a"), 7, start);
  EXPECT_TRUE(all.overdue(start + 9s).ended.empty());
  EXPECT_EQ(all.overdue(start + 10s).ended, std::vector<connection_id>{7});
  EXPECT_EQ(all.connections(), 0U);
}

TEST(accepted_sockets, name_the_silent_ones_once) {
  accepted_sockets all{few()};
  all.accepted(3, peer("a"), start);
  all.accepted(4, peer("b"), start + 5s);
  all.accepted(5, peer("c"), start);
  all.heard(5, peer("c"), 7, start + 1s);
  EXPECT_EQ(all.unfinished_sockets().size(), 2U);
  const auto late = all.overdue(start + 10s);
  ASSERT_EQ(late.silent.size(), 1U);
  EXPECT_EQ(late.silent.front(), (std::pair{3, peer("a")}));
  EXPECT_TRUE(all.overdue(start + 10s).silent.empty());
  EXPECT_EQ(all.unfinished(), 1U);
  EXPECT_TRUE(all.disconnected(3)->refused);
}

TEST(accepted_sockets, sweep_out_those_whose_descriptor_is_closed) {
  accepted_sockets all{few()};
  all.accepted(3, peer("a"), start);
  all.heard(3, peer("a"), 7, start);
  all.accepted(4, peer("b"), start);
  all.accepted(5, peer("c"), start);
  all.heard(5, peer("c"), 8, start);
  const auto ended = all.sweep([](int fd, const peer_name&) { return fd == 5; });
  EXPECT_EQ(ended, std::vector<connection_id>{7});
  EXPECT_EQ(all.connections(), 1U);
  EXPECT_EQ(all.unfinished(), 0U);
}

TEST(accepted_sockets, count_rightly_whatever_is_reported) {
  std::mt19937 random{20261128};
  for (int round = 0; round < 200; ++round) {
    accepted_sockets all{few()};
    auto now = start;
    connection_id last = 0;
    for (int step = 0; step < 300; ++step) {
      const int fd = static_cast<int>(3 + random() % 8);
      const auto who = peer(std::string(1, static_cast<char>('a' + random() % 3)),
                            static_cast<int>(random() % 2));
      switch (random() % 4) {
      case 0: all.accepted(fd, who, now); break;
      case 1: all.heard(fd, who, ++last, now); break;
      case 2: all.disconnected(fd); break;
      case 3: all.overdue(now += 1s); break;
      }
      ASSERT_EQ(all.unfinished(), all.unfinished_sockets().size());
      ASSERT_LE(all.unfinished(), few().unfinished);
      std::map<std::string, std::size_t> of_address;
      for (const auto& one : all.unfinished_sockets()) {
        ASSERT_LE(++of_address[one.second.address], few().unfinished_per_address);
      }
    }
    for (int fd = 3; fd < 11; ++fd) {
      all.disconnected(fd);
    }
    EXPECT_EQ(all.connections(), 0U);
    EXPECT_EQ(all.unfinished(), 0U);
    EXPECT_EQ(all.accepted(3, peer("a"), now).refused, "") << "nothing is left behind";
  }
}

link_message of(std::size_t bytes) {
  return std::make_shared<const std::string>(bytes, 'x');
}

TEST(send_queue, is_bounded_in_messages_and_bytes_until_they_are_written) {
  const send_limits most{4, 100};
  send_queue queue;
  EXPECT_TRUE(queue.push(of(1'000), most)) << "one alone, whatever its size";
  EXPECT_FALSE(queue.push(of(1), most));
  auto taken = queue.take();
  EXPECT_FALSE(queue.push(of(1), most)) << "it is taken, not written";
  queue.written(taken.front());
  EXPECT_TRUE(queue.has_room_again(most));
  EXPECT_FALSE(queue.has_room_again(most)) << "once";
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(queue.push(of(10), most));
  }
  EXPECT_FALSE(queue.push(of(10), most));
  taken = queue.take();
  queue.written(taken[0]);
  EXPECT_FALSE(queue.has_room_again(most)) << "less than half is free";
  queue.written(taken[1]);
  EXPECT_TRUE(queue.has_room_again(most));
  EXPECT_EQ(queue.waiting(), 2U);
  EXPECT_EQ(queue.bytes(), 20U);
}

} // namespace
} // namespace tayfa::pods::test
