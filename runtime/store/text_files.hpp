// Large texts as content-addressed files: <folder>/ab/cdef…, named by the SHA-256 of what they
// hold. Rows refer to them; a file whose last row is gone is removed.
//
//   keep()    text -> a temporary name, flushed, renamed, and (flush_names) the folder flushed:
//             before the COMMIT of the row that refers to it, so no committed row lacks its text
//   settle()  after the COMMIT: files that no row refers to any more are removed
//   undo()    after a rollback: as if nothing of this transaction had been asked
//   sweep()   at open: what no row refers to (a process ended between the file and its row, or
//             between the row and its file) is removed
//
// Owned by sqlite_store, on its thread. Invariant: between transactions `uses_` counts exactly the
// committed rows that refer to each file.
#pragma once

#include "messages/fields.hpp"
#include "runtime/store/files.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tayfa::store {

/// SHA-256 as 64 lower-case hex digits.
result<std::string> sha256_of(std::string_view text);

class text_files {
 public:
  enum class part : std::uint8_t { input, output };

  text_files() = default;
  text_files(file_system&, std::string folder);

  /// Makes the folder, durably.
  result<void> prepare();
  /// A committed row refers to this file (at open).
  void adopt(std::uint64_t row, part, const std::string& name);
  /// Removes what is not adopted. Errors are left to the next open: nothing refers to those files.
  void sweep();

  /// Writes the text unless a committed row has it, and lets the row's part refer to it. Its name.
  result<std::string> keep(std::uint64_t row, part, std::string_view text);
  /// The row's part refers to no file any more.
  void drop(std::uint64_t row, part);
  result<void> flush_names();
  void settle();
  void undo();

  /// The text behind a name: errc::store_corrupt when it is not what was kept, or gone.
  result<shared_text> read(const std::string& name, std::size_t bytes) const;

 private:
  struct step {
    std::uint64_t row;
    part which;
    std::string before; ///< the name until then; empty = none
  };
  using names = std::array<std::string, 2>; ///< by part

  std::string path_of(const std::string& name) const;
  std::string folder_of(const std::string& name) const;
  result<void> write(const std::string& name, std::string_view text);
  void refer(std::uint64_t row, part, std::string name);
  void remove_unused();

  file_system* files_ = nullptr;
  std::string folder_;
  std::unordered_map<std::uint64_t, names> rows_; ///< only rows that have files
  std::unordered_map<std::string, std::size_t> uses_;
  std::set<std::string> folders_;      ///< that exist, durably
  std::set<std::string> unflushed_;    ///< folders with new names, in this transaction
  std::set<std::string> maybe_unused_; ///< names whose last use may have ended, in this transaction
  std::vector<step> steps_;            ///< of this transaction
};

} // namespace tayfa::store
