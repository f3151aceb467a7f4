// Heads that see each other's jobs and call each other through the database.
#include "tests/unit/store/pg/cut_proxy.hpp"
#include "tests/unit/store/pg/support.hpp"

#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tayfa::store::testing {
namespace {

using namespace std::chrono_literals;

struct pg_exchange_test : with_server {
  std::unique_ptr<postgres_store> head(const std::string& name) {
    auto out = start(process(name));
    EXPECT_TRUE(calls{*out}.open());
    return out;
  }
  template <class Key>
  static result<std::optional<found_job>> find(postgres_store& by, const Key& key) {
    std::promise<result<std::optional<found_job>>> answer;
    by.find(key, [&](auto found) { answer.set_value(std::move(found)); });
    return answer.get_future().get();
  }
  static std::future<result<std::string>> call(postgres_store& by, std::int64_t head,
                                               std::string body,
                                               std::chrono::milliseconds longest = 20s) {
    auto answer = std::make_shared<std::promise<result<std::string>>>();
    auto out = answer->get_future();
    by.call(head, std::move(body), longest,
            [answer](auto how) { answer->set_value(std::move(how)); });
    return out;
  }
  std::string rows() const { return query("SELECT count(*) FROM calls"); }
};

TEST_F(pg_exchange_test, a_job_of_another_head_is_found_by_its_id_and_by_its_key) {
  auto one = head("one");
  auto two = head("two");
  auto row = new_row(1);
  row.request.policy.idempotency_key = "key";
  ASSERT_TRUE(calls{*one}.commit({accept(completed(row, "[1]"))}));
  const auto found = find(*two, row.id);
  ASSERT_TRUE(found && *found) << (found ? "nothing" : found.error().str());
  EXPECT_EQ((*found)->owner.name, "one");
  EXPECT_EQ((*found)->owner.number, 1);
  EXPECT_TRUE((*found)->owner.lives);
  EXPECT_FALSE((*found)->owner.is_here);
  EXPECT_EQ((*found)->row.output.view(), "[1]");
  const auto& r = row.request;
  const auto by_key = find(*two, job_key{r.endpoint, r.policy.tenant, "key"});
  ASSERT_TRUE(by_key && *by_key);
  EXPECT_EQ((*by_key)->row.id, row.id);
  EXPECT_TRUE(find(*one, row.id).value()->owner.is_here);
  EXPECT_FALSE(*find(*two, job_id{"nowhere"}));
  EXPECT_FALSE(*find(*two, job_key{r.endpoint, "other", "key"}));
  query("UPDATE heads SET lease_until = now() - interval '1 second' WHERE name = 'one'");
  EXPECT_FALSE(find(*two, row.id).value()->owner.lives);
}

TEST_F(pg_exchange_test, many_questions_share_a_round) {
  auto one = head("one");
  auto two = head("two");
  batch jobs;
  for (std::uint64_t i = 1; i <= 300; ++i) {
    jobs.emplace_back(accept(new_row(i)));
  }
  ASSERT_TRUE(calls{*one}.commit(std::move(jobs)));
  std::atomic<int> right = 0;
  std::promise<void> all;
  std::atomic<int> left = 300;
  for (std::uint64_t i = 1; i <= 300; ++i) {
    two->find(new_row(i).id, [&, i](auto found) {
      right += found && *found && (*found)->row.order == i ? 1 : 0;
      if (--left == 0) {
        all.set_value();
      }
    });
  }
  all.get_future().get();
  EXPECT_EQ(right, 300) << "each question has its own answer";
}

TEST_F(pg_exchange_test, a_call_is_served_once_and_answered) {
  auto one = head("one");
  auto two = head("two");
  std::atomic<int> served = 0;
  one->serve([&](head_call each) {
    ++served;
    each.answer("answer to " + each.body);
    each.answer("another");
  });
  const auto answer = call(*two, 1, "question").get();
  ASSERT_TRUE(answer) << answer.error().str();
  EXPECT_EQ(*answer, "answer to question");
  EXPECT_EQ(served, 1);
  EXPECT_EQ(rows(), "0") << "nothing of it stays";
  std::vector<std::future<result<std::string>>> many;
  for (int i = 0; i < 600; ++i) { // more than a round takes
    many.push_back(call(*two, 1, std::to_string(i)));
  }
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(many[static_cast<std::size_t>(i)].get().value(), "answer to " + std::to_string(i));
  }
  EXPECT_EQ(served, 601);
}

