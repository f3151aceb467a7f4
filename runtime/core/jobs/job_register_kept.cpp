// Bytes of jobs, chunks of streams, and which ended jobs are forgotten early.
//
// Retention is shared by the tenants: when it is exceeded, the tenant that holds most loses its
// oldest jobs, so that no result is dropped because of another tenant's large ones. What running
// jobs made is shared in the same way.
#include "runtime/core/jobs/job_register.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// Bytes of a chunk in memory beside its text, so that many empty chunks are not free.
constexpr std::size_t chunk_overhead = 128;

} // namespace

// ---- bytes --------------------------------------------------------------------------------------

void job_register::account(job_record& r) {
  tally(r);
  const auto before = r.bytes;
  (r.kept ? kept_bytes_ : live_bytes_) -= before;
  r.kept = r.ended();
  r.bytes = r.input_bytes + r.output_bytes + (r.past_ ? r.past_->chunk_bytes : 0);
  (r.kept ? kept_bytes_ : live_bytes_) += r.bytes;
  made_.set(r.request.policy.tenant, r.order, r.kept ? 0 : made_by(r));
  if (r.listed && r.bytes != before) {
    tenant_jobs& t = tenant_of(r);
    const auto kept = t.kept_bytes;
    t.kept_bytes = kept - before + r.bytes;
    rank(by_bytes_, t, kept, t.kept_bytes);
  }
}

void job_register::set_output(job_record& r, shared_text output) {
  r.output_bytes = output.size();
  r.output = std::move(output);
}

// ---- chunks ------------------------------------------------------------------------------------

void job_register::append_chunk(job_record& r, shared_text payload) {
  job_past& p = r.past();
  p.chunk_bytes += payload.size();
  p.chunks.push_back(std::move(payload));
  while (p.chunks.size() > limits_.chunks_max ||
         (p.chunk_bytes > limits_.chunk_bytes_max && p.chunks.size() > 1)) {
    drop_oldest_chunk(p);
  }
  account(r);
}

/// Drops the chunks of a void attempt: they must not be read, and the next attempt makes its own.
void job_register::discard_chunks(job_record& r) {
  if (!r.past_) {
    return;
  }
  job_past& p = *r.past_;
  const bool some = !p.chunks.empty();
  p.chunks_gone += p.chunks.size();
  p.chunks.clear();
  p.chunks.shrink_to_fit();
  p.chunk_bytes = 0;
  p.chunks_taken = 0;
  p.chunks_dropped = 0;
  if (some && r.ended()) {
    mark_changed(r, store::part_chunks); // of a job that runs they are not durable
  }
}

void job_register::take_oldest_chunk(job_past& p) {
  p.chunk_bytes -= p.chunks.front().size();
  p.chunks.pop_front();
  ++p.chunks_gone;
}

void job_register::drop_oldest_chunk(job_past& p) {
  take_oldest_chunk(p);
  ++p.chunks_dropped;
  ++chunks_dropped_;
}

/// Approximate memory of a job's chunks and progress.
std::size_t job_register::made_by(const job_record& r) {
  const std::size_t chunks =
      r.past_ ? r.past_->chunk_bytes + r.past_->chunks.size() * chunk_overhead : 0;
  return r.output_bytes + chunks;
}

/// Bounds the chunks and progress of all running jobs: the largest job of the tenant that holds
/// most gives up its oldest chunks, or its progress when it has none; the next progress replaces
/// that anyway.
void job_register::bound_made_bytes() {
  while (made_.total() > limits_.made_bytes_max) {
    job_record& r = *by_order_.at(*made_.largest());
    if (r.past_ && !r.past_->chunks.empty()) {
      drop_oldest_chunk(*r.past_);
    } else {
      set_output(r, {});
    }
    account(r);
  }
}

// ---- ended jobs ---------------------------------------------------------------------------------

void job_register::rank(tenant_ranks& ranks, const tenant_jobs& t, std::size_t from,
                        std::size_t to) {
  if (from == to) {
    return;
  }
  if (from > 0) {
    ranks.erase({from, *t.name});
  }
  if (to > 0) {
    ranks.emplace(to, *t.name);
  }
}

