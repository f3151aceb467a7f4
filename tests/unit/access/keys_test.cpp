#include "runtime/access/keys.hpp"

#include "tests/unit/access/support.hpp"

#include <gtest/gtest.h>

namespace tayfa::access {
namespace {

// printf %s secret | sha256sum
constexpr std::string_view digest_of_secret =
    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

std::string refusal(const std::string& text) {
  const auto keys = parse_keys(text);
  return keys ? "taken" : keys.error().text;
}

TEST(parse_keys, a_whole_file) {
  const auto keys = parse_keys("# who may come in\n"
                               "\n"
                               "name=alice scope=client tenant=a.team endpoint=tayfa,sd sha256=" +
                               std::string{digest_of_secret} +
                               "\r\n"
                               "  \t sha256=" +
                               std::string(64, 'A') + "   scope=operator,worker name=root");
  ASSERT_TRUE(keys) << keys.error().text;
  ASSERT_EQ(keys->size(), 2U);
  const auto& alice = keys->at(0);
  EXPECT_EQ(alice.name, "alice");
  EXPECT_EQ(alice.tenant, "a.team");
  EXPECT_EQ(alice.endpoints, (std::vector<std::string>{"tayfa", "sd"}));
  EXPECT_EQ(alice.digest, *digest_of("secret"));
  EXPECT_EQ(scopes_text(alice), "client");
  EXPECT_EQ(scopes_text(keys->at(1)), "worker,operator");
  EXPECT_TRUE(parse_keys("")->empty());
  EXPECT_TRUE(parse_keys("#\n\n   \n")->empty());
}

TEST(parse_keys, names_the_line_and_what_is_wrong) {
  const std::string good = line_of("name=a scope=client", "1");
  const std::string sum = " sha256=" + std::string(64, '0') + "\n";
  const std::vector<std::pair<std::string, std::string>> rows{
      {good + "name=b scope=client\n", "line 2: sha256 is missing"},
      {"#\nscope=client" + sum, "line 2: name is missing"},
      {"name=b" + sum, "line 1: scope is missing"},
      {"name=b scope=" + sum, "line 1: scope is empty"},
      {"name=b scope=," + sum, "line 1: scope is empty"},
      {"name=b scope=clients" + sum, "line 1: scope must be client, worker or operator"},
      {"name=b scope=client endpoint=" + sum, "line 1: endpoint is empty"},
      {"name=b scope=client,operator endpoint=x" + sum, "line 1: an operator's key opens every"},
      {"name= scope=client" + sum, "line 1: name must be 1 to 64"},
      {"name=a/b scope=client" + sum, "line 1: name must be 1 to 64"},
      {"name=b scope=client tenant=" + std::string(65, 't') + sum,
       "line 1: tenant must be 1 to 64"},
      {"name=b scope=worker worker=a/b" + sum, "line 1: worker must be a worker's name"},
      {"name=b scope=client worker=w" + sum, "line 1: worker is for keys of the scope worker"},
      {"name=b scope=operator,worker worker=w" + sum, "line 1: worker is for keys of the scope"},
      {"name=b name=c scope=client" + sum, "line 1: name is there twice"},
      {"name=b scope=client color=red" + sum, "line 1: a key has name, scope, tenant"},
      {"name=b scope=client secret" + sum, "line 1: a field is written name=value"},
      {"name=b scope=client sha256=" + std::string(63, '0'), "line 1: sha256 must be 64"},
      {"name=b scope=client sha256=" + std::string(64, 'g'), "line 1: sha256 must be 64"},
      {good + "\n" + line_of("name=a scope=worker", "2"), "line 3: the name a is there already"},
      {good + line_of("name=b scope=worker", "1"), "line 2: the same key as a"},
      {std::string(keys_bytes_max + 1, '#'), "a keys file has at most"},
  };
  for (const auto& [text, why] : rows) {
    EXPECT_EQ(refusal(text).rfind(why, 0), 0U) << refusal(text) << "\n  expected: " << why;
  }
}

TEST(parse_keys, is_bounded) {
  std::string text;
  for (std::size_t i = 0; i < keys_max; ++i) {
    text += line_of("name=k" + std::to_string(i) + " scope=client", std::to_string(i));
  }
  EXPECT_EQ(parse_keys(text)->size(), keys_max);
  EXPECT_NE(refusal(text + line_of("name=one_more scope=client", "x")).find("more than 4096"),
            std::string::npos);
}

TEST(key_line, is_read_back) {
  access_key key;
  key.name = "n-1";
  key.client = key.worker = true;
  key.tenant = "t";
  key.endpoints = {"a", "b"};
  key.digest = *digest_of("secret");
  const auto line = key_line(key);
  EXPECT_EQ(*line, "name=n-1 scope=client,worker tenant=t endpoint=a,b sha256=" +
                       std::string{digest_of_secret});
  const auto read = parse_keys(*line);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->front().endpoints, key.endpoints);
  for (const auto& broken : {"", "a b", "a\nb", "a,b"}) {
    key.endpoints = {broken};
    EXPECT_FALSE(key_line(key)) << broken;
  }
  key.endpoints.clear();
  key.name = "a b";
  EXPECT_FALSE(key_line(key));
}

TEST(without_key, leaves_the_rest_as_it_is) {
  const std::string a = line_of("name=a scope=client", "1");
  const std::string b = line_of("name=b scope=client", "2");
  const std::string text = "# name=a\n" + a + "\n" + b + "broken line";
  EXPECT_EQ(*without_key(text, "a"), "# name=a\n\n" + b + "broken line");
  EXPECT_EQ(*without_key(text, "b"), "# name=a\n" + a + "\nbroken line");
  EXPECT_EQ(without_key(text, "c").error().code, errc::not_found);
  EXPECT_EQ(*without_key(a.substr(0, a.size() - 1), "a"), "");
}

TEST(access_key, what_it_opens) {
  access_key key;
  key.client = true;
  using api::scope;
  EXPECT_TRUE(opens(key, scope::open));
  EXPECT_TRUE(opens(key, scope::client));
  EXPECT_FALSE(opens(key, scope::worker));
  EXPECT_FALSE(opens(key, scope::operator_));
  key = {};
  key.is_operator = true;
  for (const auto each : {scope::open, scope::client, scope::worker, scope::operator_}) {
    EXPECT_TRUE(opens(key, each));
  }
  EXPECT_TRUE(reaches(key, "any"));
  key.endpoints = {"a", "b"};
  EXPECT_TRUE(reaches(key, "b"));
  EXPECT_FALSE(reaches(key, "c"));
  EXPECT_FALSE(reaches(key, ""));
}

TEST(key_text, is_base64url) {
  std::array<unsigned char, 32> bytes{};
  EXPECT_EQ(key_text(bytes), "tayfa_" + std::string(43, 'A'));
  bytes.fill(0xFF);
  EXPECT_EQ(key_text(bytes), "tayfa_" + std::string(42, '_') + "8");
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<unsigned char>(i);
  }
  EXPECT_EQ(key_text(bytes), "tayfa_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
}

} // namespace
} // namespace tayfa::access
