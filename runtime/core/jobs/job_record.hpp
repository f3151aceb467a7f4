// A job in the job table: the request, its state, and where the register counts it. Plain data; the
// rules are job_register's (indexes, deadlines, bytes, rows) and job_table's (the rest).
#pragma once

#include "messages/job.hpp"
#include "messages/worker.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/core/delivery/deliveries.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tayfa {

/// Data of jobs with a past only; new jobs have none.
struct job_past {
  std::vector<attempt_view> history;
  std::optional<error> failure;
  std::deque<chunk> chunks; ///< unread
  std::size_t chunk_bytes = 0;
  std::uint64_t chunks_gone = 0;    ///< before those: received, dropped or discarded
  std::uint32_t chunks_taken = 0;   ///< received by readers, of the latest attempt
  std::uint32_t chunks_dropped = 0; ///< before a reader received them, of the latest attempt
  std::optional<milliseconds> delay;
  std::optional<milliseconds> execution;
  moment ended;
};

/// A job as the table knows it.
struct job_record {
  const job_id* id = nullptr; ///< the key in the register
  std::uint64_t order = 0;    ///< of submission
  job_request request;
  std::uint64_t fingerprint = 0;
  std::size_t input_bytes = 0; ///< also when the input has left memory
  std::size_t output_bytes = 0;
  std::size_t bytes = 0; ///< as counted by the register, live or kept
  moment submitted;
  moment life_began; ///< submission, or the latest retry
  moment due;        ///< its deadline in the register, with `order`
  moment not_before;
  machine<job_state> state;

  bool watch = false;
  bool kept = false;      ///< counted as kept, not as live
  bool listed = false;    ///< and in what is kept for its tenant
  bool sleeping = false;  ///< IN_QUEUE but not in the fair queue: not_before is to come
  bool parked = false;    ///< likewise: the catalogue has no such model, or it is to be purged
  bool slow = false;      ///< its deadline is among the slow ones
  bool suspect = false;   ///< to run alone
  bool in_batch = false;  ///< the latest attempt ran with others
  bool unclaimed = false; ///< IN_PROGRESS, and its holder has not come back yet
  bool streamed = false;  ///< the latest attempt has made chunks, and its holder is a lasting one
  bool dead = false;
  bool stored = false;              ///< its row is durable
  bool refresh = false;             ///< it asked for a fresh worker
  std::uint8_t changed = 0;         ///< store::parts not yet taken
  std::uint8_t flying = 0;          ///< store::parts in flight
  std::optional<job_state> tallied; ///< the live state that it is counted in by endpoint and tenant

  std::uint32_t attempts = 0;           ///< also the number of the latest attempt
  std::uint32_t uncharged_attempts = 0; ///< of earlier lives, or handed back: they cost nothing
  std::uint32_t lives = 1;
  std::uint32_t solo_crashes = 0;
  std::uint32_t progress_seen = 0;
  std::uint32_t chunk_seen = 0;
  worker_ref holder;                              ///< of the latest attempt
  std::shared_ptr<const std::string> holder_name; ///< unless it is its place's default
  std::shared_ptr<const std::string> lasting;     ///< the holder's lasting name; null = it has none
  moment keep_until;                              ///< a client asked for its result to stay
  moment assigned;
  moment lease_end;
  std::optional<moment> began;
  std::uint32_t expected_ms = 0; ///< charged to the tenant for the latest attempt

  shared_text output;
  delivery_state delivery; ///< of its end
  std::unique_ptr<job_past> past_;

  bool ended() const { return is_final(state.state()); }
  std::uint32_t attempts_of_life() const { return attempts - uncharged_attempts; }
  /// Its latest attempt goes on when this process ends, and the next one can take its result. The
  /// chunks of a stream end with this process: only another attempt makes them again.
  bool goes_on() const { return lasting != nullptr && !streamed; }
  bool of_platform() const { return !request.origin.empty(); }
  /// The worker that has, or had, its latest attempt, for people.
  std::string worker_name() const {
    return holder_name ? *holder_name : default_name(holder.place());
  }
  job_past& past() {
    if (!past_) {
      past_ = std::make_unique<job_past>();
    }
    return *past_;
  }
};

} // namespace tayfa
