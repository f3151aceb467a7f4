// Chunks of streams: who has received them, which go, and what all running jobs hold together.
#include "runtime/core/job_table.hpp"

namespace tayfa {

result<job_table::unread> job_table::read_stream(moment now, const job_id& id,
                                                 const job_access& who) const {
  const record* r = find_kept(now, id, who);
  if (r == nullptr) {
    return fail(errc::job_not_found);
  }
  unread found{view_of(*r), {}, 0};
  if (r->past_) {
    const past& p = *r->past_;
    found.chunks.assign(p.chunks.begin(), p.chunks.end());
    found.last = p.chunks_gone + p.chunks.size();
  }
  return found;
}

void job_table::chunks_received(const job_id& id, std::uint64_t last) {
  const auto entry = jobs_.find(id);
  if (entry == jobs_.end() || !entry->second.past_) {
    return;
  }
  record& r = entry->second;
  past& p = *r.past_;
  const auto before = p.chunks_gone;
  while (!p.chunks.empty() && p.chunks_gone < last) {
    take_oldest_chunk(p);
    ++p.chunks_taken;
  }
  if (p.chunks_gone == before) {
    return; // another reader was sooner, or they were dropped meanwhile
  }
  account(r);
  if (ended(r)) {
    note(r, store::part_chunks); // of a job that runs they are not durable
  }
}

/// Drops the chunks of a void attempt: they must not be read, and the next attempt makes its own.
void job_table::discard_chunks(record& r) {
  if (!r.past_) {
    return;
  }
  past& p = *r.past_;
  const bool some = !p.chunks.empty();
  p.chunks_gone += p.chunks.size();
  p.chunks.clear();
  p.chunks.shrink_to_fit();
  p.chunk_bytes = 0;
  p.chunks_taken = 0;
  p.chunks_dropped = 0;
  if (some && ended(r)) {
    note(r, store::part_chunks); // of a job that runs they are not durable
  }
}

void job_table::take_oldest_chunk(past& p) {
  p.chunk_bytes -= p.chunks.front().size();
  p.chunks.pop_front();
  ++p.chunks_gone;
}

void job_table::drop_oldest_chunk(past& p) {
  take_oldest_chunk(p);
  ++p.chunks_dropped;
  ++counts_.chunks_dropped;
}

/// Approximate memory of a job's chunks and progress.
std::size_t job_table::made_by(const record& r) {
  const std::size_t chunks =
      r.past_ ? r.past_->chunk_bytes + r.past_->chunks.size() * chunk_overhead : 0;
  return r.output_bytes + chunks;
}

/// Bounds the chunks and progress of all running jobs: the largest job of the tenant that holds
/// most gives up its oldest chunks, or its progress when it has none; the next progress replaces
/// that anyway.
void job_table::bound_made_bytes() {
  while (made_.total() > limits_.made_bytes_max) {
    record& r = *by_order_.at(*made_.largest());
    if (r.past_ && !r.past_->chunks.empty()) {
      drop_oldest_chunk(*r.past_);
    } else {
      set_output(r, {});
    }
    account(r);
  }
}

} // namespace tayfa
