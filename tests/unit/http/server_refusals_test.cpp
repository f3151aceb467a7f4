// Refused requests with their status; bytes after an ambiguous request are never served.
#include "tests/unit/http/served.hpp"

namespace tayfa {
namespace {

using namespace test;

const std::string run =
    "POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const std::string body = R"({"input":1})";
const std::string chunked = "b\r\n" + body + "\r\n0\r\n\r\n";

struct row {
  std::string name, bytes;
  unsigned status;
};

/// Each row on a connection of its own. Behind the refused bytes waits a request that a confused
/// server would serve.
void check_refused(const std::vector<row>& rows) {
  served s;
  for (const auto& r : rows) {
    auto client = s.client();
    client.send(r.bytes + get("/status/smuggled"));
    const auto a = client.read();
    ASSERT_TRUE(a) << r.name;
    EXPECT_EQ(a->status, r.status) << r.name << ": " << a->body;
    EXPECT_TRUE(a->has("Connection: close") || a->has("HTTP/1.0")) << r.name;
    EXPECT_TRUE(a->body.starts_with(R"({"error":{"code":")")) << r.name;
    EXPECT_TRUE(client.ended()) << r.name;
  }
}

TEST(http_refusals, doubtful_lengths) {
  check_refused({

      {"CL and TE", run + "Content-Length: 11\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
       400},
      {"TE and CL", run + "Transfer-Encoding: chunked\r\nContent-Length: 11\r\n\r\n" + chunked,
       400},
      {"two CL that differ", run + "Content-Length: 11\r\nContent-Length: 12\r\n\r\n" + body, 400},
      {"two CL that agree", run + "Content-Length: 11\r\nContent-Length: 11\r\n\r\n" + body, 400},
      {"CL list", run + "Content-Length: 11, 11\r\n\r\n" + body, 400},
      {"CL with sign", run + "Content-Length: +11\r\n\r\n" + body, 400},
      {"CL negative", run + "Content-Length: -11\r\n\r\n" + body, 400},
      {"CL hex", run + "Content-Length: 0xb\r\n\r\n" + body, 400},
      {"CL empty", run + "Content-Length: \r\n\r\n" + body, 400},
      {"CL overflow", run + "Content-Length: 18446744073709551627\r\n\r\n" + body, 400},
      {"TE gzip", run + "Transfer-Encoding: gzip\r\n\r\n" + body, 400},
      {"TE gzip, chunked", run + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked, 501},
      {"TE chunked, chunked", run + "Transfer-Encoding: chunked, chunked\r\n\r\n" + chunked, 400},
      {"TE twice",
       run + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked, 400},
      {"TE identity", run + "Transfer-Encoding: identity\r\n\r\n" + body, 400},
      {"TE xchunked", run + "Transfer-Encoding: xchunked\r\n\r\n" + chunked, 400},
      {"TE vertical tab",
       run +
           "Transfer-Encoding: \x0b"
           "chunked\r\n\r\n" +
           chunked,
       400},
      {"TE folded", run + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunked, 400},
      {"TE with HTTP/1.0", "POST /run HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
       400},
  });
}

TEST(http_refusals, malformed_heads_and_what_is_not_taken) {
  check_refused({
      {"space before colon", run + "Content-Length : 11\r\n\r\n" + body, 400},
      {"obs-fold", run + "X: a\r\n b\r\nContent-Length: 11\r\n\r\n" + body, 400},
      {"bare LF in head", "POST /run HTTP/1.1\nHost: t\nContent-Length: 11\n\n" + body, 400},
      {"bare LF in a field", run + "X: a\nContent-Length: 11\r\n\r\n" + body, 400},
      {"bare CR in a field", run + "X: a\rY: b\r\nContent-Length: 11\r\n\r\n" + body, 400},
      {"NUL in a field",
       run + "X: a" + std::string(1, '\0') + "\r\nContent-Length: 11\r\n\r\n" + body, 400},
      {"no Host", "GET /health HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"HTTP/2.0", "GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n", 505},
      {"no host in Host", "GET /health HTTP/1.1\r\nHost: local host\r\n\r\n", 400},
      {"a user in Host", "GET /health HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 400},
      {"HTTP/0.9", "GET /health\r\n\r\n", 400},
      {"not HTTP", "\x16\x03\x01\x02\r\n\r\n", 400},
      {"two spaces", "GET  /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"strange Expect", run + "Expect: 200-ok\r\nContent-Length: 11\r\n\r\n" + body, 400},
      {"gzip body", run + "Content-Encoding: gzip\r\nContent-Length: 11\r\n\r\n" + body, 415},
      {"untyped body of a web page",
       "POST /run HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\nContent-Length: "
       "11\r\n\r\n" +
           body,
       415},
      {"two keys",
       run + "Idempotency-Key: a\r\nIdempotency-Key: a\r\nContent-Length: 11\r\n\r\n" + body, 400},
      {"empty key", run + "Idempotency-Key:\r\nContent-Length: 11\r\n\r\n" + body, 400},
      {"two last events",
       "GET /events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1\r\nLast-Event-ID: 1\r\n\r\n",
       400},
  });
}

TEST(http_refusals, a_strangers_page_may_not_order_what_needs_no_body) {
  const auto order = [](const std::string& route, const std::string& fields) {
    return "POST " + route + " HTTP/1.1\r\nHost: localhost\r\n" + fields +
           "Content-Length: 0\r\n\r\n";
  };
  const std::string page = "Origin: http://localhost:3000\r\n"; // of another port
  for (const std::string route : {"/purge-queue", "/slots/count/0", "/slots/0/drain", "/drop/a"}) {
    check_refused({
        {"no type", order(route, page), 415},
        {"no origin said", order(route, "Sec-Fetch-Mode: no-cors\r\n"), 415},
        {"a type that needs no permission", order(route, page + "Content-Type: text/plain\r\n"),
         415},
        {"a form", order(route, page + "Content-Type: application/x-www-form-urlencoded\r\n"), 415},
    });
    served s;
    auto client = s.client();
    EXPECT_EQ(client.ask(order(route, ""))->status, 200U) << route; // a program
    EXPECT_EQ(client.ask(order(route, page + "Content-Type: application/json\r\n"))->status, 200U)
        << route; // a page that was allowed to
  }
}

TEST(http_refusals, the_headers_that_count_are_handed_on) {
  served s{quick_options(), true};
  auto client = s.client();
  ASSERT_TRUE(client.send(post("/run", R"({"input":1})", "idempotency-key: \"k 1\"\r\n")));
  auto [call, reply] = s.next();
  EXPECT_EQ(std::get<api::submit>(call).job.policy.idempotency_key, "k 1");
  reply->send(api::accepted(job_id{"a"}));
  EXPECT_EQ(client.read()->status, 200U);
  EXPECT_EQ(client
                .ask(post("/run", R"({"input":1,"policy":{"idempotencyKey":"a"}})",
                          "Idempotency-Key: b\r\n"))
                ->status,
            400U);
  ASSERT_TRUE(client.send(get("/events?after=1", "Last-Event-ID: 7\r\n")));
  EXPECT_EQ(std::get<api::events>(s.next().first).after, 7U);
}

TEST(http_refusals, malformed_chunks_and_sizes) {
  check_refused({
      {"negative chunk", run + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 400},
      {"chunk size is no number", run + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400},
      {"chunk size with 0x",
       run + "Transfer-Encoding: chunked\r\n\r\n0xb\r\n" + body + "\r\n0\r\n\r\n", 400},
      {"chunk size overflow",
       run + "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\n" + body, 400},
      {"chunk without its CRLF",
       run + "Transfer-Encoding: chunked\r\n\r\nb\r\n" + body + "XX0\r\n\r\n", 400},
      {"chunk size ends in LF",
       run + "Transfer-Encoding: chunked\r\n\r\nb\n" + body + "\r\n0\r\n\r\n", 400},
      {"length in a trailer",
       run + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", 400},
      {"endless chunk extension",
       run + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(70'000, 'a'), 400},
      {"a body where none belongs",
       "GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 413},
      {"too long a request line",
       "GET /" + std::string(29'000, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414},
      {"too long a head", run + "X: " + std::string(33'000, 'a') + "\r\n\r\n", 431},
      {"a body for an unknown route",
       "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 404},
  });
}

TEST(http_refusals, a_hundred_and_one_fields) {
  served s;
  std::string text = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 100; ++i) {
    text += "X: y\r\n";
  }
  EXPECT_EQ(s.client().ask(text + "\r\n")->status, 431U);
}

TEST(http_refusals, a_malformed_request_behind_a_good_one) {
  served s;
  auto client = s.client();
  ASSERT_TRUE(client.send("HEAD /ping HTTP/1.1\r\nHost: localhost\r\n\r\nGET /x y\r\n\r\n"));
  EXPECT_EQ(client.read(true)->status, 200U);
  const auto a = client.read();
  EXPECT_EQ(a->status, 400U);
  EXPECT_NE(a->body, "");
  EXPECT_TRUE(client.ended());
}

TEST(http_refusals, body_over_the_limit_is_refused_before_it_is_sent) {
  served s;
  auto client = s.client();
  const std::string head = "POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                           "application/json\r\nExpect: 100-continue\r\n"
                           "Content-Length: 11534336\r\n\r\n";
  const auto a = client.ask(head);
  ASSERT_TRUE(a);
  EXPECT_EQ(a->status, 413U); // and not 100
  EXPECT_TRUE(a->has("Connection: close"));
}

TEST(http_refusals, a_client_that_sends_eleven_megabytes_anyway_can_read_why_not) {
  served s;
  auto client = s.client();
  ASSERT_TRUE(client.send(post("/run", body_of(std::size_t{11} << 20))));
  const auto a = client.read();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->status, 413U);
  EXPECT_NE(a->body.find("payload_too_large"), std::string::npos);
}

TEST(http_refusals, a_chunked_body_over_the_limit) {
  served s;
  auto client = s.client();
  ASSERT_TRUE(
      client.send("POST /run HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"));
  const std::string piece = "100000\r\n" + std::string(std::size_t{1} << 20, ' ') + "\r\n";
  for (int i = 0; i < 11; ++i) {
    client.send(piece);
  }
  EXPECT_EQ(client.read()->status, 413U);
}

TEST(http_refusals, bodies_in_arrival_are_bounded_together) {
  auto options = quick_options();
  options.receiving_bytes_max = 1'000;
  served s{options};
  auto slow = s.client();
  auto other = s.client();
  const std::string text = post("/run", body_of(900));
  ASSERT_TRUE(slow.send(std::string_view{text}.substr(0, text.size() - 1)));
  // The first head is known to be read when its 100 bytes of room no longer fit a second body.
  std::optional<answer> refused;
  do {
    refused = other.ask(post("/run", body_of(101)));
    ASSERT_TRUE(refused);
  } while (refused->status == 200U);
  EXPECT_EQ(refused->status, 503U);
  EXPECT_TRUE(refused->has("Retry-After: 1"));
  EXPECT_EQ(slow.ask(text.substr(text.size() - 1))->status, 200U);
  EXPECT_EQ(s.client().ask(post("/run", body_of(900)))->status, 200U); // the room is free again
}

} // namespace
} // namespace tayfa
