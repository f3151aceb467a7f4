// Jobs as people read them: lists, one job with its attempts, one change of a job. Pure; `width` 0
// is no terminal: nothing is cut.
#pragma once

#include "messages/job.hpp"
#include "runtime/cli/table_view.hpp"

#include <boost/json/object.hpp>
#include <string>

namespace tayfa {

std::span<const table_column> job_columns();
/// GET /jobs or GET /dead as rows of these columns.
table_rows job_rows(std::span<const job_summary> jobs);
table_row job_row_of(const job_summary& job);

/// GET /jobs/{id}, with the output of GET /status/{id}, if it has one: facts, then the attempts.
std::string job_text(const job_detail& job, const boost::json::value* output, std::size_t width);

/// The object shown by `job_text` and --json: `detail`, plus the members of `status` that it lacks
/// or has cut short.
boost::json::object whole_job(boost::json::object detail, const boost::json::object& status);

/// An event of the feed as a line.
std::string event_line_text(std::uint64_t number, std::string_view kind, std::string_view data,
                            std::size_t width);

} // namespace tayfa
