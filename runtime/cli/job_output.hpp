// Splits a job's output for the command line: pictures become files, the rest stays JSON. Pure.
#pragma once

#include "messages/ids.hpp"

#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace tayfa {

struct picture_file {
  std::string name; ///< "<job>-<where>.png": its place in the output, made safe as a file name
  std::vector<std::byte> bytes;
};

/// Replaces every string in `output` that is a Base64 PNG or JPEG (also as a data: URL) by the name
/// of its file. The output comes from a server: names consist of letters, digits, '_' and '-' only.
std::vector<picture_file> take_pictures(const job_id& job, boost::json::value& output);

} // namespace tayfa
