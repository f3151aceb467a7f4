// The tables of a head's pods, word for word.
#include "runtime/cli/pods/pod_tables.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

TEST(pod_tables, a_pod_is_a_row) {
  pod_summary one;
  one.name = "gpu-1";
  one.state = "linked";
  one.slots = 8;
  one.running = 7;
  one.attempts = 8;
  one.silent = milliseconds{310};
  one.round_trip_us = 412;
  one.bytes_in = 12'000;
  one.bytes_out = 5;
  one.models = {"a", "b/c"};
  one.release = "0.1.0";
  one.key = "k1";
  pod_summary two;
  two.name = "gpu-2\x1b[31m";
  two.state = "closed";
  two.why = "draining";
  two.key = "k2";
  EXPECT_EQ(pods_text(std::vector{one, two}, 0),
            "POD         STATE   SLOTS  RUN  HELD       HEARD    TRIP      IN  OUT  MODELS  WHY    "
            "   RELEASE  KEY\n"
            "gpu-1       linked      8    7     8  310 ms ago  0.4 ms  12 KiB  5 B  a,b/c          "
            "   0.1.0    k1\n"
            "gpu-2?[31m  closed      0    0     0    0 ms ago             0 B  0 B          "
            "draining           k2\n");
}

TEST(pod_tables, an_empty_list_says_so) {
  EXPECT_EQ(pods_text({}, 0), "no pods have linked since this head started\n");
}

TEST(pod_tables, trust_is_shown_with_tokens_where_there_are_any) {
  trust_list list;
  EXPECT_EQ(trust_text(list, 0), "no pods\n");
  list.pods = {{"gpu-1", "k1", true, "token:0f"}, {"gpu-2", "k2", false, "key:alice"}};
  EXPECT_EQ(trust_text(list, 0), "POD    STATE    BY         KEY\n"
                                 "gpu-1  trusted  token:0f   k1\n"
                                 "gpu-2  revoked  key:alice  k2\n");
  list.tokens = {{"0f", false, milliseconds{60'000}, {}, "uid:0"},
                 {"0e", true, milliseconds{0}, "k1", "api"}};
  EXPECT_EQ(trust_text(list, 0), "POD    STATE    BY         KEY\n"
                                 "gpu-1  trusted  token:0f   k1\n"
                                 "gpu-2  revoked  key:alice  k2\n"
                                 "\n"
                                 "TOKEN    EXPIRES  USED BY  BY\n"
                                 "0f     in 1m 00s  -        uid:0\n"
                                 "0e         ended  k1       api\n");
}

} // namespace
} // namespace tayfa
