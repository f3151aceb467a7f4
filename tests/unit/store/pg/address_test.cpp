// The address of a database: read, bounded, and shown without its password.
#include "runtime/store/pg/pg_address.hpp"

#include <map>

#include <gtest/gtest.h>

namespace tayfa::store {
namespace {

std::map<std::string, std::string> host_of(const pg_address& address, std::size_t index = 0) {
  const auto target = address.host(index);
  std::map<std::string, std::string> out;
  for (std::size_t i = 0; target.keywords[i] != nullptr; ++i) {
    out[target.keywords[i]] = target.values[i];
  }
  return out;
}

TEST(pg_address, the_password_is_for_libpq_alone) {
  const auto read = pg_address::parse("postgresql://me:s%40cret@db.example.org:5433/jobs");
  ASSERT_TRUE(read) << read.error().str();
  EXPECT_EQ(host_of(*read).at("password"), "s@cret");
  EXPECT_EQ(read->shown(), "postgresql://me@db.example.org:5433/jobs");
  EXPECT_EQ(read->without_password("no s@cret, s@crets@cret"), "no ***, ******");
}

TEST(pg_address, errors_do_not_quote_the_address) {
  for (const auto* url :
       {"", "mysql://me:hidden@db/jobs", "postgresql://me:hidden%zz@db/jobs",
        "postgresql://me:hidden@db/jobs?nonsense=1", "postgresql://me:hidden@db:port/jobs\x01",
        "postgresql://me:hidden@db/jobs?target_session_attrs=standby",
        "postgresql://me:hidden@db/jobs?replication=database",
        "postgresql://me:hidden@a:1,b:2,c/jobs?port=1,2"}) {
    const auto read = pg_address::parse(url);
    ASSERT_FALSE(read) << url;
    EXPECT_EQ(read.error().code, errc::bad_config) << url;
    EXPECT_NE(read.error().text.find("store.url"), std::string::npos) << read.error().text;
    EXPECT_EQ(read.error().text.find("hidden"), std::string::npos) << read.error().text;
  }
  EXPECT_FALSE(pg_address::parse("postgresql://db/" + std::string(pg_address::length_max, 'x')));
}

TEST(pg_address, a_far_database_is_reached_through_tls_unless_the_address_says_otherwise) {
  EXPECT_EQ(host_of(*pg_address::parse("postgres://db.example.org/jobs")).at("sslmode"), "require");
  EXPECT_EQ(host_of(*pg_address::parse("postgres://db/jobs?sslmode=verify-full")).at("sslmode"),
            "verify-full");
  for (const auto* url : {"postgres://localhost/jobs", "postgres://127.0.0.1:5432/jobs",
                          "postgres:///jobs?host=/var/run/postgresql"}) {
    EXPECT_EQ(host_of(*pg_address::parse(url)).count("sslmode"), 0U) << url;
  }
}

TEST(pg_address, writes_go_to_the_primary_and_dead_connections_are_found) {
  const auto host = host_of(*pg_address::parse("postgres://db/jobs?tcp_user_timeout=4000"));
  EXPECT_EQ(host.at("target_session_attrs"), "read-write");
  EXPECT_EQ(host.at("client_encoding"), "UTF8");
  EXPECT_EQ(host.at("tcp_user_timeout"), "4000");
  EXPECT_EQ(host.at("keepalives_idle"), "10");
}

TEST(pg_address, several_hosts_are_tried_one_by_one) {
  const auto read = pg_address::parse("postgres://me@one:1,two:2/jobs");
  ASSERT_TRUE(read) << read.error().str();
  ASSERT_EQ(read->hosts(), 2U);
  EXPECT_EQ(host_of(*read, 0).at("host"), "one");
  EXPECT_EQ(host_of(*read, 1).at("host"), "two");
  EXPECT_EQ(host_of(*read, 1).at("port"), "2");
  EXPECT_EQ(read->shown(), "postgresql://me@one:1,two:2/jobs");
}

} // namespace
} // namespace tayfa::store
