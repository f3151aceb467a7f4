#include "runtime/access/key_gate.hpp"

#include "runtime/access/key_file.hpp"
#include "runtime/telemetry/memory_log.hpp"
#include "tests/unit/access/support.hpp"

#include <gtest/gtest.h>

namespace tayfa::access {
namespace {

using api::scope;

TEST(key_in, with_and_without_bearer) {
  for (const std::string text :
       {"Bearer k-1", "bearer k-1", "BEARER  k-1 ", "k-1", "  k-1\t", "Bearer\tk-1"}) {
    EXPECT_EQ(key_in(text), "k-1") << text;
  }
  EXPECT_EQ(key_in(""), "");
  EXPECT_EQ(key_in("Bearer "), "Bearer"); // parsed as a key, which matches none
  EXPECT_EQ(key_in("Bearerk"), "Bearerk");
  EXPECT_EQ(key_in("Basic abc"), "Basic abc");
}

class gate_test : public testing::Test {
 protected:
  gate_test() {
    write_private(here / "keys", line_of("name=alice scope=client tenant=a", "client-key") +
                                     line_of("name=w scope=worker", "worker-key") +
                                     line_of("name=sd scope=client endpoint=sd", "sd-key") +
                                     line_of("name=root scope=operator", "root-key"));
    knobs.pod_data = here.path().string();
  }
  std::unique_ptr<key_gate> open() {
    auto gate = open_gate(knobs, time, log);
    EXPECT_TRUE(gate) << gate.error().text;
    return std::move(*gate);
  }
  errc refused(key_gate& gate, scope needs, std::string_view key,
               std::string_view endpoint = "tayfa") {
    const auto who = gate.admit({needs, "run", endpoint, key, "192.0.2.1"});
    return who ? errc::internal : who.error().why.code;
  }

