// The server towards a well-behaved client.
#include "tests/unit/http/served.hpp"

namespace tayfa {
namespace {

using namespace test;

TEST(http_server, keep_alive_serves_one_after_the_other) {
  served s;
  auto client = s.client();
  for (int i = 0; i < 20; ++i) {
    const auto a = client.ask(post("/v2/tayfa/run", R"({"input":{"a":1}})"));
    ASSERT_TRUE(a);
    EXPECT_EQ(a->status, 200U);
    EXPECT_EQ(a->body, R"({"id":"job-7","status":"IN_QUEUE"})");
    EXPECT_TRUE(a->has("HTTP/1.1 200"));
    EXPECT_TRUE(a->has("Content-Type: application/json\r\n"));
    EXPECT_FALSE(a->has("Connection:"));
  }
}

TEST(http_server, errors_of_a_call_keep_the_connection) {
  served s;
  auto client = s.client();
  EXPECT_EQ(client.ask(post("/run", "{"))->status, 400U);
  EXPECT_EQ(client.ask(get("/nothing"))->status, 404U);
  const auto wrong = client.ask(get("/run"));
  EXPECT_EQ(wrong->status, 405U);
  EXPECT_TRUE(wrong->has("Allow: POST, OPTIONS\r\n"));
  EXPECT_EQ(client.ask(post("/cancel/a", ""))->status, 200U);
  EXPECT_EQ(client.ask(post("/cancel/a", "{}"))->status, 200U);
  EXPECT_EQ(client.ask(get("/health"))->status, 200U);
}

TEST(http_server, pipelined_requests_are_answered_in_order) {
  served s;
  auto client = s.client();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += get("/status/job-" + std::to_string(i));
    all += post("/run", R"({"input":")" + std::string(static_cast<std::size_t>(i), 'x') + "\"}");
  }
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 50; ++i) {
    const auto first = client.read();
    ASSERT_TRUE(first);
    EXPECT_NE(first->body.find("\"job-" + std::to_string(i) + '"'), std::string::npos);
    const auto second = client.read();
    ASSERT_TRUE(second);
    EXPECT_NE(second->body.find("\"job-" + std::to_string(i + 2) + '"'), std::string::npos);
  }
}

TEST(http_server, pipelining_waits_for_the_open_answer) {
  served s{quick_options(), true};
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/status/a") + get("/status/b")));
  auto [first, reply_a] = s.next();
  EXPECT_EQ(std::get<api::status>(first).ask.id, job_id{"a"});
  EXPECT_EQ(s.held(), 0U);
  reply_a->send(api::accepted(job_id{"a"}));
  auto [second, reply_b] = s.next();
  EXPECT_EQ(std::get<api::status>(second).ask.id, job_id{"b"});
  reply_a->send(api::accepted(job_id{"late"})); // a second answer changes nothing
  reply_b->send(api::accepted(job_id{"b"}));
  EXPECT_NE(client.read()->body.find("\"a\""), std::string::npos);
  EXPECT_NE(client.read()->body.find("\"b\""), std::string::npos);
}

TEST(http_server, chunked_upload_in_any_pieces) {
  served s;
  const std::string head = "POST /run HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                           "chunked\r\nContent-Type: application/json\r\n\r\n";
  const std::string chunks =
      "4\r\n{\"in\r\n8;name=\"v\"\r\nput\":123\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n";
  for (std::size_t piece = 1; piece <= 40; piece += piece < 8 ? 1 : 8) {
    auto client = s.client();
    ASSERT_TRUE(client.send(head));
    for (std::size_t at = 0; at < chunks.size(); at += piece) {
      ASSERT_TRUE(client.send(std::string_view{chunks}.substr(at, piece)));
    }
    const auto a = client.read();
    ASSERT_TRUE(a) << piece;
    EXPECT_EQ(a->body, R"({"id":"job-3","status":"IN_QUEUE"})") << piece;
    EXPECT_EQ(client.ask(get("/health"))->status, 200U);
  }
}

