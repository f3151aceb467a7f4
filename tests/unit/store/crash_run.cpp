#include "tests/unit/store/crash_run.hpp"

#include "runtime/store/sql.hpp"

namespace tayfa::store::testing {

/// The disk's own, but for what is said to be done and is not.
struct crash_run::forgetful_files final : file_system {
  forgetful_files(file_system& to, const options& what) : real(to), does(what) {}
  result<void> prepare(const std::string& folder) override { return real.prepare(folder); }
  result<void> make_folder(const std::string& path) override { return real.make_folder(path); }
  result<void> make_file(const std::string& path) override { return real.make_file(path); }
  result<void> write_flushed(const std::string& path, std::string_view bytes) override {
    return real.write_flushed(path, bytes);
  }
  result<void> write_again(const std::string& path) override {
    return does.write_again ? real.write_again(path) : result<void>{};
  }
  result<void> rename(const std::string& from, const std::string& to) override {
    return real.rename(from, to);
  }
  result<void> sync_folder(const std::string& path) override {
    const bool forgets = !does.flush_names && path.find("blobs") != std::string::npos;
    return forgets ? result<void>{} : real.sync_folder(path);
  }
  result<std::string> read(const std::string& path, std::size_t limit) override {
    return real.read(path, limit);
  }
  result<void> remove(const std::string& path) override { return real.remove(path); }
  result<std::vector<std::string>> list(const std::string& folder) override {
    return real.list(folder);
  }
  result<file_identity> identity(const std::string& path) override { return real.identity(path); }
  result<void> write_over(const std::string& path, std::string_view bytes) override {
    return real.write_over(path, bytes);
  }
  result<void> occupy(const std::string& path, std::size_t bytes) override {
    return real.occupy(path, bytes);
  }
  result<std::size_t> disk_bytes(const std::string& folder) override {
    return real.disk_bytes(folder);
  }
  result<std::size_t> size(const std::string& path) override { return real.size(path); }
  file_system& real;
  const options& does;
};

crash_run::crash_run(options wanted)
    : options_(wanted), disk_({.seed = wanted.seed, .sector = wanted.sector}),
      files_(std::make_unique<forgetful_files>(disk_.files(), options_)), workload_(wanted.seed) {}
crash_run::~crash_run() {
  store_.reset();
}

void crash_run::make() {
  store_ = std::make_unique<sqlite_store>(time_, sqlite_store_options{.folder = "/data",
                                                                      .changes_per_commit = 6,
                                                                      .checkpoint_pages = 12,
                                                                      .boot = "boot",
                                                                      .vfs = disk_.vfs_name(),
                                                                      .files = files_.get(),
                                                                      .inline_mode = true,
                                                                      .flush = options_.flush,
                                                                      .reserve = options_.reserve});
}

result<void> crash_run::open() {
  make();
  auto found = calls{*store_, true}.open();
  if (!found) {
    store_.reset();
    return fail(found.error());
  }
  return {};
}

void crash_run::commit_some(workload& from, std::uint64_t batches) {
  for (std::uint64_t i = 0; i < batches; ++i) {
    auto next = from.next(issued_);
    issued_.apply(next);
    under_way_.push_back(next);
    store_->commit(std::move(next), [this](const result<void>& done) {
      if (done) {
        if (refused_) {
          wrong_.emplace_back("a commit succeeded after the store had failed");
        }
        acknowledged_.apply(under_way_.front());
      } else if (done.error().code == errc::storage_full) {
        ++times_full_;
      } else if (done.error().code == errc::store_failed) {
        refused_ = true;
        return; // it may or may not be durable
      } else {
        wrong_.push_back("an answer outside of the contract: " + done.error().str());
      }
      under_way_.pop_front();
    });
  }
  while (store_->step()) {
  }
  while (workload_.draw(4) == 0 && store_->rest()) {
  }
  if (!refused_) {
    issued_ = acknowledged_;
  }
}

void crash_run::go_on(int batches) {
  if (!store_) {
    if (!open()) {
      return;
    }
  }
  while (batches > 0 && !refused_) {
    const auto together = 1 + workload_.draw(4);
    commit_some(workload_, together);
    batches -= static_cast<int>(together);
    time_.pass(std::chrono::milliseconds{7});
  }
}

void crash_run::play(int batches) {
  go_on(batches / 2);
  if (store_ && !refused_) {
    calls{*store_, true}.close();
    kill();
  }
  if (!refused_ && disk_.has_power()) {
    go_on(batches - batches / 2);
  }
}

std::string crash_run::recover() {
  kill();
  if (!wrong_.empty()) {
    return wrong_.front();
  }
  const auto opened = open();
  if (!opened) {
    return "it cannot be opened again: " + opened.error().str();
  }
  kill();
  if (auto words = whole_check(); words != "ok") {
    return "integrity_check: " + words;
  }
  make();
  const auto found = calls{*store_, true}.open();
  if (!found) {
    return "it cannot be opened a second time: " + found.error().str();
  }
  auto words = compare(*found);
  return words.empty() ? compare_texts() : words;
}

std::string crash_run::whole_check() {
  auto db = database::open("/data/jobs.sqlite", disk_.vfs_name());
  if (!db) {
    return db.error().str();
  }
  const auto words = db->text("PRAGMA integrity_check");
  return words ? *words : words.error().str();
}

std::string crash_run::compare(const job_store::recovered& found) {
  const auto is_found = [&found](const perfect_store& all) {
    return all.last_order() == found.last_order && same_columns(all.rows(), found.rows);
  };
  auto expected = acknowledged_;
  while (!is_found(expected) && !under_way_.empty()) {
    expected.apply(under_way_.front());
    under_way_.pop_front();
  }
  if (!is_found(expected)) {
    const auto text = [](const perfect_store& all) {
      return text_of(all.rows(), all.last_order());
    };
    return "found:\n" + text_of(found.rows, found.last_order) + "acknowledged:\n" +
           text(acknowledged_) + "with all:\n" + text(expected);
  }
  acknowledged_ = expected;
  issued_ = expected;
  under_way_.clear();
  refused_ = false;
  return {};
}

std::string crash_run::compare_texts() {
  const calls call{*store_, true};
  std::size_t large = 0;
  for (const auto& [order, row] : acknowledged_.by_order()) {
    for (const auto which : {job_store::column::input, job_store::column::output}) {
      const auto& text = which == job_store::column::input ? row.request.input : row.output;
      if (text.size() <= job_store::inline_max) {
        continue;
      }
      ++large;
      const auto stored = call.fetch(order, which);
      if (!stored || !(*stored == text)) {
        return "a large text of job " + std::to_string(order) +
               " is lost: " + (stored ? "it differs" : stored.error().str());
      }
    }
  }
  std::size_t files = 0;
  for (const auto& path : disk_.paths()) {
    files += path.starts_with("/data/blobs/") ? 1 : 0;
  }
  return files <= large ? "" : "files of large texts were left over";
}

} // namespace tayfa::store::testing
