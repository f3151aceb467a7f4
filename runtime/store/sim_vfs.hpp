// SQLite's view of a sim_disk: a sqlite3_vfs, registered as long as it lives. For durability it
// behaves like SQLite's own for Unix: the first flush of a new journal or log also flushes its
// folder, and a removal flushes the folder on request. It has no shared memory, so a write-ahead
// log needs locking_mode=EXCLUSIVE. Owned by its sim_disk.
#pragma once

#include <memory>
#include <sqlite3.h>
#include <string>

namespace tayfa::store {

class sim_disk;

struct sim_vfs {
  sim_vfs(sim_disk&, const std::string& name);
  ~sim_vfs();
  sim_vfs(const sim_vfs&) = delete;
  sim_vfs& operator=(const sim_vfs&) = delete;

  sqlite3_vfs table{};
};

} // namespace tayfa::store
