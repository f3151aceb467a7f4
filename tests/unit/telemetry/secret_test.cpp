#include "runtime/base/secret.hpp"

#include "runtime/telemetry/log.hpp"

#include <gtest/gtest.h>
#include <new>
#include <ostream>
#include <spdlog/fmt/fmt.h>
#include <type_traits>

namespace tayfa {
namespace {

template <class T>
concept streamable = requires(std::ostream& out, const T& v) { out << v; };

static_assert(!std::is_constructible_v<log_value, secret_text>);
static_assert(!std::is_convertible_v<secret_text, std::string_view>);
static_assert(!std::is_convertible_v<secret_text, std::string>);
static_assert(!std::is_convertible_v<std::string, secret_text>);
static_assert(!streamable<secret_text>);
static_assert(!fmt::is_formattable<secret_text>::value);

TEST(secret_text, copies_moves_and_compares) {
  secret_text a{"key-123"};
  const secret_text copy = a;
  const secret_text moved = std::move(a);
  EXPECT_TRUE(a.empty()); // NOLINT(bugprone-use-after-move): that it is empty is the promise
  EXPECT_EQ(copy.reveal(), "key-123");
  EXPECT_EQ(moved.reveal(), "key-123");
  EXPECT_TRUE(moved.matches("key-123"));
  EXPECT_FALSE(moved.matches("key-124"));
  EXPECT_FALSE(moved.matches("key-12"));
  EXPECT_FALSE(moved.matches("key-1234"));
  EXPECT_FALSE(moved.matches(""));
  EXPECT_TRUE(secret_text{}.matches(""));
}

TEST(secret_text, take_overwrites_the_source) {
  std::string source = "a secret that is longer than a small string";
  const char* const bytes = source.data();
  const std::size_t size = source.size();
  const secret_text s = secret_text::take(source);
  EXPECT_TRUE(source.empty());
  EXPECT_EQ(std::string(bytes, size), std::string(size, '\0')); // clear() keeps the buffer
  EXPECT_EQ(s.size(), size);
}

// Sees the bytes in the moment they are given back, which no reader of freed memory legally could.
std::string* freed_text = nullptr;

} // namespace
} // namespace tayfa

void operator delete[](void* p) noexcept {
  if (p != nullptr && tayfa::freed_text != nullptr) {
    tayfa::freed_text->assign(static_cast<const char*>(p), 8);
  }
  std::free(p); // NOLINT: the replaceable pair of the global operator new[]
}
void operator delete[](void* p, std::size_t) noexcept {
  ::operator delete[](p);
}
void* operator new[](std::size_t n) {
  void* const p = std::malloc(n < 8 ? 8 : n); // NOLINT
  if (p == nullptr) {
    throw std::bad_alloc{};
  }
  return p;
}

namespace tayfa {
namespace {

TEST(secret_text, its_bytes_are_zero_when_they_are_freed) {
  std::string seen = "untouched, and long enough not to allocate in the middle";
  {
    const secret_text s{"12345678"};
    freed_text = &seen;
  }
  freed_text = nullptr;
  EXPECT_EQ(seen, std::string(8, '\0'));
  secret_text assigned{"abcdefgh"};
  freed_text = &seen;
  assigned = secret_text{};
  freed_text = nullptr;
  EXPECT_EQ(seen, std::string(8, '\0'));
  EXPECT_TRUE(assigned.empty());
}

} // namespace
} // namespace tayfa
