#include "tests/unit/core/row_keepers.hpp"

#include "runtime/store/sim_disk.hpp"
#include "runtime/store/sqlite_store.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>

namespace tayfa::testing {

namespace {

/// Base of the two SQLite keepers: one store in inline mode, one call at a time.
class in_sqlite : public row_keeper {
 public:
  in_sqlite(dice d, const time_source& time) : dice_(std::move(d)), time_(time) {}

  commit_result commit(const store::batch& b) override {
    result<void> how = fail(errc::internal, "never answered");
    store_->commit(b, [&how](result<void> done) { how = std::move(done); });
    while (store_->step()) {
    }
    if (how) {
      return commit_result::done;
    }
    EXPECT_TRUE(how.error().code == errc::storage_full || how.error().code == errc::store_failed)
        << how.error().str();
    return how.error().code == errc::storage_full ? commit_result::full : commit_result::broken;
  }
  job_store::recovered crash(const store::batch* on_its_way) override {
    if (on_its_way != nullptr && dice_(2) == 0) {
      static_cast<void>(commit(*on_its_way));
    }
    store_.reset();
    return reopened();
  }
  bool keeps_large_texts() const override { return true; }
  shared_text fetch(std::uint64_t order, job_store::column which) override {
    result<shared_text> found = fail(errc::internal, "never answered");
    store_->fetch(order, which, [&found](result<shared_text> text) { found = std::move(text); });
    while (store_->step()) {
    }
    EXPECT_TRUE(found) << "row " << order << ": " << found.error().str();
    return found.value_or(shared_text{});
  }

 protected:
  virtual store::sqlite_store_options options() = 0;
  virtual job_store::recovered reopened() {
    auto found = open();
    EXPECT_TRUE(found) << found.error().str();
    return found.value_or(job_store::recovered{});
  }
  result<job_store::recovered> open() {
    auto with = options();
    with.inline_mode = true;
    with.boot = "boot";
    with.checkpoint_pages = 64;
    store_ = std::make_unique<store::sqlite_store>(time_, with);
    result<job_store::recovered> found = fail(errc::internal, "never answered");
    store_->open([&found](result<job_store::recovered> rows) { found = std::move(rows); });
    while (store_->step()) {
    }
    return found;
  }

  dice dice_;
  const time_source& time_;
  std::unique_ptr<store::sqlite_store> store_;
};

class in_folder final : public in_sqlite {
 public:
  in_folder(dice d, const time_source& time) : in_sqlite(std::move(d), time) {
    std::string name = std::filesystem::temp_directory_path() / "tayfa-rows-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    EXPECT_TRUE(reopened().rows.empty());
  }
  ~in_folder() override {
    store_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

 private:
  store::sqlite_store_options options() override {
    store::sqlite_store_options o;
    o.folder = folder_;
    return o;
  }
  std::filesystem::path folder_;
};

class on_failing_disk final : public in_sqlite {
 public:
  on_failing_disk(dice d, const time_source& time)
      : in_sqlite(std::move(d), time), disk_({.seed = dice_(1'000'000)}) {
    EXPECT_TRUE(reopened().rows.empty());
  }
  ~on_failing_disk() override { store_.reset(); }

  commit_result commit(const store::batch& b) override {
    if (faults_) {
      plan();
    }
    const auto how = in_sqlite::commit(b);
    disk_.heal();
    // The power may fail in the commit's flush, after the mark: the process dies before it reports
    // success.
    return disk_.has_power() ? how : commit_result::broken;
  }
  job_store::recovered crash(const store::batch* on_its_way) override {
    if (on_its_way != nullptr) {
      disk_.lose_power_at(1 + dice_(20));
      static_cast<void>(in_sqlite::commit(*on_its_way));
    }
    store_.reset();
    if (dice_(3) != 0 && disk_.has_power()) {
      disk_.power_loss();
    }
    return reopened();
  }
  void heal() override { faults_ = false; }

 private:
  void plan() {
    switch (dice_(40)) {
    case 0: disk_.lose_power_at(1 + dice_(12)); break;
    case 1: disk_.plan_fault(store::disk_call::sync, 1, EIO); break;
    case 2:
    case 3:
    case 4:
    case 5: disk_.plan_fault(store::disk_call::write, 1 + dice_(2), ENOSPC); break;
    default: break;
    }
  }
  store::sqlite_store_options options() override {
    store::sqlite_store_options o;
    o.folder = "/data";
    o.vfs = disk_.vfs_name();
    o.files = &disk_.files();
    return o;
  }
  /// The power may go again while the store recovers.
  job_store::recovered reopened() override {
    for (int tries = 0; tries < 3 && dice_(3) == 0; ++tries) {
      disk_.power_on();
      disk_.lose_power_at(1 + dice_(10));
      auto found = open();
      disk_.heal();
      if (found && disk_.has_power()) {
        return std::move(*found);
      }
      store_.reset();
    }
    disk_.heal();
    disk_.power_on();
    return in_sqlite::reopened();
  }

  store::sim_disk disk_;
  bool faults_ = true;
};

} // namespace

std::unique_ptr<row_keeper> keep_in_sqlite(dice d, const time_source& time) {
  return std::make_unique<in_folder>(std::move(d), time);
}
std::unique_ptr<row_keeper> keep_on_failing_disk(dice d, const time_source& time) {
  return std::make_unique<on_failing_disk>(std::move(d), time);
}

} // namespace tayfa::testing
