#include "runtime/base/inbox.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <thread>
#include <utility>
#include <vector>

namespace tayfa {
namespace {

bool is_readable(int fd, int ms = 0) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, ms) == 1;
}

TEST(inbox, is_readable_while_something_waits) {
  inbox<int> box;
  EXPECT_FALSE(is_readable(box.descriptor()));
  EXPECT_TRUE(box.post(1));
  EXPECT_TRUE(box.post(2));
  EXPECT_TRUE(is_readable(box.descriptor()));
  const auto taken = box.take();
  EXPECT_EQ(std::vector<int>(taken.commands.begin(), taken.commands.end()), (std::vector{1, 2}));
  EXPECT_FALSE(taken.stopping);
  EXPECT_FALSE(is_readable(box.descriptor()));
  EXPECT_TRUE(box.take().commands.empty());
}

TEST(inbox, gives_the_last_commands_with_the_stop_and_takes_none_after_it) {
  inbox<int> box;
  box.post(1);
  box.stop();
  EXPECT_FALSE(box.post(2));
  EXPECT_TRUE(is_readable(box.descriptor()));
  const auto last = box.take();
  EXPECT_TRUE(last.stopping);
  EXPECT_EQ(last.commands.size(), 1U);
}

TEST(inbox, loses_no_command_of_many_threads) {
  inbox<std::pair<int, int>> box;
  constexpr int threads = 4;
  constexpr int each = 5'000;
  std::vector<std::thread> posters;
  for (int t = 0; t < threads; ++t) {
    posters.emplace_back([&box, t] {
      for (int i = 0; i < each; ++i) {
        box.post({t, i});
      }
    });
  }
  std::vector<int> next(threads, 0);
  int taken = 0;
  while (taken < threads * each && is_readable(box.descriptor(), 60'000)) {
    for (const auto& [t, i] : box.take().commands) {
      ASSERT_EQ(i, next[static_cast<std::size_t>(t)]++) << "in order for each thread";
      ++taken;
    }
  }
  for (auto& one : posters) {
    one.join();
  }
  EXPECT_EQ(taken, threads * each);
}

} // namespace
} // namespace tayfa
