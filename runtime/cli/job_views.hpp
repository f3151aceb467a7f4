// Jobs as people read them: lists, one job with its attempts, one change of a job. Pure; `width` 0
// is no terminal: nothing is cut.
#pragma once

#include "runtime/cli/table_view.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

namespace tayfa {

std::span<const table_column> job_columns();
/// The "jobs" of GET /jobs or GET /dead as rows of these columns.
table_rows job_rows(const boost::json::array& jobs);

/// GET /jobs/{id}, with the output part of GET /status/{id}: facts, then the attempts.
std::string job_text(const boost::json::object& job, std::size_t width);

/// The object shown by `job_text` and --json: `detail`, plus the members of `status` that it lacks
/// or has cut short.
boost::json::object whole_job(boost::json::object detail, const boost::json::object& status);

/// An event of the feed as a line.
std::string event_line_text(std::uint64_t number, std::string_view kind, std::string_view data,
                            std::size_t width);

} // namespace tayfa
