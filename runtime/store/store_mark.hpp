// How many commits were acknowledged, beside the database: <folder>/jobs.mark, one line of text.
//
// SQLite treats the log up to the first frame that does not fit as the whole log: behind a flipped
// bit, committed jobs would vanish silently. The mark detects that. It is written over without a
// flush after each commit's own flush, so it never says more than what is durable: after kill -9 it
// is exact, after a power loss it may be behind by what the kernel had not yet written back. A mark
// that is damaged or gone says nothing.
//
// Owned by store_file, on its thread.
#pragma once

#include "runtime/store/files.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa::store {

std::string mark_text(std::uint64_t commits);
std::optional<std::uint64_t> commits_in(std::string_view mark_text);

class store_mark {
 public:
  store_mark() = default;
  store_mark(file_system&, std::string path);

  /// How many commits were acknowledged, as far as is known.
  std::uint64_t acknowledged() const;
  /// At open: the mark is there, durably, and says so much.
  void begin(std::uint64_t commits);
  /// A commit is durable. Errors leave the mark behind, which is safe.
  void say(std::uint64_t commits);
  /// Makes the mark durable.
  void flush();
  const std::string& path() const { return path_; }

 private:
  file_system* files_ = nullptr;
  std::string path_;
  bool flushed_ = false;
};

} // namespace tayfa::store
