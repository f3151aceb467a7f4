#include "runtime/config/values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <string>

namespace tayfa {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

knob number_row(double minimum, double maximum, std::string_view unit = "") {
  return {"s", "n", "s.n", knob_type::whole, minimum, maximum, unit, "", "", text_form::unused,
          {},  {},  {}};
}
knob text_row(text_form form, std::span<const std::string_view> choices = {}) {
  return {"s", "n", "s.n", knob_type::text, 0, 0, "", "", "", form, choices, {}, {}};
}

template <class T>
std::string complaint_of(const knob& row, const std::string& text) {
  T out{};
  return parse_value(row, {text, std::nullopt}, out).value_or("");
}
template <class T>
T value_of(const knob& row, const std::string& text) {
  T out{};
  const auto why = parse_value(row, {text, std::nullopt}, out);
  EXPECT_EQ(why.value_or(""), "") << text;
  return out;
}

TEST(parse_value, whole_numbers) {
  const knob row = number_row(1, 1024);
  EXPECT_EQ(value_of<std::uint32_t>(row, "1"), 1U);
  EXPECT_EQ(value_of<std::uint64_t>(row, "0001024"), 1024U);
  EXPECT_EQ(complaint_of<std::uint32_t>(row, "5000"), "5000 is above the maximum 1024");
  EXPECT_EQ(complaint_of<std::uint32_t>(row, "0"), "0 is below the minimum 1");
  EXPECT_EQ(complaint_of<std::uint32_t>(row, "-5"), "-5 is below the minimum 1");
  EXPECT_EQ(complaint_of<std::uint32_t>(row, "99999999999999999999999"),
            "99999999999999999999999 is above the maximum 1024");
  EXPECT_EQ(complaint_of<std::uint32_t>(number_row(0, 9, "jobs"), "10"),
            "10 jobs is above the maximum 9 jobs");
  for (const char* bad : {"", " 1", "1 ", "+1", "1.0", "0x10", "1e3", "one", "1_000", "-", "--1"}) {
    EXPECT_THAT(complaint_of<std::uint64_t>(row, bad), HasSubstr("is not a whole number")) << bad;
  }
}

TEST(parse_value, a_number_that_fits_64_bits_only_is_no_32_bit_number_by_accident) {
  std::uint32_t out = 7;
  EXPECT_TRUE(parse_value(number_row(0, 4294967295.0), {"4294967297", std::nullopt}, out));
  EXPECT_EQ(out, 7U) << "a refused value must change nothing";
}

TEST(parse_value, booleans) {
  const knob row = number_row(0, 0);
  EXPECT_TRUE(value_of<bool>(row, "true"));
  EXPECT_TRUE(value_of<bool>(row, "1"));
  EXPECT_FALSE(value_of<bool>(row, "false"));
  EXPECT_FALSE(value_of<bool>(row, "0"));
  EXPECT_EQ(complaint_of<bool>(row, "maybe"), "maybe is neither true nor false");
  EXPECT_EQ(complaint_of<bool>(row, ""), "\"\" is neither true nor false");
}

TEST(parse_value, durations) {
  const knob row = number_row(100, 86'400'000, "ms");
  EXPECT_EQ(value_of<milliseconds>(row, "1500"), 1500ms);
  EXPECT_EQ(value_of<milliseconds>(row, "1500ms"), 1500ms);
  EXPECT_EQ(value_of<milliseconds>(row, "2s"), 2s);
  EXPECT_EQ(value_of<milliseconds>(row, "10m"), 10min);
  EXPECT_EQ(value_of<milliseconds>(row, "24h"), 24h);
  EXPECT_EQ(complaint_of<milliseconds>(row, "10"), "10 ms is below the minimum 100 ms");
  EXPECT_EQ(complaint_of<milliseconds>(row, "25h"), "25h is above the maximum 86400000 ms");
  EXPECT_EQ(complaint_of<milliseconds>(row, "-1s"), "-1s is below the minimum 100 ms");
  EXPECT_THAT(complaint_of<milliseconds>(row, "18446744073709551615h"), HasSubstr("above"));
  for (const char* bad : {"", "s", "ms", "2 s", "1.5s", "2S", "2d", "1h30m", "2ss"}) {
    EXPECT_THAT(complaint_of<milliseconds>(row, bad), HasSubstr("is not a duration")) << bad;
  }
}

TEST(parse_value, texts) {
  static constexpr std::string_view colours[] = {"red", "green"};
  const knob choice = text_row(text_form::choice, colours);
  EXPECT_EQ(value_of<std::string>(choice, "green"), "green");
  EXPECT_EQ(complaint_of<std::string>(choice, "gren"),
            "gren is not one of red, green; did you mean green?");
  EXPECT_EQ(complaint_of<std::string>(choice, "Red"),
            "Red is not one of red, green; did you mean red?");
  EXPECT_EQ(complaint_of<std::string>(text_row(text_form::required_path), ""), "must not be empty");
  EXPECT_EQ(value_of<std::string>(text_row(text_form::path), ""), "");
  EXPECT_EQ(value_of<std::string>(text_row(text_form::path), "/a b/\xc3\xbc"), "/a b/\xc3\xbc");
  EXPECT_THAT(complaint_of<std::string>(text_row(text_form::path), "a\nb"),
              HasSubstr("\"a\\nb\" holds control characters"));
  EXPECT_THAT(complaint_of<std::string>(text_row(text_form::path), "\xff"), HasSubstr("UTF-8"));
  EXPECT_THAT(complaint_of<std::string>(text_row(text_form::path), std::string(5000, 'x')),
              HasSubstr("longer than 4096 bytes"));
  EXPECT_THAT(complaint_of<std::string>(text_row(text_form::address), "0.0.0.0"),
              HasSubstr("0.0.0.0 is not an address"));
  EXPECT_EQ(value_of<std::string>(text_row(text_form::host), "Gpu.example"), "Gpu.example");
  for (const char* bad : {"gpu.example:8000", "http://gpu", "*", "10.0.0.1", "gpu.", "a/b"}) {
    EXPECT_THAT(complaint_of<std::string>(text_row(text_form::host), bad),
                HasSubstr("is not the name of a host"))
        << bad;
  }
}

TEST(parse_value, lists) {
  EXPECT_EQ(value_of<std::string>(text_row(text_form::optional_address), ""), "");
  EXPECT_EQ(value_of<std::string>(text_row(text_form::optional_address), "[::1]:80"), "[::1]:80");
  EXPECT_THAT(complaint_of<std::string>(text_row(text_form::optional_address), "80"),
              HasSubstr("is not an address"));
  const knob paths_of_urls = text_row(text_form::url_path);
  for (const char* good : {"/ping", "/a/b-c_d.e", "/health/v2"}) {
    EXPECT_EQ(value_of<std::string>(paths_of_urls, good), good);
  }
  for (const char* bad : {"", "/", "ping", "//ping", "/ping/", "/../x", "/a?b", "/a%20b", "/a b"}) {
    EXPECT_THAT(complaint_of<std::string>(paths_of_urls, bad), HasSubstr("is not a path")) << bad;
  }
  EXPECT_THAT(complaint_of<std::string>(paths_of_urls, "/" + std::string(300, 'x')),
              HasSubstr("is not a path"));
  const knob names = text_row(text_form::name);
  EXPECT_THAT(value_of<string_list>(names, " a, b.c ,d-e_1").items(),
              ElementsAre("a", "b.c", "d-e_1"));
  EXPECT_EQ(complaint_of<string_list>(names, ""), "must name at least one");
  EXPECT_EQ(complaint_of<string_list>(names, "a,,b"), "has an empty item");
  EXPECT_EQ(complaint_of<string_list>(names, "a,b,a"), "a is given twice");
  EXPECT_THAT(complaint_of<string_list>(names, "a/b"), HasSubstr("a/b is not a name"));
  EXPECT_THAT(complaint_of<string_list>(names, ".."), HasSubstr("is not a name"));
  EXPECT_THAT(complaint_of<string_list>(names, std::string(65, 'a')), HasSubstr("is not a name"));
  const knob paths = text_row(text_form::path);
  EXPECT_THAT(value_of<string_list>(paths, "  ").items(), IsEmpty());
  std::string many;
  for (int i = 0; i < 1001; ++i) {
    many += std::to_string(i) + ",";
  }
  EXPECT_THAT(complaint_of<string_list>(paths, many + "x"), HasSubstr("more than 1000 items"));
  string_list exact;
  EXPECT_FALSE(parse_value(paths, {"", std::vector<std::string>{"a,b", "c"}}, exact));
  EXPECT_THAT(exact.items(), ElementsAre("a,b", "c"));
  EXPECT_EQ(exact.str(), "a,b,c");
}

TEST(parse_value, rates_of_routes) {
  const knob rates = text_row(text_form::rate);
  EXPECT_THAT(value_of<string_list>(rates, "run=1000/10s:200, status=5/1m").items(),
              ElementsAre("run=1000/10s:200", "status=5/1m"));
  EXPECT_THAT(value_of<string_list>(rates, "runpod").items(), ElementsAre("runpod"));
  EXPECT_THAT(value_of<string_list>(rates, "").items(), IsEmpty());
  for (const char* bad : {"on", "run=", "run=0/1s", "run=1/1d", "run=1/1s:0"}) {
    EXPECT_FALSE(complaint_of<string_list>(rates, bad).empty()) << bad;
  }
}

TEST(parse_value, variables_of_the_environment) {
  const knob variables = text_row(text_form::variable);
  EXPECT_THAT(value_of<string_list>(variables, "HF_TOKEN, MY_*, MODE=fast=1, _x=").items(),
              ElementsAre("HF_TOKEN", "MY_*", "MODE=fast=1", "_x="));
  EXPECT_THAT(value_of<string_list>(variables, "").items(), IsEmpty());
  for (const char* bad : {"*", "=1", "1A", "A-B", "A B=1", "A*=1", "A**", "É"}) {
    EXPECT_FALSE(complaint_of<string_list>(variables, bad).empty()) << bad;
  }
  EXPECT_EQ(complaint_of<string_list>(variables, "A-B=hidden").find("hidden"), std::string::npos)
      << "a value may be a secret";
}

TEST(parse_value, shares_of_tenants) {
  const knob shares = text_row(text_form::share);
  EXPECT_THAT(value_of<string_list>(shares, "alice=3, bob=0.5:2").items(),
              ElementsAre("alice=3", "bob=0.5:2"));
  EXPECT_THAT(value_of<string_list>(shares, "").items(), IsEmpty());
  for (const char* bad : {"alice", "=3", "alice=", "alice=0", "alice=-1", "alice=1001", "alice=nan",
                          "alice=inf", "alice=1:", "alice=1:x", "alice=1:-2", "alice=1 2"}) {
    EXPECT_FALSE(complaint_of<string_list>(shares, bad).empty()) << bad;
  }
}

TEST(parse_value, lists_of_networks) {
  const knob networks = text_row(text_form::network);
  EXPECT_THAT(value_of<string_list>(networks, "10.0.0.0/8, fd00::/8,192.168.1.5").items(),
              ElementsAre("10.0.0.0/8", "fd00::/8", "192.168.1.5"));
  EXPECT_THAT(value_of<string_list>(networks, "").items(), IsEmpty());
  EXPECT_EQ(complaint_of<string_list>(networks, "10.0.0.5/8"),
            "10.0.0.5/8 has bits set beyond its prefix length");
  EXPECT_THAT(complaint_of<string_list>(networks, "10.0.0.0/8,true"),
              HasSubstr("is no address or block"));
}

RC_GTEST_PROP(parse_value, any_bytes_give_a_value_or_a_clean_complaint, (const std::string& text)) {
  const knob row = number_row(0, 1000, "ms");
  milliseconds duration{-1};
  string_list list;
  std::uint32_t whole = 0;
  std::string name;
  const complaint whys[] = {
      parse_value(row, {text, std::nullopt}, duration),
      parse_value(row, {text, std::nullopt}, whole),
      parse_value(text_row(text_form::name), {text, std::nullopt}, list),
      parse_value(text_row(text_form::address), {text, std::nullopt}, name),
  };
  for (const auto& why : whys) {
    RC_ASSERT(!why || (why->size() < 500 && why->find('\n') == std::string::npos));
  }
  RC_ASSERT(whys[0].has_value() == (duration == milliseconds{-1}));
}

RC_GTEST_PROP(parse_value, numbers_and_durations_come_back_from_print, (std::uint32_t n)) {
  const knob row = number_row(0, 4294967295.0, "ms");
  std::uint32_t whole = 0;
  RC_ASSERT(!parse_value(row, print_value(n), whole));
  RC_ASSERT(whole == n);
  milliseconds duration{};
  RC_ASSERT(!parse_value(row, print_value(milliseconds{n}), duration));
  RC_ASSERT(duration == milliseconds{n});
}

TEST(number_text, has_no_fraction_without_need) {
  EXPECT_EQ(number_text(604'800'000), "604800000");
  EXPECT_EQ(number_text(0.25), "0.25");
  EXPECT_EQ(number_text(0), "0");
  EXPECT_EQ(number_text(1e300), "1e+300");
}

TEST(database_values, the_password_is_never_printed) {
  for (const auto& [url, shown] :
       {std::pair{"", ""},
        {"postgresql://me:hidden@db:5432/jobs", "postgresql://me:***@db:5432/jobs"},
        {"postgres://me:hid@den@db/jobs?sslmode=require",
         "postgres://me:***@db/jobs?sslmode=require"},
        {"postgresql://db/jobs?password=hidden&user=me",
         "postgresql://db/jobs?password=***&user=me"},
        {"postgresql://me:hidden@db?password=hidden", "postgresql://me:***@db?password=***"},
        {"postgresql://me@db:5432/jobs", "postgresql://me@db:5432/jobs"},
        {"postgresql:///jobs?host=/run/a:b@c", "postgresql:///jobs?host=/run/a:b@c"},
        {"host=db password=hidden", "***"}}) {
    EXPECT_EQ(hide_password(url), shown);
  }
  config c;
  c.store_url = "postgresql://me:hidden@db/jobs";
  EXPECT_EQ(find_knob("store.url")->read(c).text, "postgresql://me:***@db/jobs");
}

TEST(database_values, an_address_that_is_none_is_refused_without_being_quoted) {
  config c;
  const auto* const row = find_knob("store.url");
  for (const auto* url : {"mysql://me:hidden@db/jobs", "host=db password=hidden",
                          "postgresql://me:hidden@db/jobs\x01"}) {
    const auto complaint = row->assign(c, *row, {url, {}});
    ASSERT_TRUE(complaint) << url;
    EXPECT_EQ(complaint->find("hidden"), std::string::npos) << *complaint;
  }
  EXPECT_FALSE(row->assign(c, *row, {"postgres://db/jobs", {}}));
  EXPECT_FALSE(row->assign(c, *row, {"", {}}));
}

} // namespace
} // namespace tayfa
