// Join strings as a head makes them, and operators' changes of its list while it is watched.
#include "runtime/pods_net/curve.hpp"
#include "runtime/pods_net/invite.hpp"
#include "runtime/pods_net/join_string.hpp"
#include "runtime/pods_net/trust_file.hpp"
#include "tests/unit/pods_net/scratch.hpp"

#include <chrono>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>

namespace tayfa::pods::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

std::vector<std::string> addresses(const std::vector<std::string>& wanted,
                                   const std::string& listens) {
  const auto found = addresses_of(wanted, listens);
  return found ? *found : std::vector<std::string>{"refused: " + found.error().text};
}

TEST(addresses_of_a_head, have_the_port_that_it_listens_at_unless_they_name_one) {
  EXPECT_THAT(addresses({"head.example"}, "tcp://0.0.0.0:7500"), ElementsAre("head.example:7500"));
  EXPECT_THAT(addresses({"head.example:1", "10.0.0.5"}, "tcp://0.0.0.0:7500"),
              ElementsAre("head.example:1", "10.0.0.5:7500"));
  EXPECT_THAT(addresses({"[::1]", "[::1]:1"}, "tcp://[::]:7500"),
              ElementsAre("[::1]:7500", "[::1]:1"));
}

TEST(addresses_of_a_head, are_where_it_listens_when_none_is_named) {
  EXPECT_THAT(addresses({}, "tcp://127.0.0.1:7500"), ElementsAre("127.0.0.1:7500"));
  EXPECT_THAT(addresses({}, "tcp://0.0.0.0:7500"), ElementsAre(HasSubstr("name one")));
  EXPECT_THAT(addresses({}, "tcp://[::]:7500"), ElementsAre(HasSubstr("name one")));
}

TEST(addresses_of_a_head, that_cannot_be_ones_are_refused) {
  EXPECT_THAT(addresses({"a b"}, "tcp://127.0.0.1:7500"), ElementsAre(HasSubstr("refused: ")));
  EXPECT_THAT(addresses({"http://a:1"}, "tcp://127.0.0.1:7500"),
              ElementsAre(HasSubstr("refused: ")));
  EXPECT_THAT(addresses({"a:99999"}, "tcp://127.0.0.1:7500"), ElementsAre(HasSubstr("refused: ")));
}

struct trust_test : testing::Test {
  trust_test() {
    trust.watch([this](const result<std::shared_ptr<const admitted>>& found) {
      const std::lock_guard guard{mutex};
      seen = found ? *found : nullptr;
    });
  }
  std::shared_ptr<const admitted> admitted_now() {
    const std::lock_guard guard{mutex};
    return seen;
  }
  template <class T, class Ask>
  result<T> answer_of(Ask ask) {
    std::promise<result<T>> answer;
    ask([&answer](result<T> a) { answer.set_value(std::move(a)); });
    return answer.get_future().get();
  }
  result<trust_list> change(const std::string& pod, bool trusted, const std::string& name = {}) {
    return answer_of<trust_list>([&](auto done) {
      trust.change(change_trust{pod, trusted, name, "key:alice"}, std::move(done));
    });
  }
  result<join_text> make_token(std::vector<std::string> wanted, std::uint32_t minutes = 5) {
    return answer_of<join_text>([&](auto done) {
      trust.make_token(make_join_text{std::move(wanted), minutes, "api"}, "tcp://127.0.0.1:7500",
                       std::move(done));
    });
  }

  scratch_folder folder;
  system_time time;
  system_secrets secrets;
  key_pair head = *make_key_pair(secrets);
  std::mutex mutex;
  std::shared_ptr<const admitted> seen;
  trust_file trust{time, secrets, head.public_key, folder / "pods"};
};

TEST_F(trust_test, a_join_string_names_the_head_and_its_token_is_let_in_at_once) {
  const auto made = make_token({});
  ASSERT_TRUE(made) << made.error().str();
  const auto read = read_join_string(made->text);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->head_key, head.public_key);
  EXPECT_EQ(read->token, made->token);
  EXPECT_THAT(read->addresses, ElementsAre("127.0.0.1:7500"));
  EXPECT_EQ(made->expires_in, 5min);
  const auto token_key = pair_of(read->join_key)->public_key;
  EXPECT_EQ(admitted_now()->keys.at(token_key), made->token);
  const auto list =
      answer_of<trust_list>([this](auto done) { trust.list(std::move(done)); }).value();
  ASSERT_EQ(list.tokens.size(), 1U);
  EXPECT_EQ(list.tokens[0].id, made->token);
  EXPECT_EQ(list.tokens[0].by, "api");
  EXPECT_FALSE(list.tokens[0].expired);
  EXPECT_LE(list.tokens[0].expires_in, 5min);
  EXPECT_GT(list.tokens[0].expires_in, 4min);
}

TEST_F(trust_test, a_change_is_seen_by_the_watcher_before_it_is_answered) {
  const auto key = make_key_pair(secrets)->public_key;
  ASSERT_TRUE(change(key, true, "gpu-1"));
  EXPECT_TRUE(admitted_now()->keys.contains(key));
  const auto revoked = change("gpu-1", false);
  ASSERT_TRUE(revoked);
  EXPECT_FALSE(admitted_now()->keys.contains(key));
  ASSERT_EQ(revoked->pods.size(), 1U);
  EXPECT_EQ(revoked->pods[0].name, "gpu-1");
  EXPECT_EQ(revoked->pods[0].by, "key:alice");
  EXPECT_FALSE(revoked->pods[0].trusted);
  ASSERT_TRUE(change("gpu-1", true));
  EXPECT_TRUE(admitted_now()->keys.contains(key));
}

TEST_F(trust_test, the_faults_of_a_request_are_the_clients) {
  EXPECT_EQ(change("nobody", false).error().code, errc::not_found);
  const auto key = make_key_pair(secrets)->public_key;
  const auto other = make_key_pair(secrets)->public_key;
  ASSERT_TRUE(change(key, true, "gpu-1"));
  EXPECT_EQ(change(other, true, "gpu-1").error().code, errc::bad_request) << "the name is taken";
  EXPECT_EQ(make_token({"a b"}).error().code, errc::bad_request);
  EXPECT_EQ(make_token({"a", "b", "c", "d", "e"}).error().code, errc::bad_request);
}

} // namespace
} // namespace tayfa::pods::test