  static constexpr errc nothing = errc::internal;
  scratch_folder here;
  manual_time time;
  memory_log log{time};
  config knobs;
};

TEST_F(gate_test, each_scope_opens_its_own_routes) {
  const auto gate = open();
  EXPECT_EQ(gate->keys(), 4U);
  struct row {
    std::string key;
    errc client, worker, operators;
  };
  const std::vector<row> rows{
      {"Bearer client-key", nothing, errc::forbidden, errc::forbidden},
      {"client-key", nothing, errc::forbidden, errc::forbidden},
      {"worker-key", errc::forbidden, nothing, errc::forbidden},
      {"Bearer root-key", nothing, nothing, nothing},
      {"", errc::unauthorized, errc::unauthorized, errc::unauthorized},
      {"Bearer", errc::unauthorized, errc::unauthorized, errc::unauthorized},
      {"Bearer guess", errc::unauthorized, errc::unauthorized, errc::unauthorized},
  };
  for (const auto& [key, client, worker, operators] : rows) {
    EXPECT_EQ(refused(*gate, scope::open, key), nothing) << key;
    EXPECT_EQ(refused(*gate, scope::client, key), client) << key;
    EXPECT_EQ(refused(*gate, scope::worker, key), worker) << key;
    EXPECT_EQ(refused(*gate, scope::operator_, key), operators) << key;
  }
  EXPECT_EQ(refused(*gate, scope::client, "sd-key", "sd"), nothing);
  EXPECT_EQ(refused(*gate, scope::client, "sd-key", "tayfa"), errc::forbidden);
}

TEST_F(gate_test, a_tenants_key_takes_no_jobs_of_others) {
  write_private(here / "keys", line_of("name=both scope=client,worker tenant=a", "k") +
                                   line_of("name=root scope=operator tenant=a", "root-key"));
  const auto gate = open();
  EXPECT_EQ(refused(*gate, scope::client, "k"), nothing);
  EXPECT_EQ(refused(*gate, scope::worker, "k"), errc::forbidden);
  EXPECT_EQ(refused(*gate, scope::worker, "root-key"), nothing);
}

TEST_F(gate_test, the_principal) {
  const auto gate = open();
  const auto alice = gate->admit({scope::client, "run", "tayfa", "client-key", ""});
  EXPECT_EQ(alice->name, "alice");
  EXPECT_EQ(alice->tenant, "a");
  EXPECT_FALSE(alice->is_operator);
  EXPECT_TRUE(gate->admit({scope::client, "run", "tayfa", "root-key", ""})->is_operator);
  const auto anybody = gate->admit({scope::open, "ping", "tayfa", "", ""});
  EXPECT_FALSE(anybody->is_operator);
  EXPECT_EQ(anybody->name, "");
}

TEST_F(gate_test, a_key_that_is_bound_to_a_worker_is_that_one_and_no_other_key_is) {
  write_private(here / "keys",
                line_of("name=w scope=worker", "worker-key") +
                    line_of("name=w1 scope=worker,client endpoint=sd worker=gpu-1", "bound-key") +
                    line_of("name=root scope=operator", "root-key"));
  const auto gate = open();
  const auto text = [&](std::string_view key, std::string_view worker,
                        std::string_view endpoint = "sd") {
    const auto who =
        gate->admit({scope::worker, "job-take/{worker}", endpoint, key, "192.0.2.1", worker});
    return who ? who->name : who.error().why.text;
  };
  EXPECT_EQ(text("bound-key", "gpu-1"), "w1");
  EXPECT_EQ(text("bound-key", "gpu-2"), "the key is for the worker gpu-1");
  EXPECT_EQ(text("worker-key", "gpu-1"), "this worker's name belongs to another key");
  EXPECT_EQ(text("worker-key", "gpu-2"), "w");
  EXPECT_EQ(text("worker-key", "gpu-1", "tayfa"), "w") << "the name of another endpoint's worker";
  EXPECT_EQ(text("root-key", "gpu-1"), "root");
  EXPECT_TRUE(gate->admit({scope::client, "run", "sd", "bound-key", "192.0.2.1"}))
      << "as a client it is no worker";
}

TEST_F(gate_test, without_a_file_all_is_open_until_there_is_one) {
  std::filesystem::rename(here / "keys", here / "aside");
  const auto gate = open();
  EXPECT_EQ(gate->keys(), 0U);
  EXPECT_EQ(refused(*gate, scope::operator_, ""), nothing);
  EXPECT_TRUE(gate->admit({scope::operator_, "slots", "tayfa", "", ""})->is_operator);
  std::filesystem::rename(here / "aside", here / "keys");
  time.pass(std::chrono::seconds{1});
  EXPECT_EQ(refused(*gate, scope::operator_, ""), errc::unauthorized);
  EXPECT_EQ(refused(*gate, scope::operator_, "root-key"), nothing);
}

TEST_F(gate_test, rates_of_a_key) {
  knobs.http_rate_limits = string_list{"run=2/10s"};
  const auto gate = open();
  const auto ask = [&gate](std::string_view key, std::string_view address) {
    const auto who = gate->admit({scope::client, "run", "tayfa", key, address});
    return who ? 0U : who.error().retry_after_s;
  };
  EXPECT_EQ(ask("client-key", "192.0.2.1"), 0U);
  EXPECT_EQ(ask("client-key", "192.0.2.2"), 0U);
  EXPECT_EQ(ask("client-key", "192.0.2.3"), 5U); // whatever address it calls from
  EXPECT_EQ(ask("root-key", "192.0.2.1"), 0U);
  const auto third = gate->admit({scope::client, "run", "tayfa", "client-key", ""});
  EXPECT_EQ(third.error().why.code, errc::rate_limited);
}

TEST_F(gate_test, rates_of_an_address_where_there_are_no_keys) {
  std::filesystem::remove(here / "keys");
  knobs.http_rate_limits = string_list{"run=1000/1s:1"};
  const auto gate = open();
  const api::access_request request{scope::client, "run", "tayfa", "", "192.0.2.1"};
  const auto first = gate->admit(request);
  ASSERT_TRUE(first);
  EXPECT_EQ(gate->admit(request).error().why.code, errc::rate_limited);
  EXPECT_TRUE(gate->admit({scope::client, "run", "tayfa", "any", "192.0.2.2"}));
  gate->done(request, *first);
  EXPECT_TRUE(gate->admit(request));
}

TEST_F(gate_test, broken_settings_name_themselves) {
  knobs.http_rate_limits = string_list{"run=1"};
  EXPECT_EQ(open_gate(knobs, time, log).error().text.rfind("http.rate_limits: run=1", 0), 0U);
  knobs.http_rate_limits = string_list{"off"};
  knobs.http_keys_file = here / "elsewhere";
  EXPECT_EQ(open_gate(knobs, time, log).error().code, errc::bad_config);
  write_private(here / "elsewhere", "x\n");
  EXPECT_EQ(open_gate(knobs, time, log).error().text,
            "the keys file: " + (here / "elsewhere") + ", line 1: a field is written name=value");
  write_private(here / "elsewhere", "");
  EXPECT_TRUE(open_gate(knobs, time, log));
}

// ---- a second look -----------------------------------------------------------------------------

class second_look : public gate_test {
 protected:
  /// Admitted with this key; then the file has these lines.
  std::optional<errc> after(std::string_view key, scope needs, const std::string& lines,
                            std::string_view endpoint = "tayfa") {
    const auto gate = open();
    const auto who = gate->admit({needs, "events", endpoint, key, "192.0.2.1"});
    EXPECT_TRUE(who) << key;
    const auto before = gate->version();
    const api::access_request open_one{needs, "events", endpoint, {}, "192.0.2.1"};
    EXPECT_FALSE(gate->recheck(open_one, *who)) << "nothing has changed";
    write_private(here / "keys", lines);
    time.pass(api::gate::recheck_pause);
    EXPECT_GT(gate->version(), before);
    const auto refused = gate->recheck(open_one, *who);
    return refused ? std::optional{refused->why.code} : std::nullopt;
  }
};

TEST_F(second_look, a_key_that_is_gone_opens_nothing) {
  EXPECT_EQ(after("root-key", scope::operator_, line_of("name=alice scope=client", "client-key")),
            errc::unauthorized);
  EXPECT_EQ(after("client-key", scope::client, ""), errc::unauthorized);
}

TEST_F(second_look, another_key_of_the_same_name_is_another_key) {
  write_private(here / "keys", line_of("name=root scope=operator", "root-key"));
  EXPECT_EQ(after("root-key", scope::operator_, line_of("name=root scope=operator", "new-key")),
            errc::unauthorized);
}

TEST_F(second_look, a_key_with_less_opens_less) {
  const auto now = [](const std::string& fields) { return line_of(fields, "k"); };
  const auto begin = [&](const std::string& fields) { write_private(here / "keys", now(fields)); };
  begin("name=k scope=operator");
  EXPECT_EQ(after("k", scope::operator_, now("name=k scope=client")), errc::forbidden);
  begin("name=k scope=operator");
  EXPECT_EQ(after("k", scope::client, now("name=k scope=client")), errc::forbidden)
      << "as an operator it saw the jobs of all";
  begin("name=k scope=client");
  EXPECT_EQ(after("k", scope::client, now("name=k scope=client tenant=a")), errc::forbidden);
  begin("name=k scope=client tenant=a");
  EXPECT_EQ(after("k", scope::client, now("name=k scope=client tenant=b")), errc::forbidden);
  begin("name=k scope=worker");
  EXPECT_EQ(after("k", scope::worker, now("name=k scope=worker endpoint=other")), errc::forbidden);
  begin("name=k scope=worker");
  EXPECT_EQ(after("k", scope::worker, now("name=k scope=worker endpoint=other"), "other"),
            std::nullopt);
}

TEST_F(second_look, a_key_with_more_or_another_name_goes_on) {
  const auto now = [](const std::string& fields) { return line_of(fields, "k"); };
  const auto begin = [&](const std::string& fields) { write_private(here / "keys", now(fields)); };
  begin("name=k scope=client tenant=a endpoint=tayfa");
  EXPECT_EQ(after("k", scope::client, now("name=k scope=client,worker")), std::nullopt);
  begin("name=k scope=client tenant=a");
  EXPECT_EQ(after("k", scope::client, now("name=other scope=operator")), std::nullopt);
}

TEST_F(second_look, the_first_key_ends_what_was_opened_without_one) {
  std::filesystem::remove(here / "keys");
  const auto gate = open();
  EXPECT_FALSE(gate->needs_keys());
  const auto who = gate->admit({scope::operator_, "events", "tayfa", "", ""});
  const api::access_request open_one{scope::operator_, "events", "tayfa", {}, ""};
  EXPECT_FALSE(gate->recheck(open_one, *who));
  write_private(here / "keys", "");
  time.pass(api::gate::recheck_pause);
  EXPECT_EQ(gate->version(), 1U);
  EXPECT_TRUE(gate->needs_keys());
  EXPECT_EQ(gate->recheck(open_one, *who)->why.code, errc::unauthorized);
  EXPECT_FALSE(gate->recheck({scope::open, "ping", "tayfa", {}, ""}, *who)) << "/ping needs none";
}

TEST_F(second_look, a_broken_file_ends_nothing_but_locks_what_had_none) {
  const auto gate = open();
  const auto who = gate->admit({scope::client, "run", "tayfa", "client-key", ""});
  write_private(here / "keys", "nonsense\n");
  time.pass(api::gate::recheck_pause);
  EXPECT_EQ(gate->version(), 0U);
  EXPECT_FALSE(gate->recheck({scope::client, "run", "tayfa", {}, ""}, *who));
}

// ---- the first key -----------------------------------------------------------------------------

class first_key : public testing::Test {
 protected:
  first_key() {
    knobs.pod_data = here / "data";
    knobs.http_listen = "0.0.0.0:8000";
    knobs.http_first_key = true;
  }
  result<std::optional<std::string>> make() { return make_first_key(knobs, secrets); }

