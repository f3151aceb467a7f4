// A store whose commits wait until the script answers them, and the rows that are durable by then.
#pragma once

#include "runtime/store/store.hpp"
#include "tests/job_model/perfect_store.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace tayfa::testing {

class held_store : public job_store {
 public:
  bool holds = true;  ///< false: commits are answered at once
  bool closes = true; ///< false: the close is never answered
  bool opens = true;  ///< likewise
  std::optional<error> open_error;
  std::optional<error> in_trouble; ///< its database is away
  store::shared_store* with_others = nullptr;

  void open(std::function<void(result<recovered>)> done) override {
    if (open_error) {
      done(fail(*open_error));
    } else if (opens) {
      done(recovered{});
    }
  }
  void commit(store::batch rows, std::function<void(result<void>)> done) override {
    waiting_.push_back({std::move(rows), std::move(done)});
    if (!holds) {
      answer();
    }
  }
  void fetch(std::uint64_t, job_store::column,
             std::function<void(result<shared_text>)> done) override {
    done(fail(errc::job_not_found));
  }
  void close(std::function<void()> done) override {
    closed = true;
    if (closes) {
      done();
    }
  }

  bool has_reserve() const override { return !in_trouble; }
  std::optional<error> trouble() const override { return in_trouble; }
  store::shared_store* shared() override { return with_others; }

  std::size_t waiting() const { return waiting_.size(); }
  /// The end of the oldest commit that waits; false when none does.
  bool answer(result<void> how = {}) {
    if (waiting_.empty()) {
      return false;
    }
    auto oldest = std::move(waiting_.front());
    waiting_.pop_front();
    if (how) {
      disk_.apply(oldest.rows);
    }
    oldest.done(std::move(how));
    return true;
  }
  /// The job as the next process would find it; null when it would not.
  const store::job_row* row(const std::string& id) const {
    for (const auto& [order, row] : disk_.by_order()) {
      if (row.id.str() == id) {
        return &row;
      }
    }
    return nullptr;
  }

  bool closed = false; ///< close() was called

 private:
  struct commit_asked {
    store::batch rows;
    std::function<void(result<void>)> done;
  };
  std::deque<commit_asked> waiting_;
  perfect_store disk_;
};

} // namespace tayfa::testing
