// What can wait until nobody waits: the file gives space back, the log is cut, the mark is flushed.
#include "runtime/store/store_file.hpp"

#include <algorithm>
#include <sqlite3.h>

namespace tayfa::store {

namespace {

constexpr std::int64_t small_step_pages = 32; ///< while the disk is full
constexpr std::int64_t step_pages = 512;      ///< that one step gives back: 2 MiB
constexpr std::int64_t spare_pages = 256;     ///< that stay for the jobs to come,
constexpr std::int64_t spare_part = 8;        ///< or such a part of what is in use
constexpr std::size_t log_pages_left = 256;   ///< a log up to this length stays as it is
constexpr std::int64_t rewrite_at_once = rewrite_max / 4; ///< while jobs may come

} // namespace

/// An earlier release made files that only grow. Rewriting costs what is in use, in time and in the
/// log; one with more than `used_max` is left for later. Whether it was rewritten.
result<bool> store_file::make_shrinkable(std::int64_t used_max) {
  const auto mode = database_.number("PRAGMA auto_vacuum");
  if (!mode) {
    return fail(mode.error());
  }
  constexpr std::int64_t incremental = 2;
  shrinkable_ = *mode == incremental;
  const auto used = shrinkable_ ? result<std::int64_t>{0} : used_bytes(database_);
  if (shrinkable_ || !used || *used > used_max) {
    return used ? result<bool>{false} : fail(used.error());
  }
  if (auto done = database_.run("PRAGMA auto_vacuum=INCREMENTAL; VACUUM"); !done) {
    return fail(done.error());
  }
  shrinkable_ = true;
  tidy();
  return true;
}

result<bool> store_file::give_back() {
  const auto unused = database_.number("PRAGMA freelist_count");
  const auto all = database_.number("PRAGMA page_count");
  if (!unused || !all) {
    return fail(unused ? all.error() : unused.error());
  }
  const auto spare = std::max(spare_pages, (*all - *unused) / spare_part);
  if (*unused <= spare) {
    return false;
  }
  if (!shrinkable_) {
    return *unused > *all / 2 ? make_shrinkable(rewrite_at_once) : result<bool>{false};
  }
  const auto pages = std::min(reserve_.whole() ? step_pages : small_step_pages, *unused - spare);
  if (auto done =
          database_.run(("PRAGMA incremental_vacuum(" + std::to_string(pages) + ")").c_str());
      !done) {
    return fail(done.error());
  }
  tidy();
  return true;
}

bool store_file::rest() {
  if (refusal_ || !sql_ || !keep_names()) {
    return false;
  }
  reserve_.look();
  reserve_.restore();
  if (rested_at_ == commits_) {
    return false;
  }
  auto more = give_back();
  if (!more && more.error().code == errc::storage_full && reserve_.held() > reserve_.wanted() / 2 &&
      reserve_.give()) {
    more = give_back(); // it needs some space itself, and brings more
  }
  if (!more && more.error().code != errc::storage_full) {
    refuse(more.error());
    return false;
  }
  if (more && *more) {
    return true;
  }
  rested_at_ = more ? commits_ : rested_at_; // else it is tried again
  if (log_pages_ > log_pages_left) {
    const auto left = checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
    if (!left && left.error().code != errc::storage_full) {
      refuse(left.error());
      return false;
    }
    log_pages_ = left ? 0 : log_pages_;
  }
  mark_.flush();
  return false;
}

} // namespace tayfa::store
