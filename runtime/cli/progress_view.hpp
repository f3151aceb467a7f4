// Display of a job while its end is awaited. Pure.
#pragma once

#include "messages/job.hpp"

#include <boost/json/value.hpp>
#include <chrono>
#include <optional>
#include <string>

namespace tayfa {

/// A job's progress, 0..1, if its last progress update has one of these forms:
///   42        a whole number is percent          0.42   a fraction up to 1.0, percent above
///   "42 %"    a text with percent                "3/7"  a text with a part
///   {"percent": 42}, {"progress" | "fraction": a number as above}
///   {"step" | "current" | "done" | "update": 3, "steps" | "total" | "updates": 7}
std::optional<double> progress_of(const boost::json::value&);

/// State of an awaited job: GET /status/{id}.
struct wait_facts {
  std::string id;
  std::string state;
  std::string worker;
  std::string why;                ///< the sentence for its wait reason
  std::optional<double> progress; ///< 0..1
};
wait_facts wait_facts_of(const job_view&, const boost::json::value* output);

/// A terminal line that is redrawn in place. `tick` turns the spinner.
std::string progress_line(const wait_facts&, std::chrono::milliseconds elapsed, unsigned tick,
                          std::size_t width);
/// The same for files and pipes: one plain line per change. Progress counts in tenths.
std::string plain_line(const wait_facts&);

} // namespace tayfa
