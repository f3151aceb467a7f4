// Every job of the pod, found by what it is: by id, order of submission and idempotency key, by
// state, model, endpoint and tenant; when each is due next; how many bytes there are; which rows
// have changed; what is kept of ended jobs, and which is forgotten first.
//
// Owner: the job table, which decides what happens to a job; the register only knows what there is.
// Not thread safe. Pure: time is an argument.
//
// Invariants (audit): a job is in the indexes of what it is, and these hold nothing else; each has
// one deadline, next_due(), among the urgent or the slow ones; bytes are those of the records; an
// ended job is in exactly one list, of the dead, the undelivered or the others, and kept bytes and
// jobs are bounded; a changed row is noted until it is taken.
#pragma once

#include "messages/job.hpp"
#include "runtime/core/delivery/deliveries.hpp"
#include "runtime/core/job_limits.hpp"
#include "runtime/core/jobs/job_numbers.hpp"
#include "runtime/core/jobs/job_record.hpp"
#include "runtime/core/jobs/made_bytes.hpp"
#include "runtime/core/jobs/sorted_blocks.hpp"
#include "runtime/store/row.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tayfa {

class job_register {
 public:
  using deadline = std::pair<moment, std::uint64_t>; ///< when, and the job's order
  using deadlines = sorted_blocks<deadline>;
  using order_set = sorted_blocks<std::uint64_t>;

  /// Both outlive it.
  job_register(const job_limits& limits, deliveries& tried) : limits_(limits), deliveries_(tried) {}
  job_register(const job_register&) = delete;
  job_register& operator=(const job_register&) = delete;

  // ---- which there are -------------------------------------------------------------------------
  std::size_t size() const { return jobs_.size(); }
  const std::unordered_map<job_id, job_record>& all() const { return jobs_; }
  job_record* find(const job_id&);
  const job_record* find(const job_id&) const;
  /// The record of a job that the register holds.
  job_record& at(std::uint64_t order) { return *by_order_.at(order); }
  const job_record& at(std::uint64_t order) const { return *by_order_.at(order); }
  /// The job with the endpoint, tenant and idempotency key of this request.
  job_record* same_key(const job_request&);
  /// A job that is kept, and that `who` may see: the only way from a client's id to a job.
  job_record* find_kept(moment now, const job_id&, const job_access& who);
  const job_record* find_kept(moment now, const job_id&, const job_access& who) const;
  /// The job is here, but not for `who`.
  bool hidden(const job_id&, const job_access& who) const;

  /// A record without anything, under a new id; enlist() once its request and state are set.
  job_record& add(job_id);
  void enlist(job_record&);
  /// Out of everything; the lists and bytes that depend on its state are the caller's.
  void remove(job_record&);
  /// Its bytes are counted no more; before remove().
  void uncount(job_record&);

  const order_set& orders() const { return orders_; }
  /// 0 when there is no job.
  std::uint64_t highest_order() const {
    return orders_.below(std::numeric_limits<std::uint64_t>::max()).value_or(0);
  }
  const order_set& of_state(job_state s) const { return of_state_.at(static_cast<std::size_t>(s)); }
  const order_set& dead() const { return dead_; }
  const order_set& origins_live() const { return origins_live_; }
  const order_set& undelivered() const { return undelivered_; }
  const order_set& of_tenant(const std::string&) const;
  const order_set& of_model(const std::string&) const;
  const order_set& of_endpoint(const std::string&) const;
  /// Jobs of this tenant that have not ended.
  std::size_t live_of(const std::string& tenant) const;

  // ---- what changes with a job's life ----------------------------------------------------------
  void change_state(job_record&, job_state from, job_state to);
  void change_model(job_record&, const std::string& to);
  /// A life begins, or has ended.
  void count_live(job_record&, bool);
  void mark_dead(job_record&, bool);
  void put_among_ended(job_record&);
  void take_from_ended(job_record&);
  /// How many ended, without the dead and the undelivered.
  std::size_t ended() const { return ended_; }

  // ---- times -----------------------------------------------------------------------------------
  moment ttl_end(const job_record&) const;
  moment run_end(const job_record&) const;
  moment forget_at(const job_record&) const;
  bool kept(moment now, const job_record&) const;
  /// To be called after every change of what next_due() depends on.
  void schedule(job_record&);
  /// Slow ones (time-outs of waiting jobs, ends of retention) are served in steps whose rows are
  /// durable before the next; urgent ones are not queued behind them.
  const deadlines& urgent() const { return urgent_; }
  const deadlines& slow() const { return slow_; }

