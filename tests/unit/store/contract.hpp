// The contract of every store as a fixture: each program that has a kind of store instantiates it
// with that kind (contract_stores.cpp, pg/contract_postgres.cpp). Owned by each test.
#pragma once

#include "runtime/store/store.hpp"
#include "tests/unit/store/support.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tayfa::store::testing {

/// The place that stores of one test are opened on, one after the other, as by processes.
class store_home {
 public:
  virtual ~store_home() = default;
  virtual std::unique_ptr<job_store> make() = 0;
  /// Runs all requested operations; a threaded store does so by itself.
  virtual void run(job_store&) {}
};

struct store_kind {
  std::unique_ptr<store_home> (*home)();
  std::string (*missing)() = nullptr; ///< why there can be none here; empty: there can
};

struct contract : ::testing::TestWithParam<store_kind> {
  std::unique_ptr<store_home> home;
  std::unique_ptr<job_store> store;

  void SetUp() override {
    const auto& kind = GetParam();
    if (const auto why = kind.missing == nullptr ? std::string{} : kind.missing(); !why.empty()) {
      GTEST_SKIP() << why;
    }
    home = kind.home();
    make();
  }
  void TearDown() override { store.reset(); }

  void make() {
    store.reset();
    store = home->make();
  }
  void run() { home->run(*store); }
  template <class T, class Ask>
  T answer_to(Ask ask) {
    std::promise<T> answer;
    ask([&](T value) { answer.set_value(std::move(value)); });
    run();
    return answer.get_future().get();
  }
  result<job_store::recovered> open() {
    return answer_to<result<job_store::recovered>>([&](auto done) { store->open(done); });
  }
  result<void> commit(batch changes) {
    return answer_to<result<void>>([&](auto done) { store->commit(changes, done); });
  }
  result<shared_text> fetch(std::uint64_t order, job_store::column which) {
    return answer_to<result<shared_text>>([&](auto done) { store->fetch(order, which, done); });
  }
  void close() {
    std::promise<void> closed;
    store->close([&] { closed.set_value(); });
    run();
    closed.get_future().wait();
  }
};

/// Those that are there to be found again.
struct durable : contract {
  std::string found_again() {
    make();
    const auto found = open();
    if (!found) {
      return found.error().str();
    }
    std::string words;
    for (const auto& row : found->rows) {
      words += text_of(row) + "\n";
    }
    return words;
  }
};

} // namespace tayfa::store::testing
