// What remote workers are answered, in the shapes that RunPod's SDK reads (rp_job.py). Pure.
#pragma once

#include "runtime/api/call.hpp"
#include "runtime/remote/worker_book.hpp"

#include <string>
#include <vector>

namespace tayfa::remote {

/// An object for a single take, an array for a batch. Inputs go out as they came in.
api::response jobs_answer(const std::vector<handed_job>&, bool batch);
api::response stops_answer(const std::vector<std::string>& ids); ///< {"jobsToStop":[…]}
api::response nothing_answer();                                  ///< 204
api::response taken_note();                                      ///< to a ping and a post: 200, {}

} // namespace tayfa::remote
