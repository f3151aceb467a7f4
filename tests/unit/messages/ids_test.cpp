#include "messages/ids.hpp"

#include <gtest/gtest.h>

namespace tayfa {
namespace {

TEST(job_id, parse_takes_what_the_rule_allows_and_nothing_else) {
  struct row {
    std::string text;
    bool valid;
  };
  const row rows[] = {
      {"a", true},
      {"sync-0f3b9c1e-3a52-4c7e-9d1f-0a1b2c3d4e5f-u1", true},
      {"0f3b9c1e-3a52-4c7e-9d1f-0a1b2c3d4e5f-t1", true},
      {"A_b.C-9", true},
      {"..", true}, // ids are never paths: nothing is stored under their name
      {std::string(128, 'x'), true},
      {std::string(129, 'x'), false},
      {std::string(100'000, 'x'), false},
      {"", false},
      {" ", false},
      {"a b", false},
      {"a/b", false},
      {"a\\b", false},
      {"a%2fb", false},
      {"a\nb", false},
      {std::string("a\0b", 3), false},
      {"\xc3\xa9", false},
      {"a\"b", false},
      {"a'b", false},
      {"a:b", false},
      {"a\x7f", false},
      {"a\xff", false},
  };
  for (const auto& [text, valid] : rows) {
    const auto id = job_id::parse(text);
    EXPECT_EQ(id.has_value(), valid) << text;
    if (id) {
      EXPECT_EQ(id->str(), text);
    }
  }
}

TEST(job_id, parse_decides_by_every_single_character) {
  const std::string allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  for (int c = 0; c < 256; ++c) {
    const std::string text{'x', static_cast<char>(c)};
    EXPECT_EQ(job_id::parse(text).has_value(), allowed.find(text[1]) != std::string::npos) << c;
  }
}

TEST(ids, are_ordered_and_readable) {
  const worker_ref w{slot_id{3}, 12};
  const attempt_ref a{job_id{"job"}, 2};
  EXPECT_EQ(to_string(w), "3#12");
  EXPECT_EQ(to_string(a), "job#2");
  EXPECT_LT(w, (worker_ref{slot_id{3}, 13}));
  EXPECT_LT((worker_ref{slot_id{2}, 99}), w);
  EXPECT_LT(a, (attempt_ref{job_id{"job"}, 3}));
  EXPECT_TRUE(job_id{}.empty());
  EXPECT_EQ(std::hash<job_id>{}(job_id{"a"}), std::hash<job_id>{}(job_id{"a"}));
}

TEST(ids, the_slots_of_two_nodes_are_different_places) {
  const worker_ref here{slot_id{3}, 7};
  const worker_ref far{slot_id{3}, 7, pull_node};
  EXPECT_NE(here, far);
  EXPECT_NE(here.place(), far.place());
  EXPECT_EQ(here.place(), worker_place{slot_id{3}});
  EXPECT_LT(here, far);
  EXPECT_LT((worker_ref{slot_id{9}, 9}), far) << "by node first";
  EXPECT_EQ(to_string(far), "1/3#7");
  EXPECT_EQ(default_name(here.place()), "slot-3");
  EXPECT_EQ(default_name(far.place()), "node-1-slot-3");
}

} // namespace
} // namespace tayfa
