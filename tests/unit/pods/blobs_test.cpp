// Blobs: grants, resume, content checks, the cache.
#include "runtime/pods/blobs.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace tayfa::pods::testing {
namespace {

using pod_protocol::chunk;
using pod_protocol::chunk_bytes_max;

shared_text text_of(std::size_t bytes, char first = 'a') {
  std::string s(bytes, first);
  for (std::size_t i = 0; i < bytes; i += 1000) {
    s[i] = static_cast<char>('a' + i / 1000 % 26);
  }
  return shared_text{std::move(s)};
}

struct two_ends {
  receive_budget budget;
  blob_sender from;
  blob_receiver to{budget};
  std::uint64_t most_in_flight = 0;
  std::uint64_t sent = 0;

  /// Moves chunks until nothing is due; every text that arrives.
  std::vector<blob_receiver::arrival> run(std::size_t chunks_most = 1'000'000) {
    std::vector<blob_receiver::arrival> out;
    std::deque<chunk> line;
    for (;;) {
      for (const auto& need : to.grants()) {
        for (auto& c : from.serve(need)) {
          line.push_back(std::move(c));
        }
      }
      most_in_flight = std::max(most_in_flight, to.in_flight());
      if (line.empty() || chunks_most-- == 0) {
        return out;
      }
      sent += line.front().bytes.size();
      auto arrived = to.take(line.front());
      line.pop_front();
      if (arrived.whole || arrived.failed) {
        out.push_back(std::move(arrived));
      }
    }
  }
};

TEST(blobs, a_text_arrives_whole_and_never_more_than_a_mebibyte_is_granted) {
  two_ends b;
  const auto text = text_of(5'000'000);
  b.to.want(b.from.offer(text));
  const auto got = b.run();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got.front().text, text);
  EXPECT_EQ(b.sent, text.size());
  EXPECT_EQ(b.most_in_flight, in_flight_max);
  EXPECT_TRUE(b.to.idle());
  EXPECT_EQ(b.budget.bytes, 0U);
}

TEST(blobs, several_at_a_time_share_the_grant) {
  two_ends b;
  std::vector<shared_text> texts;
  for (char c = 'a'; c < 'h'; ++c) {
    texts.push_back(text_of(900'000 + static_cast<std::size_t>(c), c));
    b.to.want(b.from.offer(texts.back()));
  }
  const auto got = b.run();
  EXPECT_EQ(got.size(), texts.size());
  EXPECT_LE(b.most_in_flight, in_flight_max);
}

TEST(blobs, a_new_session_goes_on_at_the_offset_that_was_reached) {
  two_ends b;
  const auto text = text_of(3'000'000);
  b.to.want(b.from.offer(text));
  EXPECT_TRUE(b.run(5).empty());
  const auto before = b.sent;
  EXPECT_EQ(before, 5 * chunk_bytes_max);
  b.to.new_session();
  b.from.new_session();
  const auto got = b.run();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got.front().text, text);
  EXPECT_EQ(b.sent, text.size()) << "nothing was sent twice";
}

TEST(blobs, another_content_under_the_name_is_a_failure) {
  two_ends b;
  auto name = ref_of(text_of(400'000));
  b.from.offer(name, text_of(400'000, 'z'));
  b.to.want(name);
  const auto got = b.run();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_TRUE(got.front().failed);
  EXPECT_FALSE(got.front().whole);
  EXPECT_TRUE(got.front().text.empty());
}

TEST(blobs, a_sender_without_the_text_says_so) {
  two_ends b;
  b.to.want(ref_of(text_of(400'000)));
  const auto got = b.run();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_TRUE(got.front().failed);
}

TEST(blobs, chunks_that_were_not_asked_for_are_dropped) {
  two_ends b;
  const auto text = text_of(1'000'000);
  const auto name = b.from.offer(text);
  const chunk first{name, 0, shared_text{std::string{text.view().substr(0, 1000)}}};
  EXPECT_FALSE(b.to.take(first).failed) << "nobody wants it";
  b.to.want(name);
  EXPECT_FALSE(b.to.take(first).whole) << "nothing was granted yet";
  const auto needs = b.to.grants();
  ASSERT_EQ(needs.size(), 1U);
  EXPECT_EQ(needs.front().offset, 0U);
  EXPECT_FALSE(b.to.take({name, 500, shared_text{"x"}}).failed) << "not the next one";
  b.to.new_session();
  const auto got = b.run();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got.front().text, text);
}

TEST(blobs, one_that_is_wanted_anew_begins_at_its_beginning) {
  two_ends b;
  const auto text = text_of(2'000'000);
  const auto name = b.from.offer(text);
  b.to.want(name);
  EXPECT_TRUE(b.run(3).empty());
  b.to.drop(name);
  b.to.want(name);
  const auto got = b.run();
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got.front().text, text);
}

TEST(blobs, a_request_that_is_repeated_from_the_beginning_does_not_stop_it) {
  two_ends b;
  const auto text = text_of(700'000);
  const auto name = b.from.offer(text);
  b.to.want(name);
  ASSERT_EQ(b.to.grants().size(), 1U);
  // Served in two pieces whose chunks do not end at the same places.
  auto chunks = b.from.serve({name, 0, 349'525});
  for (auto& more : b.from.serve({name, 0, name.bytes})) {
    chunks.push_back(std::move(more));
  }
  blob_receiver::arrival last;
  for (const auto& each : chunks) {
    last = b.to.take(each);
  }
  EXPECT_TRUE(last.whole);
  EXPECT_EQ(last.text, text);
}

TEST(blobs, memory_for_what_arrives_is_bounded_over_all_links) {
  receive_budget budget;
  budget.bytes_max = 1'000'000;
  blob_receiver one{budget};
  blob_receiver other{budget};
  one.want(ref_of(text_of(900'000)));
  other.want(ref_of(text_of(800'000)));
  EXPECT_EQ(one.grants().size(), 1U);
  EXPECT_TRUE(other.grants().empty()) << "it waits until the first has arrived";
  one.drop(ref_of(text_of(900'000)));
  EXPECT_EQ(other.grants().size(), 1U);
}

TEST(blobs, one_that_is_larger_than_the_budget_is_received_alone) {
  receive_budget budget;
  budget.bytes_max = 1'000;
  blob_receiver one{budget};
  one.want(ref_of(text_of(900'000)));
  EXPECT_EQ(one.grants().size(), 1U);
}

TEST(blob_cache, the_least_recently_used_text_goes) {
  blob_cache cache{1'000};
  const auto a = text_of(400, 'a'), b = text_of(400, 'b'), c = text_of(400, 'c');
  cache.put(ref_of(a), a);
  cache.put(ref_of(b), b);
  EXPECT_EQ(cache.find(ref_of(a)), a);
  cache.put(ref_of(c), c);
  EXPECT_EQ(cache.bytes(), 800U);
  EXPECT_TRUE(cache.find(ref_of(b)).empty());
  EXPECT_EQ(cache.find(ref_of(a)), a);
  cache.put(ref_of(text_of(2'000)), text_of(2'000));
  EXPECT_EQ(cache.bytes(), 800U) << "what is larger than the cache does not empty it";
}

TEST(digest, pieces_make_the_digest_of_the_whole) {
  sha256 pieces;
  pieces.add("a");
  pieces.add("bc");
  const auto sum = pieces.finish();
  EXPECT_EQ(sum, sha256::of("abc"));
  EXPECT_EQ(static_cast<unsigned char>(sum[0]), 0xba);
  EXPECT_EQ(sum.size(), 32U);
}

} // namespace
} // namespace tayfa::pods::testing
