// Renders one frame of `tayfa top`. Pure.
#pragma once

#include "runtime/cli/table_view.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa {

using meter_values = std::map<std::string, double, std::less<>>;
/// The unlabelled metrics of a page of GET /metrics: {"tayfa_jobs_in_queue": 3, …}.
meter_values meters_of(std::string_view prometheus_text);

struct top_rates {
  double seconds = 0;             ///< span of the measurement
  double accepted = 0, ended = 0; ///< jobs a second
};

struct shown_list {
  table_rows rows;
  boost::json::array sent; ///< the same, as the pod sent them
};

struct top_facts {
  std::string url;
  std::string state; ///< "ready", "not ready", "stopping"
  meter_values meters;
  std::optional<top_rates> rates; ///< empty in the first frame
  shown_list slots;               ///< GET /slots
  shown_list pods;                ///< GET /pods, of a head
  shown_list waiting;             ///< GET /jobs, newest first
  shown_list ended;               ///< the same, the latest end first
  std::string trouble;            ///< the reason why this is not up to date
  bool paused = false;
};

struct top_shape {
  std::size_t width = 0;  ///< 0: no line is cut
  std::size_t height = 0; ///< 0: no line is left out
  bool colour = false;
  bool keys = false; ///< one line lists the keys
};

/// The lines of a frame, without line ends; at most `height`, none wider than `width`.
std::vector<std::string> top_lines(const top_facts&, const top_shape&);
/// The same facts as one object.
boost::json::object top_json(const top_facts&);

} // namespace tayfa
