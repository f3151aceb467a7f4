// Space that is kept for when the disk is full: <folder>/reserve, a file of some MiB that holds
// nothing. Jobs that were accepted can end, be cancelled, purged and dropped from it although not a
// byte more fits; new jobs are not taken from it. It is given up in steps, and what is left of it
// stays ours: nothing else on the disk can take it.
//
// Owned by store_file, on its thread.
#pragma once

#include "runtime/store/files.hpp"

#include <cstddef>
#include <string>

namespace tayfa::store {

class space_reserve {
 public:
  space_reserve() = default;
  /// So many bytes, at most an eighth of the disk; 0 = none. What an earlier process has left of it
  /// is made whole again; one that never was is made smaller where it does not fit.
  space_reserve(file_system&, const std::string& folder, std::size_t bytes);

  /// Another program may have cut it.
  void look();
  /// Makes what is missing of it, if there is space. Whether it is whole.
  bool restore();
  /// Gives up a part of it. False: nothing was left.
  bool give();

  bool whole() const { return held_ >= wanted_; }
  std::size_t wanted() const { return wanted_; }
  std::size_t held() const { return held_; }

 private:
  file_system* files_ = nullptr;
  std::string path_;
  std::size_t wanted_ = 0;
  std::size_t held_ = 0;
};

} // namespace tayfa::store
