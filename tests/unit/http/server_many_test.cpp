// Many clients that wait for their answers at the same time.
#include "tests/unit/http/served.hpp"

#include <algorithm>
#include <filesystem>
#include <random>
#include <sys/resource.h>

namespace tayfa {
namespace {

using namespace test;

std::size_t threads_now() {
  const auto all = std::filesystem::directory_iterator{"/proc/self/task"};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// Both ends of every connection are in this process.
bool allow_descriptors(rlim_t count) {
  rlimit now{};
  ::getrlimit(RLIMIT_NOFILE, &now);
  now.rlim_cur = std::max(now.rlim_cur, std::min(count, now.rlim_max));
  return ::setrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur >= count;
}

TEST(http_many, five_hundred_wait_and_are_answered_in_any_order) {
  constexpr std::size_t count = 500;
  ASSERT_TRUE(allow_descriptors(2 * count + 100));
  served s{quick_options(), true};
  std::vector<raw_client> clients;
  clients.reserve(count);
  std::vector<std::pair<std::size_t, reply_ptr>> waiting; // whose, by the job's number
  const std::size_t threads = threads_now();
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(s.client());
    ASSERT_TRUE(clients.back().send(get("/status/job-" + std::to_string(i))));
    auto [call, reply] = s.next();
    const std::string id = std::get<api::status>(call).ask.id.str();
    waiting.emplace_back(std::stoul(id.substr(id.find('-') + 1)), std::move(reply));
  }
  EXPECT_EQ(threads_now(), threads);
  std::shuffle(waiting.begin(), waiting.end(), std::mt19937{7});
  for (auto& [number, reply] : waiting) {
    job_view view;
    view.id = job_id{"job-" + std::to_string(number)};
    reply->send(api::job(view));
    const auto got = clients[number].read();
    ASSERT_TRUE(got);
    EXPECT_NE(got->body.find('"' + view.id.str() + '"'), std::string::npos) << got->body;
  }
}

TEST(http_many, a_client_that_leaves_among_many_is_identified) {
  constexpr std::size_t count = 100;
  served s{quick_options(), true};
  std::vector<raw_client> clients;
  std::vector<reply_ptr> replies;
  std::vector<std::promise<void>> gone(count);
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(s.client());
    clients.back().send(get("/ping"));
    replies.push_back(s.next().second);
    replies.back()->when_gone([&gone, i] { gone[i].set_value(); });
  }
  for (std::size_t i = 0; i < count; i += 2) {
    clients[i].drop();
    EXPECT_EQ(gone[i].get_future().wait_for(10s), std::future_status::ready) << i;
  }
  for (std::size_t i = 1; i < count; i += 2) {
    replies[i]->send(api::pinged(true));
    EXPECT_EQ(clients[i].read()->status, 200U);
    EXPECT_EQ(gone[i].get_future().wait_for(0s), std::future_status::timeout);
  }
}

} // namespace
} // namespace tayfa
