// The OpenAPI 3.1 document of the API, made of the table of routes, the lists of fields and the
// prose that is written by hand (openapi_prose.json). docs/openapi.json is a copy, for reading.
#pragma once

#include <string_view>

namespace tayfa::api {

/// Made at the first call.
std::string_view openapi_text();

/// openapi_prose.json, embedded when it is built: the fixed parts of the document, the bodies that
/// routes take, and the words of routes whose answers are a worker's.
std::string_view openapi_prose();

} // namespace tayfa::api
