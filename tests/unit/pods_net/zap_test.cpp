// The ZAP handler: its verdicts, and what a dead, failing or slow one does to pods.
#include "tests/unit/pods_net/fixture.hpp"

#include <atomic>
#include <future>

namespace tayfa::pods::test {
namespace {

zap_request request_of(const std::string& key, const std::string& mechanism = "CURVE",
                       const std::string& domain = curve_domain) {
  return {domain, "127.0.0.1", mechanism, key};
}

TEST(zap_verdict, lets_in_who_is_listed_and_says_why_not) {
  const auto trusted = new_keys();
  const auto token = new_keys();
  const auto bytes = *key_bytes(trusted.public_key);
  admitted list;
  EXPECT_FALSE(judge(request_of(bytes), nullptr).admitted);
  EXPECT_FALSE(judge(request_of(bytes), &list).admitted);
  list.keys[trusted.public_key] = "";
  list.keys[token.public_key] = "0123";
  EXPECT_TRUE(judge(request_of(bytes), &list).admitted);
  EXPECT_EQ(judge(request_of(bytes), &list).user, trusted.public_key);
  EXPECT_EQ(judge(request_of(*key_bytes(token.public_key)), &list).user, "join:0123");
  const auto stranger = new_keys().public_key;
  const auto refused = judge(request_of(*key_bytes(stranger)), &list);
  EXPECT_FALSE(refused.admitted);
  EXPECT_EQ(refused.shown_key, stranger);
  EXPECT_FALSE(refused.why.empty());
  EXPECT_TRUE(refused.user.empty());
}

TEST(zap_verdict, lets_nobody_in_by_another_mechanism_or_domain) {
  const auto trusted = new_keys();
  const auto bytes = *key_bytes(trusted.public_key);
  admitted list;
  list.keys[trusted.public_key] = "";
  for (const char* mechanism : {"NULL", "PLAIN", "GSSAPI", ""}) {
    EXPECT_FALSE(judge(request_of(bytes, mechanism), &list).admitted) << mechanism;
  }
  for (const auto& key : {std::string{}, bytes.substr(1), bytes + "x"}) {
    EXPECT_FALSE(judge(request_of(key), &list).admitted);
  }
  EXPECT_FALSE(judge(request_of(bytes, "CURVE", ""), &list).admitted);
  EXPECT_FALSE(judge(request_of(bytes, "CURVE", "other"), &list).admitted);
  EXPECT_TRUE(judge(request_of("", "NULL", local_domain), &list).admitted);
  EXPECT_FALSE(judge(request_of(bytes, "CURVE", local_domain), &list).admitted);
  EXPECT_FALSE(judge(request_of("", "PLAIN", local_domain), &list).admitted);
}

struct zap_handler_test : pods_net_test {
  pod joined;
  connection_id of_joined = 0;
  /// A hook that does nothing at first.
  std::atomic<int> fails{0};
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<bool> hangs{false};

  void start_with_joined(listener_limits limits = small_limits()) {
    limits.sockets.handshake = 1'000ms;
    start(limits, [this, until = released](const zap_request&) {
      if (fails > 0) {
        --fails;
        throw std::runtime_error{"out of order"};
      }
      if (hangs) {
        until.wait();
      }
    });
    admit({joined.keys.public_key});
    ASSERT_TRUE(joined.is_let_in(endpoint, head.public_key));
    joined.say("before");
    of_joined = wait_for("before").connection;
  }
  void expect_joined_goes_on() {
    EXPECT_EQ(joined.say("still here"), sent::yes);
    EXPECT_EQ(wait_for("still here").connection, of_joined);
    listener->send(of_joined, message("so am I"));
    EXPECT_EQ(joined.box.wait<message_in>().bytes, "so am I");
  }
  std::unique_ptr<pod> late_pod() {
    auto late = std::make_unique<pod>();
    admit({joined.keys.public_key, late->keys.public_key});
    return late;
  }
};

TEST_F(zap_handler_test, one_that_failed_is_replaced_and_the_next_pod_gets_in) {
  start_with_joined();
  auto late = late_pod();
  fails = 1;
  late->connect(endpoint, head.public_key);
  EXPECT_EQ(late->wait_for_end().why, cut::unreachable) << "it may try again";
  expect_joined_goes_on();
  EXPECT_TRUE(late->is_let_in(endpoint, head.public_key));
  EXPECT_EQ(listener->counters().zap_failures, 1U);
  EXPECT_EQ(box.count<listener_failed>(), 0U);
  EXPECT_EQ(log.count("pod_admission_failed"), 1U);
}

TEST_F(zap_handler_test, one_that_fails_again_and_again_is_given_up_and_joined_pods_go_on) {
  start_with_joined();
  auto late = late_pod();
  fails = 1'000'000;
  while (!box.take<listener_failed>(0s).has_value()) {
    late->connect(endpoint, head.public_key);
    ASSERT_NE(late->wait_for_end().why, cut::refused);
  }
  EXPECT_EQ(listener->counters().zap_failures, 8U);
  fails = 0;
  late->connect(endpoint, head.public_key);
  EXPECT_NE(late->wait_for_end().why, cut::refused) << "nobody decides, so nobody gets in";
  EXPECT_EQ(late->box.count<connected>(), 0U);
  expect_joined_goes_on();
  // The owner opens it anew.
  listener->close();
  ASSERT_TRUE(listener->open({endpoint, head}, box.sink()).has_value());
  EXPECT_TRUE(late->is_let_in(endpoint, head.public_key));
}

TEST_F(zap_handler_test, one_that_hangs_is_noticed_and_left_behind) {
  auto limits = small_limits();
  limits.handler_patience = 1s;
  start_with_joined(limits);
  auto late = late_pod();
  hangs = true;
  late->connect(endpoint, head.public_key);
  const auto end = late->wait_for_end();
  EXPECT_EQ(end.why, cut::unreachable) << end.text;
  EXPECT_EQ(box.wait<listener_failed>().why.code, errc::unavailable);
  expect_joined_goes_on();
  listener->close(); // does not wait for it
  EXPECT_GE(log.count("pod_admission_hangs"), 1U);
  hangs = false;
  ASSERT_TRUE(listener->open({"tcp://127.0.0.1:0", head}, box.sink()).has_value());
  release.set_value();
}

TEST_F(zap_handler_test, without_a_list_nobody_gets_in) {
  start();
  pod early;
  early.connect(endpoint, head.public_key);
  EXPECT_EQ(early.wait_for_end().why, cut::refused);
}

TEST(zap_handler_alone, a_second_one_in_a_context_is_refused) {
  system_time time;
  const auto context = std::make_shared<zmq::context_t>(1);
  const zap_handler first{context, time, {[](auto&, auto&) {}, [](auto&, bool) {}}};
  EXPECT_THROW((zap_handler{context, time, {[](auto&, auto&) {}, [](auto&, bool) {}}}),
               zmq::error_t);
}

} // namespace
} // namespace tayfa::pods::test
