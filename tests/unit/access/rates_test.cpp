#include "runtime/access/rates.hpp"

#include "tests/unit/access/support.hpp"

#include <gtest/gtest.h>

namespace tayfa::access {
namespace {

using std::chrono::milliseconds;

result<rate_rules> rules_of(std::vector<std::string> items) {
  return parse_rates(items);
}

TEST(parse_rates, forms) {
  EXPECT_TRUE(rules_of({})->empty());
  EXPECT_TRUE(rules_of({"off"})->empty());
  EXPECT_EQ(*rules_of({"runpod"}), runpod_rates());
  const auto rules = rules_of({"run=1000/10s:200", "status=7/500ms", "ping=1/1h"});
  ASSERT_TRUE(rules) << rules.error().text;
  EXPECT_EQ(rules->at("run"), (route_rate{"run", 1'000, milliseconds{10'000}, 200}));
  EXPECT_EQ(rules->at("status"), (route_rate{"status", 7, milliseconds{500}, 0}));
  EXPECT_EQ(rules->at("ping").period, std::chrono::hours{1});
  EXPECT_EQ(runpod_rates().at("cancel").requests, 100U); // RunPod's documentation
  EXPECT_EQ(runpod_rates().at("requests").at_once, 2U);
  EXPECT_EQ(runpod_rates().at("status-sync").requests, runpod_rates().at("status").requests);
}

TEST(parse_rates, refusals_name_the_item) {
  for (const std::vector<std::string>& items : std::vector<std::vector<std::string>>{
           {"on"},
           {"off", "run=1/1s"},
           {"run=1/1s", "runpod"},
           {"nothing=1/1s"},
           {"status/{id}=1/1s"},
           {"run=1/1s", "run=2/1s"},
           {"run"},
           {"run="},
           {"run=1"},
           {"run=0/1s"},
           {"run=1000001/1s"},
           {"run=-1/1s"},
           {"run=1/"},
           {"run=1/s"},
           {"run=1/99ms"},
           {"run=1/61m"},
           {"run=1/1d"},
           {"run=1/10"},
           {"run=1/1s:"},
           {"run=1/1s:0"},
           {"run=1/1s:x"},
           {"run=1/99999999999999999999s"},
       }) {
    const auto rules = rules_of(items);
    ASSERT_FALSE(rules) << items.back();
    EXPECT_EQ(rules.error().code, errc::bad_config);
    EXPECT_EQ(rules.error().text.rfind("http.rate_limits: ", 0), 0U) << rules.error().text;
  }
}

class limiter_test : public testing::Test {
 protected:
  std::uint32_t take(rate_limiter& l, const std::string& who = "key a",
                     std::string_view route = "run") {
    return l.take(route, who, time.now());
  }
  manual_time time;
};

TEST_F(limiter_test, a_burst_and_then_one_by_one) {
  rate_limiter limiter{*rules_of({"run=4/2s"})};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(take(limiter), 0U) << i;
  }
  EXPECT_EQ(take(limiter), 1U); // half a second, in whole ones
  time.pass(milliseconds{499});
  EXPECT_EQ(take(limiter), 1U);
  time.pass(milliseconds{1});
  EXPECT_EQ(take(limiter), 0U);
  EXPECT_EQ(take(limiter), 1U);
  time.pass(std::chrono::hours{1}); // it holds no more than four
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(take(limiter), 0U);
  }
  EXPECT_EQ(take(limiter), 1U);
}

