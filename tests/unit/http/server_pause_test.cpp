// Clients are timed by the pod's clock: while the pod itself did not run, none of them was slow.
#include "tests/unit/http/held_time.hpp"
#include "tests/unit/http/served.hpp"

namespace tayfa {
namespace {

using namespace test;

http_options timed_by(const time_source& time) {
  auto o = quick_options();
  o.header_timeout = 50ms;
  o.body_timeout = 50ms;
  o.idle_timeout = 50ms;
  o.time = &time;
  return o;
}

TEST(http_pause, a_body_that_was_late_because_the_pod_was_away_is_read_to_its_end) {
  held_time time;
  served s{timed_by(time)};
  auto client = s.client();
  ASSERT_TRUE(
      client.send("POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  "Content-Length: 12\r\n\r\n{\"input\":"));
  ASSERT_TRUE(time.wait_until_asked(3)) << "its time is over, by the system's clock";
  ASSERT_TRUE(client.send("{}}"));
  EXPECT_EQ(client.read()->status, 200U);
}

TEST(http_pause, a_head_and_an_idle_connection_likewise) {
  held_time time;
  served s{timed_by(time)};
  auto client = s.client();
  ASSERT_TRUE(time.wait_until_asked(2)) << "idle for too long";
  ASSERT_TRUE(client.send("GET /health HTTP/1.1\r\nHo"));
  ASSERT_TRUE(time.wait_until_asked(3));
  ASSERT_TRUE(client.send("st: localhost\r\n\r\n"));
  EXPECT_EQ(client.read()->status, 200U);
}

TEST(http_pause, a_client_that_is_slow_is_cut_all_the_same) {
  held_time time;
  served s{timed_by(time)};
  auto client = s.client();
  ASSERT_TRUE(client.send("POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"));
  ASSERT_TRUE(time.wait_until_asked(2));
  time.let_go();
  EXPECT_EQ(client.read()->status, 408U);
  EXPECT_TRUE(client.ended());
}

} // namespace
} // namespace tayfa
