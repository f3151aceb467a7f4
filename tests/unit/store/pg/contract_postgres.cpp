// The contract of every store, kept by the one in PostgreSQL.
#include "tests/unit/store/contract.hpp"
#include "tests/unit/store/pg/support.hpp"

namespace tayfa::store::testing {
namespace {

/// A schema, used by one process after the other of the same data folder.
struct in_postgres final : store_home {
  manual_time time;
  seeded_random random{7};
  std::string schema = fresh_name("c");

  std::unique_ptr<job_store> make() override {
    postgres_store_options out;
    out.url = server().url();
    out.head.schema = schema;
    out.head.boot = "boot";
    out.head.holder = fresh_name("p");
    out.head.instance = "folder";
    return std::make_unique<postgres_store>(time, random, std::move(out));
  }
};

store_kind postgres() {
  return {[]() -> std::unique_ptr<store_home> { return std::make_unique<in_postgres>(); },
          &tayfa::testing::postgres_server::missing};
}

INSTANTIATE_TEST_SUITE_P(postgres, contract, ::testing::Values(postgres()));
INSTANTIATE_TEST_SUITE_P(postgres, durable, ::testing::Values(postgres()));

} // namespace
} // namespace tayfa::store::testing
