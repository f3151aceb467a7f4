// Work for idle times: the file gives space back, the log is cut, the mark is flushed.
#include "runtime/store/store_file.hpp"

#include <algorithm>
#include <sqlite3.h>

namespace tayfa::store {

namespace {

constexpr std::int64_t small_step_pages = 32; ///< while the disk is full
constexpr std::int64_t step_pages = 512;      ///< that one step gives back: 2 MiB
constexpr std::int64_t free_pages_kept = 256; ///< that stay for the jobs to come,
constexpr std::int64_t free_part_kept = 8;    ///< or such a part of what is in use
constexpr std::size_t log_page_bytes = 4096 + 24;
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
  const auto kept_free = std::max(free_pages_kept, (*all - *unused) / free_part_kept);
  if (*unused <= kept_free) {
    return false;
  }
  if (!shrinkable_) {
    return *unused > *all / 2 ? make_shrinkable(rewrite_at_once) : result<bool>{false};
  }
  const auto pages =
      std::min(reserve_.whole() ? step_pages : small_step_pages, *unused - kept_free);
  if (auto done =
          database_.run(("PRAGMA incremental_vacuum(" + std::to_string(pages) + ")").c_str());
      !done) {
    return fail(done.error());
  }
  tidy();
  return true;
}

/// The file ends earlier once the log is moved into it. The log itself stays as long as it usually
/// gets, since its space is used again; a longer one, and any on a full disk, is cut.
result<void> store_file::shorten() {
  const auto log = files_.size(options_.folder + "/" + file_name + "-wal");
  const auto usual = (options_.checkpoint_pages + options_.checkpoint_pages / 4) * log_page_bytes;
  const bool cuts = log && *log > 0 && (*log > usual || !reserve_.whole());
  if (!cuts && !gave_back_) {
    return {};
  }
  const auto left = checkpoint(cuts ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE);
  if (!left) {
    return fail(left.error());
  }
  log_pages_ = *left == 0 ? 0 : log_pages_;
  gave_back_ = false;
  return {};
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
  if (!more && more.error().code == errc::storage_full && make_room()) {
    more = give_back(); // into the log's space, which is free again
  }
  if (!more && more.error().code == errc::storage_full && reserve_.held() > reserve_.wanted() / 2 &&
      reserve_.give()) {
    more = give_back(); // it needs some space itself, and brings more
  }
  if (!more && more.error().code != errc::storage_full) {
    refuse(more.error());
    return false;
  }
  if (more && *more) {
    gave_back_ = true;
    return true;
  }
  rested_at_ = more ? commits_ : rested_at_; // else it is tried again
  if (auto done = shorten(); !done && done.error().code != errc::storage_full) {
    refuse(done.error());
    return false;
  }
  mark_.flush();
  return false;
}

} // namespace tayfa::store
