// Requests about jobs, as a client makes them and the queue is asked, with the answers. Plain
// values that never leave the process.
//
// `who` has no default: no request that names or shows jobs can be made without it. Jobs outside of
// it do not exist for the caller.
#pragma once

#include "messages/error.hpp"
#include "messages/ids.hpp"
#include "messages/job.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace tayfa {

/// How a job stands.
struct job_answer {
  result<job_view> value;
};

/// The answer says how the job stands; with an idempotency key it may have ended already.
struct submit_job {
  using answer = job_answer;
  job_id id;
  job_request request;
  bool watch = false; ///< send job_ended when it ends
};
/// GET /status/{id}.
struct find_job {
  using answer = job_answer;
  job_access who;
  job_id id;
  std::optional<milliseconds> keep{}; ///< its result shall stay for so long from now
  bool watch = false;                 ///< send job_ended when it ends, unless it has
};
/// POST /cancel/{id}.
struct cancel_job {
  using answer = job_answer;
  job_access who;
  job_id id;
  bool by_origin = false; ///< the platform that owns the job stops it, and takes no result any more
};
/// POST /retry/{id}: a FAILED or TIMED_OUT job runs again, under its id.
struct retry_job {
  using answer = job_answer;
  job_access who;
  job_id id;
};
/// POST /drop/{id}: an ended job is forgotten now, also from the dead list.
struct drop_job {
  using answer = job_answer;
  job_access who;
  job_id id;
};

struct unread_chunks {
  job_view view;
  std::vector<chunk> chunks;
  std::uint64_t last = 0; ///< number of the last of them
};
/// The chunks stay until the queue gets chunks_received.
struct stream_answer {
  result<unread_chunks> value;
};
/// GET /stream/{id}.
struct read_job_stream {
  using answer = stream_answer;
  job_access who;
  job_id id;
  /// Unless it has ended: send job_ended when it ends, and job_streamed once, with its next chunk
  /// or when an attempt is lost.
  bool watch = false;
};
/// An answer with chunks up to this one has reached its reader.
struct chunks_received {
  job_id id;
  std::uint64_t last = 0;
};

struct purge_answer {
  result<std::size_t> removed;
};
/// POST /purge-queue: what waits is cancelled; what runs is left alone.
struct purge_jobs {
  using answer = purge_answer;
  job_access who;
};

struct list_answer {
  result<job_list> value;
};
/// GET /jobs?state=&tenant=&model=&limit=&after=, GET /dead.
struct list_jobs {
  using answer = list_answer;
  job_access who;
  job_filter filter;
};

struct detail_answer {
  result<job_detail> value;
};
/// GET /jobs/{id}: everything about it.
struct inspect_job {
  using answer = detail_answer;
  job_access who;
  job_id id;
};

struct counts_answer {
  job_counts value;
};
struct count_jobs {
  using answer = counts_answer;
  job_access who;
};

/// `capacity`: attempts that this pod's own engines run together.
struct intake_answer {
  result<void> taken;
  std::uint32_t capacity = 0;
};
/// Would a new job be taken?
struct ask_intake {
  using answer = intake_answer;
};

// ---- what the queue reports of jobs that are watched -------------------------------------------

struct job_ended {
  job_view view;
};
/// A job that was watched has a chunk more than before, or none any more: its attempt was lost.
struct job_streamed {
  job_id id;
};

} // namespace tayfa