  // ---- bytes, chunks and retention -------------------------------------------------------------
  std::size_t live_bytes() const { return live_bytes_; }
  std::size_t kept_bytes() const { return kept_bytes_; }
  /// To be called after every change of what a job stores.
  void account(job_record&);
  static void set_output(job_record&, shared_text);
  void append_chunk(job_record&, shared_text);
  void take_oldest_chunk(job_past&);
  /// Drops the chunks of a void attempt: they must not be read, and the next attempt makes its own.
  void discard_chunks(job_record&);
  /// Bounds the chunks and progress of all running jobs together.
  void bound_made_bytes();
  std::uint64_t chunks_dropped() const { return chunks_dropped_; }
  void forget(job_record&);
  /// Forgets the oldest ended jobs of the tenants that have the most until the bounds hold; never
  /// the one that ended last, to which the caller may still refer.
  void trim(const job_record* newest);
  /// The job that ended last; null when there is none.
  const job_record* newest_ended() const;

  // ---- numbers ---------------------------------------------------------------------------------
  job_numbers& numbers() { return numbers_; }
  const job_numbers& numbers() const { return numbers_; }
  /// Counts a live job in the state that it is in now.
  void tally(job_record&);

  // ---- rows ------------------------------------------------------------------------------------
  void mark_changed(job_record&, unsigned parts);
  store::job_row row_of(const job_record&, unsigned parts) const;
  bool has_changes() const {
    return !dirty_.empty() || !erased_.empty() || !erased_before_.empty();
  }
  std::size_t changed_rows() const { return dirty_.size() + erased_.size(); }
  bool durable(const job_id&) const;
  store::batch take_changes();
  void committed();
  std::vector<job_id> not_committed();
  /// The rows forgotten so far belong to an earlier process: they are erased a few at a time.
  void erase_slowly() { erased_before_ = std::exchange(erased_, {}); }
  /// The row with this order is put back as it was.
  void forget_changes_of(std::uint64_t order);

  void audit(std::vector<std::string>& broken) const;

 private:
  /// The jobs of one tenant.
  struct tenant_jobs {
    const std::string* name = nullptr; ///< the key in tenants_
    order_set orders;
    std::size_t live = 0;
    std::size_t kept_bytes = 0; ///< of ended jobs, without results to be delivered to platforms
    deadlines ended;            ///< when, without the dead and the undelivered
    deadlines dead;             ///< likewise
  };
  /// Tenants by what is kept for them of one kind; only those with any.
  using tenant_ranks = std::set<std::pair<std::size_t, std::string_view>>;

  static std::string key_of(const job_request&);
  tenant_jobs& tenant_of(const job_record&);
  moment next_due(const job_record&) const;
  static std::size_t made_by(const job_record&);
  void drop_oldest_chunk(job_past&);
  void delist(job_record&);
  static void rank(tenant_ranks&, const tenant_jobs&, std::size_t from, std::size_t to);
  job_record* evictable(tenant_jobs&, const job_record* newest, bool dead);
  bool evict(const tenant_ranks&, const job_record* newest, bool ended, bool dead,
             std::size_t fair_share);
  void audit_one(const job_id&, const job_record&, std::vector<std::string>&) const;
  void audit_indexes(std::vector<std::string>&) const;
  void audit_totals(std::vector<std::string>&) const;

  const job_limits& limits_;
  deliveries& deliveries_;
  std::unordered_map<job_id, job_record> jobs_;
  std::unordered_map<std::uint64_t, job_record*> by_order_;
  std::map<std::string, job_record*> by_key_; ///< endpoint, tenant and idempotency key
  order_set orders_;
  std::array<order_set, 6> of_state_;
  order_set dead_;
  std::unordered_map<std::string, tenant_jobs> tenants_;
  std::unordered_map<std::string, order_set> of_model_;
  std::unordered_map<std::string, order_set> of_endpoint_;
  order_set origins_live_; ///< jobs of platforms that have not ended
  order_set undelivered_;  ///< results that platforms have not accepted yet; never trimmed
  std::size_t ended_ = 0;
  std::size_t live_bytes_ = 0;
  made_bytes made_; ///< of the live ones, by order
  std::size_t kept_bytes_ = 0;
  tenant_ranks by_bytes_, by_ended_, by_dead_;
  deadlines urgent_, slow_;
  job_numbers numbers_;
  std::uint64_t chunks_dropped_ = 0;

  std::vector<std::uint64_t> dirty_; ///< orders, in the order of their first change
  std::vector<std::uint64_t> flying_;
  std::vector<std::uint64_t> erased_;        ///< rows to be erased
  std::vector<std::uint64_t> erased_before_; ///< likewise, of an earlier process: a few at a time
  std::vector<std::uint64_t> flying_erased_;
};

} // namespace tayfa