TEST_F(pg_exchange_test, a_dead_head_is_not_called_and_one_that_dies_is_found) {
  auto one = head("one");
  auto two = head("two");
  auto pending = call(*two, 1, "nobody serves");
  query("SELECT 1"); // it is on its way, or about to be
  query("UPDATE heads SET lease_until = now() - interval '1 second' WHERE name = 'one'");
  const auto died = pending.get();
  ASSERT_FALSE(died);
  EXPECT_EQ(died.error().code, errc::unavailable);
  const auto dead = call(*two, 1, "late").get();
  ASSERT_FALSE(dead);
  EXPECT_NE(dead.error().text.find("died"), std::string::npos) << dead.error().text;
}

TEST_F(pg_exchange_test, a_silent_head_is_waited_for_no_longer_than_was_said) {
  auto one = head("one");
  auto two = head("two");
  const auto began = time.now();
  const auto answer = call(*two, 1, "nobody serves", 300ms).get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, errc::unavailable);
  EXPECT_GE(time.now() - began, 300ms);
  // A later server does not get what its caller has given up.
  std::atomic<int> served = 0;
  one->serve([&](const head_call& each) {
    ++served;
    each.answer("");
  });
  EXPECT_TRUE(call(*two, 1, "now").get());
  EXPECT_EQ(served, 1);
}

TEST_F(pg_exchange_test, a_process_that_is_not_the_head_any_more_serves_nothing) {
  auto options = process("one");
  options.head.lease = std::chrono::hours{1}; // it does not look for itself in this test
  auto old = start(options);
  ASSERT_TRUE(calls{*old}.open());
  std::atomic<int> served = 0;
  old->serve([&](const head_call&) { ++served; });
  query("UPDATE heads SET epoch = epoch + 1, holder = 'another', lease_until = now() + interval "
        "'1 hour'");
  auto two = head("two");
  EXPECT_FALSE(call(*two, 1, "stop", 1'500ms).get());
  EXPECT_EQ(served, 0) << "it was woken and has looked";
}

TEST_F(pg_exchange_test, other_heads_that_live_are_listed) {
  auto one = head("one");
  auto two = head("two");
  auto three = head("three");
  query("UPDATE heads SET lease_until = now() - interval '1 second' WHERE name = 'three'");
  std::promise<result<std::vector<head_view>>> answer;
  two->others([&](auto list) { answer.set_value(std::move(list)); });
  const auto list = answer.get_future().get();
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 1U);
  EXPECT_EQ(list->front().name, "one");
}

/// The connection is cut at every message: what was not sent is sent again and is the same call. An
/// answer that was lost on its way is one that its caller waits for in vain.
TEST_F(pg_exchange_test, a_cut_connection_makes_no_call_twice) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  auto one = head("one");
  std::mutex mutex;
  std::multiset<std::string> served;
  one->serve([&](const head_call& each) {
    const std::lock_guard guard{mutex};
    served.insert(each.body);
    each.answer(each.body);
  });
  ASSERT_TRUE(calls{*one}.commit({accept(new_row(1))}));
  auto options = process("two");
  options.url = server().url(proxy.folder());
  options.patience = 10s;
  auto two = start(options);
  ASSERT_TRUE(calls{*two}.open());
  for (const auto way : {cut_proxy::way::to_server, cut_proxy::way::to_client}) {
    for (std::uint64_t nth = 1; nth <= 10; ++nth) {
      const auto text = std::to_string(static_cast<int>(way)) + " " + std::to_string(nth);
      proxy.cut_before(way, nth);
      const auto answer = call(*two, 1, text, 3s).get();
      const auto found = find(*two, new_row(1).id);
      EXPECT_TRUE(found && *found) << text << " " << (found ? "nothing" : found.error().str());
      if (way == cut_proxy::way::to_server) {
        EXPECT_TRUE(answer) << text << " " << answer.error().str();
      } else if (!answer) {
        EXPECT_EQ(answer.error().code, errc::unavailable);
      }
      const std::lock_guard guard{mutex};
      EXPECT_LE(served.count(text), 1U) << text;
    }
  }
}

TEST_F(pg_exchange_test, an_away_database_refuses_questions_in_time) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  auto options = process("one");
  options.url = server().url(proxy.folder());
  options.patience = 300ms;
  auto one = start(options);
  ASSERT_TRUE(calls{*one}.open());
  proxy.refuse(true);
  const auto found = find(*one, job_id{"any"});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, errc::unavailable);
}

} // namespace
} // namespace tayfa::store::testing
