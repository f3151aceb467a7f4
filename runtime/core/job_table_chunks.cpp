// Chunks of streams: who has received them, which go, and what all running jobs hold together.
#include "runtime/core/job_table.hpp"

namespace tayfa {

result<job_table::unread> job_table::read_stream(moment now, const job_id& id,
                                                 const job_access& who) const {
  const record* r = jobs_.find_kept(now, id, who);
  if (r == nullptr) {
    return fail(errc::job_not_found);
  }
  unread found{view_of(*r), {}, 0};
  if (r->past_) {
    const job_past& p = *r->past_;
    found.chunks.assign(p.chunks.begin(), p.chunks.end());
    found.last = p.chunks_gone + p.chunks.size();
  }
  return found;
}

void job_table::chunks_received(const job_id& id, std::uint64_t last) {
  const auto entry = jobs_.find(id);
  if (entry == nullptr || !entry->past_) {
    return;
  }
  record& r = *entry;
  job_past& p = *r.past_;
  const auto before = p.chunks_gone;
  while (!p.chunks.empty() && p.chunks_gone < last) {
    jobs_.take_oldest_chunk(p);
    ++p.chunks_taken;
  }
  if (p.chunks_gone == before) {
    return; // another reader was sooner, or they were dropped meanwhile
  }
  jobs_.account(r);
  if (r.ended()) {
    jobs_.mark_changed(r, store::part_chunks); // of a job that runs they are not durable
  }
}

} // namespace tayfa