TEST_F(limiter_test, says_when) {
  rate_limiter limiter{*rules_of({"purge-queue=2/10s"})};
  EXPECT_EQ(take(limiter, "k", "purge-queue"), 0U);
  EXPECT_EQ(take(limiter, "k", "purge-queue"), 0U);
  EXPECT_EQ(take(limiter, "k", "purge-queue"), 5U);
  time.pass(milliseconds{3'999});
  EXPECT_EQ(take(limiter, "k", "purge-queue"), 2U);
  time.pass(milliseconds{1'001});
  EXPECT_EQ(take(limiter, "k", "purge-queue"), 0U);
}

TEST_F(limiter_test, never_more_than_the_rule_in_any_period) {
  // An interval that is no whole number of nanoseconds.
  rate_limiter limiter{*rules_of({"run=7/1s"})};
  int taken = 0;
  for (int i = 0; i < 100'000; ++i) {
    taken += take(limiter) == 0 ? 1 : 0;
    limiter.done("run", "key a");
    time.pass(milliseconds{1});
  }
  EXPECT_GE(taken, 7 + 7 * 99);
  EXPECT_LE(taken, 7 + 7 * 100);
}

TEST_F(limiter_test, each_has_its_own) {
  rate_limiter limiter{*rules_of({"run=1/10s", "status=1/10s"})};
  EXPECT_EQ(take(limiter, "key a"), 0U);
  EXPECT_EQ(take(limiter, "key b"), 0U);
  EXPECT_EQ(take(limiter, "key a", "status/{id}"), 0U);
  EXPECT_GT(take(limiter, "key a", "status/{id}"), 0U);
  EXPECT_GT(take(limiter, "key a"), 0U);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(take(limiter, "key a", "runsync"), 0U); // no rule
  }
  EXPECT_EQ(limiter.buckets(), 3U);
}

TEST_F(limiter_test, how_many_at_once) {
  rate_limiter limiter{*rules_of({"run=1000/1s:2"})};
  EXPECT_EQ(take(limiter), 0U);
  EXPECT_EQ(take(limiter), 0U);
  EXPECT_EQ(take(limiter), 1U);
  time.pass(std::chrono::hours{1});
  EXPECT_EQ(take(limiter), 1U); // they are still open
  limiter.done("run", "key b"); // another client's
  EXPECT_EQ(take(limiter), 1U);
  limiter.done("run", "key a");
  EXPECT_EQ(take(limiter), 0U);
  EXPECT_EQ(take(limiter), 1U);
}

TEST_F(limiter_test, memory_is_bounded) {
  rate_limiter limiter{*rules_of({"run=2/10s:5"}), 8};
  for (int i = 0; i < 1'000; ++i) {
    take(limiter, "address " + std::to_string(i));
    time.pass(milliseconds{1});
  }
  EXPECT_LE(limiter.buckets(), 9U);
  EXPECT_GT(take(limiter, "address late"), 0U) << "who finds no room shares a bucket";
  // Full buckets without open requests are erased.
  for (int i = 0; i < 1'000; ++i) {
    limiter.done("run", "address " + std::to_string(i));
  }
  time.pass(std::chrono::minutes{1});
  EXPECT_EQ(take(limiter, "address late"), 0U);
  EXPECT_EQ(limiter.buckets(), 1U);
}

TEST_F(limiter_test, what_is_open_is_not_forgotten) {
  rate_limiter limiter{*rules_of({"run=1000/1s:1"}), 1};
  EXPECT_EQ(take(limiter, "a"), 0U);
  EXPECT_EQ(take(limiter, "b"), 0U); // in the common bucket
  EXPECT_EQ(take(limiter, "c"), 1U);
  limiter.done("run", "b");
  EXPECT_EQ(take(limiter, "c"), 0U);
  time.pass(std::chrono::minutes{1});
  EXPECT_EQ(take(limiter, "a"), 1U);
  EXPECT_LE(limiter.buckets(), 2U);
}

TEST(network_of, an_asker) {
  EXPECT_EQ(network_of("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(network_of("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(network_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(network_of("2001:db8:1:2::9"), "2001:db8:1:2::/64");
  EXPECT_EQ(network_of("fe80::1%eth0"), "fe80::/64");
  EXPECT_EQ(network_of("::1"), "::/64");
  EXPECT_EQ(network_of(""), "");
}

} // namespace
} // namespace tayfa::access