void job_register::put_among_ended(job_record& r) {
  if (r.delivery.undelivered) {
    undelivered_.insert(r.order);
    return;
  }
  tenant_jobs& t = tenant_of(r);
  auto& list = r.dead ? t.dead : t.ended;
  list.insert(deadline{r.past_->ended, r.order});
  rank(r.dead ? by_dead_ : by_ended_, t, list.size() - 1, list.size());
  ended_ += r.dead ? 0 : 1;
  rank(by_bytes_, t, t.kept_bytes, t.kept_bytes + r.bytes);
  t.kept_bytes += r.bytes;
  r.listed = true;
}

void job_register::take_from_ended(job_record& r) {
  if (r.delivery.undelivered) {
    undelivered_.erase(r.order);
    return;
  }
  tenant_jobs& t = tenant_of(r);
  auto& list = r.dead ? t.dead : t.ended;
  list.erase(deadline{r.past_->ended, r.order});
  rank(r.dead ? by_dead_ : by_ended_, t, list.size() + 1, list.size());
  ended_ -= r.dead ? 0 : 1;
  rank(by_bytes_, t, t.kept_bytes, t.kept_bytes - r.bytes);
  t.kept_bytes -= r.bytes;
  r.listed = false;
}

void job_register::forget(job_record& r) {
  kept_bytes_ -= r.bytes;
  take_from_ended(r);
  if (limits_.durable && (r.stored || r.flying != 0)) {
    erased_.push_back(r.order);
  }
  remove(r);
}

// ---- bounds -------------------------------------------------------------------------------------

/// The tenant's oldest; never the newest of all.
job_record* job_register::evictable(tenant_jobs& t, const job_record* newest, bool dead) {
  const auto& list = dead ? t.dead : t.ended;
  if (list.empty()) {
    return nullptr;
  }
  auto oldest = std::optional{list.first()};
  if (newest != nullptr && oldest->second == newest->order) {
    oldest = list.above(*oldest);
  }
  return oldest ? by_order_.at(oldest->second) : nullptr;
}

/// Forgets one job of the tenant that is first in the ranks: where that one has only the newest, of
/// the next, if it has more than its share. False when there is none.
bool job_register::evict(const tenant_ranks& ranks, const job_record* newest, bool from_ended,
                         bool from_dead, std::size_t fair_share) {
  for (auto most = ranks.rbegin(); most != ranks.rend(); ++most) {
    if (most != ranks.rbegin() && most->first <= fair_share) {
      return false;
    }
    auto& t = tenants_.at(std::string{most->second});
    job_record* victim = from_ended ? evictable(t, newest, false) : nullptr;
    if (victim == nullptr && from_dead) {
      victim = evictable(t, newest, true);
    }
    if (victim != nullptr) {
      forget(*victim);
      return true;
    }
  }
  return false;
}

void job_register::trim(const job_record* newest) {
  bool more = true;
  while (more && dead_.size() > std::max<std::size_t>(limits_.dead_max, 1)) {
    more = evict(by_dead_, newest, false, true, 0);
  }
  more = true;
  while (more && ended_ > std::max<std::size_t>(limits_.kept_jobs_max, 1)) {
    more = evict(by_ended_, newest, true, false, 0);
  }
  more = true;
  while (more && kept_bytes_ > limits_.kept_bytes_max) {
    const auto tenants = std::max<std::size_t>(by_bytes_.size(), 1);
    more = evict(by_bytes_, newest, true, true, limits_.kept_bytes_max / tenants);
  }
}

const job_record* job_register::newest_ended() const {
  const job_record* newest = nullptr;
  for (const auto& [name, t] : tenants_) {
    for (const auto* list : {&t.ended, &t.dead}) {
      if (!list->empty() &&
          (newest == nullptr || deadline{newest->past_->ended, newest->order} < list->last())) {
        newest = by_order_.at(list->last().second);
      }
    }
  }
  return newest;
}

} // namespace tayfa
