// What the command line does with a job's output: pictures become files, the rest stays JSON. Pure.
#pragma once

#include "messages/ids.hpp"

#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace tayfa {

struct picture_file {
  std::string name; ///< "<job>-<where>.png": where it stood in the output, safe as a file name
  std::vector<std::byte> bytes;
};

/// Takes every string out of `output` that is a Base64 PNG or JPEG (a data: URL may stand around
/// it) and leaves the file's name in its place. The output comes from a server: names are built
/// from letters, digits, '_' and '-' only.
std::vector<picture_file> take_pictures(const job_id& job, boost::json::value& output);

} // namespace tayfa
