// JSON formatted as Python's repr(): the SDK prints the result of a local test in this format, and
// scripts parse it. Pure.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace tayfa {

/// "{'output': [1, 2.5, True, None, 'it\'s']}"
std::string python_text(const boost::json::value&);

} // namespace tayfa
