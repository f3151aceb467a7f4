// One owner per descriptor, and an eventfd that wakes a poll.
#include "runtime/base/wakeup.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <utility>

namespace tayfa {
namespace {

int open_null() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}
bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}
bool is_readable(const unique_fd& fd) {
  pollfd one{fd.get(), POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

TEST(unique_fd, closes_what_it_owns_once) {
  const int raw = open_null();
  ASSERT_GE(raw, 0);
  {
    const unique_fd owner{raw};
    EXPECT_TRUE(owner);
    EXPECT_EQ(owner.get(), raw);
  }
  EXPECT_FALSE(is_open(raw));
}

TEST(unique_fd, none_is_false_and_closes_nothing) {
  unique_fd none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.get(), -1);
  EXPECT_FALSE(unique_fd{-1});
}

TEST(unique_fd, a_move_leaves_none_behind) {
  const int raw = open_null();
  unique_fd first{raw};
  unique_fd second{std::move(first)};
  EXPECT_FALSE(first);
  EXPECT_EQ(second.get(), raw);
  const int other = open_null();
  unique_fd third{other};
  third = std::move(second);
  EXPECT_EQ(third.get(), raw);
  EXPECT_FALSE(second);
  EXPECT_FALSE(is_open(other)) << "what it had is closed";
  EXPECT_TRUE(is_open(raw));
}

TEST(unique_fd, reset_closes_and_takes_another) {
  const int raw = open_null();
  unique_fd owner{raw};
  const int other = open_null();
  owner.reset(other);
  EXPECT_FALSE(is_open(raw));
  EXPECT_EQ(owner.get(), other);
  owner.reset();
  EXPECT_FALSE(is_open(other));
  EXPECT_FALSE(owner);
}

TEST(wakeup, is_readable_until_it_is_settled_however_often_it_was_woken) {
  const unique_fd wakeup = make_wakeup();
  EXPECT_FALSE(is_readable(wakeup));
  wake_up(wakeup);
  wake_up(wakeup);
  EXPECT_TRUE(is_readable(wakeup));
  settle_down(wakeup);
  EXPECT_FALSE(is_readable(wakeup));
  settle_down(wakeup); // does not wait for a wake-up that is not there
  EXPECT_NE(::fcntl(wakeup.get(), F_GETFD) & FD_CLOEXEC, 0);
}

} // namespace
} // namespace tayfa
