// The second address, for health checks only.
#include "tests/unit/http/served.hpp"

namespace tayfa {
namespace {

using namespace test;

http_options with_health() {
  auto o = quick_options();
  o.health_listen = "127.0.0.1:0";
  o.api.health_path = "/healthz";
  return o;
}

std::uint16_t port_of(const std::string& address) {
  return static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
}

TEST(http_health, it_answers_health_checks_and_nothing_else) {
  served s{with_health()};
  ASSERT_TRUE(s.address()) << s.address().error().str();
  raw_client client{port_of(s.server().health_address())};
  EXPECT_EQ(client.ask(get("/ping"))->status, 200U);
  EXPECT_EQ(client.ask(get("/healthz"))->status, 200U);
  EXPECT_EQ(client.ask(get("/healthz?x=1"))->status, 200U);
  for (const std::string path :
       {"/health", "/v2/tayfa/health", "/metrics", "/jobs", "/", "/events", "/v2/tayfa/status/a"}) {
    EXPECT_EQ(client.ask(get(path))->status, 404U) << path;
  }
  EXPECT_EQ(client.ask(post("/run", body_of(100)))->status, 404U);
  EXPECT_FALSE(client.read()) << "a refused body ends the connection";
  auto main = s.client();
  for (const std::string path : {"/ping", "/healthz", "/health"}) {
    EXPECT_EQ(main.ask(get(path))->status, 200U) << path;
  }
}

TEST(http_health, it_has_places_when_the_house_is_full) {
  auto options = with_health();
  options.connections_max = 1;
  served s{options};
  auto first = s.client();
  ASSERT_EQ(first.ask(get("/ping"))->status, 200U);
  auto second = s.client();
  EXPECT_EQ(second.read()->status, 503U);
  for (int i = 0; i < 5; ++i) {
    raw_client probe{port_of(s.server().health_address())};
    EXPECT_EQ(probe.ask(get("/ping"))->status, 200U);
  }
}

TEST(http_health, probes_that_stay_take_no_place_from_clients) {
  auto options = with_health();
  options.connections_max = 2;
  served s{options};
  std::vector<raw_client> probes;
  std::size_t served_probes = 0;
  for (int i = 0; i < 80; ++i) {
    probes.emplace_back(port_of(s.server().health_address()));
    served_probes += probes.back().ask(get("/ping"))->status == 200 ? 1 : 0;
  }
  EXPECT_EQ(served_probes, 64U);
  EXPECT_EQ(s.client().ask(get("/ping"))->status, 200U);
}

TEST(http_health, both_open_or_none) {
  const served other;
  auto options = with_health();
  options.health_listen = *other.address();
  {
    const served s{options};
    ASSERT_FALSE(s.address());
    EXPECT_EQ(s.address().error().code, errc::port_in_use);
    EXPECT_EQ(s.address().error().text, *other.address());
  }
  options.health_listen = "nowhere";
  EXPECT_EQ(served{options}.address().error().code, errc::bad_config);
  // The address bound first is free again.
  auto first = quick_options();
  {
    const served s;
    first.listen = *s.address();
  }
  first.health_listen = *other.address();
  EXPECT_FALSE(served{first}.address());
  first.health_listen.clear();
  EXPECT_TRUE(served{first}.address());
}

TEST(http_health, both_close) {
  auto options = with_health();
  options.close_grace = 50ms;
  served s{options};
  const auto port = port_of(s.server().health_address());
  raw_client idle{port};
  ASSERT_EQ(idle.ask(get("/ping"))->status, 200U);
  EXPECT_TRUE(s.close());
  EXPECT_TRUE(idle.ended());
  EXPECT_FALSE(raw_client{port}.connected());
  EXPECT_FALSE(s.client().connected());
}

TEST(http_health, none_is_open_unless_wanted) {
  served s;
  EXPECT_EQ(s.server().health_address(), "");
}

} // namespace
} // namespace tayfa
