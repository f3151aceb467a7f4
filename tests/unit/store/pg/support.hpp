// Shared by the tests of the PostgreSQL store: one server for the whole program, a schema of its
// own for each test, and stores as processes that open it. Each test owns what it makes.
#pragma once

#include "runtime/store/pg/postgres_store.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/unit/store/support.hpp"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace tayfa::store::testing {

/// Started at the first use, ended with the program.
tayfa::testing::postgres_server& server();
/// A name that nobody else uses.
std::string fresh_name(const std::string& prefix);

/// Skips the tests where there is no server, and gives each a schema.
struct with_server : ::testing::Test {
  system_time time;
  seeded_random random{7};
  std::string schema = fresh_name("s");

  void SetUp() override {
    if (const auto why = tayfa::testing::postgres_server::missing(); !why.empty()) {
      GTEST_SKIP() << why;
    }
  }
  /// The options of a new process, which has a data folder of its own.
  postgres_store_options process(const std::string& head = "main") const {
    postgres_store_options out;
    out.url = server().url();
    out.head.name = head;
    out.head.schema = schema;
    out.head.boot = "boot";
    out.head.holder = fresh_name("p");
    out.head.instance = fresh_name("i");
    out.head.address = "address of " + out.head.holder;
    out.head.lease = std::chrono::seconds{60};
    out.head.adopt_after = std::chrono::milliseconds{0}; // tests say themselves who is dead
    out.head.adopt_recheck = std::chrono::milliseconds{0};
    out.patience = std::chrono::seconds{30};
    return out;
  }
  std::unique_ptr<postgres_store> start(postgres_store_options options) {
    return std::make_unique<postgres_store>(time, random, std::move(options));
  }
  std::string query(const std::string& sql) const {
    return server().query("SET search_path = " + schema + "; " + sql);
  }
};

result<adopted_jobs> adopt(postgres_store&, std::size_t most);

} // namespace tayfa::store::testing
