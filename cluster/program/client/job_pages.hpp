// A list of jobs, page by page: a pod answers with a thousand at most, and with fewer where a
// filter finds few.
#pragma once

#include "cluster/program/client/pod_client.hpp"

#include <boost/json/array.hpp>
#include <string>

namespace tayfa {

struct list_filter {
  std::string state, tenant, model; ///< empty: any
};

class job_pages {
 public:
  enum class list : bool { jobs, dead };
  job_pages(const pod_client& pod, list which, list_filter filter)
      : pod_(pod), which_(which), filter_(std::move(filter)) {}

  /// The list has no more.
  bool done() const { return done_; }
  /// The next ones, `most` at most (0: as many as a page holds); none is no sign of the end.
  command_result<boost::json::array> next(std::size_t most);
  /// What the pod said about how to go on; 0 at the end.
  std::uint64_t after() const { return after_; }

 private:
  const pod_client& pod_;
  list which_;
  list_filter filter_;
  std::uint64_t after_ = 0;
  bool done_ = false;
};

} // namespace tayfa
