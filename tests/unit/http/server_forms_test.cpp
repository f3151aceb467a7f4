// The forms that requests may have (RFC 9110, 9112): targets, methods, versions; and the fields
// that every answer has.
#include "tests/unit/http/served.hpp"

#include "runtime/api/method.hpp"
#include "runtime/api/route.hpp"

#include <regex>

namespace tayfa {
namespace {

using namespace test;

std::string asking(std::string_view method, std::string_view target,
                   std::string_view fields = "Host: localhost\r\n",
                   std::string_view version = "HTTP/1.1") {
  return std::string{method} + " " + std::string{target} + " " + std::string{version} + "\r\n" +
         std::string{fields} + "\r\n";
}

std::string date_of(const answer& a) {
  const std::regex field{"\r\nDate: ([^\r]*)\r\n"};
  std::smatch found;
  return std::regex_search(a.head, found, field) ? found[1].str() : std::string{};
}

bool is_date(const std::string& text) {
  return std::regex_match(text, std::regex{"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} "
                                           "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
                                           "[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"});
}

TEST(http_forms, an_absolute_target_is_as_its_path) {
  served s{quick_options(), true};
  auto client = s.client();
  for (const std::string target :
       {"http://localhost/v2/tayfa/status/a-1?x=1", "HTTP://127.0.0.1:8000/status/a-1",
        "https://[::1]/v2/tayfa/status/a-1"}) {
    ASSERT_TRUE(client.send(asking("GET", target)));
    auto [call, reply] = s.next();
    ASSERT_TRUE(std::holds_alternative<api::status>(call)) << target;
    EXPECT_EQ(std::get<api::status>(call).ask.id, job_id{"a-1"});
    reply->send(api::pinged(true));
    EXPECT_EQ(client.read()->status, 200U);
  }
  std::string order = post("/run", R"({"input":1})");
  order.replace(order.find("/run"), 4, "http://localhost/v2/tayfa/run");
  ASSERT_TRUE(client.send(order));
  EXPECT_TRUE(std::holds_alternative<api::submit>(s.next().first));
}

TEST(http_forms, an_absolute_target_is_no_way_around_the_rule_of_names) {
  served s;
  for (const auto& [target, host, expected] :
       std::vector<std::tuple<std::string, std::string, unsigned>>{
           {"http://localhost/ping", "localhost", 200},
           {"http://localhost/ping", "127.0.0.1:1", 200}, // ignored, but must be ours as well
           {"http://evil.example/ping", "localhost", 421},
           {"http://localhost/ping", "evil.example", 421},
           {"http://evil.example/ping", "evil.example", 421},
           {"http://t/ping", "localhost", 421},
           {"http://localhost@evil.example/ping", "localhost", 400},
           {"ftp://localhost/ping", "localhost", 400},
           {"http:///ping", "localhost", 400},
           {"ws://evil.example/ping", "evil.example", 421}}) {
    auto client = s.client();
    ASSERT_TRUE(client.send(asking("GET", target, "Host: " + host + "\r\n")));
    EXPECT_EQ(client.read()->status, expected) << target << ' ' << host;
  }
  EXPECT_EQ(s.client().ask(asking("GET", "http://localhost/ping", ""))->status, 400U)
      << "HTTP/1.1 has Host, whatever the target is";
  EXPECT_EQ(s.client().ask(asking("GET", "http://localhost/ping", "", "HTTP/1.0"))->status, 200U);
}

TEST(http_forms, head_is_get_without_a_body_on_every_route) {
  served s;
  std::size_t asked = 0;
  for (const auto& row : api::routes()) {
    if (!api::takes(row.methods, "GET") || row.kind == api::route_kind::events) {
      continue;
    }
    std::string path{row.path};
    for (auto at = path.find('{'); at != std::string::npos; at = path.find('{')) {
      path.replace(at, path.find('}') - at + 1, "a");
    }
    auto client = s.client();
    const auto get_answer = client.ask(asking("GET", "/" + path));
    ASSERT_TRUE(client.send(asking("HEAD", "/" + path) + asking("GET", "/ping")));
    const auto head = client.read(true);
    ASSERT_TRUE(get_answer && head) << path;
    if (row.needs != api::scope::worker) {
      EXPECT_EQ(head->status, get_answer->status) << path;
      const auto without_date = [](const answer& a) {
        return std::regex_replace(a.head, std::regex{"Date: [^\r]*\r\n"}, "");
      };
      EXPECT_EQ(without_date(*head), without_date(*get_answer)) << path;
    }
    EXPECT_EQ(client.read()->status, 200U) << path << ": no body was in between";
    ++asked;
  }
  EXPECT_GT(asked, 10U);
}

TEST(http_forms, head_takes_nothing_from_a_worker_and_holds_no_answer) {
  served s{quick_options(), true};
  auto client = s.client();
  for (const auto& [target, status] : {std::pair{"/job-take/w", 204U},
                                       {"/job-take-batch/w?batch_size=3", 204U},
                                       {"/v2/tayfa/job-stop/w", 204U},
                                       {"/ping/w?job_id=a", 200U}}) {
    ASSERT_TRUE(client.send(asking("HEAD", target)));
    EXPECT_EQ(client.read(true)->status, status) << target;
  }
  EXPECT_EQ(s.held(), 0U);
  ASSERT_TRUE(client.send(asking("HEAD", "/runsync")));
  EXPECT_EQ(client.read(true)->status, 405U);
}

TEST(http_forms, options_says_what_a_path_takes) {
  served s{quick_options(), true}; // the server answers OPTIONS itself
  auto client = s.client();
  for (const auto& [target, allow] : {std::pair{"/run", "POST, OPTIONS"},
                                      {"/v2/tayfa/status/a", "GET, HEAD, POST, OPTIONS"},
                                      {"/job-take/w", "GET, HEAD, OPTIONS"},
                                      {"/slots/99999/drain", "POST, OPTIONS"},
                                      {"*", "GET, HEAD, POST, OPTIONS"},
                                      {"http://localhost", "GET, HEAD, POST, OPTIONS"}}) {
    const auto a = client.ask(asking("OPTIONS", target));
    ASSERT_TRUE(a) << target;
    EXPECT_EQ(a->status, 204U) << target;
    EXPECT_TRUE(a->has("\r\nAllow: " + std::string{allow} + "\r\n")) << a->head;
    EXPECT_FALSE(a->has("Content-Length")) << a->head;
    EXPECT_FALSE(a->has("Access-Control-")) << "a page of another origin learns nothing";
  }
  EXPECT_EQ(client.ask(asking("OPTIONS", "/nothing"))->status, 404U);
  EXPECT_EQ(client.ask(asking("OPTIONS", "*", "Host: evil.example\r\n"))->status, 421U);
  EXPECT_EQ(s.held(), 0U);
}

TEST(http_forms, methods_that_are_not_taken) {
  served s;
  for (const auto& [method, target, status] :
       std::vector<std::tuple<std::string, std::string, unsigned>>{
           {"PUT", "/run", 405},
           {"DELETE", "/status/a", 405},
           {"TRACE", "/ping", 405},
           {"PATCH", "/nothing", 404},
           {"BREW", "/run", 501},
           {"get", "/health", 501},
           {"BREW", "/nothing", 501},
           {"GET", "*", 400},
           {"GET", "localhost:8000", 400}}) {
    const auto a = s.client().ask(asking(method, target));
    ASSERT_TRUE(a) << method;
    EXPECT_EQ(a->status, status) << method << ' ' << target;
    EXPECT_EQ(a->has("\r\nAllow: "), status == 405) << method;
  }
  for (const std::string target : {"localhost:443", "evil.example:443"}) {
    auto tunnel = s.client();
    ASSERT_TRUE(tunnel.send(asking("CONNECT", target) + "\x16\x03\x01 no HTTP"));
    const auto a = tunnel.read();
    ASSERT_TRUE(a);
    EXPECT_EQ(a->status, 405U);
    EXPECT_TRUE(a->has("\r\nAllow: "));
    EXPECT_TRUE(tunnel.ended());
  }
}

TEST(http_forms, versions) {
  served s;
  for (const auto& [version, status] : {std::pair{"HTTP/1.0", 200U},
                                        {"HTTP/1.1", 200U},
                                        {"HTTP/1.2", 200U},
                                        {"HTTP/1.9", 200U},
                                        {"HTTP/0.9", 505U},
                                        {"HTTP/2.0", 505U},
                                        {"HTTP/9.9", 505U},
                                        {"HTTP/1.10", 400U},
                                        {"HTTP/1", 400U},
                                        {"http/1.1", 400U},
                                        {"HTTP/1.1 ", 400U},
                                        {"HTTP/+.1", 400U}}) {
    auto client = s.client();
    const auto a = client.ask(asking("GET", "/ping", "Host: localhost\r\n", version));
    ASSERT_TRUE(a) << version;
    EXPECT_EQ(a->status, status) << version;
    EXPECT_EQ(client.send(get("/ping")) && client.read(), status == 200 && version[7] != '0')
        << version;
  }
  EXPECT_EQ(s.client().ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")->status, 505U);
}

TEST(http_forms, every_answer_has_a_date) {
  auto options = quick_options();
  options.header_timeout = 100ms;
  options.connections_max = 1;
  served s{options};
  {
    auto client = s.client();
    for (const std::string& text :
         {get("/ping"), get("/status/a"), get("/nothing"), post("/run", "{"),
          asking("OPTIONS", "*"), asking("GET", "/ping", "Host: evil.example\r\n"),
          asking("PUT", "/run")}) {
      const auto a = client.ask(text);
      ASSERT_TRUE(a) << text;
      EXPECT_TRUE(is_date(date_of(*a))) << a->head;
    }
    const auto away = s.client().read();
    ASSERT_TRUE(away) << "too many connections";
    EXPECT_EQ(away->status, 503U);
    EXPECT_TRUE(is_date(date_of(*away))) << away->head;
    client.send(asking("GET", "/ping", "Host: localhost\r\nConnection: close\r\n"));
    client.to_the_end();
  }
  for (const std::string text : {"GET / HTTP/1.1\n\n", "GET /ping HTTP/3.0\r\n\r\n",
                                 "GET / x\r\n\r\n", "GET /ping HTTP/1.1\r\n"}) {
    std::optional<answer> a;
    do { // until the only place is free again
      a = s.client().ask(text);
    } while (!a || a->status == 503U);
    EXPECT_GE(a->status, 400U);
    EXPECT_TRUE(is_date(date_of(*a))) << a->head;
  }
}

TEST(http_forms, the_answer_to_head_has_no_body_whatever_is_wrong) {
  auto options = quick_options();
  options.header_timeout = 100ms;
  served s{options};
  for (const std::string text :
       {"HEAD /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "HEAD /ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "HEAD /ping HTTP/1.1\r\nHost : a\r\n\r\n", "HEAD /ping HTTP/4.0\r\n\r\n",
        "HEAD /ping HTTP/1.1\r\nHost: loc", "\r\nHEAD /ping\r\n\r\n"}) {
    auto client = s.client();
    ASSERT_TRUE(client.send(text));
    const auto a = client.read(true);
    ASSERT_TRUE(a) << text;
    EXPECT_GE(a->status, 400U);
    EXPECT_FALSE(a->has("Content-Length: 0"));
    EXPECT_EQ(client.to_the_end(), "") << text;
  }
}

TEST(http_forms, codings_that_are_not_read_here) {
  served s;
  const std::string run = "POST /run HTTP/1.1\r\nHost: localhost\r\n";
  for (const auto& [coding, status] : {std::pair{"gzip, chunked", 501U},
                                       {"GZIP ,\tCHUNKED", 501U},
                                       {"gzip;q=1, deflate, chunked", 501U},
                                       {"gzip", 400U},
                                       {"chunked, gzip", 400U},
                                       {"chunked, chunked", 400U},
                                       {"gzip, chunked, chunked", 400U},
                                       {"identity", 400U},
                                       {",chunked", 501U},
                                       {"", 400U}}) {
    auto client = s.client();
    const auto a = client.ask(run + "Transfer-Encoding: " + coding + "\r\n\r\n0\r\n\r\n");
    ASSERT_TRUE(a) << coding;
    EXPECT_EQ(a->status, status) << coding;
    EXPECT_TRUE(client.ended()) << coding;
  }
}

} // namespace
} // namespace tayfa