  scratch_folder here;
  counted_secrets secrets;
  manual_time time;
  memory_log log{time};
  config knobs;
};

TEST_F(first_key, is_made_once_and_opens_everything) {
  const auto made = make();
  ASSERT_TRUE(made && *made);
  EXPECT_TRUE((*made)->starts_with("tayfa_"));
  const auto gate = *open_gate(knobs, time, log);
  EXPECT_TRUE(may_listen(knobs, gate->keys()));
  const auto who = gate->admit({scope::operator_, "slots", "tayfa", "Bearer " + **made, ""});
  ASSERT_TRUE(who);
  EXPECT_EQ(who->name, "first");
  EXPECT_FALSE(gate->admit({scope::client, "run", "tayfa", "", ""}));
  EXPECT_EQ(*make(), std::nullopt) << "the file is there now";
}

TEST_F(first_key, is_made_only_where_one_is_needed) {
  knobs.http_listen = "127.0.0.1:8000";
  EXPECT_EQ(*make(), std::nullopt);
  knobs.http_listen = "0.0.0.0:8000";
  knobs.http_allow_public = true; // RunPod's platform stands before it
  EXPECT_EQ(*make(), std::nullopt);
  knobs.http_allow_public = false;
  knobs.http_first_key = false;
  EXPECT_EQ(*make(), std::nullopt);
  EXPECT_FALSE(stamp_of(keys_path(knobs)));
}

TEST_F(first_key, a_file_without_keys_stays_locked) {
  std::filesystem::create_directories(knobs.pod_data);
  write_private(keys_path(knobs), "# locked\n");
  EXPECT_EQ(*make(), std::nullopt);
  const auto gate = *open_gate(knobs, time, log);
  EXPECT_FALSE(may_listen(knobs, gate->keys()));
}

TEST(may_listen, only_with_a_key_or_the_switch) {
  config knobs;
  for (const char* const reachable : {"0.0.0.0:8000", "[::]:80", "10.0.0.1:0", "example.com:80"}) {
    knobs.http_listen = reachable;
    knobs.http_allow_public = false;
    const auto refused = may_listen(knobs, 0);
    ASSERT_FALSE(refused) << reachable;
    EXPECT_EQ(refused.error().code, errc::bad_config);
    EXPECT_NE(refused.error().text.find("tayfa key new"), std::string::npos);
    EXPECT_TRUE(may_listen(knobs, 1));
    knobs.http_allow_public = true;
    EXPECT_TRUE(may_listen(knobs, 0));
  }
  knobs.http_allow_public = false;
  for (const char* const local : {"127.0.0.1:0", "[::1]:80", "localhost:80"}) {
    knobs.http_listen = local;
    EXPECT_TRUE(may_listen(knobs, 0)) << local;
  }
  knobs.http_listen = "nonsense";
  EXPECT_FALSE(may_listen(knobs, 1));
}

} // namespace
} // namespace tayfa::access
