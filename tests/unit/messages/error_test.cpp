#include "messages/error.hpp"

#include <gtest/gtest.h>
#include <map>
#include <set>

namespace tayfa {
namespace {

struct row {
  errc code;
  std::uint16_t number;
  unsigned status;
  std::string_view name;
  std::string_view text;
};
constexpr row rows[] = {
#define TAYFA_X(code, number, status, text) {errc::code, number, status, #code, text},
    TAYFA_ERRORS(TAYFA_X)
#undef TAYFA_X
};

TEST(errors, numbers_and_names_are_unique) {
  std::set<std::uint16_t> numbers;
  std::set<std::string_view> names;
  std::set<std::string_view> texts;
  for (const auto& r : rows) {
    EXPECT_TRUE(numbers.insert(r.number).second) << r.name;
    EXPECT_TRUE(names.insert(r.name).second) << r.name;
    EXPECT_TRUE(texts.insert(r.text).second) << r.name;
    EXPECT_NE(r.number, 0) << "0 is what an unset field of a frame holds";
  }
}

TEST(errors, numbers_are_stable) {
  // Numbers are on the wire, in logs and in stored results: they never change their meaning.
  EXPECT_EQ(static_cast<int>(errc::bad_request), 1);
  EXPECT_EQ(static_cast<int>(errc::queue_full), 20);
  EXPECT_EQ(static_cast<int>(errc::stopping), 23);
  EXPECT_EQ(static_cast<int>(errc::job_failed), 40);
  EXPECT_EQ(static_cast<int>(errc::engine_crash), 41);
  EXPECT_EQ(static_cast<int>(errc::max_attempts), 46);
  EXPECT_EQ(static_cast<int>(errc::execution_timeout), 47);
  EXPECT_EQ(static_cast<int>(errc::cancelled), 49);
  EXPECT_EQ(static_cast<int>(errc::bad_config), 60);
  EXPECT_EQ(static_cast<int>(errc::bad_frame), 69);
  EXPECT_EQ(static_cast<int>(errc::internal), 71);
}

TEST(errors, every_row_reads_back) {
  for (const auto& r : rows) {
    EXPECT_EQ(to_string(r.code), r.name);
    EXPECT_EQ(describe(r.code), r.text);
    EXPECT_EQ(http_status(r.code), r.status);
    EXPECT_EQ(errc_from(r.number), r.code);
  }
}

TEST(errors, every_number_of_the_wire_is_a_row_or_nothing) {
  std::size_t known = 0;
  for (unsigned n = 0; n <= 0xffff; ++n) {
    if (const auto code = errc_from(static_cast<std::uint16_t>(n))) {
      EXPECT_EQ(static_cast<unsigned>(*code), n);
      ++known;
    }
  }
  EXPECT_EQ(known, std::size(rows));
}

TEST(errors, statuses_are_ones_that_a_client_understands) {
  const std::set<unsigned> legal = {200, 400, 401, 403, 404, 405, 408, 409, 413, 414,
                                    415, 421, 422, 429, 431, 500, 501, 503, 505};
  for (const auto& r : rows) {
    EXPECT_TRUE(legal.contains(r.status)) << r.name;
  }
  EXPECT_EQ(http_status(static_cast<errc>(9999)), 500u);
  EXPECT_EQ(to_string(static_cast<errc>(9999)), "unknown");
}

TEST(errors, texts_are_one_plain_sentence) {
  for (const auto& r : rows) {
    EXPECT_FALSE(r.text.empty()) << r.name;
    EXPECT_EQ(r.text.find('\n'), std::string_view::npos) << r.name;
    EXPECT_NE(r.text.back(), '.') << r.name << ": detail follows it after a colon";
  }
}

TEST(errors, an_error_says_code_sentence_and_detail) {
  EXPECT_EQ((error{errc::queue_full, "1000 jobs wait"}.str()),
            "queue_full: the queue is full: 1000 jobs wait");
  EXPECT_EQ((error{errc::queue_full, {}}.str()), "queue_full: the queue is full");
  const result<int> refused = fail(errc::not_ready, "loading");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), (error{errc::not_ready, "loading"}));
}

} // namespace
} // namespace tayfa
