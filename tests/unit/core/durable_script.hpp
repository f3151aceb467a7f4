// A script (job_script.hpp) whose table has a store below it: changes are written on command, and
// the runtime may die and restart from the committed rows.
#pragma once

#include "tests/job_model/perfect_store.hpp"
#include "tests/unit/core/job_script.hpp"

#include <initializer_list>
#include <string>
#include <vector>

namespace tayfa::testing {

inline job_limits durable(job_limits l = {}) {
  l.durable = true;
  return l;
}

/// A script whose changes are written to a store on command.
struct durable_script : job_script {
  explicit durable_script(job_limits l = {}) : job_script(durable(l)) {}

  perfect_store disk;

  std::size_t commit() {
    const auto batch = table.take_changes();
    disk.apply(batch);
    table.committed();
    return batch.size();
  }
  /// The runtime dies and starts again on what was committed.
  std::string restart(durable_script& next) const {
    next.now = now;
    next.disk = disk;
    return text_of(next.table.restore(now, disk.rows(), disk.last_order()));
  }
  std::vector<std::string> refuse() {
    table.take_changes();
    std::vector<std::string> fresh;
    for (const auto& id : table.not_committed()) {
      fresh.push_back(id.str());
    }
    return fresh;
  }
  std::string withdraw(std::initializer_list<const char*> ids) {
    const auto then = table.withdraw(now, std::vector<job_id>(ids.begin(), ids.end()));
    EXPECT_TRUE(table.audit().empty());
    return text_of(then);
  }
};

} // namespace tayfa::testing
