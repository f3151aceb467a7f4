// The pods of a head as Prometheus text.
#include "runtime/api/pod_metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

namespace tayfa::api {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(pod_metrics, each_pod_has_a_sample_of_each_family) {
  pod_summary one;
  one.name = "gpu-1";
  one.key = "k1";
  one.state = "linked";
  one.slots = 8;
  one.silent = milliseconds{310};
  one.round_trip_us = 412;
  one.bytes_in = std::uint64_t{1} << 40;
  pod_summary two;
  two.name = "gpu-2";
  two.key = "k2";
  two.state = "cut";
  const auto text = pod_metrics(std::vector{one, two});
  EXPECT_THAT(text, HasSubstr("# TYPE tayfa_pod_slots gauge\n"
                              "tayfa_pod_slots{pod=\"gpu-1\",key=\"k1\"} 8\n"
                              "tayfa_pod_slots{pod=\"gpu-2\",key=\"k2\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("tayfa_pod_linked{pod=\"gpu-1\",key=\"k1\"} 1\n"
                              "tayfa_pod_linked{pod=\"gpu-2\",key=\"k2\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("tayfa_pod_silent_seconds{pod=\"gpu-1\",key=\"k1\"} 0.31\n"));
  EXPECT_THAT(text, HasSubstr("tayfa_pod_round_trip_seconds{pod=\"gpu-1\",key=\"k1\"} 0.000412\n"));
  EXPECT_THAT(text, HasSubstr("tayfa_pod_received_bytes_total{pod=\"gpu-1\",key=\"k1\"} "
                              "1099511627776\n"));
}

// A pod says its name itself: it must not add samples of its own.
TEST(pod_metrics, a_name_cannot_leave_its_label) {
  pod_summary one;
  one.name = "a\"} 1\nother{x=\"\\";
  const auto text = pod_metrics(std::vector{one});
  EXPECT_THAT(text, HasSubstr(R"(tayfa_pod_slots{pod="a\"} 1\nother{x=\"\\",key=""} 0)"));
  EXPECT_THAT(text, Not(HasSubstr("\nother")));
}

TEST(pod_metrics, no_pods_no_text) {
  EXPECT_EQ(pod_metrics({}), "");
}

} // namespace
} // namespace tayfa::api
