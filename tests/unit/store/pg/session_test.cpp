// The checks of a database before the store trusts it, and the words of a refusal.
#include "runtime/base/wakeup.hpp"
#include "runtime/store/pg/pg_schema.hpp"
#include "tests/unit/store/pg/cut_proxy.hpp"
#include "tests/unit/store/pg/support.hpp"

namespace tayfa::store::testing {
namespace {

struct pg_session_test : with_server {
  unique_fd stop = make_wakeup();

  pg_session connect(const pg_address& to) {
    auto made = pg_session::connect(to, std::chrono::seconds{5}, {time, stop});
    return std::move(made.value()); // throws what it is not
  }
  moment soon() const { return time.now() + std::chrono::seconds{20}; }
};

TEST_F(pg_session_test, a_role_that_does_not_wait_for_the_disk_is_overruled) {
  server().query("CREATE ROLE hasty LOGIN SUPERUSER");
  server().query("ALTER ROLE hasty SET synchronous_commit = off");
  auto url = server().url();
  url.replace(url.find("tester"), 6, "hasty");
  const auto address = pg_address::parse(url).value();
  auto session = connect(address);
  const auto show = pg_call{.sql = "SELECT current_setting('synchronous_commit'), "
                                   "current_setting('lock_timeout')"};
  EXPECT_EQ(session.run(show, soon()).rows.at(0).text(0, 0), "off");
  ASSERT_TRUE(settle_session(session, schema, true, soon()));
  const auto set = session.run(show, soon());
  EXPECT_EQ(set.rows.at(0).text(0, 0), "on");
  EXPECT_EQ(set.rows.at(0).text(0, 1), "2s");
}

TEST_F(pg_session_test, a_stronger_setting_stays) {
  const auto address = pg_address::parse(server().url()).value();
  auto session = connect(address);
  ASSERT_TRUE(
      session.run(pg_call{.sql = "SET synchronous_commit = remote_apply"}, soon()).is_done());
  ASSERT_TRUE(settle_session(session, schema, true, soon()));
  EXPECT_EQ(session.run(pg_call{.sql = "SHOW synchronous_commit"}, soon()).rows.at(0).text(0, 0),
            "remote_apply");
}

TEST_F(pg_session_test, a_pooler_in_transaction_mode_is_refused) {
  cut_proxy proxy{server().socket_folder() + tayfa::testing::postgres_server::socket_name};
  proxy.swallow('A'); // NotificationResponse
  auto options = process();
  options.url = server().url(proxy.folder());
  const auto found = calls{*start(options)}.open();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, errc::bad_config);
  EXPECT_NE(found.error().text.find("pooler"), std::string::npos) << found.error().text;
}

TEST_F(pg_session_test, a_database_that_is_not_there_is_named_without_the_password) {
  auto options = process();
  options.url = "postgresql://tester:hidden@/nowhere?host=" + server().socket_folder();
  const auto missing = calls{*start(options)}.open();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, errc::bad_config) << missing.error().text;
  EXPECT_NE(missing.error().text.find("nowhere"), std::string::npos) << missing.error().text;
  EXPECT_EQ(missing.error().text.find("hidden"), std::string::npos) << missing.error().text;

  options.url = "postgresql://tester:hidden@/postgres?host=/nowhere";
  options.head.open = std::chrono::milliseconds{1};
  const auto silent = calls{*start(options)}.open();
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, errc::io_error) << silent.error().text;
  EXPECT_EQ(silent.error().text.find("hidden"), std::string::npos) << silent.error().text;
}

TEST_F(pg_session_test, a_failed_statement_ends_its_pipeline_and_the_session_goes_on) {
  const auto address = pg_address::parse(server().url()).value();
  auto session = connect(address);
  const std::vector<pg_call> calls = {
      {.sql = "SELECT 1"}, {.sql = "SELECT 1/0"}, {.sql = "SELECT 2"}};
  const auto how = session.run(calls, soon());
  EXPECT_EQ(how.how, pg_outcome::kind::refused);
  EXPECT_EQ(how.failed, 1U);
  EXPECT_EQ(how.state, "22012");
  EXPECT_EQ(session.run(pg_call{.sql = "SELECT 3::bigint"}, soon()).rows.at(0).number(0, 0), 3);
}

TEST_F(pg_session_test, a_statement_that_takes_too_long_is_cut_and_a_stop_ends_it_at_once) {
  const auto address = pg_address::parse(server().url()).value();
  auto session = connect(address);
  const pg_call slow{.sql = "SELECT pg_sleep(3600)"};
  EXPECT_EQ(session.run(slow, time.now() + std::chrono::milliseconds{50}).how,
            pg_outcome::kind::cut);
  auto other = connect(address);
  wake_up(stop);
  EXPECT_EQ(other.run(slow, soon()).how, pg_outcome::kind::cut);
  server().query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE "
                 "'SELECT pg_sleep%'");
}

TEST_F(pg_session_test, a_warning_of_the_server_is_reported) {
  const auto address = pg_address::parse(server().url()).value();
  auto session = connect(address);
  const auto how =
      session.run(pg_call{.sql = "DO $$ BEGIN RAISE WARNING 'not replicated'; END $$"}, soon());
  EXPECT_TRUE(how.is_done());
  EXPECT_TRUE(how.warned);
  EXPECT_NE(how.text.find("not replicated"), std::string::npos) << how.text;
}

TEST_F(pg_session_test, a_name_of_a_schema_is_plain) {
  EXPECT_TRUE(is_plain_name("tayfa_2"));
  for (const auto* name : {"", "2", "Tayfa", "a-b", "a b", "a\"; DROP SCHEMA public; --"}) {
    EXPECT_FALSE(is_plain_name(name)) << name;
  }
  auto options = process();
  options.head.schema = "a; b";
  EXPECT_EQ(calls{*start(options)}.open().error().code, errc::bad_config);
}

} // namespace
} // namespace tayfa::store::testing
