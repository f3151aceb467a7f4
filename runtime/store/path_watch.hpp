// Checks that the store's names still mean the files that were opened. SQLite goes on in a file
// whose name was removed or given to another file, and its commits succeed there; the next process
// that opens the name finds none of them. So the names are compared before a commit is
// acknowledged.
//
// Owned by store_file, on its thread.
#pragma once

#include "runtime/store/files.hpp"

#include <string>
#include <vector>

namespace tayfa::store {

class path_watch {
 public:
  /// Begins with what each name stands for now. A name that stands for nothing is an error.
  result<void> begin(file_system&, const std::vector<std::string>& paths);
  /// errc::store_failed naming the first one that stands for something else now, or for nothing.
  result<void> look() const;

 private:
  struct entry {
    std::string path;
    file_identity was;
  };
  file_system* files_ = nullptr;
  std::vector<entry> entries_;
};

} // namespace tayfa::store
