// What the ingress asks of the queue about jobs, and the answers. Plain values.
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

struct submit_job {
  job_id id;
  job_request request;
  bool watch = false; ///< send job_ended when it ends
};
/// How the job stands; with an idempotency key it may have ended already.
struct submit_answer {
  result<job_view> value;
};
struct find_job {
  job_id id;
  std::optional<milliseconds> keep{}; ///< its result shall stay for so long from now
  job_access who;                     ///< jobs outside of it do not exist for who asks
  bool watch = false;                 ///< send job_ended when it ends, unless it has
};
struct cancel_job {
  job_id id;
  bool by_origin = false; ///< the platform that owns the job stops it: it wants no result any more
  job_access who;         ///< jobs outside of it do not exist for who asks
};
struct job_answer {
  result<job_view> value;
};
struct read_job_stream {
  job_id id;
  job_access who; ///< jobs outside of it do not exist for who asks
  /// Unless it has ended: send job_ended when it ends, and job_streamed once, with its next chunk
  /// or when an attempt is lost.
  bool watch = false;
};
struct unread_chunks {
  job_view view;
  std::vector<chunk> chunks;
  std::uint64_t last = 0; ///< number of the last of them
};
/// The chunks stay until their reader has received them (store_news::chunks_received).
struct stream_answer {
  result<unread_chunks> value;
};
struct count_jobs {
  job_access who; ///< whose jobs are counted
};
struct counts_answer {
  job_counts value;
};
struct retry_job {
  job_id id;
  job_access who; ///< jobs outside of it do not exist for who asks
};
struct drop_job {
  job_id id;
  job_access who; ///< jobs outside of it do not exist for who asks
};
struct purge_jobs {
  job_access who; ///< what waits outside of it is left alone
};
struct purge_answer {
  result<std::size_t> removed;
};
struct list_of_jobs {
  job_filter filter;
  job_access who; ///< whose jobs it may hold
};
struct list_answer {
  job_list value;
};
struct inspect_job {
  job_id id;
  job_access who; ///< jobs outside of it do not exist for who asks
};
struct detail_answer {
  result<job_detail> value;
};
struct job_ended {
  job_view view;
};
/// A job that was watched has a chunk more than before, or none any more: its attempt was lost.
struct job_streamed {
  job_id id;
};

} // namespace tayfa
