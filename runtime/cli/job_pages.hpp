// A list of jobs, page by page: a page has at most a thousand, and fewer where a filter matches
// few.
#pragma once

#include "messages/job.hpp"
#include "runtime/cli/pod_client.hpp"

#include <boost/json/array.hpp>
#include <string>
#include <vector>

namespace tayfa {

struct list_filter {
  std::string state, tenant, model; ///< empty: any
};

struct job_page {
  std::vector<job_summary> jobs;
  boost::json::array sent; ///< the same, as the pod sent them
};

class job_pages {
 public:
  enum class list : bool { jobs, dead };
  job_pages(const pod_client& pod, list which, list_filter filter)
      : pod_(pod), which_(which), filter_(std::move(filter)) {}

  /// True when the list has no more.
  bool done() const { return done_; }
  /// The next jobs, at most `most` (0: a full page); an empty result does not mean the end.
  command_result<job_page> next(std::size_t most);
  /// The pod's continuation number; 0 at the end.
  std::uint64_t after() const { return after_; }

 private:
  const pod_client& pod_;
  list which_;
  list_filter filter_;
  std::uint64_t after_ = 0;
  bool done_ = false;
};

} // namespace tayfa
