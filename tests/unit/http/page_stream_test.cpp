// Bodies that are made page by page: by request of their reader, and what the server says when it
// ends one early. Also the form that errors have on OpenAI's routes.
#include "runtime/http/page_stream.hpp"

#include "tests/unit/http/served.hpp"

#include <atomic>

namespace tayfa {
namespace {

using namespace test;

struct paged {
  std::shared_ptr<page_inlet> inlet = std::make_shared<page_inlet>();
  std::shared_ptr<std::atomic<int>> wants = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<std::promise<void>> gone = std::make_shared<std::promise<void>>();

  std::shared_ptr<page_stream> body() {
    return std::make_shared<page_stream>(
        inlet, page_stream::callbacks{[w = wants] { ++*w; }, [g = gone] { g->set_value(); }},
        "data: broken\n\n");
  }
  api::response answer() {
    api::response r;
    r.content_type = "text/event-stream";
    r.stream = body();
    return r;
  }
  bool let_go() { return gone->get_future().wait_for(10s) == std::future_status::ready; }
};

TEST(page_stream, asks_for_a_page_when_the_last_one_is_taken_and_once) {
  paged p;
  auto body = p.body();
  EXPECT_EQ(body->next(10).text, "");
  EXPECT_EQ(*p.wants, 1);
  EXPECT_EQ(body->next(10).text, "");
  EXPECT_EQ(*p.wants, 1) << "it has asked already";
  std::atomic<int> woken{0};
  body->on_more([&woken] { ++woken; });
  p.inlet->put("0123456789abc", {}, false);
  EXPECT_EQ(woken, 1);
  EXPECT_EQ(body->next(10).text, "0123456789");
  EXPECT_EQ(body->next(10).text, "abc");
  EXPECT_EQ(*p.wants, 1) << "the last of it has not left yet";
  EXPECT_EQ(body->next(10).text, "");
  EXPECT_EQ(*p.wants, 2);
  p.inlet->put("end", {}, true);
  const auto last = body->next(10);
  EXPECT_EQ(last.text, "end");
  EXPECT_TRUE(last.ended);
  p.inlet->put("late", {}, false);
  EXPECT_EQ(body->next(10).text, "");
  EXPECT_EQ(*p.wants, 2);
}

TEST(page_stream, holds_its_place_until_the_page_is_taken) {
  byte_budget budget{1000};
  paged p;
  auto body = p.body();
  p.inlet->put(std::string(600, 'x'), budget.take(600), false);
  EXPECT_EQ(budget.used(), 600U);
  (void)body->next(500);
  EXPECT_EQ(budget.used(), 600U);
  (void)body->next(500);
  EXPECT_EQ(budget.used(), 0U);
  p.inlet->put("y", budget.take(700), false);
  body.reset();
  EXPECT_EQ(budget.used(), 0U) << "no client reads it any more";
  EXPECT_TRUE(p.let_go());
  p.inlet->put("z", budget.take(700), false);
  EXPECT_EQ(budget.used(), 0U);
}

TEST(page_stream, says_why_it_is_cut_short_behind_what_was_begun) {
  paged p;
  auto body = p.body();
  p.inlet->put("data: 1\n\n", {}, false);
  EXPECT_EQ(body->next(4).text, "data");
  EXPECT_EQ(body->cut_short(), ": 1\n\ndata: broken\n\n");
  paged q;
  auto whole = q.body();
  q.inlet->put("data: 1\n\n", {}, true);
  EXPECT_EQ(whole->cut_short(), "data: 1\n\n") << "all of it was there";
}

TEST(page_stream, differs_from_its_end_when_the_server_closes) {
  served s{quick_options(), true};
  paged p;
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/events")));
  p.inlet->put("data: 1\n\n", {}, false);
  s.next().second->send(p.answer());
  ASSERT_TRUE(client.read());
  ASSERT_TRUE(client.until("data: 1\n\n\r\n"));
  auto closed = std::async(std::launch::async, [&s] { return s.close(); });
  const auto rest = client.to_the_end();
  ASSERT_TRUE(rest);
  EXPECT_EQ(*rest, "e\r\ndata: broken\n\n\r\n0\r\n\r\n");
  client.drop();
  EXPECT_TRUE(closed.get());
  EXPECT_TRUE(p.let_go());
}

TEST(page_stream, has_gone_when_its_client_has) {
  served s{quick_options(), true};
  paged p;
  auto client = s.client();
  ASSERT_TRUE(client.send(get("/events")));
  s.next().second->send(p.answer());
  ASSERT_TRUE(client.read());
  client.reset();
  EXPECT_TRUE(p.let_go());
}

// ---- errors on OpenAI's routes -----------------------------------------------------------------

TEST(openai_refusals, have_openais_form_wherever_they_come_from) {
  auto options = quick_options();
  options.api.runsync_body_bytes = 1000;
  served s{options, true};
  const std::string route = "/v2/tayfa/openai/v1/completions";
  const std::vector<std::pair<std::string, unsigned>> rows{
      {post(route, "{"), 400},
      {post(route, "[]"), 400},
      {post(route, std::string(2000, 'x')), 413},
      {post(route + "/..", "{}"), 404},
      {post("/v2/stranger/openai/v1/completions", "{}"), 404},
      {"DELETE " + route + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
      {"POST " + route +
           " HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: br\r\n"
           "Content-Length: 2\r\n\r\n{}",
       415},
      {"POST http://localhost" + route +
           " HTTP/1.1\r\nHost: localhost\r\n"
           "Content-Length: 1\r\n\r\n{",
       400},
      {"POST " + route + " HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}", 421},
  };
  for (const auto& [bytes, status] : rows) {
    auto client = s.client();
    ASSERT_TRUE(client.send(bytes));
    const auto answer = client.read();
    ASSERT_TRUE(answer) << bytes;
    EXPECT_EQ(answer->status, status) << bytes;
    EXPECT_TRUE(answer->body.starts_with(R"({"error":{"message":")")) << answer->body;
    EXPECT_NE(answer->body.find(R"("param":null,"code":")"), std::string::npos) << answer->body;
  }
  auto client = s.client();
  ASSERT_TRUE(client.send(post(route, "{}")));
  s.next().second.reset(); // dropped: answered by itself
  EXPECT_EQ(client.read()->status, 503U);
  ASSERT_TRUE(client.send(post(route, "{}") + get("/nothing")));
  s.next().second->send(api::refuse({errc::queue_full, {}}));
  const auto full = client.read();
  ASSERT_TRUE(full);
  EXPECT_TRUE(full->has("Retry-After: 1"));
  EXPECT_TRUE(full->body.starts_with(R"({"error":{"message":)"));
  const auto other = client.read(); // the next request of the connection is not of that kind
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->body.starts_with(R"({"error":{"code":"not_found")")) << other->body;
}

} // namespace
} // namespace tayfa
