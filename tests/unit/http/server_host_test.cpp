// A server without keys, and what a web page on the same machine can make a browser send to it.
#include "tests/unit/http/served.hpp"

#include "runtime/api/route.hpp"

namespace tayfa {
namespace {

using namespace test;

std::string asking(std::string_view method, std::string_view target, std::string_view fields) {
  const bool posts = method == "POST";
  const std::string body = posts ? R"({"input":1})" : "";
  return std::string{method} + " " + std::string{target} + " HTTP/1.1\r\n" + std::string{fields} +
         (posts ? "Content-Type: application/json\r\nContent-Length: " +
                      std::to_string(body.size()) + "\r\n"
                : "") +
         "\r\n" + body;
}

unsigned status(served& s, std::string_view method, std::string_view target,
                std::string_view fields) {
  auto client = s.client();
  EXPECT_TRUE(client.send(asking(method, target, fields)));
  const auto answer = client.read(method == "HEAD");
  return answer ? answer->status : 0;
}

struct open_door final : api::gate {
  explicit open_door(bool keys) : keys_(keys) {}
  tl::expected<api::principal, refusal> admit(const api::access_request&) override {
    return api::principal{};
  }
  void done(const api::access_request&, const api::principal&) override {}
  bool needs_keys() const override { return keys_; }
  bool keys_;
};

TEST(http_host, a_page_of_another_name_reaches_no_route) {
  served s;
  std::size_t asked = 0;
  for (const auto& row : api::routes()) {
    for (const std::string prefix : {"/", "/v2/tayfa/"}) {
      std::string path = prefix + std::string{row.path};
      for (auto at = path.find('{'); at != std::string::npos; at = path.find('{')) {
        path.replace(at, path.find('}') - at + 1, "1");
      }
      const bool posts = row.methods.find("GET") == std::string_view::npos;
      EXPECT_EQ(status(s, posts ? "POST" : "GET", path, "Host: evil.example:8000\r\n"), 421U)
          << path;
      ++asked;
    }
  }
  EXPECT_GT(asked, 40U);
  EXPECT_EQ(status(s, "GET", "/no/such/route", "Host: evil.example\r\n"), 421U);
  EXPECT_EQ(status(s, "HEAD", "/ping", "Host: evil.example\r\n"), 421U);
  EXPECT_EQ(status(s, "PUT", "/run", "Host: evil.example\r\n"), 421U);
}

TEST(http_host, the_refusal_says_why_and_keeps_the_connection) {
  served s;
  auto client = s.client();
  ASSERT_TRUE(client.send(asking("GET", "/health", "Host: evil.example\r\n")));
  const auto refused = client.read();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 421U);
  EXPECT_NE(refused->body.find("misdirected_request"), std::string::npos);
  EXPECT_NE(refused->body.find("http.hosts"), std::string::npos);
  EXPECT_EQ(client.ask(get("/health"))->status, 200U);
  ASSERT_TRUE(client.send(asking("POST", "/run", "Host: evil.example\r\n")));
  EXPECT_EQ(client.read()->status, 421U);
  EXPECT_TRUE(client.ended()) << "its body was not read";
}

TEST(http_host, forms_of_the_name) {
  served s;
  for (const std::string host : {"localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8000",
                                 "[::1]:80", "10.1.2.3", "localhost."}) {
    EXPECT_EQ(status(s, "GET", "/health", "Host: " + host + "\r\n"), 200U) << host;
    EXPECT_EQ(status(s, "GET", "/health", "Host:\t" + host + " \r\n"), 200U) << host;
  }
  for (const std::string host :
       {"", "t", "evil.localhost", "2130706433", "0x7f.1", "127.0.0.1.nip.io"}) {
    EXPECT_EQ(status(s, "GET", "/health", "Host: " + host + "\r\n"), 421U) << host;
  }
  for (const std::string host : {"a@localhost", "localhost:x", "local host", "localhost/"}) {
    EXPECT_EQ(status(s, "GET", "/health", "Host: " + host + "\r\n"), 400U) << "no host: " << host;
  }
  EXPECT_EQ(status(s, "GET", "/health", "Host: localhost\r\nHost: localhost\r\n"), 400U);
  EXPECT_EQ(status(s, "GET", "/health", ""), 400U);
  EXPECT_EQ(status(s, "GET", "http://evil.example/health", "Host: localhost\r\n"), 421U)
      << "a target may have a host of its own, by the same rule";
  EXPECT_EQ(status(s, "GET", "http://localhost/health", "Host: evil.example\r\n"), 421U);
  EXPECT_EQ(status(s, "GET", "/health", "Host: localhost\r\nX-Forwarded-Host: evil.example\r\n"),
            200U)
      << "what a proxy adds is not asked";
}

TEST(http_host, a_program_of_http_1_0_may_leave_it_out) {
  served s;
  for (const auto& [fields, expected] : {std::pair{"", 200U},
                                         {"Host: localhost\r\n", 200U},
                                         {"Host: evil.example\r\n", 421U},
                                         {"Origin: http://evil.example\r\n", 421U}}) {
    auto client = s.client();
    ASSERT_TRUE(client.send("GET /health HTTP/1.0\r\n" + std::string{fields} + "\r\n"));
    EXPECT_EQ(client.read()->status, expected) << fields;
  }
}

TEST(http_host, origins_and_sites) {
  served s;
  const std::string here = "Host: localhost:8000\r\n";
  for (const auto& [field, expected] :
       {std::pair{"Origin: http://localhost:3000\r\n", 200U},
        {"Origin: http://127.0.0.1:8000\r\nSec-Fetch-Site: same-origin\r\n", 200U},
        {"Sec-Fetch-Site: none\r\n", 200U},
        {"Sec-Fetch-Site: same-site\r\n", 200U},
        {"Origin: null\r\n", 421U},
        {"Origin: http://evil.example\r\n", 421U},
        {"Origin: http://localhost\r\nOrigin: http://localhost\r\n", 421U},
        {"Origin: http://localhost.evil.example\r\nSec-Fetch-Site: same-origin\r\n", 421U},
        {"Sec-Fetch-Site: cross-site\r\n", 421U}, // an image of any page: /job-take, say
        {"Sec-Fetch-Site: CROSS-SITE\r\nSec-Fetch-Mode: no-cors\r\n", 421U},
        {"Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n", 421U}}) {
    EXPECT_EQ(status(s, "GET", "/health", here + field), expected) << field;
    EXPECT_EQ(status(s, "POST", "/run", here + field), expected) << field;
  }
}

TEST(http_host, names_of_the_owner) {
  auto options = quick_options();
  options.hosts = {"gpu.example"};
  served s{options};
  EXPECT_EQ(status(s, "GET", "/health", "Host: GPU.example\r\n"), 200U);
  EXPECT_EQ(status(s, "GET", "/health", "Host: gpu.example:443\r\nOrigin: https://gpu.example\r\n"),
            200U);
  EXPECT_EQ(status(s, "GET", "/health", "Host: localhost\r\n"), 200U);
  EXPECT_EQ(status(s, "GET", "/health", "Host: x.gpu.example\r\n"), 421U);
}

TEST(http_host, where_keys_are_needed_the_name_does_not_matter) {
  open_door keys{true};
  auto options = quick_options();
  options.api.access_gate = &keys;
  served s{options};
  EXPECT_EQ(status(s, "GET", "/health", "Host: pod.example\r\nOrigin: null\r\n"), 200U);
  open_door none{false};
  options.api.access_gate = &none;
  served open{options};
  EXPECT_EQ(status(open, "GET", "/health", "Host: pod.example\r\n"), 421U);
}

TEST(http_host, the_address_for_health_checks_is_no_way_around) {
  auto options = quick_options();
  options.health_listen = "127.0.0.1:0";
  served s{options};
  const auto address = s.server().health_address();
  raw_client client{static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)))};
  EXPECT_EQ(client.ask("GET /ping HTTP/1.1\r\nHost: evil.example\r\n\r\n")->status, 421U);
  EXPECT_EQ(client.ask("GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")->status, 200U);
}

} // namespace
} // namespace tayfa
