#include "runtime/pods_net/allow_list.hpp"

#include "runtime/pods_net/curve.hpp"
#include "tests/unit/pods_net/scratch.hpp"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace tayfa::pods::test {
namespace {

constexpr wall_seconds now = 1'800'000'000;
constexpr const char* token_id = "00112233445566ff";

/// The same key for the same number, in every run.
std::string key(unsigned number) {
  std::string bytes(32, '\0');
  bytes[0] = static_cast<char>(number);
  bytes[1] = static_cast<char>(number >> 8U);
  return z85_of(bytes);
}

join_token token(unsigned number = 0, wall_seconds expires = now + 60) {
  std::string id{token_id};
  const auto digits = std::to_string(1'000 + number);
  id.replace(0, digits.size(), digits);
  return {number == 0 ? token_id : id, key(60'000 + number), expires, now, "alice"};
}

allow_list with_token() {
  allow_list list;
  EXPECT_TRUE(list.add_token(token(), now).has_value());
  return list;
}

bool lets_in(const allow_list& list, const std::string& who, wall_seconds at = now) {
  return list.admitted_at(at)->keys.contains(who);
}

template <class T>
errc code_of(const result<T>& r) {
  return r ? errc::internal : r.error().code;
}

TEST(allow_list, a_token_lets_in_the_first_pod_that_uses_it_and_no_other) {
  auto list = with_token();
  EXPECT_EQ(list.admitted_at(now)->keys.at(token().key), token_id);
  ASSERT_TRUE(list.join(token_id, key(1), "gpu-1", now + 1).has_value());
  EXPECT_EQ(list.admitted_at(now)->keys.at(key(1)), "") << "trusted by its own key";
  EXPECT_FALSE(lets_in(list, token().key)) << "the token's key is let in no more";
  EXPECT_EQ(code_of(list.join(token_id, key(2), "gpu-2", now + 1)), errc::unauthorized);
  EXPECT_FALSE(lets_in(list, key(2)));
  EXPECT_EQ(list.find("gpu-1")->by, "token:00112233445566ff");
  EXPECT_EQ(list.find("gpu-1")->since, now + 1);
}

TEST(allow_list, a_pod_whose_answer_was_lost_may_ask_again_until_the_token_expires) {
  auto list = with_token();
  ASSERT_TRUE(list.join(token_id, key(1), "gpu-1", now).has_value());
  const auto before = list;
  EXPECT_TRUE(list.join(token_id, key(1), "gpu-1", now + 59).has_value());
  EXPECT_EQ(list, before);
  EXPECT_EQ(code_of(list.join(token_id, key(1), "gpu-1", now + 60)), errc::unauthorized);
}

TEST(allow_list, an_expired_token_lets_nobody_in) {
  auto list = with_token();
  EXPECT_EQ(list.next_expiry(now), now + 60);
  EXPECT_TRUE(lets_in(list, token().key, now + 59));
  EXPECT_FALSE(lets_in(list, token().key, now + 60));
  EXPECT_EQ(code_of(list.join(token_id, key(1), "gpu-1", now + 60)), errc::unauthorized);
  EXPECT_EQ(code_of(list.join("ffffffffffffffff", key(1), "gpu-1", now)), errc::unauthorized);
  EXPECT_TRUE(list.pods().empty());
  list.prune(now + 60);
  EXPECT_TRUE(list.tokens().empty());
  EXPECT_EQ(list.next_expiry(now), std::nullopt);
}

TEST(allow_list, a_token_is_not_used_up_by_a_pod_that_could_not_join) {
  auto list = with_token();
  ASSERT_TRUE(list.trust(key(9), "taken", "alice", now).has_value());
  EXPECT_EQ(code_of(list.join(token_id, key(1), "taken", now)), errc::wrong_state);
  EXPECT_EQ(code_of(list.join(token_id, key(1), "a name", now)), errc::bad_request);
  EXPECT_EQ(code_of(list.join(token_id, key(1), "", now)), errc::bad_request);
  EXPECT_EQ(code_of(list.join(token_id, "taken", "gpu-1", now)), errc::bad_request)
      << "a name is no key";
  EXPECT_EQ(code_of(list.join(token_id, key(1), key(1), now)), errc::bad_request);
  EXPECT_TRUE(list.tokens().front().used_by.empty());
  EXPECT_TRUE(list.join(token_id, key(1), "gpu-1", now).has_value());
}

TEST(allow_list, a_revoked_key_stays_out_until_it_is_trusted_again) {
  auto list = with_token();
  ASSERT_TRUE(list.trust(key(1), "gpu-1", "alice", now).has_value());
  EXPECT_EQ(*list.revoke("gpu-1", "bob", now + 5), std::vector{key(1)});
  EXPECT_FALSE(lets_in(list, key(1)));
  EXPECT_EQ(list.find(key(1))->by, "bob");
  EXPECT_EQ(code_of(list.join(token_id, key(1), "gpu-1", now + 6)), errc::forbidden);
  EXPECT_FALSE(lets_in(list, key(1)));
  EXPECT_EQ(*list.revoke(key(1), "carol", now + 7), std::vector{key(1)}) << "again";
  EXPECT_EQ(list.find(key(1))->by, "bob") << "the first one decided";
  ASSERT_TRUE(list.trust("gpu-1", "", "bob", now + 8).has_value());
  EXPECT_TRUE(lets_in(list, key(1)));
  EXPECT_EQ(code_of(list.forget("gpu-1")), errc::wrong_state);
  ASSERT_TRUE(list.revoke("gpu-1", "bob", now + 9).has_value());
  ASSERT_TRUE(list.forget("gpu-1").has_value());
  EXPECT_EQ(list.find(key(1)), nullptr);
  EXPECT_EQ(code_of(list.revoke("gpu-1", "bob", now)), errc::not_found);
  EXPECT_EQ(code_of(list.forget("gpu-1")), errc::not_found);
  EXPECT_EQ(code_of(list.trust("gpu-1", "", "bob", now)), errc::not_found);
}

TEST(allow_list, names_and_keys_stand_once) {
  auto list = with_token();
  ASSERT_TRUE(list.trust(key(1), "gpu-1", "alice", now).has_value());
  EXPECT_EQ(code_of(list.trust(key(2), "gpu-1", "alice", now)), errc::wrong_state);
  EXPECT_EQ(code_of(list.trust(key(1), "gpu-2", "alice", now)), errc::wrong_state);
  EXPECT_EQ(code_of(list.trust(token().key, "gpu-3", "alice", now)), errc::wrong_state);
  EXPECT_EQ(code_of(list.add_token(token(), now)), errc::bad_request);
  EXPECT_EQ(code_of(list.trust(key(2), "gpu-2", "a b", now)), errc::bad_request);
  EXPECT_EQ(list.pods().size(), 1U);
}

TEST(allow_list, a_pod_changes_its_key_without_a_gap) {
  allow_list list;
  ASSERT_TRUE(list.trust(key(1), "gpu-1", "alice", now).has_value());
  EXPECT_EQ(code_of(list.announce_key(key(2), key(3))), errc::not_found);
  ASSERT_TRUE(list.announce_key(key(1), key(2)).has_value());
  EXPECT_TRUE(list.announce_key(key(1), key(2)).has_value()) << "the answer was lost";
  EXPECT_TRUE(lets_in(list, key(1)) && lets_in(list, key(2)));
  EXPECT_EQ(code_of(list.take_next_key(key(1))), errc::not_found);
  EXPECT_EQ(*list.take_next_key(key(2)), key(1));
  EXPECT_TRUE(lets_in(list, key(2)));
  EXPECT_FALSE(lets_in(list, key(1)));
  EXPECT_EQ(list.find("gpu-1")->key, key(2));
  ASSERT_TRUE(list.announce_key(key(2), key(3)).has_value());
  EXPECT_EQ(list.revoke("gpu-1", "bob", now)->size(), 2U) << "both keys are out";
  EXPECT_FALSE(lets_in(list, key(2)) || lets_in(list, key(3)));
}

TEST(allow_list, is_bounded) {
  allow_list list;
  for (unsigned i = 0; i < join_tokens_max; ++i) {
    ASSERT_TRUE(list.add_token(token(i + 1), now).has_value()) << i;
  }
  EXPECT_EQ(code_of(list.add_token(token(), now)), errc::quota_exceeded);
  EXPECT_TRUE(list.add_token(token(0, now + 600), now + 60).has_value()) << "the expired ones went";
  for (unsigned i = 0; i < listed_pods_max; ++i) {
    ASSERT_TRUE(list.trust(key(i), std::string(58, 'n') + std::to_string(10'000 + i),
                           std::string(by_max, 'b'), now)
                    .has_value());
  }
  EXPECT_EQ(code_of(list.trust(key(50'000), "one-more", "alice", now)), errc::quota_exceeded);
  EXPECT_EQ(code_of(list.join(token_id, key(50'000), "one-more", now + 61)), errc::quota_exceeded);
  EXPECT_LT(list.text().size(), allow_list_bytes_max);
  EXPECT_EQ(*allow_list::parse(list.text()), list);
}

// ---- as text ------------------------------------------------------------------------------------

allow_list sample() {
  auto list = with_token();
  EXPECT_TRUE(list.add_token(token(1, now + 5), now).has_value());
  EXPECT_TRUE(list.join(token_id, key(1), "gpu-1", now).has_value());
  EXPECT_TRUE(list.trust(key(2), "gpu-2", "alice", now).has_value());
  EXPECT_TRUE(list.announce_key(key(2), key(3)).has_value());
  EXPECT_TRUE(list.trust(key(4), "gpu-4", "alice", now).has_value());
  EXPECT_TRUE(list.revoke("gpu-4", "bob", now + 1).has_value());
  return list;
}

std::string fault_of(const std::string& text) {
  const auto list = allow_list::parse(text);
  EXPECT_FALSE(list.has_value());
  if (list) {
    return {};
  }
  EXPECT_EQ(list.error().code, errc::bad_config);
  return list.error().text;
}

TEST(allow_list_text, is_read_back) {
  EXPECT_EQ(*allow_list::parse(sample().text()), sample());
  EXPECT_EQ(*allow_list::parse(allow_list{}.text()), allow_list{});
}

TEST(allow_list_text, that_is_damaged_is_refused_with_its_line) {
  const auto text = sample().text();
  EXPECT_NE(fault_of("").find("line 1"), std::string::npos);
  EXPECT_NE(fault_of("tayfa pods 2\n").find("line 1"), std::string::npos);
  auto worse = text;
  worse[text.find("\npod ", 15) + 5] = ' ';
  EXPECT_NE(fault_of(worse).find("line 3"), std::string::npos);
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(fault_of(text.substr(0, size)).empty()) << "cut at " << size;
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto flipped = text;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    EXPECT_NE(fault_of(flipped).find("line "), std::string::npos) << "flipped at " << at;
  }
  EXPECT_FALSE(fault_of(text + "pod\n").empty());
  EXPECT_FALSE(fault_of(text + text).empty());
}

TEST(allow_list_text, of_which_a_line_was_removed_or_changed_is_refused) {
  // A person who edits the list by hand could trust a key; the head alone writes it.
  const auto text = sample().text();
  auto trusted = text;
  trusted.replace(trusted.find(" revoked "), 9, " trusted ");
  EXPECT_NE(fault_of(trusted).find("checksum"), std::string::npos);
  auto shorter = text;
  const auto at = shorter.find("pod ", 15);
  shorter.erase(at, shorter.find('\n', at) + 1 - at);
  EXPECT_NE(fault_of(shorter).find("checksum"), std::string::npos);
}

// ---- the file -----------------------------------------------------------------------------------

TEST(allow_list_file, is_private_and_holds_what_was_changed) {
  const scratch_folder here;
  const auto path = here / "pods";
  EXPECT_EQ(*read_allow_list(path), allow_list{}) << "none yet";
  const auto changed = change_allow_list(path, [](allow_list& list) {
    list = sample();
    return result<void>{};
  });
  ASSERT_TRUE(changed.has_value()) << changed.error().str();
  EXPECT_EQ(*changed, sample());
  EXPECT_EQ(*read_allow_list(path), sample());
  EXPECT_EQ(mode_of(path), 0600U);
  put(path, content_of(path), 0644);
  EXPECT_EQ(code_of(read_allow_list(path)), errc::bad_config);
}

TEST(allow_list_file, stays_as_it_was_when_a_change_is_refused) {
  const scratch_folder here;
  const auto path = here / "pods";
  ASSERT_TRUE(change_allow_list(path, [](allow_list& l) {
                return l.trust(key(1), "gpu-1", "alice", now);
              }).has_value());
  const auto before = content_of(path);
  EXPECT_EQ(code_of(change_allow_list(path,
                                      [](allow_list& l) {
                                        l.forget("gpu-1");
                                        EXPECT_TRUE(l.revoke("gpu-1", "x", now).has_value());
                                        return l.trust(key(2), "gpu-1", "alice", now);
                                      })),
            errc::wrong_state);
  EXPECT_EQ(content_of(path), before);
}

TEST(allow_list_file, that_is_damaged_is_neither_read_nor_overwritten) {
  const scratch_folder here;
  const auto path = here / "pods";
  put(path, "tayfa pods 1\npod x\nend 1 00000000\n");
  const auto read = read_allow_list(path);
  ASSERT_EQ(code_of(read), errc::bad_config);
  EXPECT_NE(read.error().text.find(path + ", line 2"), std::string::npos) << read.error().text;
  const auto before = content_of(path);
  EXPECT_EQ(code_of(change_allow_list(path, [](allow_list&) { return result<void>{}; })),
            errc::bad_config);
  EXPECT_EQ(content_of(path), before);
}

TEST(allow_list_file, of_two_pods_that_race_for_one_token_has_one) {
  const scratch_folder here;
  const auto path = here / "pods";
  for (unsigned round = 0; round < 10; ++round) {
    ASSERT_TRUE(change_allow_list(path, [&](allow_list& l) {
                  l = allow_list{};
                  return l.add_token(token(), now);
                }).has_value());
    std::vector<errc> codes(2, errc::internal);
    std::vector<std::thread> both;
    for (unsigned i = 0; i < 2; ++i) {
      both.emplace_back([&, i] {
        codes[i] = code_of(change_allow_list(path, [&](allow_list& l) {
          return l.join(token_id, key(i + 1), "gpu-" + std::to_string(i), now);
        }));
      });
    }
    for (auto& one : both) {
      one.join();
    }
    EXPECT_EQ((codes[0] == errc::internal) + (codes[1] == errc::internal), 1);
    EXPECT_EQ((codes[0] == errc::unauthorized) + (codes[1] == errc::unauthorized), 1);
    EXPECT_EQ(read_allow_list(path)->pods().size(), 1U);
  }
}

} // namespace
} // namespace tayfa::pods::test