TEST(http_server, an_empty_chunked_body_byte_by_byte) {
  served s;
  auto client = s.client();
  for (const char c : std::string{"POST /cancel/a HTTP/1.1\r\nHost: "
                                  "localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    ASSERT_TRUE(client.send({&c, 1}));
  }
  EXPECT_EQ(client.read()->status, 200U);
  EXPECT_EQ(client.ask(get("/health"))->status, 200U);
}

TEST(http_server, head_of_ping) {
  served s;
  auto client = s.client();
  ASSERT_TRUE(client.send("HEAD /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  const auto a = client.read(true);
  ASSERT_TRUE(a);
  EXPECT_EQ(a->status, 200U);
  EXPECT_TRUE(a->has("Content-Length: 18\r\n"));
  EXPECT_EQ(client.ask(get("/ping"))->body, R"({"status":"ready"})"); // nothing was left in between
}

TEST(http_server, an_answer_without_content) {
  served s{quick_options(), true};
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/ping")));
  s.next().second->send(api::pinged(false));
  const auto a = client.read();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->status, 204U);
  EXPECT_FALSE(a->has("Content-Length"));
}

TEST(http_server, expect_continue_is_answered_before_the_body) {
  served s;
  auto client = s.client();
  const std::string body = R"({"input":12345})";
  const std::string text = post("/run", body, "Expect: 100-continue\r\n");
  ASSERT_TRUE(client.send(std::string_view{text}.substr(0, text.size() - body.size())));
  const auto go_on = client.read();
  ASSERT_TRUE(go_on);
  EXPECT_EQ(go_on->status, 100U);
  EXPECT_EQ(client.ask(body)->body, R"({"id":"job-5","status":"IN_QUEUE"})");
}

TEST(http_server, http_1_0_closes_unless_asked_not_to) {
  served s;
  auto one = s.client();
  EXPECT_EQ(one.ask("GET /health HTTP/1.0\r\n\r\n")->status, 200U);
  EXPECT_TRUE(one.ended());
  auto more = s.client();
  for (int i = 0; i < 2; ++i) {
    const auto a = more.ask("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ASSERT_TRUE(a);
    EXPECT_TRUE(a->has("Connection: keep-alive"));
  }
}

TEST(http_server, connection_close_is_obeyed) {
  served s;
  auto client = s.client();
  const auto a = client.ask(get("/health", "Connection: close\r\n"));
  ASSERT_TRUE(a);
  EXPECT_TRUE(a->has("Connection: close"));
  EXPECT_TRUE(client.ended());
}

TEST(http_server, a_client_that_shuts_only_its_sending_side_gets_the_answer) {
  served s{quick_options(), true};
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/health")));
  client.stop_sending();
  s.next().second->send(api::counts({}, {}));
  EXPECT_EQ(client.read()->status, 200U);
  EXPECT_TRUE(client.ended());
}

TEST(http_server, large_bodies_within_the_limits) {
  served s;
  auto client = s.client();
  const std::string ten = body_of(std::size_t{10} << 20);
  EXPECT_EQ(client.ask(post("/run", ten))->body,
            R"({"id":"job-)" + std::to_string(ten.size() - 10) + R"(","status":"IN_QUEUE"})");
  EXPECT_EQ(client.ask(post("/runsync", body_of(std::size_t{20} << 20)))->status, 200U);
}

TEST(http_server, large_answers_arrive_whole) {
  served s{quick_options(), true};
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/status/a")));
  job_view view;
  view.id = job_id{"a"};
  view.output = shared_text{'"' + std::string(std::size_t{20} << 20, 'z') + '"'};
  s.next().second->send(api::job(view));
  EXPECT_EQ(client.read()->body, api::job(view).whole_body());
}

TEST(http_server, listens_on_ipv6) {
  const int probe = ::socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  any.sin6_addr = in6addr_loopback;
  const bool there =
      probe >= 0 && ::bind(probe, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
  ::close(probe);
  if (!there) {
    GTEST_SKIP() << "this machine has no IPv6 loopback";
  }
  auto options = quick_options();
  options.listen = "[::1]:0";
  served s{options};
  ASSERT_TRUE(s.address());
  EXPECT_TRUE(s.address()->starts_with("[::1]:")) << *s.address();
  any.sin6_port = htons(s.port());
  const int fd = ::socket(AF_INET6, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  const std::string ask = get("/ping", "Connection: close\r\n");
  ASSERT_EQ(::send(fd, ask.data(), ask.size(), MSG_NOSIGNAL), static_cast<ssize_t>(ask.size()));
  char start[12];
  EXPECT_EQ(::recv(fd, start, sizeof start, MSG_WAITALL), 12);
  EXPECT_EQ(std::string_view(start, 12), "HTTP/1.1 200");
  ::close(fd);
}

TEST(http_server, a_taken_port_is_named) {
  served first;
  auto options = quick_options();
  options.listen = *first.address();
  served second{options};
  ASSERT_FALSE(second.address());
  EXPECT_EQ(second.address().error().code, errc::port_in_use);
  EXPECT_EQ(second.address().error().text, *first.address());
}

TEST(http_server, redirect_replaces_the_sink) {
  served s;
  auto client = s.client();
  EXPECT_EQ(client.ask(get("/ping"))->status, 200U);
  s.server().redirect([](api::call, reply_ptr r) { r->send(api::refuse({errc::not_ready, {}})); });
  EXPECT_EQ(client.ask(get("/ping"))->status, 503U);
}

} // namespace
} // namespace tayfa
