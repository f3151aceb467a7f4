// Jobs of another head, which has died: they enter the table beside those that are there.
#include "runtime/core/job_table.hpp"

#include <algorithm>

namespace tayfa {

effects job_table::adopt(moment now, std::vector<store::job_row> rows) {
  effects out;
  for (auto& row : rows) {
    if (jobs_.find(row.id) != nullptr) {
      continue; // the store gives no id to two jobs: this one is here already
    }
    const auto id = row.id;
    restore_one(now, std::move(row), out);
    if (const auto* r = jobs_.find(id); r != nullptr && r->state.state() == job_state::IN_QUEUE) {
      exempt_from_purges(*r);
    }
  }
  restored_ = std::max(restored_, queue_.size() + sleeping_ + parked_);
  jobs_.trim(jobs_.newest_ended());
  begin_calls(now, out);
  assign(now, out);
  return out;
}

result<job_detail> job_table::shown(moment now, const job_limits& limits, store::job_row row,
                                    const job_access& who) {
  job_table alone{limits};
  const auto id = row.id;
  alone.restore_record(now, std::move(row));
  return alone.inspect(now, id, who);
}

} // namespace tayfa
